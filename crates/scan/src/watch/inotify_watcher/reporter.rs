//! What the watcher says: notices, and what is watched where that has changed.

use crate::watch::{Coverage, Notice, Touch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hands notices out.
pub(super) struct Reporter {
    emit: Arc<dyn Fn(Notice) + Send + Sync>,
    /// The coverage that was last told.
    told: Option<Coverage>,
    /// Directories watched, for those who ask.
    directories: Arc<AtomicU64>,
}

impl Reporter {
    pub(super) fn new(
        emit: Arc<dyn Fn(Notice) + Send + Sync>,
        directories: Arc<AtomicU64>,
    ) -> Reporter {
        Reporter {
            emit,
            told: None,
            directories,
        }
    }

    pub(super) fn notice(&self, notice: Notice) {
        (self.emit)(notice);
    }

    pub(super) fn touched(&self, touched: Vec<Touch>) {
        if !touched.is_empty() {
            self.notice(Notice::Touched(touched));
        }
    }

    /// Tells what is watched, the first time and where the regions that are left out have changed.
    pub(super) fn coverage(&mut self, coverage: Coverage) {
        self.directories
            .store(coverage.directories, Ordering::Relaxed);
        let same = |told: &Coverage| {
            told.left_out == coverage.left_out && told.linked.reason == coverage.linked.reason
        };
        if !self.told.as_ref().is_some_and(same) {
            self.told = Some(coverage.clone());
            self.notice(Notice::Coverage(coverage));
        }
    }

    /// What is watched is told the next time, changed or not.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }
}
