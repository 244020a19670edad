//! Findings in, what is worth telling out: raised, changed, reminded, cleared. Pure; the time is passed in.
//!
//! A deviation is known by its check and its subject; its entry in the ledger stands from the first time
//! it is found until it is found no longer. A finding that could not be looked at (`unknown`) is an entry
//! like any other, so that it is told once, and told as changed when the verdict becomes another.

use crate::event::finding::Step;
use agent_core::finding::{Severity, Verdict};

/// Milliseconds after which a deviation that stays is told again: a day.
pub const REMIND: i64 = 24 * 3600 * 1000;

/// What the ledger knows of a deviation that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFinding {
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
    /// Number of the scan that last marked it.
    pub scan_id: u64,
    /// Whether the log side has been told that it is there. False once that event was dropped.
    pub raised: bool,
    /// Whether the log side has been told what it is now.
    pub current: bool,
    /// Whether it is gone and that is yet to be told, since the event that told it was dropped.
    pub gone: bool,
    /// Whether more was told of it than that it is there, so that the log side knows of it even without that event.
    pub updated: bool,
    /// Whether the log side knows of it by the list of a package ([`crate::event::by_package`]), and not by itself.
    pub listed: bool,
}

/// What was seen of a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It is there.
    There {
        /// Fail or unknown.
        verdict: Verdict,
        /// How much it matters.
        severity: Severity,
        /// See [`OpenFinding::fingerprint`].
        fingerprint: [u8; 16],
    },
    /// It is not there: found to hold, or not found by a scan that covered it.
    Gone,
}

/// Whether something that can wait may be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// The spool has room for it.
    Ample,
    /// It would only push out something else.
    Scarce,
    /// There is none, not even for what is new: it is told once there is.
    None,
}

/// What the ledger says from now on, and what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `None`: nothing of it stands.
    pub entry: Option<OpenFinding>,
    /// `None`: nothing is told.
    pub step: Option<Step>,
}

/// Decides what becomes of a deviation. `scan_id`: the scan that saw it.
pub fn decide(
    entry: Option<&OpenFinding>,
    observation: Observation,
    scan_id: u64,
    capacity: Capacity,
    now: i64,
) -> Decision {
    match (entry, observation) {
        (None, Observation::Gone) => Decision {
            entry: None,
            step: None,
        },
        (None, Observation::There { .. }) => raise(observation, scan_id, capacity, now),
        (Some(entry), Observation::Gone) => clear(entry, capacity),
        (Some(entry), observation @ Observation::There { .. }) if entry.gone => {
            // It came back before its end could be told: to the log side it never went.
            let back = OpenFinding {
                gone: false,
                current: false,
                ..*entry
            };
            stand(&back, observation, scan_id, capacity, now)
        }
        (Some(entry), observation) => stand(entry, observation, scan_id, capacity, now),
    }
}

fn raise(observation: Observation, scan_id: u64, capacity: Capacity, now: i64) -> Decision {
    let Observation::There {
        verdict,
        severity,
        fingerprint,
    } = observation
    else {
        return Decision {
            entry: None,
            step: None,
        };
    };
    Decision {
        entry: Some(OpenFinding {
            verdict,
            severity,
            fingerprint,
            first_seen: now,
            told: now,
            scan_id,
            raised: capacity != Capacity::None,
            current: capacity != Capacity::None,
            gone: false,
            updated: false,
            listed: false,
        }),
        step: (capacity != Capacity::None).then_some(Step::Raised),
    }
}

