//! How far the answer with the token can go: the IP time to live of that answer, read off one segment of it.
//!
//! The kernel tells no program the TTL of a TCP segment. A socket filter (socket(7), SO_ATTACH_FILTER; kernels were
//! seen to refuse it without CAP_NET_ADMIN, and then nothing is measured) sees it, and may shorten a segment: what is
//! left over is sent again by the other side, as if it had been lost. So the filter leaves [`LEAST`] bytes of an answer and one for each hop, and the number of bytes that arrive
//! first *is* the measure. Nothing is concluded from silence: a lost segment, a slow service or one that answers byte
//! by byte leads to no measure, never to a small one.

use super::client::{TOKEN_PATH, TTL_HEADER};
use super::endpoint::Endpoint;
use socket2::{SockFilter, SockRef};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Bytes that arrive whatever the TTL is. More than [`MOST`], so that one shortened segment and two of them (when the
/// rest was sent again before it was read) are never the same number of bytes.
const LEAST: u32 = 66;
/// "The hop limit ... from 1 to 64"; what is more counts as one more.
const MOST: u32 = 64;
/// A shorter segment could be taken for a shortened one: it is left out.
const SHORTEST: u32 = LEAST + MOST + 2;

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hops {
    /// The TTL of an answer with that status; 65 means more than 64.
    Measured {
        /// HTTP status.
        status: u16,
        /// Hops.
        ttl: u32,
    },
    /// The text says why there is no measure.
    Untold(&'static str),
}

/// Asks for a token that is good for a second, at most twice, and measures the answer.
pub(super) async fn measure(endpoint: &Endpoint, end: Instant) -> Hops {
    const SILENT: Hops = Hops::Untold("no answer that could be measured came in time");
    for _ in 0..2 {
        let left = end.saturating_duration_since(Instant::now());
        match timeout(left.min(Duration::from_secs(1)), once(endpoint)).await {
            Ok(Ok(Some(hops))) => return hops,
            // Read too late, or too slowly: once more.
            Ok(Ok(None)) => {}
            Ok(Err(_)) => return Hops::Untold("the connection broke off"),
            Err(_) => return SILENT,
        }
    }
    Hops::Untold("the answers came in more than one piece")
}

/// One try; `None` if what was read cannot be told from two segments.
async fn once(endpoint: &Endpoint) -> std::io::Result<Option<Hops>> {
    let (host, port) = endpoint.host_and_port();
    let mut stream = TcpStream::connect((host, port)).await?;
    // Where the TTL stands: RFC 791, RFC 8200.
    let place = match stream.peer_addr()?.is_ipv4() {
        true => 8,
        false => 7,
    };
    // After the handshake, which is nothing of the answer.
    if SockRef::from(&stream)
        .attach_filter(&filter(place))
        .is_err()
    {
        return Ok(Some(Hops::Untold(
            "this kernel lets no socket have a filter",
        )));
    }
    let request = format!(
        "PUT {TOKEN_PATH} HTTP/1.1\r\nHost: {}\r\n{TTL_HEADER}: 1\r\nConnection: close\r\n\r\n",
        endpoint.authority()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = [0; 4096];
    let count = loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            result => break result?,
        }
    };
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let status = std::str::from_utf8(&buffer[..12])
        .ok()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|line| line.get(2..5))
        .and_then(|status| status.parse().ok());
    Ok(match (count, status) {
        (0..=LEAST, _) => Some(Hops::Untold("the service broke off its answer")),
        (SHORTEST.., _) => None,
        (_, None) => Some(Hops::Untold("the answer was no HTTP")),
        (count, Some(status)) => Some(Hops::Measured {
            status,
            ttl: count - LEAST,
        }),
    })
}

