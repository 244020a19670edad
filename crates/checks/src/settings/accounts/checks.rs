//! The table of `accounts.*` checks.

use agent_core::finding::{Check, Form, Severity};

#[allow(clippy::too_many_arguments)]
const fn check(
    id: &'static str,
    severity: Severity,
    form: Form,
    title: &'static str,
    demand: &'static str,
    why: &'static str,
    remedy: &'static str,
    references: &'static [&'static str],
) -> Check {
    Check {
        id,
        title,
        demand,
        why,
        severity: Some(severity),
        form,
        remedy: Some(remedy),
        references,
    }
}

/// An empty password field.
pub(crate) static NO_EMPTY_PASSWORDS: Check = check(
    "accounts.no_empty_passwords",
    Severity::High,
    Form::Nothing,
    "No account is open without a password",
    "no empty password field in shadow or passwd",
    "whoever knows the name of the account is in",
    "passwd -l ACCOUNT",
    &[],
);
/// root's password.
pub(crate) static ROOT_PASSWORD_POLICY: Check = check(
    "accounts.root_password_policy",
    Severity::Medium,
    Form::Word(&["controlled", "set"]),
    "Root's password is set or locked on purpose",
    "controlled: a whole hash, or locked; set: a whole hash",
    "a field that is neither was left by accident, and says nothing of who can become root",
    "passwd -l root, or passwd root",
    &["EC2 user guide, shared AMIs"],
);
/// Hashes that are quickly reversed.
pub(crate) static WEAK_HASH: Check = check(
    "accounts.weak_hash",
    Severity::Medium,
    Form::Nothing,
    "No password is hashed weakly",
    "no DES, BSDi, MD5, SHA-1 or NT hash",
    "such a hash gives its password away in hours",
    "set the password again with passwd ACCOUNT: the system's present method is used",
    &[],
);
/// Other accounts with root's number.
pub(crate) static ONLY_ROOT_UID0: Check = check(
    "accounts.only_root_uid0",
    Severity::High,
    Form::Nothing,
    "Only root is root",
    "no other account with uid 0, unless it is locked and its shell is nologin or false",
    "another name with uid 0 is root, and is easily overlooked",
    "usermod -u UID ACCOUNT, or userdel ACCOUNT",
    &[],
);
/// Lines of NIS.
pub(crate) static NIS_PLUS: Check = check(
    "accounts.nis_plus",
    Severity::Medium,
    Form::Nothing,
    "No directory is let in by a line of NIS",
    "no row that begins with + in passwd, shadow or group",
    "such a row lets in whomever a directory names",
    "remove the row with vipw or vigr",
    &["nsswitch.conf(5)"],
);
/// Hashes that everybody can read.
pub(crate) static ALL_SHADOWED: Check = check(
    "accounts.all_shadowed",
    Severity::Medium,
    Form::Nothing,
    "No hash stands in passwd",
    "x or * in every password field of passwd",
    "everybody on the host can read passwd",
    "pwconv",
    &[],
);
/// Passwords of service accounts.
pub(crate) static SYSTEM_ACCOUNTS_LOCKED: Check = check(
    "accounts.system_accounts_locked",
    Severity::Medium,
    Form::Nothing,
    "No service account has a password",
    "uid 1 to 999: locked (! or *), or no row in shadow",
    "a service needs no password, and nobody would notice its use",
    "passwd -l ACCOUNT",
    &["local policy"],
);
/// Shells of service accounts.
pub(crate) static SYSTEM_NOLOGIN: Check = check(
    "accounts.system_nologin",
    Severity::Medium,
    Form::Texts("names of accounts that may have a shell"),
    "No service account has a shell",
    "uid 1 up to UID_MIN of login.defs: shell nologin or false; sync, shutdown and halt excepted",
    "a shell turns a stolen key or password of a service into a login",
    "usermod -s /usr/sbin/nologin ACCOUNT",
    &[],
);
/// Passwords from the future.
pub(crate) static PASSWORD_CHANGE_IN_PAST: Check = check(
    "accounts.password_change_in_past",
    Severity::Low,
    Form::Nothing,
    "No password was changed in the future",
    "field 3 of shadow is no later day than today",
    "such a password never grows old",
    "chage -d $(date +%F) ACCOUNT",
    &["shadow(5)"],
);

/// Who becomes root unasked.
pub(crate) static SUDO_NOPASSWD: Check = check(
    "accounts.sudo_nopasswd",
    Severity::High,
    Form::Texts("users, and groups as %group, that sudo need not ask for a password"),
    "sudo asks for a password",
    "no NOPASSWD, !authenticate or exempt_group but for those that the profile names",
    "whoever takes over such an account is root at once",
    "take NOPASSWD out with visudo",
    &[],
);

/// Keys of users.
pub(crate) static AUTHORIZED_KEYS: Check = check(
    "accounts.authorized_keys",
    Severity::Medium,
    Form::Texts("fingerprints as SHA256:…, or ACCOUNT SHA256:… for one account alone"),
    "Only known keys open accounts",
    "where the profile names keys: no other key in any user's authorized_keys",
    "a key that nobody knows of is a way in that nobody watches",
    "remove the line from the file",
    &["local policy"],
);
/// The domain.
pub(crate) static DIRECTORY_JOIN: Check = check(
    "accounts.directory_join",
    Severity::Medium,
    Form::Text("the domain, as corp.example.com"),
    "The host has joined its domain",
    "where the profile names a domain: sssd or winbind has joined it, and accounts are looked up there",
    "accounts that are shut in the directory stay open on a host that does not ask it",
    "realm join DOMAIN",
    &["local policy"],
);

/// All of them, in the order of reports.
pub static CHECKS: [&Check; 12] = [
    &NO_EMPTY_PASSWORDS,
    &ROOT_PASSWORD_POLICY,
    &WEAK_HASH,
    &ONLY_ROOT_UID0,
    &NIS_PLUS,
    &ALL_SHADOWED,
    &SYSTEM_ACCOUNTS_LOCKED,
    &SYSTEM_NOLOGIN,
    &PASSWORD_CHANGE_IN_PAST,
    &SUDO_NOPASSWD,
    &AUTHORIZED_KEYS,
    &DIRECTORY_JOIN,
];
