//! What is recorded of a file: the values that manifests hold, eyes observe and verdicts compare.
//!
//! Values only; nothing here touches a file system.

mod set;

pub use set::{Attribute, AttributeSet};

use std::fmt;

/// The kind of a file system object, by the words of mtree(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Fifo,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A socket.
    Socket,
}

impl FileType {
    /// The word of mtree(5) for it.
    pub fn name(self) -> &'static str {
        match self {
            FileType::File => "file",
            FileType::Dir => "dir",
            FileType::Link => "link",
            FileType::Fifo => "fifo",
            FileType::Char => "char",
            FileType::Block => "block",
            FileType::Socket => "socket",
        }
    }

    /// The kind that mtree(5) names so.
    pub fn from_name(name: &[u8]) -> Option<FileType> {
        [
            FileType::File,
            FileType::Dir,
            FileType::Link,
            FileType::Fifo,
            FileType::Char,
            FileType::Block,
            FileType::Socket,
        ]
        .into_iter()
        .find(|t| t.name().as_bytes() == name)
    }
}

/// Seconds and nanoseconds since 1970, as stat(2) gives them; negative seconds are before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// 0 to 999,999,999, always counted forward.
    pub nanoseconds: u32,
}

/// Digest of a file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// FIPS 180-4.
    Sha256([u8; 32]),
    /// What dpkg records (RFC 1321): evidence against accidents, weak evidence against people.
    Md5([u8; 16]),
    /// FIPS 180-4; as MD5, weak evidence against people.
    Sha1([u8; 20]),
    /// FIPS 180-4.
    Sha224([u8; 28]),
    /// FIPS 180-4.
    Sha384([u8; 48]),
    /// FIPS 180-4.
    Sha512([u8; 64]),
    /// FIPS 202.
    Sha3_256([u8; 32]),
    /// FIPS 202.
    Sha3_512([u8; 64]),
}

impl Digest {
    /// The bytes of the digest.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Digest::Sha256(bytes) | Digest::Sha3_256(bytes) => bytes,
            Digest::Md5(bytes) => bytes,
            Digest::Sha1(bytes) => bytes,
            Digest::Sha224(bytes) => bytes,
            Digest::Sha384(bytes) => bytes,
            Digest::Sha512(bytes) | Digest::Sha3_512(bytes) => bytes,
        }
    }

    /// Which kind of digest this is.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Digest::Sha256(_) => Algorithm::Sha256,
            Digest::Md5(_) => Algorithm::Md5,
            Digest::Sha1(_) => Algorithm::Sha1,
            Digest::Sha224(_) => Algorithm::Sha224,
            Digest::Sha384(_) => Algorithm::Sha384,
            Digest::Sha512(_) => Algorithm::Sha512,
            Digest::Sha3_256(_) => Algorithm::Sha3_256,
            Digest::Sha3_512(_) => Algorithm::Sha3_512,
        }
    }
}

/// Which digest of the contents is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// What manifests hold, and most of rpm's packages.
    Sha256,
    /// What dpkg's database holds.
    Md5,
    /// As the others below: what rpm's packages may hold.
    Sha1,
    /// See above.
    Sha224,
    /// See above.
    Sha384,
    /// See above.
    Sha512,
    /// From rpm 6 on.
    Sha3_256,
    /// From rpm 6 on.
    Sha3_512,
}

impl Algorithm {
    /// The key under which evidence gives such a digest.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Sha3_256 => "sha3-256",
            Algorithm::Sha3_512 => "sha3-512",
        }
    }
}

/// The owner that nobody can be, `(uid_t) -1` (chown(2)): stands for an account that a package names and the host lacks.
pub const NOBODY: u32 = u32::MAX;

/// Flags of an inode that chattr(1) can set, as the kernel's `FS_*_FL` bits (ioctl_iflags(2)).
///
/// What the file system keeps for itself (`e I E V N` …) is masked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(u32);

/// chattr(1)'s letters and the bits of `linux/fs.h` behind them.
const FLAG_LETTERS: [(char, u32); 12] = [
    ('i', 0x0000_0010),
    ('a', 0x0000_0020),
    ('A', 0x0000_0080),
    ('c', 0x0000_0004),
    ('C', 0x0080_0000),
    ('d', 0x0000_0040),
    ('D', 0x0001_0000),
    ('S', 0x0000_0008),
    ('t', 0x0000_8000),
    ('T', 0x0002_0000),
    ('u', 0x0000_0002),
    ('j', 0x0000_4000),
];

