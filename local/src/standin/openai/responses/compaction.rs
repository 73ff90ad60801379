//! The body of a compaction. A field's place here is its place on the wire.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::usage::Usage;
use crate::standin::call::Call;
use crate::standin::openai::CREATED;

/// A conversation made shorter.
#[derive(Serialize)]
pub(super) struct Compaction {
    id: String,
    object: &'static str,
    created_at: u64,
    output: [Compacted; 1],
    usage: Usage,
}

/// What only the provider can read. The real one leaves what the user said beside it.
#[derive(Serialize)]
struct Compacted {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    encrypted_content: String,
}

impl Compaction {
    /// A compaction that comes to this text.
    pub(super) fn new(call: &Call, text: &str, usage: Usage) -> Self {
        let encrypted_content = STANDARD.encode(text);
        let output = [Compacted { id: call.id("cmp_"), kind: "compaction", encrypted_content }];
        let (id, object) = (call.id("resp_"), "response.compaction");
        Self { id, object, created_at: CREATED, output, usage }
    }
}
