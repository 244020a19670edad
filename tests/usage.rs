//! The command line around the work: help, version, wrong usage, and the profiles that are shipped.

use harness::{Lab, agent, agent_path, files_alone, run};
use std::path::PathBuf;
use std::process::Command;

/// Files in `baselines/`, by name.
fn shipped() -> Vec<(String, PathBuf)> {
    let directory = harness::project().join("baselines");
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(directory)
        .expect("baselines")
        .map(|entry| entry.expect("readable").path())
        .map(|path| {
            (
                path.file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                path,
            )
        })
        .collect();
    found.sort();
    assert!(found.len() >= 7, "{found:?}");
    found
}

#[test]
fn help_and_version_are_results() {
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["baseline", "--help"],
        &["baseline", "create", "--help"],
        &["baseline", "verify", "--help"],
        &["baseline", "launch", "--help"],
        &["baseline", "diff", "--help"],
        &["baseline", "export", "--help"],
        &["profile", "--help"],
        &["config", "validate", "--help"],
    ] {
        let ran = agent(arguments).expect(0);
        assert!(
            ran.stdout.contains("Usage: agent"),
            "{arguments:?}: {ran:#?}"
        );
        assert_eq!(ran.stderr, "", "{arguments:?}");
    }
    let ran = agent(["--version"]).expect(0);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        (concat!("agent ", env!("CARGO_PKG_VERSION"), "\n"), "")
    );
}

