//! What a changed file did to the settings that are read from it stands in the finding of the file.

use super::harness::DaemonHarness;
use serde_json::Value;

const FILE: &str = "/etc/ssh/sshd_config.d/50-x.conf";

/// Events about the file.
fn about(harness: &DaemonHarness) -> Vec<Value> {
    let mut events = harness.events();
    events.retain(|event| event["class_uid"] == 2004 && event["unmapped"]["subject"] == FILE);
    events
}

#[test]
fn a_changed_file_tells_what_it_did_to_settings() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p etc/ssh/sshd_config.d usr/sbin; : > usr/sbin/sshd
         printf 'Include /etc/ssh/sshd_config.d/*.conf\\nPermitRootLogin no\\nX11Forwarding yes\\n' > etc/ssh/sshd_config
         printf '[[paths]]\\npath = \"/etc/ssh\"\\nseverity = \"high\"\\n' >> etc/host-integrity-agent/profile.toml",
    );
    harness.record();
    let daemon = harness.start_scanned();
    harness.until_attributed();
    harness.until("a look at settings", |harness| {
        let events = harness.events();
        events
            .iter()
            .any(|event| event["finding_info"]["analytic"]["uid"] == "sshd.x11_forwarding")
    });
    // Whoever wrote it lives until the agent has asked for the name, on a busy machine as well.
    let edit = format!("echo 'PermitRootLogin yes' > .{FILE}; sleep 2; true");
    harness.host.shell(&edit);
    let place = format!("{FILE}:1");
    let text = format!("PermitRootLogin: no → yes, {place}, by bash");
    harness.until("what it did", |harness| {
        about(harness).last().is_some_and(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            message.contains(&text) && event["unmapped"]["location"] == place.as_str()
        })
    });
    let told = about(&harness);
    assert!(told.iter().all(|event| event["severity"] == "High"));
    let uids = told.iter().map(|event| &event["finding_info"]["uid"]);
    assert!(uids.clone().all(|uid| Some(uid) == uids.clone().next()));
    assert_eq!(daemon.stop(), 0);
    // The next run finds it again, and has nothing new to say.
    let again = harness.start_scanned();
    assert_eq!(again.stop(), 0);
    assert_eq!(about(&harness).len(), told.len());
    harness.verify();
}
