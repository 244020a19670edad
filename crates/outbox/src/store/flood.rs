//! When new deviations come in numbers that a reader wants folded. Pure; the time is passed in.
//!
//! A flood delays nothing. It is a mark: one event when it begins, its id on what is of little severity while it lasts,
//! one event that sums it up when it is over.

use crate::event::own;
use crate::ledger::key;
use agent_core::escape;
use agent_core::finding::Severity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// New deviations within a second, or within one scan, above which they are a flood.
pub const FLOOD: u64 = 100;
/// Milliseconds of a second that counts.
const SECOND: i64 = 1000;
/// New deviations in a second below which that second is calm.
const CALM: u64 = 10;
/// Calm seconds in a row that end a flood.
const CALM_SECONDS: u32 = 5;
/// Milliseconds after which a flood ends however busy it is.
// Own bound: what docs/events.md promises.
const LONGEST: i64 = 60_000;
/// Directories that are counted apart; what comes from others is counted together.
const COUNTED: usize = 64;
/// Directories that a summary names.
const NAMED: usize = 12;
const ELSEWHERE: &str = "elsewhere";

/// New deviations, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Counts {
    /// Worst first.
    by_severity: [u64; 4],
    by_directory: BTreeMap<String, u64>,
}

/// What a flood leaves behind for the summary, should the agent be killed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct UnderWay {
    pub(super) id: String,
    /// Milliseconds since 1970.
    began: i64,
    counts: Counts,
}

/// Seconds with what came in them, and the flood under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Floods {
    under_way: Option<UnderWay>,
    /// Beginning of the second under way; `None` before the first deviation.
    second: Option<i64>,
    in_second: u64,
    calm: u32,
    /// New deviations of the scan under way.
    in_scan: u64,
    /// What came in the second under way, or in the scan: what a flood that begins has brought already.
    before: Counts,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Begun(own::Flood),
    Ended(own::Flood),
}

impl Floods {
    /// A new deviation; `scan`: found by a scan of everything.
    pub(super) fn note(&mut self, ledger_key: &[u8], severity: Severity, scan: bool, now: i64) {
        let elapsed = self
            .second
            .map_or(SECOND, |second| now.saturating_sub(second));
        if !(0..SECOND).contains(&elapsed) {
            self.next_second(now, elapsed);
        }
        self.in_second = self.in_second.saturating_add(1);
        self.in_scan = self.in_scan.saturating_add(u64::from(scan));
        match &mut self.under_way {
            Some(flood) => flood.counts.add(ledger_key, severity),
            None => self.before.add(ledger_key, severity),
        }
    }

    /// What is to be told now. `id` makes the id of a flood that begins.
    pub(super) fn turn(&mut self, id: impl FnOnce() -> String, now: i64) -> Option<Turn> {
        let many = self.in_second > FLOOD || self.in_scan > FLOOD;
        match &self.under_way {
            None if many => {
                let flood = UnderWay {
                    id: id(),
                    began: now,
                    counts: std::mem::take(&mut self.before),
                };
                let begun = flood.told();
                self.under_way = Some(flood);
                self.calm = 0;
                // The next flood needs numbers of its own.
                self.in_scan = 0;
                Some(Turn::Begun(begun))
            }
            None => None,
            Some(flood) => {
                let lasted = now.saturating_sub(flood.began);
                let (began, since) = (flood.began, self.second.unwrap_or(flood.began));
                let calm = self.calm_at(now.saturating_sub(since)) >= CALM_SECONDS;
                (calm || !(0..LONGEST).contains(&lasted) || now < began).then(|| self.end())?
            }
        }
    }

    /// Calm seconds in a row, `elapsed` milliseconds after the second under way began.
    fn calm_at(&self, elapsed: i64) -> u32 {
        if elapsed < SECOND {
            return self.calm;
        }
        let further = u32::try_from((elapsed / SECOND).saturating_sub(1)).unwrap_or(u32::MAX);
        match self.in_second < CALM {
            true => self.calm.saturating_add(1).saturating_add(further),
            false => further,
        }
    }

