//! The host's own manifest, for checks of settings that ask for it.

use super::context::Context;
use agent_baseline::manifest::verified::{self, Trust, VerifiedManifest};
use agent_core::bounds;
use agent_core::config::{self, Config, MANIFEST};
use agent_core::error::Result;
use agent_core::os::trust::{self, Owner};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the manifest of the tree is.
pub(super) fn place(context: &Context<'_>) -> PathBuf {
    match context.live() {
        true => context.own.place.clone().unwrap_or_else(configured),
        false => PathBuf::from(MANIFEST),
    }
}

/// The manifest, if there is one; the one that the run has opened for its files, where it is the same.
pub(super) fn open(context: &Context<'_>) -> Result<Option<Arc<VerifiedManifest>>> {
    let place = place(context);
    let open = || {
        let trust = match &context.own.trust {
            Some(trust) => Arc::clone(trust),
            None => Arc::new(Trust::load(None)?),
        };
        match context.live() {
            true => verified::open_named(&place, Owner::Root, &trust),
            false => verified::open_in(context.root, &place, &trust),
        }
    };
    match &context.own.manifest {
        Some(shared) => shared.or_open(open),
        None => open().map(|opened| opened.map(Arc::new)),
    }
}

/// Where the host's configuration says that the manifest is; one that cannot be used is another command's matter.
fn configured() -> PathBuf {
    let path = Path::new(config::DEFAULT);
    let read = || {
        let file = trust::open(path, Owner::Root).ok()??;
        let bytes = trust::read(&file, path, bounds::OWN_CONFIG).ok()?;
        let config = Config::parse(&String::from_utf8(bytes).ok()?, path).ok()?;
        Some(config.manifest)
    };
    read().unwrap_or_else(|| PathBuf::from(MANIFEST))
}
