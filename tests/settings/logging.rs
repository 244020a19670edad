//! `logging.*`: shippers and their targets, audit, the own baseline, the clock.
// Long: one table of shippers and what they carry.

use super::{check, tree};
use harness::{Host, Lab, Ran, private, shell};
use std::path::Path;

/// Shell that makes a unit and has it started at boot.
pub(super) fn unit(name: &str) -> String {
    format!(
        "mkdir -p usr/lib/systemd/system etc/systemd/system/multi-user.target.wants; printf '[Service]\\nExecStart=/x\\n' > usr/lib/systemd/system/{name}.service; ln -s /usr/lib/systemd/system/{name}.service etc/systemd/system/multi-user.target.wants/"
    )
}

fn profile(id: &str, demand: &str) -> String {
    format!(
        "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"logging.{id}\"]\ndemand = {demand}\n"
    )
}

pub(super) fn verdict(ran: &Ran, check: &str, subject: &str) -> String {
    let finding = ran.one(&format!("logging.{check}"), subject);
    finding["verdict"].as_str().expect("a verdict").to_owned()
}

#[test]
fn a_shipper_counts_with_a_target() {
    let rsyslog = unit("rsyslog");
    let agent = unit("amazon-cloudwatch-agent");
    let bit = unit("fluent-bit");
    let vector = unit("vector");
    let cloudwatch = "mkdir -p opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d; cd opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d; echo";
    for (line, any, remote) in [
        (":".to_owned(), "fail", "fail"),
        ("mkdir -p var/log/journal".into(), "pass", "fail"),
        (
            "mkdir -p var/log/journal; printf '[Journal]\\nStorage=volatile\\n' > etc/systemd/journald.conf".into(),
            "fail",
            "fail",
        ),
        (
            "mkdir -p etc/systemd/journald.conf.d; printf '[Journal]\\nStorage=persistent\\n' > etc/systemd/journald.conf.d/a.conf".into(),
            "pass",
            "fail",
        ),
        (rsyslog.clone(), "fail", "fail"),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\") *.* /var/log/syslog' > etc/rsyslog.conf"),
            "fail",
            "fail",
        ),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\") *.* @@logs.example.org' > etc/rsyslog.conf"),
            "pass",
            "pass",
        ),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\" SysSock.Use=\"off\") *.* @@logs.example.org' > etc/rsyslog.conf"),
            "fail",
            "fail",
        ),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\") *.* @@logs.example.org' > etc/rsyslog.conf; mkdir etc/systemd/system/rsyslog.service.d; printf '[Service]\\nExecStart=\\n' > etc/systemd/system/rsyslog.service.d/x.conf"),
            "fail",
            "fail",
        ),
        ("echo '*.* @@logs.example.org' > etc/rsyslog.conf".into(), "fail", "fail"),
        (
            format!("{rsyslog}; mkdir etc/rsyslog.d; echo '$IncludeConfig /etc/rsyslog.d/*.conf' > etc/rsyslog.conf; echo 'module(load=\"imuxsock\") action(type=\"omfwd\" target=\"h\")' > etc/rsyslog.d/a.conf"),
            "pass",
            "pass",
        ),
        (
            format!("{rsyslog}; mkdir etc/rsyslog.d; : > etc/rsyslog.conf; echo 'module(load=\"imuxsock\") *.* @h' > etc/rsyslog.d/a.conf"),
            "fail",
            "fail",
        ),
        (format!("{rsyslog}; mkfifo etc/rsyslog.conf"), "unknown", "unknown"),
        (
            format!("{agent}; {cloudwatch} '{{\"metrics\":{{}}}}' > a.json"),
            "fail",
            "fail",
        ),
        (
            format!("{agent}; {cloudwatch} '{{\"logs\":{{\"logs_collected\":{{\"files\":{{}}}}}}}}' > a.json"),
            "pass",
            "pass",
        ),
        (
            format!("{agent}; {cloudwatch} '{{\"logs\":{{\"logs_collected\":{{\"files\":{{}}}}}}}}' > a.json.tmp"),
            "fail",
            "fail",
        ),
        (
            format!("{agent}; {cloudwatch} '{{\"logs\":{{\"logs_collected\":{{\"files\":{{}}}}}}}}' > a.json; mkdir ../../bin; mv a.json ../../bin/config.json"),
            "fail",
            "fail",
        ),
        (
            format!("{agent}; {cloudwatch} '{{\"logs\":{{\"logs_collected\":{{\"files\":{{}}}}}}}}' > b.json; echo '{{' > a.json"),
            "fail",
            "fail",
        ),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\") *.none @h' > etc/rsyslog.conf"),
            "fail",
            "fail",
        ),
        (
            format!("{rsyslog}; mkdir etc/rsyslog.d; echo '$IncludeConfig /etc/rsyslog.d/*.conf' > etc/rsyslog.conf; echo 'include(file=\"/etc/more\")' > etc/rsyslog.d/a.conf; echo 'module(load=\"imuxsock\") *.*@h' > etc/more"),
            "pass",
            "pass",
        ),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\") *.* @@Central.example:514' > etc/rsyslog.conf; echo '10.0.0.1 central.example' > etc/hosts"),
            "pass",
            "pass",
        ),
        (
            format!("{rsyslog}; echo 'module(load=\"imuxsock\") *.* @@Central.example:514' > etc/rsyslog.conf; echo '127.0.0.53 other central.example.' > etc/hosts"),
            "fail",
            "fail",
        ),
        (
            format!("{agent}; {cloudwatch} '{{\"logs\":{{\"logs_collected\":{{\"files\":{{}}}}}}}}' > a.json; echo '::1 logs.eu-central-1.amazonaws.com' > ../../../../../etc/hosts"),
            "fail",
            "fail",
        ),
        (
            format!("{rsyslog}; printf 'nonsense(\\n' > etc/rsyslog.conf"),
            "unknown",
            "unknown",
        ),
        (
            format!("{bit}; mkdir etc/fluent-bit; printf '[INPUT]\\n  Name tail\\n[OUTPUT]\\n  Name stdout\\n' > etc/fluent-bit/fluent-bit.conf"),
            "fail",
            "fail",
        ),
        (
            format!("{bit}; mkdir etc/fluent-bit; printf '[INPUT]\\n  Name tail\\n[OUTPUT]\\n  Name  cloudwatch_logs\\n' > etc/fluent-bit/fluent-bit.conf"),
            "pass",
            "pass",
        ),
        (
            format!("{bit}; mkdir etc/fluent-bit; printf 'pipeline:\\n  inputs:\\n    - name: tail\\n  outputs:\\n    - name: http\\n' > etc/fluent-bit/fluent-bit.yaml"),
            "pass",
            "pass",
        ),
        (
            format!("{vector}; mkdir etc/vector; printf 'sources:\\n  a:\\n    type: journald\\nsinks:\\n  print:\\n    type: \"console\"\\n' > etc/vector/vector.yaml"),
            "fail",
            "fail",
        ),
        (
            format!("{vector}; mkdir etc/vector; printf '[sources.a]\\ntype = \"journald\"\\n[sinks.b]\\ntype = \"aws_cloudwatch_logs\"\\n' > etc/vector/vector.toml"),
            "pass",
            "pass",
        ),
        (unit("otelcol"), "unknown", "unknown"),
    ] {
        let lab = tree();
        lab.shell(&line);
        assert_eq!(verdict(&check(&lab, "logging"), "agent_present", "logging"), any, "{line}");
        lab.profile(&profile("agent_present", "\"remote\""));
        let ran = check(&lab, "logging");
        assert_eq!(verdict(&ran, "agent_present", "logging"), remote, "{line}");
    }
}

