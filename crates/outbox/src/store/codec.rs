//! How rows are written. All numbers are little-endian.

use crate::event::finding::Step;
use crate::event::gap::Range;
use crate::ledger::OpenFinding;
use agent_core::finding::{Severity, Verdict};

/// Reads a row from its beginning.
pub(super) struct RowReader<'a>(pub(super) &'a [u8]);

impl<'a> RowReader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Bytes behind their number.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.array().map(u32::from_le_bytes)?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

fn push_bytes(row: &mut Vec<u8>, bytes: &[u8]) {
    // Nothing here is near 4 GiB.
    row.extend(u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    row.extend(bytes);
}

/// Length of an entry's row.
pub(super) const ENTRY: usize = 44;

/// Bytes of an entry with its key.
pub(super) fn size_of_entry(key: &[u8]) -> u64 {
    key.len().saturating_add(ENTRY) as u64
}

pub(super) fn entry_to_row(entry: &OpenFinding) -> [u8; ENTRY] {
    let mut row = [0; ENTRY];
    row[0] = 1;
    row[1] = u8::from(entry.raised)
        | u8::from(entry.current) << 1
        | u8::from(entry.gone) << 2
        | u8::from(entry.updated) << 3
        | u8::from(entry.listed) << 4;
    row[2] = match entry.verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Unknown => 2,
        Verdict::NotApplicable => 3,
    };
    row[3] = rank(Some(entry.severity));
    row[4..20].copy_from_slice(&entry.fingerprint);
    row[20..28].copy_from_slice(&entry.first_seen.to_le_bytes());
    row[28..36].copy_from_slice(&entry.told.to_le_bytes());
    row[36..44].copy_from_slice(&entry.scan_id.to_le_bytes());
    row
}

pub(super) fn entry_from_row(row: &[u8]) -> Option<OpenFinding> {
    let mut reader = RowReader(row);
    let [1, flags, verdict, severity] = reader.array()? else {
        return None;
    };
    let entry = OpenFinding {
        verdict: match verdict {
            0 => Verdict::Pass,
            1 => Verdict::Fail,
            2 => Verdict::Unknown,
            3 => Verdict::NotApplicable,
            _ => return None,
        },
        severity: severity_of_rank(severity)?,
        fingerprint: reader.array()?,
        first_seen: reader.i64()?,
        told: reader.i64()?,
        scan_id: reader.u64()?,
        raised: flags & 1 != 0,
        current: flags & 2 != 0,
        gone: flags & 4 != 0,
        updated: flags & 8 != 0,
        listed: flags & 16 != 0,
    };
    reader.rest().is_empty().then_some(entry)
}

/// Rank of what the agent says of its own steps: given up after all findings but the critical ones.
pub(super) const OWN: u8 = 4;

/// Ranks of findings that the ledger may give up, least severe first. What is critical is not among them.
pub(super) const LEDGER_RANKS: [u8; 3] = [0, 1, 2];

/// How late an event is given up: by its severity; `None` for the agent's own steps.
pub(super) fn rank(severity: Option<Severity>) -> u8 {
    match severity {
        Some(Severity::Low) => 0,
        Some(Severity::Medium) => 1,
        Some(Severity::High) => 2,
        Some(Severity::Critical) => 3,
        None => OWN,
    }
}

pub(super) fn severity_of_rank(rank: u8) -> Option<Severity> {
    match rank {
        0 => Some(Severity::Low),
        1 => Some(Severity::Medium),
        2 => Some(Severity::High),
        3 => Some(Severity::Critical),
        _ => None,
    }
}

/// What an event is to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A step of the agent, a flood's summary.
    Own,
    /// It declares lost events.
    Gap,
    /// It told a step of a deviation.
    Told(Step),
}

impl Role {
    fn code(self) -> u8 {
        match self {
            Role::Own => 0,
            Role::Told(step) => step_code(step),
            Role::Gap => 5,
        }
    }

    fn from_code(code: u8) -> Option<Role> {
        match code {
            0 => Some(Role::Own),
            5 => Some(Role::Gap),
            code => step_of(code).map(Role::Told),
        }
    }
}

fn step_code(step: Step) -> u8 {
    match step {
        Step::Raised => 1,
        Step::Changed => 2,
        Step::Reminded => 3,
        Step::Cleared => 4,
    }
}

pub(super) fn step_of(code: u8) -> Option<Step> {
    match code {
        1 => Some(Step::Raised),
        2 => Some(Step::Changed),
        3 => Some(Step::Reminded),
        4 => Some(Step::Cleared),
        _ => None,
    }
}

/// An event in the spool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) rank: u8,
    pub(super) role: Role,
    pub(super) time: i64,
    pub(super) sequence: u64,
    /// Length of the event's bytes.
    pub(super) length: u64,
    /// Its place in the ledger; empty for the agent's own.
    pub(super) key: &'a [u8],
    /// Of a deviation that was cleared: the entry that stood before.
    pub(super) entry: Option<OpenFinding>,
    /// Whether it is an event of a chain that was kept in memory ([`super::engine`]).
    pub(super) other_chain: bool,
    /// Whether a sink refused it, so that it was declared as lost, while others wait for it still.
    pub(super) lost: bool,
    /// Which sample it is packed with.
    pub(super) sample: u32,
    pub(super) packed: &'a [u8],
}

impl<'a> Row<'a> {
    pub(super) fn write(&self) -> Vec<u8> {
        let length = self.key.len().saturating_add(self.packed.len());
        let mut row = Vec::with_capacity(length.saturating_add(64 + ENTRY));
        row.extend([
            1,
            self.rank,
            self.role.code(),
            u8::from(self.entry.is_some())
                | u8::from(self.other_chain) << 1
                | u8::from(self.lost) << 2,
        ]);
        row.extend(self.time.to_le_bytes());
        row.extend(self.sequence.to_le_bytes());
        row.extend(self.length.to_le_bytes());
        row.extend(u64::from(self.sample).to_le_bytes());
        push_bytes(&mut row, self.key);
        if let Some(entry) = &self.entry {
            row.extend(entry_to_row(entry));
        }
        row.extend(self.packed);
        row
    }

