//! What differs between versions of OpenSSH, from 7.4 (Amazon Linux 2) on: servconf.c, kex.c and myproposal.h at
//! their tags. Distributions bring some keywords to older versions; what they bring is taken there.

use super::table::{IN_MATCH_SINCE, LAST, SINCE};

/// The newest version that is known here.
pub const NEWEST: Number = super::table::NEWEST;

/// Major and minor, as `(9, 2)`.
pub type Number = (u32, u32);

/// Since then values are split as a shell would, and comments may follow them.
pub(super) const SHELL_WORDS: Number = (8, 7);
/// Until then ChallengeResponseAuthentication was a keyword of its own, and switched the other one on.
pub(super) const ONE_KBDINT: Number = (8, 7);
/// Since then the words of a `Match` line are split as a shell would.
pub(super) const MATCH_WORDS: Number = (9, 9);

/// Of MaxStartups, PerSourceNetBlockSize and IPQoS's words of ToS: since then the first line counts and the words
/// are passed over.
pub(super) const FIRST_STARTUPS: Number = (10, 1);
/// Since then the first IPQoS counts, seconds may have a fraction, and RevokedKeys takes several files.
pub(super) const FRACTIONS: Number = (10, 3);
/// Since then `sshd -T` spells keywords as the manual page does.
pub(super) const SPELLED_OUT: Number = (10, 4);
/// Since then AuthorizedKeysFile takes patterns of glob(3).
pub(super) const GLOBS: Number = (10, 0);
/// Since then DisableForwarding switches off X11 and agent forwarding too (CVE-2025-32728).
pub(super) const DISABLES_ALL: Number = (10, 0);

/// Keywords that a distribution brought to versions older than OpenSSH's own: the Red Hat family to what it ships.
static BACKPORTED: [(&str, Number); 2] = [("requiredrsasize", (8, 0)), ("rsaminsize", (8, 0))];

const KEYS_10_0: &str = super::algorithms::KEYS_10_0;
const KEYS_10_5: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";
const KEYS_8_7: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEYS_8_4: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEYS_8_1: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEYS_7_7: &str = "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,ssh-rsa-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-ed25519,rsa-sha2-512,rsa-sha2-256,ssh-rsa";
const KEY_LISTS: [(Number, &str); 6] = [
    ((7, 7), KEYS_7_7),
    ((8, 1), KEYS_8_1),
    ((8, 4), KEYS_8_4),
    ((8, 7), KEYS_8_7),
    ((10, 2), KEYS_10_0),
    ((10, 5), KEYS_10_5),
];

/// Defaults that changed: the keyword, and what held up to each version.
static UNTIL: [(&str, &[(Number, &str)]); 13] = [
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
            ((10, 2), super::algorithms::SIGNATURES_10_0),
        ],
    ),
    // The Debian family keeps the older value in all versions.
    (
        "ipqos",
        &[
            ((7, 7), "lowdelay throughput"),
            ((9, 1), "af21 cs1"),
            ((9, 2), "lowdelay throughput"),
            ((10, 0), "af21 cs1"),
        ],
    ),
    ("channeltimeout", &[((9, 2), "")]),
    (
        "persourcepenalties",
        &[
            (
                (9, 8),
                "crash:90 authfail:5 noauth:1 grace-exceeded:20 max:600 min:15 max-sources4:65536 max-sources6:65536 overflow:permissive overflow6:permissive",
            ),
            (
                (10, 2),
                "crash:90 authfail:5 noauth:1 grace-exceeded:10 refuseconnection:10 max:600 min:15 max-sources4:65536 max-sources6:65536 overflow:permissive overflow6:permissive",
            ),
        ],
    ),
    ("tcpkeepalive", &[((10, 5), "yes")]),
    (
        "hostkey",
        &[(
            (10, 5),
            "/etc/ssh/ssh_host_rsa_key\n/etc/ssh/ssh_host_ecdsa_key\n/etc/ssh/ssh_host_ed25519_key",
        )],
    ),
    ("pubkeyauthoptions", &[((10, 5), "none")]),
    ("revokedkeys", &[((10, 2), "none")]),
];

fn of(table: &[(&str, Number)], word: &str) -> Option<Number> {
    table
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, number)| *number)
}

/// Whether the version knows the word.
pub(super) fn knows(version: Number, word: &str) -> bool {
    let since = of(&BACKPORTED, word).or_else(|| of(&SINCE, word));
    since.is_none_or(|since| version >= since) && of(&LAST, word).is_none_or(|last| version <= last)
}

/// Whether the word may stand in a `Match` block of that version, where it may today.
pub(super) fn in_match(version: Number, word: &str) -> bool {
    of(&IN_MATCH_SINCE, word).is_none_or(|since| version >= since)
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
static ALGORITHMS: [(&str, Number, Number); 22] = [
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
    ("mlkem768nistp256-sha256", (10, 5), (99, 0)),
    ("ssh-mldsa44-ed25519", (10, 6), (99, 0)),
    ("ssh-mldsa44-ed25519-cert", (10, 6), (99, 0)),
    (
        "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        (10, 3),
        (99, 0),
    ),
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
