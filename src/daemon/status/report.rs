//! What the daemon says of itself: its status, and heartbeats.

use super::{Against, BaselineInfo, Confined, Cost, Scan, SinkStatus, Spool, Status, Watch, ticks};
use crate::daemon::action::Action;
use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use agent_baseline::Baseline;
use agent_core::finding::Severity;
use agent_core::os::memory;
use agent_core::words::counted;
use agent_outbox::event::{Heartbeat, heartbeats};

/// Sends a sign of life to every sink.
pub(in crate::daemon) fn heartbeat(daemon: &mut Daemon, now: Now) {
    daemon.jobs.tend();
    memory::give_back();
    pace_heartbeats(daemon, now);
    let mut facts = facts(daemon, now);
    let usage = daemon.status.measure(now.monotonic);
    facts.rss_bytes = usage.rss_bytes;
    facts.cpu_permille = usage.cpu_permille;
    // From what the store said last: a sign of life does not wait for the disk.
    let pending = daemon.store.pending(now);
    let (source, head) = (daemon.store.origin(), daemon.store.head());
    let heartbeats = &mut daemon.status.heartbeats;
    let bytes = heartbeats.next(source, &facts, &pending, head, now.wall.0);
    daemon.sinks.heartbeat(&bytes, now.wall);
    daemon.status.stale = true;
}

/// Heartbeats are more frequent while something is amiss.
pub(in crate::daemon) fn pace_heartbeats(daemon: &mut Daemon, now: Now) {
    let amiss = heartbeats::amiss(&facts(daemon, now), &daemon.store.pending(now));
    daemon.timers.pace_heartbeats(amiss, now.monotonic);
}

/// What a heartbeat says, but for what the agent uses of the host.
fn facts(daemon: &Daemon, now: Now) -> Heartbeat {
    let uptime = now
        .monotonic
        .saturating_duration_since(daemon.status.started.monotonic);
    let scan = daemon.scan.last_scan();
    let kernel = rustix::system::uname();
    Heartbeat {
        uptime_s: uptime.as_secs(),
        interval_s: daemon.timers.heartbeat_interval().as_secs(),
        watching: sees(daemon),
        files: scan.map_or(0, |scan| scan.files),
        directories: daemon.watch.directories(),
        linked: daemon.watch.health.linked(),
        unknowns: daemon.scan.unknowns(),
        last_scan: scan,
        rss_bytes: 0,
        cpu_permille: 0,
        clock_skew_ms: daemon.sinks.skew(),
        sinks: daemon.sinks.states(),
        kernel: kernel.release().to_string_lossy().into_owned(),
        // The store adds its own.
        trouble: daemon.problems.sentences(),
    }
}

/// Whether changes are noticed, and looked at, as they are made.
fn sees(daemon: &Daemon) -> bool {
    daemon.watch.health.sees() && daemon.problems.get(Problem::Stalled).is_none()
}

/// Tells of an endpoint that is neither AWS's own nor named in `agent.toml`, once: all events go there.
pub(in crate::daemon) fn tell_endpoint(daemon: &mut Daemon, now: Now) {
    let foreign = (daemon.sinks.endpoint()).filter(|endpoint| endpoint.is_foreign());
    let sentence = foreign.map(|endpoint| {
        format!("events go to {endpoint}, which is no address of AWS and not named in agent.toml")
    });
    if daemon.problems.get(Problem::Endpoint) == sentence.as_ref() {
        return;
    }
    let mut actions = vec![Action::Problem(Problem::Endpoint, sentence.clone())];
    actions
        .extend(sentence.map(|sentence| Action::fault("sinks.endpoint", Severity::High, sentence)));
    daemon.perform(actions, now);
}

/// Writes the status, for those who ask.
pub(in crate::daemon) fn write_status(daemon: &mut Daemon, now: Now) {
    // Very many short jobs leave memory in pieces that nobody uses again for as long as they follow one another.
    if daemon.jobs.take_ended() {
        memory::give_back();
    }
    let total = daemon.status.total();
    let uptime = now
        .monotonic
        .saturating_duration_since(daemon.status.started.monotonic);
    let cost = Cost {
        rss_bytes: total.rss_bytes,
        cpu_ms: u64::try_from(total.cpu.as_millis()).unwrap_or(u64::MAX),
        uptime_s: uptime.as_secs(),
    };
    let status = status(daemon, cost, now);
    let line = line(&status);
    let written = daemon.status.write(&status, line);
    let problem = written.err();
    let problem = problem.map(|error| format!("the status cannot be written: {error}"));
    daemon.problems.set(Problem::Status, problem);
}

