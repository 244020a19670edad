//! What differs between versions of OpenSSH, from 7.4 (Amazon Linux 2) on: servconf.c, kex.c and myproposal.h at
//! their tags. Distributions bring some keywords to older versions; what they bring is taken there.

/// Major and minor, as `(9, 2)`.
pub type Number = (u32, u32);

/// The newest version that is known here.
pub const NEWEST: Number = (10, 0);
/// Since then values are split as a shell would, and comments may follow them.
pub(super) const SHELL_WORDS: Number = (8, 7);
/// Until then ChallengeResponseAuthentication was a keyword of its own, and switched the other one on.
pub(super) const ONE_KBDINT: Number = (8, 7);
/// Since then the words of a `Match` line are split as a shell would.
pub(super) const MATCH_WORDS: Number = (9, 9);

/// Words that a version did not know yet.
static SINCE: [(&str, Number); 24] = [
    ("exposeauthinfo", (7, 6)),
    ("rdomain", (7, 7)),
    ("permitlisten", (7, 8)),
    ("setenv", (7, 8)),
    ("casignaturealgorithms", (7, 9)),
    ("include", (8, 2)),
    ("pubkeyauthoptions", (8, 2)),
    ("securitykeyprovider", (8, 2)),
    ("hostbasedacceptedalgorithms", (8, 5)),
    ("pubkeyacceptedalgorithms", (8, 5)),
    ("logverbose", (8, 5)),
    ("persourcemaxstartups", (8, 5)),
    ("persourcenetblocksize", (8, 5)),
    ("modulifile", (8, 6)),
    // 9.1; the Red Hat family brings both to the versions that it ships.
    ("requiredrsasize", (8, 0)),
    ("rsaminsize", (8, 0)),
    ("channeltimeout", (9, 2)),
    ("unusedconnectiontimeout", (9, 2)),
    ("pamservicename", (9, 8)),
    ("persourcepenalties", (9, 8)),
    ("persourcepenaltyexemptlist", (9, 8)),
    ("sshdsessionpath", (9, 8)),
    ("refuseconnection", (9, 9)),
    ("sshdauthpath", (10, 0)),
];

/// Words that may stand in a `Match` block since then.
static IN_MATCH_SINCE: [(&str, Number); 5] = [
    ("loglevel", (7, 6)),
    ("ignorerhosts", (8, 3)),
    ("challengeresponseauthentication", (8, 7)),
    ("skeyauthentication", (8, 7)),
    ("subsystem", (9, 5)),
];

const KEYS_10: &str = super::algorithms::KEYS;
const KEYS_8_7: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEYS_8_4: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEYS_8_1: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEYS_7_7: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEY_LISTS: [(Number, &str); 5] = [
    ((7, 7), KEYS_7_7),
    ((8, 1), KEYS_8_1),
    ((8, 4), KEYS_8_4),
    ((8, 7), KEYS_8_7),
    (NEWEST, KEYS_10),
];

