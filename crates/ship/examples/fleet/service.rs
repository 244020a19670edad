//! The service: quotas and answers of CloudWatch Logs as AWS documents them (CloudWatch Logs quotas, 2026), for one
//! account and Region.

use crate::fleet::CALL;
use agent_outbox::parcel::Parcel;
use agent_ship::pack::{OVERHEAD, PackedEvent};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;

/// "PutLogEvents: 5,000 per second per account per Region", may be raised.
const PUT: f64 = 5_000.0;
/// "CreateLogStream: 50 per second per account per Region", may be raised.
const CREATE: f64 = 50.0;

/// What may go wrong, and when, in milliseconds of the virtual clock.
#[derive(Clone)]
pub(crate) enum Fault {
    /// No answer at all. What is under way when it begins is taken all the same.
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
    /// What was taken, line by line, where somebody is to read it.
    log: Option<BufWriter<File>>,
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
            log: None,
            seconds: Vec::new(),
            bytes: 0,
            events: 0,
        }
    }

    /// From now on what is taken is written there.
    pub(crate) fn keep(mut self, log: File) -> Service {
        self.log = Some(BufWriter::new(log));
        self
    }

    /// What was written so far is there for others.
    pub(crate) fn flush(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush().expect("written");
        }
    }

    /// These were taken long before.
    pub(crate) fn held_before(&mut self, parcels: &[Parcel]) {
        for parcel in parcels {
            self.write(parcel);
        }
    }

    /// PutLogEvents of a batch to that host's stream.
    pub(crate) fn put(
        &mut self,
        at: u64,
        host: usize,
        parcels: &[Parcel],
        batch: &[PackedEvent],
    ) -> Reply {
        let share = match &self.fault {
            Some(Fault::Slow(time, share)) if time.contains(&at) => *share,
            _ => 1.0,
        };
        let down = self.down_since(at);
        let reply = match () {
            () if down.is_some_and(|since| since > CALL) => Reply::None,
            () if !self.puts.take(at, share) => Reply::Throttled,
            () if !self.streams[host] => Reply::Missing,
            () => Reply::Done,
        };
        if reply == Reply::Done {
            for entry in batch {
                let parcel = &parcels[entry.index];
                self.write(parcel);
                self.bytes += (parcel.bytes.len() + OVERHEAD) as u64;
                self.events += 1;
            }
        }
        // Taken, and nobody learns of it.
        let reply = if down.is_some() { Reply::None } else { reply };
        self.count(at, reply)
    }

    /// CreateLogStream for that host.
    pub(crate) fn create(&mut self, at: u64, host: usize) -> Reply {
        let reply = match () {
            () if self.down_since(at).is_some() => Reply::None,
            () if !self.creates.take(at, 1.0) => Reply::Throttled,
            () => Reply::Done,
        };
        self.streams[host] |= reply == Reply::Done;
        self.count(at, reply)
    }

    /// How long it has given no answer by then, if it does not.
    fn down_since(&self, at: u64) -> Option<u64> {
        match &self.fault {
            Some(Fault::Down(time)) if time.contains(&at) => Some(at - time.start),
            _ => None,
        }
    }

    fn write(&mut self, parcel: &Parcel) {
        if let Some(log) = &mut self.log {
            log.write_all(&parcel.bytes).expect("written");
            log.write_all(b"\n").expect("written");
        }
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
