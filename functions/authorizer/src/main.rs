//! The authorizer: key to caller.

use std::process::ExitCode;

use authorizer::App;
use shared::{
    config::{SecretConfig, StoreConfig},
    key::Pepper,
    lambda,
    log::Log,
    secrets::{Renewable, SecretStore},
    store::Store,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_events(init(), App::authorize).await
}

async fn init() -> Result<App<Store>, lambda::InitError> {
    let secret = SecretStore::connect(SecretConfig::pepper()?)?;
    let store = Store::connect(StoreConfig::from_env()?)?;
    let pepper = Renewable::read(secret, Pepper::from_secret, Log::stdout());
    let (pepper, ()) = tokio::join!(pepper, authorizer::warm(&store));
    Ok(App::new(store, pepper?))
}
