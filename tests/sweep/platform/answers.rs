//! Somebody asks for a record at a moment around its end, and now and then for everything.

use std::{collections::BTreeSet, ops::Range, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::{
    event::HttpEvent,
    id::{AccountId, CallId},
    store::{
        Store, Table,
        calls::ReadCall,
        copies::CopyAccount,
        rollups::{ReadRollups, Rollup},
    },
    time::Timestamp,
};

use super::{
    super::truth::{Live, WEEK, lock},
    Platform, START,
};

const EVENT: &str = include_str!("../../../events/usage.calls.json");

/// What an answer is about.
#[derive(Clone, Debug)]
enum About<'a> {
    /// A call.
    One(&'a str),
    /// The calls of these seconds.
    Calls(Range<i64>),
    /// Roll-ups.
    Rollups,
    /// Everything.
    All,
}

impl About<'_> {
    fn has(&self, name: &str, born: i64) -> bool {
        match self {
            Self::One(call) => name == *call,
            Self::Calls(within) => name.starts_with("call_") && within.contains(&born),
            Self::Rollups => name.starts_with("hour_"),
            Self::All => true,
        }
    }
}

impl Platform {
    /// Runs something to its end, while everything else goes on.
    fn wait<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        let running = self.reader.spawn(what);
        loop {
            if let Some(done) = running.take() {
                return done;
            }
            self.simulation.run_for(Duration::from_millis(20));
        }
    }

    /// Somebody asks for a record at a moment around its end, and now and then for everything.
    pub(super) fn look(&mut self, account: &str, call: &str) {
        let Some(of) = self.accounts.iter().find(|of| of.id.as_str() == account) else { return };
        if of.closed {
            return;
        }
        let (id, now) = (of.id.clone(), self.simulation.now());
        let second = now.seconds();
        let born = lock(&self.truth).born(account, call);
        let age = born.map(|born| second - born);
        self.figures.last_second += u64::from(age == Some(WEEK - 1));
        self.figures.first_second += u64::from(age == Some(WEEK));
        self.figures.still_there += u64::from(age >= Some(WEEK));
        let wide = self.below(25) == 0;
        let minute = (second - WEEK)..(second - WEEK + 60);
        // What is of this minute and the call, or everything.
        let first = born.unwrap_or(minute.start).min(minute.start);
        let time = if wide { 0..i64::MAX } else { first..minute.end };
        let before = lock(&self.truth).live(account, &time, second);
        let mut answers = vec![
            (About::One(call), self.one(&id, call, now)),
            (About::Calls(minute.clone()), self.list(&id, now, Some(minute))),
        ];
        let mut sums = Vec::new();
        if wide {
            answers.push((About::Calls(0..i64::MAX), self.list(&id, now, None)));
            answers.push((About::All, self.copy(&id, now)));
            answers.push((About::Rollups, self.rollups(&id, now)));
            let early = second - WEEK - self.below(3_600);
            for (width, from, limit) in
                [("1m", second - WEEK, 120), ("1h", second - WEEK, 168), ("1h", early, 168)]
            {
                let to = if width == "1m" { (from / 60 + limit) * 60 } else { i64::MAX };
                sums.push((0..to, self.sum(&id, now, (width, from, limit))));
            }
        }
        let after = lock(&self.truth).live(account, &time, second);
        // What came or went while it was asked for may be there or not.
        let bounds = |asked: &About<'_>| {
            let of = |live: &Live| -> BTreeSet<String> {
                let asked_for = live.iter().filter(|(name, born)| asked.has(name, **born));
                asked_for.map(|(name, _)| name.clone()).collect()
            };
            let (before, after) = (of(&before), of(&after));
            (&before & &after, &before | &after)
        };
        let mut truth = lock(&self.truth);
        for (asked, shown) in answers {
            let (least, most) = bounds(&asked);
            let (too_many, too_few) = (&shown - &most, &least - &shown);
            if !(too_many.is_empty() && too_few.is_empty()) {
                let (many, few) = (too_many.len(), too_few.len());
                truth.violate(format!("{many} too many and {few} too few at {age:?}: {asked:?}"));
            }
            self.figures.answers += 1;
        }
        for (within, sum) in sums {
            let (least, most) = bounds(&About::Calls(within));
            if !(least.len()..=most.len()).contains(&sum) {
                truth.violate(format!("a sum of {sum}, and not {} at {age:?}", least.len()));
            }
            self.figures.answers += 1;
        }
    }

    fn one(&self, account: &AccountId, call: &str, now: Timestamp) -> BTreeSet<String> {
        let (store, account) = (Store::over(self.reader.clone()), account.clone());
        let call: CallId = call.parse().unwrap();
        let read = self.wait(async move { store.read_call(&account, &call, now).await });
        read.unwrap().into_iter().map(|record| record.call.to_string()).collect()
    }

    /// What the usage function answers.
    fn ask(&self, account: &AccountId, now: Timestamp, path: &str, query: &Value) -> Value {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        event["path"] = path.into();
        event["multiValueQueryStringParameters"] = query.clone();
        event["requestContext"]["authorizer"]["account"] = account.as_str().into();
        let request = HttpEvent::parse(event.to_string().as_bytes()).unwrap().request();
        let (app, call) = (Arc::clone(&self.usage), self.reader.call_id());
        let body = self.wait(async move {
            let reply = app.answer(&request, &call, now).await;
            let reply = reply.unwrap_or_else(|fault| panic!("{fault}"));
            reply.into_body().collect().await.unwrap().to_bytes()
        });
        serde_json::from_slice(&body).unwrap()
    }

    fn list(
        &self,
        account: &AccountId,
        now: Timestamp,
        within: Option<Range<i64>>,
    ) -> BTreeSet<String> {
        let mut query = json!({"limit": ["10000"]});
        if let Some(Range { start, end }) = within {
            query["start_time"] = json!([start.to_string()]);
            query["end_time"] = json!([end.to_string()]);
        }
        let answer = self.ask(account, now, "/v1/usage/calls", &query);
        assert_eq!(answer["has_more"], false);
        let calls = answer["data"].as_array().unwrap().iter();
        calls.map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    }

    /// How many calls a report by the minute or the hour comes to.
    fn sum(
        &self,
        account: &AccountId,
        now: Timestamp,
        (width, from, limit): (&str, i64, i64),
    ) -> usize {
        let mut query = json!({
            "start_time": [from.to_string()], "bucket_width": [width], "limit": [limit.to_string()],
        });
        let mut sum = 0;
        loop {
            let path = "/v1/organization/usage/completions";
            let answer = self.ask(account, now, path, &query);
            for bucket in answer["data"].as_array().unwrap() {
                let results = bucket["results"].as_array().unwrap().iter();
                sum += results.map(|it| it["num_model_requests"].as_u64().unwrap()).sum::<u64>();
            }
            let next = answer["next_page"].as_str().filter(|_| width == "1h");
            let Some(next) = next else { return usize::try_from(sum).unwrap() };
            query["page"] = json!([next]);
        }
    }

    fn copy(&self, account: &AccountId, now: Timestamp) -> BTreeSet<String> {
        let (store, account) = (Store::over(self.reader.clone()), account.clone());
        self.wait(async move {
            let (mut all, mut from) = (BTreeSet::new(), None);
            loop {
                let page = store.copy_items(&account, Table::Calls, from, now).await.unwrap();
                all.extend(page.items.iter().map(|it| it["call"].as_str().unwrap().to_owned()));
                from = page.next;
                if from.is_none() {
                    return all;
                }
            }
        })
    }

    fn rollups(&self, account: &AccountId, now: Timestamp) -> BTreeSet<String> {
        let (store, account) = (Store::over(self.reader.clone()), account.clone());
        self.wait(async move {
            let (mut all, first) = (BTreeSet::new(), Timestamp::from_seconds(START).hour());
            let each = |it: &Rollup| {
                let Rollup { hour, key, model, endpoint, price_version, .. } = it;
                all.insert(format!(
                    "hour_{hour}#{key}#{model}#{}#{price_version}",
                    endpoint.name()
                ));
                std::ops::ControlFlow::Continue(())
            };
            let read = store.read_rollups(&account, (first, now.hour()), now, each).await;
            assert!(read.unwrap().is_continue());
            all
        })
    }
}
