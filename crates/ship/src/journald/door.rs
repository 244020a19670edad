//! The way into journald: its socket, by the native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use agent_core::os::unread::unread;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks at what is unread, at first; each next one is twice as far away.
const FIRST_LOOK: Duration = Duration::from_micros(200);
/// And at most.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// A connected socket.
#[derive(Debug)]
pub(super) struct Door {
    path: PathBuf,
    /// Device and inode of what it is connected to.
    place: (u64, u64),
    socket: UnixDatagram,
}

impl Door {
    /// Connects to whoever listens at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Door> {
        let socket = net::UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        // Before it is connected to: a socket that takes its place meanwhile has another number.
        let place = place(path)?;
        socket.connect(path)?;
        Ok(Door {
            path: path.to_owned(),
            place,
            socket: UnixDatagram::from_std(socket)?,
        })
    }

    /// Sends an entry; `TimedOut` where there is no room for it until then.
    pub(super) async fn put(&self, entry: &[u8], until: Instant) -> io::Result<()> {
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || transmit(&self.socket, entry));
        match timeout_at(until, sent).await {
            Ok(sent) => sent,
            Err(_) => Err(hangs()),
        }
    }

    /// Returns once all that was sent has been read by who listens at the path; `TimedOut` where that is not so until
    /// then, another error where nobody can say what became of it.
    pub(super) async fn until_read(&self, until: Instant) -> io::Result<()> {
        let mut wait = FIRST_LOOK;
        while unread(self.socket.as_fd())? > 0 {
            if Instant::now() >= until {
                return Err(hangs());
            }
            sleep(wait).await;
            wait = (wait * 2).min(LAST_LOOK);
        }
        // A socket that is gone leaves nothing unread either. One that was made anew is another file, and a dead one
        // cannot be connected to.
        let same = place(&self.path)? == self.place;
        match same && net::UnixDatagram::unbound()?.connect(&self.path).is_ok() {
            true => Ok(()),
            false => Err(io::Error::other(
                "the socket was made anew: what had not been read there is sent again",
            )),
        }
    }
}

fn hangs() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "journald does not read what it was sent (systemctl status systemd-journald)",
    )
}

fn place(path: &Path) -> io::Result<(u64, u64)> {
    let about = path.metadata()?;
    Ok((about.dev(), about.ino()))
}

/// As a datagram, else in a sealed file in memory where it is too long for one.
fn transmit(socket: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
    match send(socket, entry, SendFlags::NOSIGNAL) {
        Ok(_) => Ok(()),
        Err(Errno::MSGSIZE | Errno::NOBUFS) => transmit_file(socket, entry),
        Err(errno) => Err(errno.into()),
    }
}

fn transmit_file(socket: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
    let mut file = File::from(memfd_create("host-integrity-agent-event", flags)?);
    file.write_all(entry)?;
    // journald maps nothing that could still change.
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    let files = [file.as_fd()];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut room);
    if !beside.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(socket, &[], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}
