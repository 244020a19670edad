//! Bounds of crates/core/src/bounds.rs: what is beyond one is `unknown` with the place, or refused. Others have their tests
//! beside the code; each is named by one.

use crate::accept::{accept, check, sealed};
use crate::deadlines::stalled;
use crate::settings::tree;
use harness::{agent_path, project, run};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Bounds whose tests do not name them: how long such a look takes is set by the tests themselves.
const TESTED_BY: &[(&str, &str)] = &[
    (
        "SETTINGS_AREA",
        "an_area_that_hangs_is_unknown_and_the_rest_is_judged",
    ),
    (
        "PACKAGE_DATABASE",
        "a_package_database_that_hangs_is_unknown_and_settings_are_judged",
    ),
    ("INSTANCE", "an_instance_that_hangs_is_unknown"),
    ("METADATA", "a_service_that_is_silent_keeps_nobody_waiting"),
    (
        "MANIFEST_LINE",
        "an_over_long_line_is_refused_and_never_held",
    ),
    ("UNPACKING", "a_deadline_ends_it"),
];

/// Bounds that no test exceeds, each with the reason.
const UNTESTED: &[(&str, &str)] = &[
    (
        "WATCH_ANSWER",
        "a file system that falls silent between two looks of the watch is yet to be made",
    ),
    (
        "GIVEN_UP",
        "after the first look that is given up files have a deadline: nothing makes five of them",
    ),
    (
        "LAUNCH_ENTRIES",
        "a hundred thousand changes of a first boot take too long",
    ),
];

/// Adds the text of tests below a directory: all of a file of tests, of others what follows `#[cfg(test)]`.
fn tests(directory: &Path, found: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                tests(&path, found);
            }
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let own = path.strip_prefix(project()).unwrap_or(&path);
        let is_test = own.components().any(|part| {
            let part = Path::new(part.as_os_str());
            part == Path::new("tests") || part == Path::new("tests.rs")
        });
        match (is_test, text.split_once("#[cfg(test)]\nmod tests {")) {
            (true, _) => found.push_str(&text),
            (false, Some((_, tests))) => found.push_str(tests),
            (false, None) => {}
        }
    }
}

#[test]
fn each_bound_is_named_by_a_test() {
    let table = project().join("crates/core/src/bounds.rs");
    let table = fs::read_to_string(table).expect("the table");
    let names = table.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("    ")?.split_once(": ")?;
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        (name.chars().all(is_name) && rest.contains(" = ")).then_some(name)
    });
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() > 50, "{names:?}");
    let mut text = String::new();
    for directory in ["src", "crates", "tests"] {
        tests(&project().join(directory), &mut text);
    }
    // Not by the list below.
    let text = text.replace(
        include_str!("bounds.rs")
            .split("/// Adds the text")
            .next()
            .unwrap_or(""),
        "",
    );
    for (bound, test) in TESTED_BY {
        assert!(text.contains(&format!("fn {test}(")), "{bound}: {test}");
    }
    let is_named = |name: &&str| {
        let path = format!("bounds::{name}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        text.split(&path).skip(1).any(ends) || text.contains(&format!("\"{name}\""))
    };
    let without: BTreeSet<&str> = names.into_iter().filter(|name| !is_named(name)).collect();
    let listed = TESTED_BY.iter().chain(UNTESTED);
    let listed: BTreeSet<&str> = listed.map(|(name, _)| *name).collect();
    assert_eq!(
        without, listed,
        "bounds that no test names, and those that say why"
    );
}

/// What the table allows. End-to-end tests depend on no crate of the agent's: they read it as text.
pub(crate) fn most(name: &str) -> u64 {
    let table = project().join("crates/core/src/bounds.rs");
    let table = fs::read_to_string(table).expect("the table");
    let row = table.split_once(&format!("\n    {name}: ")).expect(name).1;
    let (amount, _) = row.split_once("),").expect(name);
    let (_, amount) = amount.split_once('(').expect(name);
    let number = |text: &str| -> u64 { text.trim().replace('_', "").parse().expect(name) };
    match amount.split_once("<<") {
        Some((number_of, shift)) => number(number_of) << number(shift),
        None => number(amount),
    }
}

