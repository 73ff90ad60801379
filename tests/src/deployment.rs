//! The functions as they are deployed: their real binaries under the Runtime API, at the noisiest
//! log level there is, with a tap on every line that leads out of them.

use std::{fs, ops::Deref, path::PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use shared::{
    caller::Scope,
    key::{Pepper, PlainKey},
    limits::Limits,
    money::Pico,
    policy::Required,
    provider::Provider,
    store::{
        accounts::{CreateAccount, NewAccount},
        keys::NewKey,
        ledger::{Entry, EntryKind, PostEntry},
    },
    time::Timestamp,
};
use tokio::process::Command;

use crate::{
    binaries::binary,
    runtime_api::{Function, Posted},
    secrets::Secrets,
    tap::Tap,
    world::{PROVIDER_SECRET, World},
};

/// The key that the events are written with.
pub const KEY: &str = "sk-lz-SampleKeyForEventsDoNotUseItAnywhereElse0002KZBCM";

/// Its account.
pub const ACCOUNT: &str = "acct_0000000000000000000000";

/// Its id.
pub const KEY_ID: &str = "key_0000000000000000000000";

/// Where the functions find the pepper.
pub const PEPPER: &str = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:pepper";

/// Where they find the operator's credentials at the providers.
pub const PROVIDERS: &str = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:providers";

/// The platform, and the lines between its functions and everything else.
pub struct Deployment {
    world: World,
    /// What is in Secrets Manager.
    pub secrets: Secrets,
    /// The line to the tables.
    pub tables: Tap,
    /// The line to Secrets Manager.
    pub to_secrets: Tap,
    /// The line to SES.
    pub mail: Tap,
    /// The lines to the three providers, in their usual order.
    pub providers: [Tap; 3],
}

impl Deref for Deployment {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Deployment {
    /// Makes the account that the events are written for, with five dollars.
    pub async fn new() -> Self {
        let world = Box::pin(World::new()).await;
        let secrets = Secrets::start().await;
        secrets.put(PEPPER, pepper());
        secrets.put(PROVIDERS, credentials(PROVIDER_SECRET));
        let tables = world.store_config().aws.endpoint.expect("an address");
        let mail = world.mail_config().aws.endpoint.expect("an address");
        let provider = world.provider().url();
        let deployment = Self {
            tables: Tap::before(&tables).await,
            to_secrets: Tap::before(&secrets.url()).await,
            mail: Tap::before(&mail).await,
            providers: [
                Tap::before(&provider).await,
                Tap::before(&provider).await,
                Tap::before(&provider).await,
            ],
            secrets,
            world,
        };
        deployment.open_account().await;
        deployment
    }

    async fn open_account(&self) {
        let (account, now) = (ACCOUNT.parse().expect("an id"), Timestamp::now());
        let plain = PlainKey::parse(KEY).expect("a key");
        let key = NewKey {
            hash: &Pepper::parse(&pepper()).expect("a pepper").hash(&plain).expect("a version"),
            account: &account,
            key: &KEY_ID.parse().expect("an id"),
            label: "sample",
            tag: None,
            scopes: &[Scope::Inference],
            models: &[],
            limits: &Limits::NONE,
            expires_at: None,
        };
        let bare = NewAccount::bare(&account, &Provider::ALL, Required::SHIPPED.newest);
        let new = NewAccount { keys: &[key], ..bare };
        self.world.store().create_account(&new, now).await.expect("an account");
        let top_up = Entry::new(&account, EntryKind::TopUp, "first", Pico::from_dollars(5));
        self.world.store().post_entry(&top_up.expect("an entry"), now).await.expect("a credit");
    }

    /// Starts a function.
    pub async fn start(&self, name: &'static str) -> Function {
        self.start_with(name, &[]).await
    }

    /// Starts a function in which these variables are others.
    pub async fn start_with(&self, name: &'static str, others: &[(&str, String)]) -> Function {
        let path = tokio::task::spawn_blocking(move || binary(name)).await.expect("a binary");
        self.run(name, Command::new(path), others).await
    }

    /// Runs a command as a function, in which these variables are others.
    pub async fn run(&self, name: &str, command: Command, others: &[(&str, String)]) -> Function {
        let variables = self.variables();
        let ours = variables.iter().map(|(name, value)| (*name, value.clone()));
        let all: Vec<_> = ours.chain(others.iter().cloned()).collect();
        Function::run(name, command, &all).await
    }

    /// What a function is started with: every line leads through its tap.
    fn variables(&self) -> [(&'static str, String); 19] {
        let config = self.world.store_config();
        let [openai, anthropic, gemini] = self.providers.each_ref().map(Tap::url);
        let credentials = config.aws.credentials;
        [
            ("AWS_REGION", config.aws.region),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose().to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.tables.url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.to_secrets.url()),
            ("TABLE_ACCOUNTS", config.accounts),
            ("TABLE_KEYS", config.keys),
            ("TABLE_CALLS", config.calls),
            ("TABLE_LEDGER", config.ledger),
            ("SECRET_PEPPER", PEPPER.to_owned()),
            ("SECRET_PROVIDERS", PROVIDERS.to_owned()),
            ("AWS_ENDPOINT_URL_SESV2", self.mail.url()),
            ("MAIL_FROM", "laozhang-api@example.com".to_owned()),
            ("MAIL_CONTACT", "operator@example.com".to_owned()),
            ("OPERATOR_NAME", "Example Ltd".to_owned()),
            ("REGISTRATION_DOMAINS", "example.com".to_owned()),
            ("OPENAI_BASE_URL", format!("{openai}/openai/v1")),
            ("ANTHROPIC_BASE_URL", format!("{anthropic}/anthropic")),
            ("GEMINI_BASE_URL", format!("{gemini}/gemini")),
        ]
    }

    /// How many connections there have been to each provider.
    pub fn reached(&self) -> [usize; 3] {
        self.providers.each_ref().map(Tap::connections)
    }

    /// Ends a function: nothing it has written may hold what was said, nor a secret.
    pub async fn end(&self, function: Function) {
        let output = function.output().await.all();
        let peppers = ["5a5a5a5a5a5a", "a5a5a5a5a5a5"];
        let said = [KEY, PROVIDER_SECRET, "Say hello", "@example.com"];
        for secret in said.into_iter().chain(peppers) {
            let found = output.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the function's output holds {secret}");
        }
        self.world.must_not_hold_what_was_said("the function's output", &output);
    }
}

/// The pepper, as the secret has it.
pub fn pepper() -> String {
    format!(r#"{{"1":"{}"}}"#, "5a".repeat(32))
}

/// The secret with the operator's credentials at the providers.
pub fn credentials(secret: &str) -> String {
    json!({"openai": secret, "anthropic": secret, "gemini": secret}).to_string()
}

/// An event of `events/`.
pub fn event(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    fs::read(folder.join(format!("{name}.json"))).unwrap_or_else(|_| panic!("{name}"))
}

/// What a function has streamed: its prelude, and the body.
pub fn streamed(posted: &Posted) -> (Value, Bytes) {
    assert_eq!(posted.to, "response");
    assert_eq!(posted.headers["lambda-runtime-function-response-mode"], "streaming");
    let kind = &posted.headers["content-type"];
    assert_eq!(kind, "application/vnd.awslambda.http-integration-response");
    posted.streamed()
}
