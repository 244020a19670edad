//! The story of a send: pack, put, and do about every error what the error asks for.

use super::failure::{Failure, tidy};
use super::options::Options;
use super::service::Service;
use crate::Sent;
use crate::classify::Class;
use crate::pack::{self, Batch, PackedEvent, TimestampChoice};
use crate::retry::Schedule;
use agent_core::finding::Severity;
use agent_core::words::counted;
use agent_outbox::parcel::{Delivery, Parcel};
use aws_config::Region;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// So many refused calls are spent in one send on finding the bad events: a few of them among 10,000.
const HALVINGS: u32 = 64;
/// So often in one send are events stamped anew whose present time was rejected: the rejection tells a better clock.
const RESTAMPS: u32 = 2;

/// Sends to one stream.
///
/// Put first: nothing is described, no token kept. A missing stream is created, a missing group never.
#[derive(Debug)]
pub struct CloudWatchSink {
    service: Service,
    schedule: Schedule,
    /// Until when the first send waits, if it does.
    begin: Option<Instant>,
    /// Events that the service refused alone, with its reason. They are given up only once it has taken another one:
    /// until then it may be the stream's name or the service itself that is at fault.
    suspects: BTreeMap<u64, String>,
    /// Events whose own time the service has rejected.
    outdated: BTreeSet<u64>,
}

impl CloudWatchSink {
    /// A sink in that region.
    pub async fn new(options: &Options, region: Region) -> CloudWatchSink {
        let mut schedule = Schedule::new(options.seed);
        CloudWatchSink {
            service: Service::new(options, region).await,
            begin: Instant::now().checked_add(schedule.jitter(options.spread)),
            schedule,
            suspects: BTreeMap::new(),
            outdated: BTreeSet::new(),
        }
    }

    /// The first send waits no longer: the agent ends, and a fleet does not end together.
    pub fn hurry(&mut self) {
        self.begin = None;
    }

    /// Where the last call went, once there was one: scheme and authority.
    pub fn called(&self) -> Option<String> {
        self.service.called.last()
    }

    /// How far the service's clock is ahead of ours, in milliseconds, as its last reply had it.
    pub fn skew(&self) -> i64 {
        self.service.skew.ahead()
    }

    /// Sends the parcels, oldest first, until all are accepted or something stands in the way.
    pub async fn send(&mut self, parcels: &[Parcel], now: i64) -> Sent {
        if let Some(again) = self.held_back(parcels) {
            return Sent {
                again: Some(again),
                ..Sent::default()
            };
        }
        self.forget_others(parcels);
        let packed = pack::pack(parcels, self.service.skew.at(now), |parcel| {
            self.stamp(parcel, parcels.len())
        });
        let mut round = Round {
            delivery: Delivery {
                accepted: Vec::new(),
                refused: packed.refused,
            },
            queue: packed.batches.into(),
            found: Vec::new(),
            created: false,
            renewed: false,
            halvings: 0,
            restamps: 0,
        };
        let mut failure = None;
        while let Some(batch) = round.queue.pop_front() {
            if let Err(stopped) = self.step(parcels, batch, now, &mut round).await {
                failure = Some(stopped);
                break;
            }
        }
        self.conclude(round, failure)
    }

    /// One call, and what its reply asks for; an error ends the send.
    async fn step(
        &mut self,
        parcels: &[Parcel],
        batch: Batch,
        now: i64,
        round: &mut Round,
    ) -> Result<(), Failure> {
        let failure = match self.service.put(parcels, &batch).await {
            Ok((head, tail)) => {
                let key = |entry: &PackedEvent| parcels[entry.index].key;
                round
                    .delivery
                    .accepted
                    .extend(batch[head.end..tail.start].iter().map(key));
                let rejected: Vec<PackedEvent> = [&batch[head], &batch[tail]].concat();
                return self.restamp(parcels, rejected, now, round);
            }
            Err(failure) => failure,
        };
        match failure.class {
            Class::Missing if !round.created => {
                self.create().await?;
                round.created = true;
                round.queue.push_front(batch);
            }
            // Created a moment ago, and not known everywhere yet.
            Class::Missing => {
                return Err(Failure {
                    class: Class::Passing,
                    ..failure
                });
            }
            // The clock's difference is known from the refusal itself, and the next signature heeds it.
            Class::Credentials | Class::Clock if failure.answered && !round.renewed => {
                self.service.credentials.drop_all().await;
                round.renewed = true;
                round.queue.push_front(batch);
            }
            Class::Credentials | Class::Clock => {
                self.service.credentials.drop_all().await;
                return Err(failure);
            }
            Class::Content if round.halvings == HALVINGS => return Err(failure),
            Class::Content => {
                round.halvings += 1;
                if let [entry] = batch[..] {
                    let key = parcels[entry.index].key;
                    self.suspects.insert(key, tidy(&failure.text));
                    round.found.push(failure);
                } else {
                    let (older, newer) = batch.split_at(batch.len() / 2);
                    round.queue.push_front(newer.to_vec());
                    round.queue.push_front(older.to_vec());
                }
            }
            _ => return Err(failure),
        }
        Ok(())
    }

