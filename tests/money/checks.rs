//! What must hold at every commit, and once everything is closed. It is worked out from the items
//! as they are stored, by none of the product's own arithmetic.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex},
};

use shared::{
    caller::Caller,
    fault::Fault,
    id::{AccountId, CallId, KeyId},
    key::IdempotencyTag,
    money::Pico,
    store::{
        Table,
        tables::{Change, Item},
    },
};
use simulator::{Applied, Commit, Contents, Simulation};

use super::schedule::Stats;

/// Who watches.
pub(super) struct Checks(Mutex<State>);

#[derive(Default)]
struct State {
    violations: Vec<String>,
    stats: Stats,
    calls: HashMap<String, Known>,
    /// Keys whose revocation is under way, by the environment that does it, and those revoked.
    revoking: HashMap<u32, String>,
    revoked: HashSet<String>,
    /// What all entries of the ledger come to so far.
    entered: i128,
    /// What is held for calls that were told that the outcome is not known.
    unknown: i128,
    /// Calls that were counted in a minute, and how many there may be.
    minutes: HashMap<(String, i128), (i128, i128)>,
    /// Calls by what named them.
    tags: HashMap<String, Vec<String>>,
    /// What every record that was written costs, by its call, and how many keys were made.
    recorded: HashMap<String, i128>,
    keys: usize,
    /// Whether the account was closed to everybody.
    closing: bool,
}

/// What is known of a call.
struct Known {
    key: String,
    least: i128,
    /// What there was when the wallet refused it last, of the balance or the month, whichever was
    /// less; and when the key did, of its budgets.
    covered: [Option<i128>; 2],
    /// What was held for it.
    held: i128,
}

fn number(item: &Item, name: &str) -> Option<i128> {
    item.get(name).map(|value| value.as_n().unwrap().parse().unwrap())
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).map(|value| value.as_s().unwrap().as_str())
}

/// What is out, by hour.
fn out(item: &Item) -> impl Iterator<Item = (&str, i128)> {
    item.iter().filter_map(|(name, value)| {
        let hour = name.strip_prefix("out_")?;
        Some((hour, value.as_n().unwrap().parse().unwrap()))
    })
}

/// What is left of budgets: by `total`, `YYYYMMDD` or `YYYYMM`.
fn left(item: &Item) -> impl Iterator<Item = (&str, i128)> {
    item.iter().filter_map(|(name, value)| {
        let period = name.strip_prefix("left_")?;
        let counts = period == "total" || period.bytes().all(|byte| byte.is_ascii_digit());
        counts.then(|| (period, value.as_n().unwrap().parse().unwrap()))
    })
}

/// A part of an id, or of an hour: the year and month, or the day.
fn part(id: &str, place: Range<usize>) -> &str {
    id.get(place).unwrap()
}

/// The attribute with the limit of a period.
fn limit_of(period: &str) -> &'static str {
    match period.len() {
        8 => "limit_day",
        6 => "limit_month",
        _ => "limit_total",
    }
}

/// What the hours of a period begin with.
fn prefix_of(period: &str) -> &str {
    if period == "total" { "" } else { period }
}

/// What is left in a period together with what is out in it: that changes by closes alone.
fn in_period(item: &Item, period: &str, if_unopened: i128) -> i128 {
    let prefix = prefix_of(period);
    let held: i128 =
        out(item).filter(|(hour, _)| hour.starts_with(prefix)).map(|(_, out)| out).sum();
    let left = left(item).find_map(|(other, left)| (other == period).then_some(left));
    left.unwrap_or(if_unopened) + held
}

/// What the records of an hour come to, of one key or of all.
fn spent(contents: &Contents, account: &str, hour: &str, key: Option<&str>) -> i128 {
    let prefix = format!("call_{hour}");
    let records = contents.items(Table::Calls).filter(|item| {
        text(item, "account") == Some(account)
            && text(item, "call").unwrap().starts_with(&prefix)
            && key.is_none_or(|key| text(item, "key_id") == Some(key))
    });
    records.map(|item| number(item, "cost").unwrap()).sum()
}

