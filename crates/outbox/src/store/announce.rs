//! Steps of deviations on their way to the chain, worst first.

use super::flood::Turn;
use super::tables::{Result, Role, rank};
use super::write_transaction::WriteTransaction;
use crate::event::chain;
use crate::event::finding::{Life, Step, draft};
use crate::event::own;
use crate::event::stored_finding::StoredFinding;
use crate::ledger::OpenFinding;
use agent_core::finding::{Finding, Severity, Verdict};
use std::collections::HashMap;
use std::sync::Arc;

/// A step that this transaction tells.
pub(super) struct Fresh {
    pub(super) step: Step,
    pub(super) stored: Arc<StoredFinding>,
    pub(super) key: Vec<u8>,
    /// Of a deviation that was cleared: the entry that stood before.
    pub(super) entry: Option<OpenFinding>,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    /// Whether a whole scan found it.
    pub(super) scan: bool,
}

impl WriteTransaction<'_> {
    /// Tells what is fresh, worst first, and of a flood that it begins or ends.
    pub(super) fn tell_fresh(&mut self, now: i64) -> Result<()> {
        let mut fresh = std::mem::take(&mut self.fresh);
        for new in &fresh {
            if matches!(new.step, Step::Raised | Step::Changed) {
                let severity = new.stored.finding.severity;
                self.floods.note(&new.key, severity, new.scan, now);
            }
        }
        self.tell_flood(now)?;
        // Steps of one deviation stay in the order in which they came about.
        let mut worst: HashMap<Vec<u8>, Severity> = HashMap::new();
        for new in &fresh {
            let severity = new.stored.finding.severity;
            let known = worst.entry(new.key.clone()).or_insert(severity);
            *known = (*known).max(severity);
        }
        fresh.sort_by_key(|fresh| std::cmp::Reverse(worst.get(&fresh.key).copied()));
        for fresh in &fresh {
            self.tell(fresh, now)?;
        }
        Ok(())
    }

    /// Tells of a flood that begins or is over.
    pub(super) fn tell_flood(&mut self, now: i64) -> Result<()> {
        let Some(turn) = self.floods.turn(|| chain::uuid(now), now) else {
            return Ok(());
        };
        let draft = match turn {
            Turn::Begun(flood) => own::flood_begun(self.source, &flood, now),
            Turn::Ended(flood) => own::flood_ended(self.source, &flood, None, now),
        };
        self.append(draft, rank(None), Role::Own, &[], None, now)
    }

    pub(super) fn tell(&mut self, fresh: &Fresh, now: i64) -> Result<()> {
        self.count(fresh);
        let uid = self.uid(&fresh.key, fresh.first_seen);
        let severity = fresh.stored.finding.severity;
        let life = Life {
            uid: &uid,
            first_seen: fresh.first_seen,
            last_seen: fresh.last_seen,
            flood: self.floods.mark(severity),
        };
        let draft = draft(self.source, &fresh.stored, fresh.step, life, now);
        let role = Role::Told(fresh.step);
        self.append(
            draft,
            rank(Some(severity)),
            role,
            &fresh.key,
            fresh.entry,
            now,
        )
    }
}

impl WriteTransaction<'_> {
    /// Counts what is told by itself of the package transaction under way.
    fn count(&mut self, fresh: &Fresh) {
        let StoredFinding { finding, context } = &*fresh.stored;
        let of_transaction = context.as_ref().is_some_and(|c| c.transaction.is_some());
        if fresh.step == Step::Raised && of_transaction {
            let severity = finding.unexplained_severity.unwrap_or(finding.severity);
            self.stories.told.single = self.stories.told.single.saturating_add(1);
            self.stories.told.critical = self
                .stories
                .told
                .critical
                .saturating_add(u64::from(severity == Severity::Critical));
        }
    }
}

/// The stored finding of a deviation that is there no longer, where nothing but its key is known.
pub(super) fn gone(key: &[u8], severity: Severity) -> Option<StoredFinding> {
    let (check, subject) = crate::ledger::key::parts(key)?;
    let message = "no longer deviates";
    Some(StoredFinding {
        finding: Finding::of(check.to_owned(), Verdict::Pass, severity, subject, message),
        context: None,
    })
}
