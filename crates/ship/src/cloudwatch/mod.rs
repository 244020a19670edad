//! CloudWatch Logs: one stream of one group.

mod clock;
mod credentials;
mod discovery;
mod endpoint;
mod failure;
mod options;
mod service;
mod sink;

pub use discovery::{Answer, Discovery};
pub use endpoint::{Endpoint, SetBy};
pub use options::Options;
pub use sink::CloudWatchSink;
