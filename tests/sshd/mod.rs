//! sshd's configuration: read as the real sshd reads it, and judged.

mod differential;
mod live;
mod units;
mod verdicts;
mod versions;
