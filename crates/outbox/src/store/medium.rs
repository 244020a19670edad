//! What the store lies on: a file in the state directory. All that touches the disk goes through here.

use super::open::{Refusal, from_database};
use redb::{Builder, Database};
use rustix::fs::OFlags;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A place for one database.
pub(super) trait Medium: Debug + Send + Sync {
    /// Opens the database, or makes one.
    fn open(&self, builder: &Builder) -> Result<Database, Refusal>;

    /// Bytes that it takes, with what the transaction under way has added.
    fn length(&self) -> u64;

    /// Which file is there: device and inode; `None` if there is none, or what is there is no file.
    fn identity(&self) -> Option<(u64, u64)>;

    /// Whether memory stands in for it while it cannot be written.
    fn may_be_stood_in_for(&self) -> bool;

    /// Moves what is there out of the way, so that the next [`Medium::open`] makes a new one. Returns where it is now.
    fn set_aside(&self, now: i64) -> io::Result<PathBuf>;
}

/// A file.
#[derive(Debug)]
pub(super) struct OnDisk {
    path: PathBuf,
}

impl OnDisk {
    pub(super) fn new(path: PathBuf) -> OnDisk {
        OnDisk { path }
    }
}

impl Medium for OnDisk {
    fn open(&self, builder: &Builder) -> Result<Database, Refusal> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(Refusal::Io)?;
        let new = fs::metadata(&self.path).map_or(true, |about| about.len() == 0);
        // redb itself would let the umask decide who may read it.
        // A fifo in its place would be waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)
            .map_err(Refusal::Io)?;
        if !file.metadata().map_err(Refusal::Io)?.is_file() {
            let error = io::Error::other("is no regular file");
            return Err(Refusal::Io(error));
        }
        builder
            .create(&self.path)
            .map_err(from_database)
            .inspect_err(|refusal| {
                // Half made, for want of room: the next try would take it for a store that was damaged.
                if new && matches!(refusal, Refusal::Io(_)) {
                    fs::remove_file(&self.path).unwrap_or_default();
                }
            })
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    fn identity(&self) -> Option<(u64, u64)> {
        let about = fs::symlink_metadata(&self.path).ok()?;
        Some((about.dev(), about.ino()))
    }

    fn may_be_stood_in_for(&self) -> bool {
        true
    }

    fn set_aside(&self, now: i64) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default();
        let time = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let stamp = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        for number in 0..1000 {
            let suffix = match number {
                0 => stamp.clone(),
                number => format!("{stamp}.{number}"),
            };
            let mut aside = name.to_owned();
            aside.push(format!(".aside-{suffix}"));
            let aside = self.path.with_file_name(aside);
            if fs::symlink_metadata(&aside).is_ok() {
                continue;
            }
            fs::rename(&self.path, &aside)?;
            if let Some(directory) = self.path.parent() {
                File::open(directory)?.sync_all()?;
            }
            return Ok(aside);
        }
        Err(io::Error::other(
            "too many stores were set aside in one second",
        ))
    }
}
