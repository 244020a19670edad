//! Which packages are installed, whichever manager keeps the list.

use super::{DatabaseKind, detect, dpkg, rpm};
use agent_core::os::root::Root;

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name, without architecture.
    pub name: String,
    /// `[EPOCH:]VERSION[-RELEASE]`
    pub version: String,
    /// As the manager names it.
    pub arch: String,
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// In the order of the database.
    pub packages: Vec<Package>,
    /// A file of the database that is damaged in part: the list may lack packages.
    pub damaged: Option<String>,
}

impl Installed {
    /// The first package of that name.
    pub fn named(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

/// The installed packages of the tree; why they cannot be told, where they cannot.
pub fn installed(root: &Root) -> Result<Installed, String> {
    match detect(root) {
        DatabaseKind::Dpkg => dpkg::installed(root).map_err(|error| error.to_string()),
        DatabaseKind::Rpm => rpm::installed(root),
        DatabaseKind::None => Err("there is no package database".into()),
    }
}

/// The installed package of that name, for which no more of the database is read than finding it takes.
pub fn named(root: &Root, name: &str) -> Result<Option<Package>, String> {
    match detect(root) {
        DatabaseKind::Dpkg => dpkg::named(root, name).map_err(|error| error.to_string()),
        DatabaseKind::Rpm => rpm::named(root, name),
        DatabaseKind::None => Err("there is no package database".into()),
    }
}
