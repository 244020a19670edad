//! Events packed against a sample of their own kind: most of an event is what all events of a host have
//! in common. Pure.
//!
//! A packed text is its length, then by turns: how many bytes stand as they are, those bytes; how many
//! are copied, from where in sample and text so far. All numbers are LEB128. What was packed with a
//! sample is unpacked with the same one, to the byte.

/// Longer than any event.
// Own bound: of the stored form; what claims more is damage.
const MAX: usize = 1 << 22;
/// Shorter matches cost more than they save.
const MIN_MATCH: usize = 8;
const SLOTS: usize = 1 << 13;

/// A sample, with an index of what it holds.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    text: Vec<u8>,
    /// Position plus one of the last place with that hash; 0 for none.
    index: Box<[u32]>,
}

impl Sample {
    /// Indexes the sample.
    pub(super) fn new(text: Vec<u8>) -> Sample {
        let mut index = vec![0; SLOTS].into_boxed_slice();
        for at in 0..text.len().saturating_sub(MIN_MATCH - 1) {
            enter(&mut index, &text, at);
        }
        Sample { text, index }
    }

    /// The sample itself.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Packs `bytes`.
    pub(super) fn pack(&self, bytes: &[u8]) -> Vec<u8> {
        let start = self.text.len();
        let mut all = self.text.clone();
        all.extend_from_slice(bytes);
        let mut index = self.index.clone();
        let mut out = Vec::with_capacity(bytes.len() / 2);
        number(&mut out, bytes.len());
        let (mut at, mut plain) = (start, start);
        while at.saturating_add(MIN_MATCH) <= all.len() {
            let found = (index[slot(&all, at)] as usize).checked_sub(1);
            let found = found.map(|from| (from, common(&all, from, at)));
            let Some((from, length)) = found.filter(|(_, length)| *length >= MIN_MATCH) else {
                enter(&mut index, &all, at);
                at = at.saturating_add(1);
                continue;
            };
            literal(&mut out, &all[plain..at]);
            number(&mut out, length);
            number(&mut out, from);
            at = at.saturating_add(length);
            plain = at;
        }
        literal(&mut out, &all[plain..]);
        out
    }
}

/// What was packed with that sample; `None` for bytes that were not.
pub(super) fn unpack(sample: &[u8], packed: &[u8]) -> Option<Vec<u8>> {
    let mut rest = packed;
    let length = take(&mut rest).filter(|length| *length <= MAX)?;
    let mut all = sample.to_vec();
    let end = all.len().checked_add(length)?;
    loop {
        let plain = take(&mut rest)?;
        all.extend_from_slice(rest.get(..plain)?);
        rest = &rest[plain..];
        if all.len() >= end {
            break;
        }
        let copied = take(&mut rest)?;
        let from = take(&mut rest)?;
        if from >= all.len() || all.len().checked_add(copied)? > end {
            return None;
        }
        // Byte by byte: what is copied may reach into itself.
        for i in (from..).take(copied) {
            all.push(*all.get(i)?);
        }
    }
    let whole = all.len() == end && rest.is_empty();
    whole.then(|| all.split_off(sample.len()))
}

fn slot(text: &[u8], at: usize) -> usize {
    let Some(begin) = text[at..].first_chunk::<MIN_MATCH>() else {
        return 0;
    };
    let hash = begin.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The product's middle bits depend on all bytes.
    (hash >> 24) as usize & (SLOTS - 1)
}

fn enter(index: &mut [u32], text: &[u8], at: usize) {
    if let Ok(place) = u32::try_from(at.saturating_add(1)) {
        index[slot(text, at)] = place;
    }
}

fn common(text: &[u8], from: usize, at: usize) -> usize {
    let pairs = text[from..].iter().zip(&text[at..]);
    pairs.take_while(|(a, b)| a == b).count()
}

fn literal(out: &mut Vec<u8>, plain: &[u8]) {
    number(out, plain.len());
    out.extend_from_slice(plain);
}

fn number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

fn take(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..28).step_by(7) {
        let (first, tail) = rest.split_first()?;
        *rest = tail;
        number |= usize::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_packed_comes_back() {
        let sample =
            Sample::new(b"{\"time\":1,\"class_uid\":2004,\"severity\":\"High\"}".repeat(3));
        let mut random = fastrand::Rng::with_seed(5);
        let mut texts = vec![Vec::new(), b"x".to_vec(), vec![b'a'; 5000]];
        for _ in 0..500 {
            let mut text = Vec::new();
            for _ in 0..random.usize(0..20) {
                match random.bool() {
                    true => text.extend((0..random.usize(0..40)).map(|_| random.u8(..))),
                    false => {
                        let from = random.usize(0..sample.text.len());
                        let to = random.usize(from..=sample.text.len());
                        text.extend(&sample.text[from..to]);
                    }
                }
            }
            texts.push(text);
        }
        for text in texts {
            let packed = sample.pack(&text);
            assert_eq!(unpack(&sample.text, &packed), Some(text));
        }
    }

    #[test]
    fn what_all_events_share_costs_little() {
        let fields: String = (0..100)
            .map(|n| format!("\"field{n}\":\"part\","))
            .collect();
        let event = |n: u32| format!("{{\"time\":{n},{fields}\"n\":{n}}}");
        let sample = Sample::new(event(1).into_bytes());
        assert!(sample.pack(event(2).as_bytes()).len() < 40);
    }

    #[test]
    fn damage_is_seen_or_harmless() {
        let sample = Sample::new(b"one two three four five six seven".to_vec());
        let packed = sample.pack(b"zero one two three four five six seven eight");
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let mut damaged = packed.clone();
            let at = random.usize(0..damaged.len());
            damaged[at] ^= 1 << random.u8(0..8);
            damaged.truncate(random.usize(0..=damaged.len()));
            // Anything but a panic or a huge allocation.
            let _: Option<Vec<u8>> = unpack(&sample.text, &damaged);
        }
    }
}
