//! `agent check --only 'sshd.*'` on small trees: the verdict of each check for what the configuration says.

use harness::{Lab, Ran};
use serde_json::Value;

/// What a Debian 12 package installs.
const DEBIAN: &str = "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem sftp /usr/lib/openssh/sftp-server\n";

/// The demands of all checks that have one by default.
const GOOD: &str = "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxAuthTries 4\nLoginGraceTime 60\nMaxStartups 10:30:60\nIgnoreUserKnownHosts yes\nAllowTcpForwarding no\nAllowGroups admin\nUsePAM yes\nX11Forwarding no\n";

fn lab(config: &str) -> Lab {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p usr/sbin etc/ssh/sshd_config.d root/.ssh
         echo 'OpenSSH_9.2p1 Debian' > usr/sbin/sshd
         echo root:x:0:0:root:/root:/bin/bash > etc/passwd
         printf 'root:x:0:\\nadmin:x:100:root\\n' > etc/group
         printf 'ID=debian\\nVERSION_ID=12\\n' > etc/os-release
         touch etc/ssh/sshd_config; chmod 600 etc/ssh/sshd_config",
    );
    std::fs::write(lab.root().join("etc/ssh/sshd_config"), config).expect("written");
    lab
}

fn check(lab: &Lab) -> Ran {
    lab.agent(&["check"], &["--only", "sshd.*", "--format", "json"])
}

/// Ids of the checks with that verdict, without `sshd.`, in order and each once.
fn ids(ran: &Ran, verdict: &str) -> Vec<String> {
    let mut ids: Vec<String> = ran
        .findings()
        .iter()
        .filter(|finding| finding["verdict"] == verdict)
        .map(|finding| {
            finding["check"]
                .as_str()
                .expect("an id")
                .replace("sshd.", "")
        })
        .collect();
    ids.dedup();
    ids
}

fn one(ran: &Ran, id: &str) -> Value {
    let mut found = ran.findings();
    found.retain(|finding| finding["check"] == format!("sshd.{id}"));
    assert_eq!(found.len(), 1, "{id}: {ran:#?}");
    found.remove(0)
}

#[test]
fn a_configuration_that_meets_every_demand_passes() {
    let ran = check(&lab(GOOD)).expect(0);
    assert_eq!(
        ids(&ran, "not_applicable"),
        [
            "disable_forwarding",
            "client_alive_interval",
            "client_alive_count_max",
            "allow_groups",
            "banner",
            "host_key_permissions"
        ]
    );
}

#[test]
fn a_stock_debian_fails_what_it_is_known_to_fail() {
    let ran = check(&lab(DEBIAN)).expect(1);
    assert_eq!(
        ids(&ran, "fail"),
        [
            "permit_root_login",
            "password_authentication",
            "max_auth_tries",
            "login_grace_time",
            "max_startups",
            "ignore_user_known_hosts",
            "x11_forwarding",
            "allow_tcp_forwarding",
            "limit_user_access",
        ]
    );
    let root = one(&ran, "permit_root_login");
    assert_eq!(root["observed"]["value"], "prohibit-password");
    assert_eq!(root["observed"]["default"], true);
    assert!(
        root["remediation"]
            .as_str()
            .expect("text")
            .contains("systemctl reload ssh")
    );
    let x11 = one(&ran, "x11_forwarding");
    assert_eq!(x11["location"], "/etc/ssh/sshd_config:4");
}

/// One line before a configuration that is good: the first value wins, so this one is in force.
#[test]
fn each_bad_line_fails_its_check() {
    for (line, failed) in [
        ("PermitRootLogin yes", "permit_root_login"),
        ("PermitRootLogin without-password", "permit_root_login"),
        ("PermitEmptyPasswords yes", "permit_empty_passwords"),
        ("PasswordAuthentication yes", "password_authentication"),
        (
            "ChallengeResponseAuthentication yes",
            "password_authentication",
        ),
        ("MaxAuthTries 5", "max_auth_tries"),
        ("MaxAuthTries 0", "max_auth_tries"),
        ("LoginGraceTime 0", "login_grace_time"),
        ("LoginGraceTime 2m", "login_grace_time"),
        ("MaxSessions 11", "max_sessions"),
        ("HostbasedAuthentication yes", "hostbased_authentication"),
        ("IgnoreRhosts shosts-only", "ignore_rhosts"),
        ("IgnoreUserKnownHosts no", "ignore_user_known_hosts"),
        ("PermitUserEnvironment LANG", "permit_user_environment"),
        ("X11Forwarding yes", "x11_forwarding"),
        ("X11UseLocalhost no", "x11_use_localhost"),
        ("AllowTcpForwarding local", "allow_tcp_forwarding"),
        ("LogLevel QUIET", "log_level"),
        ("UsePAM no", "use_pam"),
        ("StrictModes no", "strict_modes"),
        ("PrintLastLog no", "print_last_log"),
        ("GSSAPIAuthentication yes", "gssapi_authentication"),
        ("KerberosAuthentication yes", "kerberos_authentication"),
        ("PubkeyAuthentication no", "pubkey_authentication"),
        ("Ciphers +aes128-cbc", "weak_crypto"),
        ("KexAlgorithms +diffie-hellman-group1-sha1", "weak_crypto"),
    ] {
        let ran = check(&lab(&format!("{line}\n{GOOD}"))).expect(1);
        assert_eq!(ids(&ran, "fail"), [failed], "{line}");
        assert_eq!(
            one(&ran, failed)["location"],
            "/etc/ssh/sshd_config:1",
            "{line}"
        );
    }
}

