//! What of a message's text the chain is made of.

use super::rows::Sha;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// An event or a heartbeat: what has all of this is the agent's. Texts are those of the message wherever they stand there
/// as they are.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    pub(super) metadata: Metadata<'a>,
    #[serde(borrow, default)]
    pub(super) device: Device<'a>,
    #[serde(borrow)]
    pub(super) unmapped: Unmapped<'a>,
    #[serde(default)]
    class_uid: Said,
    #[serde(default)]
    activity_id: Said,
    #[serde(default)]
    activity_name: Said,
    finding_info: Option<IgnoredAny>,
}

impl Text<'_> {
    /// Whether it is of the kind of heartbeats, whatever it says of a chain. All others of the agent's have a place in one.
    pub(super) fn is_heartbeat(&self) -> bool {
        self.class_uid == Said::Number(6002)
            && self.activity_id == Said::Number(99)
            && self.activity_name == Said::Heartbeat
            && self.metadata.sequence.is_none()
            && self.unmapped.chain.is_none()
            && self.finding_info.is_none()
    }
}

/// What tells heartbeats from others; of another type it makes an event no less one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Else,
    Number(u64),
    Heartbeat,
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_any(Said::Else)
    }
}

impl<'de> Visitor<'de> for Said {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Said, E> {
        Ok(Said::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Said, E> {
        Ok(match text {
            "Heartbeat" => Said::Heartbeat,
            _ => Said::Else,
        })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Said, E> {
        Ok(Said::Else)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Said, E> {
        Ok(Said::Else)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Said, E> {
        Ok(Said::Else)
    }

    fn visit_unit<E>(self) -> Result<Said, E> {
        Ok(Said::Else)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Said, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Said::Else)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Said::Else)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) uid: Cow<'a, str>,
    pub(super) sequence: Option<u64>,
}

/// Whose event it is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Device<'a> {
    #[serde(borrow, default)]
    instance_uid: Cow<'a, str>,
    #[serde(borrow, default)]
    hostname: Cow<'a, str>,
}

impl Device<'_> {
    /// Its name, or nothing.
    pub(super) fn name(&self) -> &str {
        match &*self.instance_uid {
            "" => &self.hostname,
            id => id,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Unmapped<'a> {
    #[serde(borrow)]
    pub(super) chain: Option<Link<'a>>,
    #[serde(borrow)]
    pub(super) chain_head: Option<Head<'a>>,
    #[serde(borrow)]
    pub(super) dropped: Option<Dropped<'a>>,
}

/// The place of an event in its chain.
#[derive(Debug, Deserialize)]
pub(super) struct Link<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) prev: Option<Word<'a>>,
    #[serde(borrow, default)]
    pub(super) reason: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) after: Option<Head<'a>>,
}

/// What is said of the end of a chain.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    pub(super) sequence: u64,
    #[serde(borrow)]
    pub(super) digest: Option<Word<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dropped<'a> {
    #[serde(borrow)]
    pub(super) ranges: Vec<Word<'a>>,
}

/// A text within something else: serde borrows a `Cow` nowhere but in a field of its own.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::ops::Deref for Word<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// What the message says; `None` if it is none of the agent's.
pub(super) fn text(message: &[u8]) -> Option<Text<'_>> {
    serde_json::from_slice(message).ok()
}

/// A UUID as a number; of another text half of its digest, which as little stands for two texts.
pub(super) fn number(uid: &str) -> u128 {
    match uuid_number(uid.as_bytes()) {
        Some(number) => number,
        None => {
            let digest: Sha = Sha256::digest(uid).into();
            digest
                .first_chunk()
                .map_or(0, |half| u128::from_be_bytes(*half))
        }
    }
}

/// A UUID in the one spelling that agents write: lower case, with hyphens. Others are other texts.
fn uuid_number(uid: &[u8]) -> Option<u128> {
    let uid: &[u8; 36] = uid.try_into().ok()?;
    let mut digits = [0; 32];
    let mut room = digits.iter_mut();
    for (n, byte) in uid.iter().enumerate() {
        if matches!(n, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        *room.next()? = *byte;
    }
    agent_core::escape::from_hex(&digits).map(u128::from_be_bytes)
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
            "01a22663-a340-7381-bac2-5f716cf667g8",
            "01a22663-a340-7381-bac2+5f716cf667e8",
            "u",
            "",
        ];
        let numbers: std::collections::HashSet<u128> = uids.iter().map(|uid| number(uid)).collect();
        assert_eq!(numbers.len(), uids.len());
        assert_eq!(number(uids[0]), 0x01a2_2663_a340_7381_bac2_5f71_6cf6_67e7);
    }

    #[test]
    fn texts_are_read_as_json_has_them() {
        let plain = br#"{"metadata":{"uid":"u","sequence":5},"device":{"hostname":"h"},"unmapped":{"chain":{"id":"c","prev":"\u0061b","reason":"r"}}}"#;
        let text = text(plain).expect("the agent's");
        let link = text.unmapped.chain.expect("a link");
        assert!(matches!(link.id, Cow::Borrowed("c")));
        assert_eq!(link.prev.as_deref(), Some("ab"));
        assert_eq!((&*link.reason, text.device.name()), ("r", "h"));
        assert_eq!(text.metadata.sequence, Some(5));
        for other in [
            "\"6002\"",
            "-1",
            "1.5",
            "null",
            "true",
            "[1,{}]",
            "{\"a\":[]}",
        ] {
            let text = format!(
                r#"{{"class_uid":{other},"activity_name":{other},"metadata":{{"uid":"u"}},"unmapped":{{}}}}"#
            );
            let text = super::text(text.as_bytes()).expect(other);
            assert_eq!(
                (text.class_uid, text.activity_name),
                (Said::Else, Said::Else)
            );
        }
        for foreign in [
            &br#"{"metadata":{"uid":5},"unmapped":{}}"#[..],
            br#"{"metadata":{"uid":"u","sequence":"5"},"unmapped":{}}"#,
            br#"{"metadata":{"uid":"u"},"metadata":{"uid":"u"},"unmapped":{}}"#,
            br#"{"metadata":{"uid":"u"},"unmapped":{},"device":null}"#,
            br#"{"metadata":{"uid":"u"}}"#,
            b"{",
            b"",
        ] {
            assert!(super::text(foreign).is_none());
        }
    }
}
