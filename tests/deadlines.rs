//! Every look ends: whatever a pattern says, whatever does not answer, however large a file is.

use crate::settings::tree;
use harness::{Lab, Ran, agent_path, private, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// `check` of the lab's tree with such checks, some looks never ending, each given up after so many milliseconds.
pub(crate) fn stalled(lab: &Lab, only: &[&str], stalled: &str, deadline: u64) -> Ran {
    let mut command = Command::new(agent_path());
    command
        .args(["check", "--root", "root", "--profile", "./profile.toml"])
        .args(["--format", "json"]);
    for glob in only {
        command.args(["--only", glob]);
    }
    run(command
        .env("HIA_TEST_STALL", stalled)
        .env("HIA_TEST_DEADLINE", deadline.to_string())
        .current_dir(lab.path()))
}

/// Areas of the findings with that verdict.
fn areas(ran: &Ran, verdict: &str) -> BTreeSet<String> {
    let findings = ran.findings();
    let such = findings
        .iter()
        .filter(|finding| finding["verdict"] == verdict);
    such.map(|finding| {
        let check = finding["check"].as_str().expect("a check");
        check.split('.').next().expect("an area").to_owned()
    })
    .collect()
}

/// Each of these kept the agent from its end, or would if its dialect were matched by trying every way.
#[test]
fn patterns_of_many_stars_end_at_once() {
    let lab = tree();
    let stars = "*".repeat(48);
    let apart = "*a".repeat(48);
    let long = "a".repeat(200);
    lab.shell(&format!(
        "mkdir -p etc/sysctl.d etc/ssh/c etc/sudoers.d etc/dpkg/dpkg.cfg.d var/lib/dpkg/info usr/sbin usr/share
         printf '%s\\n' 'kernel/{stars}=2' 'kernel/{apart}=1' 'kernel/{stars}x=1' > etc/sysctl.d/a.conf
         printf '%s\\n' 'Include /etc/ssh/c/{stars}x' 'Include /etc/ssh/c/{apart}b' \
           'Match User {apart}b' 'X11Forwarding yes' > etc/ssh/sshd_config
         touch etc/ssh/c/{long} usr/sbin/sshd
         printf '%s\\n' 'ann {apart}b = NOPASSWD: ALL' > etc/sudoers
         printf '%s\\n' 'path-exclude=/{apart}b' > etc/dpkg/dpkg.cfg
         echo {long} > etc/hostname
         printf 'Package: a\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: all\\n\\n' > var/lib/dpkg/status
         printf '/usr/share/{long}\\n' > var/lib/dpkg/info/a.list
         printf 'd41d8cd98f00b204e9800998ecf8427e  usr/share/{long}\\n' > var/lib/dpkg/info/a.md5sums
         touch usr/share/{long}"
    ));
    lab.profile(&format!(
        "name = \"lab\"\n[[paths]]\npath = \"/usr/share\"\nseverity = \"high\"\n\
         [[exclude]]\npath = \"/**/{apart}b\"\nreason = \"a test\"\n"
    ));
    let begun = Instant::now();
    let ran = run(Command::new("timeout")
        .args(["60", agent_path(), "check", "--root", "root"])
        .args(["--profile", "./profile.toml", "--format", "json"])
        .current_dir(lab.path()));
    assert!(begun.elapsed() < Duration::from_secs(30), "{ran:#?}");
    assert_ne!(ran.status, 124, "it did not end");
    let findings = ran.findings();
    let one = |check: &str| {
        let mut found = findings.iter().filter(|finding| finding["check"] == check);
        found.next().unwrap_or_else(|| panic!("{check}: {ran:#?}"))
    };
    assert_eq!(one("kernel.aslr")["verdict"], "pass");
    assert!(
        !findings.iter().any(|finding| {
            let message = finding["message"].as_str().unwrap_or("");
            message.contains("did not end")
        }),
        "{ran:#?}"
    );
}

#[test]
fn an_area_that_hangs_is_unknown_and_the_rest_is_judged() {
    let lab = tree();
    lab.shell("mkdir -p etc/ssh usr/sbin; touch usr/sbin/sshd; echo 'PermitRootLogin yes' > etc/ssh/sshd_config");
    let only = ["sshd.*", "accounts.*", "kernel.*", "console.*"];
    let sound = stalled(&lab, &only, "", 60_000);
    let ran = stalled(&lab, &only, "sshd,console", 300);
    assert_eq!(ran.status, 1, "others deviate: {ran:#?}");
    for area in ["sshd", "console"] {
        let findings = ran.findings();
        let of_area = |finding: &&Value| {
            let check = finding["check"].as_str().expect("a check");
            check.starts_with(area)
        };
        assert!(findings.iter().any(|finding| of_area(&finding)), "{ran:#?}");
        for finding in findings.iter().filter(of_area) {
            assert_eq!(finding["verdict"], "unknown", "{finding}");
            let message = finding["message"].as_str().expect("a message");
            assert!(message.contains("did not end within 0.3 s"), "{message}");
        }
    }
    // All others as they were.
    let others = |ran: &Ran| {
        let mut findings = ran.findings();
        findings.retain(|finding| {
            let check = finding["check"].as_str().expect("a check");
            check.starts_with("accounts") || check.starts_with("kernel")
        });
        findings
    };
    assert_eq!(others(&ran), others(&sound));
    let alone = stalled(&lab, &["sshd.*"], "sshd", 300);
    assert_eq!(alone.status, 3, "{alone:#?}");
    assert_eq!(areas(&alone, "unknown"), BTreeSet::from(["sshd".into()]));
}

#[test]
fn a_package_database_that_hangs_is_unknown_and_settings_are_judged() {
    let lab = tree();
    lab.shell(
        "mkdir -p var/lib/dpkg
         printf 'Package: a\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: all\\n\\n' > var/lib/dpkg/status",
    );
    let ran = stalled(&lab, &["files.*", "kernel.*"], "package database", 300);
    assert_eq!(areas(&ran, "unknown"), BTreeSet::from(["files".into()]));
    assert!(areas(&ran, "fail").contains("kernel"), "{ran:#?}");
    let alone = stalled(&lab, &["files.*"], "package database", 300);
    assert_eq!(alone.status, 3, "{alone:#?}");
    let message = alone.findings()[0]["message"].to_string();
    assert!(
        message.contains("the package database could not be read") && message.contains("0.3 s"),
        "{message}"
    );
}

#[test]
fn an_instance_that_hangs_is_unknown() {
    let lab = tree();
    let ran = stalled(&lab, &["instance.*", "console.*"], "instance", 300);
    assert_eq!(areas(&ran, "unknown"), BTreeSet::from(["instance".into()]));
    assert!(!areas(&ran, "fail").contains("instance"), "{ran:#?}");
}

/// A tree with a file system in it whose server stops to answer after such a request (tests/data/silent.py), recorded
/// while it did. `then` is a script with `serve LAST`, `silenced` (the server is gone for good) and `$SERVER`.
fn silent(crossed: bool, then: &str) -> Lab {
    let server = ::harness::project().join("tests/data/silent.py");
    let server = server.display();
    let lab = Lab::new();
    lab.profile(&format!(
        "name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\ncross_mounts = {crossed}\n",
    ));
    lab.shell("mkdir -p data/a data/m data/z; echo one > data/a/file; echo two > data/z/file");
    // Nobody but this shell may hold the pipe: the server ends when it is closed.
    let script = format!(
        "serve() {{
           mkfifo in; python3 {server} $PWD/root/data/m $1 < in & SERVER=$!
           exec 9> in; rm in
           until grep -q fuse.silent /proc/mounts; do sleep 0.02; done
         }}
         silenced() {{ exec 9>&-; wait $SERVER; }}
         told() {{ for i in $(seq 1200); do ! grep -q \"$1\" told || return 0; sleep 0.1; done; return 1; }}
         ends() {{ timeout 60 tail --pid=$1 -f /dev/null 9>&-; }}
         export HIA_TEST_DEADLINE=1500
         serve none
         $AGENT baseline create --root root --profile ./profile.toml --output m.mtree 9>&-
         silenced; umount root/data/m
         echo more >> root/data/z/file
         {then}"
    );
    private(lab.path(), &script, &[]).expect(0);
    lab
}

/// `check` by the manifest.
const CHECK: &str =
    "$AGENT check --root root --profile ./profile.toml --manifest m.mtree --only 'files.*'";

fn read(lab: &Lab, name: &str) -> String {
    std::fs::read_to_string(lab.path().join(name)).expect("written")
}

/// Subjects of the findings with that verdict that were written to `told`.
fn subjects(lab: &Lab, verdict: &str) -> BTreeSet<String> {
    let told = read(lab, "told");
    let lines = told.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line
    });
    lines
        .filter(|line| line["kind"] == "finding" && line["verdict"] == verdict)
        .map(|line| line["subject"].as_str().expect("a path").to_owned())
        .collect()
}

