//! A tree as if it were `/`: no symbolic link and no `..` leads out of it.

use crate::attributes::FileType;
use crate::os::{node, procfs, trail};
use crate::paths::split;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As many symbolic links as Linux follows in one path (path_resolution(7)).
// Own bound: the kernel's.
const MAX_LINKS: usize = 40;

/// An open directory that paths are resolved below; all copies are one handle.
#[derive(Clone, Debug)]
pub struct Root {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

/// Where a path leads below a [`Root`].
#[derive(Debug)]
pub struct Resolved {
    /// The path without links, `.` and `..`, relative to the root; empty for the root itself.
    pub path: Vec<u8>,
    /// Names what is there (`O_PATH`); `None` if the last component does not exist.
    pub handle: Option<OwnedFd>,
}

impl Root {
    /// Opens the directory at `path`, which the caller vouches for.
    pub fn open(path: &Path) -> io::Result<Root> {
        Ok(Root {
            fd: Arc::new(node::open_dir_path(path)?),
            path: path.to_owned(),
        })
    }

    /// The directory itself.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the running system's own root.
    pub fn is_live(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Where `path` leads, links resolved as if the root were `/`.
    ///
    /// With `follow_last` a link in the last place is resolved too. A missing directory on the way is an
    /// error; a missing last component is not. So is a /proc of the running system that is none.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> io::Result<Resolved> {
        trail::note(path);
        if self.is_live() && is_below_proc(path) {
            procfs::of(self)?;
        }
        match self.resolve_plain(path, follow_last) {
            Some(resolved) => resolved,
            None => self.resolve_by_component(path, follow_last),
        }
    }

