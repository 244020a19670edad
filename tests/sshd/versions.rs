//! The same line under different versions of OpenSSH.

use harness::rpm::{build_empty, enter, to_berkeley};
use harness::{Lab, Ran, agent_path, run};
use std::fs;
use std::process::Command;

fn effective(config: &str, version: &str) -> Ran {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("config");
    fs::write(&file, config).expect("written");
    run(Command::new(agent_path())
        .args(["sshd-effective", "-T", "--openssh", version])
        // No distribution's tree: OpenSSH's own build.
        .args(["-f", "/config", "--root"])
        .arg(directory.path()))
}

/// Line for line what the servers themselves printed, in their order.
#[test]
fn defaults_as_each_version_prints_them() {
    let data = harness::project().join("tests/data/sshd");
    let mut seen = 0;
    for entry in fs::read_dir(data).expect("there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|kind| kind != "txt") {
            continue;
        }
        seen += 1;
        let version = path.file_stem().expect("a name").to_string_lossy();
        let theirs = fs::read_to_string(&path).expect("text");
        let ours = effective("", &version).expect(0).stdout;
        // What distributions add, and what the Red Hat family brought to 8.7.
        let added = |line: &&str| {
            [
                "hostkey ",
                "gssapikeyexchange",
                "gssapistrict",
                "gssapistore",
                "gssapikex",
                "sshdsessionpath",
                "sshdauthpath",
                "debianbanner",
            ]
            .iter()
            .any(|start| line.starts_with(start))
                || *line == "requiredrsasize 1024" && !theirs.contains(line)
        };
        let ours: Vec<&str> = ours.lines().filter(|line| !added(line)).collect();
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{version}");
    }
    assert_eq!(seen, 6);
}

