//! `accounts.sudo_nopasswd` where rules combine, and which programs and files decide.

use super::sudo::{failed, policy};
use super::{check, told};
use harness::{private, shell};
use std::fmt::Write;
use std::path::Path;

/// Rules, aliases and settings that combine: who is let through by the last rule that is about them.
#[test]
fn rules_that_combine() {
    let mut wrong = String::new();
    let chain: String = (0..200)
        .map(|n| format!("User_Alias A{n} = A{}\n", n + 1))
        .collect();
    let deep = format!("{chain}User_Alias A200 = ann\nA0 ALL=NOPASSWD: ALL\n");
    for (text, expected) in [
        (
            "ann ALL=(ALL) NOPASSWD: ALL\nALL, !%ops ALL=(ALL) ALL\n",
            &["ann"][..],
        ),
        (
            "ann ALL=(ALL) NOPASSWD: ALL\n!ann, ALL ALL=(ALL) ALL\n",
            &[],
        ),
        // Of those in ops ann alone is let through.
        (
            "%ops ALL=(ALL) NOPASSWD: ALL\n%ops, !ann ALL=(ALL) ALL\n",
            &["ann"],
        ),
        (
            "ALL ALL=(ALL) NOPASSWD: ALL\n%ops ALL=(ALL) ALL\n",
            &["ALL"],
        ),
        (&deep, &["ann"]),
        // Whose members are themselves turned round.
        (
            "User_Alias A = ALL, !B\nUser_Alias B = ALL, !ann\nA ALL=NOPASSWD: ALL\n",
            &["ann"],
        ),
        // Commands: what is left of a pattern, of a directory, of arguments.
        ("ann ALL=NOPASSWD: /opt/*\nann ALL=/opt/a\n", &["ann"]),
        ("ann ALL=NOPASSWD: /opt/a\nann ALL=/opt/*\n", &[]),
        ("ann ALL=NOPASSWD: /opt/a\nann ALL=/opt/\n", &[]),
        ("ann ALL=NOPASSWD: /opt/a\nann ALL=/opt/a -x\n", &["ann"]),
        ("ann ALL=NOPASSWD: /opt/a -x\nann ALL=/opt/a\n", &[]),
        (
            "ann ALL=NOPASSWD: /opt/a\nann ALL=sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== /opt/a\n",
            &["ann"],
        ),
        (
            "Cmnd_Alias C = ALL, !/opt/a\nann ALL=NOPASSWD: C\nann ALL=ALL, C\n",
            &[],
        ),
        // As whom.
        ("ann ALL=(ann) NOPASSWD: ALL\n", &[]),
        ("ann ALL=(bob) NOPASSWD: ALL\n", &["ann"]),
        ("ann ALL=(:adm) NOPASSWD: ALL\n", &["ann"]),
        ("ann ALL=(:ops) NOPASSWD: ALL\n", &[]),
        (
            "ann ALL=(ALL, !root) NOPASSWD: ALL\nann ALL=(ALL) ALL\n",
            &[],
        ),
        (
            "ann ALL=(ALL:ALL) NOPASSWD: ALL\nann ALL=(ALL:adm) ALL\n",
            &["ann"],
        ),
        (
            "ann ALL=(ALL:adm) NOPASSWD: ALL\nann ALL=(ALL:ALL) ALL\n",
            &[],
        ),
        (
            "Defaults runas_default=bob\nann ALL=NOPASSWD: ALL\nann ALL=(bob) ALL\n",
            &[],
        ),
        // Settings, and tags over them.
        (
            "Defaults !authenticate\nDefaults:ann authenticate\nann ALL=(ALL) ALL\n",
            &[],
        ),
        (
            "Defaults:ann authenticate\nDefaults !authenticate\nann ALL=(ALL) ALL\n",
            &["ann"],
        ),
        ("Defaults !authenticate\nann ALL=(ALL) PASSWD: ALL\n", &[]),
        (
            "Defaults exempt_group=ops\nann ALL=(ALL) PASSWD: ALL\n",
            &["ann"],
        ),
        (
            "Defaults exempt_group=ops\nDefaults>root !exempt_group\nann ALL=(root) ALL\n",
            &[],
        ),
        ("Defaults>bob !authenticate\nann ALL=(root) ALL\n", &[]),
        (
            "Defaults!/opt/a !authenticate\nann ALL=(root) /opt/b\n",
            &[],
        ),
        // On some host.
        ("ann web1=NOPASSWD: ALL\nann ALL=ALL\n", &[]),
        ("ann ALL=NOPASSWD: ALL\nann web1=ALL\n", &["ann"]),
        (
            "Host_Alias H = ALL, !web1\nann web1=NOPASSWD: ALL\nann H=ALL\n",
            &["ann"],
        ),
        ("Defaults@web1 !authenticate\nann web2=ALL\n", &[]),
        ("ann 10.0.0.0/8=NOPASSWD: ALL\n", &["ann"]),
        // Without a plugin nobody is in such a group.
        ("%:ops ALL=NOPASSWD: ALL\n", &[]),
        (
            "Defaults group_plugin=\"x.so\"\n%:ops ALL=NOPASSWD: ALL\n",
            &["%:ops"],
        ),
    ] {
        let ran = check(&policy(text), "accounts");
        let found: Vec<String> = told(&ran, "fail")
            .iter()
            .map(|told| told.replace("sudo_nopasswd ", ""))
            .collect();
        if found != expected
            || told(&ran, "unknown")
                .iter()
                .any(|told| told.starts_with("sudo"))
        {
            writeln!(
                wrong,
                "{}{found:?}",
                &text[text.len().saturating_sub(200)..]
            )
            .expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Nobody can tell from a tree who is in a netgroup: where that decides, the verdict is not told for certain.
#[test]
fn netgroups_leave_it_open() {
    for (text, verdict) in [
        (
            "ann ALL=(ALL) NOPASSWD: ALL\n+staff ALL=(ALL) ALL\n",
            "unknown",
        ),
        (
            "ann ALL=(ALL) ALL\nDefaults:+staff !authenticate\n",
            "unknown",
        ),
        ("+staff ALL=(ALL) NOPASSWD: ALL\n", "fail"),
        ("+staff ALL=(ALL) ALL\n", "pass"),
    ] {
        let lab = policy(text);
        let found = told(&check(&lab, "accounts"), verdict);
        assert!(
            found.iter().any(|told| told.starts_with("sudo_nopasswd")),
            "{text}: {found:?}"
        );
    }
}

/// Which files count: those that the program reads, and trusts.
#[test]
fn which_program_and_which_files() {
    let root_only = "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n";
    let open = "echo 'ann ALL=(ALL) NOPASSWD: ALL'";
    let rs = "mkdir -p usr/bin usr/lib/cargo/bin etc/alternatives; touch usr/lib/cargo/bin/sudo; ln -s /etc/alternatives/sudo usr/bin/sudo; ln -s /usr/lib/cargo/bin/sudo etc/alternatives/sudo";
    let ws = "mkdir -p usr/bin etc/alternatives; touch usr/bin/sudo.ws; ln -s /etc/alternatives/sudo usr/bin/sudo; ln -s /usr/bin/sudo.ws etc/alternatives/sudo";
    let drop_in = format!("{open} > etc/sudoers.d/x; chmod 440 etc/sudoers.d/x");
    let (permit, unix) = (
        "echo 'auth sufficient pam_permit.so'",
        "echo 'auth required pam_unix.so'",
    );
    let empower = "mkdir -p usr/share/polkit-1/rules.d; printf '// why\\npolkit.addRule(function(action, subject) {\\n if (subject.isInGroup(\"empower\")) {\\n return polkit.Result.YES;\\n }\\n});\\n' > usr/share/polkit-1/rules.d/empower.rules";
    let mut wrong = String::new();
    for (line, expected) in [
        (drop_in.clone(), "fail ann"),
        (format!("{drop_in}; chmod 660 etc/sudoers.d/x"), "fail ann"),
        (format!("{drop_in}; chgrp 5 etc/sudoers.d/x; chmod 660 etc/sudoers.d/x"), "pass sudoers"),
        (format!("{drop_in}; chmod 442 etc/sudoers.d/x"), "pass sudoers"),
        (format!("{drop_in}; chown 5 etc/sudoers.d/x"), "pass sudoers"),
        (format!("{drop_in}; chmod 777 etc/sudoers.d"), "pass sudoers"),
        (format!("{open} > etc/sudoers; chmod 666 etc/sudoers"), "pass sudoers"),
        // sudo.conf
        (format!("{open} > etc/x; echo 'Plugin sudoers_policy /usr/lib/sudo/sudoers.so sudoers_file=/etc/x' > etc/sudo.conf"), "fail ann"),
        (format!("{open} > etc/x; echo '#Plugin sudoers_policy sudoers.so sudoers_file=/etc/x' > etc/sudo.conf"), "pass sudoers"),
        (format!("{open} > etc/sudoers; echo 'root ALL=ALL' > etc/x; echo 'Plugin sudoers_policy sudoers.so sudoers_file=/etc/x' > etc/sudo.conf"), "pass sudoers"),
        (format!("{drop_in}; chown 5 etc/sudoers.d/x etc/sudoers.d etc/sudoers; echo 'Plugin sudoers_policy sudoers.so sudoers_uid=5' > etc/sudo.conf"), "fail ann"),
        ("echo 'Plugin pair_policy sudo_pair.so' > etc/sudo.conf".into(), "unknown sudoers"),
        ("echo 'root ALL=ALL' > etc/x; echo 'Plugin sudoers_policy sudoers.so sudoers_file=/etc/y:/etc/x' > etc/sudo.conf".into(), "unknown sudoers"),
        (format!("{open} > etc/x; echo 'Plugin sudoers_policy /opt/sudoers.so' > etc/sudo.conf"), "unknown sudoers"),
        // sudo-rs
        (format!("{open} > etc/sudoers-rs"), "fail ann"),
        (format!("{rs}; {open} > etc/sudoers-rs"), "fail ann"),
        (format!("{ws}; {open} > etc/sudoers-rs"), "pass sudoers"),
        (format!("{ws}; {open} > etc/sudoers-rs; mkdir -p usr/lib/cargo/bin; install -m 4755 /dev/null usr/lib/cargo/bin/sudo"), "fail ann"),
        (format!("{rs}; {open} > etc/sudoers; cp /dev/null etc/sudoers-rs"), "pass sudoers"),
        (format!("{rs}; {open} > etc/sudoers; ln -s gone etc/sudoers-rs"), "fail ann"),
        (format!("{rs}; echo 'Defaults !authenticate' > etc/sudoers; echo 'ann ALL=(ALL) ALL' >> etc/sudoers"), "pass sudoers"),
        (format!("{rs}; {open} > etc/sudoers; echo 'ann, +net ALL=(ALL) ALL' >> etc/sudoers"), "fail ann"),
        (format!("{rs}; {open} > etc/sudoers; echo 'ann ALL=(ALL) /bin/a *x, ALL' >> etc/sudoers"), "fail ann"),
        // doas
        ("echo 'permit nopass :ops' > etc/doas.conf".into(), "fail doas %ops"),
        ("echo 'permit nopass ann as bob cmd /bin/x args' > etc/doas.conf".into(), "fail doas ann"),
        ("printf 'permit nopass ann\\npermit :ops\\n' > etc/doas.conf".into(), "pass sudoers"),
        ("printf 'permit nopass ann\\ndeny ann\\n' > etc/doas.conf".into(), "pass sudoers"),
        ("echo 'permit persist ann' > etc/doas.conf".into(), "pass sudoers"),
        ("echo 'permit nopass ann' > etc/doas.conf; chmod 666 etc/doas.conf".into(), "pass sudoers"),
        // With a syntax error doas does nothing for anybody.
        ("echo 'permitt nopass ann' > etc/doas.conf".into(), "pass sudoers"),
        ("echo 'permit nopass persist ann' > etc/doas.conf".into(), "pass sudoers"),
        ("echo 'permit \"nopass\" ann' > etc/doas.conf".into(), "pass sudoers"),
        // PAM
        (format!("{unix} > etc/pam.d/sudo"), "pass sudoers"),
        (format!("{permit} > etc/pam.d/sudo; {unix} >> etc/pam.d/sudo"), "fail ALL"),
        (format!("{permit} > etc/pam.d/sudo-i; {unix} > etc/pam.d/sudo"), "fail ALL"),
        (format!("{permit} > etc/pam.d/other2; {unix} > etc/pam.d/sudo"), "pass sudoers"),
        (format!("{permit} > etc/pam.d/other2; {unix} > etc/pam.d/sudo; echo 'Defaults pam_service=other2' >> etc/sudoers"), "fail ALL"),
        (format!("{permit} > etc/pam.d/other2; {unix} > etc/pam.d/sudo; echo 'Defaults:ann pam_login_service=other2' >> etc/sudoers"), "fail ALL"),
        (format!("{permit} > etc/pam.d/other"), "fail ALL"),
        ("printf 'auth sufficient pam_own.so\nauth required pam_unix.so\n' > etc/pam.d/sudo".into(), "unknown sudoers"),
        (format!("{permit} > etc/pam.d/doas; {unix} > etc/pam.d/sudo; echo 'permit ann' > etc/doas.conf"), "fail doas ALL"),
        // polkit
        (empower.into(), "pass sudoers"),
        (format!("{empower}; echo 'empower:x:900:ann' >> etc/group"), "fail polkit %empower"),
        ("mkdir -p etc/polkit-1/rules.d; echo 'polkit.addRule(function(a, s) { return ask(s) ? polkit.Result.YES : null; });' > etc/polkit-1/rules.d/x.rules".into(), "unknown sudoers"),
    ] {
        let lab = policy(root_only);
        lab.shell(&line);
        let ran = check(&lab, "accounts");
        let mut found: Vec<String> = Vec::new();
        for verdict in ["fail", "unknown", "pass"] {
            let told = told(&ran, verdict);
            let told = told.iter().filter_map(|told| told.strip_prefix("sudo_nopasswd "));
            found.extend(told.map(|subject| format!("{verdict} {subject}")));
        }
        if found != [expected] {
            writeln!(wrong, "{line}\n  {found:?}, not {expected}").expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Which lines of sudo.conf(5) count, as sudo itself reads it.
#[test]
fn as_sudo_reads_its_configuration() {
    const OWN: &str = "Plugin sudoers_policy sudoers.so";
    const OPEN: &str = "sudoers_file=/etc/sudoers.d/open.x";
    const MAIN: &str = "sudoers_file=/etc/sudoers";
    let mut wrong = String::new();
    for (conf, open) in [
        (format!("{OWN} {OPEN}"), true),
        (format!("plugin\tsudoers_policy sudoers.so {OPEN}"), true),
        (format!("{OWN} {OPEN}\n{OWN} {MAIN}"), true),
        (format!("{OWN} {MAIN}\n{OWN} {OPEN}"), false),
        (format!("{OWN}\n{OWN} {OPEN}"), false),
        (
            format!("Plugin sudoers_audit sudoers.so {OPEN}\n{OWN} {MAIN}"),
            true,
        ),
        (
            format!("{OWN} {OPEN}\nPlugin sudoers_audit sudoers.so"),
            false,
        ),
        (
            format!("{OWN} {OPEN}\nPlugin sudoers_io sudoers.so {MAIN}"),
            true,
        ),
        (format!("Plugin sudoers_io sudoers.so {OPEN}\n{OWN}"), false),
        (
            format!("Plug\\\n  in sudoers_policy sudoers.so \\\n{OPEN}"),
            true,
        ),
        (format!("{OWN} {OPEN} \\"), true),
        (format!("{OWN} {MAIN} {OPEN}"), true),
        (format!("{OWN} # {OPEN}"), false),
    ] {
        let lab = policy("ann ALL=ALL\n");
        let version = shell(Path::new("/"), "dpkg-query -W -f '${Version}' sudo");
        lab.shell(&format!("mkdir -p var/lib/dpkg; printf 'Package: sudo\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: {version}\\n\\n' > var/lib/dpkg/status; echo 'ann ALL=(ALL) NOPASSWD: ALL' > etc/sudoers.d/open.x; chmod 440 etc/sudoers.d/open.x"));
        std::fs::write(lab.root().join("etc/sudo.conf"), &conf).expect("written");
        let asks = private(
            &lab.root(),
            "chown -R 0:0 etc; chmod 644 etc/passwd etc/group etc/sudo.conf
             for file in passwd shadow group sudoers sudoers.d sudo.conf; do mount --bind etc/$file /etc/$file; done
             if setpriv --reuid=1000 --regid=1000 --init-groups sudo -n /bin/true 2>/dev/null; then echo open; fi",
            &[],
        )
        .expect(0)
        .stdout;
        if (asks.trim() == "open") != open || (failed(&lab) == ["ann"]) != open {
            writeln!(wrong, "{conf}: sudo {asks:?}, {:?}", failed(&lab)).expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Before 1.9.14 a rule without a Runas list is about root with any group.
#[test]
fn the_version_of_sudo_decides_about_groups() {
    let lab = policy("ann ALL=NOPASSWD: ALL\nann ALL=(ALL) ALL\n");
    assert_eq!(failed(&lab), [""; 0]);
    lab.shell("mkdir -p var/lib/dpkg; printf 'Package: sudo\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 1.9.13p3-1\\n\\n' > var/lib/dpkg/status");
    assert_eq!(failed(&lab), ["ann"]);
}

/// What is larger than any real policy ends in time, and says so.
#[test]
fn large_policies_end() {
    let lab = policy("");
    for (line, verdict) in [
        (
            "for i in {1..40000}; do echo \"u$i ALL=(ALL) ALL\"; done; echo 'ann ALL=NOPASSWD: ALL'",
            "fail ann",
        ),
        (
            "printf 'User_Alias A = '; for i in {1..100001}; do printf '!u, '; done; printf 'ann\\nA ALL=NOPASSWD: ALL\\n'",
            "fail ann",
        ),
        (
            "printf 'ann ALL=NOPASSWD: /bin/'; head -c 1500000 /dev/zero | tr '\\0' x; echo",
            "fail ann",
        ),
        (
            "for i in {1..9000}; do echo \"ann ALL=(u$i) NOPASSWD: /bin/$i*\"; done",
            "unknown sudoers",
        ),
        ("printf 'ann ALL=\\0NOPASSWD: ALL\\n'", "unknown sudoers"),
    ] {
        lab.shell(&format!("( {line} ) > etc/sudoers"));
        let (status, subject) = verdict.split_once(' ').expect("two words");
        let found = told(&check(&lab, "accounts"), status);
        assert!(
            found.contains(&format!("sudo_nopasswd {subject}")),
            "{line}: {found:?}"
        );
    }
}
