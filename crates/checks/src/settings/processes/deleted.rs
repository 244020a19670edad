//! `processes.deleted_program`: code that runs and is no longer on disk.
//!
//! After an update that is as it should be until the service is started anew. So code is told as `low` where its
//! contents are those that the sealed manifest has for its path, or where a package owns the path whose last
//! transaction is younger than the process, or took the file away: a service goes on making processes of its old code.
//! Whoever runs a program of their own in the place of a package's, and puts the package's back, has none of these.

use super::checks::DELETED_PROGRAM as CHECK;
use super::code::{self, Code, Runner};
use super::{Unit, place, unit};
use crate::settings::context::Context;
use crate::settings::manifest;
use agent_core::attributes::Digest;
use agent_core::escape;
use agent_core::finding::{Finding, Severity, Verdict};
use agent_core::os::others;
use agent_packages::{DatabaseKind, detect, dpkg, log, rpm};
use serde_json::json;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;

/// USER_HZ: in this unit the kernel tells times to programs, whatever its own clock is (time(7)).
const TICKS: u64 = 100;
/// Processes and units named in one finding.
const NAMED: usize = 8;

/// Judges all code that is gone.
pub(super) fn judge(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    if !context.live() {
        let message = "only the running system has processes";
        emit(context.finding(&CHECK, Verdict::NotApplicable, "processes", message));
        return;
    }
    let gone = match code::look(context.root) {
        Ok(gone) => gone,
        Err(error) => {
            let message = format!("the processes cannot be listed: {error}");
            emit(context.finding(&CHECK, Verdict::Unknown, "processes", message));
            return;
        }
    };
    let mut explanations = Explanations::default();
    for (code, runners) in &gone.code {
        emit(found(context, code, runners, &mut explanations));
    }
    if gone.hidden > 0 {
        // Without their number, which is another one at each look.
        let message =
            "the programs of other users' processes cannot be looked at without CAP_SYS_PTRACE";
        emit(context.finding(&CHECK, Verdict::Unknown, "processes", message));
    } else if gone.code.is_empty() {
        let message = format!("{} processes run what is on disk", gone.seen);
        emit(context.finding(&CHECK, Verdict::Pass, "processes", message));
    }
}

fn found(
    context: &Context<'_>,
    code: &Code,
    runners: &[Runner],
    explanations: &mut Explanations,
) -> Finding {
    let units: BTreeSet<String> = runners
        .iter()
        .filter_map(|runner| match unit(context.root, runner.pid) {
            Unit::Is(unit) => Some(unit),
            Unit::Unknown => None,
        })
        .collect();
    let pids: Vec<u32> = runners.iter().map(|runner| runner.pid).collect();
    let explained = match code.memory {
        true => None,
        false => explanations.of(context, code, runners),
    };
    let shown = escape::lossless_text(&code.path).0;
    let named: Vec<String> = pids.iter().take(NAMED).map(u32::to_string).collect();
    let many = match runners.len() {
        1 => format!("process {} runs", named.join("")),
        count if count > NAMED => format!("{count} processes run ({} …)", named.join(", ")),
        _ => format!("processes {} run", named.join(", ")),
    };
    let message = match (&explained, code.memory) {
        (_, true) => format!("{many} code that was made in memory ({shown}) and never was a file"),
        (Some(why), false) => format!("{many} the old code of {shown}: {why}"),
        (None, false) => format!(
            "{many} {shown}, which is gone from disk or was replaced, and no package explains that"
        ),
    };
    let remediation = match (&explained, units.is_empty()) {
        (Some(_), false) => {
            let units: Vec<&str> = units.iter().map(String::as_str).take(NAMED).collect();
            format!("systemctl restart {}", units.join(" "))
        }
        (Some(_), true) => {
            "end these processes and start them anew, or start the host anew".to_owned()
        }
        (None, _) => format!(
            "look at the program while it runs (/proc/{}/{}), and find out who started it",
            pids.first().copied().unwrap_or_default(),
            runners
                .first()
                .map_or("exe", |runner| runner.contents.as_str())
        ),
    };
    let mut finding = context.finding(&CHECK, Verdict::Fail, code.path.clone(), message);
    if explained.is_some() {
        finding.severity = finding.severity.min(Severity::Low);
    }
    let units: Vec<&String> = units.iter().take(NAMED).collect();
    // Which processes, the message says: they come and go, and are the same deviation.
    finding
        .evidence(
            json!({ "gone": false }),
            json!({ "gone": true, "units": units }),
        )
        .remediation(remediation)
}

