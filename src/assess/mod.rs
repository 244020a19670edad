//! Judging a host: what `agent check` does once and `agent run` does again and again, in the same code.
//!
//! [`tree`] opens what is judged, [`baseline`] what it is compared with; a scan hands each finding on.

pub mod baseline;
pub mod launch;
mod packaged;
mod sealed;
pub mod selected;
pub mod tree;

use crate::config;
use crate::finding::Finding;
use crate::host::Host;
use crate::instance::identity::Certificates;
use crate::instance::{self, Environment, Grounds, Identity, Metadata};
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

/// Asks the metadata service and judges the instance; waits for the answers. Returns the host as it then knows
/// itself. `baked`: when the image was recorded, in seconds since 1970.
pub fn instance(
    tree: &Tree,
    profile: &Profile,
    selected: &Selected,
    config: &config::Instance,
    baked: Option<i64>,
    now: i64,
    emit: &mut dyn FnMut(Finding),
) -> Host {
    let has = |id: &str| selected.has(id);
    let context = Context::new(&tree.root, &tree.release, &profile.settings, now, &has);
    let environment = Environment::own();
    let mut metadata = Metadata::new(&tree.root, &environment, config);
    let sight = metadata.ask_and_wait(&instance::questions(&context));
    let identity = Identity::of(&sight, &Certificates::AWS);
    let mut host = tree.host.clone();
    identity.describe(&mut host);
    let grounds = Grounds {
        config,
        environment: &environment,
        baked,
    };
    instance::judge(&context, &sight, &identity, &grounds, emit);
    host
}
