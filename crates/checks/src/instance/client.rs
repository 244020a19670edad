//! A client that speaks IMDSv2 alone: a token first, then what is asked for with it. It never falls back to IMDSv1.
//!
//! "Use the Instance Metadata Service", EC2 user guide. Tokens and what they open are held in memory and written
//! nowhere.

use super::endpoint::Endpoint;
use agent_core::bounds;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, redirect};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// For connecting, and for a whole answer: as the AWS SDKs have it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Tries of one request, the first among them.
const TRIES: u32 = 4;
/// Before the second try; doubled before each further one, and jittered.
const PAUSE: Duration = Duration::from_millis(100);
/// "a time to live (TTL) ... from one second to six hours"
// Own bound: the metadata service's.
pub(super) const MAX_TTL: u64 = 21_600;
/// A token is renewed so long before its end.
const MARGIN: Duration = Duration::from_secs(120);

/// Why there is no answer where nobody listens, or no way leads there.
pub(super) const UNREACHABLE: &str = "cannot be connected to";

pub(super) const TOKEN_PATH: &str = "/latest/api/token";
pub(super) const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TTL: HeaderName = HeaderName::from_static(TTL_HEADER);

/// What came back to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A whole answer.
    Status(u16),
    /// An answer whose body is too large to be meant.
    TooLarge(u16),
    /// It leads elsewhere; nobody goes there.
    Redirect,
    /// None: the text says why, after "the metadata service".
    Nothing(&'static str),
}

/// A token, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// Good for so many seconds.
    Token(u64),
    /// 200, and nothing that says how long the token is good: not what AWS documents.
    NoTtl,
    /// 200, and nothing that could be a token: the text says what, after "a token".
    Odd(&'static str),
    /// Not given.
    Not(Answer),
}

/// An item, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Its bytes.
    There(Vec<u8>),
    /// 404: the service holds no such item.
    Absent,
    /// The text says why, after "the metadata service".
    Untold(String),
}

/// A conversation with one service.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    token: Option<Token>,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    renew: Instant,
}

