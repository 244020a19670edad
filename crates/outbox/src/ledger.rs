//! Findings in, what is worth telling out: raised, changed, reminded, cleared. Pure; the time is passed in.
//!
//! A deviation is known by its check and its subject; its entry in the ledger stands from the first time
//! it is found until it is found no longer. A finding that could not be looked at (`unknown`) is an entry
//! like any other, so that it is told once, and told as changed when the verdict becomes another.

use crate::event::finding::Step;
use agent_core::finding::{Severity, Verdict};

/// A deviation that stays is told again after so many milliseconds: a day.
pub const REMIND: i64 = 24 * 3600 * 1000;

/// What the ledger knows of a deviation that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it was last found.
    pub verdict: Verdict,
    /// As it was last found.
    pub severity: Severity,
    /// Of the evidence; another one means that the deviation changed.
    pub fingerprint: [u8; 16],
    /// When it was first found.
    pub first_seen: i64,
    /// When it was last told.
    pub told: i64,
    /// The round that last found it.
    pub round: u64,
    /// Whether the log side has been told that it is there. False once that event was dropped.
    pub raised: bool,
    /// Whether the log side has been told what it is now.
    pub current: bool,
    /// Whether it is gone and that is yet to be told, since the event that told it was dropped.
    pub gone: bool,
    /// Whether more was told of it than that it is there, so that the log side knows of it even without that event.
    pub updated: bool,
}

/// What was seen of a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    There {
        /// Fail or unknown.
        verdict: Verdict,
        /// How much it matters.
        severity: Severity,
        /// See [`Entry::fingerprint`].
        fingerprint: [u8; 16],
    },
    /// It is not there: found to hold, or not found by a look that covered it.
    Gone,
}

/// Whether something that can wait may be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The spool has room for it.
    Ample,
    /// It would only push out something else.
    Scarce,
    /// There is none, not even for what is new: it is told once there is.
    None,
}

/// What the ledger says from now on, and what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// `None`: nothing of it stands.
    pub entry: Option<Entry>,
    /// `None`: nothing is told.
    pub step: Option<Step>,
}

/// Decides what becomes of a deviation. `round` marks who saw it.
pub fn rule(entry: Option<&Entry>, seen: Seen, round: u64, room: Room, now: i64) -> Ruling {
    match (entry, seen) {
        (None, Seen::Gone) => Ruling {
            entry: None,
            step: None,
        },
        (None, Seen::There { .. }) => raise(seen, round, room, now),
        (Some(entry), Seen::Gone) => clear(entry, room),
        (Some(entry), seen @ Seen::There { .. }) if entry.gone => {
            // It came back before its end could be told: to the log side it never went.
            let back = Entry {
                gone: false,
                current: false,
                ..*entry
            };
            stand(&back, seen, round, room, now)
        }
        (Some(entry), seen) => stand(entry, seen, round, room, now),
    }
}

fn raise(seen: Seen, round: u64, room: Room, now: i64) -> Ruling {
    let Seen::There {
        verdict,
        severity,
        fingerprint,
    } = seen
    else {
        return Ruling {
            entry: None,
            step: None,
        };
    };
    Ruling {
        entry: Some(Entry {
            verdict,
            severity,
            fingerprint,
            first_seen: now,
            told: now,
            round,
            raised: room != Room::None,
            current: room != Room::None,
            gone: false,
            updated: false,
        }),
        step: (room != Room::None).then_some(Step::Raised),
    }
}

/// It stands already and is found again.
fn stand(entry: &Entry, seen: Seen, round: u64, room: Room, now: i64) -> Ruling {
    let Seen::There {
        verdict,
        severity,
        fingerprint,
    } = seen
    else {
        return clear(entry, room);
    };
    let differs = fingerprint != entry.fingerprint || verdict != entry.verdict;
    let mut next = Entry {
        verdict,
        severity,
        fingerprint,
        round,
        // A clock that went back must not silence reminders for as long.
        told: entry.told.min(now),
        ..*entry
    };
    let ample = room == Room::Ample;
    // What is critical pushes out others.
    let may = ample || (room == Room::Scarce && severity == Severity::Critical);
    let step = match (entry.raised, entry.current && !differs) {
        // The event that raised it was dropped. Told anew, but not to push out others.
        (false, _) if may => Some(Step::Raised),
        (false, _) => None,
        (true, _) if room == Room::None => None,
        (true, false) if differs || may => Some(Step::Changed),
        (true, false) => None,
        (true, true) if ample && now - next.told >= REMIND => Some(Step::Reminded),
        (true, true) => None,
    };
    match step {
        Some(step) => {
            next.told = now;
            next.raised = true;
            next.current = true;
            next.updated |= step != Step::Raised;
        }
        None => next.current = entry.current && !differs,
    }
    Ruling {
        entry: Some(next),
        step,
    }
}

