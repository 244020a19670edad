//! A disk that takes nothing for a while, under the store of a daemon.

use super::harness::{Daemon, DaemonHarness};
use std::process::{Child, Command, Stdio};

pub(super) const STATE: &str = "var/lib/host-integrity-agent";

/// A file system that is frozen (fsfreeze(8)): whoever writes to it hangs. Thawed when it is dropped, and when the test
/// is no more.
pub(super) struct Frozen(Child);

impl Frozen {
    pub(super) fn below(daemon: &Daemon<'_>) -> Frozen {
        let place = format!("/proc/{}/root/{STATE}", daemon.id());
        let script = "fsfreeze -f \"$0\"; read -r line; fsfreeze -u \"$0\"";
        let child = Command::new("sh")
            .args(["-c", script, &place])
            .stdin(Stdio::piped())
            .spawn();
        Frozen(child.expect("sh"))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("a child");
    }
}

/// The loop does not wait for the disk: it answers, says what is wrong, and goes on when the disk does.
#[test]
fn a_stuck_disk_holds_up_nothing_but_the_store() {
    let harness = DaemonHarness::recorded();
    harness
        .host
        .shell("truncate -s 32M ../disk && mkfs.ext4 -q ../disk");
    let daemon = harness.start_after(&format!("mount -o loop disk root/{STATE}"));
    harness.until_scanned();
    harness.until("all is well", |harness| harness.status().0 == 0);
    let frozen = Frozen::below(&daemon);
    let before = harness.status().1["daemon"]["updated"].clone();
    harness
        .host
        .shell("for n in {1..300}; do echo $n > data/n$n; done");
    harness.until("it says so", |harness| {
        let (exit, status) = harness.status();
        exit == 1
            && status["daemon"]["storing"] == false
            && status["daemon"]["trouble"]
                .to_string()
                .contains("its disk is stuck")
    });
    let after = harness.status().1["daemon"]["updated"].clone();
    assert_ne!(before, after, "it still writes");
    // It hears signals.
    daemon.signal("HUP");
    harness.until("read again", |harness| {
        harness.stderr().contains("reloaded; nothing has changed")
    });
    assert_eq!(harness.told(), [""; 0]);
    drop(frozen);
    harness.until("all is well again", |harness| harness.status().0 == 0);
    harness.until_as_checked("afterwards");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
