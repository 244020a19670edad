//! The agent's own files, in its state and runtime directories. Whoever is root may have put something else in their place:
//! a fifo that is waited for without end, a link that leads to another file. Nothing here waits, and no link is followed.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file; `None` if nothing is there.
///
/// # Errors
/// It is something else, a link among them, or cannot be opened.
pub fn open(path: &Path) -> io::Result<Option<File>> {
    match options().read(true).open(path) {
        Ok(file) => regular(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole of a regular file; `None` if nothing is there.
///
/// # Errors
/// As [`open`]; it is longer than `limit` bytes, or cannot be read.
pub fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("is larger than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Makes a file for writing in the place of whatever has that name.
///
/// # Errors
/// What is there cannot be removed, or no file be made.
pub fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => options().write(true).create_new(true).open(path),
    }
}

/// Puts a file in the place of whatever is at the path, by way of `PATH.new`. Not synced, as
/// [`Pending`](super::atomic::Pending) does it: for what is made again where it is lost with the power.
///
/// # Errors
/// It cannot be written; what was there stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    create(&new)?.write_all(bytes)?;
    std::fs::rename(&new, path)
}

/// Writes over the file, which stays the one it is unless it is none.
///
/// # Errors
/// It cannot be written, or replaced where it is something else.
pub fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = options().write(true).open(path).and_then(regular);
    let mut file = match there {
        Ok(file) => {
            file.set_len(0)?;
            file
        }
        Err(_) => create(path)?,
    };
    file.write_all(bytes)
}

/// Opening a fifo returns at once, a link is an error.
fn options() -> OpenOptions {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.custom_flags(flags.bits().cast_signed());
    options
}

fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat, symlink};
    use std::fs;

    /// What may stand in the place of a file, by name.
    fn others(directory: &Path) -> [std::path::PathBuf; 3] {
        let at = |name: &str| directory.join(name);
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RWXU, 0).expect("a fifo");
        fs::write(at("elsewhere"), "kept").expect("written");
        symlink("elsewhere", at("link")).expect("a link");
        mknodat(
            CWD,
            at("zero"),
            FileType::CharacterDevice,
            Mode::RWXU,
            0x105,
        )
        .expect("a device");
        ["fifo", "link", "zero"].map(at)
    }

    #[test]
    fn what_is_no_file_is_never_read_nor_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        for path in others(directory.path()) {
            assert!(read(&path, 10).is_err(), "{}", path.display());
        }
        let path = directory.path().join("file");
        assert_eq!(read(&path, 3).expect("nothing"), None);
        fs::write(&path, "abc").expect("written");
        assert_eq!(read(&path, 3).expect("it").as_deref(), Some(&b"abc"[..]));
        assert!(read(&path, 2).is_err());
    }

    #[test]
    fn what_is_no_file_is_replaced_and_what_a_link_names_stays() {
        for write in [replace as fn(&Path, &[u8]) -> io::Result<()>, overwrite] {
            let directory = tempfile::tempdir().expect("a directory");
            let elsewhere = directory.path().join("elsewhere");
            for path in others(directory.path())
                .iter()
                .chain([&directory.path().join("new")])
            {
                for text in ["first", "2nd"] {
                    write(path, text.as_bytes()).expect("written");
                    let there = fs::symlink_metadata(path).expect("there");
                    assert!(there.is_file(), "{}", path.display());
                    assert_eq!(fs::read_to_string(path).expect("text"), text);
                }
            }
            assert_eq!(fs::read_to_string(elsewhere).expect("text"), "kept");
        }
    }

    #[test]
    fn a_file_that_is_written_over_stays_the_same() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        overwrite(&path, b"long text").expect("written");
        let before = fs::metadata(&path).expect("there").ino();
        overwrite(&path, b"short").expect("written");
        assert_eq!(fs::metadata(&path).expect("there").ino(), before);
        assert_eq!(fs::read(&path).expect("text"), b"short");
    }
}
