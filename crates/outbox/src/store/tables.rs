//! The tables of the store.
//!
//! | table | key | row |
//! |---|---|---|
//! | `ledger` | check and subject ([`crate::ledger::key`]) | [`crate::ledger::OpenFinding`] |
//! | `spool` | place of the event | [`Row`] |
//! | `waiting` | sink, class, ledger key, place ([`super::order`]) | – : waits for that sink |
//! | `eviction` | rank, ledger key, place ([`super::order`]) | – : what may be given up when the spool is full |
//! | `deferred` | ledger key | [`Deferred`]: found, and to be told at a time to come |
//! | `listings` | package, version, ledger key | found, and to be told with its package ([`super::by_package`]) |
//! | `ends` | rank, ledger key, time first seen ([`super::order`]) | [`crate::ledger::OpenFinding`]: ended, and yet to be told |
//! | `gaps` | sequence of the first | [`Gap`]: lost, and perhaps declared |
//! | `aside` | place | an event that a sink refused |
//! | `samples` | number | what events are packed with |
//! | `superseded` | ledger key | in memory alone: times first seen of entries on disk that memory speaks for ([`super::superseded`]) |
//! | `meta` | `state` | [`super::state::StoreState`] as JSON |

pub(super) use super::codec::*;
use super::rows::Rows;
use redb::{TableDefinition, WriteTransaction};

pub(super) const LEDGER: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ledger");
pub(super) const SPOOL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("spool");
pub(super) const WAITING: TableDefinition<'_, &[u8], ()> = TableDefinition::new("waiting");
pub(super) const EVICTION: TableDefinition<'_, &[u8], ()> = TableDefinition::new("eviction");
pub(super) const DEFERRED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("deferred");
pub(super) const LISTINGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("listings");
pub(super) const ENDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ends");
pub(super) const GAPS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("gaps");
pub(super) const ASIDE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("aside");
pub(super) const SAMPLES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("samples");
/// Only in a store in memory that stands in for the one on disk.
pub(super) const SUPERSEDED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("superseded");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// The one row of `meta`.
pub(super) const STATE: &str = "state";

/// What goes wrong with the database itself.
pub(super) type Result<T> = std::result::Result<T, redb::Error>;

/// All tables of one transaction.
pub(super) struct Tables<'t> {
    pub(super) ledger: Rows<'t, &'static [u8], &'static [u8]>,
    pub(super) spool: Rows<'t, u64, &'static [u8]>,
    pub(super) waiting: Rows<'t, &'static [u8], ()>,
    pub(super) eviction: Rows<'t, &'static [u8], ()>,
    pub(super) deferred: Rows<'t, &'static [u8], &'static [u8]>,
    pub(super) listings: Rows<'t, &'static [u8], &'static [u8]>,
    pub(super) ends: Rows<'t, &'static [u8], &'static [u8]>,
    pub(super) gaps: Rows<'t, u64, &'static [u8]>,
    pub(super) aside: Rows<'t, u64, &'static [u8]>,
    pub(super) samples: Rows<'t, u32, &'static [u8]>,
    pub(super) meta: Rows<'t, &'static str, &'static [u8]>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>> {
        Ok(Tables {
            ledger: Rows::new(transaction.open_table(LEDGER)?),
            spool: Rows::new(transaction.open_table(SPOOL)?),
            waiting: Rows::new(transaction.open_table(WAITING)?),
            eviction: Rows::new(transaction.open_table(EVICTION)?),
            deferred: Rows::new(transaction.open_table(DEFERRED)?),
            listings: Rows::new(transaction.open_table(LISTINGS)?),
            ends: Rows::new(transaction.open_table(ENDS)?),
            gaps: Rows::new(transaction.open_table(GAPS)?),
            aside: Rows::new(transaction.open_table(ASIDE)?),
            samples: Rows::new(transaction.open_table(SAMPLES)?),
            meta: Rows::new(transaction.open_table(META)?),
        })
    }
}

/// A row that is not as this version writes it. The file's own checksums hold, so it is damage of
/// another kind: treated as damage all the same.
pub(super) fn damaged(what: &str) -> redb::Error {
    redb::Error::Corrupted(format!("a row of {what} is not as it should be"))
}
