//! What the agent tells of itself: its steps, its faults, what it could not see. Values only.

use super::finding::Step;
use super::replaced::ManifestReplaced;
use agent_core::explained::Evidence;
use agent_core::finding::Severity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A step or a fault of the agent. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The agent began (6002, Start). Names the digests of its [`super::EventSource`].
    Started {
        /// Whether this is the first start since the host booted.
        first_of_boot: bool,
        /// What a reader should know of how it starts, as what was found of the run before.
        message: String,
    },
    /// The agent ends (6002, Stop).
    Stopped {
        /// Why, as `SIGTERM`.
        reason: String,
    },
    /// The configuration was read again and holds from now on (6002, Update).
    Reloaded {
        /// Which keys changed, as `scan.interval`; and which files, as `profile.toml`.
        changed: Vec<String>,
    },
    /// Something was not watched or not looked at for a while (6002, `Coverage gap`).
    CoverageGap {
        /// Why, as `the kernel's queue of file events overflowed`.
        reason: String,
        /// Since when.
        since: i64,
        /// Until when; `None` while it lasts.
        until: Option<i64>,
        /// How many paths it concerns, if that is known.
        paths: Option<u64>,
    },
    /// A package manager holds its lock, and paths change (6002, `Package transaction begun`).
    TransactionBegun(Transaction),
    /// It holds the lock no more (6002, `Package transaction ended`).
    TransactionEnded {
        /// As it was told when it began.
        transaction: Transaction,
        /// When it was seen first.
        since: i64,
        /// When it was seen last.
        until: i64,
        /// Findings that waited for its evidence.
        waited: u64,
        /// What was told of it; the store knows.
        counts: TransactionCounts,
    },
    /// A package is installed that was not there when the manifest was recorded or amended, and has files among what
    /// deviates (6002, `New package`, low).
    NewPackage(NewPackage),
    /// A fault of the agent itself (6008).
    Fault(Fault),
    /// The launch record was written (6002, `Launch record`).
    LaunchRecord {
        /// Its digest, in hexadecimal.
        sha256: String,
        /// Each path with what it was and is.
        entries: Vec<LaunchEntry>,
        /// Accounts that were added, by name.
        accounts: Vec<String>,
        /// Keys that were added, as `ACCOUNT FINGERPRINT`.
        keys: Vec<String>,
    },
    /// An amendment holds from now on (6002, `Amendment`).
    Amendment(Box<Amendment>),
    /// An amendment that was told holds no more (6002, `Amendment gone`).
    AmendmentGone {
        /// Where it was.
        path: String,
        /// Its digest, in hexadecimal.
        sha256: String,
        /// Why it had been made.
        reason: String,
    },
    /// Changes are expected for a while (6002, `Window opened`, high).
    WindowOpened(Window),
    /// They are expected no more (6002, `Window closed`).
    WindowClosed {
        /// As it was told when it was opened.
        window: Window,
        /// When it ended.
        at: i64,
        /// Why.
        why: String,
    },
    /// The manifest cannot be used (2004, critical): files are judged by the package database meanwhile. Or it can be
    /// used again (informational).
    Manifest {
        /// Where it should be.
        path: String,
        /// What is wrong with it, or was.
        state: ManifestState,
        /// What became of that.
        step: Step,
        /// When it was first seen.
        since: i64,
        /// The whole reason.
        message: String,
    },
    /// Another manifest than before is what files are judged by (6002, `Manifest replaced`).
    ManifestReplaced(Box<ManifestReplaced>),
}

/// A fault of the agent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stays the same for the same fault, as `reload.refused`.
    pub code: &'static str,
    /// One sentence for a person. No secrets, no contents of files.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
}

/// Who holds a package manager's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The program, by its `comm`: `dpkg`, `apt-get`, `dnf`, ….
    pub holder: String,
    /// Its process id; 0 if it lives in another process namespace.
    pub pid: u32,
    /// Whose lock it is: `dpkg` or `rpm`.
    pub manager: &'static str,
}

/// A package that is new on the host: whatever vouches for it, its files keep their severity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPackage {
    /// Its name.
    pub name: String,
    /// The version that is installed.
    pub version: String,
    /// What vouches for the file by which it was noticed; `None` where nothing does.
    pub evidence: Option<Evidence>,
    /// When it came (RFC 3339).
    pub at: Option<String>,
    /// The command that brought it.
    pub transaction: Option<String>,
}

