//! Capabilities and access control lists of files in words, in place of the name of the attribute that holds them.

use agent_core::escape::{from_hex, terminal_text};
use agent_core::finding::Finding;
use agent_core::os::procfs;
use agent_core::os::root::Root;
use agent_packages::rpm::capability;
use rustix::buffer::spare_capacity;
use sha2::{Digest, Sha256};
use std::os::fd::AsFd;

const CAPABILITY: &str = "security.capability";
const ACLS: [(&str, &str); 2] = [
    ("system.posix_acl_access", "ACL"),
    ("system.posix_acl_default", "default ACL"),
];
/// Bytes of a value at most: what an ACL of some hundred entries takes.
const VALUE: usize = 4096;

/// The finding with what its attributes mean in its message, where they are still those that were found.
pub(crate) fn told(root: &Root, mut finding: Finding) -> Finding {
    let has = |name: &str| {
        !finding.expected["xattrs"][name].is_null() || !finding.observed["xattrs"][name].is_null()
    };
    let names = ACLS.iter().map(|(name, word)| (*name, *word));
    let named: Vec<(&str, &str)> = names
        .chain([(CAPABILITY, "capabilities")])
        .filter(|(name, _)| has(name))
        .collect();
    for (name, word) in named {
        let is = finding.observed["xattrs"][name].as_str();
        let is = is.and_then(|digest| value_of(root, &finding.subject, name, digest));
        let was = finding.expected["xattrs"][name].as_str();
        let was = was.and_then(|digest| from_hex::<32>(digest.as_bytes()));
        let was = was.filter(|_| name == CAPABILITY);
        let was = was.and_then(|digest| capability::text_of_digest(&digest));
        let clause = match (was, is) {
            (Some(was), Some(is)) => format!("{word} {was} → {is}"),
            (None, Some(is)) => format!("{word} now {is}"),
            (Some(was), None) => format!("{word} {was}, now others or none"),
            (None, None) => continue,
        };
        let clause = terminal_text(&clause).into_owned();
        let written = ["added", "removed", "changed"].map(|what| format!("{name} {what}"));
        match written
            .iter()
            .find(|written| finding.message.contains(*written))
        {
            Some(written) => finding.message = finding.message.replace(written, &clause),
            None if finding.check.id == "files.added" => finding.message += &format!(", {clause}"),
            None => {}
        }
    }
    finding
}

/// What the attribute of that file means, if its value has that digest.
fn value_of(root: &Root, path: &[u8], name: &str, sha256: &str) -> Option<String> {
    let handle = root.resolve(path, false).ok()?.handle?;
    let place = procfs::path_to(handle.as_fd()).ok()?;
    let mut value = Vec::with_capacity(VALUE);
    rustix::fs::getxattr(place.as_str(), name, spare_capacity(&mut value)).ok()?;
    let wanted = from_hex::<32>(sha256.as_bytes())?;
    if Sha256::digest(&value)[..] != wanted[..] {
        return None;
    }
    match name {
        CAPABILITY => capability::text(&value),
        _ => acl(&value),
    }
}

/// The entries of an ACL for named users and groups, and its mask, as getfacl(1) prints them (acl(5); the kernel's form:
/// a version, then tag, rights and id of each entry in little-endian).
fn acl(value: &[u8]) -> Option<String> {
    let (version, entries) = value.split_at_checked(4)?;
    if version != [2, 0, 0, 0] || entries.len() % 8 != 0 {
        return None;
    }
    let mut words = Vec::new();
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let rights: String = [(4, 'r'), (2, 'w'), (1, 'x')]
            .iter()
            .map(|(bit, letter)| if entry[2] & bit != 0 { *letter } else { '-' })
            .collect();
        words.push(match tag {
            0x01 => format!("user::{rights}"),
            0x02 => format!("user:{id}:{rights}"),
            0x04 => format!("group::{rights}"),
            0x08 => format!("group:{id}:{rights}"),
            0x10 => format!("mask::{rights}"),
            0x20 => format!("other::{rights}"),
            _ => return None,
        });
    }
    // The others are those of the mode.
    let telling = |word: &String| !word.contains("::") || word.starts_with("mask");
    words.retain(telling);
    match words.is_empty() {
        true => Some("the mode's alone".into()),
        false => Some(words.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::escape::hex;
    use agent_core::finding::{FILES_CHANGED, Severity, Verdict};
    use serde_json::json;

    #[test]
    fn an_acl_is_told_by_what_it_adds_to_the_mode() {
        let entry = |tag: u16, rights: u8, id: u32| {
            let mut bytes = tag.to_le_bytes().to_vec();
            bytes.extend([rights, 0]);
            bytes.extend(id.to_le_bytes());
            bytes
        };
        let none = u32::MAX;
        let entries = [
            entry(1, 6, none),
            entry(2, 6, 33),
            entry(4, 4, none),
            entry(8, 4, 5),
            entry(16, 6, none),
            entry(32, 0, none),
        ];
        let value = [vec![2, 0, 0, 0], entries.concat()].concat();
        assert_eq!(
            acl(&value).as_deref(),
            Some("user:33:rw-,group:5:r--,mask::rw-")
        );
        assert_eq!(acl(&value[..value.len() - 1]), None);
        assert_eq!(acl(b""), None);
    }

    #[test]
    fn what_is_there_no_longer_is_not_made_up() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("x"), "").expect("a file");
        let root = Root::open(directory.path()).expect("a root");
        let digest = hex(&[7; 32]);
        let mut finding = Finding::new(
            &FILES_CHANGED,
            Verdict::Fail,
            Severity::High,
            "/x",
            "changed: security.capability changed",
        );
        finding.observed = json!({ "xattrs": { CAPABILITY: digest } });
        let message = finding.message.clone();
        assert_eq!(told(&root, finding).message, message);
    }
}