fn clear(entry: &Entry, room: Room) -> Ruling {
    let (entry, step) = match (entry.raised, entry.gone, room) {
        // Nobody was told that it was there.
        (false, _, _) => (None, None),
        (true, true, Room::Scarce | Room::None) => (Some(*entry), None),
        (true, false, Room::None) => (Some(dropped(entry, Step::Cleared)), None),
        (true, _, _) => (None, Some(Step::Cleared)),
    };
    Ruling { entry, step }
}

/// What becomes of an entry when the event that told `step` is dropped from the spool. For a deviation
/// that was cleared the entry is the one that stood before.
pub fn dropped(entry: &Entry, step: Step) -> Entry {
    let mut next = *entry;
    match step {
        Step::Raised if entry.updated => next.current = false,
        Step::Raised => next.raised = false,
        Step::Changed => next.current = false,
        Step::Reminded => {}
        Step::Cleared => next.gone = true,
    }
    next
}

/// Keys of the ledger: deviations of files in the order of a depth-first walk, then the others.
///
/// A letter for what looked, the subject with each `/` as a zero byte, two zero bytes, the check. No
/// component of a path is empty, so a path's own keys come first and all below it follow at once.
pub mod key {
    /// Deviations of files.
    pub const FILES: u8 = b'f';
    /// Of the instance.
    pub const INSTANCE: u8 = b'i';
    /// Of settings.
    pub const SETTINGS: u8 = b's';

    /// What stands between the names of a path, and ends each.
    pub const SEPARATOR: u8 = 0;

    /// Which letter a check's keys begin with.
    pub fn room(check: &str) -> u8 {
        match check.split('.').next() {
            Some("files") => FILES,
            Some("instance") => INSTANCE,
            _ => SETTINGS,
        }
    }

    /// The key of a deviation.
    pub fn of(check: &str, subject: &[u8]) -> Vec<u8> {
        let mut key = place(room(check), subject);
        key.push(0);
        key.extend(check.as_bytes());
        key
    }

    /// What the keys of a path, and of all below it, begin with.
    pub fn below(path: &[u8]) -> Vec<u8> {
        place(FILES, path)
    }

    /// What the keys of a path alone begin with.
    pub fn alone(path: &[u8]) -> Vec<u8> {
        let mut key = place(FILES, path);
        key.push(0);
        key
    }

    fn place(room: u8, subject: &[u8]) -> Vec<u8> {
        let trimmed = match subject {
            [b'/', ..] => {
                let end = subject.iter().rposition(|b| *b != b'/');
                &subject[..end.map_or(0, |end| end + 1)]
            }
            other => other,
        };
        let mut key = Vec::with_capacity(trimmed.len() + 2);
        key.push(room);
        key.extend(trimmed.iter().map(|b| if *b == b'/' { 0 } else { *b }));
        key.push(0);
        key
    }

