//! Opens what verdicts on files rest on, and digests the agent's own binary. Deadline:
//! [`agent_core::bounds::PACKAGE_DATABASE`], where that is read.

use super::spawn;
use super::stalled::Movement;
use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::identity;
use crate::daemon::message::{self, Message, OpenedBy};
use crate::daemon::panics::LeftOut;
use crate::daemon::setup::Setup;
use agent_core::task::{Job, Role};
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Begins it. `had_manifest`: whether there was one before.
pub(in crate::daemon) fn open(
    setup: Arc<Setup>,
    had_manifest: bool,
    left_out: LeftOut,
    messages: Sender<Message>,
) -> io::Result<Movement> {
    let movement = Movement::default();
    let role = Role::new(Job::Ground, movement.steps.clone());
    spawn("baseline", role, move || {
        message::send(&messages, Message::Binary(identity::binary_digest()));
        let baseline = Arc::new(ActiveBaseline::open(&setup, had_manifest, &left_out));
        message::send(&messages, Message::Baseline(baseline, OpenedBy::Own));
    })?;
    Ok(movement)
}
