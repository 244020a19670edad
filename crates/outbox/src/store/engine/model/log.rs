//! The spool and the log side as they should be: every event is in the chain once, waits for whom it should, and is
//! delivered or declared.

use super::tables::{Contents, Spooled};
use crate::event::gap::Range;
use crate::store::tables::Loss;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// One step of one deviation, as the log side was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) sequence: u64,
    /// Of the deviation, in the ledger.
    pub(super) key: Vec<u8>,
    /// `Create`, `Update`, `Close`.
    pub(super) activity: String,
    pub(super) verdict: String,
    pub(super) message: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) head: (u64, Option<[u8; 32]>),
    digests: BTreeMap<u64, [u8; 32]>,
    /// What waited when it was last looked at.
    waits: BTreeMap<u64, BTreeSet<u8>>,
    critical: BTreeSet<u64>,
    /// What sinks settled since then: sink, sequence, whether it was refused.
    pub(super) settling: BTreeMap<(u8, u64), bool>,
    /// Whether other sinks may have been enabled since then.
    pub(super) toggled: bool,
    full: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    /// Declarations that were not themselves lost, with what they declare.
    declarations: BTreeMap<u64, Vec<u64>>,
    /// By uid.
    pub(super) told: BTreeMap<String, Vec<Told>>,
    uids: BTreeMap<u64, String>,
    /// Deviations of which a sink refused an event: whether the log side heard of it depends on which sink it reads, and
    /// on whether it was given up before another sink had it.
    pub(super) unsure: BTreeSet<String>,
    /// Findings that the ledger did not take in or gave up, as events told.
    pub(super) given_up: u64,
}

impl Log {
    /// Compares with what the store holds; takes over what is new. `settled`: all that sinks settled is in the store.
    pub(super) fn check(&mut self, now: &Contents, settled: bool) {
        assert!(now.head.sequence >= self.head.0, "the chain went back");
        let mut prev = self.head.1;
        let new: Vec<u64> = (self.head.0 + 1..=now.head.sequence).collect();
        for sequence in &new {
            if let Some(event) = now.spool.get(sequence) {
                self.take(*sequence, event, now, &mut prev);
            } else {
                let ends = |gap: &&crate::store::tables::Gap| gap.range.last == *sequence;
                prev = now.gaps.iter().find(ends).map(|gap| gap.range.digest);
            }
        }
        if let (Some(prev), Some(head)) = (prev, now.head.digest) {
            assert_eq!(prev, head, "the head is not the last event");
        }
        self.losses(now);
        self.head = (now.head.sequence, now.head.digest);
        if let Some(digest) = now.head.digest {
            self.digests.insert(now.head.sequence, digest);
        }
        for sequence in new {
            let there = now.spool.contains_key(&sequence) || self.lost(sequence);
            assert!(there, "{sequence} vanished unseen");
        }
        self.waiting(now, settled);
        // What one sink refused and others did not get to see is counted as both, and declared once.
        let dropped = self.full.len() as u64..=(self.full.len() + self.refused.len()) as u64;
        assert!(
            dropped.contains(&now.state.spool.dropped),
            "events dropped: {dropped:?}"
        );
    }

    /// A new event.
    fn take(
        &mut self,
        sequence: u64,
        event: &Spooled,
        now: &Contents,
        prev: &mut Option<[u8; 32]>,
    ) {
        let json: Json = serde_json::from_slice(&event.bytes).expect("JSON");
        assert_eq!(json["metadata"]["sequence"], sequence);
        let link = &json["unmapped"]["chain"];
        assert_eq!(link["id"], now.head.id.as_str());
        if sequence == 1 {
            assert!(link["prev"].is_null());
        } else if let Some(prev) = prev {
            let prev = agent_core::escape::hex(prev);
            assert_eq!(link["prev"], prev.as_str(), "the link of {sequence}");
        }
        let digest: [u8; 32] = Sha256::digest(&event.bytes).into();
        *prev = Some(digest);
        self.digests.insert(sequence, digest);
        if event.rank == 3 {
            self.critical.insert(sequence);
        }
        let enabled: BTreeSet<u8> = now.state.sinks.iter().copied().collect();
        assert!(
            self.toggled || event.sinks == enabled,
            "{sequence} waits for {:?}",
            event.sinks
        );
        if let Some(ranges) = json["unmapped"]["dropped"]["ranges"].as_array() {
            let mut declares = Vec::new();
            for text in ranges
                .iter()
                .filter_map(Json::as_str)
                .flat_map(str::split_whitespace)
            {
                let range = Range::from_text(text).expect("a range");
                declares.extend(range.first..=range.last);
            }
            self.declarations.insert(sequence, declares);
        }
        let message = json["message"].as_str().expect("a message");
        if message.contains("had no room in the ledger") {
            let numbers = message
                .split(' ')
                .filter_map(|word| word.replace(',', "").parse::<u64>().ok());
            self.given_up += numbers.sum::<u64>();
        }
        if let Some(uid) = json["finding_info"]["uid"].as_str() {
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            self.uids.insert(sequence, uid.to_owned());
            self.told.entry(uid.to_owned()).or_default().push(Told {
                sequence,
                key: crate::ledger::key::of(
                    &text(&json["finding_info"]["analytic"]["uid"]),
                    text(&json["unmapped"]["subject"]).as_bytes(),
                ),
                activity: text(&json["activity_name"]),
                verdict: text(&json["unmapped"]["verdict"]),
                message: message.rsplit(' ').next().unwrap_or_default().to_owned(),
            });
        }
    }

