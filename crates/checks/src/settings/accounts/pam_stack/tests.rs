use super::*;
use std::fs;

fn judged(text: &str) -> Asks {
    let directory = tempfile::tempdir().expect("a directory");
    let stacks = directory.path().join("etc/pam.d");
    fs::create_dir_all(&stacks).expect("made");
    fs::write(stacks.join("sudo"), text).expect("written");
    let sub = "auth sufficient pam_permit.so\nauth required pam_deny.so\n";
    fs::write(stacks.join("sub"), sub).expect("written");
    let root = Root::open(directory.path()).expect("a root");
    asks(&root, "sudo")
}

/// As sudo 1.9.16 with Linux-PAM 1.7 does, each tried there.
#[test]
fn stacks_as_libpam_decides_them() {
    let unix = "auth required pam_unix.so\n";
    for (text, line) in [
        ("", None),
        (unix, None),
        ("auth sufficient pam_rootok.so\nUNIX", None),
        ("auth sufficient pam_permit.so\nUNIX", Some(1)),
        ("AUTH Sufficient /lib/security/pam_permit.so\nUNIX", Some(1)),
        ("auth [success=1 default=ignore] pam_permit.so\nUNIX", None),
        ("auth [success=2 default=ignore] pam_permit.so\nUNIX", None),
        (
            "auth [success=1 default=ignore] pam_permit.so\nUNIXauth required pam_permit.so\n",
            Some(3),
        ),
        (
            "auth [success=done default=ignore] pam_succeed_if.so user ingroup sudo\nUNIX",
            Some(1),
        ),
        (
            "auth [success=done default=ignore] pam_succeed_if.so uid = 0\nUNIX",
            None,
        ),
        (
            "auth [success=done default=ignore] pam_succeed_if.so service notin sudo:su user ingroup x\nUNIX",
            None,
        ),
        ("auth [success=ok] pam_permit.so\n", Some(1)),
        ("auth optional pam_permit.so\n", Some(1)),
        ("auth required pam_env.so\n", None),
        (
            "auth required pam_faildelay.so\nauth optional pam_permit.so\n",
            Some(2),
        ),
        ("auth required pam_faillock.so preauth\n", Some(1)),
        ("auth sufficient pam_localuser.so\nUNIX", Some(1)),
        ("auth sufficient pam_wheel.so group=sudo\nUNIX", None),
        (
            "auth sufficient pam_wheel.so trust group=sudo\nUNIX",
            Some(1),
        ),
        ("auth required pam_permit.so\nauth include missing\n", None),
        ("auth required pam_permit.so\n@include missing\n", None),
        (
            "bogus required pam_permit.so\nauth required pam_permit.so\n",
            None,
        ),
        ("auth bogus pam_permit.so\n", None),
        ("auth include sub\nUNIX", Some(1)),
        ("auth substack sub\nUNIX", None),
        (
            "auth [success=1 default=ignore] pam_permit.so\nauth substack sub\nauth required pam_permit.so\n",
            Some(3),
        ),
        // A wrong password is a way as well.
        (
            "auth [default=ignore] pam_unix.so\nauth required pam_permit.so\n",
            Some(2),
        ),
    ] {
        let found = judged(&text.replace("UNIX", unix));
        match (&found, line) {
            (Asks::Yes, None) => {}
            (Asks::No { place, .. }, Some(line)) => {
                assert!(place.ends_with(&format!(":{line}")), "{text}: {place}");
            }
            _ => panic!("{text}: {found:?}"),
        }
    }
}

#[test]
fn stacks_that_distributions_ship_ask() {
    for text in [
        // Debian, with SSSD and faillock as pam-auth-update(8) writes them.
        "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so\nauth optional pam_cap.so\n",
        "auth requisite pam_faillock.so preauth\nauth [success=2 default=ignore] pam_unix.so nullok\nauth [success=1 default=ignore] pam_sss.so use_first_pass\nauth [default=die] pam_faillock.so authfail\nauth requisite pam_deny.so\nauth required pam_permit.so\nauth sufficient pam_faillock.so authsucc\nauth optional pam_mount.so\n",
        // Ubuntu's sudo.
        "session required pam_limits.so\nsession required pam_env.so readenv=1 user_readenv=0\nauth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so\n",
        // authselect's profiles, with all that they may have.
        "auth required pam_env.so\nauth required pam_faildelay.so delay=2000000\nauth required pam_faillock.so preauth silent\nauth [success=1 default=ignore] pam_succeed_if.so service notin login:gdm:xdm:kdm:xscreensaver:gnome-screensaver:kscreensaver quiet use_uid\nauth [success=done authinfo_unavail=ignore user_unknown=ignore ignore=ignore default=die] pam_sss.so require_cert_auth\nauth sufficient pam_fprintd.so\nauth sufficient pam_u2f.so cue\nauth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\nauth [default=1 ignore=ignore success=ok] pam_localuser.so\nauth sufficient pam_unix.so nullok\nauth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\nauth sufficient pam_sss.so forward_pass\nauth required pam_faillock.so authfail\nauth required pam_deny.so\n",
        "auth required pam_env.so\nauth sufficient pam_unix.so try_first_pass likeauth nullok\nauth sufficient pam_systemd_home.so\nauth required pam_deny.so\n",
        // Amazon Linux 2.
        "auth required pam_env.so\nauth sufficient pam_unix.so try_first_pass nullok\nauth required pam_deny.so\n",
        "auth required pam_env.so\nauth required pam_faildelay.so delay=2000000\nauth [default=1 success=ok] pam_localuser.so\nauth [success=done ignore=ignore default=die] pam_unix.so nullok try_first_pass\nauth requisite pam_succeed_if.so uid >= 1000 quiet_success\nauth sufficient pam_sss.so forward_pass\nauth required pam_deny.so\n",
        // SUSE.
        "auth required pam_env.so\nauth optional pam_gnome_keyring.so\nauth required pam_unix.so try_first_pass\n",
        "auth required pam_env.so\nauth sufficient pam_unix.so try_first_pass\nauth required pam_sss.so use_first_pass\n",
        "auth required pam_env.so\nauth optional pam_gnome_keyring.so\nauth sufficient pam_unix.so try_first_pass\nauth required pam_sss.so use_first_pass\n",
    ] {
        assert_eq!(judged(text), Asks::Yes, "{text}");
    }
}

#[test]
fn what_depends_on_a_module_of_which_nothing_is_known_is_unknown() {
    for text in [
        "auth sufficient pam_own.so\nauth required pam_unix.so\n",
        "auth [success=1 default=ignore] pam_exec.so /bin/x\nauth requisite pam_unix.so\nauth required pam_permit.so\n",
        "auth sufficient pam_u2f.so nouserok\nauth required pam_unix.so\n",
    ] {
        let found = judged(text);
        let Asks::Unknown { place, .. } = found else {
            panic!("{text}: {found:?}");
        };
        assert!(place.ends_with("sudo:1"), "{place}");
    }
    let found = judged("auth required pam_own.so\nauth required pam_unix.so\n");
    assert_eq!(found, Asks::Yes);
}

#[test]
fn more_than_any_stack_has_is_unknown() {
    let told = |text: &str| match judged(text) {
        Asks::Unknown { reason, .. } => reason,
        asks => format!("{asks:?}"),
    };
    let many = "auth required pam_env.so\n".repeat(bounds::PAM_LINES + 1);
    assert!(told(&many).contains("more lines"));
    let deny = "auth required pam_deny.so\n";
    assert_eq!(told(&deny.repeat(bounds::PAM_LINES)), "Yes");
}
