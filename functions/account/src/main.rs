//! Account: what its owner and the operator do with it.

use std::process::ExitCode;

use account::{App, Correspondence};
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
    lambda::run_http(init(), App::handle).await
}

async fn init() -> Result<App<Store>, lambda::InitError> {
    let secret = SecretStore::connect(SecretConfig::pepper()?)?;
    let store = Store::connect(StoreConfig::from_env()?)?;
    let pepper = Renewable::read(secret, Pepper::from_secret, Log::stdout());
    let (pepper, ()) = tokio::join!(pepper, account::warm(&store));
    App::new(store, pepper?, Correspondence::from_env()?, Log::stdout())
}