#[test]
fn what_a_version_takes_and_another_refuses() {
    for (version, config, expected) in [
        // A comment anywhere, then only where a word begins.
        ("7.4", "PermitRootLogin no#c", Some("permitrootlogin no")),
        ("8.6", "PermitRootLogin no # c", Some("permitrootlogin no")),
        ("8.7", "PermitRootLogin no#c", None),
        ("8.7", "PermitRootLogin no # c", Some("permitrootlogin no")),
        // Quotes.
        ("8.6", "AllowUsers 'a b'", Some("allowusers 'a")),
        ("8.7", "AllowUsers 'a b'", Some("allowusers a b")),
        ("8.6", "SetEnv A=b C=\"d e\"", Some("setenv C=d e")),
        // Keywords that came.
        ("8.1", "Include /nowhere/*", None),
        ("8.2", "Include /nowhere/*", Some("port 22")),
        ("9.1", "ChannelTimeout x11=5", None),
        ("9.2", "ChannelTimeout x11=5", Some("channeltimeout x11=5")),
        ("9.7", "PerSourcePenalties no", None),
        (
            "9.8",
            "PerSourcePenalties no",
            Some("persourcepenalties no"),
        ),
        (
            "10.0",
            "PerSourcePenalties authfail:9s max:1h",
            Some(
                "persourcepenalties crash:90 authfail:9 noauth:1 grace-exceeded:10 refuseconnection:10 max:3600 min:15 max-sources4:65536 max-sources6:65536 overflow:permissive overflow6:permissive",
            ),
        ),
        ("10.0", "PerSourcePenalties no max:1h", None),
        ("9.8", "RefuseConnection yes", None),
        ("9.9", "RefuseConnection yes", Some("refuseconnection yes")),
        ("8.4", "PubkeyAcceptedAlgorithms ssh-ed25519", None),
        (
            "8.4",
            "PubkeyAcceptedKeyTypes ssh-ed25519",
            Some("pubkeyacceptedkeytypes ssh-ed25519"),
        ),
        (
            "8.5",
            "PubkeyAcceptedKeyTypes ssh-ed25519",
            Some("pubkeyacceptedalgorithms ssh-ed25519"),
        ),
        // The Red Hat family brings it to 8.7.
        ("8.7", "RequiredRSASize 2048", Some("requiredrsasize 2048")),
        ("7.4", "RequiredRSASize 2048", None),
        // One keyword that was two.
        (
            "8.6",
            "KbdInteractiveAuthentication no",
            Some("kbdinteractiveauthentication yes"),
        ),
        (
            "8.6",
            "ChallengeResponseAuthentication no",
            Some("kbdinteractiveauthentication no"),
        ),
        (
            "8.6",
            "ChallengeResponseAuthentication no\nKbdInteractiveAuthentication yes",
            Some("kbdinteractiveauthentication yes"),
        ),
        (
            "8.7",
            "KbdInteractiveAuthentication no",
            Some("kbdinteractiveauthentication no"),
        ),
        (
            "8.7",
            "ChallengeResponseAuthentication no\nKbdInteractiveAuthentication yes",
            Some("kbdinteractiveauthentication no"),
        ),
        (
            "7.4",
            "SkeyAuthentication no",
            Some("challengeresponseauthentication no"),
        ),
        (
            "8.6",
            "SkeyAuthentication no",
            Some("challengeresponseauthentication yes"),
        ),
        // In Match blocks.
        ("8.2", "Match User x\nIgnoreRhosts no", None),
        (
            "8.3",
            "Match User x\nIgnoreRhosts no",
            Some("ignorerhosts yes"),
        ),
        (
            "8.6",
            "Match User x\nChallengeResponseAuthentication no",
            None,
        ),
        ("9.2", "Match User x\nSubsystem a b", None),
        ("9.6", "Match User x\nSubsystem a b", Some("port 22")),
        ("9.2", "Subsystem a b\nSubsystem a c", None),
        ("9.6", "Subsystem a b\nSubsystem a c", Some("subsystem a b")),
        (
            "9.6",
            "AuthenticationMethods publickey\nMatch User x\nAuthenticationMethods any",
            None,
        ),
        (
            "9.8",
            "AuthenticationMethods publickey\nMatch User x\nAuthenticationMethods any",
            Some("authenticationmethods publickey"),
        ),
        (
            "9.2",
            "PerSourceMaxStartups 3\nPerSourceMaxStartups none",
            Some("persourcemaxstartups none"),
        ),
        (
            "9.6",
            "PerSourceMaxStartups 3\nPerSourceMaxStartups none",
            Some("persourcemaxstartups 3"),
        ),
        ("9.8", "Match Invalid-User\nPermitTTY no", None),
        (
            "9.9",
            "Match Invalid-User\nPermitTTY no",
            Some("permittty yes"),
        ),
        ("9.9", "Match Version OpenSSH_*\nPermitTTY no", None),
        (
            "10.0",
            "Match Version OpenSSH_10.*\nPermitTTY no",
            Some("permittty no"),
        ),
        (
            "10.0",
            "Match Version OpenSSH_9.*\nPermitTTY no",
            Some("permittty yes"),
        ),
        ("9.2", "Match User = x\nPermitTTY no", Some("permittty yes")),
        ("10.0", "Match User = x\nPermitTTY no", None),
        ("10.0", "Match User=x\nPermitTTY no", Some("permittty yes")),
        (
            "10.0",
            "Match User \"x\" # why\nPermitTTY no",
            Some("permittty yes"),
        ),
        // Algorithms.
        ("7.4", "Ciphers arcfour", Some("ciphers arcfour")),
        ("7.6", "Ciphers arcfour", None),
        ("9.6", "KexAlgorithms mlkem768x25519-sha256", None),
        (
            "9.9",
            "KexAlgorithms mlkem768x25519-sha256",
            Some("kexalgorithms mlkem768x25519-sha256"),
        ),
        (
            "9.9",
            "HostKeyAlgorithms ssh-dss",
            Some("hostkeyalgorithms ssh-dss"),
        ),
        ("10.0", "HostKeyAlgorithms ssh-dss", None),
        (
            "10.0",
            "Ciphers -*-ctr",
            Some(
                "ciphers chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com",
            ),
        ),
        // After 10.0.
        (
            "10.6",
            "PermitRootLogin without-password",
            Some("PermitRootLogin prohibit-password"),
        ),
        (
            "10.1",
            "PermitRootLogin without-password",
            Some("permitrootlogin prohibit-password"),
        ),
        (
            "10.0",
            "MaxStartups 10:50:60\nMaxStartups 5",
            Some("maxstartups 5:50:5"),
        ),
        (
            "10.1",
            "MaxStartups 10:50:60\nMaxStartups 5",
            Some("maxstartups 10:50:60"),
        ),
        ("10.2", "MaxStartups 5", Some("maxstartups 10:30:5")),
        ("10.3", "MaxStartups 5", Some("maxstartups 5:30:5")),
        ("10.2", "LoginGraceTime 0.5", None),
        ("10.3", "LoginGraceTime 0.5", Some("logingracetime 0")),
        ("10.5", "TCPKeepAlive all", None),
        ("10.6", "TCPKeepAlive all", Some("TCPKeepAlive all")),
        ("10.5", "WarnWeakCrypto no", None),
        ("10.6", "WarnWeakCrypto no", Some("WarnWeakCrypto false")),
        ("10.2", "RevokedKeys /a /b", None),
        ("10.3", "RevokedKeys /a /b", Some("revokedkeys /a /b")),
        ("10.3", "PAMAuthenticationViaKbdInt yes", Some("port 22")),
        ("10.4", "PAMAuthenticationViaKbdInt yes", None),
        ("10.0", "IPQoS lowdelay", Some("ipqos lowdelay lowdelay")),
        ("10.1", "IPQoS lowdelay", Some("ipqos none none")),
        ("10.4", "KexAlgorithms mlkem768nistp256-sha256", None),
        (
            "10.5",
            "KexAlgorithms mlkem768nistp256-sha256",
            Some("KexAlgorithms mlkem768nistp256-sha256"),
        ),
        // Numbers.
        ("9.7", "IPQoS 0x10", Some("ipqos lowdelay lowdelay")),
        ("9.8", "IPQoS 0x10", None),
    ] {
        let ran = effective(&format!("{config}\n"), version);
        match expected {
            Some(line) => assert!(
                ran.status == 0 && ran.stdout.lines().any(|printed| printed == line),
                "{version} {config}: {ran:#?}"
            ),
            None => assert_eq!(ran.status, 1, "{version} {config}: {ran:#?}"),
        }
    }
    // What is newer than what is known here may know the word.
    effective("NewKeyword yes\n", "11.2")
        .expect(2)
        .complains(&["NewKeyword", "10.6"]);
    effective("", "7.3").expect(2);
}

