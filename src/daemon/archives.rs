//! Notices what comes into apt's cache (inotify(7)): a package lies there for half a second before dpkg reads it, and with
//! some settings no longer than that. It lies in no covered directory, so the watch does not see it.

use crate::daemon::message::{Message, Outlets};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::thread::Builder;
use std::time::Duration;

/// Where apt puts what it fetched, under its own name: each is moved in from `partial`.
const ARCHIVES: &str = "/var/cache/apt/archives";
/// Interval between two looks for a directory that was not there.
const AGAIN: Duration = Duration::from_secs(30);
/// A fetch brings many; they are told of together, and none waits long.
const TOGETHER: Duration = Duration::from_millis(50);

/// Begins to tell the event loop when something has come. Errors: no thread could be started.
pub(in crate::daemon) fn watch(outlets: &Outlets) -> io::Result<()> {
    let messages = outlets.messages.clone();
    let work = move || {
        loop {
            if let Ok(watched) = begin()
                && messages.blocking_send(Message::Archives).is_ok()
            {
                while let Ok(true) = comes(&watched) {
                    std::thread::sleep(TOGETHER);
                    if messages.blocking_send(Message::Archives).is_err() {
                        return;
                    }
                }
            }
            if messages.is_closed() {
                return;
            }
            std::thread::sleep(AGAIN);
        }
    };
    Builder::new()
        .name("archives".into())
        .spawn(work)
        .map(|_| ())
}

fn begin() -> rustix::io::Result<OwnedFd> {
    let watched = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE | WatchFlags::MOVE_SELF;
    let flags = what | WatchFlags::ONLYDIR;
    inotify::add_watch(&watched, ARCHIVES, flags)?;
    Ok(watched)
}

/// Waits for something to come; false once the directory is no longer watched, as it is another one.
fn comes(watched: &OwnedFd) -> rustix::io::Result<bool> {
    let mut ready = [PollFd::new(watched, PollFlags::IN)];
    let forever: Option<&Timespec> = None;
    while let Err(Errno::INTR) = poll(&mut ready, forever) {}
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(watched, &mut buffer);
    let mut there = true;
    loop {
        match reader.next() {
            Ok(event) => {
                let gone = ReadFlags::IGNORED | ReadFlags::MOVE_SELF;
                there &= !event.events().intersects(gone);
            }
            Err(Errno::AGAIN) => return Ok(there),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
