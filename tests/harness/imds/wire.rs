//! One connection: reads a request, answers as the mode says, closes.

use super::{Mode, Shared, lock};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &mut TcpStream) -> Option<Request> {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            let count = stream.read(&mut buffer).ok()?;
            if count == 0 || bytes.len() > 64 * 1024 {
                return None;
            }
            bytes.extend_from_slice(&buffer[..count]);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Request {
            method,
            path,
            headers,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it is the PUT for a token.
    fn is_put(&self) -> bool {
        self.method == "PUT" && self.path == "/latest/api/token"
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    fn status(status: u16) -> Answer {
        Answer {
            status,
            body: Vec::new(),
            headers: Vec::new(),
        }
    }

    fn text(body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            body: body.into(),
            ..Answer::status(200)
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// Status line and headers, as the service of EC2 has them.
    fn head(&self, length: Option<u64>) -> String {
        let reason = match self.status {
            200 => "OK",
            307 => "Temporary Redirect",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Not Allowed",
            503 => "Service Unavailable",
            _ => "Other",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(length) = length {
            head += &format!("Content-Length: {length}\r\n");
        }
        head + "Date: Thu, 05 Nov 2026 10:00:00 GMT\r\nServer: EC2ws\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
    }
}

pub(super) fn answer(shared: &Shared, mut stream: TcpStream) {
    let mode = lock(&shared.mode).clone();
    let log = |request: &Request, status: u16| {
        let line = format!("{} {} {status}", request.method, request.path);
        lock(&shared.asked).push(line);
    };
    if mode == Mode::Resets {
        // Unread bytes make the kernel send a reset.
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket");
        return;
    }
    let Some(request) = Request::read(&mut stream) else {
        return;
    };
    if mode == Mode::Silent {
        log(&request, 0);
        lock(&shared.kept).push(stream);
        return;
    }
    if request.is_put() {
        let socket = socket2::SockRef::from(&stream);
        match stream.local_addr().is_ok_and(|address| address.is_ipv4()) {
            true => socket.set_ttl_v4(shared.hops),
            false => socket.set_unicast_hops_v6(shared.hops),
        }
        .expect("a socket");
    }
    let answer = respond(shared, &mode, &request);
    log(&request, answer.status);
    // The other side may have gone: that is its business.
    drop(send(&mode, &request, &answer, &mut stream));
    drop(stream.shutdown(Shutdown::Write));
}

fn send(
    mode: &Mode,
    request: &Request,
    answer: &Answer,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    let body = match request.method.as_str() {
        "HEAD" => &[][..],
        _ => &answer.body,
    };
    let mut whole = answer.head(Some(answer.body.len() as u64)).into_bytes();
    whole.extend_from_slice(body);
    match mode {
        Mode::Garbage => stream.write_all(&[0xff; 300]),
        Mode::SlowBytes(pause) => {
            stream.set_nodelay(true)?;
            for byte in whole {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_millis(*pause));
            }
            Ok(())
        }
        Mode::Huge { bytes, announced } if request.is_put() => {
            stream.write_all(answer.head(announced.then_some(*bytes)).as_bytes())?;
            send_large(stream, *bytes)
        }
        Mode::HugeItems(bytes) if token(request).is_some() => {
            stream.write_all(answer.head(Some(*bytes)).as_bytes())?;
            send_large(stream, *bytes)
        }
        _ => stream.write_all(&whole),
    }
}

fn send_large(stream: &mut TcpStream, bytes: u64) -> std::io::Result<()> {
    let piece = vec![b'A'; 64 * 1024];
    for _ in 0..bytes / piece.len() as u64 {
        stream.write_all(&piece)?;
    }
    Ok(())
}

fn respond(shared: &Shared, mode: &Mode, request: &Request) -> Answer {
    match mode {
        Mode::Off(status) => return Answer::status(*status),
        Mode::Throttles => return Answer::status(503),
        Mode::Redirects(to) => return Answer::status(307).header("Location", to.clone()),
        Mode::RedirectsPut(to) if request.is_put() => {
            return Answer::status(307).header("Location", to.clone());
        }
        Mode::RedirectsItems(to) if token(request).is_some() => {
            return Answer::status(307).header("Location", to.clone());
        }
        Mode::Portal => return Answer::text("<html><body>Please log in</body></html>"),
        Mode::Refuses(status) | Mode::RefusesOptional(status) if request.is_put() => {
            return Answer::status(*status);
        }
        Mode::ThrottlesFirst(count) if request.is_put() || token(request).is_some() => {
            let mut throttled = lock(&shared.throttled);
            if *throttled < *count {
                *throttled += 1;
                return Answer::status(503);
            }
        }
        _ => {}
    }
    match request.method.as_str() {
        "PUT" => put(shared, mode, request),
        "GET" | "HEAD" => get(shared, mode, request),
        _ => Answer::status(405),
    }
}

const TTL: &str = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds";

/// A token, as "Use IMDSv2" of the EC2 user guide has it.
fn put(shared: &Shared, mode: &Mode, request: &Request) -> Answer {
    if !request.is_put() || request.header("x-forwarded-for").is_some() {
        return Answer::status(403);
    }
    let seconds = request.header("x-aws-ec2-metadata-token-ttl-seconds");
    let Some(seconds) = seconds
        .and_then(|text| text.parse().ok())
        .filter(|seconds| (1..=21600u64).contains(seconds))
    else {
        return Answer::status(400);
    };
    let token = match mode {
        Mode::OddToken(token) => token.to_vec(),
        _ => format!("AQAE{}==", super::contents::random(50)).into_bytes(),
    };
    let text = String::from_utf8_lossy(&token).into_owned();
    let end = Instant::now() + Duration::from_secs(seconds);
    lock(&shared.tokens).insert(text.clone(), (end, false));
    if !text.is_empty() {
        lock(&shared.secrets).push(text);
    }
    match mode {
        Mode::NoTtl => Answer::text(token),
        _ => Answer::text(token).header(TTL, seconds.to_string()),
    }
}

fn token(request: &Request) -> Option<&str> {
    request.header("x-aws-ec2-metadata-token")
}

fn get(shared: &Shared, mode: &Mode, request: &Request) -> Answer {
    let optional = matches!(mode, Mode::Optional | Mode::RefusesOptional(_));
    let mut left = None;
    match token(request) {
        None if optional => {}
        None => return Answer::status(401),
        Some(token) => {
            let mut tokens = lock(&shared.tokens);
            let known = tokens.get_mut(token);
            let Some((end, used)) = known.filter(|(end, _)| *end > Instant::now()) else {
                return Answer::status(401);
            };
            if *mode == Mode::ForgetsTokens || (*mode == Mode::SingleUse && *used) {
                return Answer::status(401);
            }
            *used = true;
            left = Some(end.saturating_duration_since(Instant::now()).as_secs());
        }
    }
    let mut contents = lock(&shared.contents);
    let Some(body) = contents.get(&request.path) else {
        return Answer::status(404);
    };
    lock(&shared.secrets).extend(contents.handed_out());
    match left {
        Some(left) => Answer::text(body).header(TTL, left.to_string()),
        None => Answer::text(body),
    }
}