/// An answer with what it brought.
struct Reply {
    answer: Answer,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl Client {
    /// A client that has asked nothing yet. The error is one of the machine's own.
    pub(super) fn new(endpoint: Endpoint) -> Result<Client, String> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            // The service closes connections; one that is kept would only be found dead.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Client {
            http,
            endpoint,
            token: None,
        })
    }

    /// Where it asks.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The one request of IMDSv1: it must be refused. Tried once.
    pub(super) async fn without_token(&self, end: Instant) -> Answer {
        let headers = HeaderMap::new();
        let path = "/latest/meta-data/";
        self.once(Method::GET, path, headers, end).await.answer
    }

    /// Asks for a token, and keeps it.
    pub(super) async fn ask_for_token(&mut self, end: Instant) -> Handed {
        self.token = None;
        let mut headers = HeaderMap::new();
        headers.insert(TTL, HeaderValue::from(MAX_TTL));
        let reply = self.tries(Method::PUT, TOKEN_PATH, &headers, end).await;
        let ttl = reply.headers.get(TTL).and_then(|value| value.to_str().ok());
        let ttl = ttl.and_then(|text| text.parse().ok());
        match reply.answer {
            Answer::Status(200) => {}
            Answer::TooLarge(200) => return Handed::Odd("of more than 64 KiB"),
            answer => return Handed::Not(answer),
        }
        if reply.body.is_empty() {
            return Handed::Odd("of no bytes");
        }
        if !reply.body.iter().all(u8::is_ascii_graphic) {
            // A page for people, as captive portals serve it, has no such header either.
            return match ttl {
                Some(_) => Handed::Odd("of bytes that no header can carry"),
                None => Handed::NoTtl,
            };
        }
        let Some(seconds) = ttl.filter(|seconds| (1..=MAX_TTL).contains(seconds)) else {
            return Handed::NoTtl;
        };
        let Ok(mut header) = HeaderValue::from_bytes(&reply.body) else {
            return Handed::Odd("of bytes that no header can carry");
        };
        header.set_sensitive(true);
        let life = Duration::from_secs(seconds);
        let now = Instant::now();
        let half = Duration::from_secs(seconds / 2);
        let kept = life.saturating_sub(MARGIN).max(half);
        let renew = now.checked_add(kept).unwrap_or(now);
        self.token = Some(Token { header, renew });
        Handed::Token(seconds)
    }

    /// The item at `path`, with a token. An answer of 401 renews the token, once.
    pub(super) async fn get(&mut self, path: &str, end: Instant) -> Item {
        let untold = |text: &str| Item::Untold(text.to_owned());
        for may_renew in [true, false] {
            let live = self
                .token
                .as_ref()
                .filter(|token| Instant::now() < token.renew);
            if live.is_none()
                && let other @ (Handed::NoTtl | Handed::Odd(_) | Handed::Not(_)) =
                    self.ask_for_token(end).await
            {
                return Item::Untold(format!("gave no token: {}", other.reason()));
            }
            let Some(token) = &self.token else {
                return untold("gave no token");
            };
            let mut headers = HeaderMap::new();
            headers.insert(TOKEN, token.header.clone());
            let reply = self.tries(Method::GET, path, &headers, end).await;
            return match reply.answer {
                Answer::Status(200) => Item::There(reply.body.to_vec()),
                Answer::Status(404) => Item::Absent,
                Answer::Status(401) if may_renew => {
                    self.token = None;
                    continue;
                }
                other => Item::Untold(other.reason()),
            };
        }
        untold("refuses the tokens that it hands out")
    }

    /// Tries until an answer comes that another try would not change.
    async fn tries(&self, method: Method, path: &str, headers: &HeaderMap, end: Instant) -> Reply {
        let mut pause = PAUSE;
        let mut count = 1;
        loop {
            let reply = self.once(method.clone(), path, headers.clone(), end).await;
            let passing = match reply.answer {
                Answer::Status(status) => status == 429 || status >= 500,
                Answer::Nothing(_) => true,
                Answer::TooLarge(_) | Answer::Redirect => false,
            };
            let jittered = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            let left = end.saturating_duration_since(Instant::now());
            if !passing || count == TRIES || left <= jittered {
                return reply;
            }
            tokio::time::sleep(jittered).await;
            pause = pause.saturating_mul(2);
            count = count.saturating_add(1);
        }
    }

    async fn once(&self, method: Method, path: &str, headers: HeaderMap, end: Instant) -> Reply {
        let nothing = |why| Reply {
            answer: Answer::Nothing(why),
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return nothing("was not asked: the time for it was over");
        }
        let request = self
            .http
            .request(method, self.endpoint.at(path))
            .headers(headers)
            .timeout(left.min(PATIENCE));
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return nothing(cause(&error)),
        };
        let status = response.status();
        let mut reply = Reply {
            answer: Answer::Status(status.as_u16()),
            headers: std::mem::take(response.headers_mut()),
            body: Zeroizing::default(),
        };
        if status.is_redirection() {
            reply.answer = Answer::Redirect;
            return reply;
        }
        loop {
            match response.chunk().await {
                Ok(Some(chunk))
                    if reply.body.len().saturating_add(chunk.len()) > bounds::METADATA_BODY =>
                {
                    reply.answer = Answer::TooLarge(status.as_u16());
                    return reply;
                }
                Ok(Some(chunk)) => reply.body.extend_from_slice(&chunk),
                Ok(None) => return reply,
                Err(error) => return nothing(cause(&error)),
            }
        }
    }
}

/// Why there is no answer, in words that hold nothing of the request.
fn cause(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        UNREACHABLE
    } else {
        "broke the connection off, or speaks no HTTP"
    }
}

impl Answer {
    /// What happened, after "the metadata service".
    pub(super) fn reason(&self) -> String {
        match self {
            Answer::Status(status @ (429 | 503)) => {
                format!("has too many requests to answer ({status})")
            }
            Answer::Status(status) => format!("answered {status}"),
            Answer::TooLarge(status) => format!("answered {status} with more than 64 KiB"),
            Answer::Redirect => "leads elsewhere, where nobody follows".into(),
            Answer::Nothing(why) => (*why).to_owned(),
        }
    }

    /// The status, if there is one.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Answer::Status(status) | Answer::TooLarge(status) => Some(*status),
            Answer::Redirect | Answer::Nothing(_) => None,
        }
    }
}

impl Handed {
    /// Why there is no token.
    pub(super) fn reason(&self) -> String {
        match self {
            Handed::Token(seconds) => format!("a token for {seconds} s"),
            Handed::NoTtl => "what came does not say how long it is good".into(),
            Handed::Odd(what) => format!("what came is one {what}"),
            Handed::Not(answer) => format!("it {}", answer.reason()),
        }
    }
}
