//! A file of JSON lines, for hosts that ship with another agent.
//!
//! - Every line is whole, and goes to the file that has the name when a round begins: a file that was renamed or
//!   removed is left for a new one; after copytruncate O_APPEND goes on at the new end.
//! - Accepted is what fdatasync(2) has confirmed: one call a round, not one a line. What a full disk, a failed sync or
//!   a removal under way keeps from being safe is written again.
//! - A line that a full disk cut off is taken back. One that a crash left torn is ended by a line end of its own,
//!   since other programs may have read it by now; its event follows whole.

use super::Sent;
use super::lines::{Destination, Lines, Wrote};
use agent_outbox::parcel::Parcel;
use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// Bytes handed to one write(2), if lines are not longer.
const CHUNK: usize = 256 * 1024;

/// The sink.
#[derive(Debug)]
pub struct FileSink(Lines<Log>);

impl FileSink {
    /// Lines for `path`, which is opened when there is something to write.
    pub fn new(path: &Path, seed: u64) -> FileSink {
        let path = path.to_owned();
        FileSink(Lines::new(Log { path, open: None }, seed))
    }

    /// Appends the parcels.
    pub async fn send(&mut self, parcels: &[Parcel]) -> Sent {
        self.0.send(parcels).await
    }
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    open: Option<Open>,
}

impl Destination for Log {
    fn write(&mut self, parcels: &[Parcel]) -> Wrote {
        if parcels.is_empty() {
            return Wrote::default();
        }
        let mut open = match current(&self.path, self.open.take()) {
            Ok(open) => open,
            Err(error) => return self.failed(Vec::new(), &error),
        };
        let (written, appended) = open.append(parcels);
        if let Err(error) = open.confirm() {
            // Nobody knows which pages a failed sync lost, so this descriptor's next word is not to be trusted.
            return self.failed(Vec::new(), &error);
        }
        let accepted = parcels[..written].iter().map(|parcel| parcel.key).collect();
        self.open = Some(open);
        match appended {
            Ok(()) => Wrote {
                accepted,
                error: None,
            },
            Err(error) => self.failed(accepted, &error),
        }
    }
}

impl Log {
    fn failed(&self, accepted: Vec<u64>, error: &io::Error) -> Wrote {
        Wrote {
            accepted,
            error: Some(format!("{}: {error}", self.path.display())),
        }
    }
}

/// A file that lines are appended to.
#[derive(Debug)]
struct Open {
    file: File,
    device: u64,
    inode: u64,
    /// Whether what the file ends with is no whole line.
    torn: bool,
}

/// The directory of the file, opened name by name, and the file's name: a link on the way is no more followed than one
/// in the file's place.
fn directory(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("no file's name"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let begin = if path.is_absolute() { "/" } else { "." };
    let mut directory = fs::openat(CWD, begin, flags, Mode::empty())?;
    for component in path.parent().into_iter().flat_map(Path::components) {
        let step = match component {
            Component::Normal(step) => step,
            Component::ParentDir => OsStr::new(".."),
            _ => continue,
        };
        directory = fs::openat(&directory, step, flags, Mode::empty()).map_err(|errno| {
            let step = step.to_string_lossy();
            match errno {
                Errno::NOTDIR | Errno::LOOP => io::Error::other(format!(
                    "{step} on its way is no directory, or a symbolic link, which is not followed"
                )),
                errno => errno.into(),
            }
        })?;
    }
    Ok((directory, name))
}

/// The file of that name: the one that is open already, if it still is that.
fn current(path: &Path, open: Option<Open>) -> io::Result<Open> {
    if let (Some(open), Ok(there)) = (open, path.symlink_metadata())
        && (there.dev(), there.ino()) == (open.device, open.inode)
    {
        return Ok(open);
    }
    // No link is followed: who may write to the directory must not choose where we write. A FIFO without a reader
    // must not block.
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let (directory, name) = directory(path)?;
    let file = fs::openat(&directory, name, flags, Mode::from_raw_mode(0o640))?;
    let file = File::from(file);
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut last = [b'\n'];
    if about.len() > 0 {
        file.read_exact_at(&mut last, about.len() - 1)?;
    } else {
        // A new name must outlast a power failure as its lines do.
        fs::fsync(&directory)?;
    }
    Ok(Open {
        device: about.dev(),
        inode: about.ino(),
        torn: last != *b"\n",
        file,
    })
}

impl Open {
    /// Appends a line for each. How many lines are whole, and what ended it before the last.
    fn append(&mut self, parcels: &[Parcel]) -> (usize, io::Result<()>) {
        let mut whole = 0;
        while whole < parcels.len() {
            let mut buffer = Vec::new();
            if self.torn && self.file.metadata().is_ok_and(|about| about.len() > 0) {
                buffer.push(b'\n');
            }
            let mut ends = Vec::new();
            for parcel in &parcels[whole..] {
                if !ends.is_empty() && buffer.len() + parcel.bytes.len() >= CHUNK {
                    break;
                }
                buffer.extend_from_slice(&parcel.bytes);
                buffer.push(b'\n');
                ends.push(buffer.len());
            }
            let (written, result) = write_counted(&mut self.file, &buffer);
            if written > 0 {
                self.torn = false;
            }
            let lines = ends.iter().take_while(|end| **end <= written).count();
            whole += lines;
            if let Err(error) = result {
                let good = if lines == 0 { 0 } else { ends[lines - 1] };
                self.take_back(written.saturating_sub(good));
                return (whole, Err(error));
            }
        }
        (whole, Ok(()))
    }

    /// Removes the last `bytes` of ours, unless somebody else has written or truncated meanwhile.
    fn take_back(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let taken = self.file.stream_position().and_then(|end| {
            let begin = end.saturating_sub(bytes as u64);
            if self.file.metadata()?.len() != end {
                return Err(io::Error::other("the file is longer than what was written"));
            }
            self.file.set_len(begin)
        });
        self.torn |= taken.is_err();
    }

    /// Returns when all that was written is safe, and the file still has a name.
    fn confirm(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other("removed while it was written"));
        }
        Ok(())
    }
}

/// Writes until all is written or an error comes, and says how much was.
fn write_counted(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