/// A file beyond its bound is never read in part and never passes for one that is not there.
#[test]
fn what_is_larger_than_its_bound_is_unknown() {
    const LARGE: u64 = 256 << 20;
    for (bound, path, most, only) in [
        ("SYSCTL_FILE", "etc/sysctl.d/a.conf", 1 << 20, "kernel.*"),
        ("SSHD_FILE", "etc/ssh/sshd_config", 4 << 20, "sshd.*"),
        ("ACCOUNTS_FILE", "etc/shadow", 10 << 20, "accounts.*"),
        ("SUDOERS_FILE", "etc/sudoers", 4 << 20, "accounts.*"),
        ("DPKG_STATUS", "var/lib/dpkg/status", LARGE, "packages.*"),
    ] {
        // Reading as much as is read takes a debug build too long.
        let sizes: &[u64] = if most == LARGE { &[1] } else { &[0, 1] };
        for more in sizes {
            let lab = tree();
            let size = most + more;
            lab.shell(&format!(
                "mkdir -p etc/sysctl.d etc/ssh var/lib/dpkg usr/sbin; touch usr/sbin/sshd
                 truncate -s {size} {path}"
            ));
            let ran = stalled(&lab, &[only], "", 60_000);
            let findings = ran.findings();
            let too_large = findings.iter().any(|finding| {
                let message = finding["message"].as_str().unwrap_or("");
                finding["verdict"] == "unknown" && message.contains("larger than")
            });
            assert_eq!(
                too_large,
                *more == 1,
                "{bound}: {path} of {size}: {findings:#?}"
            );
        }
    }
}

