//! Account: what its owner and the operator do with it.

use std::{process::ExitCode, sync::Arc};

use account::App;
use shared::{config, lambda, log::Log, store::Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(app().map(Arc::new), App::handle).await
}

fn app() -> Result<App<Store>, lambda::InitError> {
    Ok(App::new(Store::connect(config::StoreConfig::from_env()?)?, Log::stdout()))
}
