//! `agent baseline accept`: what is named is as it is now, in an amendment; the manifest stays as it was sealed.

use harness::{Host, Ran};

/// A host whose `/data` was recorded and sealed, with its signer trusted.
pub(crate) fn sealed() -> Host {
    let host = Host::new();
    host.shell(
        "mkdir -p data/dir/deep data/other
         for f in dir/a dir/b dir/deep/c other/d; do echo $f > data/$f; done
         for key in key stranger; do ssh-keygen -q -t ed25519 -f $key -N ''; done
         echo \"baker@example.com $(cat key.pub)\" > etc/host-integrity-agent/trusted_signers",
    );
    create(&host, &["--sign-key", "/key"]);
    check(&host).expect(0);
    host
}

/// Records the host as it is.
pub(crate) fn create(host: &Host, more: &[&str]) {
    let manifest = "/usr/share/host-integrity-agent/manifest.mtree";
    host.agent(&[&["baseline", "create", "--output", manifest], more].concat())
        .expect(0);
}

pub(crate) fn check(host: &Host) -> Ran {
    host.agent(&["check", "--format", "json"])
}

/// Accepts paths, sealed by the key that is trusted.
pub(crate) fn accept(host: &Host, paths: &[&str], more: &[&str]) -> Ran {
    let reason = ["--reason", "a new release"];
    let key: &[&str] = match more.contains(&"--output") {
        true => &[],
        false => &["--sign-key", "/key"],
    };
    host.agent(&[&["baseline", "accept"], paths, &reason, key, more].concat())
}

/// The amendments that lie there, in order.
pub(crate) fn amendments(host: &Host) -> Vec<String> {
    let listed = host.shell("cd etc/host-integrity-agent; ls amendments/*.mtree || true");
    listed.lines().map(str::to_owned).collect()
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
        let before = host.shell("sha256sum usr/share/host-integrity-agent/*");
        host.shell(change);
        check(&host).expect(1);
        let accepted = accept(&host, paths, &[]).expect(0);
        assert!(
            accepted.stdout.contains("Sealed with SHA256:"),
            "{accepted:?}"
        );
        let ran = check(&host);
        let mut told = ran.told();
        told.sort();
        assert_eq!(told, left, "{change}: {ran:#?}");
        let after = host.shell("sha256sum usr/share/host-integrity-agent/*");
        assert_eq!(before, after, "{change}: the manifest is as it was");
        // What was accepted is held against what comes next.
        host.shell("find data -type f -exec sh -c 'echo 3 >> \"$1\"' sh {} \\;");
        check(&host).expect(1);
    }
}

