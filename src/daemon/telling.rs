//! What is told beside findings: steps, gaps, the launch record, heartbeats, and the status.

use super::couriers;
use super::desk::{Desk, UNWATCHED};
use super::first_boot::{self, FirstBoot, Recorded};
use super::ground::{Ground, one_line};
use super::looks::Look;
use super::remembered::Launch;
use super::word::Word;
use super::{complain, status, systemd};
use crate::assess::tree::LAUNCH;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::host::Host;
use agent_core::os::{host, memory};
use agent_outbox::event::{Heartbeat, Lifecycle, SinkState, chain, own};
use agent_scan::watch::{Coverage, Notice, attribution};
use std::sync::Arc;
use std::time::Instant;

impl Desk {
    /// What verdicts on files rest on from now on.
    pub(super) fn stand_on(&mut self, ground: Arc<Ground>, now: Instant, wall: i64) {
        let first = self.ground.is_none();
        self.ground = Some(ground.clone());
        let (manifest, _) = ground.manifest();
        if !manifest.is_empty() && manifest != self.memory.manifest {
            self.memory.manifest = manifest;
            self.keep_memory();
        }
        self.store.set_source(self.origin(), wall);
        if first {
            self.tell_started(wall);
            self.tell_panics(wall);
        }
        self.passed_ground(wall);
        self.mind_manifest(ground.trouble.as_ref(), wall);
        self.judge_first_boot(&ground, now, wall);
        self.mind_record(&ground, wall);
        let words = self.words.clone();
        let runtime = self.runtime.clone();
        let emit = move |generation, notice| {
            // Nobody hears it when the agent ends.
            let word = Word::Notice(generation, notice);
            words.blocking_send(word).unwrap_or_default();
        };
        match self.watch_config() {
            Ok(watch) => self.watching.follow(&ground, &watch, &runtime, emit),
            Err(why) => self.watching.fail(why),
        }
        if let Some(why) = self
            .watching
            .failed
            .clone()
            .filter(|_| ground.scope.is_some())
        {
            self.unwatched(why, wall);
        }
        if first {
            for look in [Look::Settings, Look::Instance, Look::Critical, Look::Whole] {
                self.looks.want(look);
            }
        }
        self.stale = true;
    }

    /// The first event of a start names what verdicts rest on.
    fn tell_started(&mut self, wall: i64) {
        let before = self.before.as_ref();
        let first_of_boot = before.is_none_or(|before| before.boot_id != self.host.boot_id);
        let message = match before {
            None => "the first start on this host",
            Some(before) if !before.stopped && !first_of_boot => {
                "the run before did not come to its end"
            }
            Some(_) => "started",
        };
        let event = Lifecycle::Started {
            first_of_boot,
            message: message.into(),
        };
        self.tell(event, wall);
    }

    /// What opening the store came upon.
    pub(super) fn opened(&mut self, openings: Vec<agent_outbox::store::OpenOutcome>, wall: i64) {
        use agent_outbox::store::OpenOutcome;
        for opening in openings {
            match opening {
                OpenOutcome::Fresh => {}
                OpenOutcome::SetAside { path, reason } => {
                    // The store itself tells it, as the first event of the new chain.
                    complain(&format!(
                        "the store was damaged ({reason}) and is now at {}; a new one was begun",
                        path.display()
                    ));
                    // What may have gone with it unshipped is told anew.
                    let told = self.memory.unusable.take().is_some();
                    if told && self.ground.is_some() && !self.opening {
                        self.open_ground();
                    }
                }
                OpenOutcome::OtherInstance { path, former } => complain(&format!(
                    "the store belonged to instance {former} and is now at {}; a new one was begun",
                    path.display()
                )),
                OpenOutcome::Unusable { reason } => {
                    let message = format!(
                        "the store cannot be used at present ({reason}): events are held in memory"
                    );
                    self.fault("store.unusable", Severity::High, message, wall);
                }
            }
        }
    }

