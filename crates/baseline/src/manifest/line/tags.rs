//! `tags=`: what mtree(5) has no word for.

use crate::manifest::{Entry, Role};
use agent_core::attributes::Xattr;
use agent_core::bytes;
use agent_core::escape;

/// The tag for a path that the first boot removed.
const REMOVED: &[u8] = b"removed";
/// The tag for a directory that only leads to entries.
const PARENT: &[u8] = b"parent";
/// The tag for a directory where something was mounted that was not crossed.
const MOUNT: &[u8] = b"mount";
/// An extended attribute's tag: `xattr.NAME=SHA256`.
const XATTR: &[u8] = b"xattr.";
/// The tag for a file that fs-verity seals: `verity=ALGORITHM:BLOCK:SALT:DIGEST`.
const VERITY: &[u8] = b"verity=";
/// The tag for the package that owns the path: `package.NAME`.
const PACKAGE: &[u8] = b"package.";

/// What the tags of an entry say.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) role: Role,
    pub(super) package: Option<Box<str>>,
    pub(super) verity: Option<Box<str>>,
    pub(super) xattrs: Vec<Xattr>,
}

/// Appends the tags of `entry`, if it has any.
pub(super) fn push(out: &mut Vec<u8>, entry: &Entry) {
    let xattrs = entry.attributes.xattrs.as_deref().unwrap_or_default();
    let seal = &entry.attributes.verity;
    let plain = entry.role == Role::Recorded && entry.package.is_none();
    if plain && xattrs.is_empty() && seal.is_none() {
        return;
    }
    out.extend(b" tags=,");
    match entry.role {
        Role::Recorded => {}
        Role::Removed => out.extend([REMOVED, b","].concat()),
        Role::Parent => out.extend([PARENT, b","].concat()),
        Role::Mount => out.extend([MOUNT, b","].concat()),
    }
    if let Some(package) = &entry.package {
        out.extend(PACKAGE);
        push_tag_name(out, package.as_bytes());
        out.push(b',');
    }
    if let Some(seal) = seal {
        out.extend([VERITY, seal.as_bytes(), b","].concat());
    }
    for xattr in xattrs {
        out.extend(XATTR);
        push_tag_name(out, &xattr.name);
        out.push(b'=');
        out.extend(escape::hex(&xattr.sha256).bytes());
        out.push(b',');
    }
}

/// An attribute's name with what has a meaning in tags as `%HH`.
fn push_tag_name(out: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"._-:".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(escape::hex(&[byte]).bytes());
        }
    }
}

fn parse_tag_name(text: &[u8]) -> Option<Box<[u8]>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            name.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let [byte] = escape::from_hex::<1>(digits)?;
        name.push(byte);
        rest = behind;
    }
    (!name.is_empty()).then(|| name.into_boxed_slice())
}

/// Reads the value of `tags=`; `None` where it is not understood.
pub(super) fn parse(value: &[u8]) -> Option<Tags> {
    let inner = value.strip_prefix(b",")?.strip_suffix(b",")?;
    let mut tags = Tags::default();
    for tag in inner.split(|b| *b == b',') {
        let special = match tag {
            REMOVED => Some(Role::Removed),
            PARENT => Some(Role::Parent),
            MOUNT => Some(Role::Mount),
            _ => None,
        };
        if let Some(special) = special {
            if std::mem::replace(&mut tags.role, special) != Role::Recorded {
                return None;
            }
            continue;
        }
        if let Some(name) = tag.strip_prefix(PACKAGE) {
            let name = String::from_utf8(parse_tag_name(name)?.into_vec()).ok()?;
            if tags.package.replace(name.into()).is_some() {
                return None;
            }
            continue;
        }
        if let Some(seal) = tag.strip_prefix(VERITY) {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b':';
            let seal = std::str::from_utf8(seal)
                .ok()
                .filter(|_| seal.iter().all(plain))?;
            if seal.is_empty() || tags.verity.replace(seal.into()).is_some() {
                return None;
            }
            continue;
        }
        let tag = tag.strip_prefix(XATTR)?;
        let (name, digest) = bytes::split_once(tag, b'=')?;
        let xattr = Xattr {
            name: parse_tag_name(name)?,
            sha256: escape::from_hex(digest)?,
        };
        let last = tags.xattrs.last();
        if last.is_some_and(|last| last.name >= xattr.name) {
            return None;
        }
        tags.xattrs.push(xattr);
    }
    Some(tags)
}
