//! `agent baseline accept`: what is named is as it is now, everything else as it was sealed.

use harness::{Host, Ran};

const MANIFEST: &str = "/usr/share/host-integrity-agent/manifest.mtree";

/// A host whose `/data` was recorded and sealed, with its signer trusted.
fn sealed() -> Host {
    let host = Host::new();
    host.shell(
        "mkdir -p data/dir/deep data/other
         for f in dir/a dir/b dir/deep/c other/d; do echo $f > data/$f; done
         ssh-keygen -q -t ed25519 -f key -N ''
         echo \"baker@example.com $(cat key.pub)\" > etc/host-integrity-agent/trusted_signers",
    );
    create(&host);
    check(&host).expect(0);
    host
}

fn create(host: &Host) {
    host.agent(&[
        "baseline",
        "create",
        "--profile",
        "/etc/host-integrity-agent/profile.toml",
        "--output",
        MANIFEST,
        "--sign-key",
        "/key",
    ])
    .expect(0);
}

fn check(host: &Host) -> Ran {
    host.agent(&[
        "check",
        "--format",
        "json",
        "--profile",
        "/etc/host-integrity-agent/profile.toml",
    ])
}

fn accept(host: &Host, paths: &[&str]) -> Ran {
    let more = ["--reason", "a new release", "--sign-key", "/key"];
    host.agent(&[&["baseline", "accept"], paths, &more].concat())
}

#[test]
fn each_change_is_accepted_alone() {
    // What is done, what is accepted, what is left to be found.
    let cases: [(&str, &[&str], &[&str]); 9] = [
        ("echo 2 >> data/dir/a", &["/data/dir/a"], &[]),
        (
            "chmod 4755 data/dir/a; touch data/dir/b",
            &["/data/dir/a"],
            &["fail files.changed /data/dir/b mtime"],
        ),
        ("touch data/dir/new", &["/data/dir/new"], &[]),
        ("rm data/dir/a", &["/data/dir/a"], &[]),
        (
            "rm -r data/dir/deep; touch data/other/x",
            &["/data/dir/deep"],
            &["fail files.added /data/other/x"],
        ),
        (
            "mkdir -p data/new/below; echo 1 > data/new/below/f; echo 2 >> data/one",
            &["/data/new"],
            &["fail files.changed /data/one size,mtime,sha256"],
        ),
        (
            "rm data/dir/a; mkdir data/dir/a; echo 1 > data/dir/a/x",
            &["/data/dir/a"],
            &[],
        ),
        (
            "echo 2 >> data/dir/a; echo 2 >> data/dir/deep/c; rm data/dir/b",
            &["/data/dir"],
            &[],
        ),
        (
            "mv data/dir/a 'data/dir/o dd'$'\\n'; echo 2 >> data/other/d",
            &["/data/dir/a", "/data/dir/o dd\n", "/data/other/d"],
            &[],
        ),
    ];
    for (change, paths, left) in cases {
        let host = sealed();
        host.shell(change);
        check(&host).expect(1);
        let accepted = accept(&host, paths).expect(0);
        assert!(
            accepted.stdout.contains("Sealed with SHA256:"),
            "{accepted:?}"
        );
        let ran = check(&host);
        let mut told = ran.told();
        told.sort();
        assert_eq!(told, left, "{change}: {ran:#?}");
        // A fresh record of the whole tree differs in nothing but what was left.
        host.shell("cp usr/share/host-integrity-agent/manifest.mtree accepted.mtree");
        if left.is_empty() {
            create(&host);
            host.agent(&["baseline", "diff", "/accepted.mtree", MANIFEST])
                .expect(0);
        }
    }
}

#[test]
fn the_reason_stays_and_adds_up() {
    let host = sealed();
    host.shell("echo 2 >> data/dir/a; echo 3 >> data/one");
    accept(&host, &["/data/dir/a"]).expect(0);
    host.agent(&[
        "baseline",
        "accept",
        "/data/one",
        "--reason",
        "ticket 4711, by Ann",
        "--sign-key",
        "/key",
    ])
    .expect(0);
    let text = host.shell("cat usr/share/host-integrity-agent/manifest.mtree");
    let reasons: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# accepted "))
        .map(|line| line.split_once(' ').expect("a time").1)
        .collect();
    assert_eq!(
        reasons,
        [
            "/data/dir/a a\\040new\\040release",
            "/data/one ticket\\0404711,\\040by\\040Ann"
        ]
    );
    check(&host).expect(0);
}

#[test]
fn what_cannot_be_accepted_leaves_the_manifest_alone() {
    let host = sealed();
    host.shell("mkdir data/new; echo 1 > data/new/f");
    let before = host.shell("sha256sum usr/share/host-integrity-agent/*");
    let reason = ["--reason", "x", "--sign-key", "/key"];
    let cases: [(&[&str], &str); 8] = [
        (&["/data/nosuch"], "neither recorded nor there"),
        (&["/etc/machine-id"], "does not cover"),
        (&["/data/new/f"], "name /data/new instead"),
        (&["/data/../data/new"], "`..`"),
        (&["/data/new", "/data/nosuch"], "neither recorded nor there"),
        (&["/data/new", "--manifest", "/nosuch"], "no such file"),
        (&["/data/new", "--sign-key", "/nosuch"], "nosuch"),
        (&[], "PATH"),
    ];
    for (arguments, word) in cases {
        let more = match arguments.contains(&"--sign-key") {
            true => &reason[..2],
            false => &reason[..],
        };
        host.agent(&[&["baseline", "accept"], arguments, more].concat())
            .expect(2)
            .complains(&[word]);
    }
    host.agent(&["baseline", "accept", "/data/new", "--reason", " "])
        .expect(2);
    host.agent(&["baseline", "accept", "/data/new"]).expect(2);
    let left = host.shell("sha256sum usr/share/host-integrity-agent/*");
    assert_eq!(left, before);
    // A manifest that no trusted signer sealed is no ground to build on.
    host.shell("echo '# x' >> usr/share/host-integrity-agent/manifest.mtree");
    accept(&host, &["/data/new"]).expect(4);
}

#[test]
fn without_a_key_the_old_seal_goes() {
    let host = sealed();
    host.shell("echo 2 >> data/one");
    host.agent(&["baseline", "accept", "/data/one", "--reason", "x"])
        .expect(0)
        .complains(&["removed", "manifest.mtree.sig"]);
    check(&host).expect(4);
}
