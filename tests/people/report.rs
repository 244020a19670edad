//! The short report: what is never folded, what is, and what is said of it.

use super::{settings, tree};
use harness::{Lab, run};
use std::process::Command;

#[test]
fn what_opens_a_way_in_is_told_beside_a_thousand_changes() {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc home/ann/.ssh usr/bin usr/lib/many; cp /bin/true usr/bin/tool; cp /bin/true usr/bin/probe
         cp /bin/true usr/bin/plain; echo root:x:0:0::/:/bin/sh > etc/passwd
         setcap cap_net_raw+ep usr/bin/probe
         for i in $(seq 300); do mkdir usr/lib/many/$i; for j in 1 2 3; do echo 1 > usr/lib/many/$i/$j; done; done",
    );
    lab.create().expect(0);
    lab.shell(
        "for i in $(seq 300); do for j in 1 2 3; do echo 22 > usr/lib/many/$i/$j; done; done
         chmod 4755 usr/bin/tool; setcap cap_net_raw,cap_sys_admin+ep usr/bin/probe
         echo toor:x:0:0::/:/bin/sh >> etc/passwd; echo key > home/ann/.ssh/authorized_keys
         setfacl -m u:1000:rw etc/passwd",
    );
    let more = ["--manifest", "manifest.mtree"];
    let text = lab.agent(&["check"], &more).expect(1).stdout;
    assert!(text.lines().count() < 16, "{text}");
    for row in [
        "/etc/passwd  changed since the image was recorded: contents, mode 0644 → 0664, size 22 → 44",
        "/home/ann/.ssh/authorized_keys  a file was added",
        "/usr/bin/tool  changed since the image was recorded: mode 0755 → 4755",
        "capabilities cap_net_raw=ep → cap_net_raw,cap_sys_admin=ep",
        "ACL now user:1000:rw-",
        "/usr/lib/many/  900 changed; the worst ",
        "agent explain files.",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    let whole = lab
        .agent(&["check"], &[&more[..], &["--verbose"]].concat())
        .expect(1)
        .stdout;
    assert_eq!(
        whole.matches("more      agent explain files.").count(),
        904,
        "{}",
        whole.len()
    );
}

#[test]
fn settings_stand_apart_and_the_worst_comes_first() {
    let lab = tree();
    let text = settings(&lab, &[]).expect(1).stdout;
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("FAIL  "), "{text}");
    assert_eq!(
        rows[1],
        "First     see to accounts.only_root_uid0: agent explain accounts.only_root_uid0"
    );
    assert!(
        rows[2].starts_with("Settings  ") && rows[2].contains(" judged: "),
        "{text}"
    );
    assert!(
        rows[3].starts_with("Checked   ") && rows[3].contains(", took "),
        "{text}"
    );
    assert!(
        rows[4].starts_with("high      sshd.permit_root_login  "),
        "{text}"
    );
    for row in [
        "accounts.only_root_uid0  toor: another account has uid 0 (/etc/passwd:2)",
        "PasswordAuthentication by default, no line",
        "sshd.x11_forwarding",
        "agent explain accounts.only_root_uid0",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    // A tree without a package database says so once.
    assert_eq!(
        text.matches("there is no package database").count(),
        1,
        "{text}"
    );
    let unknown: Vec<&&str> = rows
        .iter()
        .filter(|row| row.starts_with("unknown"))
        .collect();
    assert!(
        unknown
            .iter()
            .any(|row| row.contains("packages.security_pending")),
        "{text}"
    );
}

#[test]
fn the_line_that_decides_is_named() {
    let lab = tree();
    let place = |config: &str| {
        std::fs::write(lab.root().join("etc/ssh/sshd_config"), config).expect("written");
        let ran = lab.agent(
            &["check"],
            &["--only", "sshd.password_authentication", "--format", "json"],
        );
        let ran = ran.expect(1);
        let found = ran.findings();
        let last = found.last().expect("a finding").clone();
        (
            last["location"].clone(),
            last["message"].as_str().expect("text").to_owned(),
        )
    };
    let (location, message) = place("KbdInteractiveAuthentication no\n");
    assert!(
        location.is_null() && message.contains("PasswordAuthentication by default, no line"),
        "{message}"
    );
    let (location, _) = place("KbdInteractiveAuthentication no\nPasswordAuthentication yes\n");
    assert_eq!(location, "/etc/ssh/sshd_config:2");
    let (location, _) = place("PasswordAuthentication no\nKbdInteractiveAuthentication yes\n");
    assert_eq!(location, "/etc/ssh/sshd_config:2");
    let block = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMatch User bob\nKbdInteractiveAuthentication no\nPasswordAuthentication yes\n";
    let (location, message) = place(block);
    assert_eq!(location, "/etc/ssh/sshd_config:5");
    let text = lab
        .agent(&["check"], &["--only", "sshd.password_authentication"])
        .expect(1)
        .stdout;
    assert_eq!(
        text.matches("Match User bob").count(),
        1,
        "{message}: {text}"
    );
}

