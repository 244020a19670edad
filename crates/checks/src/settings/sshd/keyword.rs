//! The keywords of sshd_config(5) up to OpenSSH 10.6, in the order in which `sshd -T` prints them; what a version
//! has of them, `history` says.

use super::algorithms::Family;
use super::build::Build;
use super::history::{self, Number};
use super::table;

/// How the words after a keyword are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of these words, whatever their case, and how each is printed.
    State(&'static [(&'static str, &'static str)]),
    /// A decimal number, 0 to 2147483647.
    Number,
    /// sshd_config(5), TIME FORMATS; printed in seconds.
    Time,
    /// The same, or `none`.
    IdleTime,
    /// An octal mask.
    Mask,
    /// A file; made absolute unless it is `none` or begins with `%` or `~`.
    File,
    /// One word as it stands.
    Word,
    /// The rest of the line as it stands.
    Rest,
    /// An absolute path with arguments, or `none`.
    Command,
    /// A list of algorithms.
    Algorithms(Family),
    /// Words that add up over lines; one printed line each.
    Users,
    /// The same for groups.
    Groups,
    /// The same for names of variables.
    Variables,
    /// `NAME=VALUE` words of the first line.
    Assignments,
    /// LogVerbose: words of the first line, printed on one line, `none` alone.
    Verbose,
    /// The same, of the form `TYPE=TIME`.
    ChannelTimes,
    /// AuthorizedKeysFile and RevokedKeys since 10.3: the same, `none` alone.
    FileList,
    /// AuthenticationMethods.
    Methods,
    /// Port
    Port,
    /// ListenAddress
    Listen,
    /// HostKey, HostCertificate: files that add up.
    Files,
    /// Subsystem
    Subsystem,
    /// MaxStartups
    Startups,
    /// PerSourceMaxStartups
    PerSource,
    /// PerSourceNetBlockSize
    Blocks,
    /// PermitTunnel: case matters.
    Tunnel,
    /// IPQoS
    Qos,
    /// RekeyLimit: bytes and seconds, each from the first line that says it.
    Rekey,
    /// PermitOpen
    Open,
    /// PermitListen
    Bind,
    /// PermitUserEnvironment: `yes` and `no` in this case, else a pattern list.
    Environment,
    /// PubkeyAuthOptions
    KeyOptions,
    /// SyslogFacility
    Facility,
    /// LogLevel
    Level,
    /// FingerprintHash
    Hash,
    /// PerSourcePenalties
    Penalties,
    /// RDomain: refused on Linux.
    Rdomain,
    /// TCPKeepAlive
    KeepAlive,
    /// AgentSocketPath: `none` or `user:PATH`.
    AgentSocket,
    /// PerSourcePenaltyExemptList: addresses and networks.
    Addresses,
}

/// One keyword.
#[derive(Debug)]
pub(super) struct Keyword {
    /// In lower case, as `sshd -T` prints it.
    pub(super) name: &'static str,
    /// How its words are read.
    pub(super) kind: Kind,
    /// Whether it may stand in a Match block.
    in_match: bool,
    /// What holds in the newest version where no line says anything, as `sshd -T` prints it; words that add up are parted by a
    /// line break. Empty: nothing is printed.
    today: &'static str,
}

const FLAG: Kind = Kind::State(&[("yes", "yes"), ("no", "no")]);
const FORWARDING: Kind = Kind::State(&[
    ("yes", "yes"),
    ("all", "yes"),
    ("no", "no"),
    ("remote", "remote"),
    ("local", "local"),
]);

const fn keyword(name: &'static str, kind: Kind, in_match: bool, today: &'static str) -> Keyword {
    Keyword {
        name,
        kind,
        in_match,
        today,
    }
}