    fn next_second(&mut self, now: i64, elapsed: i64) {
        // A clock that went back says nothing of how calm it was.
        self.calm = match elapsed >= 0 {
            true => self.calm_at(elapsed),
            false => 0,
        };
        self.second = Some(now);
        self.in_second = 0;
        if self.in_scan == 0 {
            self.before = Counts::default();
        }
    }

    fn end(&mut self) -> Option<Turn> {
        let flood = self.under_way.take()?;
        // What goes on without a pause begins the next one.
        self.in_second = 0;
        self.in_scan = 0;
        self.before = Counts::default();
        Some(Turn::Ended(flood.told()))
    }

    /// Milliseconds until [`Floods::turn`] may have something to tell though nothing comes.
    pub(super) fn due(&self, now: i64) -> Option<i64> {
        let flood = self.under_way.as_ref()?;
        let since = self.second.unwrap_or(flood.began);
        let missing = i64::from(CALM_SECONDS.saturating_sub(self.calm));
        let missing = match self.in_second < CALM {
            true => missing,
            false => i64::from(CALM_SECONDS).saturating_add(1),
        };
        let calm = since.saturating_add(missing.saturating_mul(SECOND));
        let longest = flood.began.saturating_add(LONGEST);
        let due = calm.min(longest).saturating_sub(now);
        Some(due.clamp(0, LONGEST))
    }

    /// A scan of everything came to its end.
    pub(super) fn scan_ended(&mut self) {
        self.in_scan = 0;
    }

    /// The id that findings of this severity carry.
    pub(super) fn mark(&self, severity: Severity) -> Option<&str> {
        let flood = self.under_way.as_ref()?;
        (severity <= Severity::Medium).then_some(flood.id.as_str())
    }

    /// What must survive a kill.
    pub(super) fn kept(&self) -> Option<UnderWay> {
        self.under_way.clone()
    }

    /// The agent was stopped in the middle of a flood: it is over.
    pub(super) fn left_over(flood: &UnderWay) -> own::Flood {
        flood.told()
    }
}

impl UnderWay {
    fn told(&self) -> own::Flood {
        let mut by_place: Vec<(String, u64)> = self
            .counts
            .by_directory
            .iter()
            .filter(|(name, _)| *name != ELSEWHERE)
            .map(|(name, count)| (name.clone(), *count))
            .collect();
        by_place.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let counted = |name: &str| self.counts.by_directory.get(name).copied().unwrap_or(0);
        let unnamed = by_place.iter().skip(NAMED).map(|(_, count)| count);
        let elsewhere = unnamed.fold(counted(ELSEWHERE), |all, more| all.saturating_add(*more));
        by_place.truncate(NAMED);
        if elsewhere > 0 {
            by_place.push((ELSEWHERE.into(), elsewhere));
        }
        own::Flood {
            id: self.id.clone(),
            began: self.began,
            count: self.counts.by_severity.iter().sum(),
            by_severity: self.counts.by_severity,
            by_place,
        }
    }
}

impl Counts {
    fn add(&mut self, ledger_key: &[u8], severity: Severity) {
        let worst_first = Severity::WORST_FIRST;
        let at = worst_first.iter().position(|other| *other == severity);
        if let Some(count) = self.by_severity.get_mut(at.unwrap_or(0)) {
            *count = count.saturating_add(1);
        }
        let name = directory_of(ledger_key);
        let known = self.by_directory.contains_key(&name);
        let name = match known || self.by_directory.len() < COUNTED {
            true => name,
            false => ELSEWHERE.into(),
        };
        let count = self.by_directory.entry(name).or_default();
        *count = count.saturating_add(1);
    }
}

