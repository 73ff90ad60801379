//! Account: what its owner and the operator do with it.

use std::{process::ExitCode, sync::Arc};

use account::App;
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
    lambda::run_http(app().await.map(Arc::new), App::handle).await
}

async fn app() -> Result<App<Store>, lambda::InitError> {
    let secret = SecretStore::connect(SecretConfig::pepper()?)?;
    let store = Store::connect(StoreConfig::from_env()?)?;
    let pepper = Renewable::read(secret, Pepper::from_secret);
    let (pepper, ()) = tokio::join!(pepper, account::warm(&store));
    Ok(App::new(store, pepper?, Log::stdout()))
}
