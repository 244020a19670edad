//! A process of its own that stays outside the landlock domain and is asked what the domain hides: which program another
//! process runs, its environment, its mappings, its open files. It also hears of system calls that were refused.
//!
//! It is a copy of the process before that had anything (fork(2)), holds two capabilities and one socket, and answers
//! nothing but names that it knows below directories of /proc that it is handed. It ends when the socket does.

mod notices;
mod server;
mod wire;

use agent_core::os::others::Look;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::{Answer, Question};

/// An answer is read from /proc, in microseconds; on a busy host, below everything else, it takes seconds to be begun.
/// Somebody may have stopped the process, too.
const PATIENCE: Duration = Duration::from_secs(5);
/// It is asked again so long after it gave no answer.
const REST: Duration = Duration::from_secs(10);
/// After so long without an answer it is lost, and no longer only slow.
const LOST: Duration = Duration::from_secs(60);

/// The process outside, as the others have it.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pid: rustix::process::Pid,
    line: Mutex<Line>,
}

/// One question is under way at a time.
#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    /// The number of the last question: an answer that came too late is told from the one that is waited for.
    asked: u32,
    /// Since when it gives no answer, and when it was asked in vain last.
    silent: Option<(Instant, Instant)>,
    /// It has ended.
    over: bool,
}

impl Monitor {
    /// Starts it. Call this while there is one thread, and before anything is opened that it should not have.
    pub fn start() -> io::Result<Monitor> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_timeout(&ours, Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(&ours, Timeout::Send, Some(PATIENCE))?;
        // SAFETY: no other thread holds a lock, as the caller has promised; the child never comes back from here.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // Else its own end of the socket would keep it alive.
                drop(ours);
                server::run(theirs);
                // SAFETY: takes no pointers. What stands in buffers is the parent's to write.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Monitor(Arc::new(Shared {
                pid: rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?,
                line: Mutex::new(Line {
                    socket: ours,
                    asked: 0,
                    silent: None,
                    over: false,
                }),
            }))),
        }
    }

    /// Numbers of system calls that were refused and not told here before.
    pub(crate) fn refused(&self) -> Vec<u32> {
        match self.ask(&Question::Refused, None) {
            Ok((Answer::Refused(calls), _)) => calls,
            _ => Vec::new(),
        }
    }

    /// Hands over where refusals are heard of.
    pub(crate) fn listen(&self, listener: &OwnedFd) -> io::Result<()> {
        match self.ask(&Question::Listen, Some(listener.as_fd()))? {
            (Answer::Done, _) => Ok(()),
            _ => Err(Errno::PROTO.into()),
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it does not answer.
    pub(crate) fn is_lost(&self) -> bool {
        let line = self.line();
        let silent = line.silent;
        line.over || silent.is_some_and(|(since, _)| since.elapsed() >= LOST)
    }

    /// Lets it end, and waits for that.
    pub(crate) fn end(&self) {
        let mut line = self.line();
        line.over = true;
        if rustix::net::shutdown(&line.socket, rustix::net::Shutdown::Both).is_ok() {
            let options = rustix::process::WaitOptions::empty();
            // Somebody else may have waited.
            rustix::process::waitpid(Some(self.0.pid), options).ok();
        }
    }

    /// Asks one question.
    fn ask(
        &self,
        question: &Question<'_>,
        handed: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Answer, Option<OwnedFd>)> {
        let mut line = self.line();
        let resting = |(_, last): (Instant, Instant)| last.elapsed() < REST;
        if line.over || line.silent.is_some_and(resting) {
            return Err(gone());
        }
        match line.exchange(question, handed) {
            Ok((Answer::Refusal(errno), _)) => {
                line.silent = None;
                Err(errno.into())
            }
            Ok(answered) => {
                line.silent = None;
                Ok(answered)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(error),
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        let now = Instant::now();
                        line.silent = Some((line.silent.map_or(now, |(since, _)| since), now));
                    }
                    _ => line.over = true,
                }
                Err(gone())
            }
        }
    }

    fn descriptor(&self, question: &Question<'_>, process: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let (_, received) = self.ask(question, Some(process))?;
        received.ok_or_else(gone)
    }
}

impl Line {
    fn exchange(
        &mut self,
        question: &Question<'_>,
        handed: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Answer, Option<OwnedFd>)> {
        self.asked = self.asked.wrapping_add(1);
        wire::send(&self.socket, self.asked, &question.bytes(), handed)?;
        loop {
            let (number, bytes, received) = wire::receive(&self.socket)?;
            if number == self.asked {
                let answer = Answer::read(question, &bytes).ok_or(Errno::PROTO)?;
                return Ok((answer, received));
            }
        }
    }
}

/// Evidence that cannot be had is told like evidence that the user may not have.
fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "the agent's own process that looks at others no longer answers",
    )
}

impl Look for Monitor {
    fn read_link(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
        match self.ask(&Question::ReadLink(name), Some(process))? {
            (Answer::Link(target), _) => Ok(target),
            _ => Err(gone()),
        }
    }

    fn open(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
        self.descriptor(&Question::Open(name), process)
            .map(File::from)
    }

    fn handle(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
        self.descriptor(&Question::Handle(name), process)
    }
}
