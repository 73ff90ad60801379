//! An account whose every call is remembered, on the simulated store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use http_body_util::BodyExt;
use serde_json::{Value, json, value::RawValue};
use shared::{
    caller::Scope,
    catalogue::Catalogue,
    endpoint::EndpointType,
    event::{HttpEvent, Request},
    fault::Fault,
    id::{AccountId, KeyId},
    key::KeyHash,
    law,
    limits::Limits,
    log::Log,
    money::{Markup, Pico},
    provider::Provider,
    store::{
        Store, Table,
        accounts::{CreateAccount, NewAccount},
        calls::{Basis, RECORD_LIFE, Record, RecordCall},
        keys::NewKey,
        ledger::{Entry, EntryKind, PostEntry},
        wallet::{Hold, KeyRead, MoveMoney, ReadWallet, Settle},
    },
    tier::Tier,
    time::Timestamp,
    units::{UnitClass, Units},
};
use simulator::{Environment, Simulation};
use usage::Bounds;

use super::truth::{Groups, Shape, Told, Truth};

const EVENT: &str = include_str!("../../events/usage.calls.json");

/// What the account has.
const CREDIT: Pico = Pico::from_dollars(100_000_000);

/// The tags of its keys.
const TAGS: [Option<&str>; 3] = [Some("red"), None, Some("red")];

pub(super) struct Ledger {
    simulation: Simulation,
    env: Environment,
    account: AccountId,
    keys: Vec<KeyId>,
    records: Vec<Record>,
    catalogue: Arc<Catalogue>,
    app: Arc<usage::App<Store<Environment>>>,
}

impl Ledger {
    pub(super) fn open(seed: u64) -> Self {
        let simulation = Simulation::new(seed);
        // Endless pages would hide what goes on behind the first.
        simulation.set_page_size(1_500);
        let (account, env) = (simulation.account_id(), simulation.environment(0));
        let keys: Vec<_> = TAGS.iter().map(|_| simulation.key_id()).collect();
        let opening = {
            let (account, keys, env) = (account.clone(), keys.clone(), env.clone());
            async move {
                let hashes: Vec<_> = (0..keys.len())
                    .map(|number| KeyHash::parse(&format!("1#{number:064x}")).unwrap())
                    .collect();
                let new = keys.iter().zip(&hashes).zip(TAGS).map(|((key, hash), tag)| NewKey {
                    hash,
                    account: &account,
                    key,
                    label: "",
                    tag,
                    scopes: &[Scope::Inference],
                    models: &[],
                    limits: &Limits::NONE,
                    expires_at: None,
                });
                let new: Vec<_> = new.collect();
                let bare = NewAccount::bare(&account, &Provider::ALL, 1);
                let (store, now) = (Store::over(env.clone()), env.now());
                store.create_account(&NewAccount { keys: &new, ..bare }, now).await.unwrap();
                let entry = Entry::new(&account, EntryKind::TopUp, "first", CREDIT).unwrap();
                store.post_entry(&entry, now).await.unwrap();
            }
        };
        simulation.complete(&env, opening);
        let catalogue = Arc::new(Catalogue::load(Markup::default()).unwrap());
        let (records, app) = (Vec::new(), Arc::new(app(&env)));
        Self { simulation, env, account, keys, records, catalogue, app }
    }

    /// Makes the table's pages so small, and reads no more than this for an answer.
    pub(super) fn set_bounds(&mut self, page: usize, bounds: Bounds) {
        self.simulation.set_page_size(page);
        self.app = Arc::new(app(&self.env).with_bounds(bounds));
    }

    pub(super) fn now(&self) -> Timestamp {
        self.env.now()
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.simulation.below(end.max(1))
    }

