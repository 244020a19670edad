//! Looking at one path: its attributes as one moment's truth, or the reason why there is none.

use agent_core::attributes::{Algorithm, AttributeSet, Attributes, Digest, FileType};
use agent_core::os::mounts::Device;
use agent_core::os::node::{self, Access, Hint, Stat};
use agent_core::os::verity;
use agent_core::task;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// A directory held open, so that what is below it is reached without its path.
#[derive(Debug)]
pub struct Directory {
    /// Open for listing.
    pub fd: OwnedFd,
    /// Relative to the root; empty for the root itself.
    pub path: Box<[u8]>,
    /// Where a server or a program answers for it.
    pub remote: Option<Device>,
}

/// Something to look at.
#[derive(Clone, Debug)]
pub enum Target {
    /// A directory that is being walked.
    Directory(Arc<Directory>),
    /// An entry of a directory that is not walked into.
    Entry {
        /// Where it is.
        directory: Arc<Directory>,
        /// Its name there.
        name: Box<[u8]>,
        /// What the directory says it is.
        hint: Hint,
        /// Where a server or a program answers for it.
        remote: Option<Device>,
    },
}

impl Target {
    /// Where a server or a program answers for it: the file system to ask.
    pub fn remote(&self) -> Option<Device> {
        match self {
            Target::Directory(directory) => directory.remote,
            Target::Entry { remote, .. } => *remote,
        }
    }

    /// The thread is at it from now on.
    pub(super) fn is_at_hand(&self) {
        match self {
            Target::Directory(directory) => task::at_directory(&directory.path),
            Target::Entry {
                directory, name, ..
            } => task::at_file(&directory.path, name),
        }
    }

    /// Relative to the root.
    pub fn path(&self) -> Vec<u8> {
        match self {
            Target::Directory(directory) => directory.path.to_vec(),
            Target::Entry {
                directory, name, ..
            } => join(&directory.path, name),
        }
    }
}

/// `name` below `directory`, both relative to the root.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// What is wanted of a look.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Contents of files larger than this are left unread.
    pub limit: Option<u64>,
    /// Digest of the contents of regular files.
    pub contents: Option<Algorithm>,
    /// Extended attributes.
    pub xattrs: bool,
    /// Flags.
    pub flags: bool,
    /// Whether SELinux labels count among the extended attributes.
    pub selinux: bool,
    /// What is recorded, where the contents may be believed unread.
    pub recorded: Option<RecordedContents>,
}

/// What contents that may be believed unread are recorded to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedContents {
    /// Their digest.
    pub digest: Digest,
    /// The seal of fs-verity recorded with it, where that tells contents: by keys that nobody else has.
    pub seal: Option<[u64; 2]>,
    /// Whether they may be believed where there is no such seal, as nothing touched the file.
    pub untouched: bool,
}

/// Why there is nothing to say of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// It vanished between listing and looking.
    Gone,
    /// It changed each time while it was read.
    Changing,
    /// These attributes were recorded of it and could not be seen.
    Partly(AttributeSet),
    /// What fs-verity sealed does not read back: a part of it is not what was sealed.
    Corrupt,
    /// The kernel refused: what was tried, and its answer.
    Refused(&'static str, Errno),
    /// Its file system gave no answer in time.
    Silent,
    /// It was not looked at, since that brought the agent to its end.
    SetAside,
}

/// A regular file that is open, with all that is known of it but its contents.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: OwnedFd,
    /// What a stat told before anything was read.
    pub before: Stat,
    /// Attributes without the digest.
    pub attributes: Attributes,
}

impl OpenFile {
    /// The attributes, if the file is still what it was before it was read.
    pub fn unchanged(self) -> Result<Attributes, Unseen> {
        match node::is_still(&self.file, &self.before).map_err(refused("stat"))? {
            true => Ok(self.attributes),
            false => Err(Unseen::Changing),
        }
    }
}

/// What a first look gives: everything, or an open file whose contents are still to be read.
#[derive(Debug)]
pub enum First {
    /// All that was wanted.
    Whole(Attributes),
    /// Contents are wanted too.
    Contents(OpenFile),
}

/// Opens and stats `target`; contents are left to the caller. Fifos, sockets and devices are never opened.
pub fn first_look(target: &Target, wanted: Wanted) -> Result<First, Unseen> {
    match target {
        Target::Directory(directory) => directory_attributes(directory, wanted).map(First::Whole),
        Target::Entry {
            directory,
            name,
            hint: Hint::File,
            ..
        } => file(directory, name, wanted),
        Target::Entry {
            directory, name, ..
        } => match other(directory, name, wanted)? {
            Other::Seen(attributes) => Ok(First::Whole(*attributes)),
            Other::File => file(directory, name, wanted),
            // A directory that was none when its parent was listed has not been walked.
            Other::Directory => Err(Unseen::Changing),
        },
    }
}

