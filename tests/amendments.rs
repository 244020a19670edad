//! Amendments that excuse nothing: forged, of another host or manifest, unsealed, out of their chain.

use super::accept::{accept, amendments, check, create, sealed};
use super::bounds::most;
use harness::{Host, Ran, agent};

const DIRECTORY: &str = "etc/host-integrity-agent/amendments";

/// A sealed host with a change that was accepted twice over, so that there is a chain.
fn amended() -> Host {
    let host = sealed();
    for number in 1..=3 {
        host.shell(&format!(
            "echo {number} >> data/one; echo {number} >> data/dir/a"
        ));
        accept(&host, &["/data/one", "/data/dir/a"], &[]).expect(0);
    }
    check(&host).expect(0);
    host
}

/// Findings of amendments, each with its severity, and of files.
fn told(ran: &Ran) -> (Vec<String>, Vec<String>) {
    let (mut of_amendments, mut of_files) = (Vec::new(), Vec::new());
    for finding in ran.findings() {
        let text = |key: &str| finding[key].as_str().unwrap_or("?").to_owned();
        match finding["check"] == "files.amendment" {
            true => of_amendments.push(format!("{} {}", text("severity"), text("verdict"))),
            false => of_files.push(format!("{} {}", text("severity"), text("subject"))),
        }
    }
    (of_amendments, of_files)
}

/// The change under them has its full severity, and so many of them are told.
fn excuse_nothing(host: &Host, about: &str, refused: usize) {
    let ran = check(host).expect(1);
    let (of_amendments, of_files) = told(&ran);
    assert_eq!(
        of_amendments,
        vec!["critical fail"; refused],
        "{about}: {ran:#?}"
    );
    assert_eq!(
        of_files,
        ["high /data/dir/a", "high /data/one"],
        "{about}: {ran:#?}"
    );
}

#[test]
fn one_that_is_removed_excuses_nothing() {
    let names = |host: &Host| amendments(host);
    let host = amended();
    let all = names(&host);
    host.shell(&format!("rm {DIRECTORY}/../{}*", all[2]));
    excuse_nothing(&host, "the last", 0);
    // What hangs on one that is missing counts for nothing.
    let host = amended();
    let all = names(&host);
    host.shell(&format!("rm {DIRECTORY}/../{}*", all[0]));
    excuse_nothing(&host, "the first", 2);
    let host = amended();
    let all = names(&host);
    host.shell(&format!("rm {DIRECTORY}/../{}", all[1]));
    // The seal that is left is told as well.
    excuse_nothing(&host, "one within, its seal left", 2);
    host.agent(&["baseline", "verify"]).expect(1);
    accept(&host, &["/data/one"], &[])
        .expect(2)
        .complains(&["counts for nothing"]);
}

/// What is done to the only amendment of a host, and is then sealed again by somebody who may seal.
#[test]
fn one_of_another_host_manifest_or_form_excuses_nothing() {
    let edits = [
        ("another host", "sed -i 's/^# host .*/# host i-0/' a.mtree"),
        (
            "another manifest",
            "sed -i \"s/^# manifest .*/# manifest $(echo | sha256sum | cut -c-64)/\" a.mtree",
        ),
        (
            "a missing link",
            "sed -i \"/^# reason/i # after $(echo | sha256sum | cut -c-64)\" a.mtree",
        ),
        ("no reason", "sed -i '/^# reason/d' a.mtree"),
        (
            "no digest of the manifest",
            "sed -i '/^# manifest/d' a.mtree",
        ),
        ("cut short", "sed -i '$d' a.mtree"),
        (
            "a line too many",
            "sed -i 's/^# entries .*/# entries 77/' a.mtree",
        ),
        (
            "a path that is not covered",
            "sed -i 's,^./data type,./date type,; s,^./data/,./date/,' a.mtree",
        ),
        (
            "silent on the contents",
            "sed -i 's/ sha256digest=[0-9a-f]*//' a.mtree",
        ),
        (
            "another version",
            "sed -i 's/amendment 1/amendment 2/' a.mtree",
        ),
        ("rubbish", "head -c 100 /dev/urandom > a.mtree"),
        ("empty", ": > a.mtree"),
    ];
    for (about, edit) in edits {
        let host = sealed();
        host.shell("echo 1 >> data/one; echo 1 >> data/dir/a");
        accept(&host, &["/data/one", "/data/dir/a"], &[]).expect(0);
        check(&host).expect(0);
        host.shell(&format!(
            "cd {DIRECTORY}; mv *.mtree a.mtree; rm *.sig; {edit}
             ssh-keygen -q -Y sign -n host-integrity-agent -f ../../../key a.mtree"
        ));
        excuse_nothing(&host, about, 1);
    }
}