    /// Whether there is a first boot to wait for, and whether its record has been seen through.
    fn judge_first_boot(&mut self, ground: &Ground, now: Instant, wall: i64) {
        if self.first_boot != FirstBoot::Unknown {
            return;
        }
        let record = ground.launch_record();
        if ground.against() != "manifest" || self.memory.instance.is_empty() {
            // Nothing to compare with; asked again when there is.
            return;
        }
        self.first_boot = match self.memory.launch {
            Some(_) => FirstBoot::Over,
            None if !record.is_empty() => {
                // Somebody ran `agent baseline launch`, or a run ended between writing the record and telling it.
                match first_boot::found(&self.setup, ground) {
                    Some(recorded) => self.tell_record(recorded, wall),
                    None => {
                        complain("the launch record could not be told; the next start tries again")
                    }
                }
                FirstBoot::Over
            }
            None => FirstBoot::awaited(now),
        };
    }

    /// The launch record has been written, or could not be.
    pub(super) fn recorded(&mut self, outcome: Result<Recorded, String>, wall: i64) {
        self.first_boot = FirstBoot::Over;
        match outcome {
            Ok(recorded) => self.tell_record(recorded, wall),
            Err(why) => {
                let message = format!("the launch record could not be written: {why}");
                self.fault("launch.failed", Severity::High, message, wall);
            }
        }
        // What was held back is judged now, by the record.
        self.open_ground();
        self.outdate();
        self.looks.want(Look::Whole);
    }

    /// A record that was written again, with a reason, is told and holds from then on.
    fn mind_record(&mut self, ground: &Ground, wall: i64) {
        let found = ground.launch_record();
        let known = self.memory.launch.as_ref();
        if found.is_empty() || known.is_none_or(|known| known.sha256 == found) {
            return;
        }
        if let Some((recorded, reason)) = first_boot::written_again(&self.setup, ground) {
            let changed = vec![format!("the launch record, written again: {reason}")];
            self.tell(Lifecycle::Reloaded { changed }, wall);
            self.tell_record(recorded, wall);
        }
    }

    /// What the first boot changed, to the log side; the next run compares with its digest.
    fn tell_record(&mut self, recorded: Recorded, wall: i64) {
        let sha256 = recorded.sha256.clone();
        let event = Lifecycle::LaunchRecord {
            sha256: recorded.sha256,
            entries: recorded.entries,
            accounts: recorded.accounts,
            keys: recorded.keys,
        };
        self.tell(event, wall);
        self.memory.launch = Some(Launch { sha256 });
        self.keep_memory();
    }

    /// That the launch record is not the one that was shipped.
    pub(super) fn launch_differs(&self) -> Option<Finding> {
        let shipped = &self.memory.launch.as_ref()?.sha256;
        let ground = self.ground.as_ref()?;
        let found = ground.launch_record();
        if *shipped == found || ground.against() != "manifest" {
            return None;
        }
        let message = match found.is_empty() {
            true => "the launch record is gone, or cannot be used",
            false => "the launch record is not the one that was shipped when it was written",
        };
        let finding = Finding::new(
            &finding::FILES_LAUNCH_RECORD,
            Verdict::Fail,
            Severity::High,
            LAUNCH,
            message,
        );
        let digest = |text: &str| serde_json::json!({ "sha256": text });
        Some(
            finding
                .evidence(digest(shipped), digest(&found))
                .remediation("compare the host with its image; `agent baseline launch --again --reason TEXT` writes a new one"),
        )
    }

