//! Which heartbeat says everything, and which one says that nothing has changed.
//!
//! Heartbeats are nearly all that an untouched host ships, so they are nearly all of what it costs. A full one is sent
//! first, whenever something in it differs from the last full one, while anything is amiss, and [`FULL_EVERY`]. The
//! others are valid OCSF with the host, the end of the chain and the interval, and nothing else.

use super::chain::{self, Head};
use super::draft::{Draft, device_id};
use super::lifecycle::Heartbeat;
use super::own::{self, Spool};
use super::source::EventSource;
use super::{OCSF_VERSION, PRODUCT};
use serde_json::{Map, Value, json};

/// Longest time between two full heartbeats, in milliseconds: six hours, as between two scans by default. Once an hour
/// would cost a fleet a sixth more.
pub const FULL_EVERY: i64 = 6 * 3_600_000;

/// Events that wait for longer than this, in milliseconds, are not being delivered.
const DELIVERY: i64 = 60_000;

/// Own clock and the service's may differ by as much, in milliseconds, before a reader should see it.
const SKEW: u64 = 60_000;

/// What changes from one heartbeat to the next of its own accord.
const VOLATILE: [&str; 3] = ["uptime_s", "self", "clock_skew_ms"];
/// The same within `spool`.
const VOLATILE_SPOOL: [&str; 3] = ["events", "bytes", "age_ms"];

/// Whether a reader should know more than that the host is alive.
pub fn amiss(facts: &Heartbeat, spool: &Spool) -> bool {
    let refused = |sink: &super::SinkState| !sink.error.is_empty();
    !facts.trouble.is_empty()
        || spool.trouble.is_some()
        || !facts.watching
        || facts.sinks.iter().any(refused)
        || facts
            .clock_skew_ms
            .is_some_and(|skew| skew.unsigned_abs() > SKEW)
        || spool.age > DELIVERY
        || spool.held > 0
}

/// The heartbeats of a run of the agent.
#[derive(Debug, Default)]
pub struct Heartbeats {
    /// When the last full one was made, and what it said.
    told: Option<(i64, Value)>,
}

impl Heartbeats {
    /// The next one, as it is shipped: one JSON object, no link of the chain. `now` in milliseconds since 1970.
    pub fn next(
        &mut self,
        source: &EventSource,
        facts: &Heartbeat,
        spool: &Spool,
        head: Option<&Head>,
        now: i64,
    ) -> Vec<u8> {
        let full = own::heartbeat(source, facts, spool, now);
        let says = lasting(&full);
        let old = |at: i64| now.saturating_sub(at) >= FULL_EVERY || now < at;
        let news = match &self.told {
            Some((at, said)) => old(*at) || *said != says,
            None => true,
        };
        match head {
            Some(head) if !news && !amiss(facts, spool) => {
                chain::beside_briefly(head, brief(source, facts.interval_s, now), now)
            }
            _ => {
                self.told = Some((now, says));
                chain::beside(head, full, now)
            }
        }
    }
}

/// What a full heartbeat says that stays until something happens.
fn lasting(full: &Draft) -> Value {
    let mut unmapped = full.unmapped.clone();
    for key in VOLATILE {
        unmapped.shift_remove(key);
    }
    if let Some(Value::Object(spool)) = unmapped.get_mut("spool") {
        for key in VOLATILE_SPOOL {
            spool.shift_remove(key);
        }
    }
    let of = |key: &str| full.object.get(key).cloned().unwrap_or_default();
    json!([unmapped, of("device"), of("cloud"), of("status_id")])
}

