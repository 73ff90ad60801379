//! Accounts by their addresses: codes, how often they are asked for, registration, recovery,
//! correction, and keys that end each other.

use std::time::Duration;

use shared::{
    caller::Scope,
    code::{Code, CodeFor},
    email::EmailAddress,
    id::KeyId,
    key::{CodeHash, EmailHash, Pepper},
    limits::Limits,
    money::Pico,
    period::Period,
    policy::{CurrentPolicy, Grace, PolicyChange, PolicyVersion, VersionNumber},
    provider::Provider,
    store::{
        accesses::{Access, Deed, KeepAccesses, NoteAccess, Operator, Purpose},
        accounts::{
            ChangeEmail, CreateAccount, EmailChange, ForgetEmail, Leaving, NewAccount, Profile,
            ReadProfile,
        },
        alerts::{About, Alert, PutAlerts, TellAlerts},
        codes::{Codes, SealedCode},
        emails::{FindEmail, UNDO},
        keys::{ChangeKeys, CreateKey, KeyChange, KeysOf, NewKey, Undo},
        notices::{CLAIM, Progress, ReadProgress, SendNotices},
        pace::{Asking, KeepPace},
        policies::{KeepPolicies, Published, ReadPolicy},
        wallet::ListWallets,
    },
    time::Timestamp,
};
use tests::twin::Stage;

use super::{Sequence, account, at, hash, hour, key, later, open};

pub(super) const SEQUENCES: &[(&str, Sequence)] = &[
    ("codes are asked for, in their pace", |stage| Box::pin(paces(stage))),
    ("an account is registered with a code, once", |stage| Box::pin(registered(stage))),
    ("a key is recovered with a code, once", |stage| Box::pin(recovered(stage))),
    ("an account gets another address", |stage| Box::pin(corrected(stage))),
    ("alerts are claimed and told, once", |stage| Box::pin(alerts(stage))),
    ("accesses of an operator are noted", |stage| Box::pin(accesses(stage))),
    ("policy versions are published, one after the other", |stage| Box::pin(policies(stage))),
    ("notices of a policy are claimed and sent, once", |stage| Box::pin(notices(stage))),
    ("two keys that manage an account do not end each other", |stage| Box::pin(mutual(stage))),
];

