//! `/var/lib/dpkg/info`: the files that dpkg keeps for each package.

use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::os::node::{self, Hint};
use agent_core::os::root::Root;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

/// Where they lie.
pub(super) const INFO: &str = "/var/lib/dpkg/info";

/// `/var/lib/dpkg/info`, opened once.
pub(super) struct Info {
    dir: Option<OwnedFd>,
    names: node::Names,
    /// Bytes so far.
    pub(super) read: u64,
}

impl Info {
    /// A directory that is missing is as good as an empty one.
    pub(super) fn open(root: &Root) -> Result<Info> {
        let error = |error: io::Error| super::below(root, Error::in_file(INFO, error.to_string()));
        let names = root.list(INFO.as_bytes()).map_err(error)?;
        let dir = match &names {
            Some(_) => root.resolve(INFO.as_bytes(), true).map_err(error)?.handle,
            None => None,
        };
        Ok(Info {
            dir,
            names: names.unwrap_or_default(),
            read: 0,
        })
    }

    /// What a file of that name is; `None` if there is none.
    pub(super) fn hint(&self, name: &str) -> Option<Hint> {
        let (mut low, mut high) = (0, self.names.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, hint) = self.names.at(middle)?;
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Equal => return Some(hint),
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The contents of a file of that name, in `text`; false if there is none.
    pub(super) fn read(&mut self, root: &Root, name: &str, text: &mut Vec<u8>) -> io::Result<bool> {
        text.clear();
        let file = match (self.hint(name), &self.dir) {
            (Some(Hint::File), Some(dir)) => {
                File::from(node::open_file(dir.as_fd(), name.as_bytes())?)
            }
            (Some(_), _) => match root.open_file(format!("{INFO}/{name}").as_bytes())? {
                Some(file) => file,
                None => return Ok(false),
            },
            (None, _) => return Ok(false),
        };
        let stat = node::stat(&file)?;
        if stat.kind != FileType::File {
            return Err(io::Error::other("not a regular file"));
        }
        let size = usize::try_from(stat.size.min(bounds::DPKG_LIST)).unwrap_or(0);
        text.reserve(size.saturating_add(1));
        file.take(bounds::DPKG_LIST + 1).read_to_end(text)?;
        self.read = self.read.saturating_add(text.len() as u64);
        if text.len() as u64 > bounds::DPKG_LIST {
            return Err(io::Error::other(format!(
                "larger than {} bytes",
                bounds::DPKG_LIST
            )));
        }
        Ok(true)
    }
}
