//! What the kernel tells of a TCP connection, and does for one, to everybody: no privilege is needed.

use nix::sys::socket::{getsockopt, setsockopt};
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
use std::io;
use std::mem::offset_of;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// SK_MEMINFO_DROPS of linux/sock_diag.h.
const DROPPED: usize = 8;
const UNACKNOWLEDGED: usize = offset_of!(libc::tcp_info, tcpi_unacked) / 4;
const SENT_AGAIN: usize = offset_of!(libc::tcp_info, tcpi_total_retrans) / 4;

sockopt_impl!(
    /// ip(7).
    LeastTtl, SetOnly, libc::IPPROTO_IP, libc::IP_MINTTL, libc::c_int
);
sockopt_impl!(
    /// linux/in6.h.
    LeastHopLimit, SetOnly, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, libc::c_int
);
sockopt_impl!(
    /// socket(7), since Linux 4.12: counters of the socket's memory, as words.
    MemoryInfo, GetOnly, libc::SOL_SOCKET, libc::SO_MEMINFO, [u32; DROPPED + 1]
);
sockopt_impl!(
    /// tcp(7): the first words of `struct tcp_info`.
    TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, [u32; SENT_AGAIN + 1]
);

/// Has the kernel drop what arrives with a smaller IP time to live (IPv6: hop limit), as if it had been lost; with 0
/// it drops nothing. IP_MINTTL of ip(7), IPV6_MINHOPCOUNT. `peer` is the other side.
pub fn set_least_ttl(socket: &impl AsFd, peer: SocketAddr, least: u8) -> io::Result<()> {
    let least = libc::c_int::from(least);
    match peer {
        SocketAddr::V4(_) => setsockopt(socket, LeastTtl, &least)?,
        SocketAddr::V6(_) => setsockopt(socket, LeastHopLimit, &least)?,
    }
    Ok(())
}

/// What became of a connection's segments so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Segments that arrived and were dropped.
    pub dropped: u32,
    /// Segments that were sent once more.
    pub sent_again: u32,
    /// Whether all that was sent has been acknowledged.
    pub acknowledged: bool,
}

impl Segments {
    /// Reads the counters, what was dropped first: the others are at least as far.
    pub fn of(socket: &impl AsFd) -> io::Result<Segments> {
        let memory = getsockopt(socket, MemoryInfo)?;
        let info = getsockopt(socket, TcpInfo)?;
        Ok(Segments {
            dropped: memory[DROPPED],
            sent_again: info[SENT_AGAIN],
            acknowledged: info[UNACKNOWLEDGED] == 0,
        })
    }
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
