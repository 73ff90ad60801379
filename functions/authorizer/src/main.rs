//! The authorizer: key to caller.

use std::{process::ExitCode, sync::Arc};

use authorizer::App;
use shared::{config, lambda, store::Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_events(app().map(Arc::new), App::authorize).await
}

fn app() -> Result<App<Store>, lambda::InitError> {
    let store = Store::connect(config::StoreConfig::from_env()?)?;
    Ok(App::new(store, config::pepper_from_env()?))
}
