//! The whole platform in one process, for one machine: the same handlers that Lambda runs, behind
//! the routes of `template.yaml`, on an embedded DynamoDB. No function links any of this.

pub mod credit;
pub mod database;
pub mod demo;
pub mod event;
pub mod gateway;
pub mod outbox;
pub mod standin;
pub mod template;

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use account::{Correspondence, Registration};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use mail::Mailer;
use shared::{
    catalogue::Catalogue,
    config::{Channel, ChannelsConfig, OperatorConfig, Secret},
    key::Pepper,
    lambda::InitError,
    log::Log,
    money::Markup,
    provider::Provider,
    secrets::Renewable,
    store::Store,
    time::Timestamp,
};
use tokio::{net::TcpListener, task::JoinHandle};

use self::{
    database::Embedded,
    demo::Demo,
    gateway::{Functions, Gateway},
    outbox::Outbox,
    standin::Standin,
    template::Template,
};

/// How long calls in flight may take after a signal: as long as API Gateway would let them.
const LONGEST_DRAIN: Duration = Duration::from_secs(900);

/// Why the platform did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken.
    #[error("port {0} on 127.0.0.1 is taken: choose another with --port")]
    Port(u16),
    /// The data directory cannot be used.
    #[error("the data directory cannot be written: choose another with --data")]
    Data,
    /// `demo.env` was changed, or does not belong to the rest of the directory.
    #[error(
        "the keys in demo.env are not those of the tables beside it: restore the directory, or \
         choose another with --data"
    )]
    DemoFile,
    /// `pepper` was changed.
    #[error("the file `pepper` is no pepper: restore it, or choose another --data")]
    PepperFile,
    /// The embedded database failed.
    #[error("the embedded database failed: choose another directory with --data")]
    Database,
    /// No random bytes.
    #[error("the operating system gave no random bytes")]
    Randomness,
    /// The template is not what it should be.
    #[error(transparent)]
    Template(#[from] template::TemplateError),
    /// A function did not start.
    #[error("a function did not start: {0}")]
    Function(&'static str),
}

impl From<InitError> for StartError {
    fn from(error: InitError) -> Self {
        Self::Function(error.0)
    }
}

/// What to start.
pub struct Options<'a> {
    /// The port on 127.0.0.1. With 0 a free one is taken.
    pub port: u16,
    /// Where everything is kept. Without it, in memory.
    pub data: Option<PathBuf>,
    /// The template.
    pub template: &'a str,
    /// The channels. One without a credential goes to the stand-in.
    pub channels: ChannelsConfig,
    /// What is added to the providers' prices.
    pub markup: Markup,
    /// Where the functions log.
    pub log: Log,
    /// How long a caller may be sent nothing.
    pub silence: proxy::Silence,
    /// Who may register.
    pub registration: Registration,
    /// How long the answer to whoever asks for a code takes at least.
    pub answer_after: Duration,
    /// Who operates it.
    pub operator: OperatorConfig,
}

/// The platform, running.
pub struct Platform {
    address: SocketAddr,
    demo: Demo,
    standing_in: Vec<Provider>,
    proxy: Arc<proxy::App<Store>>,
    accepting: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    stop: tokio::sync::watch::Sender<()>,
    database: Embedded,
    pepper: Arc<Pepper>,
    outbox: Outbox,
    _standin: Standin,
}

impl Platform {
    /// Starts everything and returns once requests are taken.
    ///
    /// # Errors
    /// Says what is in the way and what to do about it.
    pub async fn start(options: Options<'_>) -> Result<Self, StartError> {
        let template = Template::parse(options.template)?;
        // First of all, so that a second start on the same port touches no data.
        let listener = listen(options.port).await?;
        if let Some(data) = &options.data {
            std::fs::create_dir_all(data).map_err(|_| StartError::Data)?;
        }
        let file = options.data.as_ref().map(|data| data.join("tables.db"));
        let database = Embedded::open(file.as_deref(), &template).await?;
        Self::run(options, template, listener, database).await
    }

    /// The same on a database that is open already.
    ///
    /// # Errors
    /// Says what is in the way and what to do about it.
    pub async fn over(database: Embedded, options: Options<'_>) -> Result<Self, StartError> {
        let template = Template::parse(options.template)?;
        let listener = listen(options.port).await?;
        Self::run(options, template, listener, database).await
    }

