//! Usage: queries for finance and for troubleshooting.

use std::{process::ExitCode, sync::Arc};

use shared::{config, lambda, log::Log, store::Store};
use usage::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(app().map(Arc::new), App::handle).await
}

fn app() -> Result<App<Store>, lambda::InitError> {
    Ok(App::new(Store::connect(config::StoreConfig::from_env()?)?, Log::stdout()))
}
