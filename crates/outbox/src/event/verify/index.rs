//! What is known of each event, in a temporary file, so that memory stays flat however many there are.

use super::record::{Device, Event, Head, Link, Record};
use super::{Problem, Totals};
use crate::event::gap::Range;
use agent_core::error::{Error, Result};
use agent_core::escape;
use redb::backends::FileBackend;
use redb::{Database, ReadableTable, Table, TableDefinition, WriteTransaction};
use std::collections::HashMap;

pub(super) type Sha = [u8; 32];
/// Digest of an event, and what it names as the one before.
pub(super) type EventRow = (Sha, Option<Sha>);
/// What a declared range names before it, and the digest of its last.
pub(super) type GapRow = (Option<Sha>, Sha);

/// By chain and sequence.
const EVENTS: TableDefinition<'_, (u32, u64), EventRow> = TableDefinition::new("events");
/// Uid → digest.
const UIDS: TableDefinition<'_, u128, Sha> = TableDefinition::new("uids");
/// By chain, first and last of the range.
const GAPS: TableDefinition<'_, (u32, u64, u64), GapRow> = TableDefinition::new("gaps");
/// Chain and sequence of an event that stands after a later one → that one's sequence.
const LATE: TableDefinition<'_, (u32, u64), u64> = TableDefinition::new("late");
/// Chain and sequence → what heartbeats, and chains after it, say its digest is.
const HEADS: TableDefinition<'_, (u32, u64), Sha> = TableDefinition::new("heads");

const CACHE: usize = 32 << 20;
/// Problems found while reading that are listed one by one; more are counted.
const LISTED: usize = 1000;

/// What is known of a chain besides its events.
#[derive(Debug, Default)]
pub(super) struct ChainFacts {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) reason: String,
    /// Whether anything of it is there, rather than a word of it in another chain.
    pub(super) seen: bool,
    /// Found while reading: edits.
    pub(super) problems: Vec<Problem>,
    /// Of them those that are not listed.
    pub(super) unlisted: u64,
}

/// The temporary file, and what is small enough for memory.
#[derive(Debug)]
pub(super) struct Index {
    database: Database,
    known: Known,
}

/// What stays in memory: something for each chain.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) totals: Totals,
    numbers: HashMap<String, u32>,
    pub(super) chains: Vec<ChainFacts>,
}

/// The index in use.
pub(super) struct Open<'t, 'k> {
    pub(super) events: Table<'t, (u32, u64), EventRow>,
    uids: Table<'t, u128, Sha>,
    pub(super) gaps: Table<'t, (u32, u64, u64), GapRow>,
    pub(super) heads: Table<'t, (u32, u64), Sha>,
    pub(super) late: Table<'t, (u32, u64), u64>,
    pub(super) known: &'k mut Known,
}

pub(super) fn trouble(error: impl Into<redb::Error>) -> Error {
    let error: redb::Error = error.into();
    Error::new(format!("the temporary file: {error}")).help("TMPDIR names a directory with room")
}

impl Index {
    pub(super) fn new() -> Result<Index> {
        let directory = std::env::temp_dir();
        let file = nameless(&directory).map_err(|error| {
            Error::in_file(
                &directory,
                format!("no temporary file can be made: {error}"),
            )
            .help("TMPDIR names another directory")
        })?;
        let backend = FileBackend::new(file).map_err(trouble)?;
        let database = redb::Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(backend)
            .map_err(trouble)?;
        Ok(Index {
            database,
            known: Known::default(),
        })
    }

    /// Works on the index; what was done is kept for as long as the index is.
    pub(super) fn take<T>(
        &mut self,
        read: impl FnOnce(&mut Open<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let mut transaction = self.database.begin_write().map_err(trouble)?;
        // Nobody comes back to this file.
        transaction
            .set_durability(redb::Durability::None)
            .map_err(trouble)?;
        let result = {
            let mut open = Open::new(&transaction, &mut self.known)?;
            read(&mut open)?
        };
        transaction.commit().map_err(trouble)?;
        Ok(result)
    }
}

/// A file that goes when it is closed.
fn nameless(directory: &std::path::Path) -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // Not every file system can.
        Err(_) => {
            let path = directory.join(format!("agent-log-{}", crate::event::chain::uuid(0)));
            let file = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
    }
}

impl<'t, 'k> Open<'t, 'k> {
    fn new(transaction: &'t WriteTransaction, known: &'k mut Known) -> Result<Open<'t, 'k>> {
        Ok(Open {
            events: transaction.open_table(EVENTS).map_err(trouble)?,
            uids: transaction.open_table(UIDS).map_err(trouble)?,
            gaps: transaction.open_table(GAPS).map_err(trouble)?,
            heads: transaction.open_table(HEADS).map_err(trouble)?,
            late: transaction.open_table(LATE).map_err(trouble)?,
            known,
        })
    }

    /// Takes in one message.
    pub(super) fn take(&mut self, record: Record) -> Result<()> {
        let Record::Event(event) = record else {
            self.known.totals.foreign += 1;
            return Ok(());
        };
        let digest = event.digest;
        let before = self
            .uids
            .insert(event.uid, digest)
            .map_err(trouble)?
            .map(|digest| digest.value());
        if before == Some(digest) {
            self.known.totals.repeated += 1;
            return Ok(());
        }
        let same_uid = before.is_some();
        match (&event.chain, event.sequence) {
            (Some(link), Some(sequence)) if sequence > 0 => {
                self.link(&event, link, sequence, same_uid)
            }
            _ => match &event.chain_head {
                Some(head) => {
                    self.known.totals.heartbeats += 1;
                    self.beat(head, &event.device, same_uid)
                }
                None => {
                    self.known.totals.foreign += 1;
                    Ok(())
                }
            },
        }
    }

