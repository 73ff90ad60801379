//! Telling the owner of an account what closes have found: one message with all of it.
//!
//! An alert is claimed, sent and marked as told. Whoever dies after sending and before marking leaves
//! it to be told once more; one that cannot be sent is tried by every run for a day.

use mail::{Mailer, Message};
use shared::{
    email::EmailAddress,
    id::AccountId,
    money::Pico,
    period::Period,
    store::{
        StoreError,
        accounts::ReadProfile,
        alerts::{About, Alert, TOLD_WITHIN, TellAlerts},
    },
    time::Clock,
};

/// What telling asks of a store.
pub trait TellStore: TellAlerts + ReadProfile {}
impl<S: TellAlerts + ReadProfile> TellStore for S {}

/// Tells an account's owner what was not told yet, and says how much that was.
///
/// # Errors
/// When the store fails or the message cannot be sent.
pub(crate) async fn tell<S: TellStore>(
    store: &S,
    mailer: &Mailer,
    account: &AccountId,
    clock: Clock<'_>,
) -> Result<u64, Untold> {
    let alerts = store.untold_alerts(account, clock().minus(TOLD_WITHIN)).await?;
    if alerts.is_empty() {
        return Ok(0);
    }
    let profile = store.read_profile(account).await?;
    let Some(email) = profile.and_then(|profile| profile.email) else { return Ok(0) };
    let mut claimed = Vec::new();
    for alert in alerts {
        match store.claim_alert(&alert, clock()).await {
            Ok(()) => claimed.push(alert),
            // Another run tells it.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if claimed.is_empty() {
        return Ok(0);
    }
    mailer.send(message(&email, account, &claimed)).await.map_err(|_| Untold)?;
    for alert in &claimed {
        store.mark_told(alert, clock()).await?;
    }
    Ok(u64::try_from(claimed.len()).unwrap_or(u64::MAX))
}

/// Something was not told, or is not known to have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Untold;

impl From<StoreError> for Untold {
    fn from(_: StoreError) -> Self {
        Self
    }
}

fn message<'a>(to: &'a EmailAddress, account: &AccountId, alerts: &[Alert]) -> Message<'a> {
    let lines: Vec<_> = alerts.iter().map(line).collect();
    let text = format!(
        "Of your account {account}:\n\n{}\n\nGET /v1/account shows the balance and says where you \
         want to be told; GET /v1/account/keys shows what each key may spend. Amounts are as they \
         were at the end of the hour that is named, which begins and ends by UTC.",
        lines.join("\n\n")
    );
    Message { to, subject: "Your balance or a budget has passed a mark", text }
}

fn line(alert: &Alert) -> String {
    let Alert { hour, about, amount, limit, .. } = alert;
    let (amount, limit, end) = (shown(*amount), shown(*limit), hour.end());
    match about {
        About::LowBalance => format!("The balance was {amount} USD at {end}, below {limit} USD."),
        About::Budget { key, period, percent } => {
            let whose = match key {
                Some(key) => format!("the key {key}"),
                None => "the account".to_owned(),
            };
            let period = match period {
                Period::Total => "in all",
                Period::Day => "for the day",
                Period::Month => "for the month",
            };
            format!(
                "Of the budget of {whose} {period}, {limit} USD, {percent} per cent were spent at \
                 {end}: {amount} USD."
            )
        }
    }
}

/// Dollars, to the cent or as much further as there is something.
fn shown(amount: Pico) -> String {
    let text = amount.to_string();
    let (dollars, parts) = text.split_once('.').unwrap_or((&text, ""));
    let parts = parts.trim_end_matches('0');
    format!("{dollars}.{parts:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_shown_to_the_cent_or_further() {
        for (pico, text) in [
            (0, "0.00"),
            (1, "0.000000000001"),
            (5_000_000_000_000, "5.00"),
            (-2_500_000_000_000, "-2.50"),
            (4_012_300_000_000, "4.0123"),
        ] {
            assert_eq!(shown(Pico::new(pico)), text);
        }
    }

    #[test]
    fn a_message_says_what_has_passed_which_mark() {
        let account: AccountId = format!("acct_{:022}", 1).parse().unwrap();
        let hour = "2026112713".parse().unwrap();
        let alert = |about, amount, limit| Alert {
            account: account.clone(),
            hour,
            about,
            amount: Pico::new(amount),
            limit: Pico::from_dollars(limit),
        };
        let low = alert(About::LowBalance, 930_000_000_000, 1);
        let end = "2026-11-27T14:00:00Z";
        assert_eq!(line(&low), format!("The balance was 0.93 USD at {end}, below 1.00 USD."));
        let key = Some(format!("key_{:022}", 1).parse().unwrap());
        let about = About::Budget { key, period: Period::Day, percent: 80 };
        let budget = line(&alert(about, 4_010_000_000_000, 5));
        let key = "the key key_0000000000000000000001 for the day";
        assert!(
            budget.contains(&format!("{key}, 5.00 USD, 80 per cent were spent at {end}: 4.01 USD"))
        );
        let to = EmailAddress::parse("a@b.example").unwrap();
        let message = message(&to, &account, &[low.clone(), low]);
        assert_eq!(message.text.matches("The balance was 0.93 USD").count(), 2);
    }
}
