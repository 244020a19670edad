//! What the running daemon says of itself: a file that it writes, and the judgement of it.
// Long: each field of the status is a key of the file.

pub(crate) mod open;
pub(in crate::daemon) mod report;
mod usage;
pub(in crate::daemon) mod writer;

use crate::daemon::clock::UnixMillis;
use agent_core::error::{Error, Result};
use agent_core::os::atomic::Pending;
use agent_core::os::own;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file's name in the runtime directory.
const NAME: &str = "status.json";
/// Permissions: for everybody to read, nothing secret is in it.
const MODE: u16 = 0o644;
/// Bytes of the file that are read at most; it has a few thousand.
// Own bound: of a file of the agent's own.
const LIMIT: u64 = 4 << 20;
/// Longest time between two writings.
pub(in crate::daemon) const INTERVAL: Duration = Duration::from_secs(10);
/// A daemon that has not written for this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the daemon says of itself. Times are UTC (RFC 3339).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// Version of the agent.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Since when it runs, in clock ticks since boot (proc_pid_stat(5), field 22): tells it from another process
    /// that got the same id.
    pub start_ticks: u64,
    /// When it began.
    pub started: String,
    /// When this was written.
    pub updated: String,
    /// Whether changes are noticed as they are made.
    pub watching: bool,
    /// Whether every sink takes what it is given.
    pub delivering: bool,
    /// Whether the store takes what it is given: if not, a kill loses what is not delivered.
    #[serde(default = "yes")]
    pub storing: bool,
    /// The watch.
    pub watch: Watch,
    /// Each sink.
    pub sinks: Vec<SinkStatus>,
    /// What waits.
    pub spool: Spool,
    /// Whole scans.
    pub scan: Scan,
    /// What the agent uses of the host.
    pub cost: Cost,
    /// What the agent took from itself.
    pub confinement: Confined,
    /// What verdicts rest on.
    pub ground: BaselineInfo,
    /// What is not looked at, since the agent panicked there again and again.
    pub set_aside: Vec<String>,
    /// What a person should look at; empty where all is well.
    pub trouble: Vec<String>,
}

/// The watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Watch {
    /// Directories that are watched.
    pub directories: u64,
    /// Directories that are not, each with everything below it, and are looked at now and then instead.
    pub left_out: u64,
    /// Recorded paths of files with several names whose files are watched themselves.
    pub linked: u64,
    /// Those whose files are not.
    pub linked_unwatched: u64,
    /// Why, in a sentence; where some are not.
    pub linked_reason: Option<String>,
    /// Whether changes are attributed, in words.
    pub attribution: String,
    /// Why nothing is watched, or not everything.
    pub reason: Option<String>,
}

/// A sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SinkStatus {
    /// `cloudwatch_logs`, `file`, `stdout`
    pub name: String,
    /// `delivering`, `retrying`, `undecided`, `off`
    pub state: String,
    /// The last error; empty where all is well.
    pub error: String,
    /// Where it sends, and who said so; empty where that is not known, or is no service.
    pub endpoint: String,
}

/// What waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Spool {
    /// Events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Age of the oldest in seconds.
    pub oldest_seconds: u64,
    /// Events that a full spool dropped.
    pub dropped: u64,
    /// Deviations that stand.
    pub open: u64,
}

/// Whole scans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Scan {
    /// Whether one is under way.
    pub running: bool,
    /// Paths that the one under way has looked at.
    pub running_files: u64,
    /// Paths that it will have looked at, about; `None` where that is not known.
    pub running_total: Option<u64>,
    /// When the last one ended; `None` before.
    pub ended: Option<String>,
    /// Paths that it looked at.
    pub files: u64,
    /// Those that deviated.
    pub deviations: u64,
    /// Those that could not be judged.
    pub unknowns: u64,
    /// Files that were believed unread (`scan.rehash`).
    pub unread: u64,
    /// Their bytes.
    pub unread_bytes: u64,
    /// Why, or why there are none; empty where every scan reads everything.
    pub unread_why: String,
}

/// What the agent uses of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Cost {
    /// Resident memory.
    pub rss_bytes: u64,
    /// Processor time since it began.
    pub cpu_ms: u64,
    /// Seconds since it began.
    pub uptime_s: u64,
}

/// What the agent took from itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Confined {
    /// What holds, each in a few words.
    pub holds: Vec<String>,
    /// What does not, and why.
    pub lacks: Vec<String>,
}

/// What verdicts rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BaselineInfo {
    /// What files are compared with.
    pub against: Against,
    /// SHA-256 of the manifest; empty where none is used.
    pub manifest: String,
    /// Who sealed it; empty if no trusted signer did.
    pub signer: String,
    /// Name of the profile in force.
    pub profile: String,
    /// SHA-256 of the launch record; empty where none is used.
    pub launch_record: String,
}