/// A file system whose server stops to answer: after its root was mounted, after that was opened or listed, or within a
/// file. Who waits for a request that was taken, or has a file open there, cannot end before the server does (see
/// docs/reference.md); all others end by themselves.
#[test]
fn a_file_system_that_does_not_answer_is_unknown_and_the_rest_is_judged() {
    let all: &[&str] = &["/data/m", "/data/m/before", "/data/m/hung", "/data/m/later"];
    for (last, crossed, ends, unknown) in [
        ("init", true, true, all),
        ("opendir", true, true, all),
        ("opendir takes", true, false, all),
        ("readdir", true, true, all),
        ("open", true, false, &all[2..]),
        ("read", true, false, &all[2..]),
        // What is not walked is not even asked.
        ("init", false, true, &[]),
        ("init takes", false, true, &[]),
    ] {
        let lab = silent(
            crossed,
            &format!(
                "serve '{last}'
                 {CHECK} --format json > told 9>&- & agent=$!
                 told '\"summary\"'
                 if {ends}; then ends $agent; fi
                 silenced
                 wait $agent || echo $? > status"
            ),
        );
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let changed: BTreeSet<String> = set(&["/data/z/file"]);
        assert_eq!(subjects(&lab, "fail"), changed, "{last}");
        assert_eq!(subjects(&lab, "unknown"), set(unknown), "{last}");
        assert_eq!(read(&lab, "status").trim(), "1", "{last}");
        if crossed {
            assert!(
                read(&lab, "told").contains("gave no answer in time"),
                "{last}"
            );
        }
    }
}

