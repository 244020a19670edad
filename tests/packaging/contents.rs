//! Both packages hold the same, scripts are clean, the account can do nothing.

use super::{file, text};
use harness::{run, shell};
use std::collections::BTreeSet;
use std::process::Command;

/// Where the files of a package go, by the metadata in Cargo.toml; each source outside target/ must be there.
fn destinations(form: &str) -> BTreeSet<String> {
    let manifest: toml::Table = text("Cargo.toml").parse().expect("TOML");
    let assets = manifest["package"]["metadata"][form]["assets"]
        .as_array()
        .expect("assets");
    let field = |asset: &toml::Value, place: usize, key: &str| {
        let value = asset.get(place).or_else(|| asset.get(key));
        value
            .and_then(toml::Value::as_str)
            .expect("text")
            .to_owned()
    };
    let mut found = BTreeSet::new();
    for asset in assets {
        let source = field(asset, 0, "source");
        if !source.starts_with("target/") && !source.contains('*') {
            assert!(file(&source).is_file(), "{source} is not there");
        }
        let name = source.rsplit('/').next().expect("a name");
        let mut destination = field(asset, 1, "dest").trim_start_matches('/').to_owned();
        if destination.ends_with('/') {
            destination += name;
        }
        let mode = field(asset, 2, "mode");
        assert!(found.insert(format!("{destination} {mode}")));
    }
    found
}

#[test]
fn both_packages_hold_the_same() {
    let deb = destinations("deb");
    let rpm = destinations("generate-rpm");
    assert!(deb.contains("usr/bin/agent 755"), "{deb:?}");
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).cloned().collect()
    };
    // Each distribution has its own places for licences and zsh; dpkg's man pages are packed by cargo-deb.
    assert_eq!(
        only(&deb, &rpm),
        [
            "usr/share/doc/host-integrity-agent/third-party-licenses.txt.gz 644",
            "usr/share/lintian/overrides/host-integrity-agent 644",
            "usr/share/man/man1/*.1 644",
            "usr/share/zsh/vendor-completions/_agent 644",
        ]
    );
    assert_eq!(
        only(&rpm, &deb),
        [
            "usr/share/licenses/host-integrity-agent/LICENSE 644",
            "usr/share/licenses/host-integrity-agent/third-party-licenses.txt.gz 644",
            "usr/share/man/man1/*.gz 644",
            "usr/share/zsh/site-functions/_agent 644",
        ]
    );
}

#[test]
fn scripts_are_clean() {
    let root = file("");
    let listed = shell(
        &root,
        "grep -rlE '^#!/(usr/bin/env bash|bin/(ba)?sh)' packaging tests .ci benches; ls packaging/rpm/*.sh",
    );
    let scripts: Vec<&str> = listed.lines().collect();
    assert!(
        scripts.contains(&"packaging/deb/postinst"),
        "found too little: {scripts:?}"
    );
    for script in scripts {
        let mut command = Command::new("shellcheck");
        if script.starts_with("packaging/rpm/") {
            // rpm adds the first line itself.
            command.args(["--shell", "sh"]);
        }
        run(command.arg(script).current_dir(&root)).expect(0);
    }
}

#[test]
fn the_account_can_log_in_nowhere() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    shell(root, "mkdir -p etc usr/lib/sysusers.d");
    std::fs::copy(
        file("packaging/systemd/sysusers.conf"),
        root.join("usr/lib/sysusers.d/host-integrity-agent.conf"),
    )
    .expect("a file");
    shell(root, "systemd-sysusers --root=$PWD");
    let account = shell(root, "grep ^host-integrity-agent: etc/passwd");
    assert!(
        account
            .trim()
            .ends_with(":/var/lib/host-integrity-agent:/usr/sbin/nologin"),
        "{account}"
    );
    let shadow = shell(root, "grep ^host-integrity-agent: etc/shadow");
    let password = shadow.split(':').nth(1);
    assert!(matches!(password, Some("!*" | "*" | "!")), "{shadow}");
}