    /// The watch said something.
    pub(super) fn noticed(&mut self, generation: u64, notice: Notice, now: Instant, wall: i64) {
        if !self.watching.is_of(generation) {
            return;
        }
        match notice {
            Notice::Touched(touches) => {
                self.watching.touch(touches, now);
                return;
            }
            Notice::Coverage(coverage) => self.covered(coverage, now, wall),
            Notice::Overflow => {
                self.begin_gap("the kernel's queue of file events overflowed", wall);
            }
            Notice::RootReplaced => {
                if let Ok(setup) = self.setup.again() {
                    self.setup = Arc::new(setup);
                }
                self.begin_gap("the root of the tree was replaced or mounted over", wall);
            }
            Notice::Attribution(status) => self.watching.attribution = Some(status),
            Notice::Failed(why) => {
                self.watching.fail(why.clone());
                self.unwatched(why, wall);
            }
        }
        self.stale = true;
    }

    fn covered(&mut self, coverage: Coverage, now: Instant, wall: i64) {
        let left_out = coverage.left_out.len() as u64;
        let reason = coverage.reason.clone().unwrap_or_default();
        let former = self.watching.coverage.left_out.len() as u64;
        let linked = coverage.linked.clone();
        let same = linked.reason == self.watching.coverage.linked.reason;
        if let Some(reason) = linked.reason.filter(|_| !same) {
            self.gap(reason, wall, None, Some(linked.unwatched), wall);
        }
        self.watching.covered(coverage, now);
        self.trouble.remove("watch");
        if left_out > 0 {
            let reason = format!(
                "{left_out} regions are not watched ({reason}); they are looked at once a minute instead"
            );
            self.trouble.insert("watch", reason.clone());
            if former == 0 {
                self.gap(reason, wall, None, None, wall);
            }
        } else if former > 0 {
            let reason = "everything is watched again".into();
            self.gap(reason, wall, Some(wall), None, wall);
        }
    }

    /// Nothing is watched: everything is looked at more often instead.
    fn unwatched(&mut self, why: String, wall: i64) {
        let reason = format!("files are not watched: {why}");
        complain(&reason);
        self.timers.scan.hurry(Instant::now() + UNWATCHED);
        if self.trouble.insert("watch", reason.clone()).as_ref() != Some(&reason) {
            self.gap(reason, wall, None, None, wall);
        }
    }

    /// Something may have been missed: it ends with the scan that is wanted now.
    pub(super) fn begin_gap(&mut self, reason: &str, wall: i64) {
        complain(&format!("{reason}: everything is looked at"));
        if self.gap.is_none() {
            self.gap = Some((reason.to_owned(), wall));
            self.gap(reason.to_owned(), wall, None, None, wall);
        }
        self.want_whole();
    }

    /// The scan that a gap wanted has ended.
    pub(super) fn end_gap(&mut self, wall: i64) {
        let scan = self.last_scan;
        if let Some((reason, since)) = self.gap.take() {
            let deviations = scan.map_or(0, |scan| scan.deviations);
            let reason = format!("{reason}: a whole scan has found {deviations} deviations since");
            let files = scan.map(|scan| scan.files);
            self.gap(reason, since, Some(wall), files, wall);
        }
    }

    fn gap(
        &mut self,
        reason: String,
        since: i64,
        until: Option<i64>,
        paths: Option<u64>,
        wall: i64,
    ) {
        let event = Lifecycle::CoverageGap {
            reason,
            since,
            until,
            paths,
        };
        self.tell(event, wall);
    }

    /// The canary was changed and nobody noticed, or is seen again.
    pub(super) fn mind_canary(&mut self, wall: i64) {
        let blind = self.watching.is_blind();
        let known = self.trouble.contains_key("canary");
        if blind && !known {
            let reason = "the watch is blind: a file was changed on purpose and it was not noticed";
            self.trouble.insert("canary", reason.into());
            self.begin_gap(reason, wall);
        } else if !blind && known {
            self.trouble.remove("canary");
        }
    }

    /// Another boot, machine or instance: everything that leaves the host says so from now on.
    pub(super) fn refresh_host(&mut self, wall: i64) {
        let tree = &self.setup.tree;
        let now = host::read(&tree.root, &tree.release);
        if self.host.is_stale(&now) {
            // A manifest or profile that is not good at the moment is told by the next look.
            if let Ok(setup) = self.setup.again() {
                self.setup = Arc::new(setup);
            }
            self.know_host(now, wall);
            self.looks.want(Look::Instance);
        }
    }

