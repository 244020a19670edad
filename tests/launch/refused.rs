//! Records that are not used, and records that are not written.

use super::{BOOT, CHANGED, check, image, in_short, instance, launch, record};
use harness::shell;
use std::fs;

/// A record that is not this instance's, not this manifest's, or not one at all: ignored, and said to be.
#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn a_record_that_may_not_be_used_is_ignored() {
    let lab = instance();
    let good = record(&lab);
    let manifest = fs::read_to_string(lab.manifest()).expect("text");
    let replace = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}: {good}");
        good.replace(from, to)
    };
    let one_more = |entry: &str, before: &str| {
        let count = good.lines().filter(|line| line.starts_with('.')).count();
        replace(before, &format!("{entry}\n{before}")).replace(
            &format!("# entries {count}"),
            &format!("# entries {}", count + 1),
        )
    };
    let cases: Vec<(&str, String, &str)> = vec![
        (
            "another instance's",
            replace(
                "# launch 0123456789abcdef0123456789abcdef",
                "# launch ffff456789abcdef0123456789abcdef",
            ),
            "belongs to instance",
        ),
        (
            "another manifest's",
            good.lines()
                .map(|line| match line.starts_with("# launch-of ") {
                    true => format!("# launch-of {}\n", "0".repeat(64)),
                    false => format!("{line}\n"),
                })
                .collect(),
            "another manifest",
        ),
        (
            "with a path that is not marked",
            one_more(
                "./etc/ssh/sshd_config type=file mode=0644 uid=0 gid=0 nlink=1 time=1.000000000 size=1 \
                 sha256digest=0000000000000000000000000000000000000000000000000000000000000000",
                "# entries",
            ),
            "sshd_config",
        ),
        (
            "with an unmarked path removed",
            one_more("./opt type=dir optional tags=,removed,", "# entries"),
            "/opt",
        ),
        (
            "that says too little",
            one_more("./etc/zzz type=file", "# entries"),
            "lacks",
        ),
        ("a manifest", manifest, "no launch record"),
        (
            "bound to nothing",
            replace("# launch 0123456789abcdef0123456789abcdef\n", ""),
            "",
        ),
        ("cut short", good[..good.len() - 20].to_owned(), "cut short"),
        (
            "a line damaged",
            replace("./etc/hostname type=file", "./etc/hostname type=door"),
            "door",
        ),
        (
            "out of order",
            replace("./etc/hostname", "./etc/zhostname"),
            "order",
        ),
        ("empty", String::new(), "#mtree"),
        ("garbage", "garbage\n".into(), "#mtree"),
    ];
    for (name, text, word) in cases {
        let path = lab.path().join("launch.mtree");
        fs::write(&path, &text).expect("written");
        let ran = check(&lab).expect(1);
        assert!(ran.summary()["launch"].is_null(), "{name}");
        let subject = path.to_str().expect("UTF-8");
        let finding = ran.one("files.launch_record", subject);
        assert_eq!(finding["verdict"], "fail", "{name}");
        let message = finding["message"].as_str().expect("text");
        assert!(
            message.contains("is ignored") && message.contains(word),
            "{name}: {message}"
        );
        let mut told = in_short(&ran);
        told.retain(|told| !told.starts_with("launch_record"));
        assert_eq!(told, CHANGED, "{name}");
    }
}

/// Owner and mode are judged as for every file that steers the agent.
#[test]
fn a_record_that_others_may_write_proves_nothing() {
    for (line, word) in [
        ("chmod 660 launch.mtree", "group or others may write"),
        ("chmod 602 launch.mtree", "group or others may write"),
        ("chown 65534 launch.mtree", "belongs to uid 65534"),
        ("rm launch.mtree; mkfifo launch.mtree", "regular file"),
    ] {
        let lab = instance();
        shell(lab.path(), line);
        check(&lab)
            .expect(2)
            .silent()
            .complains(&["launch.mtree", word]);
        launch(&lab, &[])
            .expect(2)
            .silent()
            .complains(&["launch.mtree", word]);
    }
}

#[test]
fn a_second_record_wants_a_reason() {
    let lab = instance();
    let first = record(&lab);
    lab.shell("echo later >> etc/passwd");
    launch(&lab, &[]).expect(2).silent().complains(&[
        "launch.mtree",
        "already",
        "--again --reason",
    ]);
    assert_eq!(record(&lab), first);
    for (incomplete, missing) in [
        (&["--again"][..], "--reason"),
        (&["--reason", "why"], "--again"),
    ] {
        launch(&lab, incomplete)
            .expect(2)
            .silent()
            .complains(&[missing]);
        assert_eq!(record(&lab), first);
    }
    launch(&lab, &["--again", "--reason", "moved to vpc-2, ticket #17"]).expect(0);
    let second = record(&lab);
    let again = second
        .lines()
        .find(|line| line.starts_with("# launch-again "))
        .expect("the reason");
    assert_eq!(
        again,
        "# launch-again moved\\040to\\040vpc-2,\\040ticket\\040\\04317"
    );
    check(&lab).expect(0);
    lab.shell("echo latest >> etc/passwd");
    assert_eq!(in_short(&check(&lab).expect(1)), ["changed /etc/passwd"]);

    // What cannot be read is not replaced unseen; another instance's is nobody's here.
    fs::write(lab.path().join("launch.mtree"), "garbage\n").expect("written");
    launch(&lab, &[])
        .expect(2)
        .silent()
        .complains(&["launch.mtree:1:"]);
    fs::write(lab.path().join("launch.mtree"), &first).expect("written");
    lab.shell("echo ffff456789abcdef0123456789abcdef > etc/machine-id");
    launch(&lab, &[]).expect(0);
    check(&lab).expect(0);
}

#[test]
fn without_identity_or_manifest_there_is_no_record() {
    let lab = image();
    for unnamed in [
        "echo uninitialized > etc/machine-id",
        ": > etc/machine-id",
        "rm etc/machine-id",
    ] {
        lab.shell(unnamed);
        launch(&lab, &[])
            .expect(2)
            .silent()
            .complains(&["machine id", "first boot"]);
    }
    lab.shell(BOOT);
    let ran = lab.agent(&["baseline", "launch"], &["--output", "launch.mtree"]);
    ran.expect(2)
        .silent()
        .complains(&["no manifest", "baseline create"]);
    assert!(!lab.path().join("launch.mtree").exists());
}
