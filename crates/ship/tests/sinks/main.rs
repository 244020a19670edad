//! Sinks: CloudWatch Logs as moto has it, behind a front that fails as AWS does; files that are rotated; a journald that hangs and is started anew.

mod backoff;
mod cloudwatch;
mod environment;
mod faults;
mod file;
mod fixture;
mod journald;
mod metadata;
