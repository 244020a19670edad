//! Sinks: CloudWatch Logs as moto has it, behind a front that fails as AWS does; files that are rotated.

mod backoff;
mod cloudwatch;
mod desk;
mod environment;
mod faults;
mod file;
mod metadata;
