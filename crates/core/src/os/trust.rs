//! Whether a file that steers the agent may be believed: judged on the opened descriptor, never by path.

use crate::attributes::FileType;
use crate::error::{Error, Result};
use crate::os::node;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Whose files are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Root alone: for files at their default places.
    Root,
    /// Root, or whoever runs the agent: for files that the caller named.
    RootOrCaller,
    /// Those, or the daemon's own account: for what the daemon writes and a person's `agent check` reads.
    Agent,
}

/// The account that the packages make for the daemon.
pub const ACCOUNT: &str = "host-integrity-agent";

/// Opens a regular file that belongs to an `owner` and that no group or other may write.
///
/// `None` if there is nothing at `path`.
pub fn open(path: &Path, owner: Owner) -> Result<Option<File>> {
    // Should it be a fifo, the open returns at once and the judgement refuses it.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut options = std::fs::OpenOptions::new();
    let file = match options.read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::in_file(path, format!("cannot be opened: {error}"))),
    };
    judge(&file, path, owner)?;
    Ok(Some(file))
}

/// Refuses an open file unless it is a regular one that belongs to an `owner` and that no group or other may write.
pub fn judge(file: &File, path: &Path, owner: Owner) -> Result<()> {
    judge_as(file, path, owner, (FileType::File, "a regular file"))
}

/// The same of a directory.
pub fn judge_directory(directory: &impl AsFd, path: &Path, owner: Owner) -> Result<()> {
    judge_as(directory, path, owner, (FileType::Dir, "a directory"))
}

fn judge_as(
    file: &impl AsFd,
    path: &Path,
    owner: Owner,
    (kind, noun): (FileType, &str),
) -> Result<()> {
    let stat = node::stat(file)
        .map_err(|errno| Error::in_file(path, format!("cannot be examined: {errno}")))?;
    if stat.kind != kind {
        return Err(Error::in_file(
            path,
            format!("is a {}, expected {noun}", stat.kind.name()),
        ));
    }
    let caller = rustix::process::geteuid().as_raw();
    let owned = stat.uid == 0
        || (owner != Owner::Root && stat.uid == caller)
        || (owner == Owner::Agent && account() == Some(stat.uid));
    if !owned {
        let expected = match owner {
            Owner::Root => "root (uid 0)".to_owned(),
            Owner::RootOrCaller => format!("root (uid 0) or the caller (uid {caller})"),
            Owner::Agent => format!("root (uid 0), the caller (uid {caller}) or {ACCOUNT}"),
        };
        let message = format!("belongs to uid {}, expected {expected}", stat.uid);
        return Err(Error::in_file(path, message)
            .help("find out who put it there; if it is right: chown root FILE"));
    }
    if stat.mode & 0o022 != 0 {
        let message = format!(
            "has mode {:04o}: group or others may write it, so it proves nothing",
            stat.mode
        );
        return Err(Error::in_file(path, message)
            .help("find out who wrote it last; if it is right: chmod go-w FILE"));
    }
    Ok(())
}

/// The uid of the daemon's account on this host. Whoever can write passwd(5) is root.
fn account() -> Option<u32> {
    uid_of(ACCOUNT, &std::fs::read_to_string("/etc/passwd").ok()?)
}

fn uid_of(name: &str, passwd: &str) -> Option<u32> {
    let mut rows = passwd.lines().map(|line| line.split(':'));
    let mut row = rows.find(|row| row.clone().next() == Some(name))?;
    row.nth(2)?.parse().ok()
}

/// The whole of a file opened by [`open`]; more than `limit` bytes is an error.
pub fn read(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let fault = |error| Error::in_file(path, format!("cannot be read: {error}"));
    let too_large = || Error::in_file(path, format!("is larger than {limit} bytes"));
    // A file with a hole has a length at once.
    if file.metadata().map_err(fault)?.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(fault)?;
    match bytes.len() as u64 > limit {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nhost-integrity-agent2:x:7:7::/:/bin/sh\nbad\nhost-integrity-agent:x:995:995::/:/usr/sbin/nologin\n";
        assert_eq!(uid_of(ACCOUNT, passwd), Some(995));
        assert_eq!(uid_of(ACCOUNT, "host-integrity-agent:x:many:1:::\n"), None);
        assert_eq!(uid_of(ACCOUNT, ""), None);
    }
}
