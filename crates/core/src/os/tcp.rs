//! What the kernel tells of a TCP connection, and does for one, to everybody: no privilege is needed.

use std::io;
use std::mem::offset_of;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Has the kernel drop what arrives with a smaller IP time to live (IPv6: hop limit), as if it had been lost; with 0
/// it drops nothing. IP_MINTTL of ip(7), IPV6_MINHOPCOUNT. `peer` is the other side.
pub fn set_least_ttl(socket: &impl AsFd, peer: SocketAddr, least: u8) -> io::Result<()> {
    let (level, option) = match peer {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MINTTL),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    let value = libc::c_int::from(least);
    // SAFETY: the pointer is to an integer that lives through the call, and the length is that of one.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            length::<libc::c_int>(1),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What became of a connection's segments so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// So many arrived and were dropped.
    pub dropped: u32,
    /// So many were sent once more.
    pub sent_again: u32,
    /// Whether all that was sent has been acknowledged.
    pub acknowledged: bool,
}

impl Segments {
    /// Reads the counters, what was dropped first: the others are at least as far. SO_MEMINFO (since Linux 4.12) and
    /// TCP_INFO of tcp(7).
    pub fn of(socket: &impl AsFd) -> io::Result<Segments> {
        /// SK_MEMINFO_DROPS of linux/sock_diag.h.
        const DROPPED: usize = 8;
        const UNACKNOWLEDGED: usize = offset_of!(libc::tcp_info, tcpi_unacked) / 4;
        const SENT_AGAIN: usize = offset_of!(libc::tcp_info, tcpi_total_retrans) / 4;
        let memory: [u32; DROPPED + 1] = words(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
        let info: [u32; SENT_AGAIN + 1] = words(socket, libc::IPPROTO_TCP, libc::TCP_INFO)?;
        Ok(Segments {
            dropped: memory[DROPPED],
            sent_again: info[SENT_AGAIN],
            acknowledged: info[UNACKNOWLEDGED] == 0,
        })
    }
}

/// The first words of an option; an error if the kernel has fewer.
fn words<const N: usize>(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
) -> io::Result<[u32; N]> {
    let mut words = [0; N];
    let mut filled = length::<u32>(N);
    // SAFETY: both pointers are to values that live through the call, and the length is that of the words.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            words.as_mut_ptr().cast(),
            &raw mut filled,
        )
    };
    match result {
        0 if filled >= length::<u32>(N) => Ok(words),
        0 => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The size of so many values, as these calls take it.
fn length<T>(count: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(count * size_of::<T>()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    #[test]
    fn what_has_too_few_hops_left_is_dropped_and_comes_again() {
        for (place, ttl) in [("127.0.0.1:0", 7), ("[::1]:0", 64)] {
            let listener = TcpListener::bind(place).expect("a port");
            let peer = listener.local_addr().expect("bound");
            let mut ours = TcpStream::connect(peer).expect("a connection");
            let (mut theirs, _) = listener.accept().expect("a connection");
            if peer.is_ipv4() {
                theirs.set_ttl(ttl).expect("a socket");
            }
            let ttl = u8::try_from(ttl).expect("small");
            let before = Segments::of(&ours).expect("counters");
            set_least_ttl(&ours, peer, ttl + 1).expect("allowed to everybody");
            theirs.write_all(b"x").expect("a connection");
            let wait = Some(Duration::from_millis(20));
            ours.set_read_timeout(wait).expect("a socket");
            let mut byte = [0];
            assert!(ours.read(&mut byte).is_err());
            let after = Segments::of(&ours).expect("counters");
            assert!(after.dropped > before.dropped);
            assert!(after.acknowledged);

            set_least_ttl(&ours, peer, ttl).expect("allowed to everybody");
            ours.set_read_timeout(None).expect("a socket");
            assert_eq!(ours.read(&mut byte).expect("a connection"), 1);

            // What nobody acknowledges is sent again.
            set_least_ttl(&ours, peer, ttl + 1).expect("allowed to everybody");
            ours.write_all(b"x").expect("a connection");
            std::thread::sleep(Duration::from_millis(500));
            let after = Segments::of(&ours).expect("counters");
            assert!(!after.acknowledged);
            assert!(after.sent_again > before.sent_again);
        }
    }
}
