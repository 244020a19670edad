//! What the agent tells of itself as events: Application Lifecycle (6002) and Application Error (6008).

use super::draft::{Class, Draft, INFORMATIONAL, severity};
use super::finding::Step;
use super::lifecycle::{Fault, Heartbeat, LastScan, Lifecycle, ManifestState};
use super::source::{EventSource, digests};
use super::{PRODUCT, accepted, gap::Dropped, listing, replaced, transaction};
use agent_core::finding::Severity;
use agent_core::words::counted;
use serde_json::{Map, Value, json};

pub(super) const SUCCESS: (u64, &str) = (1, "Success");
pub(super) const FAILURE: (u64, &str) = (2, "Failure");

pub(super) fn lifecycle(
    activity: u64,
    activity_name: &'static str,
    level: (u64, &str),
    status: (u64, &str),
    message: &str,
    now: i64,
) -> Draft {
    let class = Class {
        uid: 6002,
        name: "Application Lifecycle",
        category: 6,
        activity,
        activity_name,
    };
    Draft::new(class, level, status, message, now).with(
        "app",
        json!({ "name": PRODUCT, "vendor_name": PRODUCT, "version": env!("CARGO_PKG_VERSION") }),
    )
}

/// The severity by which the spool judges what may go first; `None` for what is never dropped.
pub fn rank(event: &Lifecycle) -> Option<Severity> {
    match event {
        Lifecycle::Fault(fault) => Some(fault.severity),
        _ => None,
    }
}

/// The events of a step: one, or more where a listing does not fit into one.
pub fn drafts(source: &EventSource, event: &Lifecycle, now: i64) -> Vec<Draft> {
    let draft = match event {
        Lifecycle::Started {
            first_of_boot,
            message,
        } => lifecycle(3, "Start", INFORMATIONAL, SUCCESS, message, now)
            .unmapped("first_of_boot", json!(first_of_boot))
            .unmapped("digests", digests(&source.digests)),
        Lifecycle::Stopped { reason } => {
            let message = format!("stops: {reason}");
            lifecycle(4, "Stop", INFORMATIONAL, SUCCESS, &message, now)
        }
        Lifecycle::Reloaded { changed } => {
            let message = match changed.is_empty() {
                true => "configuration read again: nothing changed".into(),
                false => format!("configuration read again: {}", changed.join(", ")),
            };
            lifecycle(8, "Update", INFORMATIONAL, SUCCESS, &message, now)
                .unmapped("digests", digests(&source.digests))
        }
        Lifecycle::CoverageGap {
            reason,
            since,
            until,
            paths,
        } => {
            let level = severity(Severity::Medium);
            lifecycle(99, "Coverage gap", level, FAILURE, reason, now)
                .with("start_time", json!(since))
                .unmapped("until", json!(until))
                .unmapped("paths", json!(paths))
        }
        Lifecycle::TransactionBegun(begun) => transaction::begun(begun, now),
        Lifecycle::TransactionEnded {
            transaction: ended,
            since,
            until,
            waited,
            counts,
        } => transaction::ended(ended, (*since, *until), *waited, counts, now),
        Lifecycle::NewPackage(package) => transaction::new_package(package, now),
        Lifecycle::Fault(fault) => error(fault, now),
        Lifecycle::LaunchRecord {
            sha256,
            entries,
            accounts,
            keys,
        } => return listing::launch(source, sha256, entries, accounts, keys, now),
        Lifecycle::Amendment(amendment) => return listing::amendment(source, amendment, now),
        Lifecycle::AmendmentGone {
            path,
            sha256,
            reason,
        } => accepted::gone(path, sha256, reason, now),
        Lifecycle::WindowOpened(window) => accepted::window_opened(window, now),
        Lifecycle::WindowClosed { window, at, why } => {
            accepted::window_closed(window, *at, why, now)
        }
        Lifecycle::Manifest {
            path,
            state,
            step,
            since,
            message,
        } => manifest(source, path, (*state, *step), *since, message, now)
            .unmapped("digests", digests(&source.digests)),
        Lifecycle::ManifestReplaced(news) => replaced::draft(news, now),
    };
    vec![draft.finish(source)]
}

