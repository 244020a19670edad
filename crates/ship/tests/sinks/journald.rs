//! The sink of journald, with a real one: what is in the journal is what was accepted, through everything that keeps
//! journald from reading.

use super::fixture::parcels;
use agent_core::finding::Severity;
use agent_outbox::parcel::Parcel;
use agent_ship::Sent;
use agent_ship::journald::JournaldSink;
use harness::Lab;
use harness::journald::Journald;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A sink and what it said was accepted.
struct Handed {
    sink: JournaldSink,
    runtime: Runtime,
    accepted: Vec<u64>,
}

impl Handed {
    fn to(journald: &Journald) -> Handed {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Handed {
            sink: JournaldSink::new(&journald.socket(), 1).patient(Duration::from_millis(300)),
            runtime,
            accepted: Vec::new(),
        }
    }

    /// Sends what is not accepted yet.
    fn send(&mut self, parcels: &[Parcel]) -> Sent {
        let left: Vec<Parcel> = parcels
            .iter()
            .filter(|p| !self.accepted.contains(&p.key))
            .cloned()
            .collect();
        let sent = self.runtime.block_on(self.sink.send(&left));
        self.accepted.extend(&sent.delivery.accepted);
        sent
    }

    /// Sends until all are accepted; nothing may be in the way for long.
    fn all(&mut self, parcels: &[Parcel]) {
        for _ in 0..400 {
            if self.send(parcels).trouble.is_none() && self.accepted.len() >= parcels.len() {
                return;
            }
        }
        panic!("{:?}", self.send(parcels));
    }

    /// Sends; all are still the spool's, and why is told.
    fn none(&mut self, parcels: &[Parcel], said: &str) {
        let sent = self.send(parcels);
        let trouble = sent.trouble.expect("told");
        assert!(trouble.text.contains(said), "{trouble:?}");
        assert!(sent.again.is_some() && sent.delivery.accepted.is_empty());
    }
}

fn texts(parcels: &[Parcel]) -> Vec<String> {
    parcels.iter().map(super::fixture::text).collect()
}

/// What `EVENT` holds, entry by entry.
fn events(journald: &Journald, count: usize) -> Vec<String> {
    let entries = journald.written(count).into_iter();
    entries
        .map(|entry| entry["EVENT"].as_str().expect("text").to_owned())
        .collect()
}

fn event(key: u64, severity: &str, message: &str) -> Parcel {
    let text = format!(
        r#"{{"severity":"{severity}","finding_info":{{}},"activity_name":"Create","message":"{message}"}}"#
    );
    Parcel {
        key,
        time: 0,
        severity: Severity::Low,
        bytes: text.as_bytes().into(),
    }
}

#[test]
fn each_event_is_an_entry_whole_and_in_order_however_long() {
    let lab = Lab::new();
    let journald = Journald::started(&lab.path().join("run"));
    let mut handed = Handed::to(&journald);
    let mut parcels = parcels(500);
    // As long as the longest that is shipped, longer than a datagram can be, and one with what no line may hold.
    for (key, length) in [(501, 199_900), (502, 1_000_000)] {
        parcels.push(event(key, "Critical", &"x".repeat(length)));
    }
    parcels.push(event(503, "High", "/a\\nb"));
    handed.all(&parcels);
    assert_eq!(events(&journald, 503), texts(&parcels));
    let entries = journald.written(503);
    for (entry, priority, said) in [
        (&entries[0], "6", ""),
        (&entries[501], "2", "critical  new "),
        (&entries[502], "3", "high      new      /a\\nb"),
    ] {
        assert_eq!(entry["PRIORITY"], priority, "{entry:#}");
        let message = entry["MESSAGE"].as_str().expect("text");
        assert!(message.contains(said), "{message}");
        assert_eq!(entry["_TRANSPORT"], "journal");
    }
}

#[test]
fn what_a_journald_that_hangs_has_not_read_is_the_spools_and_is_not_sent_twice() {
    let lab = Lab::new();
    let journald = Journald::started(&lab.path().join("run"));
    let mut handed = Handed::to(&journald);
    let parcels = parcels(700);
    handed.all(&parcels[..5]);
    journald.signal("STOP");
    // Some that the kernel keeps for it, then more than it keeps.
    handed.none(&parcels[..8], "does not read");
    handed.none(&parcels, "does not read");
    journald.signal("CONT");
    handed.all(&parcels);
    assert_eq!(
        events(&journald, 700),
        texts(&parcels),
        "each once, in order"
    );
}

#[test]
fn journald_started_anew_finds_what_it_had_not_read() {
    let lab = Lab::new();
    let mut journald = Journald::started(&lab.path().join("run"));
    let mut handed = Handed::to(&journald);
    let parcels = parcels(60);
    for (n, signal) in ["TERM", "KILL"].into_iter().enumerate() {
        let upto = 30 * (n + 1);
        journald.signal("STOP");
        handed.none(&parcels[..upto - 20], "does not read");
        if signal == "TERM" {
            journald.signal("CONT");
        }
        journald.end(signal);
        handed.none(&parcels[..upto - 5], "does not read");
        journald.start();
        handed.all(&parcels[..upto]);
        assert_eq!(events(&journald, upto), texts(&parcels[..upto]));
    }
}

#[test]
fn a_socket_that_was_made_anew_gets_what_the_old_one_may_have_lost() {
    let lab = Lab::new();
    let mut journald = Journald::new(&lab.path().join("run"));
    let mut handed = Handed::to(&journald);
    let parcels = parcels(40);
    handed.none(&parcels, "No such file");
    journald.hold();
    journald.start();
    handed.all(&parcels[..20]);
    journald.signal("STOP");
    handed.none(&parcels[..25], "does not read");
    // With the holder's descriptor the old socket goes, and with it what lies there.
    journald.end("KILL");
    journald.hold();
    handed.none(&parcels, "");
    journald.start();
    handed.all(&parcels);
    let stands: BTreeSet<String> = events(&journald, 40).into_iter().collect();
    assert_eq!(stands, texts(&parcels).into_iter().collect());
}
