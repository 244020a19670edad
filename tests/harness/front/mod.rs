//! A front before moto that fails as AWS and the network do, and enforces what moto does not.

pub mod http;
mod limits;
mod replies;
mod signature;

pub use limits::Rules;
pub use signature::Key;

use http::{Head, Reply};
use replies::{as_xml, busy, error, page};
use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Refused with that status, error and message, and not passed on.
    Refuse(u16, &'static str, &'static str),
    /// Passed on; the reply says otherwise.
    Belie(u16, &'static str),
    /// A page of somebody between, with that status; not passed on.
    Page(u16, &'static str),
    /// A page with that status that asks to be left alone for so many seconds; not passed on.
    Busy(u16, u32),
    /// Reset as soon as the head is read.
    ResetBefore,
    /// Reset when half of the body is read.
    ResetDuring,
    /// Passed on, then reset.
    ResetAfter,
    /// Passed on, then closed in the middle of the reply.
    CutReply,
    /// Passed on; the reply comes by the byte and takes minutes.
    Slow,
    /// Passed on; the reply comes by the byte, but soon enough.
    Trickle,
}

impl Fault {
    /// Whether the caller cannot know that the call was a success.
    pub fn loses_the_reply(self) -> bool {
        matches!(
            self,
            Fault::Belie(..) | Fault::ResetAfter | Fault::CutReply | Fault::Slow
        )
    }
}

/// A call as the front saw it.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: String,
    /// What was answered; 0 where nothing was.
    pub status: u16,
    /// Events in it.
    pub events: usize,
    /// The access key that it was signed with.
    pub key: String,
    pub body: String,
}

/// The front.
pub struct Front {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    backend: SocketAddr,
    keys: Vec<Key>,
    rules: Rules,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    calls: Vec<Call>,
    /// Batches that were refused for what the documentation says.
    violations: Vec<String>,
    /// Calls of the running second of the test's time.
    second: HashMap<String, usize>,
    stopped: bool,
}

impl Front {
    /// A front before `backend` that lets everything through.
    pub fn new(backend: SocketAddr) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            backend,
            keys: Vec::new(),
            rules: Rules::default(),
            faults: HashMap::new(),
            calls: Vec::new(),
            violations: Vec::new(),
            second: HashMap::new(),
            stopped: false,
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if lock(&shared).stopped {
                    return;
                }
                let shared = shared.clone();
                std::thread::spawn(move || serve(stream, &shared).unwrap_or_default());
            }
        });
        Front { address, state }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next calls of that operation fail so, one after another.
    pub fn fail(&self, operation: &'static str, faults: &[Fault]) {
        lock(&self.state)
            .faults
            .entry(operation)
            .or_default()
            .extend(faults);
    }

    /// Whether the next call of that operation fails.
    pub fn is_to_fail(&self, operation: &str) -> bool {
        let state = lock(&self.state);
        let faults = state.faults.get(operation);
        faults.is_some_and(|faults| !faults.is_empty())
    }

    /// Changes how batches are judged.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut lock(&self.state).rules);
    }

    /// Changes how batches are judged, when so much time has passed; tells when that was.
    pub fn later(
        &self,
        after: Duration,
        change: impl FnOnce(&mut Rules) + Send + 'static,
    ) -> JoinHandle<Instant> {
        let state = self.state.clone();
        std::thread::spawn(move || {
            std::thread::sleep(after);
            change(&mut lock(&state).rules);
            Instant::now()
        })
    }

    /// Changes the keys that are known; while there are none, signatures are not looked at.
    pub fn keys(&self, change: impl FnOnce(&mut Vec<Key>)) {
        change(&mut lock(&self.state).keys);
    }

    /// A second of the test's own time has passed.
    pub fn tick(&self) {
        lock(&self.state).second.clear();
    }

    /// What was called so far.
    pub fn calls(&self, operation: &str) -> Vec<Call> {
        let mut calls = lock(&self.state).calls.clone();
        calls.retain(|call| operation.is_empty() || call.operation == operation);
        calls
    }

    /// Limits that were passed.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.state).violations.clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        lock(&self.state).stopped = true;
        // Wakes the listener, if it still listens.
        drop(TcpStream::connect(self.address));
    }
}

fn lock(state: &Arc<Mutex<State>>) -> MutexGuard<'_, State> {
    state
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Answers the requests of one connection.
fn serve(mut stream: TcpStream, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    while let Some(head) = http::read_head(&mut from)? {
        let target = head.header("x-amz-target").unwrap_or("sts.AssumeRole");
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let fault = {
            let mut state = lock(state);
            let queue = state.faults.get_mut(operation.as_str());
            queue.and_then(VecDeque::pop_front).unwrap_or(Fault::None)
        };
        let mut body = vec![0; head.length()];
        if fault == Fault::ResetBefore {
            return reset(&stream);
        }
        if fault == Fault::ResetDuring {
            from.read_exact(&mut body[..head.length() / 2])?;
            return reset(&stream);
        }
        from.read_exact(&mut body)?;
        let reply = answer(&operation, &head, &body, fault, state)?;
        let bytes = reply.bytes();
        match fault {
            Fault::ResetAfter => return reset(&stream),
            Fault::CutReply => return stream.write_all(&bytes[..bytes.len() - 1]),
            Fault::Slow => by_the_byte(&mut stream, &bytes, Duration::from_millis(500))?,
            Fault::Trickle => by_the_byte(&mut stream, &bytes, Duration::from_millis(1))?,
            _ => stream.write_all(&bytes)?,
        }
    }
    Ok(())
}

