//! Results are written whole or not at all: full disks, readers that went away, and runs that are stopped.

use harness::{Caught, Lab, Ran, after, agent_path, private, run, shell};
use std::fs;
use std::process::Command;

/// A tree of some hundred files, recorded and sealed, and a signers file.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell("for i in {100..599}; do echo $i > file-with-quite-a-long-name-$i; done");
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > signers",
    );
    lab.create().expect(0);
    lab
}

const COMMON: &str = "--root root --profile ./profile.toml";

/// A disk of 64 KiB with a file on it: `command` finds no room, says so, and what was there stays.
fn on_a_full_disk(lab: &Lab, command: &str, old: &str) {
    let script = format!(
        "mkdir -p disk; mount -t tmpfs -o size=64k none disk
        {old}
        (cd disk; sha256sum *; ls -lA --time-style=full-iso) > before
        set +e; {command} > out 2> err; status=$?; set -e
        (cd disk; sha256sum *; ls -lA --time-style=full-iso) > after
        cat out; cat err >&2; diff before after >&2 || exit 99
        exit $status"
    );
    let ran = private(lab.path(), &script, &[]);
    assert_eq!(ran.status, 2, "{command}: {ran:#?}");
    let ran = ran
        .silent()
        .complains(&["cannot be written", "No space left"]);
    assert!(ran.stderr.contains("disk/"), "{ran:#?}");
}

#[test]
fn a_full_disk_leaves_the_old_file_as_it_was() {
    let lab = lab();
    let manifest = fs::metadata(lab.manifest()).expect("there").len();
    assert!(manifest > 70_000, "{manifest}");
    let old = "head -c 20000 /dev/urandom > disk/old; echo seal > disk/old.sig";
    on_a_full_disk(
        &lab,
        &format!("\"$AGENT\" baseline create {COMMON} --output disk/old"),
        old,
    );
    on_a_full_disk(
        &lab,
        &format!("\"$AGENT\" baseline create {COMMON} --output disk/old --sign-key key"),
        old,
    );
    on_a_full_disk(
        &lab,
        &format!("\"$AGENT\" baseline create {COMMON} --output disk/new"),
        old,
    );
    // Each of 500 findings is more than 200 bytes.
    lab.shell("rm -f *");
    for format in ["text --verbose", "json"] {
        let check =
            format!("\"$AGENT\" check {COMMON} --manifest manifest.mtree --format {format}");
        on_a_full_disk(&lab, &format!("{check} --output disk/old"), old);
        on_a_full_disk(&lab, &format!("{check} --output disk/new"), old);
    }
}

/// Room for the manifest and not for its seal: neither is replaced.
#[test]
fn a_disk_too_full_for_the_seal_keeps_the_old_pair() {
    let lab = Lab::new();
    lab.shell("for i in {100..149}; do echo $i > file-$i; done");
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > signers",
    );
    let create = format!("\"$AGENT\" baseline create {COMMON} --output disk/m --sign-key key");
    // Pages: the old pair, then as many as leave room for a second manifest alone.
    let old = format!(
        "{create} >&2; pages=$(( ($(stat -c %s disk/m) + 4095) / 4096 ))
        head -c $(( (16 - pages - 1 - pages) * 4096 )) /dev/zero > disk/filler
        \"$AGENT\" baseline verify disk/m --trust signers >&2"
    );
    on_a_full_disk(&lab, &create, &old);
}

/// What is printed is lost, and said to be: a report that nobody got is no report.
#[test]
fn a_full_standard_output_is_an_error() {
    let lab = lab();
    lab.shell("echo more >> file-with-quite-a-long-name-100");
    for command in [
        "check --root root --profile ./profile.toml --manifest manifest.mtree",
        "check --root root --profile ./profile.toml --manifest manifest.mtree --format json",
        "baseline create --root root --profile ./profile.toml --output other.mtree",
        "baseline verify manifest.mtree",
        "baseline export manifest.mtree --format mtree",
        "baseline export manifest.mtree --format sha256sum",
        "baseline export manifest.mtree --format json",
        "baseline diff manifest.mtree manifest.mtree",
        "profile list",
        "profile show debian-12",
        "profile validate profile.toml",
    ] {
        let full = run(Command::new("bash")
            .args(["-c", &format!("\"$AGENT\" {command} > /dev/full")])
            .env("AGENT", agent_path())
            .current_dir(lab.path()));
        let full = full.complains(&["standard output", "No space left"]);
        assert_eq!(full.status, 2, "{command}: {full:#?}");
    }
}

