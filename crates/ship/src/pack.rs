//! Parcels into batches that PutLogEvents takes. Pure: what the limits are, and nothing else.
//!
//! Quotations are from the documentation of PutLogEvents unless another page is named.

use agent_outbox::parcel::Parcel;
use std::ops::Range;

/// "The maximum batch size is 1,048,576 bytes. This size is calculated as the sum of all event messages in UTF-8,
/// plus 26 bytes for each log event."
pub const BATCH_BYTES: usize = 1_048_576;
/// The 26 bytes of that sentence.
pub const OVERHEAD: usize = 26;
/// "The maximum number of log events in a batch is 10,000."
pub const BATCH_EVENTS: usize = 10_000;
/// "A batch of log events in a single request cannot span more than 24 hours."
pub const SPAN: i64 = 24 * HOUR;
/// "None of the log events in the batch can be more than 14 days in the past."
pub const PAST: i64 = 14 * 24 * HOUR;
/// "None of the log events in the batch can be more than 2 hours in the future."
pub const FUTURE: i64 = 2 * HOUR;
/// "Each log event can be no larger than 1 MB" (InputLogEvent); no batch has room for more than this.
pub const EVENT_BYTES: usize = BATCH_BYTES - OVERHEAD;
/// Ours: how far the service's clock may be from what we take it for, and how long a request may be under way.
pub const MARGIN: i64 = 10 * 60 * 1000;

const HOUR: i64 = 3_600_000;

/// How a parcel is to be stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampChoice {
    /// With its own time, or with the present where the service would refuse that.
    Own,
    /// With the present: its own time was refused. The event bears its own time inside.
    Present,
    /// Not now.
    LeaveOut,
}

/// An event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedEvent {
    /// Which of the parcels.
    pub index: usize,
    /// Its time stamp, in milliseconds since 1970.
    pub time: i64,
}

/// What one call sends, by ascending time.
pub type Batch = Vec<PackedEvent>;

/// What came of packing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Oldest first.
    pub batches: Vec<Batch>,
    /// Keys of parcels that no batch can hold, with the reason.
    pub refused: Vec<(u64, String)>,
}

/// Packs the parcels; `clock` is the service's, in milliseconds since 1970.
pub fn pack(parcels: &[Parcel], clock: i64, stamp: impl Fn(&Parcel) -> TimestampChoice) -> Packed {
    let mut packed = Packed::default();
    let mut entries = Vec::with_capacity(parcels.len());
    for (index, parcel) in parcels.iter().enumerate() {
        if let Some(reason) = unfit(&parcel.bytes) {
            packed.refused.push((parcel.key, reason));
            continue;
        }
        let time = match stamp(parcel) {
            TimestampChoice::Own => acceptable(parcel.time, clock),
            TimestampChoice::Present => clock.max(0),
            TimestampChoice::LeaveOut => continue,
        };
        entries.push(PackedEvent { index, time });
    }
    // Stable: events of one millisecond keep their order.
    entries.sort_by_key(|entry| entry.time);
    let mut room = Room::default();
    let mut batch = Batch::new();
    for entry in entries {
        let size = parcels[entry.index].bytes.len();
        if !room.takes(size, entry.time) {
            packed.batches.push(std::mem::take(&mut batch));
            room = Room::default();
        }
        room.take(size, entry.time);
        batch.push(entry);
    }
    if !batch.is_empty() {
        packed.batches.push(batch);
    }
    packed
}

/// The time itself, or the present if the service would refuse it.
pub fn acceptable(time: i64, clock: i64) -> i64 {
    let clock = clock.max(0);
    let oldest = clock.saturating_sub(PAST - MARGIN).max(0);
    let newest = clock.saturating_add(FUTURE - MARGIN);
    if (oldest..=newest).contains(&time) {
        time
    } else {
        clock
    }
}

/// Which events of a batch of `len` a reply rejects: a head and a tail, by `rejectedLogEventsInfo`.
///
/// "tooNewLogEventStartIndex: The index of the first log event that is too new. This field is inclusive."
/// "tooOldLogEventEndIndex: The index of the last log event that is too old. This field is exclusive."
/// "expiredLogEventEndIndex: The expired log events.", taken as exclusive like the one before.
pub fn rejected(
    too_new_start: Option<i32>,
    too_old_end: Option<i32>,
    expired_end: Option<i32>,
    len: usize,
) -> (Range<usize>, Range<usize>) {
    let index = |value: i32| usize::try_from(value).unwrap_or(0).min(len);
    let head = too_old_end
        .map_or(0, index)
        .max(expired_end.map_or(0, index));
    let tail = too_new_start.map_or(len, index).max(head);
    (0..head, tail..len)
}

