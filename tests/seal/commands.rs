//! The commands that seal and that demand a seal: with signers nothing but a good seal is taken, without
//! them a seal does not look clean.

use harness::ssh_agent::{SshAgent, fingerprint};
use harness::{Host, Lab, agent_path, run, shell};
use std::fs;
use std::process::Command;

/// A lab with two key pairs, a signers file for the first, and a tree with one file.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell("echo one > one");
    shell(
        lab.path(),
        "for key in key foreign; do ssh-keygen -q -t ed25519 -N '' -C $key -f $key; done
         echo \"builder@example.org $(cat key.pub)\" > signers",
    );
    lab
}

/// `agent baseline verify` of the lab's manifest.
fn verify(lab: &Lab, more: &[&str]) -> harness::Ran {
    run(Command::new(agent_path())
        .args(["baseline", "verify", "manifest.mtree"])
        .args(more)
        .current_dir(lab.path()))
}

const SIGN: &str = "ssh-keygen -q -Y sign -n host-integrity-agent -f key manifest.mtree";
const TRUST: [&str; 2] = ["--trust", "signers"];

#[test]
fn what_the_agent_seals_ssh_keygen_accepts() {
    let lab = lab();
    let created = lab.agent(
        &["baseline", "create"],
        &["--output", "manifest.mtree", "--sign-key", "key"],
    );
    created.expect(0);
    shell(
        lab.path(),
        "ssh-keygen -Y verify -n host-integrity-agent -I builder@example.org -f signers \
         -s manifest.mtree.sig < manifest.mtree",
    );
    accepted(&lab);
}

#[test]
fn what_ssh_keygen_seals_the_agent_accepts() {
    let lab = lab();
    for hash in ["sha256", "sha512"] {
        lab.create().expect(0);
        shell(
            lab.path(),
            &SIGN.replace("-f", &format!("-O hashalg={hash} -f")),
        );
        accepted(&lab);
    }
}

/// Both commands take the seal and say whose it is.
fn accepted(lab: &Lab) {
    let key = fingerprint(&lab.path().join("key"));
    let verified = verify(lab, &TRUST).expect(0);
    for word in ["builder@example.org", &key] {
        assert!(verified.stdout.contains(word), "{verified:?}");
    }
    let checked = lab.check(&TRUST).expect(0);
    let manifest = &checked.summary()["manifest"];
    assert_eq!(manifest["trusted"], true);
    let signer = manifest["signer"].as_str().expect("a signer");
    assert!(signer.contains("builder@example.org") && signer.contains(&key));
}

/// Nothing is read of a seal, or of signers, beyond what there may be.
#[test]
fn a_seal_or_signers_beyond_their_bounds_are_refused() {
    for (bound, file, most, status) in [
        ("SEAL", "manifest.mtree.sig", 64 << 10, 4),
        ("SIGNERS", "signers", 1 << 20, 2),
    ] {
        let lab = lab();
        lab.create().expect(0);
        shell(lab.path(), SIGN);
        accepted(&lab);
        shell(lab.path(), &format!("truncate -s {} {file}", most + 1));
        let ran = verify(&lab, &TRUST);
        assert!(ran.stderr.contains("larger than"), "{bound}: {ran:?}");
        assert_eq!(ran.status, status, "{bound}: {ran:?}");
    }
}

/// A refused seal ends in 4 whatever the manifest is: nothing of it has been parsed.
#[test]
fn without_a_good_seal_nothing_of_the_manifest_is_parsed() {
    let refusals = [
        ("no seal", "rm manifest.mtree.sig", "no such file"),
        (
            "an empty seal",
            ": > manifest.mtree.sig",
            "manifest.mtree.sig",
        ),
        (
            "garbage",
            "echo x > manifest.mtree.sig",
            "manifest.mtree.sig",
        ),
        (
            "a stranger's seal",
            "rm manifest.mtree.sig; ssh-keygen -q -Y sign -n host-integrity-agent -f foreign manifest.mtree",
            "SHA256:",
        ),
        (
            "made for something else",
            "rm manifest.mtree.sig; ssh-keygen -q -Y sign -n git -f key manifest.mtree",
            "git",
        ),
        (
            "a byte added",
            "echo '# note' >> manifest.mtree",
            "is not valid",
        ),
        (
            "a byte changed",
            "sed -i 's/^# time 2/# time 3/' manifest.mtree",
            "is not valid",
        ),
        (
            "another manifest",
            "sed '/one/d' manifest.mtree > m; mv m manifest.mtree",
            "is not valid",
        ),
        ("nobody trusted", ": > signers", "signer"),
        ("only a comment", "sed -i 's/^/# /' signers", "signer"),
        (
            "trusted until 2020",
            "sed -i 's/ / valid-before=\"20200101Z\" /' signers",
            "2020",
        ),
    ];
    for (name, refuse, word) in refusals {
        let lab = lab();
        for malformed in [false, true] {
            lab.create().expect(0);
            shell(lab.path(), SIGN);
            shell(
                lab.path(),
                "echo \"builder@example.org $(cat key.pub)\" > signers",
            );
            shell(lab.path(), refuse);
            if malformed {
                shell(lab.path(), "echo 'not mtree' > manifest.mtree");
            }
            for ran in [verify(&lab, &TRUST), lab.check(&TRUST)] {
                let ran = ran.silent().complains(&["manifest.mtree.sig"]);
                assert_eq!(ran.status, 4, "{name}, malformed {malformed}: {ran:#?}");
                assert!(malformed || ran.stderr.contains(word), "{name}: {ran:#?}");
                assert!(!ran.stderr.contains("manifest.mtree:"), "{name}: {ran:#?}");
            }
        }
    }
}

