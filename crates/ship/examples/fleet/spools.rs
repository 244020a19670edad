//! What waits on a host: either as the real store of each host says, or, since a million of those fill no machine, as the
//! real store of one host said, for all of them.

use crate::EPOCH;
use crate::sample::Sample;
use crate::service::Service;
use agent_core::finding::Severity;
use agent_outbox::parcel::Parcel;

/// The key of a heartbeat, which is in no spool.
pub(crate) const HEARTBEAT: u64 = u64::MAX;

/// Spools of all hosts, each named by its number. Times are milliseconds of the virtual clock.
pub(crate) trait Spools {
    /// The host starts for the first time, and finds what it is to find.
    fn boot(&mut self, host: usize, at: u64);
    /// It runs since long, and all that it found is delivered.
    fn settle(&mut self, host: usize, service: &mut Service);
    /// A file of the image deviates.
    fn deviate(&mut self, host: usize, at: u64);
    /// A heartbeat takes the place of one that still waits. `failing`: the sink is.
    fn beat(&mut self, host: usize, at: u64, failing: bool);
    /// What waits, oldest first.
    fn waiting(&mut self, host: usize) -> Vec<Parcel>;
    /// These were accepted.
    fn accepted(&mut self, host: usize, keys: Vec<u64>, at: u64);
}

/// A heartbeat as a sink is handed it.
pub(crate) fn heartbeat(bytes: std::sync::Arc<[u8]>, at: u64) -> Parcel {
    Parcel {
        key: HEARTBEAT,
        time: EPOCH.saturating_add_unsigned(at),
        severity: Severity::Low,
        bytes,
    }
}

/// All hosts ship what one did: a host is a few bytes.
pub(crate) struct Alike {
    sample: Sample,
    hosts: Vec<Waits>,
}

/// Which parts of the sample wait on a host.
#[derive(Clone, Copy, Default)]
struct Waits {
    start: bool,
    deviation: bool,
    /// A full heartbeat, or a brief one, and when it was made.
    heartbeat: Option<(bool, u64)>,
    /// The next heartbeat says nothing but that the host is alive.
    brief: bool,
}

impl Alike {
    pub(crate) fn new(sample: Sample, hosts: usize) -> Alike {
        Alike {
            sample,
            hosts: vec![Waits::default(); hosts],
        }
    }
}

impl Spools for Alike {
    fn boot(&mut self, host: usize, _: u64) {
        self.hosts[host].start = true;
    }

    fn settle(&mut self, host: usize, _: &mut Service) {
        self.hosts[host].brief = true;
    }

    fn deviate(&mut self, host: usize, _: u64) {
        let host = &mut self.hosts[host];
        host.deviation = true;
        host.brief = false;
    }

    fn beat(&mut self, host: usize, at: u64, failing: bool) {
        let host = &mut self.hosts[host];
        let full = failing || !host.brief;
        host.heartbeat = Some((full, at));
        // What was wrong is in a full one, and so is that it is over.
        host.brief = !failing;
    }

    fn waiting(&mut self, host: usize) -> Vec<Parcel> {
        let host = &self.hosts[host];
        let mut parcels = Vec::with_capacity(self.sample.start.len() + 2);
        if host.start {
            parcels.extend_from_slice(&self.sample.start);
        }
        if host.deviation {
            parcels.extend_from_slice(&self.sample.deviation);
        }
        if let Some((full, at)) = host.heartbeat {
            let bytes = if full {
                &self.sample.full
            } else {
                &self.sample.brief
            };
            parcels.push(heartbeat(bytes.clone(), at));
        }
        parcels
    }

    fn accepted(&mut self, host: usize, _: Vec<u64>, _: u64) {
        // One batch holds all that a host has here.
        let host = &mut self.hosts[host];
        (host.start, host.deviation, host.heartbeat) = (false, false, None);
    }
}