    fn link(&mut self, event: &Event, link: &Link, sequence: u64, same_uid: bool) -> Result<()> {
        let digest = event.digest;
        let chain = self.chain(&link.id, &event.device);
        if let Some(facts) = self.facts(chain) {
            facts.seen = true;
        }
        let edited = |note: &str| Problem::Edited {
            sequence,
            note: note.into(),
        };
        if same_uid {
            self.problem(chain, edited("its uid stands on other bytes as well"));
        }
        let prev = match &link.prev {
            None => None,
            Some(hex) => match escape::from_hex(hex.as_bytes()) {
                Some(digest) => Some(digest),
                None => {
                    self.problem(chain, edited("what it names before it is no digest"));
                    None
                }
            },
        };
        let there = self.events.get((chain, sequence)).map_err(trouble)?;
        let there = there.map(|row| row.value());
        if there.is_some() {
            if !same_uid {
                self.problem(
                    chain,
                    edited("its place in the chain is claimed by another"),
                );
            }
            // Which of the two is the true one shows by what comes after it.
            let next = self.event(chain, sequence.checked_add(1))?;
            if next.is_none_or(|(_, prev)| prev != Some(digest)) {
                return Ok(());
            }
        } else {
            self.known.totals.events += 1;
        }
        self.events
            .insert((chain, sequence), (digest, prev))
            .map_err(trouble)?;
        if sequence == 1
            && let Some(facts) = self.facts(chain)
        {
            facts.reason.clone_from(&link.reason);
        }
        if let Some(after) = &link.after {
            self.claim(after, &Device::default(), false)?;
        }
        for range in &event.dropped {
            for text in range.split_ascii_whitespace() {
                match Range::from_text(text) {
                    Some(range) => {
                        let key = (chain, range.first, range.last);
                        let row = (range.prev, range.digest);
                        self.gaps.insert(key, row).map_err(trouble)?;
                    }
                    None => self.problem(chain, edited("what it declares is no range")),
                }
            }
        }
        // What is worse is delivered first, and what the service refused at first arrives later, so whether it means
        // anything that an event stands after a later one shows when all digests are known.
        if let Some(after) = event.after {
            self.late
                .insert((chain, sequence), after)
                .map_err(trouble)?;
        }
        Ok(())
    }

    /// What is known of the event at that place.
    pub(super) fn event(&self, chain: u32, sequence: Option<u64>) -> Result<Option<EventRow>> {
        let Some(sequence) = sequence else {
            return Ok(None);
        };
        let row = self.events.get((chain, sequence)).map_err(trouble)?;
        Ok(row.map(|row| row.value()))
    }

    fn beat(&mut self, head: &Head, device: &Device, same_uid: bool) -> Result<()> {
        let chain = self.claim(head, device, same_uid)?;
        if let Some(facts) = self.facts(chain) {
            facts.seen = true;
        }
        Ok(())
    }

    /// What a heartbeat, or a chain that came after, says of the end of a chain; returns its number.
    fn claim(&mut self, head: &Head, device: &Device, same_uid: bool) -> Result<u32> {
        let chain = self.chain(&head.id, device);
        let sequence = head.sequence;
        let note = |note: &str| Problem::Edited {
            sequence,
            note: note.into(),
        };
        if same_uid {
            self.problem(
                chain,
                note("a heartbeat's uid stands on other bytes as well"),
            );
        }
        let Some(hex) = &head.digest else {
            return Ok(chain);
        };
        let Some(digest) = escape::from_hex(hex.as_bytes()) else {
            self.problem(chain, note("a heartbeat names no digest of it"));
            return Ok(chain);
        };
        let before = self.heads.insert((chain, sequence), digest);
        let before = before.map_err(trouble)?.map(|digest| digest.value());
        if before.is_some_and(|before| before != digest) {
            self.problem(chain, note("heartbeats do not agree on its digest"));
        }
        Ok(chain)
    }

    fn facts(&mut self, chain: u32) -> Option<&mut ChainFacts> {
        self.known.chains.get_mut(usize::try_from(chain).ok()?)
    }

    fn problem(&mut self, chain: u32, problem: Problem) {
        if let Some(facts) = self.facts(chain) {
            match facts.problems.len() < LISTED {
                true => facts.problems.push(problem),
                false => facts.unlisted += 1,
            }
        }
    }

    fn chain(&mut self, id: &str, device: &Device) -> u32 {
        let known = &mut self.known;
        let number = match known.numbers.get(id) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(known.chains.len()).unwrap_or(u32::MAX);
                known.numbers.insert(id.to_owned(), number);
                known.chains.push(ChainFacts {
                    id: id.to_owned(),
                    ..ChainFacts::default()
                });
                number
            }
        };
        if let Some(facts) = self.facts(number)
            && facts.host.is_empty()
        {
            let names = [&device.instance_uid, &device.hostname];
            let name = names.into_iter().find(|name| !name.is_empty());
            facts.host = name.cloned().unwrap_or_default();
        }
        number
    }
}
