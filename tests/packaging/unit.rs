//! The unit is confined as far as it can be without seeing another host than everybody else does.

use super::{file, text};
use harness::{agent_path, run, shell};
use std::process::Command;

const UNIT: &str = "packaging/systemd/host-integrity-agent.service";

/// The settings of a unit: `Key=value`, without comments and sections.
fn settings(path: &str) -> Vec<String> {
    text(path)
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn systemd_takes_every_line_of_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path();
    // The binary under test stands where the packaged one will.
    let unit = text(UNIT).replace("/usr/bin/agent", agent_path());
    std::fs::write(place.join("host-integrity-agent.service"), unit).expect("a file");
    shell(place, "mkdir host-integrity-agent.service.d");
    std::fs::copy(
        file("packaging/systemd/attribution.conf"),
        place.join("host-integrity-agent.service.d/attribution.conf"),
    )
    .expect("a file");
    let ran = run(Command::new("systemd-analyze")
        .args(["verify", "--man=no", "./host-integrity-agent.service"])
        .current_dir(place));
    // It says "Unknown key" and ends with 0.
    assert_eq!(
        (ran.status, ran.stderr.as_str(), ran.stdout.as_str()),
        (0, "", "")
    );
}

#[test]
fn its_exposure_is_at_most_2_0() {
    let ran = run(Command::new("systemd-analyze").args([
        "security",
        "--offline=true",
        "--no-pager",
        // In tenths.
        "--threshold=20",
        &file(UNIT).to_string_lossy(),
    ]));
    assert!(
        ran.stdout.contains("Overall exposure level"),
        "nothing was judged: {ran:#?}"
    );
    assert_eq!(ran.status, 0, "{ran:#?}");
}

#[test]
fn it_sees_the_host_that_others_see() {
    let settings = settings(UNIT);
    assert!(settings.len() > 30, "{settings:?}");
    for key in [
        "InaccessiblePaths",
        "PrivateNetwork",
        "PrivateTmp",
        "PrivateUsers",
        "ProcSubset",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelModules",
        "ProtectProc",
        "RootDirectory",
        "RootImage",
        "TemporaryFileSystem",
    ] {
        let found = settings.iter().find(|line| line.starts_with(key));
        assert_eq!(found, None, "it would change what the agent sees");
    }
    for line in [
        "Type=notify",
        "Restart=always",
        "User=host-integrity-agent",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=CAP_DAC_READ_SEARCH",
        "AmbientCapabilities=CAP_DAC_READ_SEARCH",
    ] {
        assert!(settings.iter().any(|l| l == line), "{line} is not in it");
    }
}

#[test]
fn whatever_it_ends_by_it_is_started_again() {
    let settings = settings(UNIT);
    // A panic ends it with 2.
    for key in [
        "RestartPreventExitStatus",
        "SuccessExitStatus",
        "StartLimitBurst",
    ] {
        assert!(!settings.iter().any(|line| line.starts_with(key)), "{key}");
    }
    for line in ["Restart=always", "StartLimitIntervalSec=0"] {
        assert!(settings.iter().any(|l| l == line), "{line} is not in it");
    }
}

#[test]
fn it_waits_for_nothing_that_waits_for_it() {
    let settings = settings(UNIT);
    // multi-user.target would wait for it, and cloud-final waits for multi-user.target.
    assert!(settings.contains(&"DefaultDependencies=no".to_owned()));
    for line in settings.iter().filter(|line| {
        ["After=", "Requires=", "Wants="]
            .iter()
            .any(|key| line.starts_with(key))
    }) {
        for late in [
            "cloud-",
            "multi-user",
            "basic.target",
            "network-online",
            "graphical",
        ] {
            assert!(!line.contains(late), "{line}");
        }
    }
}
