//! `accounts.sudo_nopasswd`: as sudo itself reads its policy, and as it decides.

use super::{check, told, tree};
use harness::{Lab, private, run, shell};
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// The tree with this policy.
pub(crate) fn policy(text: &str) -> Lab {
    let lab = tree();
    lab.shell("mkdir -m 750 etc/sudoers.d; echo 'ops:x:200:ann' >> etc/group; echo 'ann:x:1000:' >> etc/group");
    fs::write(lab.root().join("etc/sudoers"), text).expect("written");
    lab.shell("chmod 440 etc/sudoers");
    lab
}

/// Principals of failed findings, without the id.
pub(crate) fn failed(lab: &Lab) -> Vec<String> {
    told(&check(lab, "accounts"), "fail")
        .iter()
        .map(|told| told.replace("sudo_nopasswd ", ""))
        .collect()
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn one_policy_one_verdict() {
    let mut wrong = String::new();
    for (text, expected) in [
        ("root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n", &[][..]),
        ("root ALL=(ALL:ALL) NOPASSWD: ALL\n", &[]),
        ("#0 ALL=NOPASSWD: ALL\n", &[]),
        ("ann ALL=(ALL) NOPASSWD:ALL\n", &["ann"]),
        ("ann ALL = NOPASSWD : ALL\n", &["ann"]),
        ("#1000 ALL=NOPASSWD: ALL\n", &["ann"]),
        ("#1234 ALL=NOPASSWD: ALL\n", &["#1234"]),
        ("%#200 ALL=NOPASSWD: ALL\n", &["%ops"]),
        ("%ops ALL=NOPASSWD: ALL\n", &["%ops"]),
        ("+net ALL=NOPASSWD: ALL\n", &["+net"]),
        ("\"%domain users\" ALL=NOPASSWD: ALL\n", &["%domain users"]),
        ("%domain\\ users ALL=NOPASSWD: ALL\n", &["%domain users"]),
        ("# ann ALL=NOPASSWD: ALL\n", &[]),
        ("ann ALL=ALL # NOPASSWD: ALL\n", &[]),
        // A backslash carries a line on, and a comment it does not.
        ("ann ALL = \\\n  NOPASSWD: \\\n  ALL\n", &["ann"]),
        ("# carried on \\\nann ALL=NOPASSWD: ALL\n", &["ann"]),
        // Tags carry on along a list, and no further.
        ("ann ALL=NOPASSWD: /bin/ls, PASSWD: /bin/cat\n", &["ann"]),
        ("ann ALL=PASSWD: /bin/ls, /bin/cat\n", &[]),
        ("ann ALL=PASSWD: /bin/ls : ALL=/bin/cat\n", &[]),
        ("ann ALL=SETENV:NOPASSWD:NOEXEC: /bin/ls\n", &["ann"]),
        ("ann ALL=NOPASSWD: !/bin/ls\n", &[]),
        ("ann ALL=NOPASSWD: !!/bin/ls\n", &["ann"]),
        // Of rules that fit the last decides.
        ("ann ALL=NOPASSWD: ALL\nann ALL=ALL\n", &[]),
        ("ann ALL=(ALL) NOPASSWD: ALL\nann ALL=ALL\n", &["ann"]),
        ("ann ALL=NOPASSWD: ALL\nann ALL=(ALL) ALL\n", &[]),
        ("ann ALL=NOPASSWD: /bin/ls\nALL ALL=(ALL) ALL\n", &[]),
        // ann is in ops.
        ("ann ALL=NOPASSWD: /bin/ls\n%ops ALL=(ALL) ALL\n", &[]),
        ("ann ALL=NOPASSWD: /bin/ls\nann ALL=/bin/ls\n", &[]),
        ("ann ALL=NOPASSWD: /bin/ls\nann ALL=/bin/cat\n", &["ann"]),
        ("ann ALL=NOPASSWD: ALL\nann ALL=(ALL) !ALL\n", &[]),
        ("ann ALL=(ALL) ALL\nann ALL=NOPASSWD: ALL\n", &["ann"]),
        (
            "ann ALL=NOPASSWD: ALL\nann ALL=(ALL) NOTAFTER=20200101 ALL\n",
            &["ann"],
        ),
        ("ann ALL=NOPASSWD: ALL\nann other=(ALL) ALL\n", &["ann"]),
        // Aliases, negation.
        (
            "User_Alias A = ann, %ops : B = bob\nA ALL=NOPASSWD: ALL\n",
            &["%ops", "ann"],
        ),
        (
            "User_Alias A = ann, bob\nALL, !A ALL=NOPASSWD: ALL\n",
            &["ALL"],
        ),
        (
            "User_Alias A = ann, bob\nann, carl, !A ALL=NOPASSWD: ALL\n",
            &["carl"],
        ),
        (
            "User_Alias A = B\nUser_Alias B = A\nA ALL=NOPASSWD: ALL\n",
            &[],
        ),
        (
            "Cmnd_Alias C = /bin/a, !/bin/b\nann ALL=NOPASSWD: C\n",
            &["ann"],
        ),
        ("Cmnd_Alias C = !/bin/b\nann ALL=NOPASSWD: C\n", &[]),
        // Settings.
        ("Defaults !authenticate\n", &["ALL"]),
        ("Defaults env_reset, !authenticate\n", &["ALL"]),
        ("Defaults !authenticate\nDefaults authenticate\n", &[]),
        ("Defaults:ann !authenticate\n", &["ann"]),
        (
            "Defaults:ann !authenticate\nDefaults:ann authenticate\n",
            &[],
        ),
        ("Defaults:%ops !authenticate\n", &["%ops"]),
        ("Defaults>root !authenticate\n", &["Defaults>root"]),
        ("Defaults!/bin/ls !authenticate\n", &["Defaults!/bin/ls"]),
        (
            "Defaults secure_path=\"/sbin:/bin\", exempt_group=ops\n",
            &["%ops"],
        ),
        ("Defaults badpass_message=\"!authenticate\"\n", &[]),
        ("Defaultsx ALL=NOPASSWD: ALL\n", &["Defaultsx"]),
        // Digests, options, patterns, arguments.
        (
            "ann ALL=(root) CWD=/ NOPASSWD: sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== /bin/ls -l a\\,b, /bin/cat ^x$\n",
            &["ann"],
        ),
        ("ann ALL=NOPASSWD: sudoedit /etc/motd\n", &["ann"]),
        ("ann 10.0.0.0/8, fe80::1, h* = NOPASSWD: ALL\n", &["ann"]),
    ] {
        let found = failed(&policy(text));
        if found != expected {
            writeln!(wrong, "{text}{found:?}").expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn includes() {
    let mut wrong = String::new();
    let rule = "echo 'ann ALL=NOPASSWD: ALL' > etc/sudoers.d";
    for (text, line, expected) in [
        (
            "@includedir /etc/sudoers.d\n",
            format!("{rule}/90-cloud-init-users"),
            &["ann"][..],
        ),
        (
            "#includedir /etc/sudoers.d\n",
            format!("{rule}/90-x"),
            &["ann"],
        ),
        (
            "#includedir /etc/sudoers.d \n",
            format!("{rule}/90-x"),
            &["ann"],
        ),
        ("# includedir /etc/sudoers.d\n", format!("{rule}/90-x"), &[]),
        (" #includedir /etc/sudoers.d\n", format!("{rule}/90-x"), &[]),
        (
            " @includedir /etc/sudoers.d\n",
            format!("{rule}/90-x"),
            &["ann"],
        ),
        (
            "@includedir /etc/sudoers.d\n",
            format!("{rule}/90.conf"),
            &[],
        ),
        ("@includedir /etc/sudoers.d\n", format!("{rule}/90~"), &[]),
        (
            "@includedir /etc/sudoers.d\n",
            format!(
                "{rule}/x; ln -s /no etc/sudoers.d/a; mkdir etc/sudoers.d/b; mkfifo etc/sudoers.d/c"
            ),
            &["ann"],
        ),
        ("@include sudoers.d/a.b\n", format!("{rule}/a.b"), &["ann"]),
        (
            "@include \"sudoers.d/a b\"\n",
            format!("{rule}/'a b'"),
            &["ann"],
        ),
        (
            "@include sudoers.d/a\\ b\n",
            format!("{rule}/'a b'"),
            &["ann"],
        ),
        // What is included later decides.
        (
            "ann ALL=NOPASSWD: ALL\n@includedir sudoers.d\n",
            "echo 'ann ALL=(ALL) ALL' > etc/sudoers.d/x".into(),
            &[],
        ),
        (
            "@includedir sudoers.d\nann ALL=(ALL) ALL\n",
            format!("{rule}/x"),
            &[],
        ),
    ] {
        let lab = policy(text);
        lab.shell(&line);
        let found = failed(&lab);
        if found != expected {
            writeln!(wrong, "{text}{line}\n{found:?}").expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_profile_names_who_may() {
    let lab = policy("ann ALL=(ALL) NOPASSWD:ALL\n%ops ALL=NOPASSWD: /bin/ls -l secret\n");
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"accounts.sudo_nopasswd\"]\ndemand = [\"ann\"]\n");
    let ran = check(&lab, "accounts");
    let finding = ran.one("accounts.sudo_nopasswd", "%ops");
    assert_eq!(finding["location"], "/etc/sudoers:2");
    assert_eq!(finding["observed"]["value"], serde_json::json!(["/bin/ls"]));
    assert!(!ran.stdout.contains("secret"), "arguments were told");
    lab.shell("sed -i 2d etc/sudoers");
    let finding = check(&lab, "accounts")
        .expect(0)
        .one("accounts.sudo_nopasswd", "sudoers");
    assert_eq!(finding["verdict"], "pass");
}

/// What visudo refuses is `unknown` here, and nothing else is.
#[test]
#[allow(clippy::too_many_lines)]
fn lines_that_sudo_does_not_understand() {
    let mut wrong = String::new();
    for line in [
        "ann ALL=ALL",
        "ann ALL",
        "ann ALL=",
        "ann = ALL",
        "ALL ALL=(ALL:ALL) ALL",
        "ann ALL=(ALL ALL",
        "ann ALL=() ALL",
        "ann ALL=(:ops) ALL",
        "ann ALL=(:) ALL",
        "ann ALL=NOPASSWD ALL",
        "ann ALL=NOPASWD: ALL",
        "ann ALL=/bin/ls,",
        "ann, ALL=ALL",
        "ann ALL=ls",
        "ann ALL=sudoedit",
        "ann ALL=sudoedit /etc/x",
        "ann ALL=/bin/",
        "ann ALL=/bin/ls ^-l$",
        "ann ALL=^/bin/.*$",
        "ann ALL=/bin/ls \"\"",
        "ann ALL=/bin/ls a\\=b",
        "ann ALL=/bin/ls a=b",
        "ann ALL=/bin/ls a:b",
        "User_Alias A = ann",
        "User_Alias a = ann",
        "User_Alias A ann",
        "User_Alias ALL = ann",
        "User_Alias A = ann : A = bob",
        "Host_Alias H = 10.0.0.0/8, h*, fe80::/10",
        "Cmnd_Alias C = /bin/ls -l, !/bin/cat",
        "Runas_Alias R = root, #33, %adm",
        "Defaults env_reset",
        "Defaults\tenv_reset",
        "Defaults env_keep += \"A B\"",
        "Defaults env_keep -= A",
        "Defaults:ann !lecture",
        "Defaults : ann !lecture",
        "Defaults: ann !lecture",
        "Defaults@h !lecture",
        "Defaults>root,#33 !lecture",
        "Defaults!/bin/ls !lecture",
        "Defaults secure_path=/bin:/sbin",
        "Defaults passprompt=\"a b",
        "Defaults =x",
        "% ALL=ALL",
        "\"a b\" ALL=ALL",
        "a\\ b ALL=ALL",
        "+n ALL=ALL",
        "#-1 ALL=ALL",
        "!ann ALL=ALL",
        "ann!x ALL=ALL",
        "ann ALL=ALL : h=ALL",
        "ann ALL=ALL :",
        "ann ALL=(root) ROLE=x TYPE=y NOPASSWD: ALL",
        "ann ALL=TIMEOUT=5m ALL",
        "ann ALL=NOTBEFORE=20200101000000Z ALL",
        "ann ALL=sha256:x /bin/ls",
        "ann (ALL)=ALL",
        "ann ALL=ALL ALL",
        "ann ALL=/bin/ls # why",
        "ann ALL=/bin/ls \\# why",
        "a\\x6en A\\LL=ALL",
        "Host_Alias \\x41=b",
        "\\%ops ALL=ALL",
        "\\% ALL=ALL",
        "ann ALL=(\\x72oot) /bin/l\\,s",
        "ann ALL=/bin/l\\x73",
        "ann ALL=/bin/ls\\*",
        "ann ALL=/bin/ls a\\*b a\\\\b",
        "ann ALL=/bin/ls a\\sb",
        "ann ALL=/bin/ls a\\\"b",
        "@include",
        "@bogus x",
    ] {
        let text = format!("{line}\n");
        let lab = policy(&text);
        let file = lab.root().join("etc/sudoers");
        let theirs = run(Command::new("visudo").args(["-c", "-f"]).arg(&file));
        let unknown = told(&check(&lab, "accounts"), "unknown");
        // The length of a digest is no matter here.
        let refused = unknown.contains(&"sudo_nopasswd sudoers".to_owned());
        if refused != (theirs.status != 0) && !line.contains("sha256:x") {
            writeln!(wrong, "{line}: refused here: {refused}").expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// sudo itself, run as ann under the policy, asks for a password or does not.
#[test]
fn as_sudo_itself_decides() {
    for (text, open) in [
        ("ann ALL=NOPASSWD: ALL", true),
        ("ann ALL=ALL", false),
        ("%ops ALL=NOPASSWD: ALL", true),
        ("%#200 ALL=NOPASSWD: ALL", true),
        ("#1000 ALL=NOPASSWD: ALL", true),
        ("ALL ALL=NOPASSWD: ALL", true),
        ("ALL, !ann ALL=NOPASSWD: ALL", false),
        ("ann ALL=NOPASSWD: ALL\nann ALL=ALL", false),
        ("ann ALL=NOPASSWD: /bin/true\nann ALL=/bin/cat", true),
        ("ann ALL=NOPASSWD: /bin/cat, PASSWD: ALL", false),
        ("ann ALL=NOPASSWD: /bin/cat, /bin/true", true),
        ("Defaults !authenticate\nann ALL=ALL", true),
        (
            "Defaults !authenticate\nDefaults authenticate\nann ALL=ALL",
            false,
        ),
        ("Defaults:ann !authenticate\nann ALL=ALL", true),
        (
            "Defaults:ann !authenticate\nDefaults authenticate\nann ALL=ALL",
            false,
        ),
        (
            "Defaults !authenticate\nDefaults:ann authenticate\nann ALL=ALL",
            false,
        ),
        ("Defaults>root !authenticate\nann ALL=ALL", true),
        ("Defaults!/bin/true !authenticate\nann ALL=ALL", true),
        ("Defaults exempt_group=ops\nann ALL=ALL", true),
        ("Defaults !authenticate\nann ALL=PASSWD: ALL", false),
        ("User_Alias A = ann\nA ALL=NOPASSWD: ALL", true),
        (
            "User_Alias A = B\nUser_Alias B = A\nA ALL=NOPASSWD: ALL",
            false,
        ),
        ("ann ALL=NOPASSWD: ALL\n@includedir /etc/sudoers.d", true),
        // Two digits behind a backslash are a byte, in quotes they are not.
        ("Defaults:\\x61nn !authenticate\nann ALL=ALL", true),
        ("Defaults exempt_group=o\\x70s\nann ALL=ALL", true),
        ("Defaults exempt_group=\"o\\x70s\"\nann ALL=ALL", false),
        ("%o\\x70s ALL=(\\x72oot) NOPASSWD: ALL", true),
        ("ann\\x00x ALL=NOPASSWD: ALL", true),
        ("\"\\x61nn\" ALL=NOPASSWD: ALL\nann ALL=ALL", false),
        ("ann ALL=NOPASSWD: ALL\n%ops, !\\x61nn ALL=PASSWD:ALL", true),
        // A sign behind a backslash is a letter.
        ("ann ALL=NOPASSWD: ALL\n\\%ops ALL=PASSWD:ALL", true),
        ("ann ALL=NOPASSWD: ALL\n\\x25ops ALL=PASSWD:ALL", true),
    ] {
        let lab = policy(&format!("{text}\n"));
        let asks = private(
            &lab.root(),
            "chown -R 0:0 etc; chmod 644 etc/passwd etc/group
             for file in passwd shadow group sudoers sudoers.d; do mount --bind etc/$file /etc/$file; done
             if setpriv --reuid=1000 --regid=1000 --init-groups sudo -n /bin/true 2>/dev/null; then echo open; fi",
            &[],
        )
        .expect(0)
        .stdout;
        assert_eq!(asks.trim() == "open", open, "sudo: {text}");
        let found = failed(&lab);
        // For everybody but ann: it is open, and not to ann.
        let others = text.starts_with("ALL, !ann")
            || text.contains("NOPASSWD: /bin/cat, PASSWD")
            || text.starts_with('"');
        // Who is asked only because a setting of hers wins over that for all.
        let hers = text.contains("Defaults:ann authenticate")
            || text.contains(" PASSWD: ALL")
            || text.contains("=PASSWD: ALL");
        assert_eq!(
            !found.is_empty() || hers,
            open || others || hers,
            "{text}: {found:?}"
        );
    }
}

#[test]
fn hostile_policies_end() {
    for line in [
        "echo '@include sudoers' > etc/sudoers",
        "echo '@includedir /etc/sudoers.d' > etc/sudoers; for i in a b c; do echo '@includedir /etc/sudoers.d' > etc/sudoers.d/$i; done",
        "head -c 3000000 /dev/urandom > etc/sudoers",
        "head -c 100000000 /dev/zero > etc/sudoers",
        "rm etc/sudoers; mkfifo etc/sudoers",
        "(echo -n u0; for i in {1..20000}; do echo -n \",u$i\"; done; echo -n ' ALL=NOPASSWD:/c0'; for i in {1..20000}; do echo -n \",/c$i\"; done; echo) > etc/sudoers",
        "for i in {1..60}; do echo \"User_Alias A$i = A$((i+1)), A$((i+1))\"; done > etc/sudoers; echo 'A1 ALL=NOPASSWD: ALL' >> etc/sudoers",
    ] {
        let lab = policy("");
        lab.shell(line);
        let unknown = told(&check(&lab, "accounts"), "unknown");
        let bounded = line.contains("User_Alias") || line.contains("20000");
        assert!(
            unknown.contains(&"sudo_nopasswd sudoers".to_owned()) || bounded,
            "{line}: {unknown:?}"
        );
    }
}

/// cvtsudoers of sudo finds the same lists and tags in a policy of a distribution.
#[test]
fn the_policy_that_sudo_ships() {
    let lab = tree();
    lab.shell("cp /etc/sudoers etc/sudoers; mkdir -p etc/sudoers.d; echo 'ann ALL=NOPASSWD: ALL, PASSWD: /bin/x' > etc/sudoers.d/90-x");
    assert_eq!(failed(&lab), ["ann"]);
    let theirs = shell(&lab.root(), "cvtsudoers -f json etc/sudoers.d/90-x");
    let json: serde_json::Value = serde_json::from_str(&theirs).expect("JSON");
    let specs = &json["User_Specs"][0]["Cmnd_Specs"];
    assert_eq!(specs[0]["Options"][0]["authenticate"], false);
    assert_eq!(specs[1]["Options"][0]["authenticate"], true);
}