#[test]
fn a_malformed_manifest_under_a_good_seal_is_malformed() {
    let lab = lab();
    lab.create().expect(0);
    shell(lab.path(), "echo '# later' >> manifest.mtree");
    shell(lab.path(), SIGN);
    let lines = fs::read_to_string(lab.manifest())
        .expect("text")
        .lines()
        .count();
    let place = format!("manifest.mtree:{lines}:");
    verify(&lab, &TRUST).expect(2).silent().complains(&[&place]);
    lab.check(&TRUST).expect(2).silent().complains(&[&place]);
    // The seal is judged first: with nobody trusted it is 4.
    fs::write(lab.path().join("nobody"), "").expect("written");
    lab.check(&["--trust", "nobody"]).expect(4).silent();
}

/// On a live host, with everything at its default place: whatever is taken away shows.
#[test]
fn taking_signers_or_seal_away_never_looks_clean() {
    let host = Host::new();
    let place = "/usr/share/host-integrity-agent/manifest.mtree";
    shell(
        host.lab().path(),
        "ssh-keygen -q -t ed25519 -N '' -f root/key; \
         echo \"builder $(cat root/key.pub)\" > root/etc/host-integrity-agent/trusted_signers",
    );
    host.agent(&[
        "baseline",
        "create",
        "--output",
        place,
        "--sign-key",
        "/key",
    ])
    .expect(0);
    let check = || host.agent(&["check", "--format", "json"]);
    let clean = check().expect(0);
    assert_eq!(clean.summary()["manifest"]["trusted"], true);
    assert_eq!(clean.summary()["manifest"]["path"], place);

    let signers = "etc/host-integrity-agent/trusted_signers";
    let manifest = &place[1..];
    let cases = [
        ("signers removed", format!("rm {signers}"), 3),
        ("signers emptied", format!(": > {signers}"), 3),
        (
            "signers commented out",
            format!("sed -i 's/^/#/' {signers}"),
            3,
        ),
        ("seal removed", format!("rm {manifest}.sig"), 4),
        ("manifest removed", format!("rm {manifest}"), 4),
        ("both removed", format!("rm {manifest} {manifest}.sig"), 4),
        (
            "a link to no signers",
            format!("rm {signers}; ln -s /nothing {signers}"),
            3,
        ),
    ];
    for (name, take, status) in cases {
        host.shell(&format!(
            "cp -p {signers} s; cp -p {manifest} m; cp -p {manifest}.sig m.sig; {take}"
        ));
        let ran = check();
        assert_eq!(ran.status, status, "{name}: {ran:#?}");
        match status {
            3 => assert_eq!(
                ran.told(),
                [format!("unknown files.profile {place}")],
                "{name}"
            ),
            _ => assert_eq!(ran.stdout, "", "{name}"),
        }
        host.shell(&format!(
            "mv m.sig {manifest}.sig; mv m {manifest}; rm -f {signers}; mv s {signers}"
        ));
        check().expect(0);
    }
    // verify says the same of a seal that nobody vouches for.
    host.shell(&format!("rm {signers}"));
    let verified = host.agent(&["baseline", "verify", place]).expect(3);
    assert!(
        verified.stdout.contains("no signer is trusted"),
        "{verified:?}"
    );
}

#[test]
fn a_key_that_ssh_agent_holds() {
    let lab = lab();
    let agent = SshAgent::start(lab.path());
    let create = || {
        run(Command::new(agent_path())
            .args([
                "baseline",
                "create",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
            ])
            .args(["--output", "manifest.mtree", "--sign-key", "key.pub"])
            .env("SSH_AUTH_SOCK", &agent.socket)
            .current_dir(lab.path()))
    };
    let refused = create().expect(2).silent();
    refused.complains(&["does not hold"]);
    assert!(!lab.manifest().exists());
    let key = lab.path().join("key");
    agent.add(&key);
    fs::remove_file(&key).expect("the agent alone has it now");
    create().expect(0);
    lab.check(&TRUST).expect(0);
}

/// A key that cannot seal is noticed before anything is written, and the message says the way out.
#[test]
fn keys_that_cannot_seal_leave_everything_as_it_was() {
    let lab = lab();
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N secret -f locked
         cp key exposed; chmod 644 exposed
         mkdir directory
         ssh-keygen -q -t rsa -b 1024 -N '' -f short
         ssh-keygen -q -t ecdsa -m PEM -N '' -f pem
         echo text > text; chmod 600 text",
    );
    lab.agent(
        &["baseline", "create"],
        &["--output", "manifest.mtree", "--sign-key", "key"],
    )
    .expect(0);
    let files = || {
        let listed = shell(
            lab.path(),
            "ls -A; sha256sum manifest.mtree manifest.mtree.sig",
        );
        assert!(!listed.contains(".manifest"), "{listed}");
        listed
    };
    let before = files();
    lab.shell("echo two > two");
    for (key, help) in [
        ("locked", "ssh-add"),
        ("exposed", "chmod 600"),
        ("directory", "not a file"),
        ("absent", "No such file"),
        ("short", "1024"),
        ("pem", "ssh-keygen -p"),
        ("text", "ssh-keygen"),
        ("key.pub", "SSH_AUTH_SOCK"),
    ] {
        let ran = run(Command::new(agent_path())
            .args([
                "baseline",
                "create",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
            ])
            .args(["--output", "manifest.mtree", "--sign-key", key])
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(lab.path()));
        ran.expect(2).silent().complains(&[key, help]);
        assert_eq!(files(), before, "{key}");
    }
    // A manifest made anew without a key does not keep the old one's seal.
    lab.create().expect(0).complains(&["manifest.mtree.sig"]);
    assert!(!lab.path().join("manifest.mtree.sig").exists());
    lab.check(&[]).expect(0);
    lab.check(&TRUST).expect(4);
}
