//! The service: quotas and answers of CloudWatch Logs as AWS documents them (CloudWatch Logs quotas, 2026), for one
//! account and Region.

use std::ops::Range;

/// "PutLogEvents: 5,000 per second per account per Region", may be raised.
const PUT: f64 = 5_000.0;
/// "CreateLogStream: 50 per second per account per Region", may be raised.
const CREATE: f64 = 50.0;

/// What may go wrong, and when, in milliseconds of the virtual clock.
pub(crate) enum Fault {
    /// No answer at all.
    Down(Range<u64>),
    /// PutLogEvents takes this share of what it should.
    Slow(Range<u64>, f64),
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Done,
    /// ResourceNotFoundException: the stream is missing.
    Missing,
    /// ThrottlingException.
    Throttled,
    /// No answer within the time allowed.
    None,
}

/// A second of the service.
#[derive(Clone, Copy, Default)]
pub(crate) struct Second {
    pub(crate) requests: u32,
    pub(crate) refused: u32,
}

pub(crate) struct Service {
    puts: Bucket,
    creates: Bucket,
    streams: Vec<bool>,
    fault: Option<Fault>,
    pub(crate) seconds: Vec<Second>,
    pub(crate) bytes: u64,
    pub(crate) events: u64,
}

impl Service {
    /// For so many hosts, whose streams are there or not.
    pub(crate) fn new(hosts: usize, streams: bool, fault: Option<Fault>) -> Service {
        Service {
            puts: Bucket::new(PUT),
            creates: Bucket::new(CREATE),
            streams: vec![streams; hosts],
            fault,
            seconds: Vec::new(),
            bytes: 0,
            events: 0,
        }
    }

    /// PutLogEvents to that host's stream.
    pub(crate) fn put(&mut self, at: u64, host: usize, events: u64, bytes: u64) -> Reply {
        let share = match &self.fault {
            Some(Fault::Slow(time, share)) if time.contains(&at) => *share,
            _ => 1.0,
        };
        let reply = match () {
            () if self.is_down(at) => Reply::None,
            () if !self.puts.take(at, share) => Reply::Throttled,
            () if !self.streams[host] => Reply::Missing,
            () => Reply::Done,
        };
        if reply == Reply::Done {
            self.bytes += bytes;
            self.events += events;
        }
        self.count(at, reply)
    }

    /// CreateLogStream for that host.
    pub(crate) fn create(&mut self, at: u64, host: usize) -> Reply {
        let reply = match () {
            () if self.is_down(at) => Reply::None,
            () if !self.creates.take(at, 1.0) => Reply::Throttled,
            () => Reply::Done,
        };
        self.streams[host] |= reply == Reply::Done;
        self.count(at, reply)
    }

    fn is_down(&self, at: u64) -> bool {
        matches!(&self.fault, Some(Fault::Down(time)) if time.contains(&at))
    }

    fn count(&mut self, at: u64, reply: Reply) -> Reply {
        let second = usize::try_from(at / 1000).unwrap_or(usize::MAX);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Second::default());
        }
        self.seconds[second].requests += 1;
        self.seconds[second].refused += u32::from(matches!(reply, Reply::Throttled | Reply::None));
        reply
    }
}

/// A token bucket of one second's calls.
struct Bucket {
    rate: f64,
    tokens: f64,
    at: u64,
}

impl Bucket {
    fn new(rate: f64) -> Bucket {
        Bucket {
            rate,
            tokens: rate,
            at: 0,
        }
    }

    fn take(&mut self, at: u64, share: f64) -> bool {
        let rate = self.rate * share;
        let passed = std::time::Duration::from_millis(at.saturating_sub(self.at)).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(rate);
        self.at = self.at.max(at);
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}
