//! Judging a host: what `agent check` does once and `agent run` does again and again, in the same code.
//!
//! [`tree`] opens what is judged, [`baseline`] what it is compared with; a scan hands each finding on. [`instance`] asks
//! before it judges.

pub mod baseline;
mod deadline;
pub mod instance;
pub mod launch;
mod packaged;
mod sealed;
pub mod selected;
mod settings;
pub mod tree;

pub use settings::settings;
