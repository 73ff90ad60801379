//! The world of one test: the whole platform in memory, a scripted provider, and a canary that is
//! searched for when the world ends. A test cannot forget privacy.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use account::Registration;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use dynoxide::ImportOptions;
use futures_util::StreamExt;
use local::{
    Options, Platform,
    database::Embedded,
    template::{TEMPLATE, Template},
};
use mail::Mailer;
use proxy::Silence;
use serde_json::Value;
use shared::{
    caller::Scope,
    catalogue::Catalogue,
    config::{Channel, ChannelsConfig, MailConfig, OperatorConfig, Secret},
    endpoint::EndpointType,
    id::{AccountId, CallId, KeyId},
    key::{KeyHash, PlainKey},
    limits::Limits,
    log::Log,
    money::{Markup, Pico},
    provider::Provider as ProviderName,
    store::{
        Store,
        accounts::{Profile, ReadProfile},
        calls::{Basis, ReadCalls, Record, RecordCall, Wanted},
        keys::{Consistency, CreateKey, FindKey, NewKey},
        ledger::{Entry, EntryKind, PostEntry},
        wallet::{ReadWallet, Wallet},
    },
    time::Timestamp,
    units::{UnitClass, Units},
};

use crate::{canary::Canary, meter::Meter, provider::Provider};

/// The tables, by the names they have here.
const TABLES: [&str; 4] = ["Accounts", "Keys", "Calls", "Ledger"];

/// Who operates it.
pub const OPERATOR: &str = "Example Ltd";

/// The platform and everything around it.
pub struct World {
    platform: Option<Platform>,
    provider: Provider,
    canary: Canary,
    log: Capture,
    client: reqwest::Client,
    store: Store,
    meter: Option<Meter>,
}

/// What is not the same in every world.
struct Setup<'a> {
    database: Option<Embedded>,
    template: &'a str,
    channels: ChannelsConfig,
    silence: Silence,
    registration: Registration,
}

impl Setup<'_> {
    /// As it is deployed, with these channels.
    const fn with(channels: ChannelsConfig) -> Self {
        Self {
            database: None,
            template: TEMPLATE,
            channels,
            silence: Silence::USUAL,
            registration: Registration::Closed,
        }
    }
}

/// A key with limits of its own.
pub struct LimitedKey {
    /// The key.
    pub plain: PlainKey,
    /// Where it stands in the table.
    pub hash: KeyHash,
    /// Its name elsewhere.
    pub key: KeyId,
}