fn by_the_byte(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    for byte in bytes {
        stream.write_all(&[*byte])?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Makes the close that follows a reset.
fn reset(stream: &TcpStream) -> io::Result<()> {
    set_socket_linger(stream, Some(Duration::ZERO))?;
    Ok(())
}

/// Judges a call, passes it on if it is good, and records it.
fn answer(
    operation: &str,
    head: &Head,
    body: &[u8],
    fault: Fault,
    state: &Arc<Mutex<State>>,
) -> io::Result<Reply> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let (rules, clock, backend, judged) = {
        let mut state = lock(state);
        let clock = now() + state.rules.ahead;
        let judged = judge(operation, head, body, &request, clock, &mut state);
        (state.rules.clone(), clock, state.backend, judged)
    };
    let reply = match (fault, judged) {
        (Fault::Refuse(status, code, message), _) => error(status, code, message),
        (Fault::Page(status, text), _) => page(status, text),
        (Fault::Busy(status, seconds), _) => busy(status, seconds),
        (_, Err(refusal)) => refusal,
        (Fault::Belie(status, code), Ok(_)) => {
            pass_on(operation, head, body, &request, &rules, clock, backend)?;
            error(status, code, "it did happen")
        }
        (_, Ok(_)) => pass_on(operation, head, body, &request, &rules, clock, backend)?,
    };
    let mut reply = match operation {
        "AssumeRole" if reply.status >= 400 => as_xml(&reply),
        _ => reply,
    };
    let ours = ["date", "content-length", "connection", "server"];
    reply
        .headers
        .retain(|(name, _)| !ours.contains(&name.as_str()));
    reply.headers.push(("date".into(), signature::date(clock)));
    let authorization = head.header("authorization").unwrap_or_default();
    let key = authorization
        .split_once("Credential=")
        .and_then(|(_, rest)| rest.split('/').next());
    let call = Call {
        operation: operation.to_owned(),
        status: if fault.loses_the_reply() {
            0
        } else {
            reply.status
        },
        events: request["logEvents"].as_array().map_or(0, Vec::len),
        key: key.unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    let mut state = lock(state);
    state.calls.push(call);
    if operation == "AssumeRole" && reply.status == 200 {
        let text = String::from_utf8_lossy(&reply.body);
        let field = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split('<').next().map(str::to_owned)
        };
        state.keys.push(Key {
            id: field("AccessKeyId").unwrap_or_default(),
            secret: field("SecretAccessKey").unwrap_or_default(),
            token: field("SessionToken"),
            expired: false,
        });
    }
    Ok(reply)
}

/// What the service refuses before it looks for group and stream.
fn judge(
    operation: &str,
    head: &Head,
    body: &[u8],
    request: &Value,
    clock: i64,
    state: &mut State,
) -> Result<(), Reply> {
    if state
        .rules
        .longest_body
        .is_some_and(|longest| body.len() > longest)
    {
        return Err(page(413, "<html>Request Entity Too Large</html>"));
    }
    if !state.keys.is_empty() {
        signature::judge(head, body, &state.keys, clock)
            .map_err(|(code, text)| error(400, code, &text))?;
    }
    if state.rules.denied {
        let text = format!(
            "User: arn:aws:sts::123456789012:assumed-role/r/i-0 is not authorized to perform: logs:{operation}"
        );
        return Err(error(400, "AccessDeniedException", &text));
    }
    let calls = state.second.entry(operation.to_owned()).or_default();
    *calls += 1;
    if state.rules.rate.is_some_and(|rate| *calls > rate) {
        return Err(error(400, "ThrottlingException", "Rate exceeded"));
    }
    if operation != "PutLogEvents" {
        return Ok(());
    }
    if let Some(text) = limits::refusal(request) {
        state.violations.push(text.clone());
        return Err(error(400, "InvalidParameterException", &text));
    }
    let events = request["logEvents"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let bad = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        state.rules.poison.iter().any(|word| message.contains(word))
    };
    if events.iter().any(bad) {
        return Err(error(
            400,
            "InvalidParameterException",
            "1 validation error detected",
        ));
    }
    Ok(())
}

/// Lets moto do it. What its clock and its index rules get wrong is put right here.
fn pass_on(
    operation: &str,
    head: &Head,
    body: &[u8],
    request: &Value,
    rules: &Rules,
    clock: i64,
    backend: SocketAddr,
) -> io::Result<Reply> {
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "connection"))
        .cloned()
        .collect();
    if operation != "PutLogEvents" {
        return http::call(backend, &headers, body);
    }
    let events = request["logEvents"].as_array().expect("judged");
    let (mut stored, info) = limits::by_time(events, rules, clock);
    for event in &mut stored {
        event["timestamp"] = (event["timestamp"].as_i64().expect("judged") - rules.ahead).into();
    }
    let mut passed = request.clone();
    // Nothing left to store: an event that moto rejects finds out whether the stream is there.
    passed["logEvents"] = if stored.is_empty() {
        json!([{"timestamp": 1, "message": "x"}])
    } else {
        stored.clone().into()
    };
    let mut reply = http::call(backend, &headers, passed.to_string().as_bytes())?;
    if reply.status == 200 {
        let theirs: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        assert!(
            stored.is_empty() || theirs["rejectedLogEventsInfo"].is_null(),
            "{theirs}"
        );
        let rejected = info.as_object().is_some_and(|info| !info.is_empty());
        let ours = if rejected {
            json!({ "rejectedLogEventsInfo": info })
        } else {
            json!({})
        };
        reply.body = ours.to_string().into_bytes();
    }
    Ok(reply)
}

/// In milliseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_millis()).expect("not that late")
}