#[test]
fn more_than_their_bounds_excuses_nothing() {
    let host = amended();
    let size = most("AMENDMENT") + 1;
    host.shell(&format!(
        "cd {DIRECTORY}; truncate -s {size} $(ls *.mtree | tail -1)"
    ));
    excuse_nothing(&host, "one too large", 1);
    let found = check(&host).findings();
    let mut told = found.iter().filter_map(|told| told["message"].as_str());
    assert!(
        told.any(|told| told.contains("is larger than")),
        "{found:#?}"
    );
    let host = amended();
    let more = most("AMENDMENTS");
    host.shell(&format!(
        "cd {DIRECTORY}; for n in $(seq {more}); do : > x$n.mtree; done"
    ));
    excuse_nothing(&host, "one too many", 1);
}

#[test]
fn one_whose_seal_is_not_good_excuses_nothing() {
    let edits = [
        ("no seal", "rm *.sig"),
        ("an empty seal", ": > $(ls *.sig)"),
        (
            "another's contents",
            "sed -i 's/^# reason .*/# reason b/' *.mtree",
        ),
        (
            "a stranger's seal",
            "rm *.sig; ssh-keygen -q -Y sign -n host-integrity-agent -f ../../../stranger *.mtree",
        ),
        (
            "a seal for something else",
            "rm *.sig; ssh-keygen -q -Y sign -n git -f ../../../key *.mtree",
        ),
        (
            "the manifest's seal",
            "cp ../../../usr/share/host-integrity-agent/*.sig $(ls *.sig)",
        ),
    ];
    for (about, edit) in edits {
        let host = sealed();
        host.shell("echo 1 >> data/one; echo 1 >> data/dir/a");
        accept(&host, &["/data/one", "/data/dir/a"], &[]).expect(0);
        host.shell(&format!("cd {DIRECTORY}; {edit}"));
        excuse_nothing(&host, about, 1);
    }
}

/// The seal of the manifest cannot be checked then, which is unknown; without one of its own no amendment counts.
#[test]
fn one_that_is_not_sealed_counts_for_nothing_after_the_signers_were_emptied() {
    for (edit, refused) in [("true", 1), ("rm *.sig", 1)] {
        let host = sealed();
        host.shell("echo 1 >> data/one; echo 1 >> data/dir/a");
        accept(&host, &["/data/one", "/data/dir/a"], &[]).expect(0);
        host.shell(&format!(
            ": > etc/host-integrity-agent/trusted_signers; cd {DIRECTORY}; {edit}"
        ));
        let ran = check(&host).expect(1);
        ran.one(
            "files.profile",
            "/usr/share/host-integrity-agent/manifest.mtree",
        );
        let (of_amendments, of_files) = told(&ran);
        assert_eq!(of_amendments, vec!["critical fail"; refused], "{ran:#?}");
        assert!(of_files.contains(&"high /data/one".to_owned()), "{ran:#?}");
        assert!(
            of_files.contains(&"high /data/dir/a".to_owned()),
            "{ran:#?}"
        );
    }
}

#[test]
fn neither_branch_of_a_fork_counts() {
    let host = sealed();
    host.shell("echo 1 >> data/one; echo 1 >> data/dir/a");
    for path in ["/data/one", "/data/dir/a"] {
        let output = format!("/{}.mtree", path.rsplit('/').next().unwrap_or("x"));
        accept(&host, &[path], &["--output", &output]).expect(0);
    }
    host.shell(&format!(
        "mkdir {DIRECTORY}
         for name in one a; do
           ssh-keygen -q -Y sign -n host-integrity-agent -f key $name.mtree
           cp -p $name.mtree $name.mtree.sig {DIRECTORY}
         done"
    ));
    excuse_nothing(&host, "a fork", 2);
    host.shell(&format!("rm {DIRECTORY}/a.mtree*"));
    let ran = check(&host).expect(1);
    let left = "fail files.changed /data/dir/a size,mtime,sha256";
    assert_eq!(ran.told(), [left]);
    // A copy under a second name says nothing new.
    host.shell(&format!(
        "cd {DIRECTORY}; cp -p one.mtree two.mtree; cp -p one.mtree.sig two.mtree.sig"
    ));
    assert_eq!(check(&host).expect(1).told(), [left]);
}

#[test]
fn what_else_lies_among_them_is_told() {
    let host = sealed();
    host.shell("echo 1 >> data/one");
    accept(&host, &["/data/one"], &[]).expect(0);
    host.shell(&format!(
        "echo x > {DIRECTORY}/evil.sh; mkdir {DIRECTORY}/dir.mtree"
    ));
    let ran = check(&host).expect(1);
    let (of_amendments, of_files) = told(&ran);
    assert_eq!(
        of_amendments,
        ["critical fail", "critical fail"],
        "{ran:#?}"
    );
    assert_eq!(of_files, [""; 0]);
}

