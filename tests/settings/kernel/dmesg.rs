//! `kernel.dmesg_restrict`: what files set, else what the kernel was built with.

use super::super::{check, tree};
use super::live;
use harness::Lab;
use serde_json::Value;

#[test]
fn what_the_kernel_was_built_with_is_its_default() {
    let debian = "echo CONFIG_SECURITY_DMESG_RESTRICT=y > boot/config-6.1.0";
    let red_hat = "mkdir -p usr/lib/modules/5.14.0; echo '# CONFIG_SECURITY_DMESG_RESTRICT is not set' > usr/lib/modules/5.14.0/config";
    let set = |value: u8| {
        format!("mkdir etc/sysctl.d; echo kernel.dmesg_restrict={value} > etc/sysctl.d/a.conf")
    };
    let file = Value::from("/etc/sysctl.d/a.conf:1");
    let built_without = Value::from("/usr/lib/modules/5.14.0/config:1");
    for (line, verdict, place) in [
        (":".into(), "unknown", Value::Null),
        (set(1), "pass", file.clone()),
        (set(0), "fail", file.clone()),
        (debian.into(), "pass", Value::from("/boot/config-6.1.0:1")),
        (red_hat.into(), "fail", built_without.clone()),
        (format!("{debian}; {red_hat}"), "fail", built_without),
        (format!("{red_hat}; {}", set(1)), "pass", file),
        ("mkfifo boot/config-6.1.0".into(), "unknown", Value::Null),
    ] {
        let lab = tree();
        lab.shell(&line);
        let finding = check(&lab, "kernel").one("kernel.dmesg_restrict", "kernel.dmesg_restrict");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
        assert_eq!(finding["location"], place, "{line}");
    }
    for (now, verdict) in [("1", "pass"), ("0", "fail")] {
        let lab = Lab::new();
        lab.shell(&format!(
            "mkdir sysctl.d; echo kernel.dmesg_restrict=1 > sysctl.d/a.conf; echo {now} > value"
        ));
        let ran = live(
            &lab,
            "mount --bind root/sysctl.d /etc/sysctl.d; mount -t tmpfs none /usr/lib/sysctl.d
            mount --bind root/value /proc/sys/kernel/dmesg_restrict",
            "dmesg_restrict",
        );
        let finding = ran.one("kernel.dmesg_restrict", "kernel.dmesg_restrict");
        assert_eq!(finding["verdict"], verdict, "{now}: {finding:#?}");
    }
}