/// Where a deviation is, as a summary counts it: a directory two levels deep, or the area of the check.
fn directory_of(ledger_key: &[u8]) -> String {
    let Some((check, subject)) = key::parts(ledger_key) else {
        return ELSEWHERE.into();
    };
    if !check.starts_with("files.") {
        return check.split('.').next().unwrap_or(check).to_owned();
    }
    let mut parts: Vec<&[u8]> = subject.split(|b| *b == b'/').skip(1).collect();
    parts.pop();
    parts.truncate(2);
    let mut place = String::new();
    for part in &parts {
        place.push('/');
        place.push_str(&escape::lossless_text(part).0);
    }
    match place.is_empty() {
        true => "/".into(),
        false => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"f\0home\0u\0x\0\0files.added";

    fn many(floods: &mut Floods, count: u64, now: i64) {
        for _ in 0..count {
            floods.note(KEY, Severity::Low, false, now);
        }
    }

    fn turn(floods: &mut Floods, now: i64) -> Option<Turn> {
        floods.turn(|| "id".into(), now)
    }

    #[test]
    fn more_than_a_hundred_in_a_second_are_one() {
        let mut floods = Floods::default();
        many(&mut floods, FLOOD, 0);
        assert_eq!(turn(&mut floods, 0), None);
        assert_eq!(floods.mark(Severity::Low), None);
        many(&mut floods, FLOOD, 1000);
        assert_eq!(turn(&mut floods, 1000), None, "another second");
        many(&mut floods, 1, 1999);
        let Some(Turn::Begun(begun)) = turn(&mut floods, 1999) else {
            panic!("no flood");
        };
        assert_eq!(begun.count, FLOOD + 1);
        assert_eq!(begun.by_place, [("/home/u".into(), FLOOD + 1)]);
        assert_eq!(floods.mark(Severity::Medium), Some("id"));
        assert_eq!(floods.mark(Severity::High), None);
    }

    #[test]
    fn five_calm_seconds_end_it_and_a_trickle_does_not_keep_it_open() {
        let mut floods = Floods::default();
        many(&mut floods, FLOOD + 1, 0);
        turn(&mut floods, 0);
        for second in 1..=5 {
            many(&mut floods, CALM - 1, second * 1000);
            assert_eq!(turn(&mut floods, second * 1000 + 5), None, "{second}");
        }
        let due = floods.due(5005).expect("a flood");
        let Some(Turn::Ended(ended)) = turn(&mut floods, 5005 + due) else {
            panic!("it goes on after {due}");
        };
        assert_eq!(ended.count, FLOOD + 1 + 5 * (CALM - 1));
        assert_eq!(floods.due(20_000), None);
    }

    #[test]
    fn silence_ends_it_by_itself() {
        let mut floods = Floods::default();
        many(&mut floods, FLOOD + 1, 0);
        turn(&mut floods, 0);
        let mut now = 0;
        for _ in 0..10 {
            now += floods.due(now).expect("a flood");
            if turn(&mut floods, now).is_some() {
                assert!((5000..=6000).contains(&now), "{now}");
                return;
            }
        }
        panic!("it never ends");
    }

    #[test]
    fn what_is_busy_ends_after_a_minute_and_another_begins() {
        let mut floods = Floods::default();
        let mut told = Vec::new();
        for second in 0..70 {
            many(&mut floods, FLOOD + 1, second * 1000);
            told.extend(turn(&mut floods, second * 1000));
        }
        let begun = told.iter().filter(|turn| matches!(turn, Turn::Begun(_)));
        assert_eq!((told.len(), begun.count()), (3, 2), "{told:?}");
    }

    #[test]
    fn a_scan_counts_as_a_whole() {
        let mut floods = Floods::default();
        for n in 0..=FLOOD {
            let now = i64::try_from(n).expect("small") * 500;
            floods.note(KEY, Severity::High, true, now);
            let begun = turn(&mut floods, now);
            assert_eq!(begun.is_some(), n == FLOOD, "{n}");
            if let Some(Turn::Begun(begun)) = begun {
                assert_eq!(begun.by_severity, [0, FLOOD + 1, 0, 0]);
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_ends_it() {
        let mut floods = Floods::default();
        many(&mut floods, FLOOD + 1, 3_600_000);
        turn(&mut floods, 3_600_000);
        assert!(matches!(turn(&mut floods, 5), Some(Turn::Ended(_))));
    }

    #[test]
    fn directories_are_two_levels_deep() {
        for (check, subject, place) in [
            ("files.added", "/a", "/"),
            ("files.added", "/etc/passwd", "/etc"),
            ("files.changed", "/usr/bin/ls", "/usr/bin"),
            ("files.changed", "/usr/lib/a/b/c", "/usr/lib"),
            ("sshd.port", "sshd", "sshd"),
            ("instance.role", "i", "instance"),
        ] {
            assert_eq!(directory_of(&key::of(check, subject.as_bytes())), place);
        }
    }
}
