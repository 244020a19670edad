//! Amendments, told when they begin to hold, and when they no longer do.

use crate::assess::amendments;
use crate::daemon::action::Action;
use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::clock::Now;
use crate::daemon::jobs::launch_record::in_words;
use crate::daemon::run_record::Amended;
use crate::daemon::state::Daemon;
use agent_baseline::Baseline;
use agent_baseline::amendment::Amendment;
use agent_baseline::manifest::Role;
use agent_core::escape;
use agent_core::paths::subject;
use agent_outbox::event::{self, LaunchEntry, Lifecycle};
use agent_scan::files::launch::Record;

/// Tells which amendments hold that were not told, and which no longer do.
pub(in crate::daemon) fn judge(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    // Without a manifest nobody knows which of them hold: that is told of the manifest.
    let Some(Baseline::Manifest(sealed)) = &baseline.opened.baseline else {
        return;
    };
    let told = std::mem::take(&mut daemon.records.current.amendments);
    let mut before = sealed.record.clone();
    let mut actions = Vec::new();
    let mut hold = Vec::new();
    for amendment in &sealed.amendments {
        let sha256 = escape::hex(&amendment.sha256);
        let with = before.amended(std::iter::once(amendment));
        if !told.iter().any(|told| told.sha256 == sha256) {
            let manifest = |path: &[u8]| {
                let found = sealed.verified.manifest.find(path).ok().flatten();
                found.map(|entry| in_words(&entry.attributes))
            };
            let event = in_full(amendment, &before, &manifest);
            actions.push(Action::Tell(Lifecycle::Amendment(Box::new(event))));
        }
        before = with;
        hold.push(Amended {
            sha256,
            path: amendment.path.display().to_string(),
            reason: amendment.header.reason.clone(),
        });
    }
    for gone in &told {
        if !hold.iter().any(|holds| holds.sha256 == gone.sha256) {
            actions.push(Action::Tell(Lifecycle::AmendmentGone {
                path: gone.path.clone(),
                sha256: gone.sha256.clone(),
                reason: gone.reason.clone(),
            }));
        }
    }
    if hold != told {
        actions.push(Action::SaveRecord);
    }
    daemon.records.current.amendments = hold;
    daemon.perform(actions, now);
}

/// The amendment with what each path was before it and is by it.
fn in_full(
    amendment: &Amendment,
    before: &Record,
    manifest: &dyn Fn(&[u8]) -> Option<String>,
) -> event::Amendment {
    let header = &amendment.header;
    let entries = amendment.entries.iter();
    let entries = entries.filter(|entry| entry.role != Role::Parent);
    event::Amendment {
        path: amendment.path.display().to_string(),
        sha256: escape::hex(&amendment.sha256),
        signer: amendments::signer(amendment),
        host: header.host.clone(),
        after: header.after.clone(),
        seen: header.seen.clone(),
        reason: header.reason.clone(),
        by: header.by.clone(),
        at: header.at.clone(),
        entries: entries
            .map(|entry| LaunchEntry {
                path: subject(&entry.path),
                before: match before.at(&entry.path) {
                    Some(expected) => expected.attributes.as_ref().map(in_words),
                    None => manifest(&entry.path),
                },
                after: (entry.role != Role::Removed).then(|| in_words(&entry.attributes)),
            })
            .collect(),
    }
}
