//! Which packages are no longer being unpacked, of those that findings wait for.

use super::{Jobs, spawn};
use crate::daemon::message::{self, Message};
use crate::daemon::setup::Setup;
use crate::daemon::states::transactions::Awaited;
use agent_core::task::{Job, Role};
use std::io;
use std::sync::Arc;

/// Begins to read dpkg's database, and to answer with those of `packages` that are done.
pub(super) fn ask(jobs: &Jobs, setup: Arc<Setup>, awaited: Vec<Awaited>) -> io::Result<()> {
    let unpacking = jobs.unpacking.clone();
    let messages = jobs.outlets.messages.clone();
    let role = Role::from(Job::Ground);
    spawn("packages", role, move || {
        let mut done = awaited;
        // Should nobody be able to read it any more, all of them are.
        if let Ok(mut unpacking) = unpacking.lock() {
            unpacking.refresh(&setup.tree.root);
            done.retain(|one| match one.late {
                true => !unpacking.is_half_installed(&one.package),
                false => !unpacking.has(&one.package),
            });
        }
        let packages = done.into_iter().map(|one| one.package).collect();
        message::send(&messages, Message::Unpacked(packages));
    })
}
