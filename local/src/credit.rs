//! An entry of the ledger from the command line, through the operator's route of the platform that
//! runs: what is entered here is entered as an operator does it in the cloud.

use std::{fmt, path::Path, time::Duration};

use clap::{Args, builder::PossibleValuesParser};
use http::StatusCode;
use serde_json::{Value, json};
use shared::{
    id::{AccountId, random_base62},
    store::ledger::EntryKind,
};

use crate::demo::Demo;

/// How long the platform may take.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Args, Clone, Debug)]
pub struct Order {
    /// The account. Without it, the demo account.
    // An amount below zero may stand in its place.
    #[arg(allow_negative_numbers = true)]
    pub account: Option<AccountId>,
    /// US dollars, as 10 or 2.50; of an adjustment also -2.50.
    #[arg(allow_negative_numbers = true)]
    pub amount: String,
    /// What it is: a refund is money that was paid back, and lowers the balance.
    #[arg(
        long,
        default_value = EntryKind::TopUp.name(),
        value_parser = PossibleValuesParser::new(EntryKind::ENTERED.map(EntryKind::name))
    )]
    pub kind: String,
    /// What names this payment, such as an invoice. Sent again it is entered once. Without it, a
    /// random one.
    #[arg(long)]
    pub reference: Option<String>,
}

/// What was entered, as the platform says. Shown to people.
#[derive(Clone, Debug)]
pub struct Entered(Value);

/// Why it is not known that it was entered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// There is no `demo.env`, or it is not whole.
    #[error(
        "no platform was ever started in this data directory: start one with `cargo run`, then \
         credit from another terminal, or name its directory with --data"
    )]
    NoData,
    /// Nothing listens where `demo.env` says.
    #[error(
        "nothing was entered, since the platform of this data directory is not running: start it \
         with `cargo run`, then credit from another terminal"
    )]
    NotRunning,
    /// Something else listens there.
    #[error(
        "nothing was entered, since what answers is not the platform of this data directory: name \
         the directory of the one that runs with --data"
    )]
    NotOurs,
    /// The platform has refused it, in these words.
    #[error("the platform refused it. {0}")]
    Refused(String),
    /// There was no answer, or one that leaves it open.
    #[error(
        "the platform did not say whether it was entered: send the same again with --reference \
         {0}, and it is entered once"
    )]
    Open(String),
    /// The client cannot be made.
    #[error("nothing was entered, since no client could be made")]
    Client,
}

/// Sends the order to the platform that runs with this data directory.
///
/// # Errors
/// Says whether anything was entered, and what to do.
pub async fn credit(data: &Path, order: &Order) -> Result<Entered, CreditError> {
    let demo = Demo::read(data).ok_or(CreditError::NoData)?;
    let variable = |name| demo.variables().get(name).copied().ok_or(CreditError::NoData);
    let account = match &order.account {
        Some(account) => account.as_str(),
        None => variable("LAOZHANG_ACCOUNT_ID")?,
    };
    let url = format!("{}/operator/accounts/{account}/entries", variable("LAOZHANG_BASE_URL")?);
    let reference = match &order.reference {
        Some(reference) => reference.clone(),
        None => format!("local-{}", random_base62(16).map_err(|_| CreditError::Client)?),
    };
    let body = json!({
        "kind": order.kind,
        "amount_usd": order.amount,
        "reference": reference,
    });
    let token = variable("LAOZHANG_OPERATOR_TOKEN")?;
    let request = client()?.post(url).bearer_auth(token).body(body.to_string());
    let answer = request.send().await.map_err(|error| {
        // A client that reached nobody has entered nothing.
        if error.is_builder() || error.is_connect() {
            CreditError::NotRunning
        } else {
            CreditError::Open(reference.clone())
        }
    })?;
    let (status, body) = (answer.status(), answer.bytes().await);
    let body = body.map_err(|_| CreditError::Open(reference.clone()))?;
    read(status, serde_json::from_slice(&body).unwrap_or_default(), reference)
}

fn client() -> Result<reqwest::Client, CreditError> {
    let tls = shared::tls::provider_tls(None).map_err(|_| CreditError::Client)?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    let client = client.timeout(LONGEST_WAIT).redirect(reqwest::redirect::Policy::none());
    client.build().map_err(|_| CreditError::Client)
}

fn read(status: StatusCode, body: Value, reference: String) -> Result<Entered, CreditError> {
    let text = |pointer| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if status == StatusCode::OK && text("/object") == "ledger_entry" {
        return Ok(Entered(body));
    }
    if status.is_server_error() {
        return Err(CreditError::Open(reference));
    }
    match (text("/error/code"), text("/error/message")) {
        ("" | "operators_only" | "unknown_endpoint", _) => Err(CreditError::NotOurs),
        (_, message) => Err(CreditError::Refused(message.to_owned())),
    }
}

impl fmt::Display for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name| self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        let (amount, balance) = (money(text("amount_usd")), money(text("balance_usd")));
        let (account, kind, reference) = (text("account"), text("kind"), text("reference"));
        writeln!(f, "Entered {amount} USD for {account} ({kind}, reference {reference}).")?;
        write!(f, "Its balance is {balance} USD.")
    }
}

/// An amount without the zeros at its end, but with its cents.
fn money(text: &str) -> String {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{:0<2}", decimals.trim_end_matches('0'))
}
