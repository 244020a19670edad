//! An event in the spool, as sinks see it. Values only.

use agent_core::finding::Severity;
use std::sync::Arc;

/// An event that waits to be shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its place in the spool: ascending in the order in which events came about.
    pub key: u64,
    /// When it came about, in milliseconds since 1970.
    pub time: i64,
    /// How urgent: `high` and `critical` do not wait for the jitter after boot.
    pub severity: Severity,
    /// One JSON object without a line end: exactly these bytes are shipped, since the chain is over them.
    pub bytes: Arc<[u8]>,
}

/// What became of parcels that were handed to a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Accepted: they need not be kept for this sink.
    pub accepted: Vec<u64>,
    /// Never going to be accepted, each with the reason: to be set aside and told.
    pub refused: Vec<(u64, String)>,
}