fn error(fault: &Fault, now: i64) -> Draft {
    let class = Class {
        uid: 6008,
        name: "Application Error",
        category: 6,
        activity: 1,
        activity_name: "General Error",
    };
    let level = severity(fault.severity);
    Draft::new(class, level, FAILURE, &fault.message, now).with("status_code", json!(fault.code))
}

/// A detection, since that is what alarms are set on: without a manifest nobody knows what was baked.
fn manifest(
    source: &EventSource,
    path: &str,
    (state, step): (ManifestState, Step),
    since: i64,
    message: &str,
    now: i64,
) -> Draft {
    let (activity, activity_name, status) = step.words();
    let class = Class {
        uid: 2004,
        name: "Detection Finding",
        category: 2,
        activity,
        activity_name,
    };
    let word = match state {
        ManifestState::Untrusted => "untrusted",
        ManifestState::Missing => "missing",
        ManifestState::Unreadable => "unreadable",
    };
    let host = &source.host;
    let names = [&host.instance_id, &host.machine_id, &host.hostname];
    let host = names.into_iter().find(|name| !name.is_empty());
    let uid = format!("manifest-{}", host.map_or("", String::as_str));
    let name = path.rsplit('/').next().unwrap_or(path);
    let level = match step {
        Step::Cleared => INFORMATIONAL,
        Step::Raised | Step::Changed | Step::Reminded => severity(Severity::Critical),
    };
    Draft::new(class, level, status, message, now)
        .with(
            "finding_info",
            json!({
                "uid": uid,
                "title": "The manifest cannot be used",
                "types": ["file_integrity"],
                "analytic": { "uid": "manifest", "type_id": 1 },
                "created_time": since,
                "first_seen_time": since,
                "last_seen_time": now,
            }),
        )
        .with("is_alert", json!(step != Step::Cleared))
        .with("confidence_id", json!(3))
        .with(
            "evidences",
            json!([{ "name": "manifest", "file": { "name": name, "path": path, "type_id": 1 } }]),
        )
        .unmapped("state", json!(word))
}

/// The store was set aside: the first event of the chain that follows.
pub fn set_aside(source: &EventSource, path: &str, reason: &str, now: i64) -> Draft {
    error(
        &Fault {
            code: "store.set_aside",
            message: format!(
                "the store was set aside as {path} and a new one begun: {reason}; events that it still held are not shipped, findings that stand are told anew"
            ),
            severity: Severity::High,
        },
        now,
    )
    .finish(source)
}

/// Very many new deviations at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    /// What findings of little severity carry while it lasts.
    pub id: String,
    /// When it began, in milliseconds since 1970.
    pub began: i64,
    /// Deviations in it so far.
    pub count: u64,
    /// By severity, worst first.
    pub by_severity: [u64; 4],
    /// By directory or area, most first; the last one may stand for all others.
    pub by_place: Vec<(String, u64)>,
}

/// A flood has begun. As severe as the worst of it so far.
pub fn flood_begun(source: &EventSource, flood: &Flood, now: i64) -> Draft {
    let message = format!(
        "a flood has begun, {} new deviations so far: each is told as an event of its own, worst first; those of low and medium severity carry its id",
        flood.count
    );
    flood_draft("Flood begun", message, flood, now).finish(source)
}

/// A flood is over, and what was in it. `why`: where it did not end by itself.
pub fn flood_ended(source: &EventSource, flood: &Flood, why: Option<&str>, now: i64) -> Draft {
    let counts = Severity::WORST_FIRST.into_iter().zip(flood.by_severity);
    let words: Vec<String> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", severity.name()))
        .collect();
    let message = format!(
        "the flood is over{}: {} new deviations ({})",
        why.map(|why| format!(" ({why})")).unwrap_or_default(),
        flood.count,
        words.join(", ")
    );
    flood_draft("Flood ended", message, flood, now)
        .with("start_time", json!(flood.began))
        .with("end_time", json!(now))
        .finish(source)
}

fn flood_draft(activity_name: &'static str, message: String, flood: &Flood, now: i64) -> Draft {
    let worst = flood.by_severity.iter().position(|count| *count > 0);
    let worst = worst.map_or(Severity::Low, |at| Severity::WORST_FIRST[at]);
    let severities: Map<String, Value> = Severity::WORST_FIRST
        .into_iter()
        .zip(flood.by_severity)
        .map(|(severity, count)| (severity.name().to_owned(), json!(count)))
        .collect();
    let places: Vec<Value> = flood
        .by_place
        .iter()
        .map(|(place, count)| json!({ "path": place, "count": count }))
        .collect();
    lifecycle(99, activity_name, severity(worst), FAILURE, &message, now)
        .with("count", json!(flood.count))
        .unmapped("flood", json!(flood.id))
        .unmapped(
            "flood_summary",
            json!({ "by_severity": severities, "by_directory": places }),
        )
}

