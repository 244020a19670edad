//! Journals and shippers that are there: what they keep or send is what counts.

use super::logging::{unit, verdict};
use super::{check, tree};

/// What is there, and keeps or sends nothing all the same.
#[test]
fn a_journal_or_shipper_that_keeps_nothing_does_not_count() {
    let kept = "mkdir -p var/log/journal";
    let persistent = "printf '[Journal]\\nStorage=persistent\\n' > etc/systemd/journald.conf";
    let agent = unit("amazon-cloudwatch-agent");
    let files = "opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d";
    let shipper = |logs: &str| {
        format!("{agent}; mkdir -p {files}; echo '{{\"logs\":{logs}}}' > {files}/a.json")
    };
    for (line, expected) in [
        (
            format!(
                "{kept}; printf '[Journal]\\nStorage=none\\nStorage=some\\n' > etc/systemd/journald.conf"
            ),
            "fail",
        ),
        (
            format!(
                "{kept}; printf '[Journal]\\nStorage=auto\\nStorage=some\\n' > etc/systemd/journald.conf"
            ),
            "pass",
        ),
        (
            format!(
                "{kept}; printf '[Journal]\\nMaxLevelStore=emerg\\n' > etc/systemd/journald.conf"
            ),
            "fail",
        ),
        (
            format!(
                "{kept}; printf '[Journal]\\nMaxLevelStore=info\\n' > etc/systemd/journald.conf"
            ),
            "pass",
        ),
        (
            format!("{kept}; ln -s /dev/null etc/systemd/system/systemd-journald.service"),
            "fail",
        ),
        ("mkdir -p var/log; touch var/log/journal".into(), "fail"),
        (
            format!("{persistent}; echo 'none /var/log tmpfs rw' > etc/fstab"),
            "fail",
        ),
        (
            format!("{persistent}; echo 'none /var/logs tmpfs rw' > etc/fstab"),
            "pass",
        ),
        (
            shipper(r#"{"logs_collected":{"files":{"collect_list":[{}]}}}"#),
            "pass",
        ),
        (
            shipper(r#"{"logs_collected":{"files":{"collect_list":[]}}}"#),
            "fail",
        ),
        (
            shipper(r#"{"logs_collected":{"files":{}},"endpoint_override":"http://127.0.0.1:9"}"#),
            "fail",
        ),
        (
            shipper(r#"{"logs_collected":{"files":{}},"endpoint_override":"logs.example.org"}"#),
            "pass",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        assert_eq!(
            verdict(&check(&lab, "logging"), "agent_present", "logging"),
            expected,
            "{line}"
        );
    }
}