fn pepper() -> Pepper {
    Pepper::parse(&format!(r#"{{"1":"{}"}}"#, "5a".repeat(32))).unwrap()
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn hashed(text: &str) -> EmailHash {
    pepper().email_hashes(&address(text)).next().unwrap()
}

/// A code that opens an account.
fn opens(hash: CodeHash) -> SealedCode {
    SealedCode { hash, managed_from: None }
}

/// The same code in every store.
fn code(digit: char) -> CodeHash {
    let code = Code::parse(&digit.to_string().repeat(22)).unwrap();
    pepper().code_hashes(&code, &CodeFor::Recover, &address("a@b.example")).next().unwrap()
}

/// A key that manages the first account.
fn manager<'a>(
    account: &'a shared::id::AccountId,
    id: &'a shared::id::KeyId,
    hash: &'a shared::key::KeyHash,
) -> NewKey<'a> {
    NewKey {
        hash,
        account,
        key: id,
        label: "manager",
        tag: None,
        scopes: &[Scope::AccountManage],
        models: &[],
        limits: &Limits::NONE,
        expires_at: None,
    }
}

async fn profile(stage: &Stage) -> Profile {
    let profile = stage.store.read_profile(&account(1)).await.unwrap().unwrap();
    stage.note("profile", &profile);
    profile
}

async fn paces(stage: &Stage) {
    let (email, account) = (hashed("a@b.example"), account(1));
    let hours = |count| at(later(hour(), count), 60);
    // Three at once, one an hour, and after a while three again.
    for now in [0, 0, 0, 0, 1, 1, 2, 9, 9, 9, 9].map(hours) {
        stage.note("address", stage.store.book(Asking::Code(&email), now).await);
    }
    for now in [9, 10, 10] {
        stage.note("back", stage.store.give_back(Asking::Code(&email)).await);
        stage.note("address", stage.store.book(Asking::Code(&email), hours(now)).await);
    }
    stage.note("tagged", stage.store.book(Asking::Tagged(&email), hours(0)).await);
    stage.note("back", stage.store.give_back(Asking::Correction(&email)).await);
    stage.note("correction", stage.store.book(Asking::Correction(&email), hours(0)).await);
    stage.note("account", stage.store.book(Asking::Account(&account), hours(0)).await);
    stage.note("all", stage.store.book(Asking::Registrations, hours(0)).await);
    let now = at(hour(), 60);
    stage.note("code", stage.store.put_code(&opens(code('a')), now).await);
    for (later, codes) in [(0, ['a', 'b']), (7_199, ['b', 'a']), (7_200, ['a', 'b'])] {
        let found = stage.store.find_code(codes.map(code).to_vec(), plus(now, later)).await;
        stage.note("found", found.unwrap().map(|code| code.hash.as_str().to_owned()));
    }
}

fn plus(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus(Duration::from_secs(seconds))
}

async fn registered(stage: &Stage) {
    let now = at(hour(), 60);
    let (email, taken) = (address("A@b.example"), hashed("a@b.example"));
    stage.store.put_code(&opens(code('a')), now).await.unwrap();
    stage.store.put_code(&opens(code('b')), now).await.unwrap();
    for (number, digit, later) in
        [(1, 'c', 0), (1, 'a', 7_200), (1, 'a', 60), (2, 'a', 60), (2, 'b', 60)]
    {
        let (account, id, hash) = (account(number), key(number), hash(number));
        let key = manager(&account, &id, &hash);
        let new = NewAccount {
            email: Some((&email, &taken)),
            keys: &[key],
            code: Some(&code(digit)),
            ..NewAccount::bare(&account, &[Provider::Gemini], 1)
        };
        stage.note("register", stage.store.create_account(&new, plus(now, later)).await);
        stage.note("found", stage.store.find_email(vec![taken.clone()], now).await);
    }
    profile(stage).await;
    stage.note("keys", stage.store.read_key(&hash(1)).await);
}

async fn recovered(stage: &Stage) {
    open(stage).await;
    let (now, account) = (at(hour(), 60), account(1));
    let recovers = SealedCode { hash: code('a'), managed_from: Some(0) };
    stage.store.put_code(&recovers, now).await.unwrap();
    stage.store.put_code(&opens(code('b')), now).await.unwrap();
    stage.note("code", stage.store.find_code(vec![code('a')], now).await);
    let before = profile(stage).await;
    for (number, digit) in [(1, 'c'), (1, 'a'), (2, 'a'), (2, 'b')] {
        let (id, hash) = (key(number), hash(number));
        let (new, code) = (manager(&account, &id, &hash), code(digit));
        // As it was read before the one before.
        let stale = stage.store.recover_key(&new, &before, &code, None, now).await;
        stage.note("recover", stale);
        let read = profile(stage).await;
        stage.note("recover", stage.store.recover_key(&new, &read, &code, None, now).await);
        stage.note("key", stage.store.read_key(&hash).await);
        stage.note("managers", stage.store.managers_of(&account).await);
    }
    stage.store.revoke_key(&hash(1), None, now).await.unwrap();
    stage.note("managers", stage.store.managers_of(&account).await);
}

async fn corrected(stage: &Stage) {
    open(stage).await;
    let (now, account) = (at(hour(), 60), account(1));
    for digit in ['a', 'b', 'c'] {
        stage.store.put_code(&opens(code(digit)), now).await.unwrap();
    }
    let (a, d) = (code('a'), code('d'));
    let (first, second) = ("a@b.example", "c@d.example");
    let (one, two) = (hashed(first), hashed(second));
    let (one, two, three) = (&one, &two, &hashed("third@b.example"));
    let before = profile(stage).await;
    let set = async |email: &str, takes, leaves, code| {
        let read = profile(stage).await;
        let email = &address(email);
        let change = EmailChange { email, takes, leaves, code };
        stage.note("email", stage.store.change_email(&read, &change, now).await);
    };
    let (while_, good) = (Leaving::ForAWhile, Leaving::ForGood);
    set(first, Some(one), None, None).await;
    set("A@B.example", None, None, None).await;
    set(second, Some(one), None, None).await;
    set(second, Some(two), Some((one, while_)), Some(&d)).await;
    set(second, Some(two), Some((one, while_)), Some(&a)).await;
    // The address before is nobody else's for seven days, and undoes it until then.
    set(first, Some(one), Some((two, while_)), None).await;
    let week = now.plus(UNDO);
    for (hash, now) in [(one, now), (two, now), (one, week), (two, week)] {
        stage.note("found", stage.store.find_email(vec![hash.clone()], now).await);
    }
    let (id, hash, email) = (key(1), hash(1), address(first));
    let new = manager(&account, &id, &hash);
    let undo = Undo { email: &email, before: one, since: Some(two) };
    for (digit, at) in [('b', week), ('d', now), ('b', now), ('c', now)] {
        let (read, code) = (profile(stage).await, code(digit));
        let undone = stage.store.recover_key(&new, &read, &code, Some(&undo), at).await;
        stage.note("recover", undone);
    }
    set(second, Some(two), Some((one, while_)), None).await;
    // What can undo nothing any more is forgotten, and nothing else.
    for now in [now, week, week] {
        let page = stage.store.list_wallets(now, 0, 1, None).await.unwrap();
        stage.note_sorted("listed", page.items);
        stage.note("forgotten", stage.store.forget_email_before(&account, now).await);
    }
    profile(stage).await;
    // The operator changes it for good.
    set("third@b.example", Some(three), Some((two, good)), None).await;
    set(second, Some(two), None, None).await;
    let email = &address(first);
    let change = EmailChange { email, takes: Some(one), leaves: None, code: None };
    stage.note("email", stage.store.change_email(&before, &change, now).await);
    // Where nobody has deleted what has expired, it is free.
    set(first, Some(one), Some((two, while_)), None).await;
    let read = profile(stage).await;
    let change = EmailChange { email, takes: Some(two), leaves: None, code: None };
    stage.note("email", stage.store.change_email(&read, &change, now).await);
    stage.note("email", stage.store.change_email(&read, &change, week).await);
    profile(stage).await;
}

async fn alerts(stage: &Stage) {
    let (now, account) = (at(hour(), 60), account(1));
    let alert = |about, amount| Alert {
        account: account.clone(),
        hour: hour(),
        about,
        amount: Pico::new(amount),
        limit: Pico::from_dollars(1),
    };
    let budget = |key: Option<KeyId>| About::Budget { key, period: Period::Month, percent: 80 };
    let all = [alert(About::LowBalance, 7), alert(budget(None), 8), alert(budget(Some(key(1))), 9)];
    stage.note("put", stage.store.put_alerts(&all, now).await);
    let untold = async |since: u64| {
        let since = at(hour(), since);
        stage.note("untold", stage.store.untold_alerts(&account, since).await);
    };
    untold(59).await;
    untold(60).await;
    // Half an hour is the time to tell it.
    for seconds in [0, 1_800, 1_801, 3_600] {
        stage.note("claim", stage.store.claim_alert(&all[0], plus(now, seconds)).await);
    }
    stage.note("told", stage.store.mark_told(&all[0], now).await);
    stage.note("claim", stage.store.claim_alert(&all[0], plus(now, 9_000)).await);
    // Written once more it is as it was, and stays told.
    stage.note("put", stage.store.put_alerts(&all, plus(now, 9_000)).await);
    untold(59).await;
    let nobodys = Alert { account: super::account(2), ..all[1].clone() };
    stage.note("claim", stage.store.claim_alert(&nobodys, now).await);
    stage.note("told", stage.store.mark_told(&nobodys, now).await);
    for seconds in [60, 86_461] {
        let page = stage.store.list_wallets(at(hour(), seconds), 0, 1, None).await.unwrap();
        stage.note_sorted("listed", page.items);
    }
}

async fn accesses(stage: &Stage) {
    let who = Operator::from_arn("arn:aws:iam::000000000000:user/ada").unwrap();
    for (number, seconds, purpose, what) in [
        (1, 60, Purpose::Support, Deed::LookUp),
        (1, 61, Purpose::Billing, Deed::Enter),
        (2, 86_460, Purpose::Troubleshooting, Deed::Set),
    ] {
        let (account, time) = (account(number), at(hour(), seconds));
        let access = Access { account, who: who.clone(), purpose, what, time };
        let request = super::call(time.hour(), number);
        stage.note("access", stage.store.note_access(&access, &request).await);
        stage.note("again", stage.store.note_access(&access, &request).await);
    }
    for number in [1, 2, 3] {
        stage.note("of", stage.store.accesses_of(&account(number)).await);
    }
    let day = hour().day();
    for day in [day, day.next(), day.next().next()] {
        stage.note("on", stage.store.accesses_on(day).await);
    }
}

/// The first version, published like any other.
fn first() -> (PolicyVersion, CurrentPolicy) {
    let (number, sha256, now) = (VersionNumber::SHIPPED, "a".to_owned(), at(hour(), 60));
    let version =
        PolicyVersion { number, sha256: sha256.clone(), published_at: now, in_force_at: now };
    (version, CurrentPolicy { number, sha256, major_published_at: now, required_from: now })
}

async fn policies(stage: &Stage) {
    let now = at(hour(), 60);
    let (shipped, current) = first();
    let next = |current: &CurrentPolicy, change| current.next("b".to_owned(), change, now).unwrap();
    let (minor, newer) = next(&current, PolicyChange::Minor);
    let (major, newest) = next(&newer, PolicyChange::Major(Grace::USUAL));
    stage.note("current", stage.store.read_policy().await);
    stage.note("versions", stage.store.policy_versions().await);
    let shipped = Published { version: &shipped, text: "One." };
    let minor = Published { version: &minor, text: "Another." };
    let major = Published { version: &major, text: "A third." };
    for (read, versions, current) in [
        (Some(&current), &[minor][..], &newer),
        (None, &[shipped, minor], &newer),
        (None, &[shipped, minor], &newer),
        (Some(&current), &[major], &newest),
        (Some(&newer), &[minor], &newest),
        (Some(&newer), &[major], &newest),
        (Some(&newer), &[major], &newest),
    ] {
        stage.note("publish", stage.store.publish(read, versions, current).await);
        stage.note("current", stage.store.read_policy().await);
    }
    stage.note("versions", stage.store.policy_versions().await);
    for (major, minor) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
        let number = VersionNumber { major, minor };
        stage.note("version", stage.store.policy_version(number).await);
    }
}

