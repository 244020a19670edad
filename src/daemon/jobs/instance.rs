//! The instance. Deadline: [`agent_core::bounds::INSTANCE`].

use super::worker::Worker;
use crate::assess::instance::Instance;
use crate::daemon::message::Message;
use crate::daemon::setup::Setup;
use agent_baseline::Baseline;
use agent_core::task;

pub(super) fn run(worker: &Worker) {
    let now = jiff::Timestamp::now().as_second();
    let Setup {
        config,
        tree,
        profile,
        selected,
        ..
    } = &*worker.setup;
    if let Some(finding) = worker.left_out.instance(profile, selected) {
        if let Some(finding) = finding
            && worker.found(finding, None).is_break()
        {
            return;
        }
        return worker.end(Ok(None));
    }
    task::at_part("service");
    let baked = || match &worker.baseline.opened.baseline {
        Some(Baseline::Manifest(sealed)) => {
            let time = sealed.verified.manifest.header().time.parse().ok();
            time.map(|time: jiff::Timestamp| time.as_second())
        }
        Some(Baseline::Packages(_)) | None => None,
    };
    let mut instance = Instance::new(tree, profile, selected, &config.instance);
    let snapshot = instance.ask();
    let mut found = Vec::new();
    let host = instance.judge(&snapshot, baked, now, &mut |finding| found.push(finding));
    // First, so that what is found says where.
    worker.send(Message::Host(Box::new(host)));
    for finding in found {
        if worker.found(finding, None).is_break() {
            return;
        }
    }
    worker.end(Ok(None));
}
