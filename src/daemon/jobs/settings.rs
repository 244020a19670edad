//! sshd and local settings. Deadline: [`agent_core::bounds::SETTINGS_AREA`] for each area.

use super::worker::Worker;
use crate::assess;
use crate::daemon::setup::Setup;

pub(super) fn run(worker: &Worker) {
    let now = jiff::Timestamp::now().as_second();
    let Setup {
        config,
        tree,
        profile,
        selected,
        ..
    } = &*worker.setup;
    let (selected, left_out) = worker.left_out.settings(profile, selected);
    let mut stopped = false;
    let mut emit = |finding| stopped = stopped || worker.found(finding, None).is_break();
    let own = assess::Own {
        place: Some(config.manifest.clone()),
        ..assess::Own::default()
    };
    let unended = assess::settings(tree, profile, &selected, now, &own, &mut emit);
    left_out.into_iter().for_each(emit);
    // What was not judged to the end is not cleared.
    let outcome = match unended.is_empty() {
        true => Ok(None),
        false => Err(format!(
            "a look at settings did not end in time: {}",
            unended.join(", ")
        )),
    };
    worker.end(outcome);
}