/// Why no batch can hold such a message.
fn unfit(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        // "message: Length Constraints: Minimum length of 1." (InputLogEvent)
        Some("an empty event".to_owned())
    } else if bytes.len() > EVENT_BYTES {
        Some(format!(
            "{} bytes, at most {EVENT_BYTES} are taken",
            bytes.len()
        ))
    } else if std::str::from_utf8(bytes).is_err() {
        Some("not UTF-8".to_owned())
    } else {
        None
    }
}

/// What a batch holds so far.
#[derive(Default)]
struct Room {
    bytes: usize,
    events: usize,
    first: i64,
}

impl Room {
    fn takes(&self, size: usize, time: i64) -> bool {
        self.events == 0
            || self.events < BATCH_EVENTS
                && self.bytes + size + OVERHEAD <= BATCH_BYTES
                && time.saturating_sub(self.first) <= SPAN
    }

    fn take(&mut self, size: usize, time: i64) {
        if self.events == 0 {
            self.first = time;
        }
        self.events += 1;
        self.bytes += size + OVERHEAD;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parcel;
    use std::collections::BTreeSet;

    const NOW: i64 = 1_795_000_000_000;

    fn own(parcels: &[Parcel]) -> Packed {
        pack(parcels, NOW, |_| TimestampChoice::Own)
    }

    /// Sizes of batches.
    fn sizes(packed: &Packed) -> Vec<usize> {
        packed.batches.iter().map(Vec::len).collect()
    }

    #[test]
    fn each_limit_is_reached_and_not_passed() {
        let many = |count: usize, size: usize, step: i64| -> Vec<Parcel> {
            let text = "x".repeat(size);
            (0..count)
                .map(|n| parcel(n as u64, NOW - 13 * 24 * HOUR + step * n as i64, &text))
                .collect()
        };
        let cases: &[(usize, usize, i64, &[usize])] = &[
            (0, 1, 0, &[]),
            (1, EVENT_BYTES, 0, &[1]),
            (2, EVENT_BYTES, 0, &[1, 1]),
            (3, BATCH_BYTES / 2 - OVERHEAD, 0, &[2, 1]),
            (3, BATCH_BYTES / 2 - OVERHEAD + 1, 0, &[1, 1, 1]),
            (10_000, 1, 0, &[10_000]),
            (20_001, 1, 0, &[10_000, 10_000, 1]),
            (25, 1, HOUR, &[25]),
            (26, 1, HOUR, &[25, 1]),
            (3, 1, SPAN, &[2, 1]),
            (3, 1, SPAN + 1, &[1, 1, 1]),
        ];
        for (count, size, step, expected) in cases {
            let packed = own(&many(*count, *size, *step));
            assert_eq!(
                &sizes(&packed),
                expected,
                "{count} of {size} every {step} ms"
            );
            assert!(packed.refused.is_empty());
        }
    }

    #[test]
    fn what_no_batch_can_hold_is_refused_alone() {
        let mut parcels = vec![
            parcel(1, NOW, "good"),
            parcel(2, NOW, &"x".repeat(EVENT_BYTES + 1)),
            parcel(3, NOW, ""),
            parcel(4, NOW, "good too"),
        ];
        parcels[3].bytes = b"\xff"[..].into();
        parcels.push(parcel(5, NOW, "good three"));
        let packed = own(&parcels);
        let refused: Vec<u64> = packed.refused.iter().map(|(key, _)| *key).collect();
        assert_eq!((refused, sizes(&packed)), (vec![2, 3, 4], vec![2]));
    }

    #[test]
    fn times_that_the_service_refuses_become_the_present() {
        for (time, stamped) in [
            (NOW, NOW),
            (NOW - PAST, NOW),
            (NOW - PAST + MARGIN - 1, NOW),
            (NOW - PAST + MARGIN, NOW - PAST + MARGIN),
            (NOW + FUTURE - MARGIN, NOW + FUTURE - MARGIN),
            (NOW + FUTURE - MARGIN + 1, NOW),
            (-1, NOW),
            (0, NOW),
            (i64::MIN, NOW),
            (i64::MAX, NOW),
        ] {
            assert_eq!(acceptable(time, NOW), stamped, "{time}");
        }
        // A clock without a battery starts in 1970, or before.
        for clock in [0, 1, -5, i64::MIN] {
            assert!(acceptable(-1, clock) >= 0);
            assert!(acceptable(NOW, clock) >= 0);
        }
    }

    #[test]
    fn the_index_rules_of_a_rejection() {
        let cases = [
            ((None, None, None), (0..0, 10..10)),
            ((Some(7), None, None), (0..0, 7..10)),
            ((None, Some(3), None), (0..3, 10..10)),
            ((None, None, Some(4)), (0..4, 10..10)),
            ((None, Some(3), Some(5)), (0..5, 10..10)),
            ((Some(7), Some(3), Some(2)), (0..3, 7..10)),
            ((Some(0), None, None), (0..0, 0..10)),
            ((None, Some(10), None), (0..10, 10..10)),
            // Nonsense rejects too much rather than losing anything, and nothing twice.
            ((Some(-1), None, None), (0..0, 0..10)),
            ((Some(2), Some(5), None), (0..5, 5..10)),
            ((Some(99), Some(99), None), (0..10, 10..10)),
        ];
        for ((new, old, expired), expected) in cases {
            assert_eq!(
                rejected(new, old, expired, 10),
                expected,
                "{new:?} {old:?} {expired:?}"
            );
        }
    }

    /// Whatever is put in: every parcel is in exactly one place, and every batch is one that the service takes.
    #[test]
    fn nothing_is_lost_doubled_or_past_a_limit() {
        for seed in 0..120 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (large, most) = *random
                .choice(&[(10, 12_000), (3000, 600), (200_000, 12)])
                .expect("one");
            let count = random.usize(0..most);
            let spread = *random
                .choice(&[1, 1000, HOUR, SPAN, 40 * SPAN])
                .expect("one");
            let filler = "é".repeat(large);
            let parcels: Vec<Parcel> = (0..count)
                .map(|key| {
                    let time = NOW + random.i64(-spread..=spread / 4);
                    parcel(key as u64, time, &filler[..2 * random.usize(0..=large)])
                })
                .collect();
            let stamps: Vec<TimestampChoice> = (0..count)
                .map(|_| {
                    *random
                        .choice(&[
                            TimestampChoice::Own,
                            TimestampChoice::Own,
                            TimestampChoice::Present,
                            TimestampChoice::LeaveOut,
                        ])
                        .expect("one")
                })
                .collect();
            let packed = pack(&parcels, NOW, |parcel| {
                stamps[usize::try_from(parcel.key).expect("small")]
            });

            let mut seen = BTreeSet::new();
            for (key, _) in &packed.refused {
                assert!(seen.insert(*key), "{seed}");
            }
            let mut last = i64::MIN;
            for batch in &packed.batches {
                let bytes: usize = batch
                    .iter()
                    .map(|e| parcels[e.index].bytes.len() + 26)
                    .sum();
                assert!(
                    bytes <= 1_048_576 && (1..=10_000).contains(&batch.len()),
                    "{seed}"
                );
                assert!(batch.is_sorted_by_key(|entry| entry.time), "{seed}");
                assert!(
                    batch[batch.len() - 1].time - batch[0].time <= 86_400_000,
                    "{seed}"
                );
                assert!(batch[0].time >= last, "batches ascend: {seed}");
                last = batch[batch.len() - 1].time;
                for pair in batch.windows(2) {
                    assert!(
                        pair[0].time < pair[1].time || pair[0].index < pair[1].index,
                        "{seed}"
                    );
                }
                for entry in batch {
                    let parcel = &parcels[entry.index];
                    assert!(seen.insert(parcel.key), "{seed}");
                    assert!((NOW - PAST..=NOW + FUTURE).contains(&entry.time), "{seed}");
                    assert!(entry.time == parcel.time || entry.time == NOW, "{seed}");
                }
            }
            for (parcel, stamp) in parcels.iter().zip(&stamps) {
                let left_out = *stamp == TimestampChoice::LeaveOut && !parcel.bytes.is_empty();
                assert_eq!(seen.contains(&parcel.key), !left_out, "{seed} {stamp:?}");
            }
        }
    }
}
