//! The policy that an account's consents are for.

/// The major version that consent has to be given for.
pub const POLICY: u32 = 1;
