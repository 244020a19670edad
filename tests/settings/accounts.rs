//! `accounts.*`

use super::{check, told, tree};
use harness::shell;

#[test]
fn a_sound_tree_passes() {
    let ran = check(&tree(), "accounts").expect(0);
    assert_eq!(told(&ran, "pass").len(), 9, "{ran:#?}");
}

#[test]
#[allow(clippy::too_many_lines)]
fn one_change_one_verdict() {
    for (line, expected) in [
        (
            "sed -i 's/^ann:[^:]*/ann:/' etc/shadow",
            &["no_empty_passwords ann"][..],
        ),
        (
            "echo ghost:::::::: >> etc/shadow",
            &["no_empty_passwords ghost"],
        ),
        (
            "sed -i 's/^ann:x/ann:/' etc/passwd",
            &["no_empty_passwords ann", "all_shadowed ann"],
        ),
        ("sed -i 's/^root:[^:]*/root:!/' etc/shadow", &[]),
        (
            "sed -i 's/^root:[^:]*/root:nonsense/' etc/shadow",
            &["root_password_policy root"],
        ),
        (
            "sed -i 's/^root:[^:]*/root:/' etc/shadow",
            &["no_empty_passwords root", "root_password_policy root"],
        ),
        (
            "sed -i \"s|^ann:[^:]*|ann:$(openssl passwd -1 -salt abcdefgh secret)|\" etc/shadow",
            &["weak_hash ann"],
        ),
        (
            "sed -i \"s|^ann:x|ann:$(openssl passwd -5 -salt abcdefgh secret)|\" etc/passwd",
            &["all_shadowed ann"],
        ),
        (
            "echo 'toor:x:0:0::/root:/bin/sh' >> etc/passwd; echo 'toor:*:19000::::::' >> etc/shadow",
            &["only_root_uid0 toor"],
        ),
        (
            "echo 'toor:x:0:0::/root:/bin/sh' >> etc/passwd; echo 'toor:!:19000::::::' >> etc/shadow",
            &["only_root_uid0 toor"],
        ),
        (
            "printf 'toor:x:\\v0:0::/root:/bin/sh\\n' >> etc/passwd; echo 'toor:!:19000::::::' >> etc/shadow",
            &["only_root_uid0 toor"],
        ),
        ("printf '\\v+::::::\\n' >> etc/passwd", &["nis_plus +"]),
        (
            "sed -i '/^daemon/s|/usr/sbin/nologin|/opt/x/nologin|' etc/passwd",
            &["system_nologin daemon"],
        ),
        (
            "sed -i '/^daemon/s|/usr/sbin/nologin|/usr/sbin/../../tmp/nologin|' etc/passwd",
            &["system_nologin daemon"],
        ),
        (
            "echo 'sync:x:4:65534::/bin:/bin/sync' >> etc/passwd; echo 'sync:*:19000::::::' >> etc/shadow",
            &[],
        ),
        (
            "echo 'sync:x:4:65534::/bin:/bin/bash' >> etc/passwd; echo 'sync:*:19000::::::' >> etc/shadow",
            &["system_nologin sync"],
        ),
        (
            "echo 'toor:x:0:0::/root:/usr/sbin/nologin' >> etc/passwd; echo 'toor:!:19000::::::' >> etc/shadow",
            &[],
        ),
        (
            "echo 'toor:x:0:0::/root:/opt/nologin' >> etc/passwd; echo 'toor:!:19000::::::' >> etc/shadow",
            &["only_root_uid0 toor"],
        ),
        ("echo '+::::::' >> etc/passwd", &["nis_plus +"]),
        ("echo '+:::' >> etc/group", &["nis_plus +"]),
        (
            "sed -i \"s|^daemon:[^:]*|daemon:$(openssl passwd -6 -salt abcdefgh x)|\" etc/shadow",
            &["system_accounts_locked daemon"],
        ),
        (
            "sed -i '/^daemon/s|/usr/sbin/nologin|/bin/sh|' etc/passwd",
            &["system_nologin daemon"],
        ),
        (
            "sed -i '/^ann/s/1000:1000/400:400/' etc/passwd; echo 'UID_MIN 300' > etc/login.defs",
            &["system_accounts_locked ann"],
        ),
        (
            "sed -i '/^ann/s/:19000:/:99999:/' etc/shadow",
            &["password_change_in_past ann"],
        ),
    ] {
        let lab = tree();
        lab.shell(line);
        let ran = check(&lab, "accounts");
        assert_eq!(told(&ran, "fail"), expected, "{line}");
        assert!(
            !ran.stdout.contains("$6$") && !ran.stdout.contains("$1$"),
            "a hash was told: {ran:#?}"
        );
    }
}

