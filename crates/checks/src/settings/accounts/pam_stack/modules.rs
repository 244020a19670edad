//! What modules of PAM answer to an account of the host that has neither password, key nor token: by their man pages, and
//! tried under sudo.

/// One answer, by its name of pam.conf(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) name: &'static str,
    /// Whether somebody gets it for certain, and not perhaps.
    pub(super) sure: bool,
}

impl Answer {
    pub(super) fn sure(name: &'static str) -> Answer {
        Answer { name, sure: true }
    }

    fn perhaps(name: &'static str) -> Answer {
        Answer { name, sure: false }
    }
}

/// They look into the files of the host.
const LOCAL: [&str; 4] = ["pam_unix", "pam_unix_auth", "pam_unix2", "pam_pwdb"];
/// They ask for something that others know, hold or are: a server, a token, a finger.
const ASKING: [&str; 40] = [
    "pam_aad",
    "pam_ccreds",
    "pam_centrifydc",
    "pam_duo",
    "pam_fprintd",
    "pam_freeipa",
    "pam_google_authenticator",
    "pam_himmelblau",
    "pam_howdy",
    "pam_krb5",
    "pam_ldap",
    "pam_lsass",
    "pam_mysql",
    "pam_oath",
    "pam_okta",
    "pam_oslogin_login",
    "pam_otpw",
    "pam_p11",
    "pam_pbis",
    "pam_pgsql",
    "pam_pkcs11",
    "pam_radius",
    "pam_radius_auth",
    "pam_rsa",
    "pam_securid",
    "pam_skey",
    "pam_smbpass",
    "pam_ssh_agent_auth",
    "pam_sss",
    "pam_sss_gss",
    "pam_systemd_home",
    "pam_tacplus",
    "pam_timestamp",
    "pam_u2f",
    "pam_ubuntu_otp",
    "pam_userdb",
    "pam_vas",
    "pam_vas3",
    "pam_winbind",
    "pam_yubico",
];
/// They decide nothing: PAM_IGNORE, or they have nothing for `auth`.
const HARMLESS: [&str; 38] = [
    "pam_afs_session",
    "pam_cap",
    "pam_cgroup",
    "pam_ck_connector",
    "pam_cracklib",
    "pam_echo",
    "pam_env",
    "pam_fail_delay",
    "pam_faildelay",
    "pam_fscrypt",
    "pam_group",
    "pam_issue",
    "pam_keyinit",
    "pam_lastlog",
    "pam_lastlog2",
    "pam_limits",
    "pam_loginuid",
    "pam_mail",
    "pam_mkhomedir",
    "pam_motd",
    "pam_namespace",
    "pam_oddjob_mkhomedir",
    "pam_passwdqc",
    "pam_pwhistory",
    "pam_pwquality",
    "pam_reauthorize",
    "pam_selinux",
    "pam_selinux_permit",
    "pam_sepermit",
    "pam_systemd",
    "pam_time",
    "pam_tmpdir",
    "pam_tty_audit",
    "pam_umask",
    "pam_unix_session",
    "pam_warn",
    "pam_wtmpdb",
    "pam_xauth",
];
/// They let in whom a condition fits, and ask for nothing.
const CONDITIONS: [&str; 9] = [
    "pam_access",
    "pam_listfile",
    "pam_localuser",
    "pam_securetty",
    "pam_shells",
    "pam_succeed_if",
    "pam_tally",
    "pam_tally2",
    "pam_usertype",
];
/// Answers that may come of a module of which nothing is known.
const ANY: [&str; 5] = [
    "success",
    "ignore",
    "auth_err",
    "user_unknown",
    "authinfo_unavail",
];

/// What a module may answer, with its arguments, in the stack of that service.
pub(super) fn answers(module: &str, arguments: &[String], service: &str) -> Vec<Answer> {
    let has = |wanted: &str| arguments.iter().any(|word| word == wanted);
    let sure = |names: &[&'static str]| names.iter().copied().map(Answer::sure).collect();
    match module {
        "pam_permit" => sure(&["success"]),
        // The real user of sudo and doas is the one who calls them.
        "pam_deny" | "pam_rootok" => sure(&["auth_err"]),
        // How sudo is not to be used is said by a file.
        "pam_nologin" => sure(&["ignore", "user_unknown"]),
        "pam_wheel" if has("trust") => sure(&["success", "ignore", "perm_denied"]),
        "pam_wheel" => sure(&["ignore", "perm_denied"]),
        "pam_faillock" if has("authfail") => sure(&["auth_err"]),
        "pam_faillock" => sure(&["success", "auth_err"]),
        "pam_succeed_if" if never_fits(arguments, service) => sure(&["auth_err"]),
        name if CONDITIONS.contains(&name) => sure(&["success", "auth_err", "perm_denied"]),
        name if LOCAL.contains(&name) => {
            vec![Answer::sure("auth_err"), Answer::perhaps("user_unknown")]
        }
        name if ASKING.contains(&name) => {
            // Options that let in, or leave to the next module, whoever has no token yet.
            let lenient = ["nouserok", "nullok", "failmode=safe"].into_iter().any(has);
            let mut all = vec![
                Answer::sure("auth_err"),
                Answer::perhaps("user_unknown"),
                Answer::perhaps("authinfo_unavail"),
            ];
            // pam_sss(8) leaves nobody to the next module unless it is told to.
            let ignores =
                name != "pam_sss" || arguments.iter().any(|word| word.starts_with("ignore_"));
            all.extend(ignores.then(|| Answer::perhaps("ignore")));
            all.extend(lenient.then(|| Answer::perhaps("success")));
            all
        }
        name if HARMLESS.contains(&name) => sure(&["ignore", "module_unknown"]),
        _ => ANY.into_iter().map(Answer::perhaps).collect(),
    }
}

/// Whether a condition of pam_succeed_if(8) holds for nobody but root, or for no use of the service.
fn never_fits(arguments: &[String], service: &str) -> bool {
    let rest = arguments.iter().skip(1).map(String::as_str);
    let last = arguments.iter().skip(2).map(String::as_str);
    let first = arguments.iter().map(String::as_str);
    first.zip(rest).zip(last).any(|tests| match tests {
        (("uid", "=" | "eq"), "0") | (("user", "="), "root") => true,
        (("uid", "<" | "lt"), "1") | (("uid", "<=" | "le"), "0") => true,
        (("service", "="), name) => name != service,
        (("service", "!="), name) => name == service,
        (("service", "in"), names) => !names.split(':').any(|name| name == service),
        (("service", "notin"), names) => names.split(':').any(|name| name == service),
        _ => false,
    })
}