impl Flags {
    /// The settable ones of the bits that `FS_IOC_GETFLAGS` returned.
    pub fn from_bits(bits: u32) -> Flags {
        let settable = FLAG_LETTERS.iter().fold(0, |mask, (_, bit)| mask | bit);
        Flags(bits & settable)
    }

    /// The flags that chattr(1)'s letters stand for; `None` for a letter that is no settable flag.
    pub fn from_letters(letters: &[u8]) -> Option<Flags> {
        letters.iter().try_fold(Flags::default(), |flags, &letter| {
            let (_, bit) = FLAG_LETTERS
                .iter()
                .find(|(l, _)| *l == char::from(letter))?;
            Some(Flags(flags.0 | bit))
        })
    }

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// chattr(1)'s letters, in a fixed order; nothing where none is set.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, bit) in FLAG_LETTERS {
            if self.0 & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// One extended attribute: its name and the SHA-256 of its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// As listxattr(2) gives it, with its namespace; any bytes but NUL.
    pub name: Box<[u8]>,
    /// SHA-256 of the value.
    pub sha256: [u8; 32],
}

/// What is known of one file. `None` where the kind of file has no such property or it was not asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Kind of file.
    pub kind: FileType,
    /// Permission bits, 0 to 0o7777.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes; of files and links only.
    pub size: Option<u64>,
    /// Number of names.
    pub nlink: Option<u64>,
    /// Time of last change of the contents.
    pub mtime: Option<Timestamp>,
    /// Target; of links only. Any bytes but NUL.
    pub link: Option<Box<[u8]>>,
    /// Major and minor number; of devices only.
    pub device: Option<(u32, u32)>,
    /// Digest of the contents; of files only.
    pub digest: Option<Digest>,
    /// Flags; of files and directories only (others can't carry any).
    pub flags: Option<Flags>,
    /// Extended attributes, sorted by name, without `trusted.*`.
    pub xattrs: Option<Vec<Xattr>>,
    /// How fs-verity seals the contents (see [`crate::os::verity`]); a seal that is lost is a change of the flags.
    pub verity: Option<Box<str>>,
}

impl Attributes {
    /// A file of that kind of which nothing else is known.
    pub fn new(kind: FileType) -> Attributes {
        Attributes {
            kind,
            mode: None,
            uid: None,
            gid: None,
            size: None,
            nlink: None,
            mtime: None,
            link: None,
            device: None,
            digest: None,
            flags: None,
            xattrs: None,
            verity: None,
        }
    }

    /// Forgets what is not in `keep`. The type always stays.
    pub fn retain(&mut self, keep: AttributeSet) {
        fn clear<T>(value: &mut Option<T>, keep: bool) {
            if !keep {
                *value = None;
            }
        }
        clear(&mut self.mode, keep.has(Attribute::Mode));
        clear(&mut self.uid, keep.has(Attribute::Uid));
        clear(&mut self.gid, keep.has(Attribute::Gid));
        clear(&mut self.size, keep.has(Attribute::Size));
        clear(&mut self.nlink, keep.has(Attribute::Nlink));
        clear(&mut self.mtime, keep.has(Attribute::Mtime));
        clear(&mut self.link, keep.has(Attribute::Link));
        clear(&mut self.device, keep.has(Attribute::Device));
        clear(&mut self.digest, keep.has(Attribute::Sha256));
        clear(&mut self.flags, keep.has(Attribute::Flags));
        clear(&mut self.xattrs, keep.has(Attribute::Xattrs));
        clear(&mut self.verity, keep.has(Attribute::Flags));
    }