fn entered(contents: &Contents) -> i128 {
    let entries = contents.items(Table::Ledger).filter(|item| text(item, "kind") != Some("line"));
    entries.map(|entry| number(entry, "amount").unwrap()).sum()
}

impl Checks {
    /// Watches every commit of a simulation from now on.
    pub(super) fn watch(simulation: &Simulation, account: &AccountId) -> Arc<Self> {
        let keys = simulation.items(Table::Keys).len();
        let state = State { entered: simulation.view(entered), keys, ..State::default() };
        let checks = Arc::new(Self(Mutex::new(state)));
        let (watching, account) = (Arc::clone(&checks), account.to_string());
        simulation.observe(move |commit| watching.0.lock().unwrap().see(commit, &account));
        checks
    }

    /// A call is about to pass the gate.
    pub(super) fn begins(&self, call: &CallId, caller: &Caller, least: Pico) {
        let mut state = self.0.lock().unwrap();
        state.stats.calls += 1;
        let (key, least) = (caller.key.to_string(), least.pico());
        let known = Known { key, least, covered: [None; 2], held: 0 };
        state.calls.insert(call.nonce().to_owned(), known);
    }

    /// It has a name.
    pub(super) fn names(&self, call: &CallId, tag: &IdempotencyTag) {
        let mut state = self.0.lock().unwrap();
        state.tags.entry(tag.as_str().to_owned()).or_default().push(call.to_string());
    }

    /// Whoever has revoked a key was told that it is.
    pub(super) fn revoked(&self, key: &KeyId) {
        self.0.lock().unwrap().revoked.insert(key.to_string());
    }

    /// Something does not hold.
    pub(super) fn violate(&self, what: &str) {
        self.0.lock().unwrap().violate(what);
    }

    /// It was refused.
    pub(super) fn refused(&self, call: &CallId, fault: &Fault) {
        let mut state = self.0.lock().unwrap();
        let about_money = matches!(
            fault,
            Fault::InsufficientBalance | Fault::AccountLimit | Fault::BudgetSpent(_)
        );
        if about_money {
            state.stats.refused += 1;
            let known = &state.calls[call.nonce()];
            // What was there when the write was refused covers the least there is of this call.
            let of_key = usize::from(matches!(fault, Fault::BudgetSpent(_)));
            let covered = known.covered[of_key].unwrap_or(i128::MAX);
            let least = known.least;
            if covered < least && covered + state.unknown >= least {
                state.stats.behind_unknown += 1;
            }
            if covered >= least {
                state.stats.false_refusals += 1;
                let code = fault.code();
                state.violations.push(format!("a false refusal: {code}, {covered} covers {least}"));
            }
        } else {
            *state.stats.other.entry(fault.code()).or_default() += 1;
            // A hold may stand of which its caller does not know. It returns with the close.
            state.unknown += state.calls[call.nonce()].held;
        }
    }

    /// It has passed.
    pub(super) fn admitted(&self, _: &CallId) {
        self.0.lock().unwrap().stats.admitted += 1;
    }

    /// It is settled.
    pub(super) fn settled(&self) {
        self.0.lock().unwrap().stats.settled += 1;
    }

    /// All that did not hold on the way.
    pub(super) fn finish_open(&self, simulation: &Simulation) -> (Vec<String>, Stats) {
        let mut state = self.0.lock().unwrap();
        state.stats.add_counts(&simulation.counts());
        (std::mem::take(&mut state.violations), std::mem::take(&mut state.stats))
    }

    /// What has to hold once everything is closed; and all that did not hold on the way.
    pub(super) fn finish(
        &self,
        simulation: &Simulation,
        account: &AccountId,
    ) -> (Vec<String>, Stats) {
        let mut state = self.0.lock().unwrap();
        simulation.view(|contents| state.close(contents, account.as_str()));
        drop(state);
        self.finish_open(simulation)
    }
}

impl State {
    fn violate(&mut self, what: &str) {
        self.violations.push(what.to_owned());
    }

