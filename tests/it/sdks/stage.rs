//! Where one SDK plays: the whole platform, what stands around it, and the process of the SDK.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use proxy::Silence;
use serde_json::Value;
use shared::{id::CallId, money::Pico, store::calls::Record};
use tests::{player::Player, relay::Relay, world::World};
use toolchain::{Sdk, Sdks};

use super::{
    cell::{Caller, Cell, must_be_in},
    matrix::Outcome,
    prompt,
};

/// How long a stream is silent before its second piece: long enough to be kept open more than once.
const SILENCE: Duration = Duration::from_millis(120);

/// After how much of it a stream is kept open.
pub(super) const PATIENCE: Silence =
    Silence { within_stream: Duration::from_millis(30), ..Silence::USUAL };

/// The stage.
pub(super) struct Stage {
    pub(super) world: World,
    sdks: Sdks,
    sdk: Sdk,
    player: Player,
    /// In front of the platform.
    relay: Relay,
    /// In front of the provider.
    straight: Relay,
    /// The calls that were made before this scenario.
    known: Vec<CallId>,
}

impl Stage {
    /// Sets it up, with these variables in the environment of the SDK.
    pub(super) async fn new(
        world: World,
        sdks: &Sdks,
        sdk: Sdk,
        variables: &[(&str, &str)],
    ) -> Self {
        let key = world.demo("LAOZHANG_API_KEY");
        let mut command = sdks.scenarios(sdk);
        command.envs(variables.iter().copied());
        let player = Player::start(command, &key, &prompt(world.canary()));
        let relay = Relay::to(&world.url()).await;
        let straight = Relay::to(&world.provider().url()).await;
        Self { world, sdks: sdks.clone(), sdk, player, relay, straight, known: Vec::new() }
    }