#[test]
fn who_why_and_when_stand_in_it_and_the_later_wins() {
    let host = sealed();
    host.shell("echo 2 >> data/dir/a");
    accept(&host, &["/data/dir/a"], &[]).expect(0);
    host.shell("echo 3 >> data/dir/a; echo 3 >> data/one");
    host.agent(&[
        "baseline",
        "accept",
        "/data/one",
        "/data/dir/a",
        "--reason",
        "ticket 4711, by Ann",
        "--sign-key",
        "/key",
    ])
    .expect(0);
    let names = amendments(&host);
    assert_eq!(names.len(), 2, "{names:?}");
    let ran = check(&host).expect(0);
    let used = ran.summary()["amendments"].clone();
    assert_eq!(used[0]["reason"], "a new release");
    assert_eq!(used[1]["reason"], "ticket 4711, by Ann");
    assert_eq!(used[1]["files"], 2);
    assert_eq!(used[1]["host"], "0123456789abcdef0123456789abcdef");
    let by = used[1]["by"].as_str().unwrap_or_default();
    assert!(by.contains("(uid 0)") || by.contains("uid"), "{by}");
    let text = host.shell("cat etc/host-integrity-agent/amendments/*.mtree");
    let digest = host.shell("sha256sum < usr/share/host-integrity-agent/manifest.mtree");
    let digest = &digest[..64];
    for line in [
        "# host-integrity-agent amendment 1",
        &format!("# manifest {digest}"),
        "# host 0123456789abcdef0123456789abcdef",
        "# reason ticket 4711, by Ann",
        &format!("# after {}", used[0]["sha256"].as_str().unwrap_or("?")),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    // Nobody but root may write it.
    let modes = host.shell("stat -c '%a %u' etc/host-integrity-agent/amendments/*");
    assert!(modes.lines().all(|mode| mode == "600 0"), "{modes}");
    let said = host.agent(&["baseline", "verify"]).expect(0);
    for word in [
        "ticket 4711, by Ann",
        "sealed by baker@example.com",
        "amendment, ",
    ] {
        assert!(said.stdout.contains(word), "{word} in {said:?}");
    }
}

#[test]
fn what_cannot_be_accepted_changes_nothing() {
    let host = sealed();
    host.shell("mkdir data/new; echo 1 > data/new/f");
    let cases: [(&[&str], &str); 10] = [
        (&["/data/nosuch"], "neither recorded nor there"),
        (&["/etc/machine-id"], "does not cover"),
        (&["/data/new/f"], "name /data/new instead"),
        (&["/data/../data/new"], "`..`"),
        (&["/data/new", "/data/nosuch"], "neither recorded nor there"),
        (&["/data/new", "--manifest", "/nosuch"], "no such file"),
        (&["/data/one"], "nothing to accept"),
        (
            &["--explained"],
            "no deviation is explained by signed package evidence",
        ),
        (&["/data/new", "--explained"], "cannot be used with"),
        (&[], "PATH"),
    ];
    for (arguments, word) in cases {
        let more = ["--reason", "x", "--sign-key", "/key"];
        host.agent(&[&["baseline", "accept"], arguments, &more].concat())
            .expect(2)
            .complains(&[word]);
    }
    let accept_with = |more: &[&str]| {
        host.agent(&[&["baseline", "accept", "/data/new"], more].concat())
            .expect(2)
    };
    accept_with(&["--reason", "x", "--sign-key", "/nosuch"]).complains(&["nosuch"]);
    accept_with(&["--reason", " ", "--sign-key", "/key"]);
    accept_with(&["--reason", "a\\", "--sign-key", "/key"]);
    accept_with(&["--sign-key", "/key"]);
    // It would count for nothing, so it is not written.
    accept_with(&["--reason", "x"]).complains(&["--output", "--sign-key"]);
    accept_with(&["--reason", "x", "--sign-key", "/stranger"]).complains(&["would not count"]);
    assert_eq!(amendments(&host), [""; 0]);
    // A manifest that no trusted signer sealed is no ground to build on.
    host.shell("echo '# x' >> usr/share/host-integrity-agent/manifest.mtree");
    accept(&host, &["/data/new"], &[]).expect(4);
}

#[test]
fn sealed_elsewhere() {
    let host = sealed();
    host.shell("echo 2 >> data/one; mkdir etc/host-integrity-agent/amendments");
    let output = ["--output", "/release.mtree"];
    accept(&host, &["/data/one"], &output)
        .expect(0)
        .complains(&["it counts once it lies in"]);
    check(&host).expect(1);
    host.shell("cp -p release.mtree etc/host-integrity-agent/amendments/");
    let ran = check(&host).expect(1);
    let refused = ran.one(
        "files.amendment",
        "/etc/host-integrity-agent/amendments/release.mtree",
    );
    assert_eq!(
        (&refused["verdict"], &refused["severity"]),
        (&"fail".into(), &"critical".into())
    );
    host.agent(&["baseline", "verify"]).expect(1);
    // As ssh-keygen does it, with its SHA-512.
    host.shell(
        "cd etc/host-integrity-agent/amendments
         ssh-keygen -q -Y sign -n host-integrity-agent -f ../../../key release.mtree",
    );
    check(&host).expect(0);
    host.agent(&["baseline", "verify"]).expect(0);
}

#[test]
fn what_has_changed_since_it_was_seen_is_refused() {
    let report = ["check", "--format", "json", "--output", "/report.json"];
    let seen = ["--seen", "/report.json"];
    // What is done first, what is done behind the report's back, what is accepted.
    let moved_on: [(&str, &str, &str); 7] = [
        ("echo 2 >> data/one", "echo 3 >> data/one", "/data/one"),
        ("echo 2 >> data/one", "chmod u+s data/one", "/data/one"),
        ("echo 2 >> data/one", "rm data/one", "/data/one"),
        ("rm data/one", "echo 2 > data/one", "/data/one"),
        ("echo 2 > data/new", "chmod 755 data/new", "/data/new"),
        ("echo 2 > data/new", "echo 3 > data/other/x", "/data"),
        ("echo 2 >> data/one", "touch data/dir/b", "/data"),
    ];
    for (first, then, path) in moved_on {
        let host = sealed();
        host.shell(first);
        host.agent(&report).expect(1);
        host.shell(then);
        accept(&host, &[path], &seen)
            .expect(2)
            .complains(&["moved on"]);
        assert_eq!(amendments(&host), [""; 0], "{then}");
    }
    let host = sealed();
    host.shell("echo 2 >> data/one; mkdir data/new; echo 3 > data/new/f; chmod 711 data/dir");
    host.agent(&report).expect(1);
    accept(&host, &["/data"], &seen).expect(0);
    check(&host).expect(0);
    let digest = host.shell("sha256sum < report.json");
    let text = host.shell("cat etc/host-integrity-agent/amendments/*.mtree");
    let line = format!("# seen {}", &digest[..64]);
    assert!(text.lines().any(|found| found == line), "{text}");
    // What is no report of this host under this manifest says nothing.
    host.shell(
        "echo 4 >> data/one
         sed 's/0123456789abcdef0123456789abcdef/1123456789abcdef0123456789abcdef/' report.json > other.json
         head -n 1 report.json > cut.json
         sed 's/\"manifest\":{\"path\":\"[^\"]*\",\"sha256\":\"./&0/' report.json > manifest.json
         echo x > rubbish.json",
    );
    for (report, word) in [
        ("/other.json", "another host"),
        ("/cut.json", "cut short"),
        ("/manifest.json", "another manifest"),
        ("/rubbish.json", "expected a line"),
        ("/nosuch.json", "no such file"),
    ] {
        accept(&host, &["/data/one"], &["--seen", report])
            .expect(2)
            .complains(&[word]);
    }
}

#[test]
fn one_for_all_hosts_of_an_image() {
    let host = sealed();
    host.shell("tar cf host.tar --format=posix --exclude=host.tar --exclude=proc --exclude=lib --exclude=lib64 .");
    host.shell("echo 2 >> data/one; mkdir data/new; echo 3 > data/new/f");
    accept(&host, &["/data/one", "/data/new"], &["--portable"]).expect(0);
    check(&host).expect(0);
    let text = host.shell("cat etc/host-integrity-agent/amendments/*.mtree");
    assert!(
        !text.contains("# host ") && !text.contains("nlink="),
        "{text}"
    );
    // The same change, made at another time, on another host of the image.
    let other = Host::new();
    let archive = host.lab().root().join("host.tar");
    other.shell(&format!("tar xf {}", archive.display()));
    let amendments = host
        .lab()
        .root()
        .join("etc/host-integrity-agent/amendments");
    other.shell(&format!(
        "echo 1123456789abcdef0123456789abcdef > etc/machine-id
         echo 2 >> data/one; mkdir data/new; echo 3 > data/new/f; touch -d @7 data/one data/new/f
         cp -rp {} etc/host-integrity-agent/",
        amendments.display()
    ));
    check(&other).expect(0);
    other.shell("echo 4 >> data/new/f");
    let ran = check(&other).expect(1);
    assert_eq!(ran.told(), ["fail files.changed /data/new/f size,sha256"]);
    // Its own come after those of the image, whichever was made first.
    accept(&other, &["/data/new/f"], &[]).expect(0);
    check(&other).expect(0);
    host.shell("echo 5 >> data/one");
    accept(&host, &["/data/one"], &["--portable"]).expect(0);
    other.shell(&format!(
        "cp -np {}/* etc/host-integrity-agent/amendments/; echo 5 >> data/one",
        amendments.display()
    ));
    check(&other).expect(0);
}

#[test]
fn without_signers_an_amendment_needs_no_seal() {
    let host = Host::new();
    create(&host, &[]);
    host.shell("echo 2 >> data/one");
    host.agent(&["baseline", "accept", "/data/one", "--reason", "x"])
        .expect(0);
    check(&host).expect(0);
    // Its file steers the agent: nobody else may have written it.
    host.shell("chmod g+w etc/host-integrity-agent/amendments/*.mtree");
    check(&host).expect(2).complains(&["has mode 0620"]);
    host.shell("chmod g-w etc/host-integrity-agent/amendments/*.mtree; chown 7 etc/host-integrity-agent/amendments/*.mtree");
    check(&host).expect(2).complains(&["belongs to uid 7"]);
    host.shell("chown 0 etc/host-integrity-agent/amendments/*.mtree; chmod o+w etc/host-integrity-agent/amendments");
    check(&host).expect(2).complains(&["has mode 0757"]);
}
