//! Severity follows the program: whoever decides about a log-in, and whoever starts them, is critical in every shipped
//! profile at every place where a distribution keeps it.

use super::load;
use super::path_rules::{PathRules, Reach};
use super::shipped::SHIPPED;
use agent_core::finding::Severity;

/// Programs in a directory of commands: bin, sbin, or both where one is a link to the other.
const COMMANDS: [&str; 24] = [
    "login",
    "sulogin",
    "agetty",
    "getty",
    "su",
    "sudo",
    "sudo.ws",
    "sudo-rs",
    "sudoedit",
    "su-rs",
    "doas",
    "pkexec",
    "run0",
    "systemd-run",
    "sshd",
    "dropbear",
    "passwd",
    "newgrp",
    "nologin",
    "init",
    "unix_chkpwd",
    "unix2_chkpwd",
    "sssd",
    "amazon-ssm-agent",
];

/// Those that people call by name, so that one in /usr/local comes first.
const CALLED: [&str; 6] = ["su", "sudo", "doas", "pkexec", "run0", "passwd"];

/// Programs, libraries and files that have one place each, with who keeps it there.
const PLACES: [(&str, &str); 67] = [
    ("/usr/lib/cargo/bin/sudo", "sudo-rs of Ubuntu 26.04, setuid"),
    ("/usr/lib/cargo/bin/su", "the same package"),
    (
        "/etc/alternatives/sudo",
        "Ubuntu 26.04's choice between two of them",
    ),
    ("/etc/alternatives/su", "the same"),
    ("/usr/lib/openssh/sshd-session", "Debian"),
    ("/usr/lib/openssh/sshd-auth", "Debian"),
    ("/usr/lib/openssh/sftp-server", "Debian"),
    (
        "/usr/libexec/openssh/sshd-session",
        "Red Hat, Fedora, Amazon Linux",
    ),
    ("/usr/libexec/ssh/sshd-session", "SLES 16"),
    ("/usr/lib/ssh/sftp-server", "SLES 15"),
    ("/usr/libexec/sudo/sudoers.so", "sudo's policy"),
    ("/usr/lib/sudo/sudoers.so", "sudo's policy, SLES 15"),
    ("/usr/lib/polkit-1/polkitd", "Debian 13, Red Hat"),
    ("/usr/lib/polkit-1/polkit-agent-helper-1", "Red Hat, setuid"),
    ("/usr/libexec/polkitd", "Debian 12"),
    ("/usr/libexec/polkit-agent-helper-1", "Debian 12, setuid"),
    ("/usr/libexec/polkit-1/polkitd", "SLES"),
    ("/usr/libexec/sssd/krb5_child", "sssd"),
    ("/usr/lib64/sssd/libsss_krb5.so", "sssd"),
    ("/usr/lib/x86_64-linux-gnu/sssd/libsss_krb5.so", "sssd"),
    (
        "/usr/share/ec2-instance-connect/eic_run_authorized_keys",
        "sshd asks it for keys, Ubuntu",
    ),
    (
        "/opt/aws/bin/eic_run_authorized_keys",
        "sshd asks it for keys, Amazon Linux",
    ),
    ("/usr/bin/ssm-session-worker", "sessions without sshd"),
    ("/usr/lib/systemd/systemd", "starts all of them"),
    (
        "/usr/lib/systemd/systemd-executor",
        "what systemd starts a service with, from 255 on",
    ),
    ("/usr/lib/systemd/systemd-logind", "sessions"),
    ("/usr/lib/systemd/systemd-userdbd", "accounts"),
    ("/usr/lib/systemd/systemd-userwork", "accounts"),
    ("/usr/lib/systemd/systemd-homed", "accounts"),
    ("/usr/lib/systemd/systemd-homework", "accounts"),
    (
        "/usr/lib/systemd/libsystemd-shared-257.so",
        "every one of systemd's programs",
    ),
    (
        "/usr/lib64/systemd/libsystemd-core-257.so",
        "systemd, Red Hat",
    ),
    (
        "/usr/lib/x86_64-linux-gnu/systemd/libsystemd-core-257.so",
        "systemd, Debian",
    ),
    (
        "/usr/lib/systemd/system-generators/systemd-getty-generator",
        "starts gettys",
    ),
    (
        "/usr/lib/systemd/system-generators/systemd-ssh-generator",
        "starts sshd",
    ),
    (
        "/usr/lib/systemd/system-generators/systemd-debug-generator",
        "starts root's shell",
    ),
    ("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc"),
    ("/usr/lib64/libc.so.6", "libc"),
    (
        "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "the loader",
    ),
    ("/usr/lib64/ld-linux-x86-64.so.2", "the loader"),
    ("/usr/lib64/glibc-hwcaps/x86-64-v3/libc.so.6", "found first"),
    (
        "/usr/lib/aarch64-linux-gnu/glibc-hwcaps/x/libpam.so.0",
        "found first",
    ),
    (
        "/usr/lib/aarch64-linux-gnu/libcrypt.so.1",
        "compares passwords",
    ),
    ("/usr/lib64/libcrypt.so.2", "compares passwords"),
    ("/usr/lib/x86_64-linux-gnu/libpam.so.0", "Linux-PAM"),
    ("/usr/lib64/libpam.so.0", "Linux-PAM"),
    (
        "/usr/lib/x86_64-linux-gnu/security/pam_unix.so",
        "Linux-PAM",
    ),
    ("/usr/lib64/security/pam_unix.so", "Linux-PAM"),
    ("/usr/lib64/libnss_systemd.so.2", "accounts"),
    ("/etc/pam.d/sshd", "Linux-PAM"),
    (
        "/usr/lib/pam.d/sshd",
        "Linux-PAM, its own place for vendors",
    ),
    ("/usr/etc/pam.d/sshd", "Linux-PAM, SUSE's place for vendors"),
    (
        "/etc/authselect/system-auth",
        "what /etc/pam.d links to, Red Hat",
    ),
    ("/etc/security/access.conf", "Linux-PAM"),
    ("/usr/etc/security/access.conf", "Linux-PAM, SUSE"),
    ("/etc/sudoers.d/any", "sudo"),
    ("/etc/sudoers-rs", "sudo-rs"),
    ("/usr/etc/sudoers", "sudo, SUSE"),
    ("/usr/etc/sudoers.d/any", "sudo, SUSE"),
    ("/etc/doas.conf", "doas"),
    ("/etc/userdb/any.user", "userdb"),
    ("/var/lib/extrausers/passwd", "libnss-extrausers"),
    ("/usr/lib/userdb/any.user", "userdb"),
    ("/usr/local/lib/userdb/any.user", "userdb"),
    ("/etc/credstore/login.noauth", "credentials of systemd"),
    (
        "/usr/lib/credstore/ssh.authorized_keys.root",
        "credentials of systemd",
    ),
    ("/var/lib/systemd/home/any.identity", "systemd-homed"),
];

