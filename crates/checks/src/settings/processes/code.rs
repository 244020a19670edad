//! The code that a process runs, as far as its files are no longer at their places (proc(5): exe, maps).

use super::place::Places;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_core::os::{others, procfs};
use std::collections::BTreeMap;
use std::io;

/// How the kernel marks the name of a file that has none any more.
const DELETED: &[u8] = b" (deleted)";
/// The program of a process, below `/proc/PID`.
pub(super) const PROGRAM: &str = "exe";
/// A file that was made in memory (memfd_create(2)).
const MEMORY: &[u8] = b"/memfd:";

/// A file of code without a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Code {
    /// The name that it had, starting with `/`; of one made in memory, what it called itself.
    pub(super) path: Vec<u8>,
    /// Whether it never was on a disk.
    pub(super) memory: bool,
}

/// One process that runs it.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub(super) pid: u32,
    /// Below `/proc/PID`, where its contents can be read: `exe`, or a range in `map_files`.
    pub(super) contents: String,
}

/// What all processes run that is gone.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) code: BTreeMap<Code, Vec<Runner>>,
    /// How many processes could be looked at, and how many not.
    pub(super) seen: usize,
    pub(super) hidden: usize,
}

/// Looks at all processes. One that ends meanwhile is left out.
pub(super) fn look(root: &Root) -> io::Result<Gone> {
    let mut gone = Gone::default();
    let places = Places::of(root);
    for pid in procfs::processes(root)? {
        match of(&places, pid, &mut gone.code) {
            Ok(true) => gone.seen = gone.seen.saturating_add(1),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                gone.hidden = gone.hidden.saturating_add(1);
            }
            // Its mappings are larger than is read.
            Err(error) if error.raw_os_error().is_none() && still_there(root, pid) => {
                gone.hidden = gone.hidden.saturating_add(1);
            }
            // It has ended.
            Err(_) => {}
        }
    }
    // This process at least has a program.
    match gone.seen == 0 && gone.hidden == 0 {
        true => Err(io::Error::other("/proc shows the program of no process")),
        false => Ok(gone),
    }
}

fn still_there(root: &Root, pid: u32) -> bool {
    let found = root.resolve(format!("proc/{pid}/exe").as_bytes(), false);
    found.is_ok_and(|found| found.handle.is_some())
}

/// One process; false for a thread of the kernel's, which has no program.
fn of(places: &Places<'_>, pid: u32, found: &mut BTreeMap<Code, Vec<Runner>>) -> io::Result<bool> {
    let directory = format!("proc/{pid}");
    let handle = places.root.resolve(directory.as_bytes(), false)?.handle;
    let handle = handle.ok_or(io::ErrorKind::NotFound)?;
    let exe = match others::read_link(&handle, b"exe") {
        Ok(exe) => exe,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let displaced = || Code {
        path: exe.clone(),
        memory: false,
    };
    let mut note = |name: &[u8], contents: String| {
        let is_displaced = || contents == PROGRAM && places.has_another(&handle, name);
        if let Some(code) = code(name).or_else(|| is_displaced().then(displaced)) {
            let runners = found.entry(code).or_default();
            if runners.last().is_none_or(|last| last.pid != pid) {
                runners.push(Runner { pid, contents });
            }
        }
    };
    note(&exe, PROGRAM.to_owned());
    let maps = others::read(&handle, b"maps", bounds::PROCESS_MAPS)?;
    for line in maps.split(|byte| *byte == b'\n') {
        if let Some((range, name)) = executable(line)
            && *name != *exe
        {
            note(name, format!("map_files/{range}"));
        }
    }
    Ok(true)
}

/// Address range and name of an executable mapping: `7f0-7f1 r-xp 00000000 08:01 1234  /usr/lib/x.so (deleted)`.
fn executable(line: &[u8]) -> Option<(&str, &[u8])> {
    let mut rest = line;
    let mut word = || {
        let rest_now = rest.trim_ascii_start();
        let end = memchr::memchr(b' ', rest_now).unwrap_or(rest_now.len());
        let (word, after) = rest_now.split_at(end);
        rest = after;
        word
    };
    let (range, rights) = (word(), word());
    for _ in 0..3 {
        word();
    }
    let name = rest.trim_ascii_start();
    let runs = rights.get(2) == Some(&b'x') && name.starts_with(b"/");
    Some((std::str::from_utf8(range).ok()?, name)).filter(|_| runs)
}

/// What a name says of code that has none any more; `None` for what is at its place.
fn code(name: &[u8]) -> Option<Code> {
    let path = name.strip_suffix(DELETED)?;
    // Shared memory of System V, asynchronous I/O, and /dev/zero are no files that anybody removed.
    let is_none = path.starts_with(b"/SYSV") || path == b"/dev/zero" || path == b"/[aio]";
    (!is_none).then(|| Code {
        path: path.to_vec(),
        memory: path.starts_with(MEMORY),
    })
}

#[cfg(test)]
mod tests {
    use super::super::place::Places;
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn mappings_beyond_their_bound_are_not_read_in_part() {
        let directory = tempfile::tempdir().expect("a directory");
        let process = directory.path().join("proc/7");
        fs::create_dir_all(&process).expect("made");
        std::os::unix::fs::symlink("/bin/x", process.join("exe")).expect("a link");
        let root = Root::open(directory.path()).expect("a root");
        for (more, good) in [(0, true), (1, false)] {
            let maps = File::create(process.join("maps")).expect("made");
            maps.set_len(bounds::PROCESS_MAPS + more).expect("a hole");
            let places = Places::of(&root);
            assert_eq!(of(&places, 7, &mut BTreeMap::new()).is_ok(), good);
        }
    }

    #[test]
    fn lines_of_maps() {
        let of = |line: &str| executable(line.as_bytes()).and_then(|(_, name)| code(name));
        let library = Code {
            path: b"/usr/lib/a b.so".to_vec(),
            memory: false,
        };
        assert_eq!(
            of("7f00-7f10 r-xp 00000000 08:01 12    /usr/lib/a b.so (deleted)"),
            Some(library)
        );
        let memory = Code {
            path: b"/memfd:x".to_vec(),
            memory: true,
        };
        assert_eq!(
            of("7f00-7f10 r-xp 00000000 00:01 12    /memfd:x (deleted)"),
            Some(memory)
        );
        for line in [
            "7f00-7f10 rw-p 00000000 08:01 12    /usr/lib/a.so (deleted)",
            "7f00-7f10 r-xp 00000000 08:01 12    /usr/lib/a.so",
            "7f00-7f10 r-xp 00000000 00:00 0     [vdso]",
            "7f00-7f10 rwxs 00000000 00:05 0     /dev/zero (deleted)",
            "",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
