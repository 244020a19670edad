//! The chain: each event names the SHA-256 of the exact bytes of the one before it.

use super::draft::Draft;
use agent_core::escape;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::{NoContext, Timestamp, Uuid};

/// A place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub id: String,
    /// Of the last event in it; 0 before the first.
    pub sequence: u64,
    /// SHA-256 of that event's bytes; `None` before the first.
    pub digest: Option<[u8; 32]>,
}

/// A chain that events are added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its end.
    pub head: Head,
    /// Why it was begun: its first event says so.
    pub reason: String,
    /// The end of the chain before it, where that is known.
    pub after: Option<Head>,
}

/// A time-ordered unique id (RFC 9562, version 7). Unique even where the clock stands still or goes back.
pub fn uuid(now: i64) -> String {
    let milliseconds = u64::try_from(now).unwrap_or(0);
    let nanoseconds = u32::try_from(milliseconds % 1000).unwrap_or(0);
    let nanoseconds = nanoseconds.saturating_mul(1_000_000);
    let time = Timestamp::from_unix(NoContext, milliseconds / 1000, nanoseconds);
    Uuid::new_v7(time).to_string()
}

impl Head {
    fn to_json(&self) -> Value {
        let digest = self.digest.map(|digest| escape::hex(&digest));
        json!({ "id": self.id, "sequence": self.sequence, "digest": digest })
    }
}

impl Chain {
    /// A chain without events.
    pub fn begin(reason: impl Into<String>, after: Option<Head>, now: i64) -> Chain {
        Chain {
            head: Head {
                id: uuid(now),
                sequence: 0,
                digest: None,
            },
            reason: reason.into(),
            after,
        }
    }

    /// Gives the event its place at the end of the chain; returns the bytes that are shipped.
    pub fn seal(&mut self, draft: Draft, now: i64) -> Vec<u8> {
        let mut draft = draft;
        let sequence = self.head.sequence.saturating_add(1);
        stamp(&mut draft.object, Some(sequence), now);
        let prev = self.head.digest.map(|digest| escape::hex(&digest));
        let mut link = json!({ "id": self.head.id, "prev": prev });
        if sequence == 1 {
            link["reason"] = json!(self.reason);
            if let Some(after) = &self.after {
                link["after"] = after.to_json();
            }
        }
        draft.unmapped.insert("chain".into(), link);
        let bytes = draft.text();
        self.head.sequence = sequence;
        self.head.digest = Some(Sha256::digest(&bytes).into());
        bytes
    }
}

/// An event that is no link: it names the end of the chain, if there is one.
pub fn beside(head: Option<&Head>, draft: Draft, now: i64) -> Vec<u8> {
    let mut draft = draft;
    stamp(&mut draft.object, None, now);
    if let Some(head) = head {
        draft.unmapped.insert("chain_head".into(), head.to_json());
    }
    draft.text()
}

/// The same with no more than the event's own uid put in.
pub fn beside_briefly(head: &Head, draft: Draft, now: i64) -> Vec<u8> {
    let mut draft = draft;
    if let Some(Value::Object(metadata)) = draft.object.get_mut("metadata") {
        metadata.insert("uid".into(), json!(uuid(now)));
    }
    draft.unmapped.insert("chain_head".into(), head.to_json());
    draft.text()
}

fn stamp(object: &mut Map<String, Value>, sequence: Option<u64>, now: i64) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        if let Some(sequence) = sequence {
            metadata.insert("sequence".into(), json!(sequence));
        }
        metadata.insert("uid".into(), json!(uuid(now)));
        metadata.insert("logged_time".into(), json!(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_whatever_the_clock_does() {
        let times = [5, 5, 5, 4, -1, 1_795_310_000_123];
        let ids: HashSet<String> = times.iter().map(|now| uuid(*now)).collect();
        assert_eq!(ids.len(), times.len());
        assert!(uuid(1_795_310_000_123) < uuid(1_795_310_000_124));
    }
}