/// What vendors ship below /usr/etc matters as much as in /etc.
const AS_BELOW_ETC: [&str; 8] = [
    "sudoers",
    "sudoers.d/any",
    "pam.d/any",
    "security/any",
    "ssh/any",
    "nsswitch.conf",
    "login.defs",
    "profile.d/any",
];

/// Who starts containers as root, and what it goes by: as critical as sudo wherever it is installed.
const CONTAINERS: [&str; 25] = [
    "/usr/bin/containerd",
    "/usr/bin/containerd-shim-runc-v2",
    "/usr/local/bin/containerd",
    "/usr/bin/runc",
    "/usr/sbin/runc",
    "/usr/bin/crun",
    "/usr/bin/conmon",
    "/usr/bin/podman",
    "/usr/bin/dockerd",
    "/usr/bin/kubelet",
    "/usr/libexec/podman/netavark",
    "/usr/lib/podman/netavark",
    "/usr/lib/cni/bridge",
    "/opt/cni/bin/aws-cni",
    "/etc/containerd/config.toml",
    "/etc/containers/policy.json",
    "/etc/containers/systemd/any.container",
    "/usr/share/containers/oci/hooks.d/any.json",
    "/etc/docker/daemon.json",
    "/etc/cni/net.d/10-any.conflist",
    "/etc/kubernetes/manifests/any.yaml",
    "/etc/kubernetes/kubelet/config.json",
    "/etc/eks/kubelet/environment",
    "/etc/ecs/ecs.config",
    "/var/lib/kubelet/kubeconfig",
];

/// What comes and goes with containers: covered by nothing, so neither watched nor looked at.
const PASSING: [&str; 5] = [
    "/var/lib/containers/storage/overlay/any/diff/bin/sh",
    "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/bin/sh",
    "/var/lib/docker/overlay2/any/merged/bin/sh",
    "/var/lib/kubelet/pods/any/volumes/secret",
    "/run/containerd/io.containerd.runtime.v2.task/default/any/rootfs/bin/sh",
];

fn severity(rules: &PathRules, path: &str) -> Option<Severity> {
    let mut position = rules.root();
    let mut decided = None;
    for name in path.split('/').skip(1) {
        decided = match rules.reach(&position, name.as_bytes()) {
            Reach::Covered(number) => rules.rule(number).map(|rule| rule.demand.severity),
            _ => None,
        };
        position = rules.enter(&position, name.as_bytes());
    }
    decided
}

fn places() -> Vec<String> {
    let commands = COMMANDS
        .iter()
        .flat_map(|name| ["bin", "sbin"].map(|place| format!("/usr/{place}/{name}")));
    let called = CALLED
        .iter()
        .flat_map(|name| ["bin", "sbin"].map(|place| format!("/usr/local/{place}/{name}")));
    let places = PLACES.iter().map(|(path, _)| (*path).to_owned());
    commands.chain(called).chain(places).collect()
}

#[test]
fn who_decides_about_log_ins_is_critical_wherever_it_lies() {
    let mut less = Vec::new();
    for shipped in &SHIPPED {
        let profile = load::named(shipped.name).expect("good");
        for place in places() {
            let found = severity(&profile.path_rules, &place);
            if found != Some(Severity::Critical) {
                less.push(format!("{}: {place} is {found:?}", shipped.name));
            }
        }
    }
    assert!(less.is_empty(), "{}", less.join("\n"));
}

#[test]
fn vendor_files_are_as_severe_as_those_in_etc() {
    for shipped in &SHIPPED {
        let profile = load::named(shipped.name).expect("good");
        for name in AS_BELOW_ETC {
            let of = |place: &str| severity(&profile.path_rules, &format!("{place}/{name}"));
            assert_eq!(of("/usr/etc"), of("/etc"), "{}: {name}", shipped.name);
        }
    }
}

#[test]
fn who_starts_containers_is_critical_and_what_passes_is_not_covered() {
    for shipped in &SHIPPED {
        let profile = load::named(shipped.name).expect("good");
        for place in CONTAINERS {
            let found = severity(&profile.path_rules, place);
            assert_eq!(found, Some(Severity::Critical), "{}: {place}", shipped.name);
        }
        for place in PASSING {
            let found = severity(&profile.path_rules, place);
            assert_eq!(found, None, "{}: {place}", shipped.name);
        }
    }
}
