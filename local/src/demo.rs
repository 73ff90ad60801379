//! The demo account of the first start: with consent, a credit of ten dollars and three keys,
//! which are written to `demo.env` and stand nowhere else.

use std::{
    collections::HashMap,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use account::Opening;
use shared::{
    caller::Scope,
    email::EmailAddress,
    fault::Fault,
    id::random_base62,
    key::{Pepper, PlainKey},
    money::Pico,
    policy::Required,
    provider::Provider,
    store::{
        Store,
        keys::{Consistency, FindKey},
        ledger::{Entry, EntryKind, PostEntry},
        receipts::ReadReceipt,
    },
    time::Timestamp,
};

use crate::StartError;

const CREDIT: Pico = Pico::from_dollars(10);

/// Where the demo account's owner is reached: a code for it goes to the outbox.
const EMAIL: &str = "demo@example.com";

const BASE_URL: &str = "LAOZHANG_BASE_URL";
const OPERATOR_TOKEN: &str = "LAOZHANG_OPERATOR_TOKEN";
const ACCOUNT: &str = "LAOZHANG_ACCOUNT_ID";

/// The variable that holds the demo account's key of this scope.
const fn variable(scope: Scope) -> &'static str {
    match scope {
        Scope::Inference => "LAOZHANG_API_KEY",
        Scope::UsageRead => "LAOZHANG_USAGE_KEY",
        Scope::AccountManage => "LAOZHANG_MANAGEMENT_KEY",
    }
}

/// What `demo.env` says.
pub struct Demo {
    variables: Vec<(String, String)>,
}

impl Demo {
    /// Reads `demo.env` in `data`, or makes the account. One that was closed, as everybody may who
    /// tries that, is followed by another.
    ///
    /// # Errors
    /// When the file or the store fails.
    pub async fn open(
        data: Option<&Path>,
        store: &Store,
        pepper: &Pepper,
    ) -> Result<Self, StartError> {
        if let Some(demo) = data.and_then(Self::read)
            && !demo.is_closed(store).await?
        {
            demo.is_known(store, pepper).await?;
            return Ok(demo);
        }
        let mut variables = vec![(BASE_URL.to_owned(), String::new())];
        variables.extend(create(store, pepper, Timestamp::now()).await?);
        let token = random_base62(43).map_err(|_| StartError::Randomness)?;
        variables.push((OPERATOR_TOKEN.to_owned(), format!("operator-{token}")));
        Ok(Self { variables })
    }

    /// Reads `demo.env` in `data`, if a platform has written one there.
    pub fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("demo.env")).ok()?;
        Some(Self::parse(&text))
    }

    async fn is_closed(&self, store: &Store) -> Result<bool, StartError> {
        let variables = self.variables();
        let account = variables.get(ACCOUNT).and_then(|text| text.parse().ok());
        let Some(account) = account else { return Ok(false) };
        let receipt = store.read_receipt(&account).await;
        Ok(receipt.map_err(|_| StartError::Database)?.is_some())
    }

    /// The keys in the file are of this pepper and these tables, or every call would be a 401.
    async fn is_known(&self, store: &Store, pepper: &Pepper) -> Result<(), StartError> {
        let variables = self.variables();
        let text = variables.get("LAOZHANG_API_KEY").copied().unwrap_or_default();
        let hash = PlainKey::parse(text).ok().and_then(|key| pepper.hash(&key));
        let hash = hash.ok_or(StartError::DemoFile)?;
        let found = store.find_key(&hash, Consistency::Strong).await;
        found.map_err(|_| StartError::Database)?.map(drop).ok_or(StartError::DemoFile)
    }

    fn parse(text: &str) -> Self {
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Self { variables: text.lines().filter_map(pair).collect() }
    }

    /// Notes where the platform is this time, and writes the file for its owner alone to read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&mut self, data: &Path, base_url: &str) -> Result<PathBuf, StartError> {
        for (name, value) in &mut self.variables {
            if name == BASE_URL {
                base_url.clone_into(value);
            }
        }
        let text: String =
            self.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let path = data.join("demo.env");
        write_secret(&path, &text)?;
        Ok(path)
    }

    /// The variables and their values.
    pub fn variables(&self) -> HashMap<&str, &str> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The token that stands where IAM stands in the cloud.
    ///
    /// # Errors
    /// When the file was changed and has none.
    pub fn operator_token(&self) -> Result<String, StartError> {
        let token = self.variables().get(OPERATOR_TOKEN).map(|token| (*token).to_owned());
        token.filter(|token| !token.is_empty()).ok_or(StartError::DemoFile)
    }
}

/// Reads the pepper in `data`, or makes one. Without it no stored key would be found again.
///
/// # Errors
/// When the file fails or was changed.
pub fn pepper(data: Option<&Path>) -> Result<Pepper, StartError> {
    let file = data.map(|data| data.join("pepper"));
    if let Some(file) = &file
        && let Ok(text) = fs::read_to_string(file)
    {
        return Pepper::parse(text.trim()).map_err(|_| StartError::PepperFile);
    }
    let secret = random_base62(64).map_err(|_| StartError::Randomness)?;
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(r#"{{"1":"{hex}"}}"#);
    if let Some(file) = &file {
        write_secret(file, &text)?;
    }
    Pepper::parse(&text).map_err(|_| StartError::PepperFile)
}

fn write_secret(path: &Path, text: &str) -> Result<(), StartError> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|_| StartError::Data)
}

async fn create(
    store: &Store,
    pepper: &Pepper,
    now: Timestamp,
) -> Result<Vec<(String, String)>, StartError> {
    let email = EmailAddress::parse(EMAIL).map_err(|_| StartError::DemoFile)?;
    let (consents, policy) = (&Provider::ALL, Required::SHIPPED.newest);
    let opening = Opening { consents, policy, email: Some(&email), code: None, asker: None };
    let opened = account::open(store, pepper, &opening, now).await;
    let opened = opened.map_err(|fault| {
        let store = fault == Fault::StoreUnavailable;
        if store { StartError::Database } else { StartError::Randomness }
    })?;
    let top_up = Entry::new(&opened.account, EntryKind::TopUp, "demo", CREDIT);
    let top_up = top_up.map_err(|_| StartError::Database)?;
    store.post_entry(&top_up, now).await.map_err(|_| StartError::Database)?;
    let mut variables: Vec<_> = opened
        .keys
        .iter()
        .map(|made| (variable(made.scope).to_owned(), made.secret.reveal().to_owned()))
        .collect();
    variables.push((ACCOUNT.to_owned(), opened.account.to_string()));
    Ok(variables)
}
