//! What a distribution ships below /usr/etc and /usr/lib, judged as the programs find it.

use super::{check, told, tree};

/// PAM: /etc, then /usr/lib, then /usr/etc, includes found the same way.
#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn nullok_is_found_where_pam_finds_it() {
    const OFF: &str = "rm etc/pam.d/common-auth; ";
    for (line, expected) in [
        ("", "high"),
        (
            "echo 'auth required pam_unix.so nullok' > etc/pam.d/common-auth",
            "critical",
        ),
        (
            "echo 'password required pam_unix.so nullok' > etc/pam.d/common-auth",
            "high",
        ),
        (
            "echo 'auth required pam_unix.so # nullok' > etc/pam.d/common-auth",
            "high",
        ),
        (
            "mkdir usr/lib/pam.d; echo 'auth required pam_unix.so nullok' > usr/lib/pam.d/login",
            "critical",
        ),
        (
            "mkdir -p usr/etc/pam.d; echo 'auth required pam_unix.so nullok' > usr/etc/pam.d/login",
            "critical",
        ),
        // /etc has it: what a vendor ships does not count.
        (
            "mkdir usr/lib/pam.d; echo 'auth required pam_unix.so nullok' > usr/lib/pam.d/common-auth",
            "high",
        ),
        (
            "mkdir usr/lib/pam.d; echo 'auth required pam_unix.so nullok' > usr/lib/pam.d/common-auth; rm etc/pam.d/common-auth",
            "critical",
        ),
        (
            "mkdir -p usr/lib/pam.d usr/etc/pam.d; echo 'auth required pam_unix.so' > usr/lib/pam.d/sshd; echo 'auth required pam_unix.so nullok' > usr/etc/pam.d/sshd",
            "high",
        ),
        // Includes of each kind.
        (
            "echo 'auth include mine' > etc/pam.d/login; mkdir usr/lib/pam.d; echo 'auth required pam_unix.so nullok' > usr/lib/pam.d/mine",
            "critical",
        ),
        (
            "echo 'auth substack mine' > etc/pam.d/login; echo 'auth [success=1 default=ignore] pam_unix.so nullok_secure' > etc/pam.d/mine",
            "critical",
        ),
        (
            "echo '@include mine' > etc/pam.d/login; echo 'auth required /lib/security/pam_unix.so nullok' > etc/pam.d/mine",
            "critical",
        ),
        (
            "echo 'account include mine' > etc/pam.d/login; echo 'auth required pam_unix.so nullok' > etc/pam.d/mine",
            "high",
        ),
        (
            "printf 'auth required \\\\\\n pam_unix.so nullok\\n' > etc/pam.d/login",
            "critical",
        ),
        ("echo '@include login' > etc/pam.d/login", "high"),
        // Nobody reads it, and nobody includes it.
        (
            "echo 'auth required pam_unix.so nullok' > etc/pam.d/mine",
            "high",
        ),
        (
            "rm -r etc/pam.d; echo 'login auth required pam_unix.so nullok' > etc/pam.conf",
            "critical",
        ),
        (
            "echo 'login auth required pam_unix.so nullok' > etc/pam.conf",
            "high",
        ),
    ] {
        let lab = tree();
        lab.shell(&format!("sed -i 's/^ann:[^:]*/ann:/' etc/shadow; {line}"));
        let finding = check(&lab, "accounts").one("accounts.no_empty_passwords", "ann");
        assert_eq!(finding["severity"], expected, "{line}: {finding:#?}");
    }
    let lab = tree();
    lab.shell(&format!(
        "{OFF}sed -i 's/^ann:[^:]*/ann:/' etc/shadow; mkfifo etc/pam.d/login"
    ));
    let finding = check(&lab, "accounts").one("accounts.no_empty_passwords", "ann");
    let message = finding["message"].as_str().expect("text");
    assert!(message.contains("/etc/pam.d/login"), "{message}");
}