/// For `systemctl status`.
fn line(status: &Status) -> String {
    let word = |good: bool, yes: &'static str, no: &'static str| if good { yes } else { no };
    format!(
        "{}; {}{}; {} standing, {} waiting",
        word(status.watching, "watching", "NOT WATCHING"),
        word(status.delivering, "delivering", "NOT DELIVERING"),
        word(status.storing, "", "; NOT STORING"),
        counted(status.spool.open, "deviation"),
        counted(status.spool.events, "event"),
    )
}

fn status(daemon: &Daemon, cost: Cost, now: Now) -> Status {
    let pending = daemon.store.pending(now);
    let scan = daemon.scan.last_scan();
    let unread = scan.and_then(|scan| scan.unread).unwrap_or_default();
    let mut trouble = daemon.problems.sentences();
    trouble.extend(pending.trouble.clone());
    let running = daemon.jobs.queue.running(JobKind::FullScan);
    let active = daemon.baseline.active.as_ref();
    let total = active.and_then(|active| active.opened.total());
    let sink = |state: agent_outbox::event::SinkState| SinkStatus {
        name: state.name.into(),
        state: state.state.into(),
        error: state.error,
        endpoint: state.endpoint,
    };
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        start_ticks: ticks("self").unwrap_or(0),
        started: daemon.status.started.wall.rfc3339(),
        updated: now.wall.rfc3339(),
        watching: sees(daemon),
        delivering: daemon.sinks.deliver(),
        storing: pending.trouble.is_none()
            && daemon.problems.get(Problem::StateDirectory).is_none(),
        watch: watch(daemon),
        sinks: daemon.sinks.states().into_iter().map(sink).collect(),
        spool: Spool {
            events: pending.events,
            bytes: pending.bytes,
            oldest_seconds: u64::try_from(pending.age / 1000).unwrap_or(0),
            dropped: pending.dropped,
            open: pending.open,
        },
        scan: Scan {
            running,
            running_files: if running { daemon.jobs.scanned() } else { 0 },
            running_total: total.filter(|_| running),
            ended: scan.map(|scan| UnixMillis(scan.ended).rfc3339()),
            files: scan.map_or(0, |scan| scan.files),
            deviations: scan.map_or(0, |scan| scan.deviations),
            unknowns: scan.map_or(0, |scan| scan.unknowns),
            unread: unread.files,
            unread_bytes: unread.bytes,
            unread_why: unread.why.to_owned(),
        },
        cost,
        confinement: Confined {
            holds: daemon.setup.confinement.holds.clone(),
            lacks: daemon.setup.confinement.lacks.clone(),
        },
        ground: baseline(daemon),
        set_aside: daemon.panics.set_aside(),
        trouble,
    }
}

fn watch(daemon: &Daemon) -> Watch {
    let health = &daemon.watch.health;
    let coverage = health.coverage();
    Watch {
        directories: daemon.watch.directories(),
        left_out: coverage.left_out.len() as u64,
        linked: coverage.linked.watched,
        linked_unwatched: coverage.linked.unwatched,
        linked_reason: coverage.linked.reason.clone(),
        attribution: health.attribution(),
        reason: health.failed().or(coverage.reason.as_ref()).cloned(),
    }
}

fn baseline(daemon: &Daemon) -> BaselineInfo {
    let active = daemon.baseline.active.as_deref();
    let (manifest, signer) = active.map(ActiveBaseline::manifest).unwrap_or_default();
    let against = active.map(|active| match &active.opened.baseline {
        Some(Baseline::Manifest(_)) => Against::Manifest,
        Some(Baseline::Packages(_)) => Against::Packages,
        None => Against::Nothing,
    });
    BaselineInfo {
        against: against.unwrap_or_default(),
        manifest,
        signer,
        profile: daemon.setup.profile.name.clone(),
        launch_record: active
            .map(ActiveBaseline::launch_record)
            .unwrap_or_default(),
    }
}
