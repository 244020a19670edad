//! The metadata service, played by a server of the harness: which mode leads to which verdicts.

mod host;
mod modes;
mod namespace;
mod secrets;
mod server;

use harness::imds::Imds;
use harness::{Ran, agent_path, run};
use std::process::Command;

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// `agent check` of `instance.*` with that endpoint in its environment.
fn check_at(endpoint: &str, more: &[&str]) -> Ran {
    run(command(more).env(ENDPOINT, endpoint))
}

fn check(imds: &Imds, more: &[&str]) -> Ran {
    check_at(&imds.endpoint(), more)
}

fn command(more: &[&str]) -> Command {
    let mut command = Command::new(agent_path());
    command
        .args(["check", "--only", "instance.*", "--format", "json"])
        .args(more)
        .env_remove(ENDPOINT)
        .env_remove("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
        .env_remove("AWS_EC2_METADATA_DISABLED");
    command
}

/// The verdict of one check.
fn verdict(ran: &Ran, check: &str) -> String {
    let id = format!("instance.{check}");
    let mut found = ran.findings();
    found.retain(|finding| finding["check"] == id);
    assert_eq!(found.len(), 1, "{id}: {ran:#?}");
    found[0]["verdict"].as_str().expect("a text").to_owned()
}