/// One thing more than there may be, for bounds of more than the size of one file.
#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn what_is_more_than_its_bound_is_said() {
    let status = "printf 'Package: a\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: all\\n\\n' > var/lib/dpkg/status";
    let auditd = "mkdir -p etc/systemd/system/multi-user.target.wants; \
                  printf '[Service]\\nExecStart=/sbin/auditd\\n' > usr/lib/systemd/system/auditd.service; \
                  ln -s /usr/lib/systemd/system/auditd.service etc/systemd/system/multi-user.target.wants/; \
                  mkdir -p etc/audit/rules.d";
    let big = "{ printf '#'; head -c 1900000 /dev/zero | tr '\\0' x; echo; }";
    let rows: &[(&str, String, &str, &str)] = &[
        (
            "SSHD_ALL",
            format!(
                "{big} > etc/ssh/big; touch usr/sbin/sshd; \
                 for n in 1 2 3 4 5; do echo 'Include /etc/ssh/big'; done > etc/ssh/sshd_config"
            ),
            "sshd.*",
            "the configuration with everything it includes has more than 4194304 bytes",
        ),
        (
            "SSHD_WORDS",
            format!(
                "touch usr/sbin/sshd; {{ printf '#'; yes ' a' | head -n {} | tr -d '\\n'; echo; }} > etc/ssh/sshd_config",
                most("SSHD_WORDS")
            ),
            "sshd.*",
            "has more than 200000 words",
        ),
        (
            "SSHD_STARTERS",
            format!(
                "mkdir -p usr/lib/systemd/system; touch usr/sbin/sshd etc/ssh/sshd_config; (cd etc/ssh; seq {0} | xargs touch)
                 for n in $(seq {0}); do
                   printf '[Service]\\nExecStart=/usr/sbin/sshd -D -f /etc/ssh/'$n'\\n[Install]\\nWantedBy=multi-user.target\\n' \
                     > usr/lib/systemd/system/ssh$n.service
                   mkdir -p etc/systemd/system/multi-user.target.wants
                   ln -s /usr/lib/systemd/system/ssh$n.service etc/systemd/system/multi-user.target.wants/
                 done",
                most("SSHD_STARTERS") + 2
            ),
            "sshd.*",
            "command lines that start an sshd are judged",
        ),
        (
            "SUDOERS_RULES",
            format!(
                "seq -f 'u%.0f ALL=(ALL) ALL' {} > etc/sudoers",
                most("SUDOERS_RULES") + 1
            ),
            "accounts.*",
            "more than 60000 rules",
        ),
        (
            "SUDO_PROGRAM",
            format!(
                "echo 'root ALL=(ALL) ALL' > etc/sudoers; mkdir -p usr/bin; truncate -s {} usr/bin/sudo; chmod 4755 usr/bin/sudo",
                most("SUDO_PROGRAM") + 1
            ),
            "accounts.*",
            "larger than",
        ),
        (
            "CREDENTIALS_ALL",
            format!(
                "mkdir -p etc/default; for n in $(seq {}); do truncate -s 16M etc/default/$n; done",
                most("CREDENTIALS_ALL") / (16 << 20) + 1
            ),
            "credentials.*",
            "more files than are looked at",
        ),
        (
            "PRIVATE_KEY_NAMED",
            format!(
                "mkdir -p root tmp; truncate -s {} tmp/a.pem",
                most("PRIVATE_KEY_NAMED") + 1
            ),
            "credentials.no_ssh_private_keys",
            "longer than is looked at",
        ),
        (
            "CREDENTIALS_DEPTH",
            format!(
                "mkdir -p tmp/$(printf 'd/%.0s' $(seq {}))",
                most("CREDENTIALS_DEPTH") + 1
            ),
            "credentials.no_ssh_private_keys",
            "deeper than is looked at",
        ),
        (
            "CREDENTIALS_NAMES",
            format!(
                "mkdir -p tmp; (cd tmp; seq {} | xargs touch)",
                most("CREDENTIALS_NAMES") + 1
            ),
            "credentials.no_ssh_private_keys",
            "more names than are looked at",
        ),
        (
            "CREDENTIALS_OPENED",
            format!(
                "mkdir -p tmp; (cd tmp; head -c 200 /dev/zero > 0; seq {} | xargs -I_ -P1 ln 0 _)",
                most("CREDENTIALS_OPENED")
            ),
            "credentials.no_ssh_private_keys",
            "more files than are looked at",
        ),
        (
            "INCLUDED",
            "mkdir etc/ssh/c; touch usr/sbin/sshd; (cd etc/ssh/c; seq 4097 | xargs touch); \
             echo 'Include /etc/ssh/c/*' > etc/ssh/sshd_config"
                .to_owned(),
            "sshd.*",
            "more than 4096 files match",
        ),
        (
            "SUDOERS_ALL",
            format!(
                "{big} > etc/sudoers.big; for n in {{1..10}}; do echo '@include /etc/sudoers.big'; done > etc/sudoers"
            ),
            "accounts.*",
            "the policy is larger than any real one",
        ),
        (
            "SUDOERS_FILES",
            "echo '@includedir /etc/sudoers.d' > etc/sudoers; (cd etc/sudoers.d; seq 4200 | xargs touch)".to_owned(),
            "accounts.*",
            "the policy is larger than any real one",
        ),
        (
            "DPKG_LIST",
            format!("{status}; truncate -s $((64 * 1048576 + 1)) var/lib/dpkg/info/a.list"),
            "files.*",
            "larger than",
        ),
        (
            "DPKG_CONFIG",
            format!("{status}; truncate -s 1048577 etc/dpkg/dpkg.cfg; : > var/lib/dpkg/info/a.list"),
            "files.*",
            "larger than",
        ),
        (
            "SETTINGS_FILE",
            format!("{auditd}; truncate -s 1048577 etc/audit/rules.d/a.rules"),
            "logging.*",
            "larger than",
        ),
        (
            "SHIPPER_FILES",
            format!("{auditd}; (cd etc/audit/rules.d; seq -f %g.rules 501 | xargs touch)"),
            "logging.*",
            "more than 500 files",
        ),
        (
            "CREDENTIALS_FILE",
            "mkdir -p root/.aws; echo 'root:x:0:0::/root:/bin/sh' > etc/passwd; \
             truncate -s $((16 * 1048576 + 1)) root/.aws/credentials"
                .to_owned(),
            "credentials.*",
            "longer than is looked at",
        ),
        (
            "CREDENTIALS_FILES",
            "mkdir -p etc/default; (cd etc/default; seq 100001 | xargs touch)".to_owned(),
            "credentials.*",
            "more names than are looked at",
        ),
        (
            "UNIT_FILE",
            "mkdir -p usr/lib/systemd/system etc/systemd/system/getty.target.wants etc/systemd/system/getty@tty1.service.d; \
             printf '[Service]\\nExecStart=-/sbin/agetty %%I\\n' > usr/lib/systemd/system/getty@.service; \
             ln -s /usr/lib/systemd/system/getty@.service etc/systemd/system/getty.target.wants/getty@tty1.service; \
             truncate -s 1048577 etc/systemd/system/getty@tty1.service.d/x.conf"
                .to_owned(),
            "console.getty_autologin",
            "larger than",
        ),
        (
            "ENVIRONMENT_FILE",
            "mkdir -p usr/lib/systemd/system etc/default; touch usr/sbin/sshd etc/ssh/sshd_config; \
             printf '[Service]\\nEnvironmentFile=/etc/default/ssh\\nExecStart=/usr/sbin/sshd -D $OPTS\\n' \
               > usr/lib/systemd/system/ssh.service; \
             truncate -s 1048577 etc/default/ssh"
                .to_owned(),
            "sshd.*",
            "larger than",
        ),
        (
            "UNIT_COMMANDS",
            "mkdir -p usr/lib/systemd/system etc/default; touch usr/sbin/sshd etc/ssh/sshd_config; \
             { printf A=; head -c 1000000 /dev/zero | tr '\\0' x; } > etc/default/ssh; \
             { printf '[Service]\\nEnvironmentFile=/etc/default/ssh\\nExecStart=/usr/sbin/sshd -D '; \
               yes '${A}' | head -n 200000 | tr -d '\\n'; echo; } > usr/lib/systemd/system/ssh.service"
                .to_owned(),
            "sshd.*",
            "its command line has more bytes than are looked at",
        ),
        (
            "UNIT_ENVIRONMENT",
            "mkdir -p usr/lib/systemd/system etc/default; touch usr/sbin/sshd etc/ssh/sshd_config; \
             for n in 1 2 3; do { printf A$n=; head -c 1000000 /dev/zero | tr '\\0' x; } > etc/default/ssh$n; done; \
             printf '[Service]\\nEnvironmentFile=/etc/default/ssh*\\nExecStart=/usr/sbin/sshd -D $O\\n' \
               > usr/lib/systemd/system/ssh.service"
                .to_owned(),
            "sshd.*",
            "cannot be told stand in its command line",
        ),
    ];
    for (bound, setup, only, expected) in rows {
        let lab = tree();
        lab.shell(&format!(
            "mkdir -p etc/ssh etc/sudoers.d etc/dpkg var/lib/dpkg/info usr/sbin; {setup}"
        ));
        let ran = stalled(&lab, &[only], "", 60_000);
        let findings = ran.findings();
        let said = findings.iter().any(|finding| {
            let message = finding["message"].as_str().unwrap_or("");
            finding["verdict"] == "unknown" && message.contains(expected)
        });
        assert!(said, "{bound}: {findings:#?}");
    }
}

