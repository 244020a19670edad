//! What changed of a path, and what a package shipped there.

use crate::verdict::Content;
use agent_core::attributes::{Attribute, AttributeSet, Attributes, Digest, FileType, Xattr};

/// The extended attribute that holds a file's capabilities (capabilities(7)).
const CAPABILITY: &[u8] = b"security.capability";
/// Bits of a mode with which a program runs as somebody else.
const SET_ID: u16 = 0o6000;

/// A path that deviates from what was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Relative to the root, links in its directory resolved.
    pub path: &'a [u8],
    /// What was recorded; `None` for what was added.
    pub expected: Option<&'a Attributes>,
    /// What is there.
    pub observed: &'a Attributes,
    /// In what they differ; everything for what was added.
    pub changed: AttributeSet,
}

/// What a package shipped at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shipped {
    pub(crate) kind: FileType,
    pub(crate) mode: Option<u16>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) link: Option<Box<[u8]>>,
    pub(crate) digest: Option<Digest>,
    /// The SHA-256 of `security.capability`; the outer `None`: not known.
    pub(crate) capability: Option<Option<[u8; 32]>>,
    /// Names that the file has; `None`: not known.
    pub(crate) names: Option<u64>,
}

impl Change<'_> {
    /// Whether the path gives a privilege now that it did not give as recorded.
    pub(crate) fn new_privilege(&self) -> bool {
        let bits = |attributes: &Attributes| match attributes.kind {
            FileType::File => attributes.mode.unwrap_or(0) & SET_ID,
            _ => 0,
        };
        let before = self.expected.map_or(0, bits);
        let now = capability(self.observed);
        bits(self.observed) & !before != 0
            || now.is_some() && now != self.expected.and_then(capability)
    }

    /// Whether more than contents and times has to be compared with what was shipped.
    pub(crate) fn needs_attributes(&self) -> bool {
        let by_content = [Attribute::Sha256, Attribute::Size, Attribute::Mtime];
        let rest = self
            .changed
            .iter()
            .any(|attribute| !by_content.contains(&attribute));
        self.expected.is_none() || self.observed.kind != FileType::File || rest
    }

    /// How the contents stand, and which attributes that changed are not those that were shipped. `digest` is what is
    /// there, of the kind that was shipped.
    pub(crate) fn against(
        &self,
        shipped: &Shipped,
        digest: Option<&Digest>,
    ) -> (Content, AttributeSet) {
        let observed = self.observed;
        let content = match observed.kind {
            _ if observed.kind != shipped.kind => Content::Differs,
            FileType::File => match (&shipped.digest, digest) {
                (Some(shipped), Some(found)) if shipped == found => Content::Same,
                (Some(_), Some(_)) => Content::Differs,
                _ => Content::Unknown,
            },
            FileType::Link if shipped.link.is_none() => Content::Unknown,
            FileType::Link if observed.link == shipped.link => Content::Same,
            FileType::Link => Content::Differs,
            FileType::Dir => Content::Same,
            _ => Content::Unknown,
        };
        let mut beyond = AttributeSet::NONE;
        for attribute in self.changed.iter() {
            if !self.is_shipped(attribute, shipped) {
                beyond = beyond.with(attribute);
            }
        }
        (content, beyond)
    }

    fn is_shipped(&self, attribute: Attribute, shipped: &Shipped) -> bool {
        fn same<T: PartialEq>(is: &Option<T>, shipped: &Option<T>) -> bool {
            is.is_none() || is == shipped
        }
        let is = self.observed;
        let is_directory = is.kind == FileType::Dir;
        match attribute {
            // The contents decide, and say so themselves.
            Attribute::Sha256 | Attribute::Size => true,
            // Whoever replaces a file or a link dates it. What dates a directory is an entry, of which nobody knows.
            Attribute::Mtime => !is_directory || self.expected.is_none(),
            Attribute::Nlink => {
                // rpm's headers do not say it.
                let names = shipped.names.or(Some(1));
                is.nlink.is_none() || is.nlink == names || is_directory && self.expected.is_none()
            }
            Attribute::Type => is.kind == shipped.kind,
            Attribute::Mode => is.kind == FileType::Link || same(&is.mode, &shipped.mode),
            Attribute::Uid => same(&is.uid, &shipped.uid),
            Attribute::Gid => same(&is.gid, &shipped.gid),
            Attribute::Link => is.link == shipped.link,
            Attribute::Xattrs => self.xattrs_are(shipped),
            Attribute::Flags => is.flags.is_none_or(|flags| flags.is_empty()),
            Attribute::Device => is.device.is_none(),
        }
    }

    /// Whether each extended attribute that differs is as shipped: a capability the package's, any other none.
    fn xattrs_are(&self, shipped: &Shipped) -> bool {
        let Some(now) = &self.observed.xattrs else {
            return true;
        };
        let before = self.expected.and_then(|expected| expected.xattrs.as_ref());
        let is_old = |xattr: &Xattr| before.is_some_and(|before| before.contains(xattr));
        let others = now.iter().filter(|xattr| *xattr.name != *CAPABILITY);
        let capability_changed = capability(self.observed) != self.expected.and_then(capability);
        others.clone().all(is_old)
            && (!capability_changed || shipped.capability == Some(capability(self.observed)))
    }
}