/// What explains that code is gone, read when it is first asked for.
#[derive(Default)]
struct Explanations {
    read: bool,
    owners: Option<dpkg::Owners>,
    logs: log::Logs,
    /// When the host was booted, in seconds since 1970.
    booted: Option<i64>,
}

impl Explanations {
    /// Why the code is an old one, in words; `None` where nothing says so.
    fn of(&mut self, context: &Context<'_>, code: &Code, runners: &[Runner]) -> Option<String> {
        let path = code.path.strip_prefix(b"/")?;
        if recorded(context, path, runners) {
            return Some(
                "it is what the manifest has there, and was removed or replaced since".into(),
            );
        }
        self.read(context);
        let place = context.root.resolve(path, false).ok();
        let path = place.map_or_else(|| path.to_vec(), |place| place.path);
        let (package, at) = self.came(context, &path)?;
        let is_old = |runner: &Runner| {
            self.started(context, runner.pid)
                .is_some_and(|started| started <= at)
                || gone_since(runner).is_some_and(|gone| gone <= at)
        };
        runners
            .iter()
            .all(is_old)
            .then(|| format!("package {package} was installed after it was started"))
    }

    fn read(&mut self, context: &Context<'_>) {
        if std::mem::replace(&mut self.read, true) {
            return;
        }
        if detect(context.root) == DatabaseKind::Dpkg {
            self.owners = dpkg::Owners::load(context.root).ok();
            if let Some(owners) = &self.owners {
                let is_there = |name: &str| owners.named(name).next().is_some();
                self.logs = log::Logs::read(context.root, &is_there);
            }
        }
        let stat = context.read("proc/stat").ok().flatten().unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
        self.booted = line.and_then(|seconds| seconds.trim().parse().ok());
    }

    /// The package that owns the path, and when its version came, in seconds since 1970.
    fn came(&self, context: &Context<'_>, path: &[u8]) -> Option<(String, i64)> {
        if let Some(owners) = &self.owners {
            let package = owners.of(path).next()?;
            let at: jiff::Timestamp = self.logs.came(package)?.at.parse().ok()?;
            return Some((package.name.clone(), at.as_second()));
        }
        let mut found = None;
        rpm::signed::packages(context.root, &mut |entry| {
            let (Some(package), (Some(at), _)) = (entry.package(), entry.installed()) else {
                return;
            };
            entry.files(&mut |file| {
                if file.path == path {
                    found = i64::try_from(at).ok().map(|at| (package.name.clone(), at));
                }
            });
        })
        .ok()?;
        found
    }

    /// When the process was started, in seconds since 1970 (proc_pid_stat(5), field 22).
    fn started(&self, context: &Context<'_>, pid: u32) -> Option<i64> {
        let stat = context.read(&format!("proc/{pid}/stat")).ok()??;
        let stat = String::from_utf8_lossy(&stat).into_owned();
        // The name may hold blanks and brackets.
        let behind = stat.rsplit_once(')')?.1;
        let ticks: u64 = behind.split_whitespace().nth(19)?.parse().ok()?;
        self.booted?.checked_add(i64::try_from(ticks / TICKS).ok()?)
    }
}

/// Whether what the processes run are the contents that the manifest has for the path.
fn recorded(context: &Context<'_>, path: &[u8], runners: &[Runner]) -> bool {
    let Ok(Some(verified)) = manifest::open(context) else {
        return false;
    };
    let Ok(Some(entry)) = verified.manifest.find(path) else {
        return false;
    };
    let Some(Digest::Sha256(known)) = entry.attributes.digest else {
        return false;
    };
    runners
        .iter()
        .all(|runner| digest(runner).is_ok_and(|digest| digest == known))
}

/// When the file that the process runs lost its last name, in seconds since 1970: nobody can set a ctime (inode(7)), and
/// of a file without a name nobody changes anything else. `None` where it has one.
fn gone_since(runner: &Runner) -> Option<i64> {
    let process = others::process(runner.pid).ok()?;
    let file = others::open(&process, runner.contents.as_bytes()).ok()?;
    let metadata = file.metadata().ok()?;
    (metadata.nlink() == 0).then(|| metadata.ctime())
}

fn digest(runner: &Runner) -> io::Result<[u8; 32]> {
    let process = others::process(runner.pid)?;
    place::digest(others::open(&process, runner.contents.as_bytes())?)
}
