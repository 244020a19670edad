//! What was touched and is to be checked together. Pure: the time is passed in.

use crate::daemon::clock::Now;
use agent_core::paths::split;
use agent_core::region::Region;
use agent_scan::files::spot::Plan;
use agent_scan::watch::canary;
use agent_scan::watch::debounce::Due;
use std::sync::Arc;
use std::time::SystemTime;

/// A region to be checked, and what is known of how it came to that.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Touched {
    pub(in crate::daemon) region: Region,
    /// Whether the path itself was changed.
    pub(in crate::daemon) itself: bool,
    pub(in crate::daemon) since: SystemTime,
    /// The package transaction that was under way.
    pub(in crate::daemon) transaction: Option<String>,
    /// The name that was touched, where this is another one of the same file.
    pub(in crate::daemon) through: Option<Vec<u8>>,
}

impl Touched {
    /// What has settled.
    pub(in crate::daemon) fn due(due: Due, now: Now) -> Touched {
        let age = now.monotonic.saturating_duration_since(due.since);
        let since = now.wall.system().checked_sub(age);
        Touched {
            region: due.region,
            itself: due.itself,
            since: since.unwrap_or(SystemTime::UNIX_EPOCH),
            transaction: None,
            through: None,
        }
    }

    /// A region that nobody was seen to touch.
    pub(in crate::daemon) fn unseen(region: Region, since: SystemTime) -> Touched {
        Touched {
            region,
            itself: false,
            since,
            transaction: None,
            through: None,
        }
    }

    /// Another name of a file in it.
    pub(in crate::daemon) fn beside(&self, region: Region) -> Touched {
        Touched {
            region,
            itself: false,
            through: Some(self.region.path.clone()),
            ..self.clone()
        }
    }

    /// Takes in what else is known of the same path; whether it is the same.
    pub(in crate::daemon) fn merge(&mut self, other: &mut Touched) -> bool {
        if self.region.path != other.region.path {
            return false;
        }
        self.region.below |= other.region.below;
        self.itself |= other.itself;
        self.since = self.since.min(other.since);
        self.transaction = self.transaction.take().or(other.transaction.take());
        // What was touched under its own name was not touched through another alone.
        self.through = self.through.take().and(other.through.take());
        true
    }
}

/// What one job checks.
#[derive(Debug)]
pub(in crate::daemon) struct TouchedBatch {
    pub(in crate::daemon) plan: Arc<Plan>,
    /// By path.
    touched: Vec<Touched>,
    /// Whether no package manager is at work.
    pub(in crate::daemon) settled: bool,
    /// Whether more was touched than is in here.
    pub(in crate::daemon) too_many: bool,
    /// Whether dpkg is at work, so that what is found may wait for its evidence.
    pub(in crate::daemon) unpacking: bool,
}

impl TouchedBatch {
    /// Of these regions.
    pub(in crate::daemon) fn new(
        mut touched: Vec<Touched>,
        settled: bool,
        too_many: bool,
    ) -> TouchedBatch {
        touched.retain(|touched| touched.region.path != canary::KEY);
        touched.sort_by(|a, b| a.region.path.cmp(&b.region.path));
        touched.dedup_by(|later, first| first.merge(later));
        let told = touched
            .iter()
            .map(|touched| (touched.region.clone(), touched.itself));
        TouchedBatch {
            plan: Arc::new(Plan::new(told)),
            touched,
            settled,
            too_many,
            unpacking: false,
        }
    }

    /// What is known of a path's being touched: of itself, else of what it lies in.
    pub(in crate::daemon) fn touched(&self, path: &[u8]) -> Option<&Touched> {
        let mut around = path;
        loop {
            let found = self
                .touched
                .binary_search_by(|touched| touched.region.path.as_slice().cmp(around));
            let found = found.ok().and_then(|index| self.touched.get(index));
            let found = found.filter(|touched| touched.region.below || around == path);
            if found.is_some() || around.is_empty() {
                return found;
            }
            around = split(around).0;
        }
    }

    /// The package transaction of any of it.
    pub(in crate::daemon) fn transaction(&self) -> Option<&String> {
        self.touched
            .iter()
            .find_map(|touched| touched.transaction.as_ref())
    }

    /// What was touched of it directly in a directory.
    pub(in crate::daemon) fn entries_of<'a>(
        &'a self,
        directory: &'a [u8],
    ) -> impl Iterator<Item = Vec<u8>> {
        let paths = self.regions().map(|region| &region.path);
        paths
            .filter(move |path| !path.is_empty() && split(path).0 == directory)
            .cloned()
    }

    /// What was touched, to check it again.
    pub(in crate::daemon) fn into_touched(self) -> Vec<Touched> {
        self.touched
    }

    /// What it covers, to check it again.
    pub(in crate::daemon) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.touched.iter().map(|touched| &touched.region)
    }
}
