//! Declared loss: which places of the chain will not arrive, with what it takes to follow the chain
//! across them.
//!
//! The event after a lost range names the digest of the last event in it, and nobody has that event to
//! compare with; the event before it is named by the first one in it. So a declaration gives both: what
//! the first of the range names as before it, and the digest of the last. The declaration is itself an
//! event of the chain, so what it says is as good as the chain.

use agent_core::escape;

/// A run of events that will not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Sequence of the first.
    pub first: u64,
    /// Sequence of the last.
    pub last: u64,
    /// What the first one names as the digest of the event before it; `None` at the beginning of a chain.
    pub prev: Option<[u8; 32]>,
    /// Digest of the last one.
    pub digest: [u8; 32],
}

impl Range {
    /// `FIRST-LAST:PREV:DIGEST`, the digests in hexadecimal, `-` for no event before.
    pub fn to_text(&self) -> String {
        let prev = self
            .prev
            .map_or_else(|| "-".to_owned(), |digest| escape::hex(&digest));
        format!(
            "{}-{}:{prev}:{}",
            self.first,
            self.last,
            escape::hex(&self.digest)
        )
    }

    /// The range that [`Range::to_text`] wrote.
    pub fn from_text(text: &str) -> Option<Range> {
        let mut parts = text.split(':');
        let (first, last) = parts.next()?.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        let prev = match parts.next()? {
            "-" => None,
            hex => Some(escape::from_hex(hex.as_bytes())?),
        };
        let digest = escape::from_hex(parts.next()?.as_bytes())?;
        let whole = parts.next().is_none() && first >= 1 && first <= last;
        whole.then_some(Range {
            first,
            last,
            prev,
            digest,
        })
    }
}

/// What one declaration declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many events.
    pub count: u64,
    /// By severity, worst first; the agent's own steps last.
    pub by_rank: [u64; 5],
    /// Why.
    pub reason: String,
    /// Where in the chain.
    pub lost: Vec<Range>,
}

/// Fields that a declaration spends on ranges; more ranges share fields.
const FIELDS: usize = 30;

impl Dropped {
    /// So many ranges are declared at once: some 150 bytes each.
    // Own bound: of one event; another one follows.
    pub const MOST: usize = 900;

    pub(super) fn ranges(&self) -> Vec<String> {
        let share = self.lost.len().div_ceil(FIELDS).max(1);
        self.lost
            .chunks(share)
            .map(|ranges| {
                let words: Vec<String> = ranges.iter().map(Range::to_text).collect();
                words.join(" ")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_survive_their_text_and_nothing_else_is_one() {
        for prev in [None, Some([7; 32])] {
            let range = Range {
                first: 5,
                last: 9,
                prev,
                digest: [1; 32],
            };
            assert_eq!(Range::from_text(&range.to_text()), Some(range));
        }
        let d = "01".repeat(32);
        for text in [
            "",
            "5",
            "5-9",
            &format!("9-5:-:{d}"),
            &format!("0-5:-:{d}"),
            &format!("5-9:{d}"),
            &format!("5-9:-:{d}:"),
            &format!("5-9:-:{}", &d[2..]),
        ] {
            assert_eq!(Range::from_text(text), None, "{text}");
        }
    }
}
