//! The end of an account: what is deleted and counted, what is kept, and that it is done once.

use std::time::Duration;

use shared::{
    code::{Code, CodeFor},
    email::EmailAddress,
    id::{AccountId, ReceiptId},
    key::{CodeHash, EmailHash, Pepper},
    limits::Limits,
    money::Pico,
    provider::Provider,
    store::{
        Table,
        accesses::{Access, Deed, KeepAccesses, NoteAccess, Operator, Purpose},
        accounts::{CreateAccount, NewAccount, ReadProfile},
        calls::RecordCall,
        codes::{Codes, SealedCode},
        consents::{By, ConsentEvent, ConsentKind, KeepConsents},
        copies::CopyAccount,
        keys::ChangeKeys,
        receipts::{BeginClosing, Closing, EndClosing, EraseAccount, Parts, ReadReceipt},
        wallet::{ChangeWallet, CloseWallet, ListWallets, ReadWallet, State, WalletClose},
    },
    time::Timestamp,
};
use tests::twin::Stage;

use super::{
    Sequence, account, asks, at, call, credit, hash, hold, hour, key, later, make_key, open, over,
    record,
};

pub(super) const SEQUENCES: &[(&str, Sequence)] = &[
    ("an account is closed, and ends", |stage| Box::pin(ends(stage))),
    ("an account is copied", |stage| Box::pin(copied(stage))),
];

fn receipt(account: &AccountId) -> ReceiptId {
    ReceiptId::of(account, &"5a".repeat(11)).unwrap()
}