/// A manifest with a hole would pass for a whole one.
#[test]
fn a_tree_of_which_a_part_gives_no_answer_is_not_recorded() {
    let lab = silent(
        true,
        "serve opendir
         $AGENT baseline create --root root --profile ./profile.toml --output n.mtree 2> told 9>&- & agent=$!
         ends $agent
         wait $agent || echo $? > status
         silenced",
    );
    let told = read(&lab, "told");
    assert!(
        told.contains("/data/m (its file system gave no answer in time)"),
        "{told}"
    );
    assert_eq!(read(&lab, "status").trim(), "2", "{told}");
    assert!(!lab.path().join("n.mtree").exists());
}

/// Ctrl-C ends a check that waits.
#[test]
fn a_check_that_waits_can_be_interrupted() {
    let lab = silent(
        true,
        &format!(
            "serve opendir
             HIA_TEST_DEADLINE=600000 python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' {CHECK} --format json > told 9>&- & agent=$!
             until grep -qs remote /proc/$agent/task/*/comm; do sleep 0.02; done
             kill -INT $agent
             ends $agent
             wait $agent || echo $? > status
             silenced"
        ),
    );
    assert_eq!(read(&lab, "status").trim(), "130");
}

#[test]
fn a_tree_that_gives_no_answer_cannot_be_opened() {
    let lab = silent(
        true,
        "serve init
         $AGENT check --root root/data/m --profile ./profile.toml 2> told 9>&- & agent=$!
         ends $agent
         wait $agent || echo $? > status
         silenced",
    );
    let told = read(&lab, "told");
    assert!(
        told.contains("root/data/m: cannot be opened as a tree: the look did not end within 1.5 s"),
        "{told}"
    );
    assert_eq!(read(&lab, "status").trim(), "2", "{told}");
}

/// Somebody holds up the opening of a file of the host's own: nothing but its end would end the look.
#[test]
fn a_check_that_stands_still_says_where_and_ends() {
    let lab = Lab::new();
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\n");
    lab.shell("mkdir data; echo one > data/held; echo two > data/other");
    let holder = ::harness::project().join("tests/data/held.py");
    let script = format!(
        "$AGENT baseline create --root root --profile ./profile.toml --output m.mtree
         mkfifo in; python3 {} root/data/held < in > said & HOLDER=$!
         exec 9> in; until grep -q held said; do sleep 0.02; done
         HIA_TEST_DEADLINE=300 {CHECK} > told 2> words && code=0 || code=$?; echo $code > status
         exec 9>&-; wait $HOLDER",
        holder.display()
    );
    private(lab.path(), &script, &[]).expect(0);
    assert_eq!(read(&lab, "status"), "2\n");
    let words = read(&lab, "words");
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines.len(), 2, "{words}");
    let all = |part: &str| lines.iter().all(|line| line.contains(part));
    assert!(all("warning: the check has taken no step for"), "{words}");
    assert!(all("at /data/held: "), "{words}");
    assert!(lines[1].ends_with("there is no verdict"), "{words}");
}