    /// Check and subject of a key; `None` for what is no key.
    pub fn parts(key: &[u8]) -> Option<(&str, Vec<u8>)> {
        let end = key.windows(2).rposition(|pair| pair == [0, 0])?;
        let check = std::str::from_utf8(key.get(end + 2..)?).ok()?;
        let mut subject: Vec<u8> = key.get(1..end)?.to_vec();
        for byte in &mut subject {
            if *byte == 0 {
                *byte = b'/';
            }
        }
        if subject.is_empty() && key.first() == Some(&FILES) {
            subject.push(b'/');
        }
        Some((check, subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = REMIND;

    /// What later looks see, and what they tell.
    type Looks<'a> = &'a [(Seen, Room, Option<Step>)];

    fn there(print: u8) -> Seen {
        Seen::There {
            verdict: Verdict::Fail,
            severity: Severity::High,
            fingerprint: [print; 16],
        }
    }

    fn unknown(print: u8) -> Seen {
        Seen::There {
            verdict: Verdict::Unknown,
            severity: Severity::High,
            fingerprint: [print; 16],
        }
    }

    /// What is told of a sequence of looks: time, what is seen, room, what is expected to be told.
    fn play(looks: &[(i64, Seen, Room, Option<Step>)]) {
        let mut entry: Option<Entry> = None;
        for (i, (now, seen, room, expected)) in looks.iter().enumerate() {
            let ruling = rule(entry.as_ref(), *seen, i as u64, *room, *now);
            assert_eq!(ruling.step, *expected, "look {i}: {looks:#?}");
            entry = ruling.entry;
        }
    }

    #[test]
    fn a_deviation_is_told_once_and_then_when_something_is_to_be_told() {
        use Room::Ample;
        use Step::{Changed, Cleared, Raised, Reminded};
        play(&[
            (0, Seen::Gone, Ample, None),
            (1, there(1), Ample, Some(Raised)),
            (2, there(1), Ample, None),
            (3, there(2), Ample, Some(Changed)),
            (4, there(2), Ample, None),
            (5, unknown(2), Ample, Some(Changed)),
            (6, there(2), Ample, Some(Changed)),
            (DAY + 5, there(2), Ample, None),
            (DAY + 6, there(2), Ample, Some(Reminded)),
            (DAY + 7, there(2), Ample, None),
            (2 * DAY + 6, there(2), Ample, Some(Reminded)),
            (2 * DAY + 7, Seen::Gone, Ample, Some(Cleared)),
            (2 * DAY + 8, Seen::Gone, Ample, None),
            (2 * DAY + 9, there(2), Ample, Some(Raised)),
        ]);
        play(&[
            (1, unknown(1), Ample, Some(Raised)),
            (2, unknown(1), Ample, None),
            (3, Seen::Gone, Ample, Some(Cleared)),
        ]);
    }

    #[test]
    fn a_clock_that_goes_back_silences_nothing() {
        use Room::Ample;
        use Step::{Changed, Raised, Reminded};
        play(&[
            (10 * DAY, there(1), Ample, Some(Raised)),
            (9 * DAY, there(1), Ample, None),
            (9 * DAY + 1, there(2), Ample, Some(Changed)),
            (8 * DAY, there(2), Ample, None),
            (9 * DAY, there(2), Ample, Some(Reminded)),
        ]);
    }

    #[test]
    fn what_can_wait_waits_for_room() {
        use Room::{Ample, Scarce};
        use Step::{Changed, Cleared, Raised};
        play(&[
            (1, there(1), Scarce, Some(Raised)),
            (2 * DAY, there(1), Scarce, None),
            (2 * DAY + 1, there(2), Scarce, Some(Changed)),
            (2 * DAY + 2, Seen::Gone, Scarce, Some(Cleared)),
        ]);
        // After the event that told this step was dropped: what the next looks tell.
        let cases: [(Step, Looks<'_>); 5] = [
            (
                Raised,
                &[
                    (there(1), Scarce, None),
                    (there(2), Scarce, None),
                    (there(2), Ample, Some(Raised)),
                    (there(2), Ample, None),
                ],
            ),
            (
                Raised,
                &[(Seen::Gone, Ample, None), (there(1), Ample, Some(Raised))],
            ),
            (
                Changed,
                &[(there(1), Scarce, None), (there(1), Ample, Some(Changed))],
            ),
            (
                Cleared,
                &[
                    (Seen::Gone, Scarce, None),
                    (Seen::Gone, Ample, Some(Cleared)),
                    (Seen::Gone, Ample, None),
                ],
            ),
            (
                Cleared,
                &[
                    (there(1), Ample, Some(Changed)),
                    (Seen::Gone, Ample, Some(Cleared)),
                ],
            ),
        ];
        for (step, looks) in cases {
            let raised = rule(None, there(1), 0, Ample, 0).entry.expect("an entry");
            let mut entry = Some(dropped(&raised, step));
            for (i, (seen, room, expected)) in looks.iter().enumerate() {
                let ruling = rule(entry.as_ref(), *seen, 1, *room, i as i64);
                assert_eq!(ruling.step, *expected, "{step:?} dropped, look {i}");
                entry = ruling.entry;
            }
        }
    }

    #[test]
    fn what_became_critical_waits_for_no_room() {
        let raised = rule(None, there(1), 0, Room::Ample, 0).entry;
        let left = dropped(&raised.expect("an entry"), Step::Raised);
        let critical = Seen::There {
            verdict: Verdict::Fail,
            severity: Severity::Critical,
            fingerprint: [2; 16],
        };
        for (room, step) in [(Room::Scarce, Some(Step::Raised)), (Room::None, None)] {
            assert_eq!(
                rule(Some(&left), critical, 1, room, 1).step,
                step,
                "{room:?}"
            );
        }
    }

    #[test]
    fn what_the_log_side_heard_of_by_its_change_is_told_to_end() {
        let raised = rule(None, there(1), 0, Room::Ample, 0)
            .entry
            .expect("an entry");
        let changed = rule(Some(&raised), there(2), 1, Room::Ample, 1).entry;
        let left = dropped(&changed.expect("an entry"), Step::Raised);
        let end = rule(Some(&left), Seen::Gone, 2, Room::Ample, 2);
        assert_eq!(end.step, Some(Step::Cleared));
    }

    #[test]
    fn keys_are_in_the_order_of_a_walk_and_tell_what_they_are_of() {
        let order: [(&str, &[u8]); 9] = [
            ("files.changed", b"/"),
            ("files.added", b"/a"),
            ("files.changed", b"/a"),
            ("files.added", b"/a/b"),
            ("files.added", b"/a/b/c"),
            ("files.added", b"/a-b"),
            ("files.added", b"/a.b\xff"),
            ("instance.role", b"instance"),
            ("sshd.port", b"sshd"),
        ];
        let keys: Vec<Vec<u8>> = order.iter().map(|(c, s)| key::of(c, s)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        for (key, (check, subject)) in keys.iter().zip(order) {
            assert_eq!(key::parts(key), Some((check, subject.to_vec())));
        }
        let below = |path: &[u8]| {
            let prefix = key::below(path);
            keys.iter().filter(|key| key.starts_with(&prefix)).count()
        };
        assert_eq!(
            [below(b"/"), below(b"/a"), below(b"/a/b"), below(b"/a/")],
            [7, 4, 2, 4]
        );
        assert_eq!(key::parts(b"nothing"), None);
    }
}