/// The tree's own version decides, and the finding says how it is known.
#[test]
fn the_version_of_the_tree() {
    let program = |version: &str| format!("echo 'x OpenSSH_{version}p1 y' > usr/sbin/sshd");
    let status = "mkdir -p var/lib/dpkg; printf 'Package: openssh-server\\nStatus: install ok installed\\nVersion: 1:8.9p1-3ubuntu0.10\\n\\n' > var/lib/dpkg/status";
    for (line, verdict, words) in [
        (program("9.6"), "pass", ["OpenSSH 9.6", "program"]),
        (program("8.7"), "fail", ["OpenSSH 8.7", "program"]),
        (
            status.to_owned(),
            "fail",
            ["OpenSSH 8.9", "package database"],
        ),
        (":".to_owned(), "pass", ["OpenSSH 10.6", "newest"]),
    ] {
        let lab = Lab::new();
        lab.shell(
            "mkdir -p usr/sbin etc/ssh; : > usr/sbin/sshd
             echo 'UnusedConnectionTimeout 5m' > etc/ssh/sshd_config; chmod 600 etc/ssh/sshd_config",
        );
        lab.shell(&line);
        let ran = lab.agent(
            &["check"],
            &["--only", "sshd.config_valid", "--format", "json"],
        );
        let finding = ran.one("sshd.config_valid", "sshd");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
        let message = finding["message"].as_str().expect("text");
        for word in words {
            assert!(message.contains(word), "{line}: {message}");
        }
    }
}

/// rpm's own database of a tree, in both forms: its word comes before the program's.
#[test]
fn the_version_of_an_rpm_tree() {
    let place = tempfile::tempdir().expect("a directory");
    // Enough of them that the table of packages has inner pages, and names on either side.
    let others: Vec<String> = (0..60).map(|n| format!("o{n}")).collect();
    let mut packages: Vec<(&str, &str)> = others.iter().map(|name| (&**name, "1-1")).collect();
    packages.extend([
        ("openssh", "9.9p1-1"),
        ("openssh-server", "1:8.7p1-38.el9_4.4"),
        ("openssh-server-sysvinit", "9.9p1-1"),
    ]);
    build_empty(place.path(), packages.iter().copied());
    for (change, expected) in [
        (":", "OpenSSH 8.7 the package database"),
        ("berkeley", "OpenSSH 8.7 the package database"),
        (
            "rpm --root $PWD --dbpath /var/lib/rpm -e --justdb --nodeps openssh-server",
            "OpenSSH 9.6 the program",
        ),
        (
            "truncate -s 9000 var/lib/rpm/rpmdb.sqlite",
            "OpenSSH 9.6 the program",
        ),
    ] {
        let lab = Lab::new();
        lab.shell(
            "mkdir -p usr/sbin etc/ssh; echo 'x OpenSSH_9.6p1 y' > usr/sbin/sshd
             : > etc/ssh/sshd_config; chmod 600 etc/ssh/sshd_config",
        );
        enter(
            &lab.root(),
            place.path(),
            packages.iter().map(|(name, _)| name),
        );
        match change {
            "berkeley" => to_berkeley(&lab.root(), 4096),
            change => drop(lab.shell(change)),
        }
        let ran = lab.agent(
            &["check"],
            &["--only", "sshd.config_valid", "--format", "json"],
        );
        let observed = &ran.one("sshd.config_valid", "sshd")["observed"];
        let told = |key: &str| observed[key].as_str().expect("text").to_owned();
        let told = format!("OpenSSH {} {}", told("openssh"), told("openssh_from"));
        assert_eq!(told, expected, "{change}");
    }
}