    /// What was lost, from the table of gaps.
    fn losses(&mut self, now: &Contents) {
        for gap in &now.gaps {
            for sequence in gap.range.first..=gap.range.last {
                let new = match gap.loss {
                    Loss::Full => self.full.insert(sequence),
                    Loss::Refused => self.refused.insert(sequence),
                };
                if new && gap.loss == Loss::Refused {
                    self.unsure.extend(self.uids.get(&sequence).cloned());
                    // What it declared is declared anew.
                    self.declarations.remove(&sequence);
                }
            }
            if gap.loss == Loss::Full {
                assert_eq!(gap.counts[0], 0, "something critical was given up: {gap:?}");
            }
            let ends = [
                (gap.range.last, Some(gap.range.digest)),
                (gap.range.first - 1, gap.range.prev),
            ];
            for (sequence, digest) in ends {
                if let (Some(known), Some(digest)) = (self.digests.get(&sequence), digest) {
                    assert_eq!(*known, digest, "the digest of {sequence} in {gap:?}");
                }
            }
        }
        // What was lost and declared at once is in a declaration alone, once that has arrived.
        for declared in self.declarations.values() {
            for sequence in declared {
                if !self.refused.contains(sequence) && !now.spool.contains_key(sequence) {
                    self.full.insert(*sequence);
                }
            }
        }
        let lost: Vec<u64> = self.full.iter().copied().collect();
        for sequence in lost {
            self.forget(sequence);
        }
        let mut times: BTreeMap<u64, u64> = BTreeMap::new();
        for (by, declared) in &self.declarations {
            for sequence in declared {
                let before = times.insert(*sequence, *by);
                assert_eq!(
                    before,
                    None,
                    "{sequence} (full {}, refused {}) is declared by {by} too",
                    self.full.contains(sequence),
                    self.refused.contains(sequence),
                );
            }
        }
    }

    fn lost(&self, sequence: u64) -> bool {
        self.full.contains(&sequence) || self.refused.contains(&sequence)
    }

    /// The log side will not get it.
    fn forget(&mut self, sequence: u64) {
        assert!(
            !self.critical.contains(&sequence),
            "{sequence} was critical"
        );
        self.declarations.remove(&sequence);
        if let Some(uid) = self.uids.remove(&sequence)
            && let Some(told) = self.told.get_mut(&uid)
        {
            told.retain(|told| told.sequence != sequence);
            if told.is_empty() {
                self.told.remove(&uid);
            }
        }
    }

    /// Who waits for what.
    fn waiting(&mut self, now: &Contents, settled: bool) {
        for (sequence, before) in &self.waits {
            let none = BTreeSet::new();
            let present = now.spool.get(sequence).map_or(&none, |event| &event.sinks);
            let gone = !now.spool.contains_key(sequence);
            for sink in before.difference(present) {
                let settled = self.settling.contains_key(&(*sink, *sequence));
                let lost = gone && self.lost(*sequence);
                assert!(
                    settled || lost || self.toggled,
                    "{sequence} was not sent to {sink}"
                );
            }
            if !self.toggled {
                assert!(
                    present.is_subset(before),
                    "{sequence} waits again for {present:?}"
                );
            }
            let nobody = before.is_empty() && !self.toggled;
            assert!(
                !(gone && nobody) || self.lost(*sequence),
                "{sequence} went by itself"
            );
        }
        for ((sink, sequence), refused) in &self.settling {
            let waits = now
                .spool
                .get(sequence)
                .is_some_and(|event| event.sinks.contains(sink));
            assert!(
                self.toggled || !settled || !waits,
                "{sequence} waits for {sink} still"
            );
            if *refused && !waits && settled && !self.toggled {
                let lost = self.refused.contains(sequence) || self.full.contains(sequence);
                assert!(lost, "{sequence} was refused and nothing says so");
            }
        }
        self.waits = now
            .spool
            .iter()
            .map(|(sequence, event)| (*sequence, event.sinks.clone()))
            .collect();
        if settled {
            self.settling.clear();
        }
    }

    /// What a sink is handed is an event that waits for it.
    pub(super) fn check_parcel(&self, sink: u8, sequence: u64, bytes: &[u8]) {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        if let Some(known) = self.digests.get(&sequence) {
            assert_eq!(*known, digest, "{sequence} is another event");
        }
        assert!(
            !self.settling.contains_key(&(sink, sequence)),
            "{sequence} is sent to {sink} twice"
        );
        assert!(
            !self.full.contains(&sequence),
            "{sequence} was declared as lost"
        );
    }

    /// At the end, when nothing waits: what is lost is declared.
    pub(super) fn check_end(&self) {
        let declared: BTreeSet<u64> = self.declarations.values().flatten().copied().collect();
        let lost: BTreeSet<u64> = self.full.union(&self.refused).copied().collect();
        assert_eq!(declared, lost, "what is declared is what was lost");
    }

    /// What the log side thinks of a deviation: the last that it was told.
    pub(super) fn last_told(&self, uid: &str) -> Option<&Told> {
        self.told.get(uid)?.last()
    }

    /// Deviations that the log side takes to be open, with the last that it was told of each.
    pub(super) fn open(&self) -> impl Iterator<Item = (&str, &Told)> {
        let all = self.told.iter().map(|(uid, told)| (uid.as_str(), told));
        all.filter_map(|(uid, told)| Some((uid, told.last()?)))
            .filter(|(_, told)| told.activity != "Close")
    }
}
