//! What was sent to a socket of this host and has not been read there.

use rustix::ioctl::{self, Getter, Opcode};
use std::io;
use std::os::fd::BorrowedFd;

/// `SIOCOUTQ` of linux/sockios.h.
const OUTQ: Opcode = 0x5411;

/// Bytes, with what the kernel adds to each message, that were sent by this socket and that the other end has neither
/// read nor thrown away (unix(7)).
pub fn unread(socket: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: the opcode writes an int, whose address the getter hands over.
    let bytes = unsafe { ioctl::ioctl(socket, Getter::<OUTQ, libc::c_int>::new()) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::unread;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn what_is_read_is_not_counted() {
        let (here, there) = UnixDatagram::pair().expect("sockets");
        assert_eq!(unread(here.as_fd()).expect("told"), 0);
        here.send(b"hello").expect("sent");
        assert!(unread(here.as_fd()).expect("told") >= 5);
        there.recv(&mut [0; 8]).expect("read");
        assert_eq!(unread(here.as_fd()).expect("told"), 0);
    }
}
