//! What the platform writes to the owner of an account. There is no link in any of it, so that
//! nobody learns to follow one.

use mail::Message;
use shared::{
    code::Code,
    email::EmailAddress,
    id::{AccountId, ReceiptId},
};

/// With a code to open an account.
pub(crate) fn registration<'a>(to: &'a EmailAddress, code: &Code) -> Message<'a> {
    let text = format!(
        "Somebody, we hope you, wants to open an account with this address.\n\n\
         Your code: {}\n\n\
         It is good for two hours, and for one account. Send it with your address and your \
         consents to POST /v1/account.\n\n\
         If it was not you, do nothing. Without the code no account is opened, and your address \
         is not kept.",
        code.reveal()
    );
    Message { to, subject: "Your code to open an account", text }
}

/// With a code to recover an account.
pub(crate) fn recovery<'a>(to: &'a EmailAddress, account: &AccountId, code: &Code) -> Message<'a> {
    let text = format!(
        "Somebody, we hope you, has asked for a code for your account {account}.\n\n\
         Your code: {}\n\n\
         It is good for two hours. Send it with your address to POST /v1/account/recovery: you \
         get a new management key, and every management key before it ends.\n\n\
         If it was not you, do nothing, and give the code to nobody, whoever asks for it. Your \
         keys go on.",
        code.reveal()
    );
    Message { to, subject: "Your code to recover your account", text }
}

/// With a code to recover an account that has another address, and to undo that.
pub(crate) fn undoing<'a>(to: &'a EmailAddress, account: &AccountId, code: &Code) -> Message<'a> {
    let text = format!(
        "Somebody, we hope you, has asked for a code for the account {account}, which had this \
         address until it was changed.\n\n\
         Your code: {}\n\n\
         It is good for two hours. Send it with this address to POST /v1/account/recovery: you get \
         a new management key, every management key before it ends, and this address is the \
         account's again.\n\n\
         If the change was yours, do nothing, and give the code to nobody, whoever asks for it.",
        code.reveal()
    );
    Message { to, subject: "Your code to recover your account", text }
}

/// With a code to give the address to an account.
pub(crate) fn correction<'a>(
    to: &'a EmailAddress,
    account: &AccountId,
    code: &Code,
) -> Message<'a> {
    let text = format!(
        "Somebody, we hope you, wants this address to be that of the account {account}.\n\n\
         Your code: {}\n\n\
         It is good for two hours. Send it with the address and the account's management key to \
         PUT /v1/account/email.\n\n\
         If it was not you, do nothing. Without the code nothing changes.",
        code.reveal()
    );
    Message { to, subject: "Your code to confirm this address", text }
}

/// That the address was to be given to another account.
pub(crate) fn taken(to: &EmailAddress) -> Message<'_> {
    let text = "Somebody, perhaps you, wants this address to be that of another account. It is \
                that of your account already, and an address is of one account alone. Nothing has \
                changed.\n\n\
                If it was you, give your account another address first."
        .to_owned();
    Message { to, subject: "This address has an account already", text }
}

/// That the account has a new management key.
pub(crate) fn recovered<'a>(to: &'a EmailAddress, account: &AccountId) -> Message<'a> {
    let text = format!(
        "Your account {account} was recovered with a code that was sent to this address. It has a \
         new management key, and every management key before it has ended.\n\n\
         If it was not you, somebody else reads your mail. Secure your mailbox, ask for a code \
         with POST /v1/account/codes, and recover the account again."
    );
    Message { to, subject: "Your account was recovered", text }
}

/// That the account has another address.
pub(crate) fn moved<'a>(to: &'a EmailAddress, account: &AccountId) -> Message<'a> {
    let text = format!(
        "Your account {account} has another address from now on.\n\n\
         If it was not you, somebody has a management key of yours. For seven days this address \
         can undo it: ask for a code with POST /v1/account/codes and recover the account. That \
         ends every management key there is and makes this address the account's again.\n\n\
         This is the last message to this address, unless you ask for one."
    );
    Message { to, subject: "Your account has another address", text }
}

/// That the operator has given the account another address.
pub(crate) fn moved_by_operator<'a>(to: &'a EmailAddress, account: &AccountId) -> Message<'a> {
    let text = format!(
        "The operator has given your account {account} another address. This is the last message \
         to this one.\n\n\
         If you have not asked for that, write to the operator at once."
    );
    Message { to, subject: "Your account has another address", text }
}

/// With a code to close an account.
pub(crate) fn closing<'a>(to: &'a EmailAddress, account: &AccountId, code: &Code) -> Message<'a> {
    let text = format!(
        "Somebody, we hope you, wants to close your account {account}. That cannot be undone.\n\n\
         Your code: {}\n\n\
         It is good for two hours. Send it with the account's id and its management key to POST \
         /v1/account/closing. A copy of everything is at GET /v1/account/copy until then.\n\n\
         If it was not you, do nothing, give the code to nobody, and recover the account with a code \
         from POST /v1/account/codes, since somebody has a management key of yours.",
        code.reveal()
    );
    Message { to, subject: "Your code to close your account", text }
}

/// That the account is closed, and by what its receipt is found.
pub(crate) fn closed<'a>(to: &'a EmailAddress, receipt: &ReceiptId) -> Message<'a> {
    let text = format!(
        "Your account {} is closed. Its keys have ended, and this address is not kept: there will \
         be no other message.\n\n\
         Your receipt: {}\n\n\
         GET /v1/receipts/RECEIPT shows it, without a key. Within about two hours, once calls that \
         were under way are over, it says what was deleted, what is kept until when, and what of \
         your balance is to be paid back. It stays for eight days: keep a copy.\n\n\
         If you have not asked for that, write to the operator at once.",
        receipt.account(),
        receipt.reveal()
    );
    Message { to, subject: "Your account is closed", text }
}
