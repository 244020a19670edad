//! Sinks: CloudWatch Logs as moto has it, behind a front that fails as AWS does; files that are rotated.

mod cloudwatch;
mod desk;
mod faults;
mod file;
