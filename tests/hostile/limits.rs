//! Limits of the process, and inputs that are made to take long or much: an exit status of the contract, in time and
//! in little memory.

use harness::{Lab, agent_path, run, shell};
use std::process::Command;

/// The agent's check below a limit of the shell's.
fn limited(lab: &Lab, limit: &str, more: &str) -> harness::Ran {
    let line =
        format!("ulimit -c 0; {limit}; exec \"$AGENT\" check --root root --no-progress {more}");
    run(Command::new("bash")
        .args(["-c", &line])
        .env("AGENT", agent_path())
        .current_dir(lab.path()))
}

fn tree() -> Lab {
    let lab = Lab::new();
    lab.shell("mkdir -p etc/ssh usr/sbin root/.ssh etc/apt var/lib/dpkg; touch usr/sbin/sshd etc/ssh/sshd_config var/lib/dpkg/status
        printf 'ID=debian\\nVERSION_ID=12\\n' > etc/os-release
        echo 'root:x:0:0::/root:/bin/sh' > etc/passwd; echo 'root:*:1::::::' > etc/shadow; echo 'root:x:0:' > etc/group");
    lab
}

#[test]
fn limits_of_the_process_end_with_a_sentence_and_never_by_a_signal() {
    let lab = tree();
    for kilobytes in [16, 64, 256] {
        let ran = limited(&lab, &format!("ulimit -s {kilobytes}"), "--only 'files.*'");
        assert!((0..=4).contains(&ran.status), "{kilobytes}: {ran:#?}");
    }
    let ran = limited(&lab, "ulimit -f 1", "--verbose --format json --output out");
    assert_eq!(ran.status, 2, "{ran:#?}");
    assert!(ran.stderr.contains("out"), "{ran:#?}");
    // Somewhere in between memory ends; wherever that is.
    for megabytes in (80..200).step_by(8) {
        let ran = limited(&lab, &format!("ulimit -v {}", megabytes * 1024), "");
        if ran.status == 127 || ran.stderr.contains("error while loading") {
            continue;
        }
        assert!((0..=4).contains(&ran.status), "{megabytes}: {ran:#?}");
        assert!(
            !ran.stderr.contains("a fault of the agent"),
            "{megabytes}: {ran:#?}"
        );
    }
}

/// Peak memory in MiB and processor time in seconds of a look at everything but files.
fn cost(lab: &Lab) -> (u64, f64, i32) {
    let line = "/usr/bin/time -o cost -f '%M %U %S' \"$AGENT\" check --root root --skip 'files.*' --no-progress > /dev/null 2>&1";
    let ran = run(Command::new("bash")
        .args(["-c", line])
        .env("AGENT", agent_path())
        .current_dir(lab.path()));
    let cost = std::fs::read_to_string(lab.path().join("cost")).expect("time(1)");
    let words: Vec<&str> = cost.lines().last().expect("a line").split(' ').collect();
    let kilobytes: u64 = words[0].parse().expect("kilobytes");
    let seconds = |n: usize| -> f64 { words[n].parse().expect("seconds") };
    (
        kilobytes.div_ceil(1024),
        seconds(1) + seconds(2),
        ran.status,
    )
}

#[test]
fn huge_configurations_take_little_memory() {
    for (place, text) in [
        (
            "root/.ssh/authorized_keys",
            "yes 'a ' | tr -d '\\n' | head -c 15000000",
        ),
        (
            "root/.ssh/authorized_keys",
            "yes 'a ' | tr -d '\\n' | head -c 1000000",
        ),
        (
            "etc/apt/apt.conf",
            "yes 'a ' | tr -d '\\n' | head -c 15000000",
        ),
        (
            "etc/apt/apt.conf",
            "yes 'a ' | tr -d '\\n' | head -c 1000000",
        ),
        ("etc/group", "yes a=b | head -c 15000000"),
        ("etc/group", "yes a:b:1:c | head -n 119000"),
        (
            "etc/systemd/network/a.network",
            "yes a=b | head -c 15000000",
        ),
        (
            "var/lib/dpkg/status",
            "seq -f 'Package: a%.0f\\nStatus: install ok installed\\n' 90000",
        ),
        ("etc/ssh/sshd_config", "yes 'Port 22' | head -n 99000"),
        ("etc/sudoers", "yes 'a ALL=(ALL) ALL' | head -n 59000"),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "mkdir -p $(dirname {place}); {{ {text}; }} > {place}"
        ));
        let (megabytes, _, status) = cost(&lab);
        assert!(megabytes <= 64, "{place} by {text}: {megabytes} MiB");
        assert!((0..=4).contains(&status), "{place}: {status}");
    }
}

/// What unpacks to a thousand times its size is given up, and what it was asked for is unknown.
#[test]
fn a_list_that_was_packed_to_be_unpacked_for_ever_is_unknown() {
    let lab = tree();
    lab.shell(
        "mkdir -p var/lib/apt/lists
         printf 'Package: bash\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 1\\n' > var/lib/dpkg/status
         L=var/lib/apt/lists/security.debian.org_dists_bookworm-security_
         printf 'Origin: Debian\\nLabel: Debian-Security\\nSuite: stable-security\\nCodename: bookworm-security\\n' > ${L}InRelease
         yes '' | head -c 200000000 | gzip -9 > ${L}main_binary-amd64_Packages.gz",
    );
    let ran = lab.agent(
        &["check"],
        &["--only", "packages.security_pending", "--format", "json"],
    );
    let finding = &ran.findings()[0];
    assert_eq!(finding["verdict"], "unknown", "{finding:#}");
    let text = finding.to_string();
    assert!(text.contains("unpacks to far more"), "{text}");
}

#[test]
fn a_log_message_longer_than_any_event_is_refused_before_it_is_held() {
    let lab = Lab::new();
    shell(
        lab.path(),
        "{ printf '{\"events\":[{\"message\":\"'; head -c 300000000 /dev/zero | tr '\\0' a; printf '\"}]}'; } > log",
    );
    let line = "ulimit -v 262144; exec \"$AGENT\" log verify log";
    run(Command::new("bash")
        .args(["-c", line])
        .env("AGENT", agent_path())
        .current_dir(lab.path()))
    .expect(2)
    .complains(&["longer than any event"]);
}
