//! Which attributes there are, and sets of them.

use std::fmt;

/// One recorded property of a file, by the name that findings, profiles and the JSON contract use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Attribute {
    /// File, directory, link, fifo, device or socket.
    Type = 1,
    /// Permission bits with setuid, setgid and sticky.
    Mode = 1 << 1,
    /// Owner.
    Uid = 1 << 2,
    /// Group.
    Gid = 1 << 3,
    /// Bytes, of files and links.
    Size = 1 << 4,
    /// Time of last change of the contents, in nanoseconds.
    Mtime = 1 << 5,
    /// Target of a symbolic link.
    Link = 1 << 6,
    /// Number of names.
    Nlink = 1 << 7,
    /// Digest of the contents.
    Sha256 = 1 << 8,
    /// Extended attributes: ACLs, SELinux label, capabilities, user.*.
    Xattrs = 1 << 9,
    /// The flags that chattr(1) can set.
    Flags = 1 << 10,
    /// Major and minor number of a device node.
    Device = 1 << 11,
}

impl Attribute {
    /// Every attribute, in the order in which findings list them.
    pub const ALL: [Attribute; 12] = [
        Attribute::Type,
        Attribute::Mode,
        Attribute::Uid,
        Attribute::Gid,
        Attribute::Size,
        Attribute::Mtime,
        Attribute::Link,
        Attribute::Nlink,
        Attribute::Sha256,
        Attribute::Xattrs,
        Attribute::Flags,
        Attribute::Device,
    ];

    /// The name used in profiles, findings and `changed`.
    pub fn name(self) -> &'static str {
        match self {
            Attribute::Type => "type",
            Attribute::Mode => "mode",
            Attribute::Uid => "uid",
            Attribute::Gid => "gid",
            Attribute::Size => "size",
            Attribute::Mtime => "mtime",
            Attribute::Link => "link",
            Attribute::Nlink => "nlink",
            Attribute::Sha256 => "sha256",
            Attribute::Xattrs => "xattrs",
            Attribute::Flags => "flags",
            Attribute::Device => "device",
        }
    }

    /// The attribute of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Attribute> {
        Attribute::ALL.into_iter().find(|a| a.name() == name)
    }
}

/// A set of [`Attribute`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct AttributeSet(u16);

impl AttributeSet {
    /// No attribute.
    pub const NONE: AttributeSet = AttributeSet(0);
    /// Every attribute: the default of a profile entry.
    pub const ALL: AttributeSet = AttributeSet((1 << 12) - 1);
    /// What the contents are, whoever owns them and whenever they were written.
    pub const CONTENT: AttributeSet = AttributeSet(
        Attribute::Type as u16
            | Attribute::Size as u16
            | Attribute::Link as u16
            | Attribute::Device as u16
            | Attribute::Sha256 as u16,
    );
    /// What is demanded of a directory that only leads to a covered path: who may rename things in it.
    pub const ANCESTOR: AttributeSet = AttributeSet(
        Attribute::Type as u16
            | Attribute::Mode as u16
            | Attribute::Uid as u16
            | Attribute::Gid as u16
            | Attribute::Link as u16
            | Attribute::Xattrs as u16
            | Attribute::Flags as u16,
    );
    /// What a directory's entries change of it when one is created, removed or replaced.
    pub const OF_ENTRIES: AttributeSet =
        AttributeSet(Attribute::Mtime as u16 | Attribute::Nlink as u16);

    /// The set with `attribute` in it.
    #[must_use]
    pub fn with(self, attribute: Attribute) -> AttributeSet {
        AttributeSet(self.0 | attribute as u16)
    }

    /// Whether `attribute` is in the set.
    pub fn has(self, attribute: Attribute) -> bool {
        self.0 & attribute as u16 != 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: AttributeSet) -> AttributeSet {
        AttributeSet(self.0 & other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn without(self, other: AttributeSet) -> AttributeSet {
        AttributeSet(self.0 & !other.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members in the order of [`Attribute::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Attribute> {
        Attribute::ALL.into_iter().filter(move |a| self.has(*a))
    }
}

impl FromIterator<Attribute> for AttributeSet {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> AttributeSet {
        attributes
            .into_iter()
            .fold(AttributeSet::NONE, AttributeSet::with)
    }
}

/// `all`, `content`, or the names joined by commas: the form of manifest headers.
impl fmt::Display for AttributeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == AttributeSet::ALL {
            return f.write_str("all");
        }
        if *self == AttributeSet::CONTENT {
            return f.write_str("content");
        }
        for (i, attribute) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(attribute.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for AttributeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
