//! Usage: queries for finance and for troubleshooting.

use std::{process::ExitCode, sync::Arc};

use shared::{config::StoreConfig, lambda, log::Log, store::Store};
use usage::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(app().await.map(Arc::new), App::handle).await
}

async fn app() -> Result<App<Store>, lambda::InitError> {
    let app = App::new(Store::connect(StoreConfig::from_env()?)?, Log::stdout());
    app.warm().await;
    Ok(app)
}
