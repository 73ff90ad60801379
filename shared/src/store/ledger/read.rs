//! Reading the entries of an account.

use super::{LedgerEntry, decode};
use crate::{
    id::AccountId,
    store::{
        Capability, Store, StoreError, Table,
        lines::{AFTER_LINES, LINE},
        tables::{Query, Tables, Terms},
    },
};

/// Reading entries.
pub trait ReadEntries {
    /// Every entry of `account` that has changed its balance, oldest first. Strongly consistent. No
    /// statement line is read for it.
    fn read_entries(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Vec<LedgerEntry>, StoreError>> + Send;
}

/// What [`ReadEntries`] needs.
pub const READ_ENTRIES: Capability = Capability { actions: &[(Table::Ledger, "dynamodb:Query")] };

impl<T: Tables> ReadEntries for Store<T> {
    async fn read_entries(&self, account: &AccountId) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut entries = Vec::new();
        for (condition, bound) in [
            ("#account = :account AND #entry < :lines", LINE),
            ("#account = :account AND #entry > :lines", AFTER_LINES),
        ] {
            let mut terms = Terms::default();
            terms.text(":account", account);
            terms.text(":lines", bound);
            self.query_all(Query::strong(Table::Ledger, condition, terms), |item| {
                entries.extend(decode(item)?);
                Ok(())
            })
            .await?;
        }
        entries.sort_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
        Ok(entries)
    }
}
