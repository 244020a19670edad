//! What lies at a path while its change is explained.

use crate::change::Change;
use agent_core::attributes::{Digest, FileType};
use agent_core::bytes;
use agent_core::os::root::Root;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// Bytes that are read at once: most files have few, and a buffer of their size costs no pages of its own.
const SMALLEST: usize = 4 * 1024;
// Own bound: of what is read at once; files of any size are read.
const LARGEST: usize = 256 * 1024;

/// What a file holds at the moment, if it still is what was judged.
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    pub(crate) sha256: [u8; 32],
}

impl Digests {
    pub(crate) fn of(root: &Root, change: &Change<'_>) -> Result<Digests, String> {
        if change.observed.kind != FileType::File {
            return Ok(Digests {
                md5: [0; 16],
                sha256: [0; 32],
            });
        }
        let read = || -> io::Result<Digests> {
            let mut file = root
                .open_file(change.path)?
                .ok_or_else(|| io::Error::other("it is gone"))?;
            let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
            let size = change
                .observed
                .size
                .and_then(|size| usize::try_from(size).ok());
            let mut buffer = vec![0; size.unwrap_or(LARGEST).clamp(SMALLEST, LARGEST)];
            loop {
                let length = match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                let some = bytes::first(&buffer, length);
                md5.update(some);
                sha256.update(some);
            }
            Ok(Digests {
                md5: md5.finalize().into(),
                sha256: sha256.finalize().into(),
            })
        };
        let found = read().map_err(|error| format!("it cannot be read again: {error}"))?;
        match change.observed.digest {
            Some(Digest::Sha256(judged)) if judged != found.sha256 => {
                Err("it changed again while it was explained".into())
            }
            _ => Ok(found),
        }
    }
}
