//! The table of `sshd.*` checks.

use agent_core::finding::{Check, Form, Severity};

macro_rules! checks {
    ($($name:ident $id:literal $severity:ident $form:expr; $title:literal; $demand:literal; $why:literal; $remedy:expr; [$($reference:literal),*])*) => {
        $(
            #[doc = $title]
            pub(crate) static $name: Check = Check {
                id: concat!("sshd.", $id),
                title: $title,
                demand: $demand,
                why: $why,
                severity: Some(Severity::$severity),
                form: $form,
                remedy: $remedy,
                references: &[$($reference),*],
            };
        )*
        /// All of them, in the order of reports.
        pub static CHECKS: [&Check; [$($id),*].len()] = [$(&$name),*];
    };
}

const YES_NO: Form = Form::Word(&["yes", "no"]);

checks! {
    CONFIG_VALID "config_valid" Medium Form::Nothing; "sshd accepts its configuration, and runs with it"; "no error, and no file changed after the daemon read it"; "a configuration that sshd refuses, or has not read, is not in force"; Some("sshd -t names the error; reload the daemon after a change"); ["sshd(8)"]
    PERMIT_ROOT_LOGIN "permit_root_login" High Form::Word(&["no", "prohibit-password", "forced-commands-only"]); "Root does not log in over SSH"; "PermitRootLogin no"; "a login as root leaves nobody to be called to account, and is what every scanner tries"; Some("PermitRootLogin no"); ["EC2 user guide, shared AMIs"]
    ROOT_AUTHORIZED_KEYS "root_authorized_keys" High Form::Nothing; "No key opens a shell of root's"; "root's authorized_keys holds no key, or only lines with a forced command, unless PermitRootLogin is no"; "a key left in an image opens every host that is started from it"; Some("remove the key from root's authorized_keys"); ["EC2 user guide, shared AMIs"]
    PERMIT_EMPTY_PASSWORDS "permit_empty_passwords" High Form::Nothing; "Nobody logs in with an empty password"; "PermitEmptyPasswords no"; "an account without a password is open to everybody who knows its name"; Some("PermitEmptyPasswords no"); []
    PASSWORD_AUTHENTICATION "password_authentication" High Form::Nothing; "Passwords alone open no session"; "PasswordAuthentication no and KbdInteractiveAuthentication no, or AuthenticationMethods that always want a key"; "passwords are guessed and reused; keys are not"; Some("PasswordAuthentication no, KbdInteractiveAuthentication no"); ["AWS re:Post, SSH best practices"]
    MAX_AUTH_TRIES "max_auth_tries" Medium Form::Number(1, 100); "Few tries a connection"; "MaxAuthTries from 1 to 4"; "every try is a guess"; Some("MaxAuthTries 4"); []
    LOGIN_GRACE_TIME "login_grace_time" Medium Form::Number(1, 86_400); "Unfinished logins end soon"; "LoginGraceTime from 1 to 60 seconds"; "unfinished logins hold places that others need"; Some("LoginGraceTime 60"); []
    MAX_SESSIONS "max_sessions" Low Form::Number(0, 1000); "Few sessions a connection"; "MaxSessions at most 10"; "one connection must not take all resources"; Some("MaxSessions 10"); []
    MAX_STARTUPS "max_startups" Low Form::Text("start:rate:full"); "Connections before login are limited"; "MaxStartups 10:30:60 or stricter"; "a flood of connections must not shut administrators out"; Some("MaxStartups 10:30:60"); []
    HOSTBASED_AUTHENTICATION "hostbased_authentication" Medium Form::Nothing; "No host is trusted for its users"; "HostbasedAuthentication no"; "whoever is root on the trusted host is everybody here"; Some("HostbasedAuthentication no"); []
    IGNORE_RHOSTS "ignore_rhosts" Medium Form::Nothing; "Files of users name no trusted hosts"; "IgnoreRhosts yes"; "a user's .rhosts must not open the account to other hosts"; Some("IgnoreRhosts yes"); []
    IGNORE_USER_KNOWN_HOSTS "ignore_user_known_hosts" Medium Form::Nothing; "Users do not vouch for hosts"; "IgnoreUserKnownHosts yes"; "a user's known_hosts must not vouch for a host to the server"; Some("IgnoreUserKnownHosts yes"); []
    PERMIT_USER_ENVIRONMENT "permit_user_environment" Medium Form::Nothing; "Users set no environment for the server"; "PermitUserEnvironment no"; "LD_PRELOAD and its like get round restrictions"; Some("PermitUserEnvironment no"); []
    X11_FORWARDING "x11_forwarding" Medium YES_NO; "No X11 forwarding"; "X11Forwarding no"; "a compromised host reads and types on the screens of those who log in"; Some("X11Forwarding no"); []
    X11_USE_LOCALHOST "x11_use_localhost" Low Form::Nothing; "Forwarded displays listen on the host itself alone"; "X11UseLocalhost yes"; "a display on the wildcard address is open to the network"; Some("X11UseLocalhost yes"); []
    ALLOW_TCP_FORWARDING "allow_tcp_forwarding" Low Form::Word(&["no", "local", "remote", "yes"]); "No tunnels"; "AllowTcpForwarding no, or DisableForwarding yes"; "tunnels get round the network's rules"; Some("AllowTcpForwarding no"); []
    DISABLE_FORWARDING "disable_forwarding" Low YES_NO; "No forwarding of any kind"; "where the profile demands it: DisableForwarding"; "one switch for X11, agent, TCP and sockets"; Some("DisableForwarding yes"); ["sshd_config(5)"]
    CLIENT_ALIVE_INTERVAL "client_alive_interval" Low Form::Number(1, 86_400); "Dead clients are noticed"; "where the profile demands it: ClientAliveInterval from 1 to that many seconds"; "a session that nobody holds any more can be taken over"; None; []
    CLIENT_ALIVE_COUNT_MAX "client_alive_count_max" Low Form::Number(0, 1000); "Dead clients are dropped"; "where the profile demands it: ClientAliveCountMax equal to the number"; "a session that nobody holds any more can be taken over"; None; []
    LIMIT_USER_ACCESS "limit_user_access" Medium Form::Nothing; "Who may log in is named"; "one of AllowUsers, AllowGroups, DenyUsers, DenyGroups"; "an account made later must not be open to the network by itself"; Some("AllowGroups with the group of those who may log in"); []
    ALLOW_GROUPS "allow_groups" Medium Form::Texts("names of groups that may log in"); "Only named groups log in"; "where the profile demands it: AllowGroups holds no other name"; "another group opens the host to more people than agreed"; None; ["local policy"]
    LOG_LEVEL "log_level" Low Form::Word(&["INFO", "VERBOSE"]); "Logins are logged"; "LogLevel INFO or VERBOSE"; "what is not logged cannot be found later; DEBUG logs what is private"; Some("LogLevel VERBOSE"); []
    USE_PAM "use_pam" Low Form::Nothing; "PAM's account and session rules hold"; "UsePAM yes"; "lockout, expiry and limits are PAM's"; Some("UsePAM yes"); []
    STRICT_MODES "strict_modes" Low Form::Nothing; "Keys that others can write do not count"; "StrictModes yes"; "whoever can write a user's authorized_keys is that user"; Some("StrictModes yes"); []
    BANNER "banner" Low Form::Text("the file"); "The banner is shown"; "where the profile demands it: Banner is that file"; "some laws ask for a warning before login"; None; []
    PRINT_LAST_LOG "print_last_log" Low Form::Nothing; "People see their last login"; "PrintLastLog yes"; "users notice logins that were not theirs"; Some("PrintLastLog yes"); []
    COMPRESSION "compression" Low Form::Nothing; "No compression before login"; "Compression no or delayed"; "compression before login shows strangers more code"; Some("Compression delayed"); ["sshd_config(5)"]
    GSSAPI_AUTHENTICATION "gssapi_authentication" Medium Form::Nothing; "No GSSAPI login"; "GSSAPIAuthentication no"; "code that is not used must not be reached from the network"; Some("GSSAPIAuthentication no"); []
    KERBEROS_AUTHENTICATION "kerberos_authentication" Medium Form::Nothing; "No Kerberos passwords"; "KerberosAuthentication no"; "code that is not used must not be reached from the network"; Some("KerberosAuthentication no"); []
    PUBKEY_AUTHENTICATION "pubkey_authentication" Medium Form::Nothing; "Keys are accepted"; "PubkeyAuthentication yes"; "without keys only weaker ways are left"; Some("PubkeyAuthentication yes"); []
    WEAK_CRYPTO "weak_crypto" Medium Form::Nothing; "No weak algorithms"; "no CBC, 3DES, arcfour, MD5, SHA-1 with 96 bits, or group 1 in Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms"; "recorded or meddled-with sessions can be read"; Some("remove the line, so that OpenSSH's defaults hold"); []
    CONFIG_PERMISSIONS "config_permissions" Medium Form::Nothing; "Only root reads and writes the configuration"; "sshd_config and its drop-ins belong to root, mode 0600 or less; what they include from outside of /etc/ssh, 0644 or less; nobody else writes to the directories that lead there"; "whoever writes it decides who logs in"; Some("chown root:root FILE && chmod 600 FILE"); []
    HOST_KEY_PERMISSIONS "host_key_permissions" Medium Form::Nothing; "Only root reads the host's private keys"; "/etc/ssh/*_key belong to root, mode 0600 or less, or 0640 with group ssh_keys"; "whoever reads them can pose as this host"; Some("chmod 600 FILE"); []
}
