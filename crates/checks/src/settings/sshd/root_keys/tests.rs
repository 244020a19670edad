//! Keys that let somebody in as root, and what they are tied to.

use super::*;
use crate::settings::sshd::build::Build;
use crate::settings::testing::within;
use std::fs;

const KEY: &str = "ssh-ed25519 AAAA x";

/// Verdicts and subjects for an sshd_config, beside an account toor that is root too, and keys of both.
fn told(config: &str, files: &[(&str, &str)]) -> Vec<String> {
    told_by(<Build as Default>::default(), config, files)
}

/// The same of that build.
fn told_by(build: Build, config: &str, files: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let put = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("made");
        fs::write(path, text).expect("written");
    };
    put("etc/ssh/sshd_config", config);
    put(
        "etc/passwd",
        "root:x:0:0::/root:/bin/bash\ntoor:x:0:0::/var/toor:/bin/bash\n",
    );
    for (path, text) in files {
        put(path, text);
    }
    within(directory.path(), |context| {
        let config = Config::read(context.root, "/etc/ssh/sshd_config", &[], build);
        let config = config.expect("a configuration");
        let mut told = Vec::new();
        let mut emit = |finding: Finding| {
            let subject = String::from_utf8_lossy(&finding.subject).into_owned();
            told.push(format!("{:?} {subject}", finding.verdict).to_lowercase());
        };
        look(context, &config, &Effective::global(&config), &mut emit);
        told
    })
}

#[test]
fn keys_where_a_match_block_has_them() {
    let (root, toor) = ("root/.ssh/authorized_keys", "var/toor/.ssh/authorized_keys");
    for (config, file, expected) in [
        ("PermitRootLogin no\n", root, "pass sshd"),
        (
            "PermitRootLogin no\nMatch User toor\nPermitRootLogin yes\n",
            toor,
            "fail /var/toor/.ssh/authorized_keys",
        ),
        (
            "PermitRootLogin no\nMatch User toor\nPermitRootLogin yes\n",
            root,
            "pass sshd",
        ),
        (
            "PermitRootLogin no\nMatch Address 10.0.0.0/8\nPermitRootLogin yes\n",
            root,
            "fail /root/.ssh/authorized_keys",
        ),
        (
            "PermitRootLogin yes\nMatch User root\nPermitRootLogin no\n",
            root,
            "pass sshd",
        ),
        (
            "PermitRootLogin yes\nMatch User ann\nAuthorizedKeysFile /etc/rk\n",
            "etc/rk",
            "pass sshd",
        ),
        (
            "PermitRootLogin prohibit-password\nMatch User root\nAuthorizedKeysFile /etc/rk\n",
            "etc/rk",
            "fail /etc/rk",
        ),
        ("PermitRootLogin forced-commands-only\n", root, "pass sshd"),
    ] {
        assert_eq!(told(config, &[(file, KEY)]), [expected], "{config}");
    }
}

#[test]
fn what_names_keys_unseen_is_unknown() {
    let user = "AuthorizedKeysCommandUser nobody\n";
    for (config, expected) in [
        (
            format!("{user}AuthorizedKeysCommand /usr/bin/keys %u\n"),
            "unknown /usr/bin/keys",
        ),
        (
            format!("{user}Match User root\nAuthorizedKeysCommand /usr/bin/keys %u\n"),
            "unknown /usr/bin/keys",
        ),
        (
            format!("PermitRootLogin no\n{user}AuthorizedKeysCommand /usr/bin/keys %u\n"),
            "pass sshd",
        ),
        (
            format!("{user}AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f\n"),
            "pass sshd",
        ),
        (
            format!("{user}AuthorizedKeysCommand /usr/bin/userdbctl ssh-authorized-keys %u\n"),
            "pass sshd",
        ),
        (
            format!(
                "{user}AuthorizedKeysCommand /usr/bin/userdbctl ssh-authorized-keys %u --chain /bin/x\n"
            ),
            "unknown /usr/bin/userdbctl",
        ),
        (
            format!(
                "{user}AuthorizedKeysCommand /usr/bin/userdbctl ssh-authorized-keys %u\t\"--chain\" /bin/x\n"
            ),
            "unknown /usr/bin/userdbctl",
        ),
        ("TrustedUserCAKeys /etc/ca\n".to_owned(), "unknown /etc/ca"),
        (
            "Match User root\nTrustedUserCAKeys /etc/ca\n".to_owned(),
            "unknown /etc/ca",
        ),
        (
            "Match User ann\nTrustedUserCAKeys /etc/ca\n".to_owned(),
            "pass sshd",
        ),
    ] {
        assert_eq!(told(&config, &[]), [expected], "{config}");
    }
}

/// Words of AuthorizedKeysFile as sshd parted them, and patterns since OpenSSH 10.0.
#[test]
fn files_of_keys_as_sshd_names_them() {
    let new = Build::of((10, 0), false, None);
    let old = Build::of((9, 9), false, None);
    let key = (new, "etc/ssh/keys.d/a.pub", "fail /etc/ssh/keys.d/a.pub");
    for (said, (build, file, expected)) in [
        (
            "\"/etc/ssh/my keys\"",
            (old, "etc/ssh/my keys", "fail /etc/ssh/my keys"),
        ),
        (
            "/etc/ssh/my\\ keys",
            (old, "etc/ssh/my keys", "fail /etc/ssh/my keys"),
        ),
        ("'/etc/a b' /etc/c", (old, "etc/c", "fail /etc/c")),
        ("'/etc/a b'", (old, "etc/a", "pass sshd")),
        (
            "\"%h/my keys\"",
            (old, "var/toor/my keys", "fail /var/toor/my keys"),
        ),
        ("None", (old, "root/None", "pass sshd")),
        ("/etc/ssh/keys.d/*.pub", key),
        ("/etc/ssh/keys.d/*.pub", (old, key.1, "pass sshd")),
        ("/etc/*/keys.?/[a-c].pub", key),
        (
            "/etc/ssh/keys.d/*.pub",
            (new, "etc/ssh/keys.d/.a.pub", "pass sshd"),
        ),
        ("%h/k*", (new, "var/toor/keys", "fail /var/toor/keys")),
        ("k*/%u", (new, "root/keys/root", "fail /root/keys/root")),
        ("/etc/keys\\*", (new, "etc/keys*", "fail /etc/keys*")),
    ] {
        let config = format!("PermitRootLogin prohibit-password\nAuthorizedKeysFile {said}\n");
        assert_eq!(
            told_by(build, &config, &[(file, KEY)]),
            [expected],
            "{said}"
        );
    }
}