/// A reader that has seen enough changes no exit status and raises no complaint.
#[test]
fn a_reader_that_goes_away_changes_no_exit_status() {
    let lab = lab();
    let status = |reader: &str, format: &str| -> Ran {
        let script = format!(
            "\"$AGENT\" check {COMMON} --only 'files.*' --manifest manifest.mtree --format {format} | {reader} > /dev/null
            exit ${{PIPESTATUS[0]}}"
        );
        run(Command::new("bash")
            .args(["-c", &script])
            .env("AGENT", agent_path())
            .current_dir(lab.path()))
    };
    for expected in [0, 1] {
        for format in ["text", "text --verbose", "json"] {
            for reader in ["head -c0", "head -c1", "head -n1", "true"] {
                let ran = status(reader, format);
                assert_eq!(
                    (ran.status, ran.stderr.as_str()),
                    (expected, ""),
                    "{format} | {reader}"
                );
            }
        }
        // Far more findings than a pipe holds.
        lab.shell("rm -f *");
    }
    let listed = run(Command::new("bash")
        .args(["-c", "\"$AGENT\" baseline export manifest.mtree --format json | head -c0; exit ${PIPESTATUS[0]}"])
        .env("AGENT", agent_path())
        .current_dir(lab.path()));
    assert_eq!((listed.status, listed.stderr.as_str()), (0, ""));
}

/// Stopped half way, a run leaves what was there and nothing else.
#[test]
fn a_run_that_is_stopped_leaves_nothing_behind() {
    let lab = Lab::new();
    // Sparse, and so large that the signal comes before its digest is done.
    lab.shell("truncate -s 3G 0large; echo x > x");
    lab.agent(&["baseline", "create"], &["--output", "recorded.mtree"])
        .expect(0);
    shell(lab.path(), "echo old > manifest.mtree; echo old > report");
    let listing = || {
        shell(
            lab.path(),
            "ls -lA --time-style=full-iso; sha256sum manifest.mtree report",
        )
    };
    let before = listing();
    for signal in ["INT", "TERM", "KILL"] {
        for command in [
            "baseline create --output manifest.mtree",
            "check --manifest recorded.mtree --output report",
        ] {
            let command = format!("{command} {COMMON}");
            let mut process = Command::new(agent_path());
            process.args(command.split(' ')).current_dir(lab.path());
            let mut caught = Caught::start(&mut process);
            caught.until_open(&lab.root().join("0large"));
            shell(lab.path(), &format!("kill -{signal} {}", caught.id()));
            let ran = caught.finish();
            assert_eq!(ran.status, -1, "ended by the signal: {command}: {ran:#?}");
            assert_eq!(listing(), before, "{signal} {command}");
        }
    }
}

/// Who starts a run in the background has interrupts ignored, and a run leaves it at that.
#[test]
fn a_run_that_was_started_with_interrupts_ignored_is_not_interrupted() {
    let lab = Lab::new();
    lab.shell("truncate -s 512M 0large");
    lab.agent(&["baseline", "create"], &["--output", "recorded.mtree"])
        .expect(0);
    let mut process = Command::new(agent_path());
    let command = format!("check --manifest recorded.mtree {COMMON} --only files.*");
    process.args(command.split(' ')).current_dir(lab.path());
    let mut caught = Caught::start(&mut after("trap '' INT", &process));
    caught.until_open(&lab.root().join("0large"));
    shell(lab.path(), &format!("kill -INT {}", caught.id()));
    let ran = caught.finish();
    assert_eq!(ran.status, 0, "{ran:#?}");
}

/// `--output` is there whole, for its owner alone, in the place of what was there.
#[test]
fn an_output_file_is_whole_and_private() {
    let lab = lab();
    lab.shell("rm *-1*");
    fs::write(
        lab.path().join("report"),
        "an older report\n".repeat(10_000),
    )
    .expect("written");
    let printed = lab.check(&[]).expect(1);
    let ran = lab.check(&["--output", "report"]).expect(1).silent();
    assert_eq!(ran.stderr, "");
    let report = fs::read_to_string(lab.path().join("report")).expect("UTF-8");
    assert_eq!(report.lines().count(), printed.stdout.lines().count());
    assert_eq!(shell(lab.path(), "stat -c %a report").trim(), "600");
    for (place, word) in [
        ("nowhere/report", "No such file"),
        ("root", "names no file"),
        ("report/x", ""),
    ] {
        lab.check(&["--output", place])
            .expect(2)
            .silent()
            .complains(&[place, word]);
        lab.agent(&["baseline", "create"], &["--output", place])
            .expect(2)
            .silent()
            .complains(&[place]);
    }
}
