//! Judging a host: what `agent check` does once and `agent run` does again and again, in the same code.
//!
//! [`tree`] opens what is judged, [`baseline`] what it is compared with; a scan hands each finding on. [`instance`] asks
//! before it judges.

pub mod baseline;
pub mod instance;
pub mod launch;
mod packaged;
mod sealed;
pub mod selected;
pub mod tree;

use crate::finding::Finding;
use crate::profile::Profile;
use crate::settings::{self, context::Context};
use selected::Selected;
use tree::Tree;

/// Judges sshd and local settings; each finding is handed to `emit`. `now` in seconds since 1970.
pub fn settings(
    tree: &Tree,
    profile: &Profile,
    selected: &Selected,
    now: i64,
    emit: &mut dyn FnMut(Finding),
) {
    let has = |id: &str| selected.has(id);
    let context = Context::new(&tree.root, &tree.release, &profile.settings, now, &has);
    settings::look(&context, emit);
}
