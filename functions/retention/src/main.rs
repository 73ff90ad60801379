//! Retention: forgets what is seven days old.

use std::{process::ExitCode, sync::Arc};

use retention::App;
use shared::{config, lambda, store::Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_events(app().map(Arc::new), App::run).await
}

fn app() -> Result<App<Store>, lambda::InitError> {
    Ok(App::new(Store::connect(config::StoreConfig::from_env()?)?))
}