/// It stands already and is found again.
fn stand(
    entry: &OpenFinding,
    observation: Observation,
    scan_id: u64,
    capacity: Capacity,
    now: i64,
) -> Decision {
    let Observation::There {
        verdict,
        severity,
        fingerprint,
    } = observation
    else {
        return clear(entry, capacity);
    };
    let differs = fingerprint != entry.fingerprint || verdict != entry.verdict;
    let mut next = OpenFinding {
        verdict,
        severity,
        fingerprint,
        scan_id,
        // A clock that went back must not silence reminders for as long.
        told: entry.told.min(now),
        ..*entry
    };
    let ample = capacity == Capacity::Ample;
    // What is critical pushes out others.
    let may = ample || (capacity == Capacity::Scarce && severity == Severity::Critical);
    let step = match (entry.raised, entry.current && !differs) {
        // The event that raised it was dropped. Told anew, but not to push out others.
        (false, _) if may => Some(Step::Raised),
        (false, _) => None,
        (true, _) if capacity == Capacity::None => None,
        (true, false) if differs || may => Some(Step::Changed),
        (true, false) => None,
        (true, true) if ample && now.saturating_sub(next.told) >= REMIND => Some(Step::Reminded),
        (true, true) => None,
    };
    match step {
        Some(step) => {
            next.told = now;
            next.raised = true;
            next.current = true;
            next.updated |= step != Step::Raised;
            next.listed = false;
        }
        None => next.current = entry.current && !differs,
    }
    Decision {
        entry: Some(next),
        step,
    }
}

fn clear(entry: &OpenFinding, capacity: Capacity) -> Decision {
    let (entry, step) = match (entry.raised, entry.gone, capacity) {
        // Nobody was told that it was there.
        (false, _, _) => (None, None),
        (true, true, Capacity::Scarce | Capacity::None) => (Some(*entry), None),
        (true, false, Capacity::None) => (Some(dropped(entry, Step::Cleared)), None),
        (true, _, _) => (None, Some(Step::Cleared)),
    };
    Decision { entry, step }
}

/// What becomes of an entry when the event that told `step` is dropped from the spool. For a deviation
/// that was cleared the entry is the one that stood before.
pub fn dropped(entry: &OpenFinding, step: Step) -> OpenFinding {
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

impl OpenFinding {
    /// Whether the log side has not been told of it, or not as it is now.
    pub fn is_untold(&self) -> bool {
        !(self.raised || self.listed) || !self.current || self.gone
    }
}

/// Keys of the ledger: deviations of files in the order of a depth-first walk, then the others.
///
/// A letter for what looked, the subject with each `/` as a zero byte, two zero bytes, the check. No
/// component of a path is empty, so a path's own keys come first and all below it follow at once.
pub mod key {
    use agent_core::bytes;

    /// Deviations of files.
    pub const FILES: u8 = b'f';
    /// Of the instance.
    pub const INSTANCE: u8 = b'i';
    /// Of settings.
    pub const SETTINGS: u8 = b's';

    /// What stands between the names of a path, and ends each.
    pub const SEPARATOR: u8 = 0;

    /// Which letter a check's keys begin with.
    pub fn domain(check: &str) -> u8 {
        match check.split('.').next() {
            Some("files") => FILES,
            Some("instance") => INSTANCE,
            _ => SETTINGS,
        }
    }

    /// The key of a deviation.
    pub fn of(check: &str, subject: &[u8]) -> Vec<u8> {
        let mut key = place(domain(check), subject);
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

    fn place(domain: u8, subject: &[u8]) -> Vec<u8> {
        let trimmed = match subject {
            [b'/', ..] => bytes::trim_end(subject, |byte| byte == b'/'),
            other => other,
        };
        let mut key = Vec::with_capacity(trimmed.len().saturating_add(2));
        key.push(domain);
        key.extend(trimmed.iter().map(|b| if *b == b'/' { 0 } else { *b }));
        key.push(0);
        key
    }

    /// Check and subject of a key; `None` for what is no key.
    pub fn parts(key: &[u8]) -> Option<(&str, Vec<u8>)> {
        let end = key.windows(2).rposition(|pair| pair == [0, 0])?;
        let check = std::str::from_utf8(key.get(end..)?.get(2..)?).ok()?;
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
mod tests;
