//! How each check comes to its verdict: what it reads, and what of it counts.

/// How the check of that id is read: its own text, else that of its area.
pub(super) fn of(id: &str) -> &'static str {
    let texts = TEXTS
        .iter()
        .filter(|(key, _)| match key.strip_suffix(".*") {
            Some(area) => id.split('.').next() == Some(area),
            None => *key == id,
        });
    // The longest key is the nearest.
    let nearest = texts.max_by_key(|(key, _)| (!key.ends_with(".*"), key.len()));
    nearest.map_or("", |(_, text)| text)
}

const TEXTS: [(&str, &str); 35] = [
    (
        "files.*",
        "every path that the profile covers is compared with the launch record where that has it, else with the manifest; without a manifest with the package database. Files are read whole and hashed.",
    ),
    (
        "files.added",
        "directories are walked and every name compared with what was recorded; against the package database only files with setuid, setgid or capabilities that no package owns.",
    ),
    (
        "files.profile",
        "the profile in force is compared with the one that the manifest holds, path by path; the seal is verified with the signers trusted here (--trust, else /etc/host-integrity-agent/trusted_signers).",
    ),
    (
        "files.launch_record",
        "the record is parsed, its instance compared with DMI's asset tag or the machine-id, its manifest with the digest of the one in use, each of its paths with the profile's marks.",
    ),
    (
        "files.unreadable",
        "what could not be opened, read to its end, or held still while it was read.",
    ),
    (
        "sshd.*",
        "the configuration is read as the tree's own OpenSSH would (version by the package database): Include, Match blocks and the options of every unit that starts sshd; the effective value counts, not the text. `agent sshd-effective` prints it.",
    ),
    (
        "sshd.config_valid",
        "the configuration is parsed as sshd does; on the running host the times of its files are compared with the daemon's start or last reload.",
    ),
    (
        "sshd.root_authorized_keys",
        "the files that AuthorizedKeysFile names for root, with their options, beside the effective PermitRootLogin.",
    ),
    (
        "sshd.config_permissions",
        "owner and mode of sshd_config and of every file that it includes.",
    ),
    (
        "sshd.host_key_permissions",
        "owner, group and mode of /etc/ssh/*_key and of what HostKey names.",
    ),
    (
        "accounts.*",
        "passwd, shadow, group and login.defs below /etc, line by line, as shadow-utils and glibc take them.",
    ),
    (
        "accounts.sudo_nopasswd",
        "sudoers with all includes, as sudo (or sudo-rs) itself evaluates them for everybody whom they can tell apart; doas.conf and polkit's rules beside them.",
    ),
    (
        "accounts.authorized_keys",
        "the files that AuthorizedKeysFile names for every account, key by key, by fingerprint.",
    ),
    (
        "accounts.directory_join",
        "sssd, realmd and winbind configurations.",
    ),
    (
        "console.*",
        "systemd's units with drop-ins, the kernel's command line, shadow and PAM: who is let in on a terminal, and by what.",
    ),
    (
        "console.grub_password",
        "grub.cfg and user.cfg, followed as GRUB runs them; what only the boot decides is unknown.",
    ),
    (
        "credentials.*",
        "the homes of all accounts, /root, /tmp, /opt and the environments of services, within bounds that are told; contents never leave the host.",
    ),
    (
        "credentials.ami_residue",
        "host keys, authorized_keys, shell histories, logs of logins and machine-id, older than the launch of the instance.",
    ),
    (
        "network.*",
        "/proc/net of the running host, installed packages, units that start at boot.",
    ),
    (
        "network.firewall",
        "the loaded ruleset by netlink, else what loads one at boot; security groups cannot be seen from a guest.",
    ),
    (
        "network.encrypted_mounts",
        "mountinfo of the running host, else fstab: NFS, SMB and EFS, and whether TLS or a key protects them.",
    ),
    (
        "logging.*",
        "units that are enabled and run, and their own configuration, read as the program reads it.",
    ),
    (
        "logging.auditd",
        "whether auditd runs and rules are loaded (netlink), else whether it is enabled and rules are written.",
    ),
    (
        "logging.integrity_monitor",
        "the manifest at its configured place, its seal by the signers trusted here, and the day it was made.",
    ),
    (
        "kernel.*",
        "/proc/sys and /sys of the running host, else the command line of the boot loader, sysctl.d and modprobe.d in the order in which they are applied.",
    ),
    (
        "kernel.mac",
        "SELinux: /sys/fs/selinux, its config and the command line; AppArmor: loaded profiles and what loads them.",
    ),
    (
        "packages.*",
        "the database of dpkg or rpm, and what the package manager last downloaded; nothing is fetched.",
    ),
    (
        "packages.security_pending",
        "installed versions against the lists that apt or dnf last downloaded, which must be fresh enough.",
    ),
    (
        "packages.gpgcheck",
        "sources.list.d and apt.conf.d, or dnf.conf and yum.repos.d: whether signatures are demanded of each source.",
    ),
    (
        "packages.release_supported",
        "os-release(5), with the day on which support ends, as it says or as is known here.",
    ),
    (
        "packages.database",
        "what dpkg's database holds against what the manifest recorded; each difference must stand in dpkg.log or apt's history.",
    ),
    (
        "processes.*",
        "/proc/PID/exe and maps of running processes: code that is gone from the disk or was replaced, and the packages that explain it.",
    ),
    (
        "instance.*",
        "the instance metadata service, asked with IMDSv2 and, to see that it is refused, without a token; what the platform vouches for is verified by AWS's signature.",
    ),
    (
        "instance.encryption",
        "mountinfo and /sys/block: dm-crypt below each data mount. EBS encryption lies below the guest and cannot be seen.",
    ),
    (
        "instance.ssm_agent",
        "the process of amazon-ssm-agent and its package's version.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use agent_checks::registry;

    #[test]
    fn every_check_says_how_it_is_read_and_no_text_is_for_nothing() {
        for check in registry::all() {
            assert!(!of(check.id).is_empty(), "{}", check.id);
        }
        for (key, text) in TEXTS {
            let used = registry::all().any(|check| of(check.id) == text);
            assert!(used, "{key}");
        }
    }
}