#[test]
fn a_right_matters_by_what_it_opens() {
    let lab = tree();
    let severity = |rule: &str| {
        lab.shell(&format!(
            "printf '%s\\n' '{rule}' > etc/sudoers; chmod 440 etc/sudoers"
        ));
        let ran = lab.agent(
            &["check"],
            &["--only", "accounts.sudo_nopasswd", "--format", "json"],
        );
        ran.expect(1).findings()[0]["severity"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    for (rule, wanted) in [
        ("ALL ALL=(ALL) NOPASSWD: ALL", "high"),
        ("%wheel ALL=(ALL) NOPASSWD: ALL", "high"),
        ("ann ALL=(ALL) NOPASSWD: ALL", "medium"),
        ("ann ALL=(root) NOPASSWD: /usr/bin/vi", "medium"),
        ("ann ALL=(root) NOPASSWD: /sbin/reboot", "low"),
    ] {
        assert_eq!(severity(rule), wanted, "{rule}");
    }
    // A user with a password is whoever guesses it.
    lab.shell("sed -i 's/^ann:!/ann:$y$j9T$x$y/' etc/shadow");
    assert_eq!(severity("ann ALL=(ALL) NOPASSWD: ALL"), "high");
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n[settings.\"accounts.sudo_nopasswd\"]\nseverity = \"low\"\n");
    assert_eq!(
        severity("ALL ALL=(ALL) NOPASSWD: ALL"),
        "low",
        "as the profile says"
    );
}

#[test]
fn signers_that_are_named_count_for_every_check() {
    let lab = tree();
    lab.shell(
        "mkdir -p usr/share/host-integrity-agent
         ssh-keygen -q -t ed25519 -N '' -f ../key; printf 'baker %s\\n' \"$(cut -d' ' -f1,2 ../key.pub)\" > ../signers",
    );
    let place = "root/usr/share/host-integrity-agent/manifest.mtree";
    lab.agent(
        &["baseline", "create"],
        &["--output", place, "--sign-key", "key"],
    )
    .expect(0);
    let more = [
        "--trust",
        "signers",
        "--only",
        "logging.integrity_monitor",
        "--only",
        "files.*",
        "--format",
        "json",
    ];
    let ran = lab.agent(&["check"], &more);
    let found = ran.one(
        "logging.integrity_monitor",
        "/usr/share/host-integrity-agent/manifest.mtree",
    );
    assert_eq!(found["verdict"], "pass", "{found:#}");
    assert_eq!(ran.summary()["manifest"]["trusted"], true, "{ran:#?}");
    lab.shell(": > ../nobody");
    let more = [&more[2..], &["--trust", "nobody"]].concat();
    lab.agent(&["check"], &more).expect(4);
}

/// What Windyroad's schema of Ant's JUnit reports demands beyond what Jenkins' does.
const STRICT: &str = r"
import sys, re, xml.etree.ElementTree as E
root = E.parse(sys.argv[1]).getroot()
assert root.tag == 'testsuites' and not root.attrib, root.attrib
names = [suite.get('name') for suite in root]
assert len(set(names)) == len(names), names
for number, suite in enumerate(root):
    a = suite.attrib
    assert a['package'] and a['name'] and a['hostname'].strip() and a['id'] == str(number), a
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d', a['timestamp']), a
    assert re.fullmatch(r'\d+\.\d+', a['time']), a
    children = [child.tag for child in suite]
    assert children[0] == 'properties' and children[-2:] == ['system-out', 'system-err'], children
    assert set(children[1:-2]) == {'testcase'}, children
    for case in suite.iter('testcase'):
        assert float(case.get('time')) >= 0 and case.get('name') and case.get('classname')
        assert len(case) <= 1 and all(c.tag in ('skipped', 'error', 'failure') for c in case)
        assert all(c.get('type') for c in case if c.tag != 'skipped')
text = open(sys.argv[1]).read()
print(text[:text.index('<testsuites')])
";

#[test]
fn a_build_server_reads_when_where_and_how_much() {
    let lab = tree();
    lab.create().expect(0);
    lab.shell("echo 1 > etc/new");
    let more = [
        "--manifest",
        "manifest.mtree",
        "--only",
        "*",
        "--report",
        "junit:out.xml",
    ];
    lab.agent(&["check"], &more).expect(1);
    let file = lab.path().join("out.xml");
    let head = run(Command::new("python3").arg("-c").arg(STRICT).arg(&file))
        .expect(0)
        .stdout;
    for said in [
        "FAIL ",
        " judged: ",
        " passed, ",
        " failed; ",
        " unknown, ",
        " not applicable",
        "took ",
    ] {
        assert!(head.contains(said), "{said}: {head}");
    }
}

#[test]
fn every_report_says_when_and_for_how_long() {
    let lab = tree();
    let summary = settings(&lab, &["--format", "json"]).expect(1).summary();
    let began = summary["began"].as_str().expect("a time").to_owned();
    assert!(
        began.ends_with('Z') && began.len() == "2026-01-01T00:00:00Z".len(),
        "{began}"
    );
    assert!(
        summary["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0),
        "{summary:#}"
    );
    for format in ["text", "html"] {
        let ran = settings(&lab, &["--format", format]).expect(1);
        let year = &began[..4];
        assert!(
            ran.stdout.contains(&format!("; {year}-")) && ran.stdout.contains(", took "),
            "{ran:#?}"
        );
    }
}
