//! `accounts.authorized_keys` and `accounts.directory_join`.

use super::{check, told, tree};
use harness::{Lab, shell};

/// The tree with sshd, and keys that ssh-keygen makes: `a.pub`, `b.pub`, `c.pub` beside it.
fn lab(config: &str) -> Lab {
    let lab = tree();
    lab.shell(
        "mkdir -p usr/sbin etc/ssh home/ann/.ssh root/.ssh; echo 'OpenSSH_9.2p1 Debian' > usr/sbin/sshd
         for key in 'a ed25519' 'b rsa' 'c ecdsa'; do set -- $key; ssh-keygen -q -t $2 -N '' -C \"$1 comment\" -f ../$1; done",
    );
    std::fs::write(lab.root().join("etc/ssh/sshd_config"), config).expect("written");
    lab
}

/// The fingerprint that ssh-keygen prints.
fn fingerprint(lab: &Lab, key: &str) -> String {
    shell(
        lab.path(),
        &format!("ssh-keygen -lf {key}.pub | cut -d' ' -f2"),
    )
    .trim()
    .to_owned()
}

fn demand(lab: &Lab, names: &[String]) {
    lab.profile(&format!(
        "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"accounts.authorized_keys\"]\ndemand = {names:?}\n"
    ));
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn keys_against_the_list_of_the_profile() {
    for (config, line, named, expected) in [
        (
            "",
            "cat ../a.pub > home/ann/.ssh/authorized_keys",
            "a",
            vec![],
        ),
        (
            "",
            "cat ../a.pub > home/ann/.ssh/authorized_keys",
            "b",
            vec!["ann a"],
        ),
        // White space that parts no words, before the key and in it; ssh-keygen lists it.
        (
            "",
            "sed 's/ AAAAC3/ \\x0bAAAA\\x0cC3/' ../a.pub > home/ann/.ssh/authorized_keys; ssh-keygen -lf home/ann/.ssh/authorized_keys",
            "b",
            vec!["ann a"],
        ),
        (
            "",
            "cat ../a.pub > home/ann/.ssh/authorized_keys2",
            "",
            vec!["ann a"],
        ),
        (
            "",
            "cat ../a.pub ../b.pub ../c.pub > root/.ssh/authorized_keys",
            "b",
            vec!["root a", "root c"],
        ),
        (
            "",
            "(echo '# x'; echo; sed 's/^/no-pty,command=\"a \\\\\" b\" /' ../a.pub; sed 's/^/#/' ../b.pub) > root/.ssh/authorized_keys",
            "",
            vec!["root a"],
        ),
        (
            "",
            "echo 'ssh-rsa AAAAnonsense x' > root/.ssh/authorized_keys",
            "",
            vec![],
        ),
        // Only where sshd looks.
        (
            "AuthorizedKeysFile /etc/keys/%u\n",
            "cat ../a.pub > root/.ssh/authorized_keys",
            "",
            vec![],
        ),
        (
            "AuthorizedKeysFile /etc/keys/%u\n",
            "mkdir etc/keys; cat ../a.pub > etc/keys/ann; cat ../b.pub > etc/keys/nobody",
            "",
            vec!["ann a"],
        ),
        (
            "AuthorizedKeysFile none\n",
            "cat ../a.pub > root/.ssh/authorized_keys",
            "",
            vec![],
        ),
        (
            "AuthorizedKeysFile .k/%U%%\n",
            "mkdir home/ann/.k; cat ../a.pub > home/ann/.k/1000%",
            "",
            vec!["ann a"],
        ),
        (
            "Match User ann\nAuthorizedKeysFile /etc/k\n",
            "cat ../a.pub > etc/k",
            "",
            vec!["ann a"],
        ),
        (
            "Match User bob\nAuthorizedKeysFile /etc/k\n",
            "cat ../a.pub > etc/k",
            "",
            vec![],
        ),
        (
            "TrustedUserCAKeys /etc/ca\n",
            "cat ../c.pub > etc/ca",
            "a",
            vec!["CA c"],
        ),
    ] {
        let lab = lab(config);
        lab.shell(line);
        let keys = ["a", "b", "c"].map(|key| (fingerprint(&lab, key), key));
        let named: Vec<String> = named
            .chars()
            .map(|key| fingerprint(&lab, &key.to_string()))
            .collect();
        demand(&lab, &named);
        let ran = check(&lab, "accounts");
        let mut failed = told(&ran, "fail");
        for told in &mut failed {
            for (fingerprint, key) in &keys {
                *told = told
                    .replace(fingerprint, key)
                    .replace("authorized_keys ", "");
            }
        }
        assert_eq!(failed, expected, "{config}{line}: {ran:#?}");
        assert!(!ran.stdout.contains("comment"), "the file's text was told");
    }
}

#[test]
fn a_key_for_one_account_alone() {
    let lab = lab("");
    lab.shell(
        "cat ../a.pub > home/ann/.ssh/authorized_keys; cat ../a.pub > root/.ssh/authorized_keys",
    );
    let key = fingerprint(&lab, "a");
    demand(&lab, &[format!("ann {key}")]);
    let finding = check(&lab, "accounts").one("accounts.authorized_keys", &format!("root {key}"));
    assert_eq!(finding["location"], "/root/.ssh/authorized_keys:1");
    assert_eq!(finding["observed"]["type"], "ssh-ed25519");
}

#[test]
fn keys_that_cannot_be_judged() {
    for (config, line, named, verdict) in [
        ("", ":", false, "not_applicable"),
        ("", "rm usr/sbin/sshd", true, "not_applicable"),
        ("Bogus\n", ":", true, "unknown"),
        ("", "mkfifo root/.ssh/authorized_keys", true, "unknown"),
        (
            "",
            "head -c 100000000 /dev/zero > root/.ssh/authorized_keys",
            true,
            "unknown",
        ),
        (
            "",
            "ln -s authorized_keys root/.ssh/authorized_keys",
            true,
            "unknown",
        ),
        ("", ":", true, "pass"),
    ] {
        let lab = lab(config);
        lab.shell(line);
        if named {
            demand(&lab, &[]);
        }
        let finding = check(&lab, "accounts").one("accounts.authorized_keys", "accounts");
        assert_eq!(finding["verdict"], verdict, "{config}{line}");
    }
}

#[test]
fn the_domain_that_the_profile_demands() {
    let sssd = "mkdir -p etc/sssd; printf '[sssd]\\ndomains = corp.test\\n[domain/corp.test]\\nid_provider = ad\\n' > etc/sssd/sssd.conf; printf '\\5\\2CORP.TEST' > etc/krb5.keytab; echo 'passwd: files sss' > etc/nsswitch.conf";
    let winbind = "mkdir -p etc/samba var/lib/samba/private; printf '[global]\\n  security = ADS\\n  realm = CORP.TEST\\n' > etc/samba/smb.conf; echo x > var/lib/samba/private/secrets.tdb; echo 'passwd: files winbind' > etc/nsswitch.conf";
    for (line, verdict) in [
        (":".to_owned(), "fail"),
        (sssd.into(), "pass"),
        (winbind.into(), "pass"),
        (format!("{sssd}; rm etc/krb5.keytab"), "fail"),
        (format!("{sssd}; echo x > etc/krb5.keytab"), "fail"),
        (
            format!("{sssd}; sed -i s/ad$/ldap/ etc/sssd/sssd.conf; rm etc/krb5.keytab"),
            "pass",
        ),
        (
            format!("{sssd}; echo 'passwd: files' > etc/nsswitch.conf"),
            "fail",
        ),
        (
            format!("{sssd}; sed -i s/corp.test$/other.test/ etc/sssd/sssd.conf"),
            "fail",
        ),
        (
            format!("{sssd}; sed -i s/corp.test/other.test/ etc/sssd/sssd.conf"),
            "fail",
        ),
        (
            format!(
                "{sssd}; mkdir etc/sssd/conf.d; printf '[domain/corp.test]\\nenabled = false\\n' > etc/sssd/conf.d/x.conf"
            ),
            "fail",
        ),
        (
            format!("{winbind}; rm var/lib/samba/private/secrets.tdb"),
            "fail",
        ),
        (
            format!("{winbind}; sed -i s/ADS/user/ etc/samba/smb.conf"),
            "fail",
        ),
        (
            "mkdir -p etc/sssd; mkfifo etc/sssd/sssd.conf".into(),
            "unknown",
        ),
    ] {
        let lab = tree();
        lab.profile("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"accounts.directory_join\"]\ndemand = \"corp.test\"\n");
        lab.shell(&line);
        let finding = check(&lab, "accounts").one("accounts.directory_join", "accounts");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
    }
}
