//! What is started at boot, by whatever leads to it: one change, and what the checks of services make of it.

use super::{check, told, tree};

/// What starts a service other than a link of its own name.
#[test]
fn services_that_something_else_starts() {
    let unit = "mkdir -p etc/systemd/system/multi-user.target.d; echo '[Service]' > usr/lib/systemd/system/rsync.service; cd etc/systemd/system";
    for (line, expected) in [
        (":", None),
        (
            "printf '[Unit]\\nRequires=rsync.service\\n' > multi-user.target.d/x.conf",
            Some("fail"),
        ),
        (
            "ln -s rsync.service foo.service; mkdir multi-user.target.wants; ln -s ../foo.service multi-user.target.wants/; ln -sf /usr/lib/systemd/system/rsync.service foo.service",
            Some("fail"),
        ),
        (
            "mkdir timers.target.wants; printf '[Timer]\\nOnBootSec=1\\n' > rsync.timer; ln -s ../rsync.timer timers.target.wants/",
            Some("unknown"),
        ),
        ("printf '[Timer]\\nOnBootSec=1\\n' > rsync.timer", None),
    ] {
        let lab = tree();
        lab.shell(&format!("{unit}; {line}"));
        let ran = check(&lab, "network");
        for verdict in ["fail", "unknown"] {
            let ours = told(&ran, verdict).contains(&"no_file_sharing rsync".to_owned());
            assert_eq!(ours, expected == Some(verdict), "{line}");
        }
    }
}

/// A service counts where boot leads to it, however: the message says why not.
#[test]
fn auditd_is_where_boot_leads() {
    let auditd = "mkdir etc/systemd/system/multi-user.target.wants; printf '[Service]\\nExecStart=/x\\n' > usr/lib/systemd/system/auditd.service; ln -s /usr/lib/systemd/system/auditd.service etc/systemd/system/multi-user.target.wants/";
    let rules =
        "mkdir -p etc/audit/rules.d; echo '-w /etc/passwd -p wa' > etc/audit/rules.d/a.rules";
    let link = "etc/systemd/system/multi-user.target.wants/auditd.service";
    for (line, expected) in [
        (":", "pass"),
        (
            "mkdir etc/systemd/system/never.target.wants; mv LINK etc/systemd/system/never.target.wants/",
            "fail",
        ),
        (
            "rm LINK; mkdir etc/systemd/system/multi-user.target.d; printf '[Unit]\\nWants=auditd.service\\n' > etc/systemd/system/multi-user.target.d/x.conf",
            "pass",
        ),
        (
            "ln -s ../../../dev/null etc/systemd/system/auditd.service",
            "fail",
        ),
        (
            "printf '[Unit]\\nRequires=basic.target\\n' > etc/systemd/system/default.target",
            "fail",
        ),
        (
            "rm LINK; mkdir etc/systemd/system/timers.target.wants; printf '[Timer]\\nOnBootSec=1\\n' > etc/systemd/system/auditd.timer; ln -s ../auditd.timer etc/systemd/system/timers.target.wants/",
            "unknown",
        ),
        (
            "mkdir -p boot/grub; echo 'linux /vmlinuz ro systemd.mask=auditd.service' > boot/grub/grub.cfg",
            "fail",
        ),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "{auditd}; {rules}; {}",
            line.replace("LINK", link)
        ));
        let ran = check(&lab, "logging");
        let finding = ran.one("logging.auditd", "auditd");
        assert_eq!(finding["verdict"], expected, "{line}: {finding:#?}");
    }
}
