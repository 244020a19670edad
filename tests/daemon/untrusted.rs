//! A manifest that nobody trusted has sealed, under a daemon that runs; and whom it trusts.

use super::house::House;
use super::transactions::{install, packages};
use serde_json::{Value, json};

/// Keys beside the tree, and the public one of the first where the host looks for it.
fn trust(house: &House) {
    house.host.shell(
        "for key in key foreign; do ssh-keygen -q -t ed25519 -N '' -C $key -f ../$key; done
         echo \"builder@example.org $(cat ../key.pub)\" > etc/host-integrity-agent/trusted_signers",
    );
}

/// Seals the manifest with that key, in the place of whatever seal there is.
fn seal(house: &House, key: &str) {
    house.host.shell(&format!(
        "cd usr/share/host-integrity-agent; rm -f manifest.mtree.sig
         ssh-keygen -q -Y sign -n host-integrity-agent -f ../../../../{key} manifest.mtree"
    ));
}

/// What was told of the manifest: step, severity and state.
pub(super) fn seen(house: &House) -> Vec<Value> {
    let events = house.events();
    let about = events.iter().filter(|event| {
        event["class_uid"] == 2004 && event["finding_info"]["analytic"]["uid"] == "manifest"
    });
    about
        .map(|e| json!([e["activity_name"], e["severity"], e["unmapped"]["state"]]))
        .collect()
}

fn until_against(house: &House, what: &str) {
    house.until(what, |house| {
        house.status().1["daemon"]["ground"]["against"] == what
    });
}

#[test]
fn files_are_judged_by_their_packages_while_nobody_trusted_has_sealed_the_manifest() {
    let house = House::new();
    packages(&house);
    install(&house, 1);
    trust(&house);
    house.record();
    seal(&house, "key");
    house
        .host
        .shell("cp -a usr/share/host-integrity-agent ../good");
    let daemon = house.start();
    house.until_scanned();
    let (_, status) = house.status();
    let ground = &status["daemon"]["ground"];
    assert_eq!(ground["against"], "manifest", "{status:#}");
    let signer = ground["signer"].as_str().unwrap_or_default();
    assert!(signer.contains("builder@example.org"), "{status:#}");
    let refused = ["Create", "Critical", "untrusted"].map(Value::from);
    let again = ["Close", "Informational", "untrusted"].map(Value::from);
    let mut told = Vec::new();

    let cases: [(&str, &dyn Fn()); 3] = [
        ("1", &|| seal(&house, "foreign")),
        ("2", &|| {
            house
                .host
                .shell("rm usr/share/host-integrity-agent/manifest.mtree.sig");
        }),
        // Another one under the seal of the first: what an intruder would have it say is never asked.
        ("3", &|| {
            house
                .host
                .shell("echo evil >> data/one; echo evil >> data/package/30");
            house.record();
        }),
    ];
    for (n, spoil) in cases {
        spoil();
        told.push(Value::from(refused.to_vec()));
        house.until("refused", |house| seen(house) == told);
        until_against(&house, "packages");
        house.until("the trouble shows", |house| {
            house.status().1["daemon"]["trouble"]
                .to_string()
                .contains("package database")
        });
        // Of a package, and told by what dpkg says of it; of no package, and not judged.
        house.host.shell(&format!(
            "echo evil > data/d{n}; echo evil >> data/package/{n}"
        ));
        house.until_told(&format!("raised files.changed /data/package/{n} "));
        let event = house.event("raised", &format!("/data/package/{n}"));
        let against = event["unmapped"]["digests"].to_string();
        assert!(!against.contains("manifest"), "{event:#}");
        let before = house.told();
        assert!(
            !before
                .iter()
                .any(|told| told.contains(&format!("/data/d{n}"))),
            "{before:#?}"
        );

        house.host.shell(
            "rm -f usr/share/host-integrity-agent/*; cp -a ../good/. usr/share/host-integrity-agent/",
        );
        told.push(Value::from(again.to_vec()));
        house.until("cleared", |house| seen(house) == told);
        until_against(&house, "manifest");
        // By the manifest it is one file too many.
        house.until_told(&format!("raised files.added /data/d{n}"));
        house.until_as_checked("by the manifest again");
    }
    house.event("raised", "/data/package/30");
    house.until("the trouble is over", |house| {
        house.status().1["daemon"]["trouble"] == json!([])
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(seen(&house), told, "each once");
    house.verify();
}

#[test]
fn a_reload_after_other_signers_names_them_and_goes_by_them() {
    let house = House::recorded();
    trust(&house);
    seal(&house, "key");
    let daemon = house.start();
    house.until_scanned();
    let updates = |house: &House| {
        let mut events = house.events();
        events.retain(|event| event["activity_name"] == "Update" && event["class_uid"] == 6002);
        let message = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
        events.iter().map(message).collect::<Vec<_>>()
    };
    // Nothing has changed: nothing is named.
    daemon.signal("HUP");
    house.until("reloaded", |house| updates(house).len() == 1);
    assert!(!updates(&house)[0].contains("trusted_signers"));

    house.host.shell(
        "echo \"other@example.org $(cat ../foreign.pub)\" > etc/host-integrity-agent/trusted_signers",
    );
    daemon.signal("HUP");
    house.until("reloaded again", |house| updates(house).len() == 2);
    assert!(
        updates(&house)[1].ends_with(": trusted_signers"),
        "{:#?}",
        updates(&house)
    );
    let refused = json!(["Create", "Critical", "untrusted"]);
    house.until("refused", |house| seen(house) == [refused.clone()]);
    seal(&house, "foreign");
    let again = json!(["Close", "Informational", "untrusted"]);
    house.until("taken", |house| {
        seen(house) == [refused.clone(), again.clone()]
    });
    until_against(&house, "manifest");
    let (_, status) = house.status();
    let signer = status["daemon"]["ground"]["signer"].as_str();
    assert!(
        signer.is_some_and(|signer| signer.contains("other@example.org")),
        "{status:#}"
    );
    assert_eq!(daemon.stop(), 0);
    house.verify();
}