    /// Lets time pass, with a run of retention at minute 25 of every hour.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now().plus(time);
        loop {
            let hour = self.now().hour();
            let run = hour.start().plus(Duration::from_secs(25 * 60));
            let next = if self.now() < run { run } else { run.plus(Duration::from_secs(3_600)) };
            if next > end {
                self.sleep_until(end);
                return;
            }
            self.sleep_until(next);
            let (env, catalogue) = (self.env.clone(), Arc::clone(&self.catalogue));
            let report = self.simulation.complete(&self.env, async move {
                let log = Log::to(std::io::sink());
                let app = retention::App::new(Store::over(env.clone()), catalogue, log);
                app.report(retention::Event::default(), &env.clock()).await
            });
            assert_eq!((report.failed, report.unclosed_records), (0, 0));
        }
    }

    fn sleep_until(&self, end: Timestamp) {
        let (env, time) = (self.env.clone(), end.since(self.now()));
        self.simulation.complete(&self.env, async move { env.sleep(time).await });
    }

    /// Makes a call: any model, any tier, any classes that have a price.
    pub(super) fn call(&mut self) {
        let pick = |end: usize| {
            usize::try_from(self.simulation.below(u64::try_from(end).unwrap())).unwrap()
        };
        // A few of each kind, so that there is something to sum.
        let mut seen = BTreeMap::<_, usize>::new();
        let models = self.catalogue.models().filter(|model| {
            let seen = seen.entry(format!("{:?}", model.mode)).or_default();
            *seen += 1;
            *seen <= 2
        });
        let models: Vec<_> = models.collect();
        let model = models[pick(models.len())];
        let tiers: Vec<_> = Tier::ALL.into_iter().filter(|tier| model.lists(*tier)).collect();
        let tier = tiers[pick(tiers.len())];
        let mut units = Units::default();
        for _ in 0..=pick(4) {
            let class = UnitClass::ALL[pick(UnitClass::ALL.len())];
            // Now and then a prompt that is priced as a long one.
            let most = if pick(8) == 0 { 900_000 } else { 5_000 };
            let more = units.clone().with(class, u64::try_from(pick(most)).unwrap());
            units = if model.cost(&more, tier).is_ok() { more } else { units };
        }
        let mut cost = model.cost(&units, tier).unwrap();
        let mut price_version = self.catalogue.version_of(tier);
        if pick(30) == 0 {
            // Prices that are not known any more.
            price_version = price_version.replace(self.catalogue.version(), "2020-01-01");
            cost = cost.and(Pico::new(i128::try_from(pick(1_000)).unwrap()));
        }
        // A hold is more than a call costs, but now and then it is not.
        let held = if pick(20) == 0 { cost.quarter() } else { cost.and(Pico::new(77)) };
        let charged = law::charge(cost, held).charged;
        let (call, time) = (self.env.call_id(), self.env.now());
        let record = Record {
            account: self.account.clone(),
            call,
            time,
            model: model.id.clone(),
            units,
            endpoint: EndpointType::ALL[pick(EndpointType::ALL.len())],
            status: if pick(9) == 0 { 500 } else { 200 },
            key: self.keys[pick(self.keys.len())].clone(),
            cost: charged,
            price_version,
            basis: Basis::Reported,
        };
        self.records.push(record.clone());
        let env = self.env.clone();
        self.simulation.complete(&self.env, async move {
            let (store, clock) = (Store::over(env.clone()), env.clock());
            let Record { account, call, .. } = &record;
            let hold = Hold {
                account,
                call,
                amount: held,
                provider: Provider::OpenAi,
                policy: 1,
                key: KeyRead::At(time),
            };
            store.hold(&hold, &clock).await.unwrap();
            store.record_call(&record, None, &clock).await.unwrap();
            let returned = held.less(charged);
            store.settle(&Settle { account, call, returned }, &clock).await;
        });
    }

    /// When the first call was.
    pub(super) fn first(&self) -> Timestamp {
        self.records[0].time
    }

    pub(super) fn days(&self) -> usize {
        self.distinct(|record| record.time.hour().day().to_string())
    }

    pub(super) fn models(&self) -> usize {
        self.distinct(|record| record.model.clone())
    }

    pub(super) fn price_versions(&self) -> usize {
        self.distinct(|record| record.price_version.clone())
    }

    pub(super) fn classes(&self) -> usize {
        let classes = self.records.iter().flat_map(|record| record.units.iter());
        classes.map(|(class, _)| class).collect::<BTreeSet<_>>().len()
    }

    pub(super) fn forgotten(&self) -> usize {
        let now = self.now();
        self.records.iter().filter(|record| record.expires_at() <= now).count()
    }

    fn distinct(&self, of: impl Fn(&Record) -> String) -> usize {
        self.records.iter().map(of).collect::<BTreeSet<_>>().len()
    }

    fn tag(&self, record: &Record) -> Option<&'static str> {
        TAGS[self.keys.iter().position(|key| *key == record.key).unwrap()]
    }

    /// Asks a report, page by page, and compares each bucket with the calls; returns the pages.
    pub(super) fn agrees(
        &self,
        truth: &Truth<'_>,
        (from, to): (Timestamp, Option<Timestamp>),
        limit: Option<usize>,
    ) -> usize {
        let anthropic = truth.shape.is_anthropic();
        // A time within one bucket is none to Anthropic's clients.
        let later = |to: Timestamp| to.max(truth.floor(from).plus(truth.width()));
        let to = if anthropic { to.map(later) } else { to };
        let shown = |time: Timestamp| {
            if anthropic { time.to_string() } else { time.seconds().to_string() }
        };
        let (start, end) =
            if anthropic { ("starting_at", "ending_at") } else { ("start_time", "end_time") };
        let mut query = vec![(start.to_owned(), shown(from))];
        query.extend(to.map(|to| (end.to_owned(), shown(to))));
        if !truth.shape.days_alone() {
            query.push(("bucket_width".to_owned(), truth.width.to_owned()));
        }
        query.extend(limit.map(|limit| ("limit".to_owned(), limit.to_string())));
        query.extend(
            truth.grouping.iter().map(|name| ("group_by[]".to_owned(), (*name).to_owned())),
        );
        let (mut page, mut pages, mut covered) = (None::<String>, 0, None::<Timestamp>);
        let (first, _) = truth.covers(from, to, self.now());
        let last = loop {
            let mut query = query.clone();
            query.extend(page.map(|page| ("page".to_owned(), page)));
            let (body, now) = self.ask(truth.shape.path(), &query);
            let answer: Value = serde_json::from_str(&body).unwrap();
            pages += 1;
            let amounts = amounts(&body, truth.shape);
            for (bucket, amounts) in answer["data"].as_array().unwrap().iter().zip(amounts) {
                let time = |name: &str| {
                    let seconds = bucket[name].as_i64().map(Timestamp::from_seconds);
                    seconds.unwrap_or_else(|| bucket[name].as_str().unwrap().parse().unwrap())
                };
                let (from, to) = (time(start), time(end));
                assert_eq!(from, covered.unwrap_or(first), "a gap or an overlap");
                covered = Some(to);
                // They were made one after the other.
                let before = |end: Timestamp| {
                    self.records.partition_point(|it| it.time.seconds() < end.seconds())
                };
                let calls = self.records[before(from)..before(to)].iter();
                let expected = truth.groups(calls, &self.catalogue, |record| self.tag(record));
                let results = bucket["results"].as_array().unwrap().iter().zip(amounts);
                let results: Vec<_> = results
                    .map(|(fields, amount)| Told { fields: fields.clone(), amount })
                    .collect();
                let told = truth.told(&results);
                if told != expected {
                    let Truth { shape, width, grouping } = truth;
                    let differ = |groups: &Groups, others: &Groups| {
                        let mut groups = groups.clone();
                        groups.retain(|group, sums| others.get(group) != Some(sums));
                        groups
                    };
                    panic!(
                        "{shape:?} by {grouping:?} in {width} from {from} to {to}, at {now}: told \
                         {:?}, and not {:?}",
                        differ(&told, &expected),
                        differ(&expected, &told)
                    );
                }
            }
            page = answer["next_page"].as_str().map(str::to_owned);
            assert_eq!(answer["has_more"], json!(page.is_some()));
            if page.is_none() {
                break truth.covers(from, to, now).1;
            }
        };
        // Of a time that is forgotten by now there is no bucket.
        let expected = (first < last).then_some(last);
        assert_eq!(covered, expected, "the end is missing, or more is told than was asked for");
        pages
    }

    /// What was paid in less what was charged is the balance and what is held.
    pub(super) fn balance_agrees(&self) {
        let charged: i128 = self.records.iter().map(|record| record.cost.pico()).sum();
        let (env, account) = (self.env.clone(), self.account.clone());
        let wallet = self.simulation.complete(&self.env, async move {
            Store::over(env).read_wallet(&account).await.unwrap().unwrap()
        });
        assert_eq!(wallet.balance.pico(), CREDIT.pico() - charged);
        let costs = format!("{}", self.first().seconds());
        let query = [("start_time".to_owned(), costs), ("limit".to_owned(), "180".to_owned())];
        let (body, _) = self.ask("/v1/organization/costs", &query);
        let told: i128 = amounts(&body, Shape::Costs).into_iter().flatten().flatten().sum();
        assert_eq!(told, charged, "all costs are all that was charged");
        let (body, _) = self.ask("/api/v1/credits", &[]);
        let credits: BTreeMap<String, BTreeMap<String, &RawValue>> =
            serde_json::from_str(&body).unwrap();
        let credits = &credits["data"];
        assert_eq!(pico(credits["total_credits"].get(), 12), CREDIT.pico());
        assert_eq!(pico(credits["total_usage"].get(), 12), charged);
    }

    /// Every record that is not seven days old is shown, newest first, and no other.
    pub(super) fn records_agree(&self) {
        let mut shown = Vec::new();
        let mut page = None::<String>;
        let at = loop {
            let mut query = vec![("limit".to_owned(), "999".to_owned())];
            query.extend(page.map(|page| ("page".to_owned(), page)));
            let (body, now) = self.ask("/v1/usage/calls", &query);
            let answer: Value = serde_json::from_str(&body).unwrap();
            for call in answer["data"].as_array().unwrap() {
                shown.push(call["id"].as_str().unwrap().to_owned());
                let (time, expires) = (call["time"].as_u64(), call["expires_at"].as_u64());
                assert_eq!(expires, time.map(|time| time + RECORD_LIFE.as_secs()));
            }
            page = answer["next_page"].as_str().map(str::to_owned);
            if page.is_none() {
                break now;
            }
        };
        let live = |record: &&Record| record.expires_at().seconds() > at.seconds();
        let expected: BTreeSet<_> =
            self.records.iter().filter(live).map(|record| record.call.to_string()).collect();
        assert!(shown.iter().rev().is_sorted(), "not the newest first");
        assert_eq!(shown.iter().cloned().collect::<BTreeSet<_>>(), expected);
        assert_eq!(shown.len(), expected.len());
    }

    /// What a query is answered, and when.
    fn ask(&self, path: &str, query: &[(String, String)]) -> (String, Timestamp) {
        let now = self.now();
        (self.ask_at(now, path, query), now)
    }

    /// Why a query is refused, if it is.
    pub(super) fn refusal(&self, path: &str, query: &[(String, String)]) -> Option<Fault> {
        self.answer(self.now(), path, query).err()
    }

    /// What it is answered at a moment of the function's clock.
    fn ask_at(&self, now: Timestamp, path: &str, query: &[(String, String)]) -> String {
        self.answer(now, path, query).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn answer(
        &self,
        now: Timestamp,
        path: &str,
        query: &[(String, String)],
    ) -> Result<String, Fault> {
        let request = request(&self.account, &self.keys[0], path, query);
        let (app, call) = (Arc::clone(&self.app), self.env.call_id());
        let answered = self.simulation.complete(&self.env, async move {
            match app.answer(&request, &call, now).await {
                Ok(reply) => Ok(reply.into_body().collect().await.unwrap().to_bytes()),
                Err(fault) => Err(fault),
            }
        });
        answered.map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    /// How often the one call there is is told at a moment: as a record, and in sums by the minute and
    /// the hour of the last seven days.
    pub(super) fn told_at(&self, now: Timestamp) -> [u64; 3] {
        let answer: Value =
            serde_json::from_str(&self.ask_at(now, "/v1/usage/calls", &[])).unwrap();
        let records = answer["data"].as_array().unwrap().len();
        let week = now.minus(RECORD_LIFE);
        let sums = ["1m", "1h"].map(|width| {
            let of = |shape: &Shape| {
                let query = [
                    ("start_time", week.seconds().to_string()),
                    ("bucket_width", width.to_owned()),
                    ("limit", if width == "1m" { "1440" } else { "168" }.to_owned()),
                ];
                let query = query.map(|(name, value)| (name.to_owned(), value));
                let page: Value =
                    serde_json::from_str(&self.ask_at(now, shape.path(), &query)).unwrap();
                let buckets = page["data"].as_array().unwrap().iter();
                let results = buckets.flat_map(|bucket| bucket["results"].as_array().unwrap());
                results.map(|result| result["num_model_requests"].as_u64().unwrap()).sum::<u64>()
            };
            Shape::USAGE.iter().map(of).sum()
        });
        let [minutes, hours] = sums;
        [u64::try_from(records).unwrap(), minutes, hours]
    }

    /// How many records are in the table, whoever is shown them.
    pub(super) fn stored(&self) -> usize {
        let items = self.simulation.items(Table::Calls).into_iter();
        items.filter(|item| item["call"].as_s().unwrap().starts_with("call_")).count()
    }
}

/// The function as it is deployed.
fn app(env: &Environment) -> usage::App<Store<Environment>> {
    let log = Log::to(std::io::sink());
    usage::App::new(Store::over(env.clone()), Markup::default(), log).unwrap()
}

/// A request of somebody who may read usage.
fn request(account: &AccountId, key: &KeyId, path: &str, query: &[(String, String)]) -> Request {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["path"] = path.into();
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in query {
        all.entry(name).or_default().push(value);
    }
    event["multiValueQueryStringParameters"] = json!(all);
    let authorizer = &mut event["requestContext"]["authorizer"];
    authorizer["account"] = account.as_str().into();
    authorizer["key"] = key.as_str().into();
    HttpEvent::parse(event.to_string().as_bytes()).unwrap().request()
}

/// The amounts of a report's results, bucket by bucket, in pico-dollars.
fn amounts(body: &str, shape: Shape) -> Vec<Vec<Option<i128>>> {
    let page: BTreeMap<String, &RawValue> = serde_json::from_str(body).unwrap();
    let buckets: Vec<BTreeMap<String, &RawValue>> =
        serde_json::from_str(page["data"].get()).unwrap();
    let of = |bucket: &BTreeMap<String, &RawValue>| {
        let results: Vec<BTreeMap<String, &RawValue>> =
            serde_json::from_str(bucket["results"].get()).unwrap();
        let amount = |result: &BTreeMap<String, &RawValue>| match shape {
            Shape::Costs => {
                let amount: BTreeMap<String, &RawValue> =
                    serde_json::from_str(result["amount"].get()).unwrap();
                Some(pico(amount["value"].get(), 12))
            }
            Shape::CostReport => Some(pico(result["amount"].get().trim_matches('"'), 10)),
            Shape::Completions
            | Shape::Embeddings
            | Shape::Moderations
            | Shape::Images
            | Shape::Speeches
            | Shape::Transcriptions
            | Shape::Messages => None,
        };
        results.iter().map(amount).collect()
    };
    buckets.iter().map(of).collect()
}

/// A decimal with so many places as a whole number.
fn pico(text: &str, places: usize) -> i128 {
    let (whole, decimals) = text.split_once('.').unwrap();
    assert_eq!(decimals.len(), places, "{text}");
    format!("{whole}{decimals}").parse().unwrap()
}