    fn resolve_by_component(&self, path: &[u8], follow_last: bool) -> io::Result<Resolved> {
        let mut pending: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut handles: Vec<OwnedFd> = Vec::new();
        let mut links: usize = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                names.pop();
                handles.pop();
                continue;
            }
            let dir = handles.last().map_or(self.fd.as_fd(), AsFd::as_fd);
            let handle = match node::open_handle(dir, &name) {
                Err(Errno::NOENT) if pending.is_empty() => {
                    names.push(name);
                    return Ok(Resolved {
                        path: names.join(&b'/'),
                        handle: None,
                    });
                }
                result => result?,
            };
            let kind = node::stat(&handle)?.kind;
            if kind == FileType::Link && (follow_last || !pending.is_empty()) {
                links = links.saturating_add(1);
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = node::read_link(handle.as_fd())?;
                if target.first() == Some(&b'/') {
                    names.clear();
                    handles.clear();
                }
                pending.extend(components(&target).rev().map(<[u8]>::to_vec));
                continue;
            }
            if kind != FileType::Dir && !pending.is_empty() {
                return Err(Errno::NOTDIR.into());
            }
            names.push(name);
            handles.push(handle);
        }
        let handle = match handles.pop() {
            Some(handle) => handle,
            None => self.fd.try_clone()?,
        };
        Ok(Resolved {
            path: names.join(&b'/'),
            handle: Some(handle),
        })
    }

    /// Where a path leads on which there is neither a link nor `..`, asked of the kernel at once; `None` where there is
    /// one, or the kernel cannot tell: then each component is looked at.
    fn resolve_plain(&self, path: &[u8], follow_last: bool) -> Option<io::Result<Resolved>> {
        let names: Vec<&[u8]> = components(path).collect();
        let (_, above) = names.split_last()?;
        if names.contains(&&b".."[..]) {
            return None;
        }
        let path = names.join(&b'/');
        let opened = node::open_plain(self.as_fd(), &path, follow_last);
        let resolved = |handle| Some(Ok(Resolved { path, handle }));
        match opened {
            Ok(handle) => resolved(Some(handle)),
            Err(Errno::NOENT) if above.is_empty() => resolved(None),
            Err(Errno::NOENT) => match node::open_plain(self.as_fd(), &above.join(&b'/'), true) {
                Ok(_) => resolved(None),
                Err(Errno::NOENT) => Some(Err(Errno::NOENT.into())),
                Err(_) => None,
            },
            Err(_) => None,
        }
    }

    /// Names the directory at `path` (`O_PATH`), made with all above it where it is not there.
    pub fn make_dirs(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut so_far = Vec::new();
        let mut handle = self.fd.try_clone()?;
        for name in components(path) {
            if !so_far.is_empty() {
                so_far.push(b'/');
            }
            so_far.extend_from_slice(name);
            let mut resolved = self.resolve(&so_far, true)?;
            if resolved.handle.is_none() {
                // Where a link leads is made below this root, as the tree itself would see it.
                let (parent, name) = split(&resolved.path);
                if let Some(parent) = self.resolve(parent, false)?.handle {
                    node::make_dir(parent.as_fd(), name)?;
                }
                resolved = self.resolve(&so_far, true)?;
            }
            handle = resolved.handle.ok_or(Errno::NOENT)?;
        }
        if node::stat(&handle)?.kind != FileType::Dir {
            return Err(Errno::NOTDIR.into());
        }
        Ok(handle)
    }

    /// Opens the regular file at `path` for reading; `None` if there is nothing.
    ///
    /// Anything but a regular file is an error, and is never opened.
    pub fn open_file(&self, path: &[u8]) -> io::Result<Option<File>> {
        let resolved = match self.resolve(path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let Some(handle) = resolved.handle else {
            return Ok(None);
        };
        let wanted = node::stat(&handle)?;
        if wanted.kind != FileType::File {
            return Err(io::Error::other("not a regular file"));
        }
        // Opened again below its own directory, since a handle can't be read from.
        let (parent, name) = split(&resolved.path);
        let parent = self.resolve(parent, false)?;
        trail::note(path);
        let Some(dir) = parent.handle else {
            return Err(Errno::NOENT.into());
        };
        let fd = node::open_file(dir.as_fd(), name)?;
        if node::stat(&fd)?.id != wanted.id {
            return Err(io::Error::other("replaced while it was opened"));
        }
        Ok(Some(File::from(fd)))
    }

    /// The contents of the regular file at `path`; `None` if there is nothing.
    ///
    /// More than `limit` bytes is an error, and noted ([`trail::take_cut`]).
    pub fn read(&self, path: &[u8], limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open_file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            trail::cut(path, limit);
            return Err(io::Error::other(format!("larger than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// The names in the directory at `path`, sorted; `None` if there is nothing.
    pub fn list(&self, path: &[u8]) -> io::Result<Option<node::Names>> {
        let resolved = match self.resolve(path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let Some(handle) = resolved.handle else {
            return Ok(None);
        };
        let dir = node::open_dir(handle.as_fd(), b".")?;
        Ok(Some(node::read_names(dir.as_fd())?))
    }
}

fn is_below_proc(path: &[u8]) -> bool {
    let mut names = components(path);
    names.next() == Some(b"proc") && names.next().is_some()
}

/// The components of a path; empty ones and `.` are dropped.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// What both ways say of a path: where it leads and which object that is, or the error.
    fn answer(resolved: io::Result<Resolved>) -> String {
        match resolved {
            Err(error) => format!("{:?}", error.raw_os_error()),
            Ok(Resolved { path, handle }) => {
                let id = handle.map(|handle| node::stat(&handle).expect("a stat").id);
                format!("{} {id:?}", String::from_utf8_lossy(&path))
            }
        }
    }

    #[test]
    fn a_path_without_links_leads_to_the_same_whoever_looks() {
        let lab = std::env::temp_dir().join(format!("agent-root-{}", std::process::id()));
        std::fs::create_dir_all(lab.join("a/b")).expect("directories");
        std::fs::write(lab.join("a/b/file"), "x").expect("a file");
        let links = [
            ("a/b", "to-b"),
            ("nothing", "a/dangling"),
            ("/a/b/file", "a/absolute"),
            ("../..", "a/out"),
        ];
        for (target, name) in links {
            symlink(target, lab.join(name)).expect("a link");
        }
        let root = Root::open(&lab).expect("a root");
        let (mut plain, mut others) = (0, 0);
        for path in [
            "",
            "/",
            ".",
            "a",
            "/a//b/./file",
            "a/b/file/",
            "a/b/missing",
            "a/missing/file",
            "missing",
            "missing/file",
            "a/b/file/below",
            "to-b",
            "to-b/file",
            "a/dangling",
            "a/dangling/x",
            "a/absolute",
            "a/out",
            "a/out/a",
            "a/../a/b",
            "../../a",
            "a/b/..",
            "nul\0",
        ] {
            for follow in [true, false] {
                let by_component = answer(root.resolve_by_component(path.as_bytes(), follow));
                match root.resolve_plain(path.as_bytes(), follow) {
                    Some(resolved) => {
                        assert_eq!(answer(resolved), by_component, "{path} {follow}");
                        plain += 1;
                    }
                    None => others += 1,
                }
                assert_eq!(
                    answer(root.resolve(path.as_bytes(), follow)),
                    by_component,
                    "{path} {follow}"
                );
            }
        }
        std::fs::remove_dir_all(&lab).expect("removed");
        assert!(others >= 20, "{others} were looked at by component");
        // Linux before 5.6 answers none of them.
        assert!(
            plain == 0 || plain >= 12,
            "{plain} were asked of the kernel"
        );
    }
}