/// What was found to be no regular file a moment ago: if it is one by now, its name leads here and there.
fn no_file(directory: &Directory, name: &[u8], wanted: Wanted) -> Result<First, Unseen> {
    match other(directory, name, wanted)? {
        Other::Seen(attributes) => Ok(First::Whole(*attributes)),
        Other::File | Other::Directory => Err(Unseen::Changing),
    }
}

/// What there is, where it need not be opened.
enum Other {
    /// A link, fifo, socket or device, with all that was wanted.
    Seen(Box<Attributes>),
    /// A regular file: nothing is known of it until it is opened.
    File,
    /// A directory: nothing is known of it until it is walked.
    Directory,
}

fn file(directory: &Directory, name: &[u8], wanted: Wanted) -> Result<First, Unseen> {
    let fd = match node::open_file(directory.fd.as_fd(), name) {
        // Not what the directory said: a link, or a socket or device without a driver.
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => {
            return no_file(directory, name, wanted);
        }
        result => result.map_err(refused("open"))?,
    };
    let before = node::stat(&fd).map_err(refused("stat"))?;
    match before.kind {
        FileType::File => {}
        FileType::Dir => return Err(Unseen::Changing),
        _ => return no_file(directory, name, wanted),
    }
    let mut attributes = before.attributes();
    extras(&fd, Access::Open, wanted, &mut attributes)?;
    let opened = OpenFile {
        file: fd,
        before,
        attributes,
    };
    let within = wanted.limit.is_none_or(|limit| opened.before.size <= limit);
    match wanted.contents {
        Some(_) if within => Ok(First::Contents(opened)),
        // Attributes were read one after the other: they too are one moment's or nothing.
        _ => opened.unchanged().map(First::Whole),
    }
}

fn directory_attributes(directory: &Directory, wanted: Wanted) -> Result<Attributes, Unseen> {
    let stat = node::stat(&directory.fd).map_err(refused("stat"))?;
    let mut attributes = stat.attributes();
    extras(&directory.fd, Access::Open, wanted, &mut attributes)?;
    Ok(attributes)
}

/// What is neither opened nor walked: everything comes from a handle that names one object.
fn other(directory: &Directory, name: &[u8], wanted: Wanted) -> Result<Other, Unseen> {
    let handle = node::open_handle(directory.fd.as_fd(), name).map_err(refused("open"))?;
    let stat = node::stat(&handle).map_err(refused("stat"))?;
    let mut attributes = stat.attributes();
    match stat.kind {
        FileType::File => return Ok(Other::File),
        FileType::Dir => return Ok(Other::Directory),
        _ => {}
    }
    extras(&handle, Access::Handle, wanted, &mut attributes)?;
    if stat.kind == FileType::Link {
        attributes.link = Some(node::read_link(handle.as_fd()).map_err(refused("readlink"))?);
    }
    Ok(Other::Seen(Box::new(attributes)))
}

fn extras(
    fd: &OwnedFd,
    access: Access,
    wanted: Wanted,
    attributes: &mut Attributes,
) -> Result<(), Unseen> {
    if wanted.flags && access == Access::Open {
        let (flags, sealed) = node::flags(fd.as_fd()).map_err(refused("read flags"))?;
        attributes.flags = Some(flags);
        attributes.verity = sealed.then(|| verity::seal(fd.as_fd()));
    }
    if wanted.xattrs {
        let without_selinux = !wanted.selinux;
        attributes.xattrs = Some(node::xattrs(fd.as_fd(), access, without_selinux).map_err(
            |errno| match errno {
                // The way to a handle's attributes leads through /proc.
                Errno::NOENT | Errno::NOTDIR if access == Access::Handle => Unseen::Refused(
                    "read extended attributes through /proc (is it mounted?)",
                    errno,
                ),
                errno => Unseen::Refused("read extended attributes", errno),
            },
        )?);
    }
    Ok(())
}

/// Why an open file could not be read.
pub(super) fn unreadable(opened: &OpenFile, errno: Errno) -> Unseen {
    let sealed = || node::flags(opened.file.as_fd()).is_ok_and(|(_, sealed)| sealed);
    match errno {
        // The kernel checks each block that it fetches against the seal.
        Errno::IO if sealed() => Unseen::Corrupt,
        errno => refused("read")(errno),
    }
}

pub(super) fn refused(what: &'static str) -> impl Fn(Errno) -> Unseen {
    move |errno| match errno {
        Errno::NOENT => Unseen::Gone,
        errno => Unseen::Refused(what, errno),
    }
}
