//! What one thread has taken in of the files that it read. Threads share nothing: rows are put in order afterwards, so the
//! same files always give the same answer, whoever reads which.

use super::Stray;
use super::claims;
use super::facts::{Facts, Kind, MessagePosition};
use super::read::Message;
use super::record::{Device, Head, Text, number, text};
use super::rows::{ChainKey, Claim, GAP, HEAD, LINK, Link, UID, Uid, gap_row};
use super::sorted::Sorter;
use crate::event::gap::Range;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use sha256_lanes::{Order, Path};
use std::collections::HashMap;

/// What one thread, or all, have taken in.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) links: Sorter<LINK>,
    pub(super) heads: Sorter<HEAD>,
    pub(super) uids: Sorter<UID>,
    pub(super) gaps: Sorter<GAP>,
    pub(super) facts: Facts,
    /// Events and heartbeats, with those that are repeated.
    pub(super) known: u64,
    /// Messages that are none of the agent's.
    pub(super) foreign: u64,
    /// The first of those that pass for it, and how many there are.
    pub(super) strays: (Vec<Stray>, u64),
    reading: Reading,
    /// Kept from message to message.
    pending: Vec<([u8; UID], Option<[u8; LINK]>)>,
    digests: Vec<[u8; 32]>,
    order: Order,
}

/// The file that is being read.
#[derive(Debug, Default)]
struct Reading {
    file: usize,
    messages: u64,
    /// Of each chain the document of the file that it was read in last, and the highest sequence there.
    highest: HashMap<ChainKey, (u64, u64)>,
    /// The chain whose facts were asked for last: neighbours are of one chain mostly.
    last: Option<ChainKey>,
}

impl Reading {
    /// Where the message stands that was read last.
    fn position(&self) -> MessagePosition {
        (self.file, self.messages)
    }
}

impl Taken {
    /// Holds so many bytes of rows of each kind in memory.
    pub(super) fn new(share: usize) -> Taken {
        Taken {
            links: Sorter::new(share),
            heads: Sorter::new(share),
            uids: Sorter::new(share),
            gaps: Sorter::new(share),
            facts: Facts::new(share),
            known: 0,
            foreign: 0,
            strays: (Vec::new(), 0),
            reading: Reading::default(),
            pending: Vec::new(),
            digests: Vec::new(),
            order: Order::default(),
        }
    }

    /// What follows is of the file with that number.
    pub(super) fn begin(&mut self, file: usize) {
        self.reading = Reading {
            file,
            ..Reading::default()
        };
    }

