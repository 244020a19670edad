//! Opening the store: a new one, the one that was there, or a new one beside what was damaged.

use super::medium::Medium;
use super::pack::Sample;
use super::state::StoreState;
use super::tables::{self, META, SAMPLES, SPOOL, STATE};
use crate::event::chain::{Chain, Head};
use crate::event::finding::{Life, Step, draft};
use crate::event::{EventSource, Lifecycle, StoredFinding, own};
use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::finding::{FILES_CHANGED, Finding, Severity, Verdict};
use agent_core::host::Host;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
};
use serde_json::json;
use std::io::{self, ErrorKind};

/// The store's file in the state directory.
pub const FILE: &str = "store.redb";
/// redb's cache is a gigabyte if it is not told otherwise.
const CACHE: usize = 2 << 20;

/// Why the store could not be opened.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Somebody else has it open.
    Busy,
    /// It is not what a store should be.
    Damaged(String),
    /// It cannot be read or written at present.
    Io(io::Error),
}

impl Refusal {
    pub(super) fn words(&self) -> String {
        match self {
            Refusal::Busy => "another agent has it open".into(),
            Refusal::Damaged(why) => why.clone(),
            Refusal::Io(error) => error.to_string(),
        }
    }
}

pub(super) fn from_database(error: DatabaseError) -> Refusal {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Refusal::Busy,
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != ErrorKind::InvalidData
                && error.kind() != ErrorKind::UnexpectedEof =>
        {
            Refusal::Io(error)
        }
        error => Refusal::Damaged(error.to_string()),
    }
}

/// What an error in a transaction means.
pub(super) fn from_redb(error: redb::Error) -> Refusal {
    match error {
        redb::Error::Io(error) if error.kind() != ErrorKind::InvalidData => Refusal::Io(error),
        redb::Error::PreviousIo => Refusal::Io(io::Error::other("an earlier write failed")),
        redb::Error::DatabaseAlreadyOpen => Refusal::Busy,
        error => Refusal::Damaged(error.to_string()),
    }
}

/// How databases are opened. `check`: all of it is read, so that damage shows.
pub(super) fn builder(check: bool) -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE);
    builder.set_check_integrity_on_open(check);
    builder
}

/// Opens the database, or makes it. `check`: reads all of it, so that damage shows now.
pub(super) fn database(medium: &dyn Medium, check: bool) -> Result<Database, Refusal> {
    medium.open(&builder(check))
}

/// The state of an open store; `None` if it has none yet.
pub(super) fn state(database: &Database) -> Result<Option<StoreState>, Refusal> {
    let read = || -> tables::Result<Option<StoreState>> {
        let transaction = database.begin_read()?;
        let meta = match transaction.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            meta => meta?,
        };
        let Some(row) = meta.get(STATE)? else {
            return Ok(None);
        };
        match StoreState::from_row(row.value()) {
            Some(state) => Ok(Some(state)),
            None => Err(tables::damaged("meta")),
        }
    };
    read().map_err(from_redb)
}

/// Writes the first state of a store.
pub(super) fn begin(
    database: &Database,
    chain: &Chain,
    base: u64,
    host: &Host,
    sinks: &[u8],
) -> Result<StoreState, Refusal> {
    let mut state = StoreState::begin(chain, base);
    state.host.instance_id.clone_from(&host.instance_id);
    state.host.machine_id.clone_from(&host.machine_id);
    state.sinks = sinks.to_vec();
    let write = || -> tables::Result<()> {
        let transaction = database.begin_write()?;
        {
            let mut tables = tables::Tables::open(&transaction)?;
            tables.meta.insert(STATE, state.to_row().as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    };
    write().map_err(from_redb)?;
    Ok(state)
}

/// The former host, if the store is another one's.
pub(super) fn other_host(state: &StoreState, host: &Host) -> Option<String> {
    let differ = |then: &str, now: &str| !then.is_empty() && !now.is_empty() && then != now;
    if differ(&state.host.instance_id, &host.instance_id) {
        return Some(state.host.instance_id.clone());
    }
    // Where an instance id is known, that decides: a machine id may be made anew.
    let by_machine = state.host.instance_id.is_empty() || host.instance_id.is_empty();
    (by_machine && differ(&state.host.machine_id, &host.machine_id))
        .then(|| state.host.machine_id.clone())
}

/// The end of a store's chain, for the chain that comes after it.
pub(super) fn head(state: &StoreState) -> Option<Head> {
    state
        .chain()
        .map(|chain| chain.head)
        .filter(|head| head.sequence > 0)
}

/// What events of this source look like: they are packed against it.
fn sample_text(source: &EventSource) -> Vec<u8> {
    let evidence = |byte: &str| {
        json!({
            "type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 1024, "nlink": 1,
            "mtime": "2026-01-01T00:00:00.000000000Z", "sha256": byte.repeat(32), "flags": "",
        })
    };
    let mut finding = Finding::new(
        &FILES_CHANGED,
        Verdict::Fail,
        Severity::High,
        "/usr/bin/sample",
        "changed since the image was recorded: contents, size 1 → 2, mtime",
    )
    .evidence(evidence("ab"), evidence("cd"))
    .remediation("find out who did it; restore the file from the image, or record the image anew if it is meant");
    finding.changed = AttributeSet::NONE
        .with(Attribute::Size)
        .with(Attribute::Mtime)
        .with(Attribute::Sha256);
    let changed = StoredFinding::new(&finding, None);
    let mut added = changed.clone();
    added.finding.check = "files.added".into();
    added.finding.expected = serde_json::Value::Null;
    let mut setting = changed.clone();
    setting.finding.check = "sshd.permit_root_login".into();
    setting.finding.observed = json!({ "value": "yes", "default": false, "conflicts": [] });
    setting.finding.expected = json!({ "value": "no" });
    let life = Life {
        uid: "00000000000000000000000000000000",
        first_seen: 0,
        last_seen: 0,
        flood: None,
    };
    let mut text = changed.to_text();
    for (finding, step) in [
        (&setting, Step::Raised),
        (&changed, Step::Cleared),
        (&added, Step::Raised),
        (&changed, Step::Changed),
        (&changed, Step::Raised),
    ] {
        text.extend(draft(source, finding, step, life, 0).text());
    }
    let stopped = Lifecycle::Stopped {
        reason: "SIGTERM".into(),
    };
    for draft in own::drafts(source, &stopped, 0) {
        text.extend(draft.text());
    }
    text
}

/// The sample for this origin: the present one if it still fits, else a new one.
pub(super) fn sample(
    database: &Database,
    state: &mut StoreState,
    source: &EventSource,
) -> Result<Sample, Refusal> {
    let text = sample_text(source);
    let mut write = || -> tables::Result<()> {
        let transaction = database.begin_write()?;
        {
            let mut samples = transaction.open_table(SAMPLES)?;
            let same = samples
                .get(state.sample)?
                .is_some_and(|present| present.value() == text);
            if same {
                drop(samples);
                transaction.abort()?;
                return Ok(());
            }
            let empty = transaction.open_table(SPOOL)?.is_empty()? && state.waiting.deferred == 0;
            if empty {
                samples.retain(|_, _| false)?;
            }
            state.sample = state.sample.saturating_add(1);
            samples.insert(state.sample, text.as_slice())?;
            let mut meta = transaction.open_table(META)?;
            meta.insert(STATE, state.to_row().as_slice())?;
        }
        transaction.commit()?;
        Ok(())
    };
    write().map_err(from_redb)?;
    Ok(Sample::new(text))
}