#[test]
#[allow(clippy::too_many_lines)]
fn auditd_wants_rules() {
    for (line, expected) in [
        (":".to_owned(), "fail"),
        (unit("auditd"), "fail"),
        (
            format!(
                "{}; mkdir -p etc/audit; printf -- '-D\\n-b 8192\\n' > etc/audit/audit.rules",
                unit("auditd")
            ),
            "fail",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit/rules.d; echo '-w /etc/passwd -p wa' > etc/audit/rules.d/a.rules",
                unit("auditd")
            ),
            "pass",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit; echo '-w /x' > etc/audit/audit.rules; echo 'write_logs = No' > etc/audit/auditd.conf",
                unit("auditd")
            ),
            "fail",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit/plugins.d; echo '-w /x' > etc/audit/audit.rules; echo 'log_format = NOLOG' > etc/audit/auditd.conf; echo 'active = yes' > etc/audit/plugins.d/syslog.conf",
                unit("auditd")
            ),
            "pass",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit; echo '-w /x' > etc/audit/audit.rules; echo 'Local_Events = no' > etc/audit/auditd.conf",
                unit("auditd")
            ),
            "fail",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit boot/grub; echo '-w /x' > etc/audit/audit.rules; echo 'linux /v ro audit=0' > boot/grub/grub.cfg",
                unit("auditd")
            ),
            "fail",
        ),
        // As Fedora and Amazon Linux ship it: rules, but none that can find anything.
        (
            format!(
                "{}; mkdir -p etc/audit/rules.d; printf -- '-D\\n-a task,never\\n-w /etc/passwd -p wa\\n' > etc/audit/rules.d/a.rules",
                unit("auditd")
            ),
            "fail",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit/rules.d; printf -- '-a never,task -F auid=0\\n-a always,exit -S mount\\n' > etc/audit/rules.d/a.rules",
                unit("auditd")
            ),
            "pass",
        ),
        (
            format!(
                "{}; mkdir -p etc/audit/rules.d; echo '-a never,exit -F path=/x' > etc/audit/rules.d/a.rules; echo '-w /x' > etc/audit/audit.rules",
                unit("auditd")
            ),
            "fail",
        ),
        (
            format!(
                "{}; ln -s /dev/null etc/systemd/system/auditd.service; mkdir -p etc/audit; echo '-w /x' > etc/audit/audit.rules",
                unit("auditd")
            ),
            "fail",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        assert_eq!(
            verdict(&check(&lab, "logging"), "auditd", "auditd"),
            expected,
            "{line}"
        );
    }
}