    pub(super) fn read(row: &'a [u8]) -> Option<Row<'a>> {
        let mut reader = RowReader(row);
        let [1, rank, role, flags] = reader.array()? else {
            return None;
        };
        Some(Row {
            rank,
            role: Role::from_code(role)?,
            time: reader.i64()?,
            sequence: reader.u64()?,
            length: reader.u64()?,
            sample: u32::try_from(reader.u64()?).ok()?,
            key: reader.bytes()?,
            entry: match flags & 1 {
                0 => None,
                _ => Some(entry_from_row(reader.take(ENTRY)?)?),
            },
            other_chain: flags & 2 != 0,
            lost: flags & 4 != 0,
            packed: reader.rest(),
        })
    }
}

/// A finding that is told at a time to come, unless it is gone by then.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deferred<'a> {
    /// Milliseconds since 1970.
    pub(super) until: i64,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    /// Which sample it is packed with.
    pub(super) sample: u32,
    /// The stored finding's text, packed.
    pub(super) packed: &'a [u8],
}

impl<'a> Deferred<'a> {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.packed.len().saturating_add(40));
        row.push(1);
        row.extend(self.until.to_le_bytes());
        row.extend(self.first_seen.to_le_bytes());
        row.extend(self.last_seen.to_le_bytes());
        row.extend(u64::from(self.sample).to_le_bytes());
        row.extend(self.packed);
        row
    }

    pub(super) fn read(row: &'a [u8]) -> Option<Deferred<'a>> {
        let mut reader = RowReader(row);
        let 1 = reader.u8()? else {
            return None;
        };
        Some(Deferred {
            until: reader.i64()?,
            first_seen: reader.i64()?,
            last_seen: reader.i64()?,
            sample: u32::try_from(reader.u64()?).ok()?,
            packed: reader.rest(),
        })
    }
}

/// Why events are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The spool was full.
    Full,
    /// A sink refused them for good.
    Refused,
}

impl Loss {
    pub(super) const ALL: [Loss; 2] = [Loss::Full, Loss::Refused];

    pub(super) fn words(self) -> &'static str {
        match self {
            Loss::Full => "the spool was full; the oldest of the lowest severity went first",
            Loss::Refused => "a sink refused them for good; they are kept aside on the host",
        }
    }
}

/// A lost range, declared or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) range: Range,
    /// By rank, worst first, own steps last.
    pub(super) counts: [u64; 5],
    pub(super) loss: Loss,
    /// Sequence of the event that declares it; 0 while none does.
    pub(super) declared: u64,
}

impl Gap {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut row = vec![1, u8::from(self.loss == Loss::Refused)];
        row.push(u8::from(self.range.prev.is_some()));
        row.extend(self.range.last.to_le_bytes());
        row.extend(self.range.prev.unwrap_or_default());
        row.extend(self.range.digest);
        for count in self.counts {
            row.extend(count.to_le_bytes());
        }
        row.extend(self.declared.to_le_bytes());
        row
    }

    pub(super) fn read(first: u64, row: &[u8]) -> Option<Gap> {
        let mut reader = RowReader(row);
        let 1 = reader.u8()? else {
            return None;
        };
        let loss = match reader.u8()? {
            0 => Loss::Full,
            _ => Loss::Refused,
        };
        let has_prev = reader.u8()? != 0;
        let last = reader.u64()?;
        let prev = reader.array()?;
        let digest = reader.array()?;
        let mut counts = [0; 5];
        for count in &mut counts {
            *count = reader.u64()?;
        }
        Some(Gap {
            range: Range {
                first,
                last,
                prev: has_prev.then_some(prev),
                digest,
            },
            counts,
            loss,
            declared: reader.u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive() {
        let entry = OpenFinding {
            verdict: Verdict::Unknown,
            severity: Severity::Critical,
            fingerprint: [9; 16],
            first_seen: -5,
            told: 1 << 40,
            scan_id: 7,
            raised: true,
            current: false,
            gone: true,
            updated: true,
            listed: true,
        };
        assert_eq!(entry_from_row(&entry_to_row(&entry)), Some(entry));
        assert_eq!(entry_from_row(&entry_to_row(&entry)[1..]), None);
        for (role, entry) in [
            (Role::Own, None),
            (Role::Gap, None),
            (Role::Told(Step::Raised), None),
            (Role::Told(Step::Cleared), Some(entry)),
        ] {
            let row = Row {
                rank: 3,
                role,
                time: 5,
                sequence: 6,
                length: 2000,
                key: b"key",
                entry,
                other_chain: entry.is_none(),
                lost: entry.is_some(),
                sample: 2,
                packed: b"packed",
            };
            assert_eq!(Row::read(&row.write()), Some(row));
        }
        let deferred = Deferred {
            until: 9,
            first_seen: 1,
            last_seen: 2,
            sample: 3,
            packed: b"p",
        };
        assert_eq!(Deferred::read(&deferred.write()), Some(deferred));
        for prev in [None, Some([3; 32])] {
            let gap = Gap {
                range: Range {
                    first: 4,
                    last: 9,
                    prev,
                    digest: [1; 32],
                },
                counts: [1, 2, 3, 0, 5],
                loss: Loss::Refused,
                declared: 12,
            };
            assert_eq!(Gap::read(4, &gap.write()), Some(gap));
        }
    }
}