/// An answer, read to its end.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("text")
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl World {
    /// The platform with the template that is deployed, and the scripted provider as all three.
    pub async fn new() -> Self {
        Self::with_template(TEMPLATE).await
    }

    /// The same, in which a caller may be sent nothing for no longer than this.
    pub async fn with_silence(silence: Silence) -> Self {
        let provider = Provider::start().await;
        let setup = Setup::with(channels(places(&provider)));
        Self::over(Setup { silence, ..setup }, provider).await
    }

    /// The same with another template.
    pub async fn with_template(template: &str) -> Self {
        let provider = Provider::start().await;
        let setup = Setup::with(channels(places(&provider)));
        Self::over(Setup { template, ..setup }, provider).await
    }

    /// The platform in which whoever has an address in these domains may register.
    pub async fn with_registration(domains: &str) -> Self {
        let provider = Provider::start().await;
        let setup = Setup::with(channels(places(&provider)));
        Self::over(Setup { registration: Registration::parse(domains), ..setup }, provider).await
    }

    /// The platform with these providers somewhere else, each by its base URL.
    pub async fn with_providers(places: impl IntoIterator<Item = (ProviderName, String)>) -> Self {
        Self::over(Setup::with(channels(places)), Provider::start().await).await
    }

    /// The platform with `OpenAI` somewhere else, behind a certificate that this authority signs.
    pub async fn with_openai(base_url: String, extra_ca: Option<String>) -> Self {
        let mut channels = channels([(ProviderName::OpenAi, base_url)]);
        channels.extra_ca = extra_ca;
        Self::over(Setup::with(channels), Provider::start().await).await
    }

    /// The platform with the stand-ins in place of every provider, in which everybody may register.
    pub async fn with_standins() -> Self {
        let mut channels = ChannelsConfig::from_env();
        for name in ProviderName::ALL {
            channels = channels.with(name, Channel { base_url: String::new(), credential: None });
        }
        let setup = Setup { registration: Registration::Open, ..Setup::with(channels) };
        Self::over(setup, Provider::start().await).await
    }

    /// The platform with a meter between the functions and the tables.
    pub async fn with_measured_store() -> Self {
        let template = Template::parse(TEMPLATE).expect("a template");
        let database = Embedded::open(None, &template).await.expect("a database");
        let meter = Meter::to(database.config().aws.endpoint.as_deref().expect("an address")).await;
        let database = Some(database.behind(meter.url()));
        let provider = Provider::start().await;
        let setup = Setup::with(channels(places(&provider)));
        let mut world = Self::over(Setup { database, ..setup }, provider).await;
        world.meter = Some(meter);
        world
    }

    async fn over(setup: Setup<'_>, provider: Provider) -> Self {
        let Setup { database, template, channels, silence, registration } = setup;
        let log = Capture::default();
        let options = Options {
            port: 0,
            data: None,
            template,
            channels,
            markup: Markup::default(),
            log: Log::to(log.clone()),
            silence,
            registration,
            answer_after: Duration::ZERO,
            operator: OperatorConfig { name: Some(OPERATOR.to_owned()), contact: None },
        };
        let platform = match database {
            Some(database) => Platform::over(database, options).await,
            None => Platform::start(options).await,
        };
        let platform = platform.expect("the platform starts");
        // Retention runs once at the start, and would otherwise come between what a test does.
        while log.0.lock().expect("not poisoned").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let store = Store::connect(platform.database().config().clone()).expect("a store");
        let tls = shared::tls::provider_tls(None).expect("TLS");
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .build()
            .expect("a client");
        let (platform, canary, meter) = (Some(platform), Canary::new(), None);
        Self { platform, provider, canary, log, client, store, meter }
    }

    /// What counts the units that the tables take.
    pub const fn meter(&self) -> &Meter {
        self.meter.as_ref().expect("a measured store")
    }

    /// Waits until every call that has begun is settled.
    pub async fn drain(&self) {
        self.platform().proxy().drain().await;
    }

    /// The scripted provider.
    pub const fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The text to put wherever people write.
    pub fn canary(&self) -> &str {
        self.canary.text()
    }

    /// Fails the test if the canary is in `bytes`.
    pub fn must_not_hold_what_was_said(&self, place: &str, bytes: &[u8]) {
        self.canary.must_not_be_in(place, bytes);
    }

    /// The tables.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    fn platform(&self) -> &Platform {
        self.platform.as_ref().expect("running")
    }

    /// The base URL, without `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.platform().address())
    }

    /// A value of `demo.env`.
    pub fn demo(&self, name: &str) -> String {
        let variables = self.platform().demo().variables();
        (*variables.get(name).unwrap_or_else(|| panic!("{name} is in demo.env"))).to_owned()
    }

    /// The demo account.
    pub fn account(&self) -> AccountId {
        self.demo("LAOZHANG_ACCOUNT_ID").parse().expect("an account id")
    }

    /// Where the tables are.
    pub fn store_config(&self) -> shared::config::StoreConfig {
        self.platform().database().config().clone()
    }

    /// A request to the platform with the demo account's inference key.
    pub fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let key = self.demo("LAOZHANG_API_KEY");
        self.client.post(format!("{}{path}", self.url())).bearer_auth(key).body(body)
    }

    /// A request of any method, without a key.
    pub fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url()))
    }

    /// A request without a key.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url()))
    }

    /// Sends a request and reads the answer. An error that the platform itself has written must
    /// not quote the canary.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = self.send_to_provider(request).await;
        if answer.status >= 400 {
            self.canary.must_not_be_in("an error body", &answer.body);
        }
        answer
    }

    /// Sends a request whose error, if there is one, is the provider's own.
    pub async fn send_to_provider(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.expect("a whole body");
        let shown = format!("{headers:?}");
        self.canary.must_not_be_in("the headers of an answer", shown.as_bytes());
        Answer { status, headers, body }
    }

    /// The demo account's records, once there are `count`.
    pub async fn records(&self, count: usize) -> Vec<Record> {
        let account = self.account();
        for _ in 0..200 {
            let records =
                self.store.read_calls(&account, &Wanted::newest(100), Timestamp::now()).await;
            let records = records.expect("records").records;
            if records.len() >= count {
                return records;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("there are no {count} records");
    }

    /// Every record of the demo account, read from the table.
    pub async fn all_records(&self) -> Vec<Record> {
        let wanted = Wanted::newest(10_000);
        let read = self.store.read_calls(&self.account(), &wanted, Timestamp::now()).await;
        read.expect("records").records
    }

    /// The record of the call with this id, once there is one.
    pub async fn record_of(&self, call: &str) -> Record {
        for _ in 0..200 {
            let records = self.all_records().await;
            let found = records.into_iter().find(|record| record.call.as_str() == call);
            if let Some(record) = found {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("there is no record of {call}");
    }

    /// The record of the one call that was made.
    pub async fn record(&self) -> Record {
        let records = self.records(1).await;
        assert_eq!(records.len(), 1, "one call was made");
        records.into_iter().next().expect("a record")
    }

    /// The demo account's wallet.
    pub async fn wallet(&self) -> Wallet {
        let wallet = self.store.read_wallet(&self.account()).await;
        wallet.expect("the store").expect("a wallet")
    }

    /// What is known of the demo account.
    pub async fn profile(&self) -> Profile {
        let profile = self.store.read_profile(&self.account()).await;
        profile.expect("the store").expect("a profile")
    }

    /// Where messages are sent to.
    pub fn mail_config(&self) -> MailConfig {
        self.platform().outbox().config()
    }

    /// The messages that were sent, the oldest first, as they stand in a mailbox.
    pub fn messages(&self) -> Vec<String> {
        self.platform().outbox().messages()
    }

    /// The wallet once everything out is what the records cost, as a settle leaves it.
    pub async fn settled_wallet(&self, calls: usize) -> Wallet {
        for _ in 0..200 {
            let records = self.all_records().await;
            let wallet = self.wallet().await;
            if records.len() < calls {
                tokio::time::sleep(Duration::from_millis(25)).await;
                continue;
            }
            let cost: i128 = records.iter().map(|record| record.cost.pico()).sum();
            let out: i128 = wallet.out.iter().map(|(_, out)| out.pico()).sum();
            if out == cost {
                return wallet;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the calls are not settled");
    }

    /// Credits the demo account with so many US dollars.
    pub async fn credit(&self, dollars: u32) {
        let account = self.account();
        let amount = Pico::from_dollars(dollars);
        let top_up = Entry::new(&account, EntryKind::TopUp, "of-a-test", amount);
        let posted = self.store.post_entry(&top_up.expect("an entry"), Timestamp::now()).await;
        posted.expect("a credit");
    }

    /// Gives the demo account this balance, as no function may.
    pub async fn set_balance(&self, balance: Pico) {
        self.set_wallet("balance", AttributeValue::N(balance.pico().to_string())).await;
    }

    /// Changes the demo account's wallet, as no function may.
    pub async fn set_wallet(&self, attribute: &str, value: AttributeValue) {
        let set = self.admin().await.update_item().table_name("Accounts");
        let set = set
            .key("account", AttributeValue::S(self.account().to_string()))
            .key("part", AttributeValue::S("wallet".to_owned()))
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value);
        set.send().await.expect("a wallet");
    }

    /// Changes a number of a key, as no function may.
    pub async fn set_key(&self, key: &LimitedKey, attribute: &str, number: &str) {
        let set = self.admin().await.update_item().table_name("Keys");
        let set = set
            .key("hash", AttributeValue::S(key.hash.as_str().to_owned()))
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", AttributeValue::N(number.to_owned()));
        set.send().await.expect("a key");
    }

    /// The prices in force.
    pub fn price_version(&self) -> String {
        let catalogue = Catalogue::load(Markup::default()).expect("a catalogue");
        catalogue.version().to_owned()
    }

    /// What keys are hashed with.
    pub fn pepper(&self) -> &shared::key::Pepper {
        self.platform().pepper()
    }

    /// Lets the overlap of a rotated key end now.
    pub async fn end_overlap(&self, key: &KeyHash) {
        let key = AttributeValue::S(key.as_str().to_owned());
        let update = self.admin().await.update_item().table_name("Keys").key("hash", key);
        let update = update.update_expression("SET #until = :past");
        let update = update.expression_attribute_names("#until", "until");
        let past = AttributeValue::N("0".to_owned());
        update.expression_attribute_values(":past", past).send().await.expect("an update");
    }

    /// A client for what no function may do.
    pub async fn admin(&self) -> aws_sdk_dynamodb::Client {
        self.platform().database().client().await.expect("a client")
    }

    /// Puts very many items into a table, past the store: as each stands in this list, by the names
    /// of its attributes, in DynamoDB's own JSON.
    pub fn import(&self, table: &str, items: impl IntoIterator<Item = Value>) {
        let items = items.into_iter().map(|item| serde_json::from_value(item).expect("an item"));
        let database = self.platform().database().database();
        let imported = database.import_items(table, items.collect(), ImportOptions::default());
        imported.expect("items");
    }

    /// Everything in one table, as the store has it.
    pub async fn items(
        &self,
        table: &str,
    ) -> Vec<std::collections::HashMap<String, AttributeValue>> {
        let client = self.admin().await;
        let pages = client.scan().table_name(table).into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.expect("a scan")
    }

    /// A key of the demo account, with limits of its own.
    pub async fn limited_key(&self, limits: &Limits) -> LimitedKey {
        self.new_key(limits, &[], None).await
    }

    /// A key of the demo account, with limits of its own, for some models alone, or with an end.
    pub async fn new_key(
        &self,
        limits: &Limits,
        models: &[String],
        expires_at: Option<Timestamp>,
    ) -> LimitedKey {
        let plain = PlainKey::random().expect("randomness");
        let hash = self.platform().pepper().hash(&plain).expect("a pepper");
        let key = KeyId::random().expect("randomness");
        let new = NewKey {
            hash: &hash,
            account: &self.account(),
            key: &key,
            label: "limited",
            tag: Some("a-cost-centre"),
            scopes: &[Scope::Inference],
            models,
            limits,
            expires_at,
        };
        let profile = self.profile().await;
        self.store.create_key(&new, &profile, Timestamp::now()).await.expect("a new key");
        LimitedKey { plain, hash, key }
    }

    /// The id of a key of the demo account's, by its name in demo.env.
    pub async fn demo_key_id(&self, name: &str) -> KeyId {
        let plain = PlainKey::parse(&self.demo(name)).expect("a key");
        let hash = self.pepper().hash(&plain).expect("a pepper");
        let found = self.store.find_key(&hash, Consistency::Strong).await;
        found.expect("the store").expect("a key").key
    }

    /// Lets hours that are over take calls, from this moment's on, as no function may.
    pub async fn open_hours_since(&self, moment: Timestamp) {
        let before = moment.hour().previous().to_string();
        self.set_wallet("closed", AttributeValue::N(before)).await;
    }

    /// A record of a call of the demo account's: nine tokens.
    pub fn a_record(&self, key: &KeyId, time: Timestamp) -> Record {
        Record {
            account: self.account(),
            call: CallId::new(time).expect("randomness"),
            time,
            model: "gpt-5-mini".to_owned(),
            units: Units::default().with(UnitClass::Input, 9),
            endpoint: EndpointType::ChatCompletions,
            status: 200,
            key: key.clone(),
            cost: Pico::new(2_250_000),
            price_version: self.price_version(),
            basis: Basis::Reported,
        }
    }

    /// Writes a record, and what it cost is out of its hour, as a settled call leaves it.
    pub async fn put_settled(&self, record: &Record) {
        self.store.record_call(record, None, &|| record.time).await.expect("a record");
        let (time, amount) = (record.time, record.cost);
        let out = self.admin().await.update_item().table_name("Accounts");
        let out = out
            .key("account", AttributeValue::S(self.account().to_string()))
            .key("part", AttributeValue::S("wallet".to_owned()))
            .update_expression("ADD #out :amount, #balance :spent")
            .expression_attribute_names("#out", format!("out_{}", time.hour()))
            .expression_attribute_names("#balance", "balance")
            .expression_attribute_values(":amount", AttributeValue::N(amount.pico().to_string()))
            .expression_attribute_values(
                ":spent",
                AttributeValue::N(amount.negated().pico().to_string()),
            );
        out.send().await.expect("a wallet");
    }

    /// Writes so many records of the demo account's calls, made by a key at a time.
    pub async fn put_records(&self, key: &KeyId, count: usize, time: Timestamp) {
        let writing = (0..count).map(async |_| {
            let record = self.a_record(key, time);
            self.store.record_call(&record, None, &|| time).await.expect("a record");
        });
        let mut writing = futures_util::stream::iter(writing).buffer_unordered(16);
        while writing.next().await.is_some() {}
    }

    /// The same where SES does not answer.
    pub async fn retention_without_mail(&self) -> Arc<retention::App<Store>> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let mut config = self.mail_config();
        config.aws.endpoint = listener.local_addr().ok().map(|address| format!("http://{address}"));
        drop(listener);
        self.retention_with(config)
    }

    /// The retention function on these tables.
    pub fn retention(&self) -> Arc<retention::App<Store>> {
        self.retention_with(self.mail_config())
    }

    fn retention_with(&self, mail: MailConfig) -> Arc<retention::App<Store>> {
        let catalogue = Catalogue::load(Markup::default()).expect("a catalogue");
        let mailer = Mailer::connect(mail).expect("a mailer");
        let app = retention::App::new(self.store.clone(), catalogue, Log::to(self.log.clone()));
        Arc::new(app.with_mailer(Some(mailer)))
    }

    /// The proxy, for what the front door would not let through.
    pub fn proxy(&self) -> Arc<proxy::App<Store>> {
        Arc::clone(self.platform().proxy())
    }

    /// What was logged so far.
    pub fn logged(&self) -> String {
        String::from_utf8(self.log.0.lock().expect("not poisoned").clone()).expect("text")
    }

    async fn search(&self) {
        // Calls that are still being settled are let end first.
        self.drain().await;
        self.canary.must_not_be_in("the log", self.logged().as_bytes());
        for table in TABLES {
            for item in self.items(table).await {
                let item = format!("{item:?}");
                self.canary.must_not_be_in(table, item.as_bytes());
            }
        }
    }
}

/// Where the scripted provider is each of the three.
fn places(provider: &Provider) -> [(ProviderName, String); 3] {
    [
        (ProviderName::OpenAi, "/openai/v1"),
        (ProviderName::Anthropic, "/anthropic"),
        (ProviderName::Gemini, "/gemini"),
    ]
    .map(|(name, path)| (name, format!("{}{path}", provider.url())))
}

/// The channels with these providers at these base URLs.
fn channels(places: impl IntoIterator<Item = (ProviderName, String)>) -> ChannelsConfig {
    places.into_iter().fold(ChannelsConfig::from_env(), |channels, (name, base_url)| {
        let credential = Some(Secret::new(PROVIDER_SECRET));
        channels.with(name, Channel { base_url, credential })
    })
}

/// The operator's key at every scripted provider.
pub const PROVIDER_SECRET: &str = "the-operators-own-secret";

impl Drop for World {
    /// Lets calls end, then searches for the canary wherever something can be kept.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // Dropping cannot wait, but a thread of its own can. The database goes on meanwhile on the
        // test's runtime, which has more than one worker.
        let searched = std::thread::scope(|scope| {
            let search = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(self.search());
            });
            search.join()
        });
        if let Err(panic) = searched {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A place to log to.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
