//! Directories of files in which one hides those of its name in later directories, as sysctl.d(5), modprobe.d(5),
//! zypp.conf(5) and dnf5.conf(5) have it.

use agent_core::os::node;
use agent_core::os::root::{Resolved, Root};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

/// Path and text of each file that ends so and counts, in the order of their names; a link to /dev/null hides the files of
/// its name.
///
/// An error names the file that cannot be read, or has more than `limit` bytes.
pub(super) fn texts(
    root: &Root,
    directories: &[&str],
    endings: &[&str],
    limit: u64,
) -> io::Result<Vec<(String, String)>> {
    let mut files: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for directory in directories {
        if directory.starts_with("run/") && !root.is_live() {
            continue;
        }
        let names = root.list(directory.as_bytes())?;
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let mut endings = endings.iter();
            let ends = endings.any(|ending| name.ends_with(ending.as_bytes()));
            if ends && !name.starts_with(b".") {
                let path = format!("{directory}/{}", String::from_utf8_lossy(name));
                files.entry(name.to_vec()).or_insert(path);
            }
        }
    }
    let mut texts = Vec::new();
    for path in files.into_values() {
        match root.read(path.as_bytes(), limit) {
            Ok(Some(text)) => texts.push((path, String::from_utf8_lossy(&text).into_owned())),
            Ok(None) => {}
            Err(_) if is_null(root, &path) => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("/{path}: {error}"))),
        }
    }
    Ok(texts)
}

/// Whether it is a link to /dev/null, which need not be there in an image.
pub(super) fn is_null(root: &Root, path: &str) -> bool {
    let found = |follow| root.resolve(path.as_bytes(), follow).ok();
    let links = |found: Resolved| {
        let handle = found.handle?;
        node::read_link(handle.as_fd()).ok()
    };
    found(true).is_some_and(|found| found.path == b"dev/null")
        || found(false)
            .and_then(links)
            .is_some_and(|target| &*target == b"/dev/null")
}