#[test]
fn the_clock_has_a_source() {
    let chrony = unit("chronyd");
    let timesyncd = unit("systemd-timesyncd");
    for (line, any, amazon) in [
        (":".to_owned(), "fail", "fail"),
        (chrony.clone(), "fail", "fail"),
        (
            format!("{chrony}; echo 'pool 2.amazon.pool.ntp.org iburst' > etc/chrony.conf"),
            "pass",
            "fail",
        ),
        (
            format!(
                "{chrony}; mkdir etc/chrony.d; echo 'sourcedir /etc/chrony.d' > etc/chrony.conf; echo 'server 169.254.169.123 prefer' > etc/chrony.d/link-local.sources"
            ),
            "pass",
            "pass",
        ),
        (
            format!(
                "{chrony}; mkdir etc/chrony.d; echo 'sourcedir /etc/chrony.d' > etc/chrony.conf; echo 'server 169.254.169.123 prefer' > etc/chrony.d/link-local.conf"
            ),
            "fail",
            "fail",
        ),
        (
            format!("{chrony}; echo 'server 169.254.169.123 iburst NoSelect' > etc/chrony.conf"),
            "fail",
            "fail",
        ),
        (
            format!(
                "{chrony}; printf 'include /etc/chrony.conf\\n! server x\\n#server y\\n' > etc/chrony.conf"
            ),
            "fail",
            "fail",
        ),
        (timesyncd.clone(), "pass", "fail"),
        (
            format!(
                "{timesyncd}; printf '[Time]\\nNTP=169.254.169.123\\n' > etc/systemd/timesyncd.conf"
            ),
            "pass",
            "pass",
        ),
        (
            format!("{timesyncd}; printf '[Time]\\nFallbackNTP=\\n' > etc/systemd/timesyncd.conf"),
            "fail",
            "fail",
        ),
        (
            format!("{}; echo 'server 10.0.0.1' > etc/ntp.conf", unit("ntpd")),
            "pass",
            "fail",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        assert_eq!(
            verdict(&check(&lab, "logging"), "time_sync", "clock"),
            any,
            "{line}"
        );
        lab.profile(&profile("time_sync", "[\"169.254.169.123\"]"));
        assert_eq!(
            verdict(&check(&lab, "logging"), "time_sync", "clock"),
            amazon,
            "{line}"
        );
    }
}

/// A running host of our own making: a process counts by its program and its user.
#[test]
fn what_is_enabled_must_run() {
    let lab = tree();
    lab.shell(&format!(
        "{}; mkdir etc/chrony; echo 'server 169.254.169.123' | tee etc/chrony.conf > etc/chrony/chrony.conf; cp $(command -v sleep) ../chronyd",
        unit("chronyd")
    ));
    let over = "mount --bind root/etc /etc; mount --bind root/usr/lib/systemd/system /usr/lib/systemd/system";
    let look = "\"$AGENT\" check --profile ./profile.toml --only logging.time_sync --format json";
    let up = "child=$!; trap \"kill $child; wait $child || true\" EXIT
        for i in {1..600}; do if readlink /proc/$child/exe | grep -q chronyd; then break; fi; sleep 0.05; done";
    for (start, expected) in [
        (String::new(), "fail"),
        (format!("./chronyd 600 & {up}"), "pass"),
        (
            format!("setpriv --reuid=1234 --clear-groups ./chronyd 600 & {up}"),
            "fail",
        ),
    ] {
        lab.shell("chmod 755 .. ../chronyd");
        let ran = private(lab.path(), &format!("{over}\n{start}\n{look}"), &[]);
        assert_eq!(verdict(&ran, "time_sync", "clock"), expected, "{start}");
    }
}

const MANIFEST: &str = "/usr/share/host-integrity-agent/manifest.mtree";

/// The host's own signers decide, those of the tree never do.
#[test]
fn the_own_baseline_is_there_sealed_and_fresh() {
    let lab = tree();
    let ran = check(&lab, "logging");
    assert_eq!(verdict(&ran, "integrity_monitor", MANIFEST), "fail");
    seal(&lab);
    // As on a build machine that trusts nobody.
    let unchecked = in_host(&lab, "");
    assert_eq!(
        verdict(&unchecked, "integrity_monitor", MANIFEST),
        "unknown"
    );
    let trust = "cp key.trust /etc/host-integrity-agent/trusted_signers";
    let ran = in_host(&lab, trust);
    assert_eq!(
        verdict(&ran, "integrity_monitor", MANIFEST),
        "pass",
        "{ran:#?}"
    );
    lab.shell("mv usr/share/host-integrity-agent/manifest.mtree.sig ..");
    let ran = in_host(&lab, "");
    let finding = ran.one("logging.integrity_monitor", MANIFEST);
    assert_eq!(finding["verdict"], "fail");
    let message = finding["message"].as_str().expect("text");
    assert!(message.contains("not sealed"), "{message}");
    lab.shell("mv ../manifest.mtree.sig usr/share/host-integrity-agent/; sed -i 's/mode=0755/mode=0775/' usr/share/host-integrity-agent/manifest.mtree");
    let ran = in_host(&lab, trust);
    assert_eq!(
        verdict(&ran, "integrity_monitor", MANIFEST),
        "fail",
        "{ran:#?}"
    );
}

/// A manifest that is older than the profile wants it.
#[test]
fn an_old_baseline_is_told() {
    let lab = tree();
    lab.profile(&profile("integrity_monitor", "30"));
    seal(&lab);
    let path = lab
        .root()
        .join("usr/share/host-integrity-agent/manifest.mtree");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let old: String = text
        .lines()
        .map(|line| match line.starts_with("# time ") {
            true => "# time 2020-01-01T00:00:00Z\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&path, old).expect("the manifest");
    sign(lab.path(), &path);
    let ran = in_host(
        &lab,
        "cp key.trust /etc/host-integrity-agent/trusted_signers",
    );
    let finding = ran.one("logging.integrity_monitor", MANIFEST);
    assert_eq!(finding["verdict"], "fail", "{finding:#?}");
    assert!(finding["observed"]["days"].as_i64().expect("days") > 2000);
}

#[test]
fn the_own_baseline_is_looked_for_where_the_configuration_of_the_run_has_it() {
    let host = Host::new();
    let profile = "/etc/host-integrity-agent/profile.toml";
    let (config, manifest) = ("/etc/other.toml", "/data/manifest.mtree");
    let create = [
        "baseline",
        "create",
        "--profile",
        profile,
        "--output",
        manifest,
    ];
    host.agent(&create).expect(0);
    host.shell(&format!(
        "printf 'profile = \"{profile}\"\nmanifest = \"{manifest}\"\n' > .{config}"
    ));
    let check = [
        "check",
        "--config",
        config,
        "--format",
        "json",
        "--no-progress",
    ];
    let only = ["--only", "logging.integrity_monitor"];
    let ran = host.agent(&[&check[..], &only].concat()).expect(1);
    let finding = ran.one("logging.integrity_monitor", manifest);
    let message = finding["message"].as_str().unwrap_or_default();
    assert!(message.contains("not sealed"), "{finding:#}");
}

fn seal(lab: &Lab) {
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cut -d' ' -f1,2 key.pub)\" > key.trust; mkdir -p root/usr/share/host-integrity-agent",
    );
    lab.create().expect(0);
    lab.shell("mv ../manifest.mtree usr/share/host-integrity-agent/");
    sign(
        lab.path(),
        &lab.root()
            .join("usr/share/host-integrity-agent/manifest.mtree"),
    );
}

fn sign(directory: &Path, manifest: &Path) {
    let manifest = manifest.display();
    shell(
        directory,
        &format!(
            "rm -f {manifest}.sig; ssh-keygen -q -Y sign -n host-integrity-agent -f key {manifest}"
        ),
    );
}

/// `check` of the tree on a machine whose own signers are what `script` says.
fn in_host(lab: &Lab, script: &str) -> Ran {
    let all = format!(
        "mkdir -p host; cp /etc/passwd /etc/group host/; mount --bind host /etc
        rm -rf /etc/host-integrity-agent; mkdir /etc/host-integrity-agent
        {script}
        \"$AGENT\" check --root root --profile ./profile.toml --only 'logging.*' --format json"
    );
    private(lab.path(), &all, &[])
}
