//! What was handed to the engine and is not in the store yet: a group under way, or, while the disk is
//! full, as much as memory may hold.

use super::open_scans::Cursor;
use super::{GROUP_FINDINGS, ScanId, SinkKind};
use crate::event::{Draft, Lifecycle, StoredFinding};
use crate::parcel::Delivery;
use agent_core::finding::{Severity, Verdict};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// So much is held while the store cannot be written: things,
// Own bound: what is beyond is counted and told as lost.
const MOST: usize = 4000;
/// and bytes.
// Own bound: likewise.
const MOST_BYTES: usize = 4 << 20;

/// Something to be taken in, with the time at which it came.
#[derive(Debug)]
pub(super) enum Op {
    Found(Found),
    End {
        scan_id: ScanId,
        cursor: Cursor,
    },
    Tell(Box<Lifecycle>),
    /// An event of the store's own.
    Note(Box<Draft>),
    Settle {
        sink: SinkKind,
        delivery: Delivery,
    },
    Enable(Vec<SinkKind>),
}

/// Something that a scan found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scan_id: ScanId,
    pub(super) stored: Arc<StoredFinding>,
    /// See [`super::open_scans::OpenScans::found`].
    pub(super) mark: Option<u64>,
    /// Whether a scan of everything found it.
    pub(super) scan: bool,
    /// Until when it may wait to be told, in milliseconds since 1970; `None`: it is told at once.
    pub(super) until: Option<i64>,
}

impl Op {
    fn size(&self) -> usize {
        match self {
            Op::Found(Found { stored, .. }) => {
                let finding = &stored.finding;
                sum([
                    256,
                    finding.subject.len(),
                    finding.message.len(),
                    json_size(&finding.expected),
                    json_size(&finding.observed),
                ])
            }
            Op::Tell(_) | Op::Note(_) => 1024,
            Op::Settle { delivery, .. } => sum([64, delivery.accepted.len().saturating_mul(8)]),
            Op::End { .. } | Op::Enable(_) => 64,
        }
    }

    /// Whether it is better to be taken in at once.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Op::Found(Found { stored, .. }) => {
                let finding = &stored.finding;
                finding.severity == Severity::Critical
                    && matches!(finding.verdict, Verdict::Fail | Verdict::Unknown)
            }
            Op::Tell(event) => matches!(
                **event,
                Lifecycle::Manifest { .. }
                    | Lifecycle::ManifestReplaced(_)
                    | Lifecycle::Stopped { .. }
            ),
            _ => false,
        }
    }
}

/// The line before the store.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ops: VecDeque<(Op, i64)>,
    bytes: usize,
    findings: usize,
    /// What was last found of each deviation that waits, so that a scan that finds it again need not hold it twice.
    prints: HashMap<u64, u64>,
    /// Since when something waits, in milliseconds since 1970.
    since: Option<i64>,
    /// When all of it was last taken in.
    emptied: i64,
}

impl Queue {
    /// Takes something in. `stuck`: the store cannot be written. Gives back what there is no room for.
    pub(super) fn push(&mut self, op: Op, stuck: bool, now: i64) -> Result<(), Op> {
        if stuck {
            if let Op::Found(Found { stored, .. }) = &op {
                let print = hash(&stored.fingerprint());
                if self.prints.get(&name(stored)) == Some(&print) {
                    return Ok(());
                }
            }
            let full = self.ops.len() >= MOST || self.bytes.saturating_add(op.size()) > MOST_BYTES;
            // What sinks settled must not be sent again, and it is small.
            if full && !matches!(op, Op::Settle { .. } | Op::Enable(_)) {
                return Err(op);
            }
            match &op {
                Op::Found(Found { stored, .. }) => {
                    let print = hash(&stored.fingerprint());
                    self.prints.insert(name(stored), print);
                }
                // What it clears and a later scan finds again must be told again.
                Op::End { .. } => self.prints.clear(),
                _ => {}
            }
        }
        self.bytes = self.bytes.saturating_add(op.size());
        self.findings = self
            .findings
            .saturating_add(usize::from(matches!(op, Op::Found(_))));
        self.ops.push_back((op, now));
        Ok(())
    }

    /// Puts something before everything else.
    pub(super) fn push_front(&mut self, op: Op, now: i64) {
        self.bytes = self.bytes.saturating_add(op.size());
        self.ops.push_front((op, now));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Op, i64)> {
        self.ops.iter()
    }

    /// The first `count` were taken in.
    pub(super) fn taken(&mut self, count: usize) -> impl Iterator<Item = Op> + '_ {
        self.prints.clear();
        for (op, _) in self.ops.iter().take(count) {
            self.bytes = self.bytes.saturating_sub(op.size());
            self.findings = self
                .findings
                .saturating_sub(usize::from(matches!(op, Op::Found(_))));
        }
        self.ops.drain(..count).map(|(op, _)| op)
    }

    /// The first one is at its end not yet: it goes on from there.
    pub(super) fn resume(&mut self, at: Cursor) {
        if let Some((Op::End { cursor, .. }, _)) = self.ops.front_mut() {
            *cursor = at;
        }
    }

    /// Since when something waits: from now on, if nothing did.
    pub(super) fn waits(&mut self, now: i64) -> i64 {
        *self.since.get_or_insert(now)
    }

    /// Since when something waits.
    pub(super) fn since(&self) -> Option<i64> {
        self.since
    }

    /// Nothing is to be taken in at present.
    pub(super) fn rest(&mut self, now: i64) {
        self.since = None;
        self.emptied = now;
    }

    /// Whether so many milliseconds have passed since all was taken in; so they have where the clock went back.
    pub(super) fn rested(&self, time: i64, now: i64) -> bool {
        !(0..time).contains(&now.saturating_sub(self.emptied))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether a group is together.
    pub(super) fn is_group(&self) -> bool {
        self.findings >= GROUP_FINDINGS || self.ops.len() >= 4 * GROUP_FINDINGS
    }
}

fn sum(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}

/// Bytes in memory, about.
fn json_size(value: &Value) -> usize {
    let size = std::mem::size_of::<Value>();
    match value {
        Value::String(text) => sum([size, text.len()]),
        Value::Array(list) => sum([size, sum(list.iter().map(json_size))]),
        Value::Object(object) => sum(object
            .iter()
            .map(|(key, value)| sum([64, key.len(), json_size(value)]))),
        _ => size,
    }
}

fn name(stored: &StoredFinding) -> u64 {
    let finding = &stored.finding;
    hash(&(&finding.check, &finding.subject))
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
