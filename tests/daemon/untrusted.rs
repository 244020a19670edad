//! A manifest that nobody trusted has sealed, under a daemon that runs; and whom it trusts.

use super::harness::DaemonHarness;
use super::transactions::{install, packages};
use serde_json::{Value, json};

/// Keys beside the tree, and the public one of the first where the host looks for it.
fn trust(harness: &DaemonHarness) {
    harness.host.shell(
        "for key in key foreign; do ssh-keygen -q -t ed25519 -N '' -C $key -f ../$key; done
         echo \"builder@example.org $(cat ../key.pub)\" > etc/host-integrity-agent/trusted_signers",
    );
}

/// Seals the manifest with that key, in the place of whatever seal there is.
fn seal(harness: &DaemonHarness, key: &str) {
    harness.host.shell(&format!(
        "cd usr/share/host-integrity-agent; rm -f manifest.mtree.sig
         ssh-keygen -q -Y sign -n host-integrity-agent -f ../../../../{key} manifest.mtree"
    ));
}

/// What was told of the manifest: step, severity and state.
pub(super) fn seen(harness: &DaemonHarness) -> Vec<Value> {
    let events = harness.events();
    let about = events.iter().filter(|event| {
        event["class_uid"] == 2004 && event["finding_info"]["analytic"]["uid"] == "manifest"
    });
    about
        .map(|e| json!([e["activity_name"], e["severity"], e["unmapped"]["state"]]))
        .collect()
}

fn until_against(harness: &DaemonHarness, what: &str) {
    harness.until(what, |harness| {
        harness.status().1["daemon"]["ground"]["against"] == what
    });
}

#[test]
fn files_are_judged_by_their_packages_while_nobody_trusted_has_sealed_the_manifest() {
    let harness = DaemonHarness::new();
    packages(&harness);
    install(&harness, 1);
    trust(&harness);
    harness.record();
    seal(&harness, "key");
    harness
        .host
        .shell("cp -a usr/share/host-integrity-agent ../good");
    let daemon = harness.start();
    harness.until_scanned();
    let (_, status) = harness.status();
    let ground = &status["daemon"]["ground"];
    assert_eq!(ground["against"], "manifest", "{status:#}");
    let signer = ground["signer"].as_str().unwrap_or_default();
    assert!(signer.contains("builder@example.org"), "{status:#}");
    let refused = ["Create", "Critical", "untrusted"].map(Value::from);
    let again = ["Close", "Informational", "untrusted"].map(Value::from);
    let mut told = Vec::new();

    let cases: [(&str, &dyn Fn()); 3] = [
        ("1", &|| seal(&harness, "foreign")),
        ("2", &|| {
            harness
                .host
                .shell("rm usr/share/host-integrity-agent/manifest.mtree.sig");
        }),
        // Another one under the seal of the first: what an intruder would have it say is never asked.
        ("3", &|| {
            harness
                .host
                .shell("echo evil >> data/one; echo evil >> data/package/30");
            harness.record();
        }),
    ];
    for (n, spoil) in cases {
        spoil();
        told.push(Value::from(refused.to_vec()));
        harness.until("refused", |harness| seen(harness) == told);
        until_against(&harness, "packages");
        harness.until("the trouble shows", |harness| {
            harness.status().1["daemon"]["trouble"]
                .to_string()
                .contains("package database")
        });
        // Of a package, and told by what dpkg says of it; of no package, and not judged.
        harness.host.shell(&format!(
            "echo evil > data/d{n}; echo evil >> data/package/{n}"
        ));
        harness.until_told(&format!("raised files.changed /data/package/{n} "));
        let event = harness.event("raised", &format!("/data/package/{n}"));
        let against = event["unmapped"]["digests"].to_string();
        assert!(!against.contains("manifest"), "{event:#}");
        let before = harness.told();
        assert!(
            !before
                .iter()
                .any(|told| told.contains(&format!("/data/d{n}"))),
            "{before:#?}"
        );

        harness.host.shell(
            "rm -f usr/share/host-integrity-agent/*; cp -a ../good/. usr/share/host-integrity-agent/",
        );
        told.push(Value::from(again.to_vec()));
        harness.until("cleared", |harness| seen(harness) == told);
        until_against(&harness, "manifest");
        // By the manifest it is one file too many.
        harness.until_told(&format!("raised files.added /data/d{n}"));
        harness.until_as_checked("by the manifest again");
    }
    harness.event("raised", "/data/package/30");
    harness.until("the trouble is over", |harness| {
        harness.status().1["daemon"]["trouble"] == json!([])
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(seen(&harness), told, "each once");
    harness.verify();
}

#[test]
fn a_reload_after_other_signers_names_them_and_goes_by_them() {
    let harness = DaemonHarness::recorded();
    trust(&harness);
    seal(&harness, "key");
    let daemon = harness.start();
    harness.until_scanned();
    let updates = |harness: &DaemonHarness| {
        let mut events = harness.events();
        events.retain(|event| event["activity_name"] == "Update" && event["class_uid"] == 6002);
        let message = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
        events.iter().map(message).collect::<Vec<_>>()
    };
    // Nothing has changed: nothing is named.
    daemon.signal("HUP");
    harness.until("reloaded", |harness| updates(harness).len() == 1);
    assert!(!updates(&harness)[0].contains("trusted_signers"));

    harness.host.shell(
        "echo \"other@example.org $(cat ../foreign.pub)\" > etc/host-integrity-agent/trusted_signers",
    );
    daemon.signal("HUP");
    harness.until("reloaded again", |harness| updates(harness).len() == 2);
    assert!(
        updates(&harness)[1].ends_with(": trusted_signers"),
        "{:#?}",
        updates(&harness)
    );
    let refused = json!(["Create", "Critical", "untrusted"]);
    harness.until("refused", |harness| seen(harness) == [refused.clone()]);
    seal(&harness, "foreign");
    let again = json!(["Close", "Informational", "untrusted"]);
    harness.until("taken", |harness| {
        seen(harness) == [refused.clone(), again.clone()]
    });
    until_against(&harness, "manifest");
    let (_, status) = harness.status();
    let signer = status["daemon"]["ground"]["signer"].as_str();
    assert!(
        signer.is_some_and(|signer| signer.contains("other@example.org")),
        "{status:#}"
    );
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