/// Classic BPF: the filter as socket(7) and the kernel's Documentation/networking/filter.rst have it.
///
/// A packet begins with its TCP header; what stands before it is reached from `NET`.
fn filter(place: u32) -> Vec<SockFilter> {
    const LOAD_BYTE: u16 = 0x30; // ldb [k]
    const LOAD_LENGTH: u16 = 0x80; // ld len
    const LOAD: u16 = 0x00; // ld #k
    const AND: u16 = 0x54; // and #k
    const SHIFT_RIGHT: u16 = 0x74; // rsh #k
    const TO_X: u16 = 0x07; // tax
    const MINUS_X: u16 = 0x1c; // sub x
    const PLUS: u16 = 0x04; // add #k
    const PLUS_X: u16 = 0x0c; // add x
    const IF_EQUAL: u16 = 0x15; // jeq #k
    const IF_AT_LEAST: u16 = 0x35; // jge #k
    const IF_MORE: u16 = 0x25; // jgt #k
    const IF_ANY: u16 = 0x45; // jset #k
    const KEEP: u16 = 0x06; // ret #k
    const KEEP_A: u16 = 0x16; // ret a
    /// SKF_NET_OFF: the start of the IP header.
    const NET: u32 = 0xfff0_0000;
    /// The data offset of a TCP header (RFC 9293) is the high half of this byte, in words of four bytes.
    const DATA_OFFSET: u32 = 12;
    const FLAGS: u32 = 13;
    const FIN: u32 = 1;
    vec![
        // X: length of the TCP header.
        SockFilter::new(LOAD_BYTE, 0, 0, DATA_OFFSET),
        SockFilter::new(AND, 0, 0, 0xf0),
        SockFilter::new(SHIFT_RIGHT, 0, 0, 2),
        SockFilter::new(TO_X, 0, 0, 0),
        // A: bytes of the answer in this segment. None: let it pass, but for a FIN; too few: leave it out.
        SockFilter::new(LOAD_LENGTH, 0, 0, 0),
        SockFilter::new(MINUS_X, 0, 0, 0),
        SockFilter::new(IF_EQUAL, 0, 4, 0),
        // A FIN behind bytes that are missing would ask for them at once, before the first are read.
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(IF_ANY, 0, 1, FIN),
        SockFilter::new(KEEP, 0, 0, 0),
        SockFilter::new(KEEP, 0, 0, u32::MAX),
        SockFilter::new(IF_AT_LEAST, 1, 0, SHORTEST),
        SockFilter::new(KEEP, 0, 0, 0),
        // A: the TTL, at most one more than the most.
        SockFilter::new(LOAD_BYTE, 0, 0, NET + place),
        SockFilter::new(IF_MORE, 0, 1, MOST),
        SockFilter::new(LOAD, 0, 0, MOST + 1),
        // Keep the header, the least, and a byte for each hop.
        SockFilter::new(PLUS, 0, 0, LEAST),
        SockFilter::new(PLUS_X, 0, 0, 0),
        SockFilter::new(KEEP_A, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::instance::Environment;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream as Stream};
    use std::thread;

    /// Serves every connection so, and measures.
    fn measured(ttl: u32, serve: fn(&mut Stream)) -> Hops {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let environment = Environment {
            endpoint: Some(format!("http://{}", listener.local_addr().expect("bound"))),
            ..Environment::default()
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                thread::spawn(move || {
                    stream.set_ttl(ttl).expect("a socket");
                    stream.set_nodelay(true).expect("a socket");
                    let mut request = [0; 4096];
                    assert!(stream.read(&mut request).expect("a request") > 0);
                    serve(&mut stream);
                });
            }
        });
        let config = config::Instance::default();
        let endpoint = Endpoint::choose(&environment, &config).expect("an endpoint");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime
            .block_on(async { measure(&endpoint, Instant::now() + Duration::from_secs(5)).await })
    }

    /// Whoever has gone does not read on.
    fn send(stream: &mut Stream, bytes: &[u8]) {
        stream.write_all(bytes).unwrap_or_default();
    }

    fn answer(length: u32) -> Vec<u8> {
        let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
        bytes.resize(usize::try_from(length).expect("small"), b'x');
        bytes
    }

    #[test]
    fn answers_that_are_measured() {
        let whole: fn(&mut Stream) = |stream| send(stream, &answer(300));
        let shortest: fn(&mut Stream) = |stream| send(stream, &answer(SHORTEST));
        let head_and_body: fn(&mut Stream) = |stream| {
            send(stream, &answer(200));
            send(stream, &answer(56));
        };
        // Slow, but within a second.
        let late: fn(&mut Stream) = |stream| {
            thread::sleep(Duration::from_millis(300));
            send(stream, &answer(300));
        };
        let refused: fn(&mut Stream) = |stream| {
            send(
                stream,
                &[b"HTTP/1.1 403 Forbidden\r\n", &answer(300)[..]].concat(),
            );
        };
        for (ttl, serve, status, expected) in [
            (1, whole, 200, 1),
            (2, whole, 200, 2),
            (64, whole, 200, 64),
            (65, whole, 200, 65),
            (255, whole, 200, 65),
            (1, shortest, 200, 1),
            (64, shortest, 200, 64),
            (255, shortest, 200, 65),
            (1, head_and_body, 200, 1),
            (64, head_and_body, 200, 64),
            (64, late, 200, 64),
            (1, refused, 403, 1),
        ] {
            let expected = Hops::Measured {
                status,
                ttl: expected,
            };
            assert_eq!(measured(ttl, serve), expected, "{ttl} {status}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_never_a_small_number() {
        let nothing: fn(&mut Stream) = |_| thread::sleep(Duration::from_secs(3));
        let closed: fn(&mut Stream) = |_| {};
        let short: fn(&mut Stream) = |stream| send(stream, &answer(SHORTEST - 1));
        let by_the_byte: fn(&mut Stream) = |stream| {
            for byte in answer(300) {
                send(stream, &[byte]);
                thread::sleep(Duration::from_millis(2));
            }
        };
        let no_http: fn(&mut Stream) = |stream| send(stream, &[b'x'; 300]);
        for serve in [nothing, closed, short, by_the_byte, no_http] {
            for ttl in [1, 64] {
                let hops = measured(ttl, serve);
                // The kernel may join bytes when it sends them again: then the measure is a true one.
                let exact = Hops::Measured { status: 200, ttl };
                assert!(matches!(hops, Hops::Untold(_)) || hops == exact, "{hops:?}");
            }
        }
    }
}
