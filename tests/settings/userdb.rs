//! Accounts that passwd does not hold: records of userdb and of systemd-homed, as libnss-systemd and userdbctl take them.

use super::{check, told, tree};
use harness::{Lab, run, shell};
use std::path::Path;
use std::process::Command;

/// Shell that writes a record: its file, what stands in it beside the name, and the password hash where it has one.
const RECORD: &str = r#"record() {
  mkdir -p "$1"; printf '{"userName":"%s",%s}\n' "$2" "$3" > "$1/$2.user"
  [ $# -lt 4 ] || printf '{"privileged":{"hashedPassword":["%s"]}}\n' "$4" > "$1/$2.user-privileged"
}
weak=$(openssl passwd -1 -salt abcdefgh secret); strong=$(openssl passwd -6 -salt abcdefgh secret)
"#;

fn with(line: &str) -> Lab {
    let lab = tree();
    lab.shell(&format!("{RECORD}{line}"));
    lab
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn one_record_one_verdict() {
    for (line, expected) in [
        ("record etc/userdb eve '\"uid\":5001' \"$strong\"", &[][..]),
        (
            "record etc/userdb eve '\"uid\":5001' ''",
            &["no_empty_passwords eve"],
        ),
        (
            "record usr/lib/userdb eve '\"uid\":5001' ''",
            &["no_empty_passwords eve"],
        ),
        (
            "record usr/local/lib/userdb eve '\"uid\":5001' ''",
            &["no_empty_passwords eve"],
        ),
        (
            "record run/userdb eve '\"uid\":5001' ''",
            &["no_empty_passwords eve"],
        ),
        (
            "record run/host/userdb eve '\"uid\":5001' ''",
            &["no_empty_passwords eve"],
        ),
        (
            "record etc/userdb eve '\"uid\":5001,\"privileged\":{\"hashedPassword\":[\"\"]}'",
            &["no_empty_passwords eve"],
        ),
        (
            "record etc/userdb eve '\"uid\":5001' \"$weak\"",
            &["weak_hash eve"],
        ),
        (
            "record etc/userdb toor '\"uid\":0' \"$strong\"",
            &["only_root_uid0 toor"],
        ),
        // No password opens it, and a key may.
        ("record etc/userdb toor '\"uid\":0'", &["only_root_uid0 toor"]),
        (
            "record etc/userdb toor '\"uid\":0,\"privileged\":{\"sshAuthorizedKeys\":[\"ssh-ed25519 AAAA x\"]}'",
            &["only_root_uid0 toor"],
        ),
        (
            "record etc/userdb web '\"uid\":500' \"$strong\"",
            &["system_accounts_locked web"],
        ),
        (
            "record etc/userdb web '\"uid\":500,\"shell\":\"/bin/sh\"'",
            &["system_nologin web"],
        ),
        // The first directory that has the name decides.
        (
            "record usr/lib/userdb eve '\"uid\":5001' ''; record etc/userdb eve '\"uid\":5001'",
            &[],
        ),
        // A name that passwd and shadow have is taken from there.
        ("record etc/userdb ann '\"uid\":0' ''", &[]),
        // A record of another name than its file's is none, nor is the number's link another one.
        (
            "record etc/userdb eve '\"uid\":5001' ''; sed -i s/eve/adam/ etc/userdb/eve.user",
            &[],
        ),
        (
            "record etc/userdb eve '\"uid\":5001' ''; ln -s eve.user etc/userdb/5001.user",
            &["no_empty_passwords eve"],
        ),
        (
            "record etc/userdb eve '\"uid\":5001' ''; echo 'passwd: files systemd' > etc/nsswitch.conf",
            &["no_empty_passwords eve"],
        ),
        (
            "record etc/userdb eve '\"uid\":5001' ''; printf 'passwd: files\\nshadow: files\\n' > etc/nsswitch.conf",
            &[],
        ),
        (
            "record etc/userdb eve '\"uid\":5001' ''; echo 'passwd: files [NOTFOUND=return] systemd' > etc/nsswitch.conf",
            &[],
        ),
        (
            "record etc/userdb eve '\"uid\":5001' ''; mkdir -p usr/etc; echo 'passwd: files' > usr/etc/nsswitch.conf",
            &[],
        ),
        (
            "record etc/userdb eve '\"uid\":5001,\"perMachine\":[{\"matchMachineId\":\"0123456789abcdef0123456789abcdef\",\"uid\":0}]' \"$strong\"
             echo 0123456789abcdef0123456789abcdef > etc/machine-id",
            &["only_root_uid0 eve"],
        ),
        (
            "record etc/userdb eve '\"uid\":5001,\"perMachine\":[{\"matchHostname\":\"other\",\"uid\":0}]' \"$strong\"; echo this > etc/hostname",
            &[],
        ),
        (
            "mkdir -p var/lib/systemd/home; echo '{\"userName\":\"home\",\"uid\":60001,\"privileged\":{\"hashedPassword\":[\"\"]}}' > var/lib/systemd/home/home.identity",
            &["no_empty_passwords home"],
        ),
        (
            "record etc/userdb eve '\"uid\":5001,\"memberOf\":[\"ops\"]' \"$strong\"
             echo 'ops:x:300:' >> etc/group; echo '%ops ALL=(ALL) NOPASSWD: ALL' > etc/sudoers; chmod 440 etc/sudoers",
            &["sudo_nopasswd %ops"],
        ),
    ] {
        let ran = check(&with(line), "accounts");
        assert_eq!(told(&ran, "fail"), expected, "{line}\n{ran:#?}");
        let hash = ran.stdout.contains("$6$") || ran.stdout.contains("$1$");
        assert!(!hash, "a hash was told: {ran:#?}");
    }
}

#[test]
fn the_place_is_the_record() {
    let lab = with("record usr/lib/userdb eve '\"uid\":5001' ''");
    let finding = check(&lab, "accounts").one("accounts.no_empty_passwords", "eve");
    assert_eq!(finding["location"], "/usr/lib/userdb/eve.user");
}

/// What cannot be read is unknown with its place, for every check that it could fail.
#[test]
fn a_record_that_cannot_be_read() {
    for line in [
        "mkdir -p etc/userdb; echo '{ \"userName\": \"eve\",' > etc/userdb/eve.user",
        "mkdir -p etc/userdb; head -c 1100000 /dev/zero | tr '\\0' ' ' > etc/userdb/eve.user",
        "mkdir -p etc/userdb; mkfifo etc/userdb/eve.user",
    ] {
        let ran = check(&with(line), "accounts").expect(3);
        let unknown = told(&ran, "unknown");
        for id in ["no_empty_passwords", "only_root_uid0", "weak_hash"] {
            let wanted = format!("{id} /etc/userdb/eve.user");
            assert!(unknown.contains(&wanted), "{line}: {unknown:?}");
        }
    }
}

/// Keys of root's record open ssh where sshd asks userdbctl, as the drop-in of systemd-userdbd has it.
#[test]
fn keys_of_a_record() {
    let keys = "mkdir -p usr/sbin etc/ssh etc/userdb; echo 'OpenSSH_10.0p2 Debian' > usr/sbin/sshd
        ssh-keygen -q -t ed25519 -N '' -f ../key
        printf '{\"userName\":\"root\",\"uid\":0,\"privileged\":{\"sshAuthorizedKeys\":[\"%s\"]}}' \"$(cat ../key.pub)\" > etc/userdb/root.user\n";
    for (config, verdict) in [
        (
            "AuthorizedKeysCommand /usr/bin/userdbctl ssh-authorized-keys %u\\nAuthorizedKeysCommandUser root\\n",
            "fail",
        ),
        (
            "PermitRootLogin no\\nAuthorizedKeysCommand /usr/bin/userdbctl ssh-authorized-keys %u\\nAuthorizedKeysCommandUser root\\n",
            "pass",
        ),
        ("UsePAM yes\\n", "pass"),
    ] {
        let lab = with(&format!(
            "{keys}printf '{config}' > etc/ssh/sshd_config; chmod 600 etc/ssh/sshd_config"
        ));
        let ran = check(&lab, "sshd");
        let found = ran
            .findings()
            .into_iter()
            .find(|finding| finding["check"] == "sshd.root_authorized_keys");
        let found = found.expect("the check");
        assert_eq!(found["verdict"], verdict, "{config}: {found:#?}");
        lab.profile(
            "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"accounts.authorized_keys\"]\ndemand = []\n",
        );
        let arguments = ["--only", "accounts.authorized_keys", "--format", "json"];
        let ran = lab.agent(&["check"], &arguments);
        let failed = told(&ran, "fail").len();
        let asked = usize::from(config.contains("userdbctl"));
        assert_eq!(failed, asked, "{config}: {ran:#?}");
    }
}

/// The same records, told by the real userdbctl and getent of a root that has them; left out where there is none.
#[test]
fn as_the_real_userdbctl() {
    let Some(root) = std::env::var_os("AGENT_TEST_USERDB_ROOT") else {
        eprintln!(
            "left out: AGENT_TEST_USERDB_ROOT names no root with userdbctl and libnss-systemd"
        );
        return;
    };
    let root = Path::new(&root);
    let ask = |arguments: &[&str]| run(Command::new("chroot").arg(root).args(arguments));
    for (record, hash) in [
        ("\"uid\":5001", Some("")),
        ("\"uid\":5001", Some("$6$abcdefgh$x")),
        ("\"uid\":5001", None),
        ("\"uid\":5001,\"locked\":true", Some("")),
        ("\"uid\":5001,\"notAfterUSec\":1", None),
        ("\"uid\":500", Some("")),
        (
            "\"uid\":5001,\"perMachine\":[{\"matchHostname\":\"nosuch\",\"uid\":7}]",
            Some(""),
        ),
    ] {
        let place = root.join("etc/userdb");
        let hash = hash.map_or_else(String::new, |hash| format!(" '{hash}'"));
        let line = format!("{RECORD}record {} probe '{record}'{hash}", place.display());
        shell(root, &line);
        let theirs = ask(&["getent", "shadow", "probe"]).stdout;
        let open = theirs.starts_with("probe::");
        let uid = ask(&["getent", "passwd", "probe"]).stdout;
        let uid = uid.split(':').nth(2).unwrap_or_default().to_owned();
        let lab = with(&format!("record etc/userdb probe '{record}'{hash}"));
        let ran = check(&lab, "accounts");
        let ours = told(&ran, "fail").contains(&"no_empty_passwords probe".to_owned());
        assert_eq!(ours, open, "{record}: {theirs}");
        assert_ne!(uid, "", "{record}");
        let zero = told(&ran, "fail").contains(&"only_root_uid0 probe".to_owned());
        assert_eq!(zero, uid == "0", "{record}");
        shell(root, "rm -f etc/userdb/probe.user*");
    }
}