async fn notices(stage: &Stage) {
    let (now, email) = (at(hour(), 60), address("a@b.example"));
    let taken = hashed("a@b.example");
    for (number, seconds) in [(1, 0), (2, 60), (3, 61)] {
        let (account, id, hash) = (account(number), key(number), hash(number));
        let key = [manager(&account, &id, &hash)];
        let email = (number == 1).then_some((&email, &taken));
        let new = NewAccount { email, keys: &key, ..NewAccount::bare(&account, &[], 1) };
        stage.note("open", stage.store.create_account(&new, plus(now, seconds)).await);
    }
    let (_, current) = first();
    let list = async |major| {
        let number = VersionNumber { major, minor: 0 };
        let policy = CurrentPolicy { number, ..current.clone() };
        let page = stage.store.list_noticed(&policy, 0, 1, None).await.unwrap();
        stage.note_sorted("listed", page.items);
    };
    list(2).await;
    let claim = async |number, major, seconds| {
        let claimed = stage.store.claim_notice(&account(number), major, plus(now, seconds)).await;
        stage.note("notice", claimed);
    };
    for late in [Duration::ZERO, CLAIM, CLAIM.saturating_add(Duration::from_secs(1))] {
        claim(1, 2, late.as_secs()).await;
    }
    claim(9, 2, 0).await;
    for number in [1, 1, 9] {
        stage.note("sent", stage.store.mark_noticed(&account(number), 2).await);
    }
    claim(1, 2, 9_000).await;
    claim(1, 3, 9_000).await;
    list(2).await;
    list(3).await;
    let part = |segment, segments, told| Progress {
        major: 2,
        segment,
        segments,
        told,
        left: 1,
        without_address: 2,
        time: now,
    };
    for progress in [part(0, 1, 1), part(0, 1, 2), part(1, 4, 3)] {
        stage.note("progress", stage.store.note_progress(&progress).await);
    }
    for major in [2, 3] {
        stage.note("progress", stage.store.progress_of(major).await);
    }
}

