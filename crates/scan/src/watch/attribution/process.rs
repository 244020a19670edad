//! A process as `/proc` shows it while it lives (proc_pid(5)). What cannot be read any more is `None`.

use agent_core::change::{Actor, Executable};
use agent_core::escape;
use agent_core::os::others;
use rustix::fs::{self, AtFlags, Mode, OFlags, StatxFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// Longer command lines are cut.
// Own bound: of what is told of a process.
const MOST: u64 = 4096;
/// What stands for an argument.
const MASK: &str = "***";

/// What is known of a process. `alive` says after its directory has been opened whether the number still means the
/// process that was meant: its files are reached through the directory and never become another's.
pub(super) fn actor(pid: u32, arguments: bool, alive: impl FnOnce() -> bool) -> Actor {
    let mut actor = Actor {
        pid,
        ..Actor::default()
    };
    let Ok(directory) = others::process(pid) else {
        return actor;
    };
    if !alive() {
        return actor;
    }
    actor.name = text(&directory, "comm").map(|comm| shown(&comm));
    actor.program = others::read_link(&directory, b"exe")
        .ok()
        .map(|path| shown(&path));
    // Through the link itself: what is at its place by now may be another.
    let basics = StatxFlags::BASIC_STATS;
    actor.executable = others::handle(&directory, b"exe")
        .and_then(|file| Ok(fs::statx(&file, c"", AtFlags::EMPTY_PATH, basics)?))
        .ok()
        .map(|told| Executable {
            device: (told.stx_dev_major, told.stx_dev_minor),
            inode: told.stx_ino,
            ctime: (told.stx_ctime.tv_sec, told.stx_ctime.tv_nsec),
        });
    actor.command_line = text(&directory, "cmdline").and_then(|line| command(&line, arguments));
    if let Some(status) = text(&directory, "status") {
        let (parent, uid) = parent_and_uid(&status);
        actor.parent_pid = parent;
        actor.uid = uid;
    }
    actor.login_uid = text(&directory, "loginuid").and_then(|text| login_uid(&text));
    if let Some(groups) = text(&directory, "cgroup") {
        (actor.unit, actor.container) = unit_and_container(&groups);
    }
    let parent = actor.parent_pid.filter(|pid| *pid != 0);
    actor.parent_name = parent
        .and_then(|pid| others::process(pid).ok())
        .and_then(|directory| text(&directory, "comm"))
        .map(|comm| shown(&comm));
    actor
}

fn text(directory: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file: File = fs::openat(directory.as_fd(), name, flags, Mode::empty())
        .ok()?
        .into();
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).ok()?;
    Some(text)
}

fn shown(bytes: &[u8]) -> String {
    escape::lossless_text(bytes.trim_ascii_end()).0
}

/// The command line; empty for threads of the kernel.
fn command(line: &[u8], arguments: bool) -> Option<String> {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    if line.is_empty() {
        return None;
    }
    let mut words = line.split(|b| *b == 0);
    let mut command = shown(words.next()?);
    for word in words {
        command.push(' ');
        match arguments {
            true => command.push_str(&shown(word)),
            false => command.push_str(MASK),
        }
    }
    Some(command)
}

/// From `status`: the parent, and the effective user.
fn parent_and_uid(status: &[u8]) -> (Option<u32>, Option<u32>) {
    let number = |key: &str, place: usize| {
        let text = String::from_utf8_lossy(status);
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().nth(place)?.parse().ok()
    };
    (number("PPid:", 0), number("Uid:", 1))
}

/// The login user; the highest number means that nobody has logged in.
fn login_uid(text: &[u8]) -> Option<u32> {
    let number = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    (number != u32::MAX).then_some(number)
}

/// systemd unit and container, from `cgroup`.
fn unit_and_container(groups: &[u8]) -> (Option<String>, Option<String>) {
    let text = String::from_utf8_lossy(groups);
    // hierarchy:controllers:path; the unified one, else systemd's own.
    let path = |wanted: &str| {
        text.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let controllers = parts.nth(1)?;
            (controllers == wanted).then(|| parts.next().unwrap_or_default())
        })
    };
    let unit = ["", "name=systemd"].into_iter().find_map(|hierarchy| {
        let mut names = path(hierarchy)?.rsplit('/');
        let is_unit = |name: &&str| {
            [".service", ".scope", ".socket", ".mount"]
                .iter()
                .any(|kind| name.ends_with(kind))
        };
        names.find(is_unit).map(str::to_owned)
    });
    let container = text.lines().find_map(|line| {
        let mut names = line.rsplit('/');
        names.find_map(|name| {
            let id = name.strip_suffix(".scope").unwrap_or(name);
            let id = id.rsplit(['-', ':']).next()?;
            let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
            is_id.then(|| id.to_owned())
        })
    });
    (unit, container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let pid = std::process::id();
        let seen = actor(pid, true, || true);
        let program = std::env::current_exe().expect("known");
        assert_eq!(seen.pid, pid);
        assert_eq!(seen.program.as_deref(), program.to_str());
        let command = seen.command_line.expect("a command line");
        let own: Vec<String> = std::env::args().collect();
        assert_eq!(command, own.join(" "));
        let masked = actor(pid, false, || true)
            .command_line
            .expect("a command line");
        let hidden = own.iter().skip(1).map(|_| MASK);
        let hidden: Vec<&str> = std::iter::once(own[0].as_str()).chain(hidden).collect();
        assert_eq!(masked, hidden.join(" "));
        assert_eq!(seen.uid, Some(rustix::process::geteuid().as_raw()));
        assert_eq!(seen.parent_pid, Some(std::os::unix::process::parent_id()));
        assert!(seen.name.is_some() && seen.parent_name.is_some());
    }

    #[test]
    fn of_another_with_the_same_number_nothing_is_said() {
        let pid = std::process::id();
        let seen = actor(pid, false, || false);
        assert_eq!(
            seen,
            Actor {
                pid,
                ..Actor::default()
            }
        );
    }

    #[test]
    fn control_groups() {
        let id = "0123456789abcdef".repeat(4);
        let docker = format!("0::/system.slice/docker-{id}.scope\n");
        let kubernetes = format!(
            "12:memory:/kubepods/burstable/pod1/{id}\n1:name=systemd:/kubepods/burstable/pod1/{id}\n0::/\n"
        );
        let cri = format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope\n");
        fn last(line: &str) -> Option<&str> {
            line.trim_end().rsplit('/').next()
        }
        let cases = [
            ("0::/\n", None, None),
            ("0::/system.slice/ssh.service\n", Some("ssh.service"), None),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n",
                Some("x.scope"),
                None,
            ),
            (
                "1:name=systemd:/system.slice/cron.service\n0::/\n",
                Some("cron.service"),
                None,
            ),
            (&docker, last(&docker), Some(&id)),
            (&kubernetes, None, Some(&id)),
            (&cri, last(&cri), Some(&id)),
            ("nonsense", None, None),
        ];
        for (text, unit, container) in cases {
            let found = unit_and_container(text.as_bytes());
            let expected = (unit.map(str::to_owned), container.cloned());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn users() {
        let status = b"Name:\tvi\nPPid:\t77\nUid:\t1000\t0\t0\t0\n";
        assert_eq!(parent_and_uid(status), (Some(77), Some(0)));
        assert_eq!(parent_and_uid(b"Name: PPid:"), (None, None));
        assert_eq!(login_uid(b"1000\n"), Some(1000));
        assert_eq!(login_uid(b"4294967295"), None);
    }
}
