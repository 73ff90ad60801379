//! The proxy: carries a call to a provider and back, meters it, settles it.

use std::{process::ExitCode, sync::Arc};

use proxy::App;
use shared::{config, lambda, log::Log, store::Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_http(app().map(Arc::new), App::handle).await
}

fn app() -> Result<App<Store>, lambda::InitError> {
    let store = Store::connect(config::StoreConfig::from_env()?)?;
    let channels = config::ChannelsConfig::from_env();
    App::new(store, channels, config::markup_from_env()?, Log::stdout())
}