async fn mutual(stage: &Stage) {
    open(stage).await;
    let (now, account) = (at(hour(), 60), account(1));
    for number in [1, 2, 3] {
        let (id, hash) = (key(number), hash(number));
        let read = profile(stage).await;
        let new = manager(&account, &id, &hash);
        stage.note("new key", stage.store.create_key(&new, &read, now).await);
    }
    // Both have been looked at before either has ended the other.
    let read = Some(profile(stage).await);
    stage.note("end", stage.store.revoke_key(&hash(1), read.as_ref(), now).await);
    stage.note("end", stage.store.revoke_key(&hash(2), read.as_ref(), now).await);
    let rotated = stage.store.read_key(&hash(2)).await.unwrap().unwrap();
    let rotate = stage.store.rotate_key(&rotated, &hash(9), now, read.as_ref()).await;
    stage.note("end", rotate);
    let end = KeyChange { expires_at: Some(Some(now)), ..KeyChange::default() };
    stage.note("end", stage.store.change_key(&hash(2), &end, read.as_ref()).await);
    let read = Some(profile(stage).await);
    stage.note("end", stage.store.change_key(&hash(2), &end, read.as_ref()).await);
    for number in [1, 2, 3] {
        stage.note("key", stage.store.read_key(&hash(number)).await);
    }
}
