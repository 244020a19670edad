//! Files written whole or not at all: temporary file, fsync, rename, fsync of the directory.

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// A file under way. Dropped without [`Pending::commit`] it leaves nothing behind and what stood there stays.
#[derive(Debug)]
pub struct Pending {
    file: File,
    target: PathBuf,
    temporary: Option<PathBuf>,
}

impl Pending {
    /// Starts a file that will stand at `target` with permission bits `mode`, in the same directory.
    pub fn create(target: &Path, mode: u16) -> io::Result<Pending> {
        if target.file_name().is_none() || target.is_dir() {
            return Err(io::Error::other("names no file"));
        }
        // The rename would put a file in the place of a device or link, /dev/null among them.
        if let Ok(there) = std::fs::symlink_metadata(target)
            && !there.is_file()
        {
            return Err(io::Error::other("is there and is no regular file"));
        }
        let mode = Mode::from_raw_mode(mode.into());
        // The way from an open file without a name to a name leads through /proc.
        if !std::fs::exists("/proc/self/fd")? {
            return Pending::named(target, mode);
        }
        // A file without a name vanishes even if the process is killed.
        match fs::openat(
            CWD,
            directory(target),
            OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
            mode,
        ) {
            Ok(fd) => Ok(Pending {
                file: File::from(fd),
                target: target.to_owned(),
                temporary: None,
            }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                Pending::named(target, mode)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// With a hidden name beside the target, where a file cannot be without one.
    fn named(target: &Path, mode: Mode) -> io::Result<Pending> {
        let (path, fd) = with_free_name(target, |path| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            fs::openat(CWD, path, flags, mode)
        })?;
        Ok(Pending {
            file: File::from(fd),
            target: target.to_owned(),
            temporary: Some(path),
        })
    }

    /// The file under way, so that several can be on disk before the first is put in its place.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Puts the file in its place: after this it is there whole, even if the power fails.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let temporary = match self.temporary.take() {
            Some(path) => path,
            None => {
                let unnamed = format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd());
                let link = |path: &Path| {
                    fs::linkat(CWD, unnamed.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)
                };
                with_free_name(&self.target, link)?.0
            }
        };
        if let Err(error) = std::fs::rename(&temporary, &self.target) {
            std::fs::remove_file(&temporary).unwrap_or_default();
            return Err(error);
        }
        File::open(directory(&self.target))?.sync_all()
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(path) = self.temporary.take() {
            std::fs::remove_file(path).unwrap_or_default();
        }
    }
}

/// Writes `bytes` to `target`, whole or not at all.
pub fn write(target: &Path, mode: u16, bytes: &[u8]) -> io::Result<()> {
    let mut pending = Pending::create(target, mode)?;
    pending.write_all(bytes)?;
    pending.commit()
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Tries hidden names beside `target` until one is free.
fn with_free_name<T>(
    target: &Path,
    mut make: impl FnMut(&Path) -> Result<T, Errno>,
) -> io::Result<(PathBuf, T)> {
    let name = target.file_name().unwrap_or_default();
    for attempt in 0..100 {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{attempt}", std::process::id()));
        let path = directory(target).join(hidden);
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::EXIST.into())
}
