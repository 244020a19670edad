//! `agent check --only 'sshd.*'` on small trees: the verdict of each check for what the configuration says.
// Long: one table of configurations and verdicts.

use harness::{Lab, Ran};
use serde_json::Value;

/// What a Debian 12 package installs.
const DEBIAN: &str = "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem sftp /usr/lib/openssh/sftp-server\n";

/// The demands of all checks that have one by default.
pub(super) const GOOD: &str = "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxAuthTries 4\nLoginGraceTime 60\nMaxStartups 10:30:60\nIgnoreUserKnownHosts yes\nAllowTcpForwarding no\nAllowGroups admin\nUsePAM yes\nX11Forwarding no\n";

pub(super) fn lab(config: &str) -> Lab {
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

pub(super) fn check(lab: &Lab) -> Ran {
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
        // Whoever may write to a directory puts another file there.
        (
            "echo 'Include /etc/ssh/sshd_config.d/*.conf' >> etc/ssh/sshd_config; chmod 777 etc/ssh/sshd_config.d",
            "config_permissions",
        ),
        ("chown 1 etc/ssh", "config_permissions"),
        ("chmod 1777 etc", "config_permissions"),
        (
            "mkdir -p home/ann/c; chown 1000 home/ann; touch home/ann/c/x; echo 'Include sshd_config.d/*.conf' >> etc/ssh/sshd_config; ln -s /home/ann/c/x etc/ssh/sshd_config.d/00.conf",
            "config_permissions",
        ),
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

/// A forced command of which nobody knows what it starts is no pass.
#[test]
fn forced_commands_that_may_be_a_shell() {
    for (command, status, verdict) in [
        ("timeout 1h bash", 1, "fail"),
        ("b=bash; $b", 3, "unknown"),
        ("/usr/bin/rrsync /srv", 0, "pass"),
    ] {
        let lab = lab(&GOOD.replace("PermitRootLogin no", "PermitRootLogin forced-commands-only"));
        lab.shell(&format!(
            "echo 'command=\"{command}\" ssh-ed25519 AAAA x' > root/.ssh/authorized_keys"
        ));
        let ran = check(&lab);
        let found = one(&ran, "root_authorized_keys");
        assert_eq!(found["verdict"], verdict, "{command}");
        assert!(status != 3 || found["location"] == "/root/.ssh/authorized_keys:1");
    }
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

/// What is newer than what is known is judged as that; a line it alone may take costs what it says.
#[test]
fn a_newer_openssh_costs_what_is_new() {
    for (line, unknown) in [
        ("NewKeyword yes", &["config_valid"][..]),
        ("MaxAuthTries few", &["config_valid", "max_auth_tries"]),
        ("UsePAM perhaps", &["config_valid", "use_pam"]),
    ] {
        let lab = lab(&format!("{line}\n{GOOD}"));
        lab.shell("echo 'OpenSSH_11.2p1' > usr/sbin/sshd");
        let ran = check(&lab);
        assert_eq!(ids(&ran, "unknown"), unknown, "{line}");
        assert_eq!(ids(&ran, "fail"), Vec::<String>::new(), "{line}");
        let told = one(&ran, "config_valid");
        assert_eq!(told["location"], "/etc/ssh/sshd_config:1", "{line}");
        let message = told["message"].as_str().expect("text");
        assert!(
            message.contains("11.2") && message.contains("10.6"),
            "{message}"
        );
    }
    let lab = lab(GOOD);
    lab.shell("echo 'OpenSSH_11.2p1' > usr/sbin/sshd");
    let told = one(&check(&lab).expect(0), "config_valid");
    let message = told["message"].as_str().expect("text");
    assert!(
        message.contains("11.2") && message.contains("10.6"),
        "{message}"
    );
}

/// With `sshd_explicit` a line that closes it stands, whichever of the keywords it is for.
#[test]
fn one_of_several_lines_that_stands_is_enough() {
    for (old, new, failed) in [
        ("AllowGroups admin", "DenyUsers bob", None),
        ("X11Forwarding no", "DisableForwarding yes", None),
        ("AllowTcpForwarding no", "DisableForwarding yes", None),
        (
            "PasswordAuthentication no\nKbdInteractiveAuthentication no",
            "AuthenticationMethods publickey",
            None,
        ),
        (
            "X11Forwarding no",
            "DisableForwarding no",
            Some("x11_forwarding"),
        ),
        ("X11Forwarding no", "", Some("x11_forwarding")),
    ] {
        let lab = lab(&GOOD.replace(old, new));
        lab.shell("echo 'OpenSSH_10.0p1' > usr/sbin/sshd");
        lab.profile("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings]\nsshd_explicit = true\n");
        let failing = ids(&check(&lab), "fail");
        for check in [
            "limit_user_access",
            "x11_forwarding",
            "allow_tcp_forwarding",
            "password_authentication",
        ] {
            let fails = failing.iter().any(|id| id == check);
            assert_eq!(fails, failed == Some(check), "{new}: {check}");
        }
    }
}

/// Every unit that starts an sshd is judged by its own command line.
#[test]
#[allow(clippy::too_many_lines)]
fn units_that_start_another_sshd() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGSVQ2zVwZcZBsfUpm9HVCLSInfpB6jfWfxyuZTKaBNn";
    let unit = |path: &str, command: &str| {
        format!("cat > {path} <<'END'\n[Service]\nExecStart={command}\nEND\n")
    };
    let (back, template) = (
        "etc/systemd/system/back.service",
        "usr/lib/systemd/system/sshd@.service",
    );
    for (change, failed) in [
        (unit(template, "-/usr/sbin/sshd -i"), None),
        (
            unit(back, "/usr/sbin/sshd -D -o \"PermitRootLogin yes\" -p 2222"),
            Some(("permit_root_login", "sshd back.service")),
        ),
        (
            unit(back, "/bin/sh -c \"exec /usr/sbin/sshd -D -f /etc/other\"")
                + "echo PasswordAuthentication yes > etc/other",
            Some(("password_authentication", "sshd back.service")),
        ),
        (
            unit(back, "/usr/sbin/sshd -D -f /etc/none"),
            Some(("config_valid", "sshd back.service")),
        ),
        (
            unit(
                "usr/lib/systemd/system/back.service",
                "/usr/sbin/sshd -D -f /etc/none",
            ) + "ln -s /dev/null etc/systemd/system/back.service",
            None,
        ),
        (
            unit(
                template,
                "-/usr/sbin/sshd -i -o PermitRootLogin=yes -o \"AuthorizedKeysFile /etc/keys\"",
            ) + &format!("echo '{key}' > etc/keys"),
            Some(("root_authorized_keys", "/etc/keys")),
        ),
        (
            unit(
                back,
                "/bin/true\nExecStartPost=/usr/sbin/sshd -p 2222 -o PermitRootLogin=yes",
            ),
            Some(("permit_root_login", "sshd back.service")),
        ),
        (
            unit(
                back,
                "/bin/true\nExecStartPre=/usr/sbin/sshd -p 2222 -o PermitRootLogin=yes",
            ),
            None,
        ),
        (
            unit(back, "/usr/local/bin/foo -D -o PermitRootLogin=yes")
                + "mkdir -p usr/local/bin; ln -s ../../sbin/sshd usr/local/bin/foo",
            Some(("permit_root_login", "sshd back.service")),
        ),
        (
            unit(
                back,
                "/usr/bin/bash -lc \"exec /usr/sbin/sshd -D -o PermitRootLogin=yes\"",
            ),
            Some(("permit_root_login", "sshd back.service")),
        ),
        (
            unit(back, "/usr/sbin/sshd -D $SSHD_OPTS")
                + "mkdir etc/systemd/system.conf.d; printf '[Manager]\\nDefaultEnvironment=SSHD_OPTS=-oPermitRootLogin=yes\\n' > etc/systemd/system.conf.d/x.conf",
            Some(("permit_root_login", "sshd back.service")),
        ),
        (
            unit(back, "/usr/sbin/sshd -D $SSHD_OPTS")
                + "mkdir etc/kernel; echo 'ro systemd.setenv=SSHD_OPTS=-oPermitRootLogin=yes' > etc/kernel/cmdline",
            Some(("permit_root_login", "sshd back.service")),
        ),
        (
            format!(
                "sed -i s/PermitRootLogin.*/PermitRootLogin=prohibit-password/ etc/ssh/sshd_config; mkdir -p etc/credstore; echo '{key}' > etc/credstore/ssh.authorized_keys.root"
            ),
            Some((
                "root_authorized_keys",
                "/etc/credstore/ssh.authorized_keys.root",
            )),
        ),
    ] {
        let lab = lab(GOOD);
        lab.shell("mkdir -p usr/lib/systemd/system etc/systemd/system");
        lab.shell(&change);
        let ran = check(&lab);
        let found: Vec<(String, String)> = ran
            .findings()
            .into_iter()
            .filter(|finding| finding["verdict"] == "fail")
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().expect("text").to_owned();
                (text("check").replace("sshd.", ""), text("subject"))
            })
            .collect();
        match failed {
            None => assert_eq!(found, [], "{change}"),
            Some((check, subject)) => assert!(
                found.contains(&(check.to_owned(), subject.to_owned())),
                "{change}: {found:?}"
            ),
        }
    }
}

/// Thousands of blocks and a list of a hundred thousand users are judged, and judged rightly.
#[test]
fn many_match_blocks() {
    let names: Vec<String> = (0..100_000).map(|n| format!("u{n}")).collect();
    let mut config = format!(
        "{GOOD}Match User {}\nPermitRootLogin yes\n",
        names.join(",")
    );
    for name in &names[..20_000] {
        config.push_str(&format!("Match User {name}\nPermitRootLogin yes\n"));
    }
    check(&lab(&config)).expect(0);
    config.push_str("Match User root\nPermitRootLogin yes\n");
    let ran = check(&lab(&config)).expect(1);
    assert_eq!(failed_subjects(&ran), ["sshd Match User root"]);
}

/// Subjects of the failures.
fn failed_subjects(ran: &Ran) -> Vec<String> {
    let failures = ran
        .findings()
        .into_iter()
        .filter(|f| f["verdict"] == "fail");
    failures
        .map(|finding| finding["subject"].as_str().expect("text").to_owned())
        .collect()
}