    fn see(&mut self, commit: &Commit<'_>, account: &str) {
        match (commit.table, commit.sort) {
            (Table::Accounts, "wallet") if commit.applied == Applied::Refused => {
                self.wallet_refuses(commit);
            }
            (Table::Accounts, "wallet") if commit.applied == Applied::Applied => {
                self.wallet(commit, account);
            }
            (Table::Keys, _) if commit.applied == Applied::Refused => self.key_refuses(commit),
            (Table::Keys, _) if commit.applied == Applied::Applied => self.key(commit, account),
            (Table::Calls | Table::Ledger, id) if commit.applied == Applied::Applied => {
                let changed = commit.before.is_some() && commit.before != commit.after;
                if changed && !id.starts_with("mark_") {
                    if commit.after.is_none() && commit.table == Table::Calls {
                        self.deletes(commit, account);
                    } else {
                        self.violate("a record, an entry or a line has changed");
                    }
                }
                if let (Some(call), Some(after)) = (id.strip_prefix("call_"), commit.after) {
                    self.record(commit, account, part(call, 0..10));
                    self.recorded.insert(call.to_owned(), number(after, "cost").unwrap());
                }
            }
            _ => {}
        }
    }

    /// A record is deleted before its time only of an account that is closed, and when everything
    /// has counted it.
    fn deletes(&mut self, commit: &Commit<'_>, account: &str) {
        let wallet = commit.contents.item(Table::Accounts, &[account, "wallet"]);
        let Some(wallet) = wallet.filter(|_| self.closing) else {
            if !self.closing {
                self.violate("a record of an account that is not closed was deleted");
            }
            return;
        };
        if out(wallet).next().is_some() || wallet.contains_key("unstated") {
            self.violate("a record was deleted that was not counted");
        }
    }

    fn record(&mut self, commit: &Commit<'_>, account: &str, hour: &str) {
        let wallet = commit.contents.item(Table::Accounts, &[account, "wallet"]);
        let closed = wallet.and_then(|wallet| number(wallet, "closed"));
        let Some(closed) = closed else { return };
        if commit.before.is_none() && closed >= hour.parse().unwrap() {
            self.violate("a record of a closed hour");
        }
    }

    /// What there was of the balance and the month when a hold was refused.
    fn wallet_refuses(&mut self, commit: &Commit<'_>) {
        let Some(item) = commit.before else { return };
        let Some((call, hour)) = call_of(commit) else { return };
        let Some(balance) = number(item, "balance") else { return };
        let month = number(item, "limit_month").map(|limit| {
            let left = number(item, &format!("left_{}", part(hour, 0..6)));
            left.unwrap_or(limit)
        });
        if let Some(known) = self.calls.get_mut(call) {
            known.covered[0] = Some(month.map_or(balance, |month| month.min(balance)));
        }
    }

    fn key_refuses(&mut self, commit: &Commit<'_>) {
        let Some(item) = commit.before else { return };
        let Some((call, hour)) = call_of(commit) else { return };
        let periods = ["total", part(hour, 0..8), part(hour, 0..6)];
        let covered = periods.into_iter().filter_map(|period| {
            let limit = number(item, limit_of(period))?;
            Some(number(item, &format!("left_{period}")).unwrap_or(limit))
        });
        let covered = covered.min();
        if let Some(known) = self.calls.get_mut(call) {
            known.covered[1] = covered;
        }
    }

