//! Throw-away trees for the tests of this module.

use agent_core::os::root::Root;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes when it is dropped.
pub(super) struct Tree(PathBuf);

impl Tree {
    pub(super) fn new() -> Tree {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("packages-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for the test");
        Tree(path)
    }

    pub(super) fn root(&self) -> Root {
        Root::open(&self.0).expect("the directory of the test")
    }

    pub(super) fn path(&self, path: impl AsRef<[u8]>) -> PathBuf {
        self.0
            .join(Path::new(std::ffi::OsStr::from_bytes(path.as_ref())))
    }

    pub(super) fn dir(&self, path: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path)).expect("a directory");
    }

    pub(super) fn write(&self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("a parent");
        fs::write(path, bytes).expect("a file");
    }

    pub(super) fn link(&self, path: impl AsRef<[u8]>, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("a parent");
        std::os::unix::fs::symlink(target, path).expect("a link");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}