    async fn run(
        options: Options<'_>,
        template: Template,
        listener: TcpListener,
        database: Embedded,
    ) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(|_| StartError::Port(options.port))?;
        let data = options.data.as_deref();
        let store = connect(&database)?;
        let pepper = Arc::new(demo::pepper(data)?);
        let mut demo = Demo::open(data, &store, &pepper).await?;
        if let Some(data) = data {
            demo.save(data, &format!("http://{address}"))?;
        }
        let mut operator = options.operator;
        operator.contact.get_or_insert_with(|| outbox::CONTACT.to_owned());
        let outbox = Outbox::start(data, operator.clone())
            .await
            .map_err(|_| StartError::Function("outbox"))?;
        let mailer = || Mailer::connect(outbox.config()).map_err(InitError::from);
        let standin = Standin::start().await.map_err(|_| StartError::Function("stand-in"))?;
        let (channels, standing_in) = stand_in(options.channels, &standin);
        let log = options.log;
        let catalogue = Catalogue::load(options.markup);
        let catalogue = catalogue.map_err(|_| StartError::Function("catalogue"))?;
        let retention = retention::App::new(store.clone(), catalogue, log.clone());
        let retention = retention.with_mailer(Some(mailer()?));
        let channels = Renewable::fixed(channels);
        let proxy = proxy::App::new(store.clone(), channels, options.markup, log.clone())?;
        let proxy = proxy.with_silence(options.silence);
        proxy.read_policy().await;
        let proxy = Arc::new(proxy);
        let functions = Functions {
            authorizer: Arc::new(authorizer::App::new(
                store.clone(),
                Renewable::fixed(Arc::clone(&pepper)),
            )),
            proxy: Arc::clone(&proxy),
            usage: Arc::new(usage::App::new(store.clone(), options.markup, log.clone())?),
            account: Arc::new(account::App::new(
                store.clone(),
                Renewable::fixed(Arc::clone(&pepper)),
                Correspondence {
                    mailer: Some(mailer()?),
                    registration: options.registration,
                    answer_after: options.answer_after,
                    operator,
                },
                log,
            )?),
        };
        let gateway = Arc::new(Gateway::new(template, functions, demo.operator_token()?));
        let (stop, stopped) = tokio::sync::watch::channel(());
        Ok(Self {
            address,
            demo,
            standing_in,
            proxy,
            accepting: tokio::spawn(accept(listener, gateway, stopped)),
            sweeping: tokio::spawn(every_half_hour(retention.into())),
            stop,
            database,
            pepper,
            outbox,
            _standin: standin,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The demo account's keys.
    pub const fn demo(&self) -> &Demo {
        &self.demo
    }

    /// The secret that keys are hashed with.
    pub const fn pepper(&self) -> &Arc<Pepper> {
        &self.pepper
    }

    /// Where messages go.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The embedded database.
    pub const fn database(&self) -> &Embedded {
        &self.database
    }

    /// The proxy, as the front door calls it.
    pub const fn proxy(&self) -> &Arc<proxy::App<Store>> {
        &self.proxy
    }

    /// The providers a stand-in answers for.
    pub fn standing_in(&self) -> &[Provider] {
        &self.standing_in
    }

    /// Takes no more requests, lets calls in flight finish and settle, and ends.
    pub async fn stop(self) {
        self.sweeping.abort();
        drop(self.stop);
        let finished = async {
            // Connections first: a call that is just beginning still has to be counted.
            drop(self.accepting.await);
            self.proxy.drain().await;
        };
        drop(tokio::time::timeout(LONGEST_DRAIN, finished).await);
    }
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|_| StartError::Port(port))
}

fn connect(database: &Embedded) -> Result<Store, StartError> {
    Store::connect(database.config().clone()).map_err(|_| StartError::Function("store"))
}

/// Sends every provider without a credential to the stand-in.
fn stand_in(mut channels: ChannelsConfig, standin: &Standin) -> (ChannelsConfig, Vec<Provider>) {
    let mut standing_in = Vec::new();
    for provider in Provider::ALL {
        if channels.channel(provider).credential.is_none() {
            let base_url = match provider {
                Provider::OpenAi => standin.openai_base_url(),
                Provider::Anthropic => standin.anthropic_base_url(),
                Provider::Gemini => standin.gemini_base_url(),
            };
            let credential = Some(Secret::new("stand-in"));
            channels = channels.with(provider, Channel { base_url, credential });
            standing_in.push(provider);
        }
    }
    (channels, standing_in)
}

/// Accepts connections until it is stopped, then lets those that are open finish.
async fn accept(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    mut stopped: tokio::sync::watch::Receiver<()>,
) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Mostly for want of file descriptors: some will be closed in a moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Without it each frame of a stream waits 40 ms for the acknowledgement of the last.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let gateway = Arc::clone(&gateway);
        let service = service_fn(move |request| {
            let gateway = Arc::clone(&gateway);
            async move { Ok::<_, Infallible>(gateway.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A connection fails when its caller goes away, which is the caller's to know.
            drop(connection.await);
        });
    }
    connections.shutdown().await;
}

/// What the schedule does in the cloud, every half hour and once at the start.
async fn every_half_hour(retention: Arc<retention::App<Store>>) {
    loop {
        // What fails now is done by the next run.
        drop(Arc::clone(&retention).run(retention::Event::default()).await);
        tokio::time::sleep(until_next_run(Timestamp::now())).await;
    }
}

/// How long it is until the schedule's next minute, 25 or 55, as the template has it.
fn until_next_run(now: Timestamp) -> Duration {
    let at = |seconds| now.hour().start().plus(Duration::from_secs(seconds));
    let [first, second, next] = [25 * 60, 55 * 60, 85 * 60].map(at);
    let run = [first, second].into_iter().find(|run| *run > now).unwrap_or(next);
    run.since(now)
}
