//! `kernel.mac`: SELinux and AppArmor, now and after the next boot.

use super::check;
use super::kernel::{live, profile};
use super::tree;
use harness::Lab;

#[test]
fn mandatory_access_control_on_a_tree() {
    let policy = |mode: &str| {
        format!(
            "mkdir -p etc/selinux/targeted/policy; touch etc/selinux/targeted/policy/policy.33; echo SELINUX={mode} > etc/selinux/config"
        )
    };
    let selinux = |mode: &str| {
        format!(
            "{}; sed -i 's/$/ security=selinux/' boot/grub/grub.cfg",
            policy(mode)
        )
    };
    // As the kernels of Debian and Fedora are configured.
    let kernel = |list: &str| {
        format!(
            "{}; printf 'CONFIG_SECURITY_SELINUX=y\\nCONFIG_LSM=\"{list}\"\\n' > boot/config-6.1.0",
            policy("enforcing")
        )
    };
    let apparmor = "mkdir -p etc/apparmor.d etc/systemd/system/sysinit.target.wants; echo 'profile x /usr/bin/x { }' > etc/apparmor.d/usr.sbin.x; echo '[Unit]' > usr/lib/systemd/system/apparmor.service; ln -s /usr/lib/systemd/system/apparmor.service etc/systemd/system/sysinit.target.wants/";
    for (line, any, selinux_alone) in [
        (":".to_owned(), "fail", "fail"),
        (selinux("enforcing"), "pass", "pass"),
        (selinux("permissive"), "fail", "fail"),
        (selinux("disabled"), "fail", "fail"),
        (policy("enforcing"), "unknown", "unknown"),
        (
            format!(
                "{}; printf 'ID=x\\nID_LIKE=\"rhel fedora\"\\n' > etc/os-release",
                policy("enforcing")
            ),
            "pass",
            "pass",
        ),
        (kernel("landlock,yama,apparmor,selinux,bpf"), "fail", "fail"),
        (kernel("landlock,yama,selinux,apparmor,bpf"), "pass", "pass"),
        (
            format!(
                "{}; sed -i 's/$/ lsm=landlock,apparmor,selinux/' boot/grub/grub.cfg",
                policy("enforcing")
            ),
            "fail",
            "fail",
        ),
        (
            format!("{}; rm etc/selinux/targeted/policy/*", selinux("enforcing")),
            "fail",
            "fail",
        ),
        (
            format!(
                "{}; sed -i 's/$/ enforcing=0/' boot/grub/grub.cfg",
                selinux("enforcing")
            ),
            "fail",
            "fail",
        ),
        (apparmor.to_owned(), "pass", "fail"),
        (format!("{apparmor}; rm etc/apparmor.d/*"), "fail", "fail"),
        (
            format!(
                "{apparmor}; printf 'profile x /usr/bin/x flags=(complain)\\n{{\\n}}\\n' > etc/apparmor.d/usr.sbin.x"
            ),
            "fail",
            "fail",
        ),
        (
            format!("{apparmor}; echo '# nothing' > etc/apparmor.d/usr.sbin.x"),
            "fail",
            "fail",
        ),
        (
            format!("{apparmor}; sed -i 's/$/ apparmor=0/' boot/grub/grub.cfg"),
            "fail",
            "fail",
        ),
    ] {
        let lab = tree();
        lab.shell(&line);
        let finding = check(&lab, "kernel").one("kernel.mac", "kernel");
        assert_eq!(finding["verdict"], any, "{line}: {finding:#?}");
        lab.profile(&profile("mac", "\"selinux\""));
        let finding = check(&lab, "kernel").one("kernel.mac", "kernel");
        assert_eq!(finding["verdict"], selinux_alone, "{line}");
    }
}

/// The running kernel's files, made by hand: no kernel at hand has both.
#[test]
fn mandatory_access_control_now() {
    let fs = "mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; mkdir -p etc; mount --bind etc /etc/selinux 2>/dev/null || { mount -t tmpfs none /etc; mkdir /etc/selinux; }";
    for (now, config, verdict, words) in [
        ("1", "enforcing", "pass", "is enforced"),
        ("0", "enforcing", "fail", "is not now"),
        ("1", "permissive", "fail", "will not be after the next boot"),
        ("0", "permissive", "fail", "permissive"),
    ] {
        let lab = Lab::new();
        lab.profile(&profile("mac", "\"selinux\""));
        let ran = live(
            &lab,
            &format!(
                "{fs}; echo {now} > /sys/fs/selinux/enforce; echo SELINUX={config} > /etc/selinux/config; mkdir -p /etc/selinux/targeted/policy; touch /etc/selinux/targeted/policy/policy.33"
            ),
            "mac",
        );
        let finding = ran.one("kernel.mac", "kernel");
        assert_eq!(finding["verdict"], verdict, "{now} {config}: {finding:#?}");
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains(words), "{message}");
    }
}

/// AppArmor's as well, and for somebody who may not change policy.
#[test]
fn apparmor_now() {
    let now = "mount -t tmpfs none /sys/module; mkdir -p /sys/module/apparmor/parameters; echo Y > /sys/module/apparmor/parameters/enabled; mount -t tmpfs none /sys/kernel/security; cd /sys/kernel/security; mkdir -p apparmor/policy; touch apparmor/profiles; chmod 0 apparmor/profiles";
    let boot = "mount -t tmpfs none /etc; mkdir -p /etc/apparmor.d /etc/systemd/system/sysinit.target.wants; echo 'profile x { }' > /etc/apparmor.d/x; echo '[Unit]' > /etc/systemd/system/apparmor.service; ln -s ../apparmor.service /etc/systemd/system/sysinit.target.wants/";
    let modes = |first: &str| {
        format!(
            "mkdir -p apparmor/policy/profiles/x.1 apparmor/policy/profiles/y.2; echo {first} > apparmor/policy/profiles/x.1/mode; echo complain > apparmor/policy/profiles/y.2/mode"
        )
    };
    let none = "mount -t tmpfs none /etc";
    for (loaded, at_boot, verdict, words) in [
        (modes("enforce"), boot, "pass", "is enforced"),
        (modes("complain"), boot, "fail", "is not now"),
        (modes("enforce"), none, "fail", "will not be after"),
        (
            "touch apparmor/policy/profiles".into(),
            boot,
            "unknown",
            "its profiles",
        ),
        (
            "touch apparmor/policy/profiles".into(),
            none,
            "fail",
            "nothing loads",
        ),
    ] {
        let lab = Lab::new();
        lab.profile(&profile("mac", "\"apparmor\""));
        let ran = live(
            &lab,
            &format!("home=$PWD; {now}; {loaded}; {at_boot}; cd $home"),
            "mac",
        );
        let finding = ran.one("kernel.mac", "kernel");
        assert_eq!(
            finding["verdict"], verdict,
            "{loaded} {at_boot}: {finding:#?}"
        );
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains(words), "{message}");
    }
}