    fn wallet(&mut self, commit: &Commit<'_>, account: &str) {
        let Some(after) = commit.after else { return };
        let whole = |item: &&Item| item.contains_key("balance") && item.contains_key("closed");
        let Some(before) = commit.before.filter(whole).filter(|_| whole(&after)) else {
            return self.violate("a ghost of a wallet");
        };
        self.closing |= text(after, "state") == Some("closing");
        let total = |item: &Item| {
            number(item, "balance").unwrap() + out(item).map(|(_, out)| out).sum::<i128>()
        };
        if number(after, "balance").unwrap() < 0 {
            self.violate("the balance is below zero");
        }
        let mut expected = total(before);
        if commit.parts > 1 {
            let entered = entered(commit.contents);
            expected += entered - self.entered;
            self.entered = entered;
        }
        let (was, closed) = (number(before, "closed").unwrap(), number(after, "closed").unwrap());
        let mut gone = 0;
        if closed != was {
            gone = spent(commit.contents, account, &closed.to_string(), None);
            expected -= gone;
            if closed < was {
                self.violate("the watermark went back");
            }
            if text(after, "state") != text(before, "state") {
                self.violate("a close has frozen the account");
            }
        }
        if total(after) != expected {
            self.violate("money came or went");
        }
        self.budgets(commit, before, &closed.to_string(), gone);
        self.bounds(after);
        if holds(commit) {
            self.admits(commit, before, after);
        }
        if number(before, "auth_after") != number(after, "auth_after")
            && let Some(key) = self.revoking.remove(&commit.environment)
        {
            self.revoked.insert(key);
        }
    }

    /// What is out is of open hours, and never less than nothing.
    fn bounds(&mut self, after: &Item) {
        let closed = number(after, "closed");
        for (hour, out) in out(after) {
            if out < 0 {
                self.violations.push("more came back than was out".to_owned());
            }
            if closed.is_some_and(|closed| hour.parse::<i128>().unwrap() <= closed) {
                self.violations.push("something is out of a closed hour".to_owned());
            }
        }
    }

    /// What is left of a budget and what is out in its period, less its limit, changes by closes
    /// alone.
    fn budgets(&mut self, commit: &Commit<'_>, before: &Item, closed: &str, gone: i128) {
        let Some(after) = commit.after else { return };
        for (period, _) in left(after) {
            let name = limit_of(period);
            let limits = [before, after].map(|item| number(item, name));
            // A limit is set for the period that is on; at its end clocks may differ on which it is.
            let now = commit.at.hour().to_string();
            let near_end = commit.at.millis() % 3_600_000 > 3_300_000
                || commit.at.millis() % 3_600_000 < 300_000;
            if limits[0] != limits[1] && (near_end || !now.starts_with(prefix_of(period))) {
                continue;
            }
            let [was, is] = [(before, limits[0]), (after, limits[1])].map(|(item, limit)| {
                // One without a limit counts down from nothing.
                let limit = limit.unwrap_or(0);
                in_period(item, period, limit) - limit
            });
            let gone = if closed.starts_with(prefix_of(period)) { gone } else { 0 };
            if is != was - gone {
                self.violations.push(format!("the budget {name} came or went"));
            }
        }
    }

    /// A hold was placed in the wallet: was that right?
    fn admits(&mut self, commit: &Commit<'_>, before: &Item, after: &Item) {
        let Some((call, hour)) = call_of(commit) else { return };
        if text(before, "state") != Some("active") {
            self.violate("a frozen account has made a call");
        }
        if self.closing {
            self.violate("a closed account has made a call");
        }
        if number(before, "consent_openai").is_none_or(|policy| policy < 1) {
            self.violate("a call without consent");
        }
        if number(before, "closed").unwrap() >= hour.parse().unwrap() {
            self.violate("a hold of a closed hour");
        }
        self.placed_once(call, before);
        self.counted(commit, "wallet", after);
        let revoked = self.calls.get(call).is_some_and(|known| self.revoked.contains(&known.key));
        if revoked {
            self.violate("a revoked key has made a call");
        }
        self.stats.holds += 1;
        let held = number(before, "balance").unwrap() - number(after, "balance").unwrap();
        if let Some(known) = self.calls.get_mut(call) {
            known.held += held;
        }
        self.within_limits(commit, hour, after);
    }

    /// A hold that is sent again because its answer was lost is placed once, if it is the last.
    fn placed_once(&mut self, call: &str, before: &Item) {
        if text(before, "last") == Some(call) {
            self.violate("a hold was placed twice");
        }
    }