fn capability(attributes: &Attributes) -> Option<[u8; 32]> {
    let xattrs = attributes.xattrs.as_ref()?;
    let found = xattrs.iter().find(|xattr| *xattr.name == *CAPABILITY)?;
    Some(found.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest::Sha256([1; 32]);

    fn file(mode: u16, digest: u8) -> Attributes {
        Attributes {
            mode: Some(mode),
            uid: Some(0),
            gid: Some(0),
            digest: Some(Digest::Sha256([digest; 32])),
            xattrs: Some(Vec::new()),
            ..Attributes::new(FileType::File)
        }
    }

    fn shipped(mode: u16) -> Shipped {
        Shipped {
            kind: FileType::File,
            mode: Some(mode),
            uid: Some(0),
            gid: Some(0),
            link: None,
            digest: Some(DIGEST),
            capability: Some(None),
            names: Some(1),
        }
    }

    fn change<'a>(expected: &'a Attributes, observed: &'a Attributes) -> Change<'a> {
        Change {
            path: b"usr/bin/p",
            expected: Some(expected),
            observed,
            changed: expected.differing(observed, AttributeSet::ALL),
        }
    }

    fn capable(mut attributes: Attributes, name: &str) -> Attributes {
        attributes.xattrs = Some(vec![Xattr {
            name: name.as_bytes().into(),
            sha256: [7; 32],
        }]);
        attributes
    }

    #[test]
    fn contents_and_attributes_are_told_apart() {
        let (old, new) = (file(0o755, 0), file(0o755, 1));
        let new_mode = file(0o777, 1);
        let cases = [
            (&new, 0o755, Content::Same, AttributeSet::NONE),
            // Not a change: it was so when the image was recorded.
            (&new, 0o700, Content::Same, AttributeSet::NONE),
            (
                &new_mode,
                0o755,
                Content::Same,
                AttributeSet::NONE.with(Attribute::Mode),
            ),
            (&new_mode, 0o777, Content::Same, AttributeSet::NONE),
        ];
        for (observed, mode, content, beyond) in cases {
            let found = change(&old, observed).against(&shipped(mode), observed.digest.as_ref());
            assert_eq!(found, (content, beyond), "{observed:?}");
        }
        let edited = file(0o755, 9);
        let found = change(&old, &edited).against(&shipped(0o755), edited.digest.as_ref());
        assert_eq!(found.0, Content::Differs);
        assert_eq!(
            change(&old, &new).against(&shipped(0o755), None).0,
            Content::Unknown
        );
    }

    #[test]
    fn privileges_are_new_or_were_there() {
        let plain = file(0o755, 0);
        let setuid = file(0o4755, 1);
        assert!(change(&plain, &setuid).new_privilege());
        assert!(!change(&file(0o4755, 0), &setuid).new_privilege());
        assert!(!change(&setuid, &plain).new_privilege(), "lost");
        let ping = capable(file(0o755, 1), "security.capability");
        assert!(change(&plain, &ping).new_privilege());
        assert!(!change(&capable(file(0o755, 0), "security.capability"), &ping).new_privilege());
        let added = Change {
            expected: None,
            ..change(&plain, &setuid)
        };
        assert!(added.new_privilege());
    }

    #[test]
    fn extended_attributes_are_the_packages_or_none() {
        let plain = file(0o755, 0);
        let labelled = capable(file(0o755, 1), "system.posix_acl_access");
        let xattrs = AttributeSet::NONE.with(Attribute::Xattrs);
        let found = change(&plain, &labelled).against(&shipped(0o755), labelled.digest.as_ref());
        assert_eq!(found.1, xattrs);
        let ping = capable(file(0o755, 1), "security.capability");
        let found = change(&plain, &ping).against(&shipped(0o755), ping.digest.as_ref());
        assert_eq!(found.1, xattrs, "no archive has it");
        let has_it = Shipped {
            capability: Some(Some([7; 32])),
            ..shipped(0o755)
        };
        assert_eq!(
            change(&plain, &ping)
                .against(&has_it, ping.digest.as_ref())
                .1,
            AttributeSet::NONE
        );
        let lost = file(0o755, 1);
        let was = capable(file(0o755, 0), "system.posix_acl_access");
        assert_eq!(
            change(&was, &lost)
                .against(&shipped(0o755), lost.digest.as_ref())
                .1,
            AttributeSet::NONE
        );
    }
}