    pub(super) fn caller(&self) -> Caller<'_> {
        Caller::new(&self.sdks, self.sdk, self.world.canary())
    }

    /// Plays `scenario`, of which `cell` says what has to be seen.
    pub(super) async fn play(&mut self, scenario: &'static str, cell: &Cell) -> Outcome {
        let checked = match caught(Box::pin(self.check_directly(scenario, cell))).await {
            Ok(directly) => caught(Box::pin(self.check(scenario, cell, directly))).await,
            Err(why) => Err(format!("straight at the provider: {why}")),
        };
        self.forget().await;
        match checked {
            Ok(()) if cell.sees["absent"] == true => Outcome::NotInSdk,
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        }
    }

    /// What is left of a scenario, perhaps one that failed, is not the next one's.
    pub(super) async fn forget(&mut self) {
        self.world.provider().forget();
        drop((self.relay.asked(), self.straight.asked()));
        drop(self.new_records(0).await);
    }

    /// What is seen of the scenario through the platform.
    pub(super) async fn see(&mut self, scenario: &str, model: Option<&str>) -> Value {
        self.player.play(plays(scenario), &self.relay.url(), model).await
    }

    /// What the platform was asked since.
    pub(super) fn asked(&self) -> Vec<String> {
        self.relay.asked()
    }

    /// The records since, once there are `count`.
    pub(super) async fn new_records(&mut self, count: usize) -> Vec<Record> {
        let mut records = self.world.records(self.known.len().saturating_add(count)).await;
        records.retain(|record| !self.known.contains(&record.call));
        self.known.extend(records.iter().map(|record| record.call.clone()));
        records
    }

    /// What the SDK sees with no platform before the provider. The scenarios themselves, and what
    /// the provider is made to say, are shown right by that.
    async fn check_directly(&mut self, scenario: &str, cell: &Cell) -> Option<Value> {
        if cell.direct.is_empty() {
            return None;
        }
        for script in &cell.direct {
            self.world.provider().answer(script.clone());
        }
        let seen = self.player.play(plays(scenario), &self.straight.url(), cell.model).await;
        must_be_in(&cell.sees, &seen);
        assert_eq!(self.straight.asked(), cell.asks);
        self.world.provider().forget();
        Some(without_id(seen))
    }

    async fn check(&mut self, scenario: &'static str, cell: &Cell, directly: Option<Value>) {
        if scenario == "no_balance" {
            self.world.set_balance(Pico::ZERO).await;
        }
        // A stream is silent for a while, so that every SDK sees what keeps one open.
        for script in &cell.answers {
            self.world.provider().answer(script.clone().silent_at_first(SILENCE));
        }
        let seen = self.see(scenario, cell.model).await;
        // Each request was sent once: nothing was tried again.
        assert_eq!(self.asked(), cell.asks, "{seen}");
        must_be_in(&cell.sees, &seen);
        self.check_error(scenario, cell, &seen);
        if scenario == "models" {
            let known = ["gpt-5-mini", "claude-haiku-4-5", "models/gemini-2.5-flash"];
            let ids = seen["ids"].as_array().expect("ids");
            assert!(ids.iter().any(|id| known.iter().any(|known| id == known)), "{seen}");
        }
        if let Some(directly) = directly {
            assert_eq!(without_id(seen), directly, "the platform is not seen");
        }
        self.check_provider(cell);
        self.check_records(cell).await;
        self.world.settled_wallet(self.known.len()).await;
    }

    /// An error has words, and the id under which it is recorded where the SDK has a place for it.
    fn check_error(&self, scenario: &str, cell: &Cell, seen: &Value) {
        if cell.says.is_empty() {
            return;
        }
        let message = seen["message"].as_str().unwrap_or_default();
        assert!(message.contains(&cell.says), "{message:?} does not contain {:?}", cell.says);
        // The one that ends a stream comes after the head, in which the id stands.
        if self.sdk != Sdk::GenAi && seen["text"].is_null() {
            let id = seen["request_id"].as_str().unwrap_or_default();
            // The front door makes ids of its own, and only it knows of a wrong key.
            let ours = scenario == "wrong_key" || id.parse::<CallId>().is_ok();
            assert!(ours && !id.is_empty(), "the request id of {seen}");
        }
    }

    fn check_provider(&self, cell: &Cell) {
        let received = self.world.provider().received();
        assert_eq!(received.len(), cell.answers.len(), "calls that reached the provider");
        for request in &received {
            let body = request.body.as_ref();
            let has =
                |part: &[u8]| part.is_empty() || body.windows(part.len()).any(|it| it == part);
            assert!(has(self.world.canary().as_bytes()), "the prompt has not reached the provider");
            assert!(has(&cell.carries), "what is with it has not reached the provider");
        }
    }

    async fn check_records(&mut self, cell: &Cell) {
        let mut new = self.new_records(cell.records.len()).await;
        assert_eq!(new.len(), cell.records.len(), "records");
        for kept in &cell.records {
            let found = new.iter().position(|record| kept.is(record));
            let found = found.unwrap_or_else(|| panic!("no {kept:?} in {new:?}"));
            let record = new.remove(found);
            assert_eq!(Some(record.endpoint.name()), cell.endpoint());
        }
    }
}

/// What the SDK does in a scenario. The same may have to be seen of it for more than one reason.
fn plays(scenario: &str) -> &str {
    match scenario {
        "other_model" => "plain",
        "other_stream" => "stream_usage",
        "no_balance" => "provider_error",
        "stream_cut" => "stream_error",
        "responses_cut" => "responses_error",
        own => own,
    }
}

/// Everything but the id of the request, which is always another.
fn without_id(mut seen: Value) -> Value {
    if let Some(seen) = seen.as_object_mut() {
        seen.remove("request_id");
    }
    seen
}

/// What `checked` comes to, or the words of the assertion that fails.
pub(super) async fn caught<T>(checked: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(checked).catch_unwind().await.map_err(|panic| {
        let words = panic.downcast::<String>().map(|words| *words);
        words.unwrap_or_else(|panic| {
            panic.downcast::<&str>().map_or_else(|_| "panicked".to_owned(), |words| (*words).into())
        })
    })
}