/// The agent's own files: nothing is judged by a part of them.
#[test]
fn a_configuration_or_profile_beyond_its_bound_is_refused() {
    for (bound, option, size) in [
        ("OWN_CONFIG", "--config", 1 << 20),
        ("PROFILE", "--profile", 4 << 20),
    ] {
        for (more, refused) in [(0, false), (1, true)] {
            let lab = tree();
            let bytes = vec![b'\n'; size + more];
            std::fs::write(lab.path().join("own.toml"), bytes).expect("written");
            let ran = run(Command::new(agent_path())
                .args(["check", "--root", "root", "--only", "console.*"])
                .args([option, "./own.toml"])
                .current_dir(lab.path()));
            assert_eq!(
                ran.stderr.contains("larger than"),
                refused,
                "{bound}: {ran:#?}"
            );
            assert!(!refused || ran.status == 2, "{bound}: {ran:#?}");
        }
    }
}

/// What is held against a host: nothing of it counts.
#[test]
fn a_launch_record_or_report_beyond_its_bound_counts_for_nothing() {
    let host = sealed();
    let record = "var/lib/host-integrity-agent/launch.mtree";
    host.shell(&format!(
        "mkdir -p $(dirname {record}); truncate -s {} {record}; truncate -s {} report; echo 1 >> data/one",
        most("LAUNCH_RECORD") + 1,
        most("SEEN_REPORT") + 1,
    ));
    let ran = check(&host).expect(1);
    let told = ran.one("files.launch_record", &format!("/{record}"));
    let message = told["message"].as_str().unwrap_or("");
    assert!(message.contains("larger than"), "{told:#?}");
    accept(&host, &["/data/one"], &["--seen", "/report"])
        .expect(2)
        .complains(&["larger than"]);
}
