//! Judging a host: what `agent check` does once and `agent run` does again and again, in the same code.
//!
//! [`tree`] opens what is judged, [`baseline`] what it is compared with; a scan hands each finding on. [`instance`] asks
//! before it judges.

pub(crate) mod accept;
pub(crate) mod amendments;
pub(crate) mod baseline;
mod deadline;
pub(crate) mod explained;
mod holding;
pub(crate) mod instance;
pub(crate) mod launch;
mod packaged;
pub(crate) mod privileges;
mod sealed;
mod seen;
pub(crate) mod selected;
mod settings;
pub(crate) mod stillness;
pub(crate) mod summary;
pub(crate) mod tree;

pub(crate) use agent_checks::settings::context::Own;
pub(crate) use settings::settings;
