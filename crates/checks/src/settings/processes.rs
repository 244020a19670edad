//! Who runs on the live host, as far as /proc lets the caller see.

use agent_core::os::node;
use agent_core::os::root::Root;
use std::io;
use std::os::fd::AsFd;

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
    let names = root
        .list(b"proc")?
        .ok_or_else(|| io::Error::other("/proc is not there"))?;
    let mut found = Vec::new();
    for (name, _) in names.iter() {
        let text = String::from_utf8_lossy(name);
        if let Some(process) = text.parse().ok().and_then(|pid| one(root, pid)) {
            found.push(process);
        }
    }
    match found.is_empty() {
        true => Err(io::Error::other("/proc shows no process: is it mounted?")),
        false => Ok(found),
    }
}

fn one(root: &Root, pid: u32) -> Option<Process> {
    let directory = format!("proc/{pid}");
    let handle = root.resolve(directory.as_bytes(), false).ok()?.handle?;
    let status = root
        .read(format!("{directory}/status").as_bytes(), 1 << 16)
        .ok()??;
    let status = String::from_utf8_lossy(&status);
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
    // Real, effective, saved and of the file system.
    let uid = line("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
    let name = line("Name:")?.trim().to_owned();
    let program = node::read_link_at(handle.as_fd(), b"exe").ok();
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

/// The first process that runs one of these programs.
pub fn running<'a>(processes: &'a [Process], programs: &[&str]) -> Option<&'a Process> {
    processes.iter().find(|process| process.is_one_of(programs))
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
