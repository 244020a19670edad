//! What one host ships, made by the real ledger, store, chain and heartbeats, and where its ids stand in that.

use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::escape;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_outbox::event::own::Spool;
use agent_outbox::event::{EventSource, Heartbeat, Heartbeats, Lifecycle};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{Scope, SinkKind, Store};
use serde_json::{Value, json};

#[path = "../../tests/events/source.rs"]
mod source;

/// Milliseconds since 1970 of the first event.
const BEGIN: i64 = 1_795_310_000_000;
/// Of the sink, so that the store holds everything.
const SPOOL: u64 = 256 << 20;

/// A host.
pub(crate) struct Model {
    pub(crate) lines: Vec<Line>,
}

/// An event or a heartbeat, and where in it something stands that another host has another of.
pub(crate) struct Line {
    bytes: Vec<u8>,
    pub(crate) is_link: bool,
    /// Where the number of the host begins: the last twelve digits of each id.
    ids: Vec<usize>,
    /// Where the digest of the event before it begins.
    digest: Option<usize>,
    /// Of the event's own uid: the first eight of those twelve are the host, the others are of the event.
    own: Vec<usize>,
}

impl Line {
    fn new(bytes: Vec<u8>) -> Line {
        let event: Value = serde_json::from_slice(&bytes).expect("the store writes JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = &event["unmapped"];
        let all = |text: &str| -> Vec<usize> {
            let length = text.len();
            let found = memchr::memmem::find_iter(&bytes, text);
            match text {
                "" => Vec::new(),
                _ => found.map(|at| at + length - 12).collect(),
            }
        };
        let chain = text(&about["chain"]["id"]) + &text(&about["chain_head"]["id"]);
        let digest = text(&about["chain"]["prev"]) + &text(&about["chain_head"]["digest"]);
        let mut ids = all(&chain);
        ids.extend(all(&text(&event["device"]["instance_uid"])));
        let digest = match digest.as_str() {
            "" => None,
            hex => memchr::memmem::find(&bytes, hex.as_bytes()),
        };
        let own = all(&text(&event["metadata"]["uid"]));
        Line {
            is_link: !about["chain"].is_null(),
            ids,
            digest,
            own,
            bytes,
        }
    }

    /// The same of the host with that number, whose last event had that digest.
    pub(crate) fn of_host(&self, number: usize, last: &[u8; 32], text: &mut Vec<u8>) {
        text.extend_from_slice(&self.bytes);
        let mut host = *b"000000000000";
        put_hex(&mut host, number as u64);
        for at in &self.ids {
            text[*at..at + 12].copy_from_slice(&host);
        }
        for at in &self.own {
            text[*at..at + 8].copy_from_slice(&host[4..]);
        }
        if let Some(at) = self.digest {
            text[at..at + 64].copy_from_slice(escape::hex(last).as_bytes());
        }
    }
}

/// The number at the end of the digits.
fn put_hex(digits: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
    }
}

impl Model {
    /// A host with so many events and heartbeats.
    pub(crate) fn make(number: usize, events: u64, heartbeats: u64) -> Model {
        let directory = tempfile::tempdir().expect("a directory");
        let mut host = Maker {
            store: Store::open(directory.path(), SPOOL, source(number), BEGIN)
                .expect("a store")
                .0,
            beats: Heartbeats::default(),
            source: source(number),
            now: BEGIN,
            lines: Vec::new(),
        };
        host.store.enable(&[SinkKind::Stdout], BEGIN);
        let message = "the first start on this host".into();
        host.store.tell(
            Lifecycle::Started {
                first_of_boot: true,
                message,
            },
            BEGIN,
        );
        host.ship();
        let mut beats = 0;
        while host.links() < events {
            host.found(events - host.links());
            while beats * events < heartbeats * host.links().min(events) {
                host.beat();
                beats += 1;
            }
        }
        if heartbeats > 0 {
            host.beat();
        }
        Model { lines: host.lines }
    }
}

struct Maker {
    store: Store,
    beats: Heartbeats,
    source: EventSource,
    now: i64,
    lines: Vec<Line>,
}

impl Maker {
    fn links(&self) -> u64 {
        self.lines.iter().filter(|line| line.is_link).count() as u64
    }

    /// A scan that finds some things.
    fn found(&mut self, most: u64) {
        self.now += 60_000;
        let scan = self
            .store
            .begin(Scope::Path(format!("/{}", self.now).into_bytes()));
        for n in 0..most.min(40) {
            self.store
                .found(scan, &changed(self.now, n), None, self.now);
        }
        self.store.end(scan, self.now);
        self.ship();
    }

    /// Takes what the store hands over, in the order of the chain.
    fn ship(&mut self) {
        self.store.commit(self.now);
        let mut parcels = self.store.parcels(SinkKind::Stdout, usize::MAX, usize::MAX);
        parcels.sort_by_key(|parcel| parcel.key);
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        self.store.settle(SinkKind::Stdout, &delivery, self.now);
        self.store.commit(self.now);
        self.lines.extend(
            parcels
                .iter()
                .map(|parcel| Line::new(parcel.bytes.to_vec())),
        );
    }

    fn beat(&mut self) {
        self.now += 300_000;
        let facts = Heartbeat {
            watching: true,
            interval_s: 300,
            files: 26_454,
            directories: 3_100,
            kernel: "6.1.0-31-cloud-amd64".into(),
            ..Heartbeat::default()
        };
        let head = self.store.head();
        let spool = Spool::default();
        let beat = self
            .beats
            .next(&self.source, &facts, &spool, head.as_ref(), self.now);
        self.lines.push(Line::new(beat));
    }
}

fn changed(now: i64, n: u64) -> Finding {
    let evidence = |digest: &str| json!({ "size": 1000 + n, "mtime": "2026-11-22T06:13:19.223456789Z", "sha256": digest.repeat(32) });
    let severity = Severity::WORST_FIRST[usize::try_from(n % 4).unwrap_or(0)];
    let mut finding = Finding::new(
        &finding::FILES_CHANGED,
        Verdict::Fail,
        severity,
        format!("/usr/lib/{now}/{n}/some-file.so"),
        "changed since the image was recorded: contents, mtime",
    )
    .evidence(evidence("aa"), evidence("bb"))
    .remediation("find out who did it; restore the file from the image, or record the image anew if it is meant");
    finding.changed = AttributeSet::NONE
        .with(Attribute::Mtime)
        .with(Attribute::Sha256);
    finding
}

fn source(number: usize) -> EventSource {
    let mut source = source::source();
    source.host.hostname = format!("ip-10-0-0-{number}");
    if let Some(cloud) = &mut source.host.cloud {
        cloud.image_id = format!("ami-0abcdef123456789{number}");
    }
    source
}