#[test]
fn nullok_makes_an_empty_password_critical() {
    let lab = tree();
    lab.shell("sed -i 's/^ann:[^:]*/ann:/' etc/shadow; echo 'auth required pam_unix.so nullok' > etc/pam.d/common-auth");
    let finding = check(&lab, "accounts").one("accounts.no_empty_passwords", "ann");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["location"], "/etc/shadow:3");
}

#[test]
fn what_cannot_be_read_is_unknown() {
    for (line, id) in [
        ("rm etc/shadow", "no_empty_passwords accounts"),
        (
            "rm etc/shadow; mkfifo etc/shadow",
            "only_root_uid0 accounts",
        ),
    ] {
        let lab = tree();
        lab.shell(line);
        let ran = check(&lab, "accounts").expect(3);
        assert!(
            told(&ran, "unknown").contains(&id.to_owned()),
            "{line}: {ran:#?}"
        );
    }
    let lab = tree();
    lab.shell("rm etc/passwd");
    assert_eq!(
        told(&check(&lab, "accounts").expect(0), "not_applicable").len(),
        12
    );
}

/// As passwd(1) of the shadow suite sees the same fields, where it tells them apart.
#[test]
fn fields_as_passwd_sees_them() {
    let lab = tree();
    for (field, letter) in [("", "NP"), ("!", "L"), ("!$6$x", "L"), ("*", "L")] {
        lab.shell(&format!(
            "sed -i 's/^ann:[^:]*/ann:{}/' etc/shadow",
            field.replace('$', "\\$")
        ));
        let seen = shell(&lab.root(), "passwd -S -R \"$PWD\" ann | cut -d' ' -f2");
        assert_eq!(seen.trim(), letter, "{field}");
        let fails = told(&check(&lab, "accounts"), "fail");
        assert_eq!(
            fails.contains(&"no_empty_passwords ann".to_owned()),
            letter == "NP",
            "{field}"
        );
    }
}

#[test]
fn very_many_users_and_rubbish_end() {
    let lab = tree();
    lab.shell(
        "for i in {1..100000}; do echo \"u$i:x:$((i+2000)):100::/:/bin/sh\"; done >> etc/passwd
         for i in {1..100000}; do echo \"u$i:*:1::::::\"; done >> etc/shadow
         head -c 100000 /dev/urandom >> etc/group; printf '\\0\\0:\\n:::::::::::\\n' >> etc/passwd",
    );
    check(&lab, "accounts");
}

#[test]
fn hashes_as_crypt_makes_them() {
    for (setting, weak) in [
        ("$6$", false),
        ("$6$a-b_c@d", false),
        ("$5$rounds=5000$", false),
        ("$y$j9T$abcdefgh", false),
        ("$7$CU..../....abcdefgh", false),
        ("$1$", true),
        ("$1$s#l%t", true),
        ("ab", true),
        // bigcrypt: a setting longer than that of DES.
        ("abxxxxxxxxxxxxxxxxxxxxxx", true),
        ("_J9..abcd", true),
        ("$3$", true),
        ("$sha1$10$abcdefgh", true),
        ("$md5$abcdefgh$", true),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "perl -i -pe 'BEGIN {{ $hash = crypt(q(a long long secret), q({setting})); length $hash > 12 or die }} s/^ann:[^:]*/ann:$hash/' etc/shadow"
        ));
        let failed = told(&check(&lab, "accounts"), "fail");
        let expected = if weak { vec!["weak_hash ann"] } else { vec![] };
        assert_eq!(failed, expected, "{setting}");
        let console = check(&lab, "console").one("console.serial_password", "console");
        assert_eq!(console["verdict"], "pass", "{setting}");
    }
}
