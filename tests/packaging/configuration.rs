//! The shipped configuration says nothing by itself.

use super::{file, text};
use harness::agent;

#[test]
fn the_shipped_files_are_good_as_they_are() {
    let shipped = file("packaging/agent.toml");
    agent(["config".as_ref(), "validate".as_ref(), shipped.as_os_str()]).expect(0);
    // Comments alone: nobody is trusted, and the file is no error.
    let signers = text("packaging/trusted_signers");
    assert!(signers.lines().all(|line| line.starts_with('#')));
}
