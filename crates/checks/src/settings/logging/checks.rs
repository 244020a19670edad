//! The table of `logging.*` checks.

use crate::settings::table::checks;
use agent_core::finding::Form;

checks! { "logging":
    AGENT_PRESENT "agent_present" Medium Form::Word(&["any", "remote"]); "Logs are kept, or leave the host"; "any, the default: one of rsyslog, syslog-ng, amazon-cloudwatch-agent, awslogs, fluent-bit, vector or systemd-journal-upload is started at boot, runs and has a target beyond the host, or the journal is persistent; remote: the journal does not count"; "whoever takes over a host removes its logs first"; Some("install and enable a log shipper with a target, as amazon-cloudwatch-agent; or set Storage=persistent in /etc/systemd/journald.conf"); []
    AUDITD "auditd" Medium Form::Nothing; "The audit daemon runs, and has rules"; "auditd is started at boot, runs, and rules that record something are loaded"; "without it nothing tells who ran and changed what"; None; []
    INTEGRITY_MONITOR "integrity_monitor" Medium Form::Number(1, 36_500); "Files are compared with a baseline"; "the host's manifest is there, sealed by a trusted signer, and made no longer ago than the demanded number of days (365)"; "without a baseline from elsewhere nobody can say what was changed"; Some("record and seal the image while it is baked: agent baseline create --root DIR --output FILE --sign-key KEY"); []
    TIME_SYNC "time_sync" Medium Form::Texts("hosts or addresses, one of which must be among the sources, as \"169.254.169.123\""); "The clock is kept right"; "chrony, systemd-timesyncd or ntpd is started at boot, runs and has a source"; "with a wrong clock logs cannot be put in order, and certificates and signatures are judged wrongly"; Some("install chrony, with server 169.254.169.123 prefer iburst (Amazon Time Sync) in its configuration; systemctl enable --now chronyd"); ["EC2 user guide, Set the time"]
}
