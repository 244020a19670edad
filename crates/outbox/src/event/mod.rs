//! What leaves the machine: OCSF 1.5.0 objects (<https://schema.ocsf.io/1.5.0>), and the chain that binds
//! each to the one before it.
//!
//! Findings become Detection Findings (2004, files) and Compliance Findings (2003, settings and
//! instance), the agent's own steps Application Lifecycle (6002), its faults Application Error (6008).

mod accepted;
pub mod by_package;
pub mod chain;
pub mod draft;
pub mod finding;
pub mod gap;
pub mod heartbeats;
pub mod lifecycle;
mod listing;
pub mod own;
pub mod replaced;
pub mod source;
pub mod stored_finding;
mod transaction;
pub mod verify;

pub use draft::Draft;
pub use heartbeats::Heartbeats;
pub use lifecycle::{
    Amendment, Fault, Heartbeat, LastScan, LaunchEntry, Lifecycle, ManifestState, NewPackage,
    SinkState, Transaction, TransactionCounts, Unread, Window,
};
pub use source::{Digests, EventSource};
pub use stored_finding::StoredFinding;

/// What events declare in `metadata.version`.
pub const OCSF_VERSION: &str = "1.5.0";
/// Name of the product in events.
pub const PRODUCT: &str = "host-integrity-agent";