#[test]
fn wrong_usage_is_exit_2_and_no_result() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["--frobnicate"],
        &["check", "--frobnicate"],
        &["check", "extra"],
        &["check", "--format", "xml"],
        &["check", "--only", "nosuch.*"],
        &["check", "--only", "files.*", "--only", "nosuch.*"],
        &["check", "--threads", "0"],
        &["check", "--threads", "many"],
        &["check", "--max-rate", "0"],
        &["check", "--max-rate", "5X"],
        &["check", "--quiet", "--verbose"],
        &["check", "--root", "/nonexistent"],
        &["check", "--root", "/etc/passwd"],
        &["check", "--manifest", "/nonexistent"],
        &["check", "--profile", "nosuch"],
        &["check", "--profile", "/nonexistent.toml"],
        &["check", "--config", "/nonexistent"],
        &["check", "--trust", "/nonexistent"],
        &["check", "--output", "/nonexistent/report"],
        &["baseline"],
        &["baseline", "create"],
        &[
            "baseline",
            "create",
            "--root",
            "/nonexistent",
            "--output",
            "/nonexistent/manifest",
        ],
        &["baseline", "verify"],
        &["baseline", "verify", "/nonexistent"],
        &["baseline", "diff", "/dev/null"],
        &["baseline", "export", "/nonexistent", "--format", "json"],
        &["baseline", "export", "/nonexistent"],
        &["baseline", "launch", "--again"],
        &["baseline", "launch", "--reason", "none"],
        &["profile"],
        &["profile", "show"],
        &["profile", "show", "nosuch"],
        &["profile", "validate", "/nonexistent"],
        &["config", "validate", "/nonexistent"],
    ] {
        let ran = agent(arguments).expect(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
}

#[test]
fn every_shipped_profile_is_listed_shown_and_valid() {
    let list = agent(["profile", "list"]).expect(0).stdout;
    let mut listed: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    listed.sort_unstable();
    let names: Vec<String> = shipped().into_iter().map(|(name, _)| name).collect();
    for name in &names {
        assert!(listed.contains(&name.as_str()), "{name}: {list}");
    }
    assert_eq!(list.matches("(this host)").count(), 1, "{list}");

    for (name, path) in shipped() {
        let path = path.to_str().expect("UTF-8");
        let validated = agent(["profile", "validate", path]).expect(0).stdout;
        assert!(
            validated.contains(&format!("profile {name} ")),
            "{validated}"
        );
        let shown = agent(["profile", "show", &name]).expect(0).stdout;
        assert!(shown.starts_with(&format!("profile {name}\n")), "{shown}");
        // What is embedded is what lies there.
        assert_eq!(agent(["profile", "show", path]).expect(0).stdout, shown);
        for id in [
            "added",
            "removed",
            "changed",
            "unreadable",
            "profile",
            "launch_record",
        ] {
            assert!(shown.contains(&format!("  files.{id}  ")), "{name}: {id}");
        }
        assert!(shown.contains("critical  /etc/sudoers"), "{shown}");
    }
}

/// `auto` says what it falls back to; a rebuild of a known distribution is none.
#[test]
fn what_stands_in_for_a_distribution_is_told() {
    for (release, profile, told) in [
        ("ID=ol\nVERSION_ID=10.0\nID_LIKE=fedora\n", "rhel-10", false),
        (
            "ID=rocky\nVERSION_ID=10.1\nID_LIKE=\"rhel centos fedora\"\n",
            "rhel-10",
            false,
        ),
        ("ID=debian\nVERSION_ID=14\n", "debian-13", true),
        ("ID=debian\n", "debian-13", true),
        ("ID=alpine\nVERSION_ID=3.23\n", "default", true),
        ("", "default", true),
    ] {
        let lab = Lab::new();
        lab.shell("mkdir -p etc");
        std::fs::write(lab.root().join("etc/os-release"), release).expect("written");
        let root = lab.root();
        let root = root.to_str().expect("text");
        let only = [
            "check", "--root", root, "--only", "kernel.*", "--format", "json",
        ];
        let summary = agent(only).summary();
        assert_eq!(summary["profile"], profile, "{release}");
        let notes = summary["notes"].to_string();
        let words = format!("\\\"{profile}\\\" stands in");
        assert_eq!(notes.contains(&words), told, "{release}: {notes}");
        let output = lab.path().join("manifest");
        let output = output.to_str().expect("text");
        let ran = agent(["baseline", "create", "--root", root, "--output", output]).expect(0);
        assert_eq!(ran.stderr.contains("stands in"), told, "{release}: {ran:?}");
    }
}

/// The error names the file, the line and the key.
#[test]
fn a_wrong_profile_says_where() {
    let lab = Lab::new();
    let good = "name = \"x\"\n\n[[paths]]\npath = \"/etc\"\nseverity = \"high\"\n";
    for (text, line, named) in [
        ("name = \"x\"\nsurprise = 1\n".to_owned(), 2, "surprise"),
        (format!("{good}extra = true\n"), 6, "extra"),
        (good.replace("high", "huge"), 5, "huge"),
        (good.replace("\"/etc\"", "7"), 4, "7"),
        (good.replace("/etc", "etc"), 4, "etc"),
        (good.replace("/etc", "/a/../b"), 4, ".."),
        (good.replace("/etc", "/a/**"), 4, "**"),
        (good.replace("/etc", "/a//b"), 4, "//"),
        (
            format!("{good}attributes = [\"mode\", \"colour\"]\n"),
            6,
            "colour",
        ),
        (
            format!("{good}[[exclude]]\npath = \"/etc/x\"\n"),
            6,
            "reason",
        ),
        (format!("extends = \"nosuch\"\n{good}"), 1, "nosuch"),
        (
            format!("extends = \"./profile.toml\"\n{good}"),
            1,
            "profile.toml",
        ),
        (format!("{good}severity = \"low\"\n"), 6, "severity"),
        (format!("{good}= 1\n"), 6, "keys"),
    ] {
        lab.profile(&text);
        let path = lab.path().join("profile.toml");
        let path = path.to_str().expect("UTF-8");
        let ran = agent(["profile", "validate", path]).expect(2);
        assert_eq!(ran.stdout, "", "{text}");
        assert!(
            ran.stderr.contains(&format!("profile.toml:{line}")),
            "{text}\n{}",
            ran.stderr
        );
        assert!(ran.stderr.contains(named), "{text}\n{}", ran.stderr);
    }
}

/// The whole program on one path after the other, against a record that the sha2 crate alone made.
#[test]
fn a_tree_is_checked_alike_on_every_path() {
    let lab = Lab::new();
    lab.shell("for i in $(seq 300); do head -c $((i * i)) /dev/urandom > $i; done");
    lab.shell("head -c 3000000 /dev/urandom > large; : > empty");
    let agent = |path: &str, arguments: &[&str]| {
        run(Command::new(agent_path())
            .args(files_alone(arguments))
            .env("AGENT_SHA256_PATH", path)
            .current_dir(lab.path()))
    };
    let common = ["--root", "root", "--profile", "./profile.toml"];
    let create = ["baseline", "create", "--output", "manifest.mtree"];
    agent("portable", &[&create[..], &common].concat()).expect(0);
    let check = ["check", "--manifest", "manifest.mtree"];
    // One that the processor lacks is not taken.
    let mut paths = vec!["avx512", "sha-ni", "avx2", "arm", "portable"];
    paths.retain(|path| {
        let told = agent(path, &["--version", "--verbose"]).expect(0);
        told.stdout.contains(path)
    });
    assert!(paths.contains(&"portable"), "{paths:?}");
    for path in &paths {
        agent(path, &[&check[..], &common].concat()).expect(0);
    }
    lab.shell("printf x | dd of=large bs=1 seek=2999999 conv=notrunc status=none; touch -d @1 17");
    for path in &paths {
        let ran = agent(path, &[&check[..], &common].concat()).expect(1);
        assert!(ran.stdout.contains("/large  changed"), "{path:?}: {ran:#?}");
    }
}
