//! Reading the entries of an account.

use super::{LedgerEntry, decode};
use crate::{
    id::AccountId,
    store::{
        Capability, Store, StoreError, Table,
        tables::{Query, Tables, Terms},
    },
};

/// Reading entries.
pub trait ReadEntries {
    /// Every entry of `account` that has changed its balance, oldest first. Strongly consistent.
    fn read_entries(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Vec<LedgerEntry>, StoreError>> + Send;
}

/// What [`ReadEntries`] needs.
pub const READ_ENTRIES: Capability = Capability { actions: &[(Table::Ledger, "dynamodb:Query")] };

impl<T: Tables> ReadEntries for Store<T> {
    async fn read_entries(&self, account: &AccountId) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        let query = Query::strong(Table::Ledger, "#account = :account", terms);
        let mut entries = Vec::new();
        self.query_all(query, |item| {
            entries.extend(decode(item)?);
            Ok(())
        })
        .await?;
        entries.sort_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
        Ok(entries)
    }
}