/// Of MaxStartups sshd keeps the last value.
#[test]
fn max_startups_is_the_last_one() {
    let ran = check(&lab(&format!("{GOOD}MaxStartups 10:30:100\n"))).expect(1);
    assert_eq!(ids(&ran, "fail"), ["max_startups"]);
    assert_eq!(
        one(&ran, "max_startups")["location"],
        "/etc/ssh/sshd_config:12"
    );
    check(&lab(&format!("MaxStartups 10:30:100\n{GOOD}"))).expect(0);
}

#[test]
fn what_comes_later_has_no_effect_and_is_named() {
    let ran = check(&lab(&format!("{GOOD}PermitRootLogin yes\n"))).expect(0);
    let finding = one(&ran, "permit_root_login");
    assert_eq!(finding["observed"]["value"], "no");
    assert_eq!(
        finding["observed"]["conflicts"][0],
        "/etc/ssh/sshd_config:12 yes"
    );
    // A drop-in that is included first wins over the main file.
    let lab = lab(&format!("Include /etc/ssh/sshd_config.d/*.conf\n{GOOD}"));
    lab.shell("echo PasswordAuthentication yes > etc/ssh/sshd_config.d/50-cloud-init.conf; chmod 600 etc/ssh/sshd_config.d/*");
    let ran = check(&lab).expect(1);
    let finding = one(&ran, "password_authentication");
    assert_eq!(
        finding["location"],
        "/etc/ssh/sshd_config.d/50-cloud-init.conf:1"
    );
}

#[test]
fn match_blocks_that_weaken_are_findings_of_their_own() {
    for (block, failed) in [
        (
            "Match Address 10.0.0.0/8\nPermitRootLogin yes",
            Some("sshd Match Address 10.0.0.0/8"),
        ),
        (
            "Match User root\nPermitRootLogin prohibit-password",
            Some("sshd Match User root"),
        ),
        (
            "Match Group admin\nPermitRootLogin yes",
            Some("sshd Match Group admin"),
        ),
        // Not for root: what root may do there is no matter.
        ("Match User bob\nPermitRootLogin yes", None),
        ("Match Group nosuch\nPermitRootLogin yes", None),
        ("Match User *,!root\nPermitRootLogin yes", None),
        ("Match Address 10.0.0.0/8\nPermitRootLogin no", None),
    ] {
        let ran = check(&lab(&format!("{GOOD}{block}\n")));
        let failures: Vec<Value> = ran
            .findings()
            .into_iter()
            .filter(|f| f["verdict"] == "fail")
            .collect();
        match failed {
            Some(subject) => {
                assert_eq!(failures.len(), 1, "{block}: {ran:#?}");
                assert_eq!(failures[0]["subject"], subject);
                assert_eq!(
                    failures[0]["location"], "/etc/ssh/sshd_config:13",
                    "{block}"
                );
            }
            None => assert!(failures.is_empty(), "{block}: {ran:#?}"),
        }
    }
}

#[test]
fn what_sshd_refuses_has_no_values() {
    let ran = check(&lab("PermitRootLogin no\nPermitRotLogin no\n")).expect(1);
    assert_eq!(ids(&ran, "fail"), ["config_valid"]);
    let finding = one(&ran, "config_valid");
    assert_eq!(finding["location"], "/etc/ssh/sshd_config:2");
    assert!(
        finding["message"]
            .as_str()
            .expect("text")
            .contains("Bad configuration option: PermitRotLogin")
    );
    assert_eq!(one(&ran, "permit_root_login")["verdict"], "unknown");
}

