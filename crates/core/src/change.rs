//! How a change came about, as far as anybody saw: what rides on an event beside the finding. Values only.

use serde::{Deserialize, Serialize};

/// What is known of the circumstances of a change. What a stored one lacks is as in the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeContext {
    /// Who did it; `None` without attribution.
    pub actor: Option<Actor>,
    /// The package transaction that was under way, by the name of its lock's holder (`dpkg`, `dnf`, …).
    pub transaction: Option<String>,
    /// Whether the change was made while the agent was not running.
    pub while_down: bool,
    /// Whether the path was seen touched and is again as recorded.
    pub restored: bool,
    /// The newest version that manifest and amendments have of the package that explains it.
    pub replaces: Option<String>,
}

/// The file that a process runs, in the state it had then; ctime cannot be set by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Its file system, major and minor.
    pub device: (u32, u32),
    /// Its inode.
    pub inode: u64,
    /// Last change of contents or attributes: seconds and nanoseconds.
    pub ctime: (i64, u32),
}

/// The process that wrote last, at the time of the change. What could not be learned is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actor {
    /// Process id.
    pub pid: u32,
    /// `comm`
    pub name: Option<String>,
    /// `/proc/PID/exe`
    pub program: Option<String>,
    /// Which file that is, whatever it is called by now.
    #[serde(skip)]
    pub executable: Option<Executable>,
    /// The command line; arguments are masked unless `attribution_args` is set.
    pub command_line: Option<String>,
    /// Effective user id.
    pub uid: Option<u32>,
    /// Login user id (`/proc/PID/loginuid`); `None` where it was never set.
    pub login_uid: Option<u32>,
    /// Parent's process id.
    pub parent_pid: Option<u32>,
    /// Parent's `comm`.
    pub parent_name: Option<String>,
    /// systemd unit, from the control group.
    pub unit: Option<String>,
    /// Container id, from the control group.
    pub container: Option<String>,
}
