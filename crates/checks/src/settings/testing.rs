//! A look at a small tree, for tests beside the code.

use super::context::Context;
use agent_baseline::profile::source::Settings;
use agent_core::os::root::Root;
use agent_core::release::OsRelease;
use std::path::Path;

/// What `look` says of the tree.
pub(crate) fn within<T>(tree: &Path, look: impl FnOnce(&Context<'_>) -> T) -> T {
    let (release, settings) = (OsRelease::default(), Settings::default());
    let root = Root::open(tree).expect("a root");
    look(&Context::new(&root, &release, &settings, 0, &|_| true))
}
