//! What the agent uses of the host: its own memory and processor time.

use std::time::{Duration, Instant};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Measures the agent itself.
#[derive(Debug)]
pub(super) struct UsageMeter {
    /// `None`: nothing can be measured here.
    system: Option<System>,
    own: Pid,
    /// When it was measured last, and the processor time that had been used by then.
    last: (Instant, Duration),
}

/// What has been used since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    /// Resident memory.
    pub(super) rss_bytes: u64,
    /// Processor time.
    pub(super) cpu: Duration,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Resident memory.
    pub(super) rss_bytes: u64,
    /// Share of one processor since the last measurement, in thousandths.
    pub(super) cpu_permille: u64,
}

impl UsageMeter {
    /// From now on.
    pub(super) fn new(now: Instant) -> UsageMeter {
        UsageMeter {
            system: System::new().ok(),
            own: Pid::from_u32(std::process::id()),
            last: (now, Duration::ZERO),
        }
    }

    /// What has been used until now. The next measurement is still of the time since the last one.
    pub(super) fn total(&mut self) -> Total {
        let what = ProcessRefreshKind::nothing()
            .with_memory()
            .with_cpu()
            .without_tasks();
        let Some(system) = &mut self.system else {
            return Total::default();
        };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.own]), false, what);
        let process = system.process(self.own);
        process.map_or_else(Total::default, |process| Total {
            rss_bytes: process.memory(),
            cpu: Duration::from_millis(process.accumulated_cpu_time()),
        })
    }

    /// Measures.
    pub(super) fn measure(&mut self, now: Instant) -> Usage {
        let Total {
            rss_bytes,
            cpu: used,
        } = self.total();
        let (then, before) = std::mem::replace(&mut self.last, (now, used));
        let passed = now.saturating_duration_since(then).as_millis().max(1);
        let permille = used.saturating_sub(before).as_millis() * 1000 / passed;
        Usage {
            rss_bytes,
            cpu_permille: u64::try_from(permille).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_measures_itself() {
        let start = Instant::now();
        let mut facts = UsageMeter::new(start);
        let mut sum = 0u64;
        while start.elapsed() < Duration::from_millis(300) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let usage = facts.measure(Instant::now());
        assert!(usage.rss_bytes > 1 << 20, "{usage:?}");
        assert!(usage.cpu_permille > 0, "{usage:?}");
    }
}
