//! A copy of everything that is held of an account: one JSON document, sent as it is read, whose last
//! line is the hash of all before it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future, stream};
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::{
    caller::Caller,
    fault::Fault,
    id::AccountId,
    key::EmailHash,
    reply::{Body, Reply},
    store::{Cursor, StoreError, Table, copies::Copied},
    time::Timestamp,
};
use tokio::time::sleep;

use crate::{AccountStore, App};

/// The tables, in the order in which they are copied, and what their items are called there.
const TABLES: [(&str, Table); 4] = [
    ("account", Table::Accounts),
    ("keys", Table::Keys),
    ("calls", Table::Calls),
    ("payments", Table::Ledger),
];

/// How long a page is waited for that could not be read, each time.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_600)];

/// A copy, as far as it is sent.
struct Copy<S> {
    app: Arc<App<S>>,
    account: AccountId,
    now: Timestamp,
    hash: Sha256,
    left: VecDeque<Section>,
}

/// What comes next.
enum Section {
    /// What stands before everything.
    Head,
    /// The hashes of its addresses, which stand beside the account.
    Emails(Vec<EmailHash>),
    /// A page of a table.
    Page { name: &'static str, table: Table, from: Option<Cursor>, some: bool },
    /// The hash.
    Tail,
}

impl<S: AccountStore> App<S> {
    /// Sends its owner everything there is of an account. Where a page cannot be read it ends
    /// without its hash, and is no whole JSON.
    pub(crate) async fn copy(
        self: Arc<Self>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let profile = self.still_may(caller, now).await?;
        let emails = self.hashes_of(&profile, now).await?;
        let page = |(name, table)| Section::Page { name, table, from: None, some: false };
        let mut left = VecDeque::from([Section::Head, Section::Emails(emails)]);
        left.extend(TABLES.map(page));
        left.push_back(Section::Tail);
        let (account, hash) = (caller.account.clone(), Sha256::new());
        let copy = Copy { app: self, account, now, hash, left };
        let mut reply = Response::new(Body::stream(copy.pages()));
        for (name, value) in [
            (header::CONTENT_TYPE, "application/json"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"account.json\""),
            (header::CACHE_CONTROL, "no-store"),
        ] {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(reply)
    }
}

impl<S: AccountStore> Copy<S> {
    fn pages(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, async |mut copy| {
            let section = copy.left.pop_front()?;
            let text = copy.section(section).await.ok()?;
            copy.hash.update(&text);
            Some((Bytes::from(text), copy))
        })
        // A page may have nothing that has not expired.
        .filter(|text| future::ready(!text.is_empty()))
    }

    async fn section(&mut self, section: Section) -> Result<String, StoreError> {
        match section {
            Section::Head => Ok(head(&self.account, self.now)),
            Section::Emails(hashes) => {
                let mut items = Vec::new();
                for hash in hashes {
                    items.extend(self.app.store.copy_email(&hash, self.now).await?);
                }
                Ok(format!("\"addresses\":[\n{}\n],\n", lines(&items)))
            }
            Section::Page { name, table, from, some } => {
                let mut text = String::new();
                if from.is_none() {
                    text.push_str(&format!("\"{name}\":[\n"));
                }
                let Copied { items, next: from } = self.page(table, from).await?;
                if some && !items.is_empty() {
                    text.push_str(",\n");
                }
                text.push_str(&lines(&items));
                if from.is_none() {
                    text.push_str("\n],\n");
                } else {
                    let some = some || !items.is_empty();
                    self.left.push_front(Section::Page { name, table, from, some });
                }
                Ok(text)
            }
            Section::Tail => {
                let hash = std::mem::take(&mut self.hash).finalize();
                let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                Ok(format!("\"sha256\":\"{hex}\"}}\n"))
            }
        }
    }

    async fn page(&self, table: Table, from: Option<Cursor>) -> Result<Copied, StoreError> {
        let read = || self.app.store.copy_items(&self.account, table, from.clone(), self.now);
        for pause in PAUSES {
            if let Ok(page) = read().await {
                return Ok(page);
            }
            sleep(pause).await;
        }
        read().await
    }
}

fn head(account: &AccountId, now: Timestamp) -> String {
    let fields = json!({
        "object": "account_copy",
        "schema": "/openapi.json#/components/schemas/AccountCopy",
        "id": account.as_str(),
        "time": now.seconds(),
    });
    let text = fields.to_string();
    format!("{},\n", text.trim_end_matches('}'))
}

/// Items, one a line.
fn lines(items: &[Value]) -> String {
    items.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n")
}