fn pepper() -> Pepper {
    Pepper::parse(&format!(r#"{{"1":"{}"}}"#, "5a".repeat(32))).unwrap()
}

fn email() -> (EmailAddress, EmailHash) {
    let email = EmailAddress::parse("a@b.example").unwrap();
    let hash = pepper().email_hashes(&email).next().unwrap();
    (email, hash)
}

/// The same code in every store.
fn code() -> CodeHash {
    let (code, purpose) = (Code::parse(&"a".repeat(22)).unwrap(), CodeFor::Close(account(2)));
    pepper().code_hashes(&code, &purpose, &email().0).next().unwrap()
}

async fn live(stage: &Stage) {
    let (first, now) = (account(1), at(hour(), 70));
    open(stage).await;
    make_key(stage, 1, &Limits::default(), &[]).await;
    make_key(stage, 2, &Limits { day: Some(Pico::new(9)), ..Limits::default() }, &[]).await;
    let read = stage.store.read_key(&hash(1)).await.unwrap().unwrap();
    let until = at(hour(), 900);
    stage.note("rotate", stage.store.rotate_key(&read, &hash(3), until, None).await);
    let (who, purpose) = (Operator::from_arn("arn:aws:iam::1:user/ada").unwrap(), Purpose::Support);
    let access = Access { account: first.clone(), who, purpose, what: Deed::Set, time: now };
    stage.note("access", stage.store.note_access(&access, &call(hour(), 9)).await);
    stage.note("look", stage.store.note_access_to_closed(&access, &call(hour(), 8)).await);
    hold(stage, &asks(&first, &call(hour(), 1)), at(hour(), 100)).await;
    let record = record(&call(hour(), 1), key(1), 3, at(hour(), 100));
    stage.note("record", stage.store.record_call(&record, None, &|| at(hour(), 101)).await);
}

async fn ends(stage: &Stage) {
    live(stage).await;
    let (first, now) = (account(1), at(hour(), 200));
    let profile = stage.store.read_profile(&first).await.unwrap().unwrap();
    let id = receipt(&first);
    stage.note("none", stage.store.read_receipt(&first).await);
    // Not as it was read, and then once.
    let other = shared::store::accounts::Profile { revision: 9, ..profile.clone() };
    let closing = Closing { receipt: &id, emails: &[], code: None, frozen: false };
    stage.note("freeze", stage.store.set_state(&first, State::Frozen).await);
    stage.note("begin", stage.store.begin_closing(&profile, &closing, now).await);
    stage.note("thaw", stage.store.set_state(&first, State::Active).await);
    stage.note("begin", stage.store.begin_closing(&other, &closing, now).await);
    stage.note("begin", stage.store.begin_closing(&profile, &closing, now).await);
    stage.note("begin", stage.store.begin_closing(&profile, &closing, now).await);
    stage.note("thaw", stage.store.set_state(&first, State::Active).await);
    let (provider, kind, by) = (Provider::OpenAi, ConsentKind::Given, By::Operator);
    let event = ConsentEvent { provider, policy: 1, kind, by, time: now };
    stage.note("consent", stage.store.give_consent(&first, &event).await);
    hold(stage, &asks(&first, &call(hour(), 2)), at(hour(), 201)).await;
    for _ in 0..2 {
        stage.note("keys", stage.store.erase_keys(&first).await);
        stage.note("parts", stage.store.erase_parts(&first, Parts::Shown).await);
        stage.note("receipt", stage.store.read_receipt(&first).await);
    }
    let mut ordinals: Vec<_> = stage.store.ordinals_of(&first).await.unwrap().into_iter().collect();
    ordinals.sort();
    stage.note("ordinals", ordinals);
    let listed = stage.store.list_wallets(now, 0, 1, None).await.unwrap();
    stage.note("listed", listed.items.len());
    // While it waits somebody pays.
    let wallet = stage.store.read_wallet(&first).await.unwrap().unwrap();
    let out = wallet.out.first().map(|(_, out)| *out).unwrap();
    let close = WalletClose { wallet: &wallet, hour: hour(), out, spent: Pico::new(750_000) };
    stage.note("close", stage.store.close_hour(&close).await);
    let wallet = stage.store.read_wallet(&first).await.unwrap().unwrap();
    stage.note("unstated", wallet.unstated(over(hour())));
    credit(stage, "late", Pico::new(7)).await;
    stage.note("calls", stage.store.erase_calls(&first, None).await.map(|next| next.is_some()));
    stage.note("parts", stage.store.erase_parts(&first, Parts::All).await);
    let payments = stage.store.payments_of(&first).await.unwrap();
    stage.note("payments", payments);
    let backups = Duration::from_secs(7 * 24 * 3_600);
    let end = at(later(hour(), 2), 0);
    stage.note("end", stage.store.end_closing(&wallet, payments, backups, end).await);
    let wallet = stage.store.read_wallet(&first).await.unwrap().unwrap();
    for _ in 0..2 {
        stage.note("end", stage.store.end_closing(&wallet, payments, backups, end).await);
    }
    stage.note("receipt", stage.store.read_receipt(&first).await);
    for time in [end, end.plus(Duration::from_secs(8 * 24 * 3_600)), end] {
        stage.note("forget", stage.store.forget_receipt(&first, time).await);
        stage.note("there", stage.store.read_receipt(&first).await.unwrap().is_some());
    }
    with_an_address(stage, now).await;
}

/// One that has an address and nothing else.
async fn with_an_address(stage: &Stage, now: Timestamp) {
    let (second, (address, hash)) = (account(2), email());
    let bare = NewAccount::bare(&second, &[], 1);
    let new = NewAccount { email: Some((&address, &hash)), ..bare };
    stage.note("create", stage.store.create_account(&new, now).await);
    let profile = stage.store.read_profile(&second).await.unwrap().unwrap();
    let id = receipt(&second);
    let emails = [hash];
    let code = SealedCode { hash: code(), managed_from: None };
    stage.note("code", stage.store.put_code(&code, now).await);
    let code = Some(&code.hash);
    let closing = Closing { receipt: &id, emails: &emails, code, frozen: true };
    for _ in 0..2 {
        stage.note("begin", stage.store.begin_closing(&profile, &closing, now).await);
    }
    let payments = stage.store.payments_of(&second).await.unwrap();
    let wallet = stage.store.read_wallet(&second).await.unwrap().unwrap();
    stage.note("end", stage.store.end_closing(&wallet, payments, Duration::ZERO, now).await);
}

async fn copied(stage: &Stage) {
    live(stage).await;
    let (first, (_, hash)) = (account(1), email());
    stage.note("email", stage.store.copy_email(&hash, at(hour(), 0)).await.unwrap());
    for table in [Table::Accounts, Table::Keys, Table::Calls, Table::Ledger] {
        for time in [at(hour(), 200), at(later(hour(), 8 * 24), 0)] {
            let page = stage.store.copy_items(&first, table, None, time).await.unwrap();
            stage.note("copied", page.items);
        }
    }
}