/// A suspect image must not vouch for itself.
#[test]
fn those_of_a_tree_count_only_if_a_signer_trusted_here_sealed_them() {
    let host = sealed();
    host.shell("echo 1 >> data/one");
    accept(&host, &["/data/one"], &[]).expect(0);
    let root = host.lab().root().display().to_string();
    let (key, stranger) = (format!("{root}/trust"), format!("{root}/other"));
    host.shell(
        "sed 's/^/baker@example.com /' key.pub > trust; sed 's/^/baker@example.com /' stranger.pub > other",
    );
    let profile = format!("{root}/etc/host-integrity-agent/profile.toml");
    let look = |trust: &[&str]| {
        let arguments = ["check", "--root", &root, "--profile", &profile];
        let format = ["--format", "json", "--only", "files.*"];
        agent([&arguments[..], &format, trust].concat())
    };
    let only = |ran: Ran| {
        let status = ran.status;
        (status, told(&ran))
    };
    let (status, found) = only(look(&["--trust", &key]));
    assert_eq!((status, found), (0, (vec![], vec![])));
    look(&["--trust", &stranger]).expect(4);
    // Without signers the seals prove nothing, and the tree's own list of signers is not asked.
    let (status, (of_amendments, of_files)) = only(look(&[]));
    assert_eq!(status, 1);
    assert_eq!(of_amendments, ["critical fail"]);
    assert!(
        of_files.contains(&"high /data/one".to_owned()),
        "{of_files:?}"
    );
    host.shell(&format!(
        "rm {DIRECTORY}/*.sig usr/share/host-integrity-agent/*.sig"
    ));
    let (_, (of_amendments, of_files)) = only(look(&[]));
    assert_eq!(of_amendments, ["critical fail"]);
    assert_eq!(of_files, ["high /data/one"]);
}

#[test]
fn an_amendment_is_no_manifest_and_says_so() {
    let host = sealed();
    host.shell("echo 1 >> data/one");
    accept(&host, &["/data/one"], &[]).expect(0);
    host.shell(&format!(
        "cp -p {DIRECTORY}/*.mtree a.mtree; cp -p {DIRECTORY}/*.sig a.mtree.sig"
    ));
    for command in [
        &["check", "--manifest", "/a.mtree"][..],
        &["baseline", "verify", "/a.mtree"],
        &["baseline", "export", "/a.mtree", "--format", "json"],
        &["baseline", "launch", "--manifest", "/a.mtree"],
    ] {
        host.agent(command)
            .expect(2)
            .complains(&["is an amendment"]);
    }
}

/// Whatever the profile says: it covers all, excludes nothing, and the files come and go.
#[test]
fn the_agents_own_sealed_files_are_never_compared() {
    let host = Host::new();
    host.shell(
        "printf 'name = \"local\"\\n[[paths]]\\npath = \"/data\"\\nseverity = \"high\"\\n\
         [[paths]]\\npath = \"/usr/share/host-integrity-agent\"\\nseverity = \"critical\"\\n\
         [[paths]]\\npath = \"/etc/host-integrity-agent\"\\nseverity = \"critical\"\\n' \
         > etc/host-integrity-agent/profile.toml",
    );
    create(&host, &[]);
    check(&host).expect(0);
    // Recorded again, with the first one lying there.
    create(&host, &[]);
    check(&host).expect(0);
    host.shell("echo 2 >> data/one");
    host.agent(&["baseline", "accept", "/data/one", "--reason", "x"])
        .expect(0);
    assert_eq!(check(&host).expect(0).told(), [""; 0]);
    host.agent(&[
        "baseline",
        "accept",
        "/usr/share/host-integrity-agent/manifest.mtree",
        "--reason",
        "x",
    ])
    .expect(2)
    .complains(&["judged by their seals"]);
    // What lies beside them is.
    host.shell("touch usr/share/host-integrity-agent/x etc/host-integrity-agent/y");
    let ran = check(&host).expect(1);
    assert_eq!(
        ran.told(),
        [
            "fail files.added /etc/host-integrity-agent/y",
            "fail files.added /usr/share/host-integrity-agent/x"
        ]
    );
}

#[test]
fn a_link_in_the_place_of_amendments_is_told() {
    let host = sealed();
    host.shell("mkdir empty");
    for target in ["/empty", "/nowhere", "/etc/host-integrity-agent/amendments"] {
        host.shell(&format!("rm -f {DIRECTORY}; ln -s {target} {DIRECTORY}"));
        let (of_amendments, of_files) = told(&check(&host).expect(1));
        assert_eq!(
            (of_amendments, of_files),
            (vec!["critical fail".into()], vec![]),
            "{target}"
        );
    }
}
