//! A tree that somebody else wrote is parsed by a process that has no more than that tree.

use super::Check;
use agent_confine::monitor::Monitor;
use agent_confine::{Confinement, Phase, Plan, enter};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What is read of the host beside the tree: the process itself, time zones, and how many processors it may use.
const OF_THE_HOST: [&str; 5] = [
    "/proc/self",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/lib/zoneinfo",
    "/sys/fs/cgroup",
];
/// What belongs to a manifest and lies beside it.
const BESIDE: [&str; 2] = [".sig", ".text"];

/// Before anything of the tree is opened.
pub(super) fn prepare(arguments: &Check) -> Option<io::Result<Monitor>> {
    let live = arguments.root == Path::new("/");
    (!live).then(Monitor::start)
}

/// Gives up everything that reading the tree does not take. `places`: files that reports go to.
pub(super) fn enter_tree<'a>(
    arguments: &Check,
    monitor: io::Result<Monitor>,
    places: impl Iterator<Item = &'a Path>,
) -> Confinement {
    let mut readable: Vec<PathBuf> = OF_THE_HOST.map(PathBuf::from).into();
    readable.push(arguments.root.clone());
    for named in [&arguments.manifest, &arguments.launch]
        .into_iter()
        .flatten()
    {
        let beside = BESIDE.map(|ending| {
            let mut name = OsString::from(named);
            name.push(ending);
            PathBuf::from(name)
        });
        readable.push(named.clone());
        readable.extend(beside);
    }
    let directory = |file: &Path| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let plan = Plan {
        phase: Phase::Parse,
        writable: places.map(directory).collect(),
        readable: Some(readable),
    };
    enter(&plan, monitor)
}

/// What a reader must know of it.
pub(super) fn notes(confinement: &Confinement) -> impl Iterator<Item = String> {
    let lacks = confinement
        .lacks
        .iter()
        .map(|lack| format!("the tree was read without a safeguard: {lack}"));
    lacks.collect::<Vec<_>>().into_iter()
}

/// What was refused meanwhile, for whoever reads the notes.
pub(super) fn refused(confinement: &Confinement) -> impl Iterator<Item = String> {
    let refused = confinement.refused().into_iter();
    refused.map(|call| {
        format!("the agent was refused a {call} that it is not known to make: please report it")
    })
}