    /// The host knows itself as this from now on.
    pub(super) fn know_host(&mut self, host: Host, wall: i64) {
        // A service that does not answer now has said what it said.
        let silent = host.cloud.is_none() && self.host.cloud.is_some();
        if host == self.host || (silent && !self.host.is_stale(&host)) {
            return;
        }
        let renamed = self.host.instance_id != host.instance_id;
        self.host = host;
        self.store.set_source(self.origin(), wall);
        if renamed {
            self.name_streams(wall);
        }
    }

    /// Log stream and session tag carry the instance's id, which on Xen only the metadata service tells.
    fn name_streams(&mut self, wall: i64) {
        let (setup, host, store) = (&self.setup, &self.host, &mut self.store);
        if let Err(error) = self.couriers.configure(&setup.config, host, store, wall) {
            let message = format!(
                "the sinks stay as they were before the instance's id was known: {}",
                one_line(error)
            );
            self.fault("sinks.refused", Severity::High, message, wall);
        }
    }

    /// A sign of life.
    pub(super) fn heartbeat(&mut self, now: Instant, wall: i64) {
        if std::mem::take(&mut self.looked) {
            memory::give_back();
        }
        self.usage = self.facts.measure(now);
        let uptime = now.saturating_duration_since(self.started.0);
        let scan = self.last_scan;
        let kernel = rustix::system::uname();
        let facts = Heartbeat {
            uptime_s: uptime.as_secs(),
            interval_s: self.setup.config.heartbeat.interval.as_secs(),
            watching: self.watching.sees(),
            files: scan.map_or(0, |scan| scan.files),
            directories: self.watching.directories(),
            linked: self.watching.linked(),
            unknowns: scan.map_or(0, |scan| scan.unknowns) + self.unknown_settings,
            last_scan: scan,
            rss_bytes: self.usage.rss_bytes,
            cpu_permille: self.usage.cpu_permille,
            clock_skew_ms: self.couriers.skew(),
            sinks: self.couriers.states(),
            kernel: kernel.release().to_string_lossy().into_owned(),
            // The store adds its own.
            trouble: self.trouble.values().cloned().collect(),
        };
        // From what the store said last: a sign of life does not wait for the disk.
        let pending = self.store.pending(now, wall);
        let draft = own::heartbeat(self.store.origin(), &facts, &pending, wall);
        let bytes = chain::beside(self.store.standing.head.as_ref(), draft, wall);
        self.couriers.heartbeat(&bytes, wall);
        self.stale = true;
    }

    /// The status, for those who ask.
    pub(super) fn write_status(&mut self, wall: i64) {
        let status = self.status(wall);
        let line = format!(
            "{}; {}{}; {} deviations stand, {} events wait",
            if status.watching {
                "watching"
            } else {
                "NOT WATCHING"
            },
            if status.delivering {
                "delivering"
            } else {
                "NOT DELIVERING"
            },
            if status.storing { "" } else { "; NOT STORING" },
            status.spool.open,
            status.spool.events,
        );
        // Whoever does not read what it is sent would make the agent wait: nothing is said twice.
        if line != self.told_systemd {
            systemd::status(&line);
            self.told_systemd = line;
        }
        match status::write(&self.runtime, &status) {
            Ok(()) => self.trouble.remove("status"),
            Err(error) => {
                let text = format!("the status cannot be written: {error}");
                self.trouble.insert("status", text)
            }
        };
    }