/// All keywords that have a value of their own.
pub(super) static KEYWORDS: [Keyword; 109] = [
    keyword("port", Kind::Port, false, "22"),
    keyword(
        "addressfamily",
        Kind::State(&[("inet", "inet"), ("inet6", "inet6"), ("any", "any")]),
        false,
        "any",
    ),
    keyword("listenaddress", Kind::Listen, false, ""),
    keyword("usepam", FLAG, false, "no"),
    keyword("pamservicename", Kind::Word, true, "sshd"),
    keyword("logingracetime", Kind::Time, false, "120"),
    keyword("x11displayoffset", Kind::Number, true, "10"),
    keyword("maxauthtries", Kind::Number, true, "6"),
    keyword("maxsessions", Kind::Number, true, "10"),
    keyword("clientaliveinterval", Kind::Time, true, "0"),
    keyword("clientalivecountmax", Kind::Number, true, "3"),
    keyword("requiredrsasize", Kind::Number, true, "1024"),
    keyword("streamlocalbindmask", Kind::Mask, true, "0177"),
    keyword("unusedconnectiontimeout", Kind::IdleTime, true, "none"),
    keyword(
        "permitrootlogin",
        Kind::State(&[
            ("without-password", "without-password"),
            ("prohibit-password", "without-password"),
            ("forced-commands-only", "forced-commands-only"),
            ("yes", "yes"),
            ("no", "no"),
        ]),
        true,
        "without-password",
    ),
    keyword(
        "ignorerhosts",
        Kind::State(&[("yes", "yes"), ("no", "no"), ("shosts-only", "shosts-only")]),
        true,
        "yes",
    ),
    keyword("ignoreuserknownhosts", FLAG, false, "no"),
    keyword("hostbasedauthentication", FLAG, true, "no"),
    keyword("hostbasedusesnamefrompacketonly", FLAG, true, "no"),
    keyword("pubkeyauthentication", FLAG, true, "yes"),
    keyword("kerberosauthentication", FLAG, true, "no"),
    keyword("kerberosorlocalpasswd", FLAG, false, "yes"),
    keyword("kerberosticketcleanup", FLAG, false, "yes"),
    keyword("gssapiauthentication", FLAG, true, "no"),
    keyword("gssapicleanupcredentials", FLAG, false, "yes"),
    keyword("gssapidelegatecredentials", FLAG, false, "yes"),
    keyword("gssapikeyexchange", FLAG, false, "no"),
    keyword("gssapistrictacceptorcheck", FLAG, false, "yes"),
    keyword("gssapistorecredentialsonrekey", FLAG, false, "no"),
    keyword(
        "gssapikexalgorithms",
        Kind::Word,
        false,
        "gss-group14-sha256-,gss-group16-sha512-,gss-nistp256-sha256-,gss-curve25519-sha256-,gss-group14-sha1-,gss-gex-sha1-",
    ),
    keyword("passwordauthentication", FLAG, true, "yes"),
    keyword("kbdinteractiveauthentication", FLAG, true, "yes"),
    keyword("challengeresponseauthentication", FLAG, false, "yes"),
    keyword("printmotd", FLAG, false, "yes"),
    keyword("printlastlog", FLAG, false, "yes"),
    keyword("x11forwarding", FLAG, true, "no"),
    keyword("x11uselocalhost", FLAG, true, "yes"),
    keyword("permittty", FLAG, true, "yes"),
    keyword("permituserrc", FLAG, true, "yes"),
    keyword("strictmodes", FLAG, false, "yes"),
    keyword("tcpkeepalive", Kind::KeepAlive, false, "true"),
    keyword("permitemptypasswords", FLAG, true, "no"),
    keyword(
        "compression",
        Kind::State(&[("yes", "yes"), ("delayed", "yes"), ("no", "no")]),
        false,
        "yes",
    ),
    keyword(
        "gatewayports",
        Kind::State(&[
            ("clientspecified", "clientspecified"),
            ("yes", "yes"),
            ("no", "no"),
        ]),
        true,
        "no",
    ),
    keyword("usedns", FLAG, false, "no"),
    keyword("allowtcpforwarding", FORWARDING, true, "yes"),
    keyword("allowagentforwarding", FLAG, true, "yes"),
    keyword("disableforwarding", FLAG, true, "no"),
    keyword("allowstreamlocalforwarding", FORWARDING, true, "yes"),
    keyword("streamlocalbindunlink", FLAG, true, "no"),
    keyword("fingerprinthash", Kind::Hash, false, "SHA256"),
    keyword("exposeauthinfo", FLAG, true, "no"),
    keyword(
        "warnweakcrypto",
        Kind::State(&[
            ("yes", "true"),
            ("true", "true"),
            ("no", "false"),
            ("false", "false"),
            ("no-pq-kex", "false"),
        ]),
        false,
        "true",
    ),
    keyword("refuseconnection", FLAG, true, "no"),
    keyword("debianbanner", FLAG, false, "yes"),
    keyword("pidfile", Kind::File, false, "/run/sshd.pid"),
    keyword("modulifile", Kind::File, false, "/etc/ssh/moduli"),
    keyword("xauthlocation", Kind::File, false, "/usr/bin/xauth"),
    keyword(
        "ciphers",
        Kind::Algorithms(Family::Cipher),
        false,
        "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
    ),
    keyword(
        "macs",
        Kind::Algorithms(Family::Mac),
        false,
        "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    ),
    keyword("banner", Kind::File, true, "none"),
    keyword("forcecommand", Kind::Rest, true, "none"),
    keyword("chrootdirectory", Kind::Word, true, "none"),
    keyword("trustedusercakeys", Kind::File, true, "none"),
    keyword("revokedkeys", Kind::FileList, true, ""),
    keyword("securitykeyprovider", Kind::File, false, "internal"),
    keyword("authorizedprincipalsfile", Kind::Word, true, "none"),
    keyword("versionaddendum", Kind::Rest, false, "none"),
    keyword("authorizedkeyscommand", Kind::Command, true, "none"),
    keyword("authorizedkeyscommanduser", Kind::Word, true, "none"),
    keyword("authorizedprincipalscommand", Kind::Command, true, "none"),
    keyword("authorizedprincipalscommanduser", Kind::Word, true, "none"),
    keyword("hostkeyagent", Kind::File, false, "none"),
    keyword(
        "kexalgorithms",
        Kind::Algorithms(Family::Kex),
        false,
        "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521",
    ),
    keyword(
        "casignaturealgorithms",
        Kind::Algorithms(Family::Signature),
        true,
        super::algorithms::SIGNATURES,
    ),
    keyword(
        "hostbasedacceptedalgorithms",
        Kind::Algorithms(Family::Key),
        true,
        super::algorithms::KEYS,
    ),
    keyword(
        "hostkeyalgorithms",
        Kind::Algorithms(Family::Key),
        false,
        super::algorithms::KEYS,
    ),
    keyword(
        "pubkeyacceptedalgorithms",
        Kind::Algorithms(Family::Key),
        true,
        super::algorithms::KEYS,
    ),
    keyword("rdomain", Kind::Rdomain, true, ""),
    keyword(
        "sshdsessionpath",
        Kind::File,
        false,
        "/usr/libexec/sshd-session",
    ),
    keyword("sshdauthpath", Kind::File, false, "/usr/libexec/sshd-auth"),
    keyword("persourcepenaltyexemptlist", Kind::Addresses, false, "none"),
    keyword(
        "agentsocketpath",
        Kind::AgentSocket,
        true,
        "user:.ssh/agent",
    ),
    keyword("loglevel", Kind::Level, true, "INFO"),
    keyword("syslogfacility", Kind::Facility, false, "AUTH"),
    keyword(
        "authorizedkeysfile",
        Kind::FileList,
        true,
        ".ssh/authorized_keys\n.ssh/authorized_keys2",
    ),
    keyword(
        "hostkey",
        Kind::Files,
        false,
        "/etc/ssh/ssh_host_rsa_key\n/etc/ssh/ssh_host_ecdsa_key\n/etc/ssh/ssh_host_ed25519_key\n/etc/ssh/ssh_host_mldsa44_ed25519_key",
    ),
    keyword("hostcertificate", Kind::Files, false, ""),
    keyword("allowusers", Kind::Users, true, ""),
    keyword("denyusers", Kind::Users, true, ""),
    keyword("allowgroups", Kind::Groups, true, ""),
    keyword("denygroups", Kind::Groups, true, ""),
    keyword("acceptenv", Kind::Variables, true, ""),
    keyword("setenv", Kind::Assignments, true, ""),
    keyword("authenticationmethods", Kind::Methods, true, "any"),
    keyword("logverbose", Kind::Verbose, true, ""),
    keyword("channeltimeout", Kind::ChannelTimes, true, "none"),
    keyword("subsystem", Kind::Subsystem, true, ""),
    keyword("maxstartups", Kind::Startups, false, "10:30:100"),
    keyword("persourcemaxstartups", Kind::PerSource, false, "none"),
    keyword("persourcenetblocksize", Kind::Blocks, false, "32:128"),
    keyword("permittunnel", Kind::Tunnel, true, "no"),
    keyword("ipqos", Kind::Qos, true, "ef cs0"),
    keyword("rekeylimit", Kind::Rekey, true, "0 0"),
    keyword("permitopen", Kind::Open, true, "any"),
    keyword("permitlisten", Kind::Bind, true, "any"),
    keyword("permituserenvironment", Kind::Environment, false, "no"),
    keyword(
        "pubkeyauthoptions",
        Kind::KeyOptions,
        true,
        "none max-pk-ok:6",
    ),
    keyword(
        "persourcepenalties",
        Kind::Penalties,
        false,
        "crash:90.000000 authfail:5.000000 noauth:1.000000 invaliduser:5.000000 grace-exceeded:10.000000 refuseconnection:10.000000 max:600.000000 min:15.000000 max-sources4:65536 max-sources6:65536 overflow:permissive overflow6:permissive",
    ),
];

/// Index of the keyword of that name.
pub(super) fn index(name: &str) -> Option<usize> {
    KEYWORDS.iter().position(|keyword| keyword.name == name)
}

impl Keyword {
    /// Whether it may stand in a Match block of that version.
    pub(super) fn in_match(&self, version: Number) -> bool {
        self.in_match && history::in_match(version, self.name)
    }

    /// What holds in that version where no line says anything; see [`Keyword::today`].
    pub(super) fn default(&self, version: Number) -> &'static str {
        history::default(version, self.name, self.today)
    }

    /// What `sshd -T` of that version calls it.
    pub(super) fn printed(&self, version: Number) -> &'static str {
        match self.name {
            "pubkeyacceptedalgorithms" if version < (8, 5) => "pubkeyacceptedkeytypes",
            "hostbasedacceptedalgorithms" if version < (8, 5) => "hostbasedacceptedkeytypes",
            name if version < history::SPELLED_OUT => name,
            name => SPELLED_BY_DISTRIBUTIONS
                .iter()
                .chain(&table::SPELLED)
                .find(|(word, _)| *word == name)
                .map_or(name, |(_, spelled)| spelled),
        }
    }

    /// Whether that build prints it as a keyword of its own, under whatever spelling.
    pub(super) fn is_in(&self, build: Build) -> bool {
        match self.name {
            "challengeresponseauthentication" => build.number < history::ONE_KBDINT,
            // Known before under another name.
            "pubkeyacceptedalgorithms" | "hostbasedacceptedalgorithms" => true,
            // Read and never printed before.
            "debianbanner" => build.debian && build.number >= (10, 0),
            name => build.knows(name) && !build.ignores(name),
        }
    }
}

/// Keywords that OpenSSH's own sources do not have.
static SPELLED_BY_DISTRIBUTIONS: [(&str, &str); 4] = [
    ("debianbanner", "DebianBanner"),
    ("gssapikeyexchange", "GSSAPIKeyExchange"),
    ("gssapikexalgorithms", "GSSAPIKexAlgorithms"),
    (
        "gssapistorecredentialsonrekey",
        "GSSAPIStoreCredentialsOnRekey",
    ),
];
