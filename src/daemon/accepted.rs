//! Amendments, told when they begin to hold, and when they no longer do.

use crate::assess::amendments;
use crate::assess::baseline::OpenedBaseline;
use crate::daemon::action::Action;
use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::clock::Now;
use crate::daemon::jobs::launch_record::in_words;
use crate::daemon::run_record::Amended;
use crate::daemon::state::Daemon;
use agent_baseline::Baseline;
use agent_baseline::amendment::Amendment;
use agent_baseline::manifest::Role;
use agent_baseline::manifest::read::Cursor;
use agent_core::escape;
use agent_core::paths::subject;
use agent_outbox::event::{self, LaunchEntry, Lifecycle};
use agent_scan::files::launch::Record;

/// The amendments in use, each with what its paths were before it and are by it. Reads the manifest.
pub(in crate::daemon) fn described(opened: &OpenedBaseline) -> Vec<event::Amendment> {
    let Some(Baseline::Manifest(sealed)) = &opened.baseline else {
        return Vec::new();
    };
    let mut before = sealed.record.clone();
    let mut described = Vec::new();
    for amendment in &sealed.amendments {
        let mut manifest = sealed.verified.manifest.cursor();
        described.push(in_full(amendment, &before, &mut manifest));
        before = before.amended(std::iter::once(amendment));
    }
    described
}

/// Tells which amendments hold that were not told, and which no longer do.
pub(in crate::daemon) fn judge(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    // Without a manifest nobody knows which of them hold: that is told of the manifest.
    if !baseline.is_manifest() {
        return;
    }
    let told = std::mem::take(&mut daemon.records.current.amendments);
    let described = baseline
        .accepted
        .lock()
        .map(|mut all| std::mem::take(&mut *all));
    let mut actions = Vec::new();
    for amendment in described.unwrap_or_default() {
        if !told.iter().any(|told| told.sha256 == amendment.sha256) {
            actions.push(Action::Tell(Lifecycle::Amendment(Box::new(amendment))));
        }
    }
    let hold = baseline.opened.amendments().into_iter();
    let hold: Vec<Amended> = hold
        .map(|amendment| Amended {
            sha256: amendment.sha256,
            path: amendment.path,
            reason: amendment.reason,
        })
        .collect();
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
fn in_full(amendment: &Amendment, before: &Record, manifest: &mut Cursor<'_>) -> event::Amendment {
    let header = &amendment.header;
    let entries = amendment.entries.iter();
    let entries = entries.filter(|entry| entry.role != Role::Parent);
    // Both come in the order of a walk. What cannot be read of the manifest is the next scan's to tell.
    let mut recorded = |path: &[u8]| {
        manifest.seek(path).ok()?;
        let entry = manifest.peek().ok()??;
        (entry.path == path).then(|| in_words(&entry.attributes))
    };
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
                    None => recorded(&entry.path),
                },
                after: (entry.role != Role::Removed).then(|| in_words(&entry.attributes)),
            })
            .collect(),
    }
}
