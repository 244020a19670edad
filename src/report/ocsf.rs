//! `--format ocsf`: the findings as OCSF objects, one a line, by the code that the daemon ships with.
//!
//! There is no chain here, so events have no sequence; a deviation has the same `finding_info.uid` in
//! every run on the same host.

use super::{Report, Summary};
use agent_checks::registry;
use agent_core::finding::Finding;
use agent_core::host::Host;
use agent_outbox::event::chain::beside;
use agent_outbox::event::finding::{Life, Step, draft};
use agent_outbox::event::{EventSource, StoredFinding};
use agent_outbox::ledger;
use agent_outbox::store;
use std::io::{self, Write};

/// Writes each finding as it comes.
#[derive(Debug)]
pub(crate) struct Ocsf<W> {
    out: W,
    origin: EventSource,
    now: i64,
}

impl<W: Write> Ocsf<W> {
    /// For findings of this host, made at `now` (milliseconds since 1970).
    pub(crate) fn new(out: W, host: Host, now: i64) -> Ocsf<W> {
        let origin = EventSource {
            host,
            checks: registry::all().collect(),
            ..EventSource::default()
        };
        Ocsf { out, origin, now }
    }
}

impl<W: Write> Report for Ocsf<W> {
    fn about(&mut self, host: &Host) {
        self.origin.host = host.clone();
    }

    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        let host = &self.origin.host;
        let names = [&host.instance_id, &host.machine_id, &host.hostname];
        let salt = names.into_iter().find(|name| !name.is_empty());
        let key = ledger::key::of(finding.check.id, &finding.subject);
        let uid = store::uid(salt.map_or("", String::as_str), &key, 0);
        let life = Life {
            uid: &uid,
            first_seen: self.now,
            last_seen: self.now,
            flood: None,
        };
        let stored = StoredFinding::new(&finding, None);
        let draft = draft(&self.origin, &stored, Step::Raised, life, self.now);
        self.out.write_all(&beside(None, draft, self.now))?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}
