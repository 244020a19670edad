//! What the store knows of itself: the head of the chain, counters. One row, written with whatever changed.

use super::flood::UnderWay;
use crate::event::chain::{Chain, Head};
use agent_core::escape;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadRow {
    id: String,
    sequence: u64,
    digest: Option<String>,
}

/// The state. What a later version adds must have a default. In its row all keys stand side by side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoreState {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) chain: ChainState,
    #[serde(flatten)]
    pub(super) host: HostState,
    /// Number of the last scan that marked an entry.
    #[serde(rename = "round")]
    pub(super) scan_id: u64,
    /// The flood under way: summed up by the next start, should this one not come to it.
    pub(super) flood: Option<UnderWay>,
    /// Sinks that events wait for.
    pub(super) sinks: Vec<u8>,
    /// Which sample is packed with.
    pub(super) sample: u32,
    #[serde(flatten)]
    pub(super) spool: SpoolState,
    #[serde(flatten)]
    pub(super) ledger: LedgerState,
    #[serde(flatten)]
    pub(super) waiting: WaitingState,
    #[serde(flatten)]
    pub(super) gaps: GapsState,
}

/// The chain's end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ChainState {
    head: HeadRow,
    reason: String,
    after: Option<HeadRow>,
    /// What deviations' uids are salted with, so that those of another store differ.
    pub(super) salt: String,
    /// The place in the spool of an event is its sequence and this.
    pub(super) base: u64,
}

/// The host that the chain belongs to; empty while unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HostState {
    pub(super) instance_id: String,
    pub(super) machine_id: String,
}

/// What the spool holds, and what it lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SpoolState {
    /// Events in the spool.
    pub(super) events: u64,
    /// Bytes of them as shipped.
    pub(super) payload: u64,
    /// The spool is kept below this, since the file may not grow; 0: the configured size alone counts.
    pub(super) payload_limit: u64,
    /// Events dropped since the chain began.
    pub(super) dropped: u64,
    /// Events refused since the chain began.
    pub(super) refused: u64,
    /// Events of chains that were kept in memory which will not arrive, since that was last told.
    pub(super) lost_of_other_chain: u64,
}

/// What the ledger holds, and what it had no room for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct LedgerState {
    /// Findings in the ledger.
    pub(super) open: u64,
    /// Bytes of keys and entries.
    pub(super) ledger_bytes: u64,
    /// Findings that stand and of which the log side was not told, or not the last.
    pub(super) untold: u64,
    /// Findings for which the ledger had no room, since that was last told.
    pub(super) unentered: u64,
    /// Findings that the ledger gave up for others, since that was last told.
    pub(super) given_up: u64,
    /// Ends of deviations that are yet to be told.
    pub(super) ends: u64,
    /// Bytes of their keys and entries.
    pub(super) ends_bytes: u64,
}

/// Findings that wait to be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct WaitingState {
    /// How many.
    pub(super) deferred: u64,
    /// When the first of them is due, in milliseconds since 1970; 0 while none waits.
    pub(super) deferred_until: i64,
    /// Paths that are to be told with their package.
    pub(super) listed: u64,
}

/// Lost ranges of the chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct GapsState {
    /// Ranges that no event declares yet.
    pub(super) undeclared: u64,
    /// When ranges were last declared.
    pub(super) declared: i64,
}

/// Version of the stored form. An older one is carried over by [`super::migrate`].
pub(super) const VERSION: u32 = 3;
/// The oldest version that is carried over.
const OLDEST: u32 = 1;
/// Beyond it no place is: no host tells as many events, and sums of a base and a few sequences stay numbers.
const LAST_PLACE: u64 = u64::MAX / 4;

fn head_to_row(head: &Head) -> HeadRow {
    HeadRow {
        id: head.id.clone(),
        sequence: head.sequence,
        digest: head.digest.map(|digest| escape::hex(&digest)),
    }
}

fn head_from_row(row: &HeadRow) -> Option<Head> {
    let digest = match &row.digest {
        None => None,
        Some(hex) => Some(escape::from_hex(hex.as_bytes())?),
    };
    Some(Head {
        id: row.id.clone(),
        sequence: row.sequence,
        digest,
    })
}

impl StoreState {
    /// The state of a store that was just begun.
    pub(super) fn begin(chain: &Chain, base: u64) -> StoreState {
        let mut state = StoreState {
            version: VERSION,
            ..StoreState::default()
        };
        state.chain.salt.clone_from(&chain.head.id);
        state.chain.base = base;
        state.set_chain(chain);
        state
    }

    pub(super) fn chain(&self) -> Option<Chain> {
        let after = match &self.chain.after {
            None => None,
            Some(row) => Some(head_from_row(row)?),
        };
        Some(Chain {
            head: head_from_row(&self.chain.head)?,
            reason: self.chain.reason.clone(),
            after,
        })
    }

    /// The place in the spool of the event told last.
    pub(super) fn last_place(&self) -> u64 {
        self.chain.base.saturating_add(self.chain.head.sequence)
    }

    pub(super) fn set_chain(&mut self, chain: &Chain) {
        self.chain.head = head_to_row(&chain.head);
        self.chain.reason.clone_from(&chain.reason);
        self.chain.after = chain.after.as_ref().map(head_to_row);
    }

    pub(super) fn to_row(&self) -> Vec<u8> {
        // Strings, numbers and lists of them always can be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None` for what this version cannot read.
    pub(super) fn from_row(row: &[u8]) -> Option<StoreState> {
        let state: StoreState = serde_json::from_slice(row).ok()?;
        let known = (OLDEST..=VERSION).contains(&state.version);
        let sound = known
            && !state.chain.head.id.is_empty()
            && state.chain().is_some()
            && state.last_place() <= LAST_PLACE;
        sound.then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_survives() {
        let mut chain = Chain::begin("first start", None, 5);
        chain.after = Some(chain.head.clone());
        chain.head.sequence = 4;
        chain.head.digest = Some([6; 32]);
        let state = StoreState::begin(&chain, 3);
        let read = StoreState::from_row(&state.to_row()).expect("a state");
        assert_eq!(read.chain(), Some(chain));
        assert_eq!(read, state);
        let row: serde_json::Value = serde_json::from_slice(&state.to_row()).expect("JSON");
        let keys = row.as_object().expect("an object").keys();
        let mut keys: Vec<&str> = keys.map(String::as_str).collect();
        keys.sort_unstable();
        let expected = "after base declared deferred deferred_until dropped ends ends_bytes events flood given_up head \
                        instance_id ledger_bytes listed lost_of_other_chain machine_id open payload payload_limit reason \
                        refused round salt sample sinks undeclared unentered untold version";
        assert_eq!(keys.join(" "), expected);
        for (base, readable) in [(1, true), (u64::MAX, false), (LAST_PLACE, false)] {
            let mut state = state.clone();
            state.chain.base = base;
            assert_eq!(StoreState::from_row(&state.to_row()).is_some(), readable);
        }
        for row in ["", "{}", "{\"version\":4}", "[]"] {
            assert_eq!(StoreState::from_row(row.as_bytes()), None, "{row}");
        }
    }
}
