//! SIGINT ends a daemon that is in the foreground, and no other.

use super::harness::DaemonHarness;
use harness::after;

#[test]
fn an_interrupt_ends_the_daemon_unless_it_was_started_with_interrupts_ignored() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    daemon.signal("INT");
    harness.until("ended", |harness| {
        harness
            .events()
            .iter()
            .any(|event| event["activity_name"] == "Stop")
    });
    assert_eq!(daemon.stop(), 0);

    // As a shell starts what runs in the background.
    let daemon = harness.start_with(|command| *command = after("trap '' INT", command));
    harness.host.shell("echo first > data/first");
    harness.until_told("raised files.added /data/first");
    daemon.signal("INT");
    harness.host.shell("echo second > data/second");
    harness.until_told("raised files.added /data/second");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
