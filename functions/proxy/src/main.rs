//! The proxy: carries a call to a provider and back, meters it, settles it.

use std::process::ExitCode;

use proxy::App;
use shared::{
    config::{self, ChannelsConfig, SecretConfig, StoreConfig},
    lambda,
    log::Log,
    secrets::{Renewable, SecretStore},
    store::Store,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(init(), App::handle).await
}

async fn init() -> Result<App<Store>, lambda::InitError> {
    let secret = SecretStore::connect(SecretConfig::providers()?)?;
    let store = Store::connect(StoreConfig::from_env()?)?;
    let channels = Renewable::read(secret, ChannelsConfig::from_secret, Log::stdout());
    let (channels, ()) = tokio::join!(channels, proxy::warm(&store));
    let app = App::new(store, channels?, config::markup_from_env()?, Log::stdout())?;
    tokio::join!(app.connect(), app.read_policy());
    Ok(app)
}