/// Events that will not arrive, and where they were in the chain.
pub fn dropped(source: &EventSource, dropped: &Dropped, now: i64) -> Draft {
    let message = format!(
        "{} will not arrive: {}",
        counted(dropped.count, "event"),
        dropped.reason
    );
    let severities: Map<String, Value> = Severity::WORST_FIRST
        .into_iter()
        .map(Severity::name)
        .chain(["own"])
        .zip(dropped.by_rank)
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    let level = severity(Severity::High);
    lifecycle(99, "Dropped events", level, FAILURE, &message, now)
        .with("count", json!(dropped.count))
        .unmapped("dropped", {
            json!({ "by_severity": severities, "ranges": dropped.ranges() })
        })
        .finish(source)
}

/// What waits in the spool, and what was lost: what a heartbeat says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spool {
    /// Events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Age of the oldest in milliseconds; 0 where nothing waits.
    pub age: i64,
    /// Events that a full spool dropped, since the chain began.
    pub dropped: u64,
    /// Events that a sink refused for good, since the chain began.
    pub refused: u64,
    /// Findings that stand and whose event was dropped: they are told anew when found again.
    pub untold: u64,
    /// Findings in the ledger.
    pub open: u64,
    /// Held in memory, not yet on disk.
    pub held: u64,
    /// What came in and could not be held while the disk was full.
    pub lost: u64,
    /// Why the store cannot be written at present.
    pub trouble: Option<String>,
}

/// A heartbeat.
pub fn heartbeat(source: &EventSource, facts: &Heartbeat, spool: &Spool, now: i64) -> Draft {
    let mut trouble = facts.trouble.clone();
    trouble.extend(spool.trouble.clone());
    let (status, message) = match trouble.is_empty() {
        true => (SUCCESS, "alive".to_owned()),
        false => (FAILURE, format!("alive; {}", trouble.join("; "))),
    };
    let scan = facts.last_scan.map(LastScan::to_json);
    let sinks: Map<String, Value> = facts
        .sinks
        .iter()
        .map(|sink| {
            let words = match sink.error.is_empty() {
                true => sink.state.to_owned(),
                false => format!("{}: {}", sink.state, sink.error),
            };
            (sink.name.to_owned(), json!(words))
        })
        .collect();
    let endpoint = facts.sinks.iter().find(|sink| !sink.endpoint.is_empty());
    lifecycle(99, "Heartbeat", INFORMATIONAL, status, &message, now)
        .unmapped("uptime_s", json!(facts.uptime_s))
        .unmapped("interval_s", json!(facts.interval_s))
        .unmapped(
            "coverage",
            json!({
                "watching": facts.watching, "files": facts.files,
                "directories": facts.directories, "unknowns": facts.unknowns,
                "linked": {
                    "watched": facts.linked.watched, "unwatched": facts.linked.unwatched,
                    "reason": facts.linked.reason,
                },
            }),
        )
        .unmapped("last_scan", scan.unwrap_or(Value::Null))
        .unmapped(
            "spool",
            json!({
                "events": spool.events, "bytes": spool.bytes, "age_ms": spool.age,
                "dropped_total": spool.dropped, "refused_total": spool.refused,
                "held": spool.held, "lost_total": spool.lost,
            }),
        )
        .unmapped(
            "ledger",
            json!({ "open": spool.open, "untold": spool.untold }),
        )
        .unmapped(
            "self",
            json!({ "rss_bytes": facts.rss_bytes, "cpu_permille": facts.cpu_permille }),
        )
        .unmapped("kernel", json!(facts.kernel))
        .unmapped("clock_skew_ms", json!(facts.clock_skew_ms))
        .unmapped("sinks", Value::Object(sinks))
        .unmapped(
            "endpoint",
            endpoint.map_or(Value::Null, |sink| json!(sink.endpoint)),
        )
        .unmapped("digests", digests(&source.digests))
        .finish(source)
}