/// What was told since a package transaction began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    /// Packages that explain something,
    pub packages: u64,
    /// and how many paths.
    pub explained: u64,
    /// Paths of that transaction that were told by themselves.
    pub single: u64,
    /// Those of them that are critical.
    pub critical: u64,
}

/// A path of the launch record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchEntry {
    /// The path, any bytes.
    pub path: Vec<u8>,
    /// As the manifest has it, as `sha256=…,size=1024`; `None` for a path that the first boot added.
    pub before: Option<String>,
    /// As it is; `None` for a path that the first boot removed.
    pub after: Option<String>,
}

/// An amendment, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Where it is.
    pub path: String,
    /// Its digest, in hexadecimal.
    pub sha256: String,
    /// Who sealed it; `None` if no trusted signer did.
    pub signer: Option<String>,
    /// The host that it is for; `None`: all hosts of an image.
    pub host: Option<String>,
    /// The digest of the amendment before it.
    pub after: Option<String>,
    /// The digest of the report that was accepted.
    pub seen: Option<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When (RFC 3339).
    pub at: String,
    /// Each path with what it was and is.
    pub entries: Vec<LaunchEntry>,
}

/// A time in which changes are expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Since when.
    pub opened: i64,
    /// Until when at most.
    pub until: i64,
    /// Why.
    pub reason: String,
    /// Who opened it, in words.
    pub by: String,
    /// The id of that login; `None` where the kernel knows none.
    pub login_uid: Option<u32>,
}

/// Why the manifest cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestState {
    /// Trusted signers are configured and none of them signed exactly these bytes.
    Untrusted,
    /// It was there before, or is configured, and is not there.
    Missing,
    /// It cannot be read or is malformed.
    Unreadable,
}

/// What a heartbeat says besides what the store itself knows (sequence, spool, dropped counts).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heartbeat {
    /// Since the agent started.
    pub uptime_s: u64,
    /// Between two heartbeats.
    pub interval_s: u64,
    /// Whether files are watched as they change.
    pub watching: bool,
    /// Files covered.
    pub files: u64,
    /// Directories watched.
    pub directories: u64,
    /// Files watched themselves, as they have names elsewhere.
    pub linked: LinkedFiles,
    /// Checks and paths that could not be judged when last looked at.
    pub unknowns: u64,
    /// The last whole scan that came to its end.
    pub last_scan: Option<LastScan>,
    /// Own resident memory.
    pub rss_bytes: u64,
    /// Own share of one processor since the last heartbeat, in thousandths.
    pub cpu_permille: u64,
    /// Server's clock minus own clock, if it was measured.
    pub clock_skew_ms: Option<i64>,
    /// Each sink's state.
    pub sinks: Vec<SinkState>,
    /// Kernel release, as uname(2) gives it.
    pub kernel: String,
    /// Trouble that a reader should see without looking further; empty where all is well.
    pub trouble: Vec<String>,
}

/// Recorded paths of files with several names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkedFiles {
    /// Those whose files are watched themselves.
    pub watched: u64,
    /// Those whose files are not.
    pub unwatched: u64,
    /// Why, in a sentence; where some are not.
    pub reason: Option<String>,
}

/// The last whole scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastScan {
    /// When it ended.
    pub ended: i64,
    /// Paths looked at.
    pub files: u64,
    /// Those that deviated.
    pub deviations: u64,
    /// Those that could not be judged.
    pub unknowns: u64,
    /// What was believed unread; `None` where every scan reads everything.
    pub unread: Option<Unread>,
}

impl LastScan {
    /// As heartbeats have it.
    pub(super) fn to_json(self) -> Value {
        let unread = self.unread.map(|unread| {
            json!({
                "files": unread.files, "bytes": unread.bytes,
                "why": unread.why, "hidden_processes": unread.hidden,
            })
        });
        json!({
            "ended": self.ended, "files": self.files,
            "deviations": self.deviations, "unknowns": self.unknowns,
            "unread": unread,
        })
    }
}

/// Files that a scan did not read, since an unbroken watch told of no change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why, or why there are none: a sentence.
    pub why: &'static str,
    /// Processes that did not show what they have open for writing or mapped.
    pub hidden: u64,
}

/// A sink, as heartbeats tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkState {
    /// `cloudwatch_logs`, `file`, `stdout`
    pub name: &'static str,
    /// `delivering`, `retrying`, `undecided`, `off`
    pub state: &'static str,
    /// The last error, in words; empty where all is well.
    pub error: String,
    /// Where it sends, and who said so; empty where that is not known, or is no service.
    pub endpoint: String,
}
