//! What is kept of a message, made where it is read: several files are read and digested at once.

use super::index::Sha;
use super::read::Message;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A message, as far as the chain goes.
#[derive(Debug)]
pub(super) enum Record {
    /// None of the agent's.
    Foreign,
    /// An event or a heartbeat.
    Event(Box<Event>),
}

/// An event or a heartbeat.
#[derive(Debug)]
pub(super) struct Event {
    /// Of the exact bytes.
    pub(super) digest: Sha,
    /// The event's uid, or what stands for one that is no UUID.
    pub(super) uid: u128,
    pub(super) sequence: Option<u64>,
    pub(super) device: Device,
    pub(super) chain: Option<Link>,
    pub(super) chain_head: Option<Head>,
    /// Ranges that are declared as lost.
    pub(super) dropped: Vec<String>,
    /// The highest sequence of its chain before it in the same document, if that is higher than its own.
    pub(super) after: Option<u64>,
}

#[derive(Deserialize)]
struct Text {
    metadata: Metadata,
    #[serde(default)]
    device: Device,
    unmapped: Unmapped,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
    sequence: Option<u64>,
}

/// Whose event it is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Device {
    #[serde(default)]
    pub(super) instance_uid: String,
    #[serde(default)]
    pub(super) hostname: String,
}

#[derive(Deserialize)]
struct Unmapped {
    chain: Option<Link>,
    chain_head: Option<Head>,
    dropped: Option<Dropped>,
}

/// The place of an event in its chain.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) prev: Option<String>,
    #[serde(default)]
    pub(super) reason: String,
    pub(super) after: Option<Head>,
}

/// What is said of the end of a chain.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) sequence: u64,
    pub(super) digest: Option<String>,
}

#[derive(Deserialize)]
struct Dropped {
    ranges: Vec<String>,
}

/// Makes records of the messages of one file.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Of each chain the document of the file that it was read in last, and the highest sequence there.
    highest: HashMap<String, (u64, u64)>,
}

impl Recorder {
    /// What is kept of the message.
    pub(super) fn record(&mut self, message: &Message) -> Record {
        let Ok(text) = serde_json::from_slice::<Text>(&message.bytes) else {
            return Record::Foreign;
        };
        let Text {
            metadata,
            device,
            unmapped,
        } = text;
        let after = match (&unmapped.chain, metadata.sequence) {
            (Some(link), Some(sequence)) => self.order(&link.id, sequence, message.document),
            _ => None,
        };
        Record::Event(Box::new(Event {
            digest: Sha256::digest(&message.bytes).into(),
            uid: number(&metadata.uid),
            sequence: metadata.sequence,
            device,
            chain: unmapped.chain,
            chain_head: unmapped.chain_head,
            dropped: unmapped.dropped.map_or(Vec::new(), |d| d.ranges),
            after,
        }))
    }

    /// The later event that this one stands after. Order means something within one document alone.
    fn order(&mut self, chain: &str, sequence: u64, document: u64) -> Option<u64> {
        match self.highest.get_mut(chain) {
            Some((place, highest)) if *place == document && sequence < *highest => Some(*highest),
            Some(known) => {
                *known = (document, sequence);
                None
            }
            None => {
                self.highest.insert(chain.to_owned(), (document, sequence));
                None
            }
        }
    }
}

/// A UUID as a number; of another text half of its digest, which as little stands for two texts.
fn number(uid: &str) -> u128 {
    match uuid::Uuid::try_parse(uid) {
        // Other spellings of the same UUID are other texts.
        Ok(parsed) if parsed.hyphenated().to_string() == uid => parsed.as_u128(),
        _ => {
            let digest: Sha = Sha256::digest(uid).into();
            digest[..16]
                .iter()
                .fold(0, |number, byte| number << 8 | u128::from(*byte))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_uids_are_different_numbers() {
        let uids = [
            "01a22663-a340-7381-bac2-5f716cf667e7",
            "01A22663-A340-7381-BAC2-5F716CF667E7",
            "01a22663a3407381bac25f716cf667e7",
            "01a22663-a340-7381-bac2-5f716cf667e8",
            "u",
            "",
        ];
        let numbers: std::collections::HashSet<u128> = uids.iter().map(|uid| number(uid)).collect();
        assert_eq!(numbers.len(), uids.len());
        assert_eq!(number(uids[0]), 0x01a2_2663_a340_7381_bac2_5f71_6cf6_67e7);
    }
}