    /// What of `demand` should be known of such a file and is not. Of a directory, mtime and nlink need not be
    /// known; no flags and no extended attributes are said by saying nothing.
    pub fn lacks(&self, demand: AttributeSet) -> AttributeSet {
        let is = |kinds: &[FileType]| kinds.contains(&self.kind);
        demand
            .iter()
            .filter(|attribute| match attribute {
                Attribute::Type | Attribute::Xattrs | Attribute::Flags => false,
                Attribute::Mode => self.mode.is_none(),
                Attribute::Uid => self.uid.is_none(),
                Attribute::Gid => self.gid.is_none(),
                Attribute::Size => is(&[FileType::File, FileType::Link]) && self.size.is_none(),
                Attribute::Mtime => !is(&[FileType::Dir]) && self.mtime.is_none(),
                Attribute::Nlink => !is(&[FileType::Dir]) && self.nlink.is_none(),
                Attribute::Link => is(&[FileType::Link]) && self.link.is_none(),
                Attribute::Sha256 => is(&[FileType::File]) && self.digest.is_none(),
                Attribute::Device => {
                    is(&[FileType::Char, FileType::Block]) && self.device.is_none()
                }
            })
            .collect()
    }

    /// Whether `self` (expected) was sealed and `observed`, a file as well, is not: it can be written again.
    pub fn lost_seal(&self, observed: &Attributes) -> bool {
        let files = self.kind == FileType::File && observed.kind == FileType::File;
        files && self.verity.is_some() && observed.verity.is_none()
    }

    /// What of `demand` was recorded of `self` (expected) and not seen of `observed`, which is of the same type: a
    /// comparison that has one side alone must not pass.
    pub fn unseen_in(&self, observed: &Attributes, demand: AttributeSet) -> AttributeSet {
        fn one_sided<T>(was: &Option<T>, is: &Option<T>) -> bool {
            was.is_some() && is.is_none()
        }
        let unseen = |attribute: &Attribute| match attribute {
            Attribute::Type => false,
            Attribute::Mode => one_sided(&self.mode, &observed.mode),
            Attribute::Uid => one_sided(&self.uid, &observed.uid),
            Attribute::Gid => one_sided(&self.gid, &observed.gid),
            Attribute::Size => one_sided(&self.size, &observed.size),
            Attribute::Mtime => one_sided(&self.mtime, &observed.mtime),
            Attribute::Link => one_sided(&self.link, &observed.link),
            Attribute::Nlink => one_sided(&self.nlink, &observed.nlink),
            Attribute::Sha256 => one_sided(&self.digest, &observed.digest),
            Attribute::Xattrs => one_sided(&self.xattrs, &observed.xattrs),
            Attribute::Flags => one_sided(&self.flags, &observed.flags),
            Attribute::Device => one_sided(&self.device, &observed.device),
        };
        match self.kind == observed.kind {
            true => demand.iter().filter(unseen).collect(),
            false => AttributeSet::NONE,
        }
    }

    /// The attributes that differ between `self` (expected) and `observed`, out of `demand`.
    ///
    /// Where one side has no value (another type, or not recorded) there is nothing to compare:
    /// the difference in type says it. The link count of a directory is the file system's affair where it is 1:
    /// btrfs gives that to each, overlayfs to those with an upper and a lower part.
    pub fn differing(&self, observed: &Attributes, demand: AttributeSet) -> AttributeSet {
        fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        // A directory that is counted has two names at least: its own and `.`.
        let uncounted = |a: &Attributes, b: &Attributes| {
            let directories = a.kind == FileType::Dir && b.kind == FileType::Dir;
            directories && (a.nlink == Some(1) || b.nlink == Some(1))
        };
        Attribute::ALL
            .into_iter()
            .filter(|attribute| demand.has(*attribute))
            .filter(|attribute| match attribute {
                Attribute::Type => self.kind != observed.kind,
                Attribute::Mode => differ(&self.mode, &observed.mode),
                Attribute::Uid => differ(&self.uid, &observed.uid),
                Attribute::Gid => differ(&self.gid, &observed.gid),
                Attribute::Size => differ(&self.size, &observed.size),
                Attribute::Mtime => differ(&self.mtime, &observed.mtime),
                Attribute::Link => differ(&self.link, &observed.link),
                Attribute::Nlink => {
                    !uncounted(self, observed) && differ(&self.nlink, &observed.nlink)
                }
                Attribute::Sha256 => differ(&self.digest, &observed.digest),
                Attribute::Xattrs => differ(&self.xattrs, &observed.xattrs),
                Attribute::Flags => {
                    differ(&self.flags, &observed.flags) || self.lost_seal(observed)
                }
                Attribute::Device => differ(&self.device, &observed.device),
            })
            .collect()
    }
}