/// SUSE's sshd reads /usr/etc/ssh/sshd_config where /etc has none; drop-ins of both count as that file includes them.
#[test]
fn sshd_reads_the_vendors_file() {
    const VENDOR: &str = "mkdir -p usr/sbin usr/etc/ssh/sshd_config.d etc/ssh/sshd_config.d; echo 'OpenSSH_10.0p2' > usr/sbin/sshd
        printf 'Include /etc/ssh/sshd_config.d/*.conf\\nInclude /usr/etc/ssh/sshd_config.d/*.conf\\nPermitRootLogin yes\\n' > usr/etc/ssh/sshd_config\n";
    for (line, verdict, location) in [
        ("", "fail", "/usr/etc/ssh/sshd_config:3"),
        (
            "echo 'PermitRootLogin no' > usr/etc/ssh/sshd_config.d/a.conf",
            "pass",
            "/usr/etc/ssh/sshd_config.d/a.conf:1",
        ),
        (
            "echo 'PermitRootLogin no' > usr/etc/ssh/sshd_config.d/a.conf; echo 'PermitRootLogin yes' > etc/ssh/sshd_config.d/b.conf",
            "fail",
            "/etc/ssh/sshd_config.d/b.conf:1",
        ),
        (
            "echo 'PermitRootLogin no' > etc/ssh/sshd_config",
            "pass",
            "/etc/ssh/sshd_config:1",
        ),
    ] {
        let lab = tree();
        lab.shell(&format!("{VENDOR}{line}"));
        let ran = check(&lab, "sshd");
        let finding = ran.one("sshd.permit_root_login", "sshd");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
        assert_eq!(finding["location"], location, "{line}: {finding:#?}");
        assert_eq!(ran.one("sshd.config_valid", "sshd")["verdict"], "pass");
    }
}

#[test]
fn login_defs_below_usr() {
    for (line, expected) in [
        (
            "echo 'UID_MIN 1500' > usr/etc/login.defs",
            &["system_nologin ann"][..],
        ),
        (
            "echo 'UID_MIN 1500' > usr/etc/login.defs; echo 'UID_MIN 500' > etc/login.defs",
            &[],
        ),
        (
            "echo 'UID_MIN 500' > usr/etc/login.defs; mkdir etc/login.defs.d; echo 'UID_MIN 1500' > etc/login.defs.d/a.defs",
            &["system_nologin ann"],
        ),
        (
            "mkdir usr/etc/login.defs.d; echo 'UID_MIN 1500' > usr/etc/login.defs.d/a.defs; mkdir etc/login.defs.d; echo 'UID_MIN 500' > etc/login.defs.d/a.defs",
            &[],
        ),
    ] {
        let lab = tree();
        lab.shell(&format!("mkdir -p usr/etc; {line}"));
        assert_eq!(told(&check(&lab, "accounts"), "fail"), expected, "{line}");
    }
}

#[test]
fn sudoers_below_usr() {
    let rule = "echo 'ann ALL=(ALL) NOPASSWD: ALL' > usr/etc/sudoers; chmod 440 usr/etc/sudoers";
    for (line, expected) in [
        (rule.to_owned(), &["sudo_nopasswd ann"][..]),
        (format!("{rule}; echo 'root ALL=(ALL) ALL' > etc/sudoers; chmod 440 etc/sudoers"), &[]),
        (
            "echo '@includedir /usr/etc/sudoers.d' > usr/etc/sudoers; mkdir usr/etc/sudoers.d; echo 'ann ALL=(ALL) NOPASSWD: ALL' > usr/etc/sudoers.d/a; chmod 440 usr/etc/sudoers usr/etc/sudoers.d/a".to_owned(),
            &["sudo_nopasswd ann"],
        ),
        (
            "echo 'ann ALL=(ALL) NOPASSWD: ALL' > mine; chmod 440 mine; echo 'Plugin sudoers_policy sudoers.so sudoers_file=/mine' > usr/etc/sudo.conf; echo 'root ALL=(ALL) ALL' > etc/sudoers; chmod 440 etc/sudoers".to_owned(),
            &["sudo_nopasswd ann"],
        ),
    ] {
        let lab = tree();
        lab.shell(&format!("mkdir -p usr/etc; {line}"));
        assert_eq!(told(&check(&lab, "accounts"), "fail"), expected, "{line}");
    }
}