    fn status(&self, wall: i64) -> status::Status {
        let pending = self.store.pending(Instant::now(), wall);
        let sinks = self.couriers.states();
        let coverage = &self.watching.coverage;
        let scan = self.last_scan;
        let (manifest, signer) = self
            .ground
            .as_ref()
            .map(|g| g.manifest())
            .unwrap_or_default();
        status::Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            start_ticks: status::ticks("self").unwrap_or(0),
            started: time(self.started.1),
            updated: time(wall),
            watching: self.watching.sees(),
            delivering: delivers(&sinks),
            storing: pending.trouble.is_none(),
            watch: status::Watch {
                directories: self.watching.directories(),
                left_out: coverage.left_out.len() as u64,
                linked: coverage.linked.watched,
                linked_unwatched: coverage.linked.unwatched,
                linked_reason: coverage.linked.reason.clone(),
                attribution: match &self.watching.attribution {
                    None => String::new(),
                    Some(attribution::Status::On(systems)) => {
                        format!("changes are attributed on {systems} file systems")
                    }
                    Some(attribution::Status::Partly(systems, why)) => {
                        format!(
                            "changes are attributed on {systems} file systems, not on all: {why}"
                        )
                    }
                    Some(attribution::Status::Off(why)) => {
                        format!("changes are not attributed: {why}")
                    }
                },
                reason: self
                    .watching
                    .failed
                    .clone()
                    .or_else(|| coverage.reason.clone()),
            },
            sinks: sinks
                .into_iter()
                .map(|sink| status::Sink {
                    name: sink.name.into(),
                    state: sink.state.into(),
                    error: sink.error,
                })
                .collect(),
            spool: status::Spool {
                events: pending.events,
                bytes: pending.bytes,
                oldest_seconds: u64::try_from(pending.age / 1000).unwrap_or(0),
                dropped: pending.dropped,
                open: pending.open,
            },
            scan: status::Scan {
                running: self.looks.running(Look::Whole),
                ended: scan.map(|scan| time(scan.ended)),
                files: scan.map_or(0, |scan| scan.files),
                deviations: scan.map_or(0, |scan| scan.deviations),
                unknowns: scan.map_or(0, |scan| scan.unknowns),
            },
            ground: status::Ground {
                against: self.ground.as_ref().map_or("", |g| g.against()).into(),
                manifest,
                signer,
                profile: self.setup.profile.name.clone(),
                launch_record: self
                    .ground
                    .as_ref()
                    .map(|g| g.launch_record())
                    .unwrap_or_default(),
            },
            set_aside: self.panics.set_aside(),
            trouble: {
                let all = self.trouble.values().cloned();
                all.chain(pending.trouble).collect()
            },
        }
    }
}

/// Whether every sink takes what it is given, and there is one. Standard output, which nobody asked for, is none as long
/// as it is undecided whom else there is to ship to.
fn delivers(sinks: &[SinkState]) -> bool {
    let undecided = sinks.iter().any(|sink| sink.state == "undecided");
    let mut there = sinks
        .iter()
        .filter(|sink| !matches!(sink.state, "undecided" | "off"))
        .filter(|sink| !(undecided && sink.name == couriers::STDOUT))
        .peekable();
    there.peek().is_some() && there.all(|sink| sink.state == "delivering")
}

/// Milliseconds since 1970 in UTC (RFC 3339).
fn time(wall: i64) -> String {
    jiff::Timestamp::from_millisecond(wall)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sinks(states: &[(&'static str, &'static str)]) -> Vec<SinkState> {
        let sink = |&(name, state)| SinkState {
            name,
            state,
            error: String::new(),
        };
        states.iter().map(sink).collect()
    }

    #[test]
    fn standard_output_delivers_only_where_nobody_else_may_be_meant() {
        let stdout = ("stdout", "delivering");
        let file = ("file", "delivering");
        let open = ("cloudwatch_logs", "undecided");
        assert!(!delivers(&[]));
        assert!(!delivers(&sinks(&[open])));
        assert!(!delivers(&sinks(&[stdout, open])));
        assert!(delivers(&sinks(&[stdout, ("cloudwatch_logs", "off")])));
        assert!(delivers(&sinks(&[file, open])));
        assert!(!delivers(&sinks(&[file, ("cloudwatch_logs", "retrying")])));
    }
}
