//! What was touched and is to be looked at together. Pure but for the wall clock.

use agent_core::paths::split;
use agent_core::region::Region;
use agent_scan::files::spot::Plan;
use agent_scan::watch::canary;
use agent_scan::watch::debounce::Due;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A region to be looked at, and what is known of how it came to that.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    pub(super) region: Region,
    /// Whether the path itself was changed.
    pub(super) itself: bool,
    pub(super) since: SystemTime,
    /// The package transaction that was under way.
    pub(super) transaction: Option<String>,
    /// The name that was touched, where this is another one of the same file.
    pub(super) through: Option<Vec<u8>>,
}

impl Touched {
    /// What has settled.
    pub(super) fn due(due: Due, now: Instant) -> Touched {
        let age = now.saturating_duration_since(due.since);
        Touched {
            region: due.region,
            itself: due.itself,
            since: SystemTime::now()
                .checked_sub(age)
                .unwrap_or(SystemTime::UNIX_EPOCH),
            transaction: None,
            through: None,
        }
    }

    /// A region that nobody was seen to touch.
    pub(super) fn unseen(region: Region, since: SystemTime) -> Touched {
        Touched {
            region,
            itself: false,
            since,
            transaction: None,
            through: None,
        }
    }

    /// Another name of a file in it.
    pub(super) fn beside(&self, region: Region) -> Touched {
        Touched {
            region,
            itself: false,
            through: Some(self.region.path.clone()),
            ..self.clone()
        }
    }

    /// Takes in what else is known of the same path; whether it is the same.
    pub(super) fn merge(&mut self, other: &mut Touched) -> bool {
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

/// What is to be looked at now.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) plan: Arc<Plan>,
    /// By path.
    touched: Vec<Touched>,
    /// Whether no package manager is at work.
    pub(super) settled: bool,
    /// Whether more was touched than is in here.
    pub(super) too_many: bool,
    /// Whether dpkg is at work, so that what is found may wait for its evidence.
    pub(super) unpacking: bool,
}

impl Batch {
    /// A look at these regions.
    pub(super) fn new(mut touched: Vec<Touched>, settled: bool, too_many: bool) -> Batch {
        touched.retain(|touched| touched.region.path != canary::KEY);
        touched.sort_by(|a, b| a.region.path.cmp(&b.region.path));
        touched.dedup_by(|later, first| first.merge(later));
        let told = touched
            .iter()
            .map(|touched| (touched.region.clone(), touched.itself));
        Batch {
            plan: Arc::new(Plan::new(told)),
            touched,
            settled,
            too_many,
            unpacking: false,
        }
    }

    /// What is known of a path's being touched: of itself, else of what it lies in.
    pub(super) fn touched(&self, path: &[u8]) -> Option<&Touched> {
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
    pub(super) fn transaction(&self) -> Option<&String> {
        self.touched
            .iter()
            .find_map(|touched| touched.transaction.as_ref())
    }

    /// What was touched of it directly in a directory.
    pub(super) fn entries_of<'a>(&'a self, directory: &'a [u8]) -> impl Iterator<Item = Vec<u8>> {
        let paths = self.regions().map(|region| &region.path);
        paths
            .filter(move |path| !path.is_empty() && split(path).0 == directory)
            .cloned()
    }

    /// What was touched, to look at it again.
    pub(super) fn into_touched(self) -> Vec<Touched> {
        self.touched
    }

    /// What it covers, to look at it again.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.touched.iter().map(|touched| &touched.region)
    }
}