/// A heartbeat of a host where nothing is amiss and nothing has changed.
fn brief(source: &EventSource, interval_s: u64, now: i64) -> Draft {
    let object = json!({
        "time": now,
        "class_uid": 6002,
        "category_uid": 6,
        "activity_id": 99,
        "activity_name": "Heartbeat",
        "type_uid": 600_299,
        "severity_id": 1,
        "app": { "name": PRODUCT, "version": env!("CARGO_PKG_VERSION") },
        "device": device_id(source),
        "metadata": {
            "version": OCSF_VERSION,
            "product": { "name": PRODUCT },
            "profiles": ["host"],
        },
    });
    let object = match object {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let mut unmapped = Map::new();
    unmapped.insert("interval_s".into(), json!(interval_s));
    Draft {
        object,
        unmapped,
        time: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::host::Host;

    const T: i64 = 1_795_310_000_123;

    fn source() -> EventSource {
        EventSource {
            host: Host {
                instance_id: "i-0123456789abcdef0".into(),
                hostname: "ip-10-0-0-5.eu-central-1.compute.internal".into(),
                ..Host::default()
            },
            ..EventSource::default()
        }
    }

    fn well() -> Heartbeat {
        Heartbeat {
            watching: true,
            interval_s: 300,
            ..Heartbeat::default()
        }
    }

    fn head() -> Head {
        Head {
            id: chain::uuid(T),
            sequence: u64::from(u32::MAX),
            digest: Some([0xab; 32]),
        }
    }

    /// Whether the next one is full.
    fn full(beats: &mut Heartbeats, facts: &Heartbeat, spool: &Spool, now: i64) -> bool {
        let bytes = beats.next(&source(), facts, spool, Some(&head()), now);
        let event: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(event["unmapped"]["chain_head"]["digest"], "ab".repeat(32));
        assert_eq!(event["unmapped"]["interval_s"], facts.interval_s);
        assert_eq!(event["device"]["instance_uid"], "i-0123456789abcdef0");
        let full = event["unmapped"]["coverage"].is_object();
        assert!(full || bytes.len() <= 600, "{} bytes", bytes.len());
        full
    }

    #[test]
    fn what_has_not_changed_is_not_said_again() {
        let (mut beats, spool) = (Heartbeats::default(), Spool::default());
        assert!(full(&mut beats, &well(), &spool, T), "the first");
        let later = Heartbeat {
            uptime_s: 300,
            rss_bytes: 9,
            cpu_permille: 3,
            clock_skew_ms: Some(-40),
            ..well()
        };
        let busy = Spool {
            events: 3,
            bytes: 4000,
            age: 900,
            ..Spool::default()
        };
        assert!(!full(&mut beats, &later, &busy, T + 300_000));
        let found = Spool {
            open: 1,
            ..Spool::default()
        };
        assert!(full(&mut beats, &well(), &found, T + 600_000), "a finding");
        assert!(!full(&mut beats, &well(), &found, T + 900_000));
        assert!(!full(&mut beats, &well(), &found, T + FULL_EVERY));
        let old = T + 600_000 + FULL_EVERY;
        assert!(full(&mut beats, &well(), &found, old), "now and then");
        assert!(full(&mut beats, &well(), &found, T), "a clock went back");
        let mut nobody = Heartbeats::default();
        for _ in 0..2 {
            let bytes = nobody.next(&source(), &well(), &spool, None, T);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(text.contains("\"coverage\""), "no chain yet: {text}");
        }
    }

    #[test]
    fn what_is_amiss_is_said_every_time() {
        let beat = |change: &dyn Fn(&mut Heartbeat, &mut Spool)| {
            let (mut facts, mut spool) = (well(), Spool::default());
            change(&mut facts, &mut spool);
            let mut beats = Heartbeats::default();
            full(&mut beats, &facts, &spool, T);
            let again = full(&mut beats, &facts, &spool, T + 60_000);
            assert_eq!(again, amiss(&facts, &spool));
            again
        };
        assert!(!beat(&|_, _| {}));
        assert!(beat(&|facts, _| facts.trouble = vec!["x".into()]));
        assert!(beat(&|facts, _| facts.watching = false));
        assert!(beat(&|facts, _| facts.clock_skew_ms = Some(i64::MIN)));
        assert!(beat(&|_, spool| spool.trouble = Some("full".into())));
        assert!(beat(&|_, spool| spool.age = 61_000));
        assert!(beat(&|_, spool| spool.held = 1));
        assert!(beat(&|facts, _| facts.sinks =
            vec![super::super::SinkState {
                endpoint: String::new(),
                name: "file",
                state: "retrying",
                error: "no".into(),
            }]));
    }
}
