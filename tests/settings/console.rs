//! `console.*`: the table of the serial console.

use super::{check, told, tree};
use serde_json::Value;

const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings]\nserial_console = \"SWITCH\"\n";

#[test]
fn the_table_of_the_serial_console() {
    let no_prompt = "sed -i 's/console=ttyS0,115200n8//' boot/grub/grub.cfg";
    let empty = "sed -i 's/^ann:[^:]*/ann:/' etc/shadow";
    let locked = "sed -i 's/^ann:/ann:!/' etc/shadow";
    let expired = "sed -i 's/7:::$/7::1:/' etc/shadow";
    let nologin = "sed -i '/^ann/s|/bin/bash|/sbin/nologin|' etc/passwd";
    let auto = "mkdir etc/systemd/system/serial-getty@ttyS0.service.d; printf '[Service]\\nExecStart=\\nExecStart=-/sbin/agetty --autologin root %%I\\n' > etc/systemd/system/serial-getty@ttyS0.service.d/a.conf";
    let masked = "ln -s /dev/null etc/systemd/system/serial-getty@ttyS0.service";
    let by_hand = "sed -i 's/console=ttyS0,115200n8//' boot/grub/grub.cfg; mkdir etc/systemd/system/getty.target.wants; ln -s /usr/lib/systemd/system/serial-getty@.service etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service";
    let nothing = "rm -r boot";
    for (line, switch, verdict, severity) in [
        (no_prompt, "allowed", "not_applicable", "high"),
        (masked, "allowed", "not_applicable", "high"),
        (nothing, "allowed", "unknown", "high"),
        (":", "denied", "pass", "high"),
        (empty, "denied", "pass", "high"),
        (":", "allowed", "pass", "high"),
        (":", "unknown", "pass", "high"),
        (by_hand, "allowed", "pass", "high"),
        (empty, "allowed", "fail", "high"),
        (empty, "unknown", "fail", "high"),
        (auto, "allowed", "fail", "high"),
        (auto, "unknown", "fail", "high"),
        (locked, "allowed", "fail", "high"),
        (locked, "unknown", "fail", "medium"),
        (expired, "allowed", "fail", "high"),
        (nologin, "allowed", "fail", "high"),
        ("rm etc/shadow", "allowed", "unknown", "high"),
    ] {
        let lab = tree();
        lab.shell(line);
        lab.profile(&PROFILE.replace("SWITCH", switch));
        let finding = check(&lab, "console").one("console.serial_password", "console");
        let seen = (&finding["verdict"], &finding["severity"]);
        assert_eq!(
            seen,
            (&Value::from(verdict), &Value::from(severity)),
            "{line} {switch}: {finding:#?}"
        );
    }
}

#[test]
fn the_evidence_names_prompt_and_accounts() {
    let finding = check(&tree(), "console").one("console.serial_password", "console");
    assert_eq!(finding["observed"]["prompt"], "/boot/grub/grub.cfg:1");
    assert_eq!(
        finding["observed"]["working_passwords"],
        serde_json::json!(["ann"])
    );
}

#[test]
fn autologin_by_any_drop_in() {
    let drop_in = |directory: &str, name: &str| {
        format!(
            "mkdir -p {directory}; printf '[Service]\\nExecStart=\\nExecStart=-/sbin/agetty -a root %%I\\n' > {directory}/{name}"
        )
    };
    let bad = drop_in("usr/lib/systemd/system/serial-getty@.service.d", "x.conf");
    for (line, expected) in [
        (":".to_owned(), &[][..]),
        (bad.clone(), &["getty_autologin serial-getty@ttyS0.service"]),
        // A file of the same name in /etc hides it; a link to /dev/null hides it altogether.
        (
            format!(
                "{bad}; mkdir -p etc/systemd/system/serial-getty@.service.d; : > etc/systemd/system/serial-getty@.service.d/x.conf"
            ),
            &[],
        ),
        (
            format!(
                "{bad}; mkdir -p etc/systemd/system/serial-getty@.service.d; ln -s /dev/null etc/systemd/system/serial-getty@.service.d/x.conf"
            ),
            &[],
        ),
        (
            drop_in("etc/systemd/system/serial-getty@.service.d", "x.txt"),
            &[],
        ),
        (
            drop_in("etc/systemd/system/getty@tty1.service.d", "x.conf"),
            &["getty_autologin getty@tty1.service"],
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        let mut failed = told(&check(&lab, "console"), "fail");
        // On the serial line it fails the console's own check too.
        let serial = expected.iter().any(|told| told.contains("ttyS0"));
        assert_eq!(
            failed.contains(&"serial_password console".to_owned()),
            serial,
            "{line}"
        );
        failed.retain(|told| !told.starts_with("serial_password"));
        assert_eq!(failed, expected, "{line}");
    }
}
