//! How far the answer with the token can go: whether its IP time to live is more than what is demanded.
//!
//! The kernel tells no program the TTL of a TCP segment, but it drops those with too small a one for whoever wishes
//! (IP_MINTTL, no privilege needed), and the other side sends again what was dropped, as if it had been lost. So, on a
//! connection of its own:
//!
//! ```text
//!  connect ──► drop what has no more than the demanded hops left ──► PUT
//!     ├─ the answer arrives: it can go further
//!     └─ a segment of it was dropped ──► drop nothing any more ──► it arrives: it cannot
//! ```
//!
//! The limit comes after the handshake, whose segments may have another TTL. Silence proves nothing: unless something
//! was dropped that must be a part of the answer, the limit stays until there is an answer or the time is over.

use super::client::{TOKEN_PATH, TTL_HEADER};
use super::endpoint::Endpoint;
use agent_core::os::tcp::{Segments, set_least_ttl};
use rustix::net::RecvFlags;
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// So often is looked whether something was dropped, of which the kernel gives no notice.
const PAUSE: Duration = Duration::from_millis(5);
/// `HTTP/1.1 200`
const STATUS_LINE: usize = 12;

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hops {
    /// There was an answer.
    Told {
        /// HTTP status.
        status: u16,
        /// Whether its TTL is more than the demanded one.
        beyond: bool,
    },
    /// The text says why nothing is known.
    Untold(&'static str),
}

/// Asks for a token that is good for a second, once, and tells whether the answer can go further than `most` hops.
pub(super) async fn measure(endpoint: &Endpoint, most: u8, end: Instant) -> Hops {
    match timeout_at(end, once(endpoint, most)).await {
        Ok(Ok(hops)) => hops,
        Ok(Err(_)) => Hops::Untold("the connection broke off"),
        Err(_) => Hops::Untold("no answer that could be measured came in time"),
    }
}

async fn once(endpoint: &Endpoint, most: u8) -> io::Result<Hops> {
    let mut stream = TcpStream::connect(endpoint.host_and_port()).await?;
    let peer = stream.peer_addr()?;
    let limited = set_least_ttl(&stream, peer, most.saturating_add(1));
    let Ok(before) = limited.and_then(|()| Segments::of(&stream)) else {
        return Ok(Hops::Untold(
            "this kernel does not drop what has too small a TTL, or does not count it",
        ));
    };
    // One segment: what is counted below rests on it.
    let request = format!(
        "PUT {TOKEN_PATH} HTTP/1.1\r\nHost: {}\r\n{TTL_HEADER}: 1\r\nConnection: close\r\n\r\n",
        endpoint.authority()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut beyond = true;
    let mut line = [0; STATUS_LINE];
    let mut length: usize = 0;
    while length < STATUS_LINE {
        timeout(PAUSE, stream.readable()).await.unwrap_or(Ok(()))?;
        match stream.try_read(line.get_mut(length..).unwrap_or_default()) {
            Ok(0) => return Ok(Hops::Untold("the service broke off its answer")),
            Ok(count) => length = length.saturating_add(count),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if !beyond || length > 0 => {}
            Err(_) => {
                // The answer itself may have come, and acknowledged the request, since it was last looked for.
                if answer_dropped(before, Segments::of(&stream)?) && !has_come(&stream) {
                    set_least_ttl(&stream, peer, 0)?;
                    beyond = false;
                }
            }
        }
    }
    Ok(match status(&line) {
        Some(status) => Hops::Told { status, beyond },
        None => Hops::Untold("the answer was no HTTP"),
    })
}

/// Whether a segment of the answer is among those that were dropped since the request was sent.
///
/// The others are acknowledgements of the request: one for each time that it was sent, and if it is acknowledged, one
/// of them was not dropped.
fn answer_dropped(before: Segments, now: Segments) -> bool {
    let dropped = now.dropped.wrapping_sub(before.dropped);
    let sent_again = now.sent_again.wrapping_sub(before.sent_again);
    match now.acknowledged {
        true => dropped > sent_again,
        false => dropped > sent_again.saturating_add(1),
    }
}

/// Whether there is something to read, by the kernel's word and not by what the runtime knows of it.
fn has_come(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    rustix::net::recv(stream, &mut [0_u8; 1][..], flags).is_ok()
}

fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Environment;
    use agent_core::config;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream as Stream};
    use std::thread;

    /// The TTL of whatever is sent before an answer, and of the answer.
    type Ttls = (u32, u32);

    /// Serves a connection so, and measures.
    fn measured(most: u8, (before, answer): Ttls, serve: fn(&mut Stream)) -> Hops {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let environment = Environment {
            endpoint: Some(format!("http://{}", listener.local_addr().expect("bound"))),
            ..Environment::default()
        };
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            stream.set_ttl(before).expect("a socket");
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).expect("a request") > 0);
            // Time to acknowledge the request by itself.
            if before != answer {
                thread::sleep(Duration::from_millis(50));
            }
            stream.set_ttl(answer).expect("a socket");
            serve(&mut stream);
        });
        let config = config::Instance::default();
        let endpoint = Endpoint::choose(&environment, &config).expect("an endpoint");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            measure(&endpoint, most, Instant::now() + Duration::from_secs(3)).await
        })
    }

    /// Whoever has gone does not read on.
    fn send(stream: &mut Stream, bytes: &[u8]) {
        stream.write_all(bytes).unwrap_or_default();
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken";
    const REFUSED: &[u8] = b"HTTP/1.1 403 Forbidden\r\n\r\n";

    #[test]
    fn answers_that_are_told_apart() {
        let whole: fn(&mut Stream) = |stream| send(stream, OK);
        let kept: fn(&mut Stream) = |stream| {
            send(stream, OK);
            thread::sleep(Duration::from_secs(3));
        };
        let late: fn(&mut Stream) = |stream| {
            thread::sleep(Duration::from_millis(500));
            send(stream, OK);
        };
        let by_the_byte: fn(&mut Stream) = |stream| {
            for byte in OK {
                send(stream, &[*byte]);
                thread::sleep(Duration::from_millis(2));
            }
        };
        let refused: fn(&mut Stream) = |stream| send(stream, REFUSED);
        for (serve, status) in [
            (whole, 200),
            (kept, 200),
            (late, 200),
            (by_the_byte, 200),
            (refused, 403),
        ] {
            let ttls = [1, 2, 3, 64, 65, 255].into_iter();
            // What comes before the answer says nothing of it.
            let ttls = ttls.flat_map(|ttl| [1, ttl, 64].map(|before| (before, ttl)));
            let cases: Vec<(u8, Ttls)> = ttls
                .flat_map(|ttls| [1, 2, 64].map(|most| (most, ttls)))
                .collect();
            // All at once: most of the time goes by in waiting.
            thread::scope(|scope| {
                for (most, ttls) in cases {
                    scope.spawn(move || {
                        let beyond = ttls.1 > u32::from(most);
                        let hops = measured(most, ttls, serve);
                        let expected = Hops::Told { status, beyond };
                        assert_eq!(hops, expected, "{most} {ttls:?} {status}");
                    });
                }
            });
        }
    }

    #[test]
    fn what_says_nothing() {
        let nothing: fn(&mut Stream) = |_| thread::sleep(Duration::from_secs(4));
        let closed: fn(&mut Stream) = |_| {};
        let short: fn(&mut Stream) = |stream| send(stream, &OK[..STATUS_LINE - 1]);
        let no_http: fn(&mut Stream) = |stream| send(stream, &[b'x'; 300]);
        thread::scope(|scope| {
            for serve in [nothing, closed, short, no_http] {
                for ttls in [(1, 1), (64, 64), (1, 64), (64, 1)] {
                    scope.spawn(move || {
                        let hops = measured(2, ttls, serve);
                        assert!(matches!(hops, Hops::Untold(_)), "{ttls:?} {hops:?}");
                    });
                }
            }
        });
    }

    #[test]
    fn dropped_acknowledgements_are_no_part_of_the_answer() {
        let segments = |dropped, sent_again, acknowledged| Segments {
            dropped,
            sent_again,
            acknowledged,
        };
        for (now, expected) in [
            (segments(7, 3, false), false),
            (segments(7, 3, true), false),
            // The one for the request, and what cannot be one.
            (segments(8, 3, false), false),
            (segments(9, 3, false), true),
            (segments(8, 3, true), true),
            // The request was sent twice.
            (segments(9, 4, false), false),
            (segments(10, 4, false), true),
            (segments(8, 4, true), false),
            (segments(9, 4, true), true),
        ] {
            assert_eq!(
                answer_dropped(segments(7, 3, true), now),
                expected,
                "{now:?}"
            );
        }
    }
}
