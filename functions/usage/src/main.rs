//! Usage: queries for finance and for troubleshooting.

use std::process::ExitCode;

use shared::{config, lambda, log::Log, store::Store};
use usage::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(init(), App::handle).await
}

async fn init() -> Result<App<Store>, lambda::InitError> {
    let store = Store::connect(config::StoreConfig::from_env()?)?;
    let app = App::new(store.clone(), config::markup_from_env()?, Log::stdout())?;
    usage::warm(&store).await;
    Ok(app)
}
