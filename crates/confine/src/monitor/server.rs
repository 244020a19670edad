//! The process outside: answers until nobody can ask any more.

use super::notices::{self, Listener};
use super::wire::{self, Answer, NAME, Question};
use crate::{filter, process};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// As many different system calls are kept.
// Own bound: there are some hundred.
const MOST: usize = 256;

/// Answers until the other end is gone.
pub(super) fn run(socket: OwnedFd) {
    prepare(&socket);
    let mut listener: Option<Listener> = None;
    let mut refusals = Refusals::default();
    loop {
        let (asked, refused) = {
            let mut fds = vec![PollFd::new(&socket, PollFlags::IN)];
            fds.extend(listener.as_ref().map(|one| PollFd::new(one, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let refused = fds.get(1).map_or(PollFlags::empty(), PollFd::revents);
            (
                fds.first().map_or(PollFlags::empty(), PollFd::revents),
                refused,
            )
        };
        if refused.contains(PollFlags::IN) {
            let number = listener.as_ref().and_then(notices::refuse);
            number.into_iter().for_each(|number| refusals.note(number));
        } else if !refused.is_empty() {
            // Whoever was under the filter has ended.
            listener = None;
        }
        if asked.is_empty() {
            continue;
        }
        let Ok((number, bytes, handed)) = wire::receive(&socket) else {
            return;
        };
        let (answer, given) = match Question::read(&bytes) {
            Some(Question::Refused) => (Answer::Refused(refusals.take()), None),
            Some(Question::Listen) => {
                listener = handed.map(Listener::new);
                (Answer::Done, None)
            }
            Some(question) => look(&question, handed),
            None => (Answer::Refusal(Errno::INVAL), None),
        };
        let given = given.as_ref().map(AsFd::as_fd);
        if wire::send(&socket, number, &answer.bytes(), given).is_err() {
            return;
        }
    }
}

/// Numbers of system calls, each told once.
#[derive(Debug, Default)]
struct Refusals {
    known: Vec<u32>,
    told: usize,
}

impl Refusals {
    fn note(&mut self, number: u32) {
        if self.known.len() < MOST && !self.known.contains(&number) {
            self.known.push(number);
        }
    }

    fn take(&mut self) -> Vec<u32> {
        let news = self.known.get(self.told..).unwrap_or_default().to_vec();
        self.told = self.known.len();
        news
    }
}

/// Nothing but the socket and standard error, two capabilities, and the calls that answering takes.
fn prepare(socket: &OwnedFd) {
    notices::ignore_signals();
    notices::close_others(socket.as_raw_fd());
    let name = rustix::thread::set_name(c"agent-monitor");
    // Each of these makes it safer; without one it is what it was before.
    let _each = (
        name,
        process::hide(),
        process::keep_capabilities(&process::MONITOR),
        process::refuse_executable_memory(),
        filter::install_monitor(notices::REQUESTS),
    );
}

/// What is asked for of a process, if that may be asked for.
fn look(question: &Question<'_>, process: Option<OwnedFd>) -> (Answer, Option<OwnedFd>) {
    let done = |result: Result<OwnedFd, Errno>| match result {
        Ok(descriptor) => (Answer::Done, Some(descriptor)),
        Err(errno) => (Answer::Refusal(errno), None),
    };
    let refused = |errno| (Answer::Refusal(errno), None);
    let Some(process) = process else {
        return refused(Errno::INVAL);
    };
    if !fstatfs(&process).is_ok_and(|about| about.f_type == PROC_SUPER_MAGIC) {
        return refused(Errno::PERM);
    }
    match *question {
        Question::ReadLink(name) if is_link(name) || name == NAMESPACE => {
            match readlinkat(&process, name, Vec::new()) {
                Ok(target) => (Answer::Link(target.into_bytes()), None),
                Err(errno) => refused(errno),
            }
        }
        Question::Handle(name) if is_link(name) => {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            done(openat(&process, name, flags, Mode::empty()))
        }
        Question::Open(name) if is_text(name) => {
            // The file behind a link may be a device or a fifo by now.
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
            done(openat(&process, name, flags, Mode::empty()))
        }
        _ => refused(Errno::PERM),
    }
}

/// Which mounts a process sees: its number is read, and nobody gets a handle to it.
const NAMESPACE: &[u8] = b"ns/mnt";

/// `exe`, or a number below `fd`.
fn is_link(name: &[u8]) -> bool {
    let is_number = |number: &[u8]| {
        !number.is_empty() && number.len() < 12 && number.iter().all(u8::is_ascii_digit)
    };
    name == b"exe" || name.strip_prefix(b"fd/").is_some_and(is_number)
}

/// What can be read of a process: its program and what it has mapped, its environment, its mappings, and how it has
/// files open.
fn is_text(name: &[u8]) -> bool {
    let is_range = |range: &[u8]| {
        let is_one = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
        range.len() < NAME && !range.is_empty() && range.iter().all(is_one)
    };
    let is_number = |number: &[u8]| !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    matches!(name, b"exe" | b"environ" | b"maps")
        || name.strip_prefix(b"map_files/").is_some_and(is_range)
        || name.strip_prefix(b"fdinfo/").is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_answered() {
        for name in [&b"exe"[..], b"fd/0", b"fd/1048575"] {
            assert!(is_link(name), "{name:?}");
        }
        for name in [
            &b"exe"[..],
            b"environ",
            b"maps",
            b"fdinfo/3",
            b"map_files/7f00-7f10",
        ] {
            assert!(is_text(name), "{name:?}");
        }
        for name in [
            &b""[..],
            b"mem",
            b"root",
            b"cwd",
            b"root/etc/shadow",
            b"fd/",
            b"fd/..",
            b"fd/3/x",
            NAMESPACE,
            b"ns/pid",
            b"../1/mem",
            b"map_files/",
            b"map_files/../mem",
            b"task",
            b"fdinfo/",
            b"fdinfo/../mem",
        ] {
            assert!(!is_link(name) && !is_text(name), "{name:?}");
        }
    }

    #[test]
    fn each_call_is_told_once() {
        let mut refusals = Refusals::default();
        [61, 61, 101].iter().for_each(|call| refusals.note(*call));
        assert_eq!(refusals.take(), [61, 101]);
        refusals.note(61);
        assert_eq!(refusals.take(), [] as [u32; 0]);
        refusals.note(62);
        assert_eq!(refusals.take(), [62]);
    }
}