/// What files are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Against {
    /// It has not been opened yet.
    #[default]
    #[serde(rename = "")]
    Unknown,
    /// A manifest.
    Manifest,
    /// The package database.
    Packages,
    /// There is nothing to compare with.
    Nothing,
}

/// How it is with the daemon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Liveness {
    /// There is none.
    Absent,
    /// It runs, and says this of itself; whether it still writes.
    Runs(Box<Status>, bool),
}

impl Liveness {
    /// The exit status of `agent status`: 0 alive, watching, delivering, storing and looking at everything; 1 alive and
    /// not all of that; 3 no daemon.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Liveness::Absent => 3,
            Liveness::Runs(status, writes) => {
                let well = status.watching && status.delivering && status.storing;
                u8::from(!(*writes && well && status.set_aside.is_empty()))
            }
        }
    }
}

/// What an older daemon did not say.
fn yes() -> bool {
    true
}

/// Writes the status for others to read.
pub(in crate::daemon) fn write(runtime: &Path, status: &Status) -> io::Result<()> {
    let mut pending = Pending::create(&place(runtime), MODE)?;
    serde_json::to_writer(&mut pending, status)?;
    pending.write_all(b"\n")?;
    pending.commit()
}

/// The daemon has come to its end.
pub(in crate::daemon) fn remove(runtime: &Path) {
    // Where it stays, its process is looked for in vain.
    std::fs::remove_file(place(runtime)).unwrap_or_default();
    open::remove(runtime);
}

/// How it is with the daemon; an error if what it wrote cannot be read. `now` in milliseconds since 1970.
pub(crate) fn read(runtime: &Path, now: i64) -> Result<Liveness> {
    let path = place(runtime);
    let fault = |error: io::Error| Error::in_file(&path, format!("cannot be read: {error}"));
    let Some(text) = own::read(&path, LIMIT).map_err(fault)? else {
        return Ok(Liveness::Absent);
    };
    let status: Status = serde_json::from_slice(&text)
        .map_err(|error| Error::in_file(&path, format!("is no status of a daemon: {error}")))?;
    if !lives(status.pid, status.start_ticks) {
        return Ok(Liveness::Absent);
    }
    let updated = status.updated.parse::<jiff::Timestamp>();
    let updated = updated.map(|updated| UnixMillis(updated.as_millisecond()));
    // What was written in a time to come was not written by whoever still writes: the clock went back, or it is forged.
    let writes = updated.is_ok_and(|updated| {
        let now = UnixMillis(now);
        now - updated < PATIENCE && updated - now < PATIENCE
    });
    Ok(Liveness::Runs(Box::new(status), writes))
}

/// Whether that process, and not another of the same id, is there.
fn lives(pid: u32, start_ticks: u64) -> bool {
    let id = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let there = id.is_some_and(|id| {
        // Not permitted: it is there.
        !matches!(
            rustix::process::test_kill_process(id),
            Err(rustix::io::Errno::SRCH)
        )
    });
    there && ticks(&pid.to_string()).is_none_or(|ticks| ticks == start_ticks)
}

/// When a process began; `None` where that cannot be seen.
pub(in crate::daemon) fn ticks(process: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything; field 22 is the twentieth behind it.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_whitespace().nth(19)?.parse().ok()
}

fn place(runtime: &Path) -> PathBuf {
    runtime.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_is_told_from_what_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let now = 1_700_000_000_000;
        let at = |ms| {
            jiff::Timestamp::from_millisecond(ms)
                .expect("in range")
                .to_string()
        };
        let own = Status {
            pid: std::process::id(),
            start_ticks: ticks("self").expect("/proc"),
            updated: at(now - 1000),
            watching: true,
            delivering: true,
            storing: true,
            ..Status::default()
        };
        assert_eq!(read(directory.path(), now).expect("absent").exit(), 3);
        let old = at(now - 100_000);
        let ahead = at(now + 100_000);
        let cases: [(&dyn Fn(&mut Status), u8, &str); 9] = [
            (&|_| (), 0, "well"),
            (&|status| status.watching = false, 1, "blind"),
            (&|status| status.delivering = false, 1, "mute"),
            (&|status| status.storing = false, 1, "keeps nothing"),
            (
                &|status| status.set_aside = vec!["a".into()],
                1,
                "looks away",
            ),
            (&|status| status.updated.clone_from(&old), 1, "hangs"),
            (
                &|status| status.updated.clone_from(&ahead),
                1,
                "of a time to come",
            ),
            (&|status| status.start_ticks = 1, 3, "another process"),
            (&|status| status.pid = 0x3fff_fff0, 3, "gone"),
        ];
        for (change, exit, why) in cases {
            let mut status = own.clone();
            change(&mut status);
            write(directory.path(), &status).expect(why);
            let daemon = read(directory.path(), now).expect(why);
            assert_eq!(daemon.exit(), exit, "{why}");
        }
        std::fs::write(place(directory.path()), "{").expect("written");
        assert!(read(directory.path(), now).is_err());
    }
}