#[test]
fn without_sshd_nothing_applies() {
    let lab = lab(GOOD);
    lab.shell("rm usr/sbin/sshd");
    let ran = check(&lab).expect(0);
    assert!(
        ran.findings()
            .iter()
            .all(|f| f["verdict"] == "not_applicable"),
        "{ran:#?}"
    );
}

#[test]
fn demands_of_the_profile() {
    let stock = lab(DEBIAN);
    let profile = "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings]\nsshd_explicit = true\n[settings.\"sshd.permit_root_login\"]\ndemand = \"prohibit-password\"\n[settings.\"sshd.banner\"]\ndemand = \"/etc/issue.net\"\nseverity = \"critical\"\n";
    stock.profile(profile);
    let ran = check(&stock).expect(1);
    // The default would do, and has to be written down.
    let root = one(&ran, "permit_root_login");
    assert_eq!(
        (&root["verdict"], &root["observed"]["default"]),
        (&"fail".into(), &true.into())
    );
    assert_eq!(one(&ran, "banner")["severity"], "critical");
    stock.profile(&profile.replace("\"prohibit-password\"", "4"));
    check(&stock)
        .expect(2)
        .complains(&["sshd.permit_root_login", "4", "prohibit-password"]);
    stock.profile(&profile.replace("sshd.banner", "sshd.baner"));
    check(&stock)
        .expect(2)
        .complains(&["sshd.baner", "no such check"]);
}

#[test]
fn owners_modes_and_keys() {
    for (line, failed) in [
        ("chmod 644 etc/ssh/sshd_config", "config_permissions"),
        ("chown 1 etc/ssh/sshd_config", "config_permissions"),
        (
            "echo x > etc/ssh/ssh_host_rsa_key; chmod 640 etc/ssh/ssh_host_rsa_key",
            "host_key_permissions",
        ),
        (
            "sed -i 1d etc/ssh/sshd_config; sed -i '1i PermitRootLogin prohibit-password' etc/ssh/sshd_config; echo 'ssh-ed25519 AAAA x' > root/.ssh/authorized_keys",
            "root_authorized_keys",
        ),
    ] {
        let lab = lab(GOOD);
        lab.shell(line);
        let ran = check(&lab).expect(1);
        assert!(
            ids(&ran, "fail").contains(&failed.to_owned()),
            "{line}: {ran:#?}"
        );
    }
    let lab = lab(GOOD);
    lab.shell("echo 'ssh-ed25519 AAAA x' > root/.ssh/authorized_keys; echo 'ssh_keys:x:55:' >> etc/group; echo x > etc/ssh/ssh_host_rsa_key; chmod 640 etc/ssh/ssh_host_rsa_key; chown 0:55 etc/ssh/ssh_host_rsa_key");
    check(&lab).expect(0);
}

/// Whatever lies there, an answer comes, and it is no pass.
#[test]
fn hostile_configurations() {
    for (line, verdict) in [
        (
            "echo 'Include /etc/ssh/sshd_config' > etc/ssh/sshd_config",
            "fail",
        ),
        (
            "for i in {1..30}; do echo \"Include /etc/ssh/$((i+1))\" > etc/ssh/$i; done; : > etc/ssh/31; echo 'Include /etc/ssh/1' > etc/ssh/sshd_config",
            "fail",
        ),
        (
            "head -c 100000000 /dev/zero | tr '\\0' x > etc/ssh/sshd_config",
            "unknown",
        ),
        ("head -c 3000000 /dev/urandom > etc/ssh/sshd_config", "fail"),
        (
            "rm etc/ssh/sshd_config; mkfifo etc/ssh/sshd_config",
            "unknown",
        ),
        (
            "rm etc/ssh/sshd_config; ln -s /etc/ssh/sshd_config etc/ssh/sshd_config",
            "unknown",
        ),
        (
            "ln -s /nonexistent etc/ssh/sshd_config.d/a.conf; echo 'Include sshd_config.d/*' > etc/ssh/sshd_config",
            "fail",
        ),
        ("rm etc/ssh/sshd_config", "fail"),
    ] {
        let lab = lab(GOOD);
        lab.shell(line);
        let ran = check(&lab);
        assert_eq!(
            one(&ran, "config_valid")["verdict"],
            verdict,
            "{line}: {ran:#?}"
        );
        assert_eq!(
            one(&ran, "permit_root_login")["verdict"],
            "unknown",
            "{line}"
        );
    }
    // A directory reads as empty.
    let lab = lab(&format!("Include /etc/ssh/sshd_config.*\n{GOOD}"));
    check(&lab).expect(0);
}