    /// No minute has more calls than there may be, however often it is begun.
    fn counted(&mut self, commit: &Commit<'_>, whose: &str, after: &Item) {
        let Change::Update { update, .. } = &commit.write.change else { return };
        if !update.contains("#left_requests") {
            return;
        }
        let Some(limit) = number(after, "limit_requests") else { return };
        let Some(minute) = number(after, "minute") else { return };
        let count = self.minutes.entry((whose.to_owned(), minute)).or_default();
        // A limit that is changed holds from the next minute on.
        count.1 = count.1.max(limit);
        count.0 += 1;
        if count.0 > count.1 {
            self.violate("a minute has more calls than there may be");
        }
    }

    fn within_limits(&mut self, commit: &Commit<'_>, hour: &str, after: &Item) {
        let Change::Update { update, .. } = &commit.write.change else { return };
        let periods = ["total", part(hour, 0..8), part(hour, 0..6)];
        for (name, limit) in periods
            .into_iter()
            .map(|period| (format!("left_{period}"), limit_of(period)))
            .chain([("left_requests".to_owned(), "limit_requests")])
            .chain([("left_tokens".to_owned(), "limit_tokens")])
        {
            // A call that was let in before a minute had a limit counts against none.
            let counts =
                !matches!(limit, "limit_requests" | "limit_tokens") || update.contains(&name);
            let limited = counts && number(after, limit).is_some();
            if limited && number(after, &name).is_some_and(|left| left < 0) {
                self.violations.push(format!("{limit} is exceeded"));
            }
        }
    }

    fn key(&mut self, commit: &Commit<'_>, account: &str) {
        let Some(after) = commit.after else { return };
        let Some(before) = commit.before else {
            if matches!(commit.write.change, Change::Update { .. }) {
                self.violate("a ghost of a key");
            }
            return;
        };
        let id = text(after, "key_id").unwrap();
        if before.get("revoked_at").is_none() && after.get("revoked_at").is_some() {
            self.revoking.insert(commit.environment, id.to_owned());
        }
        let (was, closed) = (number(before, "closed"), number(after, "closed"));
        let closed = closed.map(|closed| closed.to_string()).unwrap_or_default();
        let closes = was.is_some_and(|was| was.to_string() != closed);
        let gone = if closes { spent(commit.contents, account, &closed, Some(id)) } else { 0 };
        self.budgets(commit, before, &closed, gone);
        self.bounds(after);
        if let Some((call, hour)) = call_of(commit).filter(|_| holds(commit)) {
            self.placed_once(call, before);
            self.counted(commit, id, after);
            self.within_limits(commit, hour, after);
            self.slot(commit, before, after);
        }
    }

    /// A slot that is taken was free, by the clock of whoever took it.
    fn slot(&mut self, commit: &Commit<'_>, before: &Item, after: &Item) {
        let now = commit.write.terms.values.iter().find(|(name, _)| *name == ":now");
        let now: Option<i128> = now.map(|(_, value)| value.as_n().unwrap().parse().unwrap());
        for name in after.keys().filter(|name| name.starts_with("s_")) {
            let (old, new) = (number(before, name), number(after, name));
            if old != new && old.is_some_and(|old| now.is_none_or(|now| old > now)) {
                self.violations.push("a slot was taken twice".to_owned());
            }
        }
    }

