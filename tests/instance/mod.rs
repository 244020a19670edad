//! The metadata service, played by a server of the harness: which mode leads to which verdicts.

mod server;
