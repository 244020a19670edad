//! Kept texts: the contents of files whose profile entry says `keep_text`, as they were recorded, so that a finding can say
//! which lines changed. They lie beside the manifest, as `MANIFEST.text`, and the manifest has their digest (`# text`).
//!
//! ```text
//! # host-integrity-agent texts 1
//! ./etc/hosts 61
//! 127.0.0.1 localhost                    so many bytes, then a newline
//! …
//! ```

use agent_core::bounds;
use agent_core::bytes;
use agent_core::escape;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The first line.
const VERSION: &[u8] = b"# host-integrity-agent texts 1\n";

/// Names of directories and files that hold secrets: their text is never kept, whatever a profile says.
const SECRET: [&str; 22] = [
    "shadow",
    "shadow-",
    "gshadow",
    "gshadow-",
    "sudoers",
    "sudoers.d",
    "opasswd",
    ".ssh",
    ".aws",
    ".gnupg",
    ".docker",
    ".netrc",
    ".pgpass",
    "private",
    "system-connections",
    "krb5.keytab",
    "ipsec.secrets",
    "chap-secrets",
    "pap-secrets",
    "wpa_supplicant",
    "wireguard",
    "credstore",
];
/// How names of such files end.
const SECRET_ENDS: [&str; 7] = ["_key", ".key", ".pem", ".p12", ".pfx", ".keytab", ".secret"];

/// Whether the text of a path may be kept: none that is known to hold secrets.
pub fn may_keep(path: &[u8]) -> bool {
    let is_secret = |name: &[u8]| {
        SECRET.iter().any(|secret| secret.as_bytes() == name)
            || SECRET_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
    };
    !path.split(|byte| *byte == b'/').any(is_secret)
}

/// SHA-256 of a text.
pub fn digest(contents: &[u8]) -> [u8; 32] {
    Sha256::digest(contents).into()
}

/// `FILE.text`
pub fn text_path(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".text");
    PathBuf::from(name)
}

/// Texts by path, relative to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    texts: BTreeMap<Vec<u8>, (String, [u8; 32])>,
    bytes: usize,
}

impl Texts {
    /// Keeps a text; whether there was room for it, and it is one.
    pub fn keep(&mut self, path: Vec<u8>, contents: Vec<u8>) -> bool {
        let sha256 = digest(&contents);
        let fits = contents.len() <= bounds::KEPT_TEXT && !self.has_no_room(contents.len());
        let text = String::from_utf8(contents).ok();
        let text = text.filter(|text| fits && !text.contains('\0'));
        let Some(text) = text else {
            return false;
        };
        self.bytes = self.bytes.saturating_add(text.len());
        self.texts.insert(path, (text, sha256));
        true
    }

    /// Whether all texts would be longer than may be kept, were there one of that length more.
    pub fn has_no_room(&self, length: usize) -> bool {
        self.bytes.saturating_add(length) > bounds::KEPT_TEXTS
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text of a path, and the SHA-256 of its bytes.
    pub fn get(&self, path: &[u8]) -> Option<(&str, &[u8; 32])> {
        let (text, sha256) = self.texts.get(path)?;
        Some((text, sha256))
    }

    /// As they lie beside the manifest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = VERSION.to_vec();
        for (path, (text, _)) in &self.texts {
            out.extend(b"./");
            escape::push_octal(&mut out, path);
            out.extend(format!(" {}\n", text.len()).bytes());
            out.extend(text.bytes());
            out.push(b'\n');
        }
        out
    }

    /// What [`Texts::to_bytes`] wrote; `None` for anything else.
    pub fn parse(bytes: &[u8]) -> Option<Texts> {
        let mut rest = bytes.strip_prefix(VERSION)?;
        let mut texts = Texts::default();
        while !rest.is_empty() {
            let (line, behind) = bytes::split_once(rest, b'\n')?;
            let (path, length) = bytes::rsplit_once(line, b' ')?;
            let path = escape::from_octal(path.strip_prefix(b"./")?)?;
            let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
            let (text, behind) = behind.split_at_checked(length)?;
            rest = behind.strip_prefix(b"\n")?;
            if !texts.keep(path, text.to_vec()) {
                return None;
            }
        }
        Some(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut texts = Texts::default();
        assert!(texts.keep(b"etc/a b\n".to_vec(), b"x\n./etc/c 1\n".to_vec()));
        assert!(texts.keep(b"etc/empty".to_vec(), Vec::new()));
        assert!(!texts.keep(b"etc/binary".to_vec(), b"a\0b".to_vec()));
        assert!(!texts.keep(b"etc/latin".to_vec(), b"a\xff".to_vec()));
        assert!(!texts.keep(b"etc/long".to_vec(), vec![b'a'; bounds::KEPT_TEXT + 1]));
        let bytes = texts.to_bytes();
        assert_eq!(Texts::parse(&bytes), Some(texts));
        for cut in [0, 5, bytes.len() - 1] {
            assert_eq!(Texts::parse(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn all_texts_together_are_bounded() {
        let mut texts = Texts::default();
        let text = vec![b'a'; bounds::KEPT_TEXT];
        for n in 0..bounds::KEPT_TEXTS / bounds::KEPT_TEXT {
            assert!(texts.keep(n.to_string().into_bytes(), text.clone()), "{n}");
        }
        assert!(texts.has_no_room(1) && !texts.has_no_room(0));
        assert!(!texts.keep(b"more".to_vec(), b"a".to_vec()));
        assert!(texts.get(b"more").is_none());
        assert!(Texts::parse(&texts.to_bytes()).is_some());
    }

    #[test]
    fn nothing_secret_is_kept() {
        for secret in [
            "etc/shadow",
            "etc/sudoers.d/x",
            "etc/ssh/ssh_host_ed25519_key",
            "root/.ssh/config",
            "etc/ssl/private/x",
            "etc/x.pem",
        ] {
            assert!(!may_keep(secret.as_bytes()), "{secret}");
        }
        for other in [
            "etc/hosts",
            "etc/sysctl.d/99-x.conf",
            "etc/systemd/system/a.service",
        ] {
            assert!(may_keep(other.as_bytes()), "{other}");
        }
    }
}
