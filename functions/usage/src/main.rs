//! Usage: queries for finance and for troubleshooting.

use std::process::ExitCode;

use shared::{config::StoreConfig, lambda, log::Log, store::Store};
use usage::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(init(), App::handle).await
}

async fn init() -> Result<App<Store>, lambda::InitError> {
    let store = Store::connect(StoreConfig::from_env()?)?;
    usage::warm(&store).await;
    Ok(App::new(store, Log::stdout()))
}