/// Defaults that changed: the keyword, and what held up to each version.
static UNTIL: [(&str, &[(Number, &str)]); 9] = [
    (
        "ciphers",
        &[
            // 7.4 is Red Hat 7's and Amazon Linux 2's, which kept the old algorithms on (their sshd_config(5)).
            (
                (7, 4),
                "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-cbc,aes192-cbc,aes256-cbc,blowfish-cbc,cast128-cbc,3des-cbc",
            ),
            (
                (9, 9),
                "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com",
            ),
            (
                NEWEST,
                "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr",
            ),
        ],
    ),
    (
        "kexalgorithms",
        &[
            (
                (7, 4),
                "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
            ),
            (
                (7, 9),
                "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256,diffie-hellman-group14-sha1",
            ),
            (
                (8, 8),
                "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
            ),
            (
                (8, 9),
                "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,sntrup761x25519-sha512@openssh.com,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
            ),
            (
                (9, 1),
                "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
            ),
            // Debian 12 has the name without a suffix as well.
            (
                (9, 2),
                "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
            ),
            (
                (9, 8),
                "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
            ),
            (
                (9, 9),
                "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
            ),
            (
                NEWEST,
                "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521",
            ),
        ],
    ),
    ("hostkeyalgorithms", &KEY_LISTS),
    ("hostbasedacceptedalgorithms", &KEY_LISTS),
    ("pubkeyacceptedalgorithms", &KEY_LISTS),
    (
        "casignaturealgorithms",
        &[
            (
                (8, 1),
                "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa",
            ),
            (
                (8, 4),
                "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256",
            ),
        ],
    ),
    // The Debian family keeps the older value in all versions.
    (
        "ipqos",
        &[
            ((7, 7), "lowdelay throughput"),
            ((9, 1), "af21 cs1"),
            ((9, 2), "lowdelay throughput"),
            (NEWEST, "af21 cs1"),
        ],
    ),
    ("channeltimeout", &[((9, 2), "")]),
    (
        "persourcepenalties",
        &[(
            (9, 8),
            "crash:90 authfail:5 noauth:1 grace-exceeded:20 max:600 min:15 max-sources4:65536 max-sources6:65536 overflow:permissive overflow6:permissive",
        )],
    ),
];

/// Whether the version knows the word.
pub(super) fn knows(version: Number, word: &str) -> bool {
    SINCE
        .iter()
        .find(|(name, _)| *name == word)
        .is_none_or(|(_, since)| version >= *since)
}

/// Whether the word may stand in a `Match` block of that version, where it may today.
pub(super) fn in_match(version: Number, word: &str) -> bool {
    IN_MATCH_SINCE
        .iter()
        .find(|(name, _)| *name == word)
        .is_none_or(|(_, since)| version >= *since)
}

/// The default of that version where it is another than `today`.
pub(super) fn default(version: Number, keyword: &str, today: &'static str) -> &'static str {
    UNTIL
        .iter()
        .find(|(name, _)| *name == keyword)
        .and_then(|(_, values)| values.iter().find(|(until, _)| version <= *until))
        .map_or(today, |(_, value)| *value)
}

/// Algorithms that came or went: the name, since when, and up to when.
static ALGORITHMS: [(&str, Number, Number); 18] = [
    ("blowfish-cbc", (0, 0), (7, 5)),
    ("cast128-cbc", (0, 0), (7, 5)),
    ("arcfour", (0, 0), (7, 5)),
    ("arcfour128", (0, 0), (7, 5)),
    ("arcfour256", (0, 0), (7, 5)),
    ("rijndael-cbc@lysator.liu.se", (0, 0), (8, 4)),
    ("hmac-ripemd160", (0, 0), (7, 5)),
    ("hmac-ripemd160@openssh.com", (0, 0), (7, 5)),
    ("hmac-ripemd160-etm@openssh.com", (0, 0), (7, 5)),
    ("sntrup4591761x25519-sha512@tinyssh.org", (8, 0), (8, 4)),
    ("sntrup761x25519-sha512@openssh.com", (8, 5), (99, 0)),
    ("sntrup761x25519-sha512", (9, 2), (99, 0)),
    ("mlkem768x25519-sha256", (9, 9), (99, 0)),
    (
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
        (8, 3),
        (99, 0),
    ),
    ("ssh-dss", (0, 0), (9, 9)),
    ("ssh-dss-cert-v01@openssh.com", (0, 0), (9, 9)),
    ("rsa-sha2-256-cert-v01@openssh.com", (7, 8), (99, 0)),
    ("rsa-sha2-512-cert-v01@openssh.com", (7, 8), (99, 0)),
];

/// Whether the version has the algorithm.
pub(super) fn has_algorithm(version: Number, name: &str) -> bool {
    let hardware = name.starts_with("sk-");
    ALGORITHMS
        .iter()
        .find(|(known, _, _)| *known == name)
        .is_none_or(|(_, since, until)| (*since..=*until).contains(&version))
        && (!hardware || version >= (8, 2))
}