    /// Takes in messages that follow one another in a document of the file.
    pub(super) fn take(&mut self, messages: &[Message<'_>], document: u64) -> Result<()> {
        let mut digested: Vec<&[u8]> = Vec::with_capacity(messages.len());
        self.pending.clear();
        for message in messages {
            self.reading.messages = self.reading.messages.saturating_add(1);
            match text(message.bytes) {
                Some(text) if self.see(&text, document)? => digested.push(message.bytes),
                Some(text) if text.is_heartbeat() => self.foreign = self.foreign.saturating_add(1),
                _ => self.other(message),
            }
        }
        let (order, digests) = (&mut self.order, &mut self.digests);
        order.digest_many(Path::detected(), &digested, digests);
        for ((uid, link), digest) in self.pending.iter_mut().zip(&*digests) {
            Uid::put_digest(uid, digest);
            self.uids.push(*uid)?;
            if let Some(link) = link {
                Link::put_digest(link, digest);
                self.links.push(*link)?;
            }
        }
        Ok(())
    }

    /// Counts what is neither an event nor a heartbeat.
    fn other(&mut self, message: &Message<'_>) {
        if !claims::to_be_the_agents(message.bytes) {
            self.foreign = self.foreign.saturating_add(1);
            return;
        }
        let (told, count) = &mut self.strays;
        *count = count.saturating_add(1);
        if (told.len() as u64) < bounds::LOG_PROBLEMS {
            told.push(Stray {
                file: self.reading.file,
                line: message.number,
            });
        }
    }

    /// Notes the message; whether it is one whose digest is wanted.
    fn see(&mut self, text: &Text<'_>, document: u64) -> Result<bool> {
        let uid = number(&text.metadata.uid);
        let (uid, link) = match (&text.unmapped, text.metadata.sequence) {
            (unmapped, Some(sequence)) if unmapped.chain.is_some() && sequence > 0 => {
                let link = self.link(text, sequence, document)?;
                let uid = Uid {
                    uid,
                    is_heartbeat: false,
                    chain: link.chain,
                    sequence,
                };
                (uid, Some(link.to_row()))
            }
            (unmapped, _) => {
                let head = unmapped.chain_head.as_ref();
                let Some(head) = head.filter(|_| text.is_heartbeat()) else {
                    return Ok(false);
                };
                let chain = self.claim(head, Some(&text.device))?;
                let uid = Uid {
                    uid,
                    is_heartbeat: true,
                    chain,
                    sequence: head.sequence,
                };
                (uid, None)
            }
        };
        self.known = self.known.saturating_add(1);
        self.pending.push((uid.to_row(), link));
        Ok(true)
    }

    /// Notes what an event of a chain says; the digest is put in later.
    fn link(&mut self, text: &Text<'_>, sequence: u64, document: u64) -> Result<Link> {
        let mut link = Link {
            sequence,
            ..Link::default()
        };
        let Some(said) = &text.unmapped.chain else {
            return Ok(link);
        };
        link.chain = self.chain(&said.id, Some(&text.device))?;
        link.after = self.order(link.chain, sequence, document)?;
        if let Some(hex) = &said.prev {
            link.prev = agent_core::escape::from_hex(hex.as_bytes());
            link.bad_prev = link.prev.is_none();
        }
        if sequence == 1 {
            let at = self.reading.position();
            self.facts
                .note(link.chain, Kind::Reason, at, &said.reason)?;
        }
        if let Some(after) = &said.after {
            self.claim(after, None)?;
        }
        let dropped = text.unmapped.dropped.iter();
        for range in dropped.flat_map(|dropped| &dropped.ranges) {
            for text in range.split_ascii_whitespace() {
                match Range::from_text(text) {
                    Some(range) => self.gaps.push(gap_row(link.chain, &range))?,
                    None => link.bad_range = true,
                }
            }
        }
        Ok(link)
    }

    /// What a heartbeat of that host, or a chain that came after, says of the end of a chain; returns the chain.
    fn claim(&mut self, head: &Head<'_>, of: Option<&Device<'_>>) -> Result<ChainKey> {
        let chain = self.chain(&head.id, of)?;
        if let Some(claim) = Claim::of(head) {
            self.heads.push(claim.to_row(chain))?;
        }
        Ok(chain)
    }

    /// The number of the chain. Whose events or heartbeats it has is known by the `device` of one of them.
    fn chain(&mut self, id: &str, device: Option<&Device<'_>>) -> Result<ChainKey> {
        let key = number(id);
        if self.reading.last == Some(key) {
            return Ok(key);
        }
        let at = self.reading.position();
        self.facts.note(key, Kind::Id, at, id)?;
        let Some(device) = device else {
            return Ok(key);
        };
        self.facts.note(key, Kind::Seen, at, "")?;
        if !device.name().is_empty() {
            self.facts.note(key, Kind::Host, at, device.name())?;
            self.reading.last = Some(key);
        }
        Ok(key)
    }

    /// The later event that this one stands after, or 0. Order means something within one document alone.
    fn order(&mut self, chain: ChainKey, sequence: u64, document: u64) -> Result<u64> {
        let highest = &mut self.reading.highest;
        if highest.len() >= bounds::LOG_FILE_CHAINS && !highest.contains_key(&chain) {
            return Err(Error::new(format!(
                "it holds events of more than {} chains, and the order in which they stand cannot be judged",
                bounds::LOG_FILE_CHAINS
            ))
            .help("split it into files of fewer lines"));
        }
        let known = highest.entry(chain).or_default();
        Ok(match *known {
            (place, highest) if place == document && sequence < highest => highest,
            _ => {
                *known = (document, sequence);
                0
            }
        })
    }

    /// Puts in order what is in memory.
    pub(super) fn sort(&mut self) {
        self.links.sort();
        self.heads.sort();
        self.uids.sort();
        self.gaps.sort();
        self.facts.rows.sort();
    }
}

/// The first of those that pass for the agent's, in order, and how many there are. No part has left out one of the first.
pub(super) fn strays(parts: &mut [Taken]) -> (Vec<Stray>, u64) {
    let mut all = Vec::new();
    let mut count: u64 = 0;
    for part in parts {
        let (told, more) = std::mem::take(&mut part.strays);
        count = count.saturating_add(more);
        all.extend(told);
    }
    all.sort_unstable();
    all.truncate(usize::try_from(bounds::LOG_PROBLEMS).unwrap_or(usize::MAX));
    (all, count)
}