    /// Creates the stream. A group that is missing too has to be created by somebody else.
    async fn create(&self) -> Result<(), Failure> {
        let mut failure = match self.service.create().await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if failure.class == Class::Missing {
            failure.text +=
                " The agent creates no log group: aws logs create-log-group --log-group-name ";
            failure.text += self.service.group();
        }
        Err(failure)
    }

    /// Sends rejected events again with the present as their time stamp; their own time stands inside.
    fn restamp(
        &mut self,
        parcels: &[Parcel],
        rejected: Vec<PackedEvent>,
        now: i64,
        round: &mut Round,
    ) -> Result<(), Failure> {
        if rejected.is_empty() {
            return Ok(());
        }
        let mut again = false;
        for entry in &rejected {
            again |= !self.outdated.insert(parcels[entry.index].key);
        }
        if again && round.restamps == RESTAMPS {
            let text = format!(
                "{} rejected even with the present as their time",
                counted(rejected.len() as u64, "event")
            );
            return Err(Failure::new(Class::Time, text));
        }
        round.restamps += u32::from(again);
        let time = self.service.skew.at(now).max(0);
        let again = rejected
            .into_iter()
            .map(|entry| PackedEvent { time, ..entry });
        round.queue.push_front(again.collect());
        Ok(())
    }

    /// What to tell of a round that has ended.
    fn conclude(&mut self, round: Round, failure: Option<Failure>) -> Sent {
        let mut delivery = round.delivery;
        for key in &delivery.accepted {
            self.outdated.remove(key);
            self.suspects.remove(key);
        }
        if !delivery.accepted.is_empty() {
            // What is rejected for its time is so still, whatever else is taken: that fault goes on.
            if !matches!(&failure, Some(failure) if failure.class == Class::Time) {
                self.schedule.reset();
            }
            delivery.refused.extend(std::mem::take(&mut self.suspects));
        }
        let settled = delivery.accepted.len() + delivery.refused.len() > 0;
        let now = Instant::now();
        let again = match &failure {
            Some(failure) if failure.class == Class::Content && settled => Some(Duration::ZERO),
            Some(failure) => Some(self.schedule.wait(now, failure.asked)),
            None if !self.suspects.is_empty() => Some(self.schedule.wait(now, None)),
            None => None,
        };
        let refused = delivery.refused.first().map(|(_, reason)| {
            let text = format!(
                "{} set aside: {reason}",
                counted(delivery.refused.len() as u64, "event")
            );
            Failure::new(Class::Content, text)
        });
        let found = round.found.into_iter().next();
        Sent {
            trouble: failure.or(refused).or(found).map(Failure::trouble),
            delivery,
            again,
        }
    }

    /// How long the first send still waits, unless something in it can't.
    fn held_back(&mut self, parcels: &[Parcel]) -> Option<Duration> {
        let wait = self.begin?.saturating_duration_since(Instant::now());
        if wait.is_zero()
            || parcels
                .iter()
                .any(|parcel| parcel.severity >= Severity::High)
        {
            self.begin = None;
            return None;
        }
        Some(wait)
    }

    fn stamp(&self, parcel: &Parcel, offered: usize) -> TimestampChoice {
        // With nothing else to send they are tried again.
        if self.suspects.contains_key(&parcel.key) && self.suspects.len() < offered {
            TimestampChoice::LeaveOut
        } else if self.outdated.contains(&parcel.key) {
            TimestampChoice::Present
        } else {
            TimestampChoice::Own
        }
    }

    /// Parcels that are not offered any more have left the spool.
    fn forget_others(&mut self, parcels: &[Parcel]) {
        if self.suspects.is_empty() && self.outdated.is_empty() {
            return;
        }
        let offered: BTreeSet<u64> = parcels.iter().map(|parcel| parcel.key).collect();
        self.suspects.retain(|key, _| offered.contains(key));
        self.outdated.retain(|key| offered.contains(key));
    }
}

/// What a send has come to so far.
struct Round {
    delivery: Delivery,
    queue: VecDeque<Batch>,
    /// Why single events were refused.
    found: Vec<Failure>,
    created: bool,
    renewed: bool,
    halvings: u32,
    restamps: u32,
}
