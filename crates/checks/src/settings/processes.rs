//! Who runs on the live host, as far as /proc lets the caller see; and what of it is no longer on disk.

mod checks;
mod code;
mod deleted;
mod place;

pub use checks::CHECKS;

use super::context::Context;
use agent_core::bounds;
use agent_core::finding::Finding;
use agent_core::os::root::Root;
use agent_core::os::{others, procfs};
use std::io;

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    if context.wants(&checks::DELETED_PROGRAM) {
        deleted::judge(context, emit);
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// comm of proc(5): at most 15 bytes of its program's name, or what it called itself.
    pub name: String,
    /// Its program; `None` for kernel threads, and where the caller may not see it.
    pub program: Option<String>,
    /// Its effective user.
    pub uid: u32,
}

/// comm holds no more (TASK_COMM_LEN).
const COMM: usize = 15;

/// All processes. One that ends meanwhile is left out.
pub fn list(root: &Root) -> io::Result<Vec<Process>> {
    let processes = procfs::processes(root)?;
    let found: Vec<Process> = processes
        .into_iter()
        .filter_map(|pid| one(root, pid))
        .collect();
    match found.is_empty() {
        true => Err(io::Error::other("/proc shows no process: is it mounted?")),
        false => Ok(found),
    }
}

fn one(root: &Root, pid: u32) -> Option<Process> {
    let directory = format!("proc/{pid}");
    let handle = root.resolve(directory.as_bytes(), false).ok()?.handle?;
    let status = root
        .read(format!("{directory}/status").as_bytes(), bounds::SHORT_FILE)
        .ok()??;
    let status = String::from_utf8_lossy(&status);
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
    // Real, effective, saved and of the file system.
    let uid = line("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
    let name = line("Name:")?.trim().to_owned();
    let program = others::read_link(&handle, b"exe").ok();
    let program = program.map(|path| {
        let path = String::from_utf8_lossy(&path).into_owned();
        match path.strip_suffix(" (deleted)") {
            Some(before) => before.to_owned(),
            None => path,
        }
    });
    Some(Process {
        pid,
        name,
        program,
        uid,
    })
}

impl Process {
    /// The name of its program: the last part of its path, else what comm has of it.
    pub fn short(&self) -> &str {
        match &self.program {
            Some(path) => path.rsplit('/').next().unwrap_or(path),
            None => &self.name,
        }
    }

    /// Whether it runs one of these programs, for root or an account of the system's: a person's process can
    /// bear any name.
    pub fn is_one_of(&self, programs: &[&str]) -> bool {
        self.uid < 1000
            && programs.iter().any(|program| match &self.program {
                Some(path) => path.rsplit('/').next() == Some(program),
                None => self.name == program[..program.len().min(COMM)],
            })
    }
}

/// Interpreters and words that say nothing of what runs: then the unit that a process belongs to decides.
const COMMON: [&str; 9] = [
    "agent",
    "aws",
    "java",
    "node",
    "perl",
    "python",
    "python2",
    "python2.7",
    "ruby",
];

/// Whether a service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// One of its processes is there.
    Yes,
    /// None is.
    No,
    /// A process bears the name, and nothing tells whose it is.
    Unknown(String),
}

/// Whether one of the units runs one of these programs.
///
/// A program's own path is proof, where it can be seen and its name is no interpreter's. A name alone is none:
/// then the control group says which unit started the process (cgroups(7)).
pub fn running(root: &Root, processes: &[Process], programs: &[&str], units: &[&str]) -> Running {
    let mut found = Running::No;
    for process in processes
        .iter()
        .filter(|process| process.is_one_of(programs))
    {
        if process.program.is_some() && !COMMON.contains(&process.short()) {
            return Running::Yes;
        }
        match unit(root, process.pid) {
            Unit::Is(unit) if units.contains(&unit.as_str()) => return Running::Yes,
            Unit::Is(_) => {}
            Unit::Unknown => {
                let name = agent_core::escape::terminal_text(process.short()).into_owned();
                found = Running::Unknown(format!(
                    "process {} is called {name}, and neither its program nor its control group tells whose it is",
                    process.pid
                ));
            }
        }
    }
    found
}

enum Unit {
    /// A service or scope of systemd's.
    Is(String),
    /// None is named: no systemd, or a container's view.
    Unknown,
}

fn unit(root: &Root, pid: u32) -> Unit {
    let text = root.read(format!("proc/{pid}/cgroup").as_bytes(), bounds::SHORT_FILE);
    let text = text.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let named = |line: &str| {
        let path = line.splitn(3, ':').nth(2)?;
        let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
        // Groups below the unit's are its own affair.
        let unit = path.split('/').find(is_unit)?;
        Some(unit.to_owned())
    };
    match text.lines().find_map(named) {
        Some(unit) => Unit::Is(unit),
        None => Unit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there() {
        let root = Root::open(std::path::Path::new("/")).expect("the root");
        let all = list(&root).expect("/proc is mounted");
        let own = all
            .iter()
            .find(|process| process.pid == std::process::id())
            .expect("runs");
        let exe = std::env::current_exe().expect("its own program");
        assert_eq!(own.program.as_deref(), exe.to_str());
    }

    #[test]
    fn names_cut_off_and_people() {
        let process = |name: &str, program: Option<&str>, uid| Process {
            pid: 1,
            name: name.into(),
            program: program.map(str::to_owned),
            uid,
        };
        for (process, expected) in [
            (
                process("x", Some("/opt/a/amazon-cloudwatch-agent"), 0),
                true,
            ),
            (process("amazon-cloudwat", None, 993), true),
            (process("amazon-cloudwat", Some("/usr/bin/sh"), 0), false),
            (process("amazon-cloudwat", None, 1000), false),
        ] {
            assert_eq!(
                process.is_one_of(&["amazon-cloudwatch-agent"]),
                expected,
                "{process:?}"
            );
        }
    }
}