    /// Once everything is closed.
    fn close(&mut self, contents: &Contents, account: &str) {
        if self.closing {
            return self.ended(contents, account);
        }
        let wallet = contents.item(Table::Accounts, &[account, "wallet"]);
        let Some(wallet) = wallet.filter(|wallet| wallet.contains_key("balance")) else {
            return self.violate("there is no wallet");
        };
        let records = || {
            contents
                .items(Table::Calls)
                .filter(|item| text(item, "call").unwrap().starts_with("call_"))
        };
        let sum = |items: &mut dyn Iterator<Item = &Item>, name: &str| -> i128 {
            items.map(|item| number(item, name).unwrap()).sum()
        };
        let cost = sum(&mut records(), "cost");
        let balance = number(wallet, "balance").unwrap();
        if balance != entered(contents) - cost {
            self.violations.push(format!(
                "the balance is {balance}, and should be {} - {cost}",
                entered(contents)
            ));
        }
        let mut keys = contents.items(Table::Keys);
        if out(wallet).next().is_some() || keys.any(|key| out(key).next().is_some()) {
            self.violate("something is still out");
        }
        if wallet.contains_key("unstated") {
            self.violate("a day is on no statement");
        }
        let rollups = contents.items(Table::Calls);
        let mut rollups = rollups.filter(|item| text(item, "call").unwrap().starts_with("hour_"));
        if sum(&mut rollups, "cost") != cost {
            self.violate("the roll-ups do not come to what was charged");
        }
        let lines = contents.items(Table::Ledger);
        let mut lines = lines.filter(|item| text(item, "kind") == Some("line"));
        if sum(&mut lines, "amount") != cost {
            self.violate("the statement does not come to what was charged");
        }
        for key in contents.items(Table::Keys) {
            let (Some(limit), Some(left)) = (number(key, "limit_total"), number(key, "left_total"))
            else {
                continue;
            };
            let id = text(key, "key_id");
            let own = sum(&mut records().filter(|it| text(it, "key_id") == id), "cost");
            if left != limit - own {
                self.violate("a key's budget is not what it has spent");
            }
        }
        for calls in self.tags.values() {
            let charged = records().filter(|item| {
                let call = text(item, "call").unwrap();
                calls.iter().any(|it| it == call) && number(item, "cost").unwrap() > 0
            });
            if charged.count() > 1 {
                self.violations.push("a call that is named was charged twice".to_owned());
            }
        }
        self.stats.records += records().count();
    }

    /// Once an account has ended: there is a receipt, which says what was deleted, and a ledger, in
    /// which what was entered is what was spent and what is owed.
    fn ended(&mut self, contents: &Contents, account: &str) {
        let of = |table| contents.items(table).filter(|it| text(it, "account") == Some(account));
        let parts: Vec<_> = of(Table::Accounts).filter_map(|item| text(item, "part")).collect();
        if parts != ["receipt"] || of(Table::Keys).chain(of(Table::Calls)).next().is_some() {
            self.violations.push(format!("of the closed account there is more: {parts:?}"));
        }
        let recorded: i128 = self.recorded.values().sum();
        let lines = of(Table::Ledger).filter(|item| text(item, "kind") == Some("line"));
        let stated: i128 = lines.map(|line| number(line, "amount").unwrap()).sum();
        if stated != recorded || entered(contents) != recorded {
            let entered = entered(contents);
            self.violations.push(format!("spent {recorded}, stated {stated}, entered {entered}"));
        }
        let receipt = contents.item(Table::Accounts, &[account, "receipt"]);
        let Some(receipt) = receipt.filter(|receipt| receipt.contains_key("closed_at")) else {
            return self.violate("the account has not ended");
        };
        let said = |name: &str| number(receipt, name).unwrap_or(0);
        let payments = i128::try_from(of(Table::Ledger).count()).unwrap();
        let is = |count: usize| i128::try_from(count).unwrap();
        if said("deleted_keys") != is(self.keys)
            || said("deleted_records") != is(self.recorded.len())
            || said("payments") != payments
        {
            self.violations.push(format!("the receipt says what is not so: {receipt:?}"));
        }
        let due = of(Table::Ledger).filter(|item| text(item, "kind") == Some("refund_due"));
        let due: i128 = due.map(|entry| number(entry, "amount").unwrap()).sum();
        if said("refund_due") != -due {
            self.violate("the receipt says another refund than the ledger");
        }
        self.stats.records += self.recorded.len();
        self.stats.ended += 1;
    }
}

/// Whether it is a hold.
fn holds(commit: &Commit<'_>) -> bool {
    matches!(&commit.write.change, Change::Update { update, .. } if update.contains("#last = :call"))
}

/// The call that a hold is of, by what is random of its id, and its hour.
fn call_of<'a>(commit: &'a Commit<'_>) -> Option<(&'a str, &'a str)> {
    let value = |name| {
        let mut values = commit.write.terms.values.iter();
        values.find_map(|(other, value)| (*other == name).then_some(value))
    };
    Some((value(":call")?.as_s().unwrap(), value(":hour")?.as_n().unwrap()))
}
