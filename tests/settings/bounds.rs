//! What is too large to be read is told: nothing passes on the strength of the rest.

use super::tree;
use serde_json::Value;

#[test]
fn a_file_beyond_its_bound_makes_the_verdict_unknown() {
    let getty = "mkdir -p etc/systemd/system/getty.target.wants etc/systemd/system/getty@tty1.service.d
        printf '[Service]\\nExecStart=-/sbin/agetty %%I\\n' > usr/lib/systemd/system/getty@.service
        ln -s /usr/lib/systemd/system/getty@.service etc/systemd/system/getty.target.wants/getty@tty1.service";
    for (check, made, file) in [
        (
            "console.getty_autologin",
            getty,
            "etc/systemd/system/getty@tty1.service.d/x.conf",
        ),
        (
            "console.getty_autologin",
            ":",
            "usr/lib/systemd/system/serial-getty@.service",
        ),
        ("console.serial_password", ":", "boot/grub/grub.cfg"),
        ("accounts.system_nologin", ":", "etc/login.defs"),
        (
            "logging.agent_present",
            "mkdir -p var/log/journal",
            "etc/systemd/journald.conf",
        ),
        (
            "accounts.sudo_nopasswd",
            "echo 'root ALL=ALL' > etc/sudoers",
            "etc/sudo.conf",
        ),
        (
            "accounts.sudo_nopasswd",
            "echo 'root ALL=ALL' > etc/sudoers",
            "etc/doas.conf",
        ),
    ] {
        let lab = tree();
        lab.shell(made);
        let look = || lab.agent(&["check"], &["--only", check, "--format", "json"]);
        let verdicts = |findings: Vec<Value>| -> Vec<Value> {
            findings
                .into_iter()
                .filter(|finding| finding["verdict"] == "unknown")
                .collect()
        };
        assert!(verdicts(look().findings()).is_empty(), "{check} {file}");
        lab.shell(&format!(
            "head -c 17000000 /dev/zero | tr '\\0' '#' >> {file}"
        ));
        let unknown = verdicts(look().findings());
        assert!(
            unknown.iter().any(|finding| finding["location"]
                .as_str()
                .is_some_and(|place| place.contains(file))),
            "{check} {file}: {unknown:?}"
        );
    }
}
