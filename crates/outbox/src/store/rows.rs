//! A table of a write transaction that hands out values and never pages.
//!
//! redb writes a page of the transaction under way in place, and panics when an iterator or a guard still holds that
//! page. The borrow checker does not see it: neither borrows the table. Here every read is over when its method
//! returns, so that nothing can be alive when something is written.

use super::tables::Result;
use redb::{Key, ReadableTable, ReadableTableMetadata, Table, Value};
use std::borrow::Borrow;
use std::ops::{ControlFlow, RangeBounds};

/// See the module.
pub(super) struct Rows<'t, K: Key + 'static, V: Value + 'static>(Table<'t, K, V>);

impl<'t, K: Key + 'static, V: Value + 'static> Rows<'t, K, V> {
    pub(super) fn new(table: Table<'t, K, V>) -> Rows<'t, K, V> {
        Rows(table)
    }

    /// What `read` makes of the row.
    pub(super) fn get<'k, T>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
        read: impl FnOnce(V::SelfType<'_>) -> T,
    ) -> Result<Option<T>> {
        Ok(self.0.get(key)?.map(|row| read(row.value())))
    }

    pub(super) fn has<'k>(&self, key: impl Borrow<K::SelfType<'k>>) -> Result<bool> {
        Ok(self.0.get(key)?.is_some())
    }

    /// Visits the rows of a range in order until `visit` breaks.
    pub(super) fn walk<'k, Q: Borrow<K::SelfType<'k>> + 'k>(
        &self,
        range: impl RangeBounds<Q> + 'k,
        mut visit: impl FnMut(K::SelfType<'_>, V::SelfType<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        for row in self.0.range(range)? {
            let (key, row) = row?;
            if visit(key.value(), row.value())?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What `read` makes of the last row of a range.
    pub(super) fn last_in<'k, Q: Borrow<K::SelfType<'k>> + 'k, T>(
        &self,
        range: impl RangeBounds<Q> + 'k,
        read: impl FnOnce(K::SelfType<'_>, V::SelfType<'_>) -> T,
    ) -> Result<Option<T>> {
        let row = self.0.range(range)?.next_back().transpose()?;
        Ok(row.map(|(key, row)| read(key.value(), row.value())))
    }

    pub(super) fn insert<'k, 'v>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        row: impl Borrow<V::SelfType<'v>>,
    ) -> Result<()> {
        self.0.insert(key, row)?;
        Ok(())
    }

    /// Removes a row; whether there was one.
    pub(super) fn remove<'k>(&mut self, key: impl Borrow<K::SelfType<'k>>) -> Result<bool> {
        Ok(self.0.remove(key)?.is_some())
    }

    /// Removes a row; what `read` makes of it.
    pub(super) fn take<'k, T>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        read: impl FnOnce(V::SelfType<'_>) -> T,
    ) -> Result<Option<T>> {
        Ok(self.0.remove(key)?.map(|row| read(row.value())))
    }

    pub(super) fn remove_range<'k, Q: Borrow<K::SelfType<'k>> + 'k>(
        &mut self,
        range: impl RangeBounds<Q> + 'k,
    ) -> Result<()> {
        Ok(self.0.retain_in(range, |_, _| false)?)
    }

    /// Removes the first row, if there is one.
    pub(super) fn remove_first(&mut self) -> Result<()> {
        self.0.pop_first()?;
        Ok(())
    }

    pub(super) fn len(&self) -> Result<u64> {
        Ok(self.0.len()?)
    }
}
