//! What has been judged since the daemon began: what the first pass may have found changed while it was down, what was
//! touched during a scan, and when each path was last checked. Pure: the time is passed in.

use crate::daemon::states::effects::Effects;
use crate::daemon::states::rehash::Rehash;
use crate::daemon::states::restored::Restored;
use crate::daemon::states::touched::Touched;
use agent_core::region::Region;
use agent_outbox::event::LastScan;
use std::time::{Instant, SystemTime};

/// Regions that were touched during a scan and are remembered one by one; with more of them, everything counts as
/// touched. Bounds memory at about 2 MiB.
// Own bound: with more of them everything counts as touched.
const MOST_TOUCHED: usize = 8_192;

/// What has been judged.
#[derive(Debug)]
pub(in crate::daemon) struct ScanState {
    /// Whether the store has a history: without one, nothing changed while the agent was down.
    history: bool,
    /// No scan of everything has ended since the agent was down.
    files_pending: bool,
    /// The settings have not been judged since the agent was down.
    settings_pending: bool,
    /// What was touched since the last scan of everything began: it is checked once more when that has ended.
    touched: Vec<Region>,
    last_scan: Option<LastScan>,
    /// Findings that could not be judged when the settings were last.
    unknown_settings: u64,
    /// When each path was last checked.
    pub(in crate::daemon) restored: Restored,
    /// What scans may believe unread.
    pub(in crate::daemon) rehash: Rehash,
    /// What settings said.
    pub(in crate::daemon) effects: Effects,
}

impl ScanState {
    /// Nothing has been judged.
    pub(in crate::daemon) fn new(history: bool, now: Instant) -> ScanState {
        ScanState {
            history,
            files_pending: true,
            settings_pending: true,
            touched: Vec::new(),
            last_scan: None,
            unknown_settings: 0,
            restored: Restored::new(now),
            rehash: Rehash::default(),
            effects: Effects::default(),
        }
    }

    /// A scan of everything begins; whether one has ended before.
    pub(in crate::daemon) fn scan_begun(&mut self) -> bool {
        self.touched.clear();
        !self.files_pending
    }

    /// Regions were touched. `scanning`: a scan of everything is under way, and may have passed them.
    pub(in crate::daemon) fn touched<'a>(
        &mut self,
        regions: impl Iterator<Item = &'a Region>,
        scanning: bool,
    ) {
        if !scanning && !self.files_pending {
            return;
        }
        self.touched.extend(regions.cloned());
        if self.touched.len() > MOST_TOUCHED {
            self.touched = vec![Region {
                path: Vec::new(),
                below: true,
            }];
        }
    }

    /// A scan of everything has ended. Returns what is to be checked once more: the scan may have passed it before it
    /// was touched, or have found what is no more.
    pub(in crate::daemon) fn scan_ended(
        &mut self,
        scan: LastScan,
        began: (Instant, SystemTime),
    ) -> Vec<Touched> {
        self.files_pending = false;
        self.last_scan = Some(scan);
        self.restored.checked_all(began.0);
        std::mem::take(&mut self.touched)
            .into_iter()
            .map(|region| Touched::unseen(region, began.1))
            .collect()
    }

    /// The settings have been judged, all but `unknowns` of them.
    pub(in crate::daemon) fn settings_ended(&mut self, unknowns: u64) {
        self.settings_pending = false;
        self.unknown_settings = unknowns;
    }

    /// Whether what a scan finds at the path may have happened while the agent was down.
    pub(in crate::daemon) fn file_changed_while_down(&self, path: &[u8]) -> bool {
        let touched = || self.touched.iter().any(|region| region.covers(path));
        self.files_pending && self.history && !touched()
    }

    /// The same of settings.
    pub(in crate::daemon) fn settings_changed_while_down(&self) -> bool {
        self.settings_pending && self.history
    }

    /// The last scan of everything.
    pub(in crate::daemon) fn last_scan(&self) -> Option<LastScan> {
        self.last_scan
    }

    /// Findings that could not be judged, of files and settings.
    pub(in crate::daemon) fn unknowns(&self) -> u64 {
        self.last_scan.map_or(0, |scan| scan.unknowns) + self.unknown_settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(path: &str) -> Region {
        Region {
            path: path.into(),
            below: true,
        }
    }

    fn scan(unknowns: u64) -> LastScan {
        LastScan {
            ended: 0,
            files: 1,
            deviations: 0,
            unknowns,
            unread: None,
        }
    }

    #[test]
    fn what_was_touched_did_not_change_while_the_agent_was_down() {
        let began = (Instant::now(), SystemTime::now());
        let mut state = ScanState::new(true, began.0);
        assert!(!state.scan_begun(), "the first one");
        assert!(state.settings_changed_while_down());
        state.touched([region("etc")].iter(), false);
        assert!(state.file_changed_while_down(b"usr") && !state.file_changed_while_down(b"etc/a"));
        let again = state.scan_ended(scan(2), began);
        assert_eq!(again.len(), 1);
        assert!(!state.file_changed_while_down(b"usr"));
        state.settings_ended(3);
        assert!(!state.settings_changed_while_down());
        assert_eq!(state.unknowns(), 5);
        // From now on only during a scan.
        state.touched([region("etc")].iter(), false);
        assert!(state.scan_begun());
        state.touched([region("var")].iter(), true);
        assert_eq!(state.scan_ended(scan(0), began).len(), 1);
        let fresh = ScanState::new(false, began.0);
        assert!(!fresh.file_changed_while_down(b"usr") && !fresh.settings_changed_while_down());
    }

    #[test]
    fn too_much_to_remember_is_everything() {
        let began = (Instant::now(), SystemTime::now());
        let mut state = ScanState::new(true, began.0);
        let many: Vec<Region> = (0..=MOST_TOUCHED).map(|n| region(&n.to_string())).collect();
        state.touched(many.iter(), true);
        let again = state.scan_ended(scan(0), began);
        assert_eq!(again.len(), 1);
        assert!(again[0].region.path.is_empty() && again[0].region.below);
    }
}
