//! Hosts that have a store each, with a ledger, a chain and a spool of their own, and what came of them at the service.

use crate::service::Service;
use crate::spools::{self, HEARTBEAT, Spools};
use crate::{EPOCH, sample};
use agent_outbox::event::verify::{ChainSummary, Problem, Reporter, Stray, Totals, Verifier};
use agent_outbox::event::{EventSource, Heartbeats, SinkState};
use agent_outbox::parcel::{Delivery, Parcel};
use agent_outbox::store::{SinkKind, Store};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const SINK: SinkKind = SinkKind::CloudwatchLogs;
/// Of one host, in bytes.
const SPOOL: u64 = 4 << 20;

/// The hosts. The store of each lies in a directory of its own.
pub(crate) struct Stores {
    directory: tempfile::TempDir,
    hosts: Vec<Option<Host>>,
}

struct Host {
    store: Store,
    source: EventSource,
    beats: Heartbeats,
    heartbeat: Option<Parcel>,
}

fn wall(at: u64) -> i64 {
    EPOCH.saturating_add_unsigned(at)
}

impl Stores {
    pub(crate) fn new(hosts: usize) -> Stores {
        Stores {
            directory: tempfile::tempdir().expect("a directory"),
            hosts: (0..hosts).map(|_| None).collect(),
        }
    }

    fn host(&mut self, host: usize) -> &mut Host {
        self.hosts[host].as_mut().expect("a host that has booted")
    }

    /// Judges what the service was sent, by the code of `agent log verify`, and each host's spool. Panics where an event
    /// is missing, or waits still.
    pub(crate) fn judge(&mut self, received: &Path) -> Totals {
        let waiting: usize = (0..self.hosts.len())
            .map(|host| {
                let parcels = self.waiting(host);
                parcels.iter().filter(|one| one.key != HEARTBEAT).count()
            })
            .sum();
        let told = self.hosts.iter().flatten();
        let told: u64 = told
            .filter_map(|host| host.store.head())
            .map(|head| head.sequence)
            .sum();
        let files = [received.to_owned()];
        let verifier = Verifier::take(&files, 1, &|path| {
            Ok(Box::new(File::open(path).expect("a file")) as Box<dyn Read + Send>)
        });
        let verifier = verifier.unwrap_or_else(|error| panic!("{error}"));
        let totals = verifier
            .judge(&mut Loud)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(waiting, 0, "events that wait still");
        assert_eq!(totals.events, told, "events received, and events told");
        assert_eq!((totals.faults, totals.declared), (0, 0), "{totals:?}");
        totals
    }
}

/// A problem is one of the simulation.
struct Loud;

impl Reporter for Loud {
    fn stray(&mut self, stray: &Stray) -> agent_core::error::Result<()> {
        panic!("{stray:?}")
    }

    fn problem(&mut self, chain: &str, problem: &Problem) -> agent_core::error::Result<()> {
        panic!("{chain}: {problem:?}")
    }

    fn chain(&mut self, _: &ChainSummary) -> agent_core::error::Result<()> {
        Ok(())
    }
}

impl Spools for Stores {
    fn boot(&mut self, host: usize, at: u64) {
        let directory = self.directory.path().join(host.to_string());
        let source = sample::source(host);
        let (mut store, _) =
            Store::open(&directory, SPOOL, source.clone(), wall(at)).expect("a store");
        store.enable(&[SINK], wall(at));
        sample::first_start(&mut store, wall(at));
        self.hosts[host] = Some(Host {
            store,
            source,
            beats: Heartbeats::default(),
            heartbeat: None,
        });
    }

    fn settle(&mut self, host: usize, service: &mut Service) {
        self.boot(host, 0);
        self.beat(host, 0, false);
        let parcels = self.waiting(host);
        service.held_before(&parcels);
        self.accepted(host, parcels.iter().map(|one| one.key).collect(), 0);
    }

    fn deviate(&mut self, host: usize, at: u64) {
        sample::deviate(&mut self.host(host).store, wall(at));
    }

    fn beat(&mut self, host: usize, at: u64, failing: bool) {
        let host = self.host(host);
        let mut facts = sample::well();
        if failing {
            facts.interval_s = 60;
            facts.sinks = vec![SinkState {
                name: "cloudwatch_logs",
                state: "retrying",
                error: "passing: no answer".into(),
                endpoint: String::new(),
            }];
        }
        let (head, spool) = (host.store.head(), host.store.pending(wall(at)));
        let bytes = host
            .beats
            .next(&host.source, &facts, &spool, head.as_ref(), wall(at));
        host.heartbeat = Some(spools::heartbeat(bytes.into(), at));
    }

    fn waiting(&mut self, host: usize) -> Vec<Parcel> {
        let Some(host) = &mut self.hosts[host] else {
            return Vec::new();
        };
        let mut parcels = host.store.parcels(SINK, usize::MAX, usize::MAX);
        parcels.extend(host.heartbeat.clone());
        parcels
    }

    fn accepted(&mut self, host: usize, mut keys: Vec<u64>, at: u64) {
        let host = self.host(host);
        if keys.contains(&HEARTBEAT) {
            host.heartbeat = None;
            keys.retain(|key| *key != HEARTBEAT);
        }
        if keys.is_empty() {
            return;
        }
        let delivery = Delivery {
            accepted: keys,
            refused: Vec::new(),
        };
        host.store.settle(SINK, &delivery, wall(at));
        host.store.commit(wall(at));
    }
}
