//! Retention: closes hours, forgets what is seven days old and tells owners what it has found.

use std::process::ExitCode;

use mail::Mailer;
use retention::App;
use shared::{catalogue::Catalogue, config, lambda, log::Log, store::Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run_events(async { init() }, App::run).await
}

fn init() -> Result<App<Store>, lambda::InitError> {
    let store = Store::connect(config::StoreConfig::from_env()?)?;
    let catalogue = Catalogue::load(config::markup_from_env()?);
    let catalogue = catalogue.map_err(|_| lambda::InitError("catalogue"))?;
    let mailer = config::MailConfig::from_env()?.map(Mailer::connect).transpose()?;
    let backups = config::account_backups_from_env()?;
    let app = App::new(store, catalogue, Log::stdout());
    Ok(app.with_mailer(mailer).with_backups(backups))
}
