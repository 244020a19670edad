//! Lists of algorithms: the names that OpenSSH has or had, and how `+`, `-` and `^` work on a default
//! (`kex_assemble_names` of kex.c).

use super::criteria::{in_list, matches};
use super::history::{self, Number};

/// Which names a list may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `ssh -Q cipher`
    Cipher,
    /// `ssh -Q mac`
    Mac,
    /// `ssh -Q kex`
    Kex,
    /// `ssh -Q HostKeyAlgorithms`
    Key,
    /// The same without certificates.
    Signature,
}

/// Defaults of HostKeyAlgorithms, PubkeyAcceptedAlgorithms and HostbasedAcceptedAlgorithms up to 10.2.
pub(super) const KEYS_10_0: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/// The same since 10.6.
pub(super) const KEYS: &str = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-mldsa44-ed25519-cert,ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-mldsa44-ed25519";

/// Default of CASignatureAlgorithms since 10.3.
pub(super) const SIGNATURES: &str = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/// Default of CASignatureAlgorithms up to 10.2.
pub(super) const SIGNATURES_10_0: &str = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/// Ciphers of any version, in the order of `ssh -Q cipher`.
const CIPHER_NAMES: &[&str] = &[
    "3des-cbc",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "blowfish-cbc",
    "cast128-cbc",
    "arcfour",
    "arcfour128",
    "arcfour256",
    "rijndael-cbc@lysator.liu.se",
];

/// MACs of any version, in the order of `ssh -Q mac`.
const MAC_NAMES: &[&str] = &[
    "hmac-sha1",
    "hmac-sha1-96",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "hmac-md5",
    "hmac-md5-96",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "hmac-sha1-96-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-md5-etm@openssh.com",
    "hmac-md5-96-etm@openssh.com",
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-ripemd160",
    "hmac-ripemd160@openssh.com",
    "hmac-ripemd160-etm@openssh.com",
];

/// Key exchanges of any version, in the order of `ssh -Q kex`.
const KEX_NAMES: &[&str] = &[
    "diffie-hellman-group1-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha1",
    "diffie-hellman-group-exchange-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "mlkem768x25519-sha256",
    "mlkem768nistp256-sha256",
    "sntrup4591761x25519-sha512@tinyssh.org",
];

/// Signatures of any version, in the order of `ssh -Q HostKeyAlgorithms`.
const KEY_NAMES: &[&str] = &[
    "ssh-ed25519",
    "ssh-ed25519-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ssh-dss",
    "ssh-dss-cert-v01@openssh.com",
    "ssh-rsa",
    "ssh-rsa-cert-v01@openssh.com",
    "rsa-sha2-256",
    "rsa-sha2-256-cert-v01@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-512-cert-v01@openssh.com",
    "ssh-mldsa44-ed25519",
    "ssh-mldsa44-ed25519-cert",
];

impl Family {
    /// Every name that the version knows, in its own order.
    fn all(self, version: Number) -> impl Iterator<Item = &'static str> {
        let all = match self {
            Family::Cipher => CIPHER_NAMES,
            Family::Mac => MAC_NAMES,
            Family::Kex => KEX_NAMES,
            Family::Key | Family::Signature => KEY_NAMES,
        };
        all.iter()
            .copied()
            .filter(move |name| history::has_algorithm(version, name))
    }

    fn takes_wildcards(self) -> bool {
        matches!(self, Family::Key | Family::Signature)
    }

    fn good(self, list: &str, version: Number) -> bool {
        // Certificates are a valid name for a signature list too, and are dropped from it afterwards.
        !list.is_empty()
            && list.split(',').all(|name| match self.takes_wildcards() {
                true => self.all(version).any(|known| matches(known, name)),
                false => self.all(version).any(|known| known == name),
            })
    }
}

/// What a written list comes to over `default`; `None` where sshd refuses it.
pub(super) fn assemble(
    family: Family,
    list: &str,
    default: &str,
    version: Number,
) -> Option<String> {
    let defaults = default.split(',');
    if let Some(removed) = list.strip_prefix('-') {
        let kept: Vec<&str> = defaults
            .filter(|name| in_list(name, removed) == Some(false))
            .collect();
        return Some(kept.join(","));
    }
    let (written, whole): (&str, Vec<&str>) = match list.chars().next()? {
        '+' => (&list[1..], defaults.chain(list[1..].split(',')).collect()),
        '^' => (&list[1..], list[1..].split(',').chain(defaults).collect()),
        _ => (list, list.split(',').collect()),
    };
    if !family.good(written, version) {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for pattern in whole {
        for name in family.all(version) {
            let fits =
                matches(name, pattern) && (family != Family::Signature || !name.contains("-cert-"));
            if fits && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    (!names.is_empty()).then(|| names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_work_on_the_default() {
        let default = "aes128-ctr,aes256-ctr";
        for (list, expected) in [
            ("aes256-ctr", Some("aes256-ctr")),
            (
                "+3des-cbc,aes128-ctr",
                Some("aes128-ctr,aes256-ctr,3des-cbc"),
            ),
            ("^aes256-ctr", Some("aes256-ctr,aes128-ctr")),
            ("-aes128*", Some("aes256-ctr")),
            ("-nonsense", Some("aes128-ctr,aes256-ctr")),
            ("+nonsense", None),
            ("AES256-ctr", None),
            ("aes*", None),
            ("", None),
        ] {
            assert_eq!(
                assemble(Family::Cipher, list, default, (9, 2)).as_deref(),
                expected,
                "{list}"
            );
        }
    }
}
