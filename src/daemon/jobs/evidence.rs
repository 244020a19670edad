//! Evidence of packages that looks at touched paths share: what lay in apt's cache while a transaction went on may be
//! gone when the next paths of it settle.

use super::worker::Worker;
use crate::assess::explained;
use agent_baseline::Baseline;
use agent_core::finding::Finding;
use agent_evidence::Explainer;
use agent_packages::Package;
use agent_scan::files::deviation::Deviation;
use std::cell::Cell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where what is known of signed packages is kept, in the state directory.
const KEPT: &str = "evidence";
/// When nobody has asked for so long, what can be read again is given up.
const IDLE: Duration = Duration::from_secs(120);

/// What was read, until it is given up.
#[derive(Debug, Default)]
pub(in crate::daemon) struct SharedEvidence(Mutex<Option<Held>>);

#[derive(Debug)]
struct Held {
    explainer: Explainer,
    /// The manifest, the launch record and the amendments that it goes by.
    of: (String, String, Vec<[u8; 32]>),
    /// The newest versions that were kept last.
    seen: Vec<Package>,
    used: Instant,
}

impl SharedEvidence {
    /// Puts onto the finding what explains its deviation from the manifest. `fresh`: whether the evidence was brought
    /// up to date by this job.
    pub(super) fn put(
        &self,
        worker: &Worker,
        deviation: &Deviation,
        finding: Finding,
        fresh: &Cell<bool>,
    ) -> Finding {
        let Some(Baseline::Manifest(sealed)) = &worker.baseline.opened.baseline else {
            return finding;
        };
        let Ok(mut held) = self.0.lock() else {
            return finding;
        };
        let of = (
            worker.baseline.manifest().0,
            worker.baseline.launch_record(),
            sealed.amendments.iter().map(|one| one.sha256).collect(),
        );
        let known = held.take().filter(|held| held.of == of);
        let mut current = match known {
            Some(mut held) => {
                if !fresh.get() {
                    held.explainer.refresh();
                }
                held
            }
            None => {
                let root = &worker.setup.tree.root;
                let state_dir = &worker.setup.config.state_dir;
                let recorded = explained::recorded(root, sealed, Some(state_dir));
                Held {
                    explainer: Explainer::keeping(
                        root,
                        recorded.unwrap_or_default(),
                        &state_dir.join(KEPT),
                    ),
                    of,
                    seen: Vec::new(),
                    used: Instant::now(),
                }
            }
        };
        if !fresh.replace(true) && current.seen != current.explainer.seen() {
            current.seen = current.explainer.seen().to_vec();
            let state_dir = &worker.setup.config.state_dir;
            // Where it cannot be kept, this run knows it, and the next one goes by the manifest again.
            explained::keep_seen(state_dir, &current.seen).unwrap_or_default();
        }
        current.used = Instant::now();
        let finding = explained::put(&mut current.explainer, deviation, finding);
        *held = Some(current);
        finding
    }

    /// Gives up what can be read again, where nobody has asked for a while.
    pub(in crate::daemon) fn tend(&self) {
        // Whoever holds it asks it right now.
        if let Ok(mut held) = self.0.try_lock()
            && let Some(held) = held.as_mut().filter(|held| held.used.elapsed() > IDLE)
        {
            held.explainer.rest();
        }
    }
}
