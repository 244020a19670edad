//! What a scan of the daemon may believe unread (`scan.rehash`): a file that the agent itself read whole and found as
//! recorded, and of which nothing tells of a change since.
//!
//! That is no proof. A page that was made dirty through a shared mapping before the agent read it, and changed after,
//! leaves all times as they were. So every file is read again within the time that was asked for, in an order that
//! nobody can foretell; what decides who gets in, what is critical and what somebody may be writing to is read always.
//!
//! A file that fs-verity seals as it was recorded needs no watch: the kernel lets nobody write to it, and equal seals are
//! equal contents. It too is read in each run, and again within that time: a seal does not tell what has become
//! unreadable.

use super::join::Expected;
use super::probe::{OpenFile, RecordedContents, Target};
use super::scope::PathPolicy;
use agent_core::attributes::{Attribute, Digest};
use agent_core::bounds;
use agent_core::finding::Severity;
use agent_core::os::procfs;
use agent_core::os::verity;
use agent_core::os::writers::Writers;
use agent_core::paths::split;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Files that were read whole, and when each is to be read again. Kept in memory alone: another boot, and another run,
/// reads all.
#[derive(Debug)]
pub struct Memory {
    /// What tells files and their states apart. Nobody else has the keys, so nobody can make two alike, or know when a
    /// file is read again.
    keys: [RandomState; 2],
    started: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<u64, File>,
    /// Goes up when everything is forgotten, and with each scan.
    generation: u64,
    /// When the last scan began, by both clocks.
    clocks: Option<(Instant, SystemTime)>,
    /// What was mounted then.
    mounts: u64,
}

/// What a scan that begins may go by.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// A file is read again so long after it was read at the latest,
    pub span: Duration,
    /// by scans of which one begins within that time of the one before.
    pub interval: Duration,
    /// What was touched since the scan before this one began.
    pub touched: Touched,
    /// Why nothing is believed, where that is known already.
    pub doubt: Option<&'static str>,
}

/// What is remembered of a file.
#[derive(Clone, Copy, Debug)]
struct File {
    state: [u64; 2],
    /// Whether its seal vouches for it, and no watch has to.
    sealed: bool,
    /// It is read by the first scan that begins after that time since the memory began.
    due: Duration,
    /// Whether it was read whole and is as recorded.
    holds: bool,
    /// The scan that met it last.
    met: u64,
}

/// What one scan goes by.
#[derive(Debug)]
pub struct Belief<'a> {
    memory: &'a Memory,
    generation: u64,
    now: Duration,
    /// No file is read later than so long after it was read.
    span: Duration,
    touched: Touched,
    writers: Writers,
    /// Why nothing is believed, where that is so.
    doubt: Option<&'static str>,
    files: AtomicU64,
    bytes: AtomicU64,
    /// Of the files, those that are sealed.
    sealed: AtomicU64,
}

/// What a scan believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why, or why none: in words.
    pub why: &'static str,
    /// Processes that did not show what they have open for writing or mapped.
    pub hidden: u64,
}

/// Paths that were touched, each with all below it.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    paths: HashSet<Vec<u8>>,
    /// More than is remembered.
    everything: bool,
}

/// A clock that is steered by NTP (adjtimex(2): 500 parts in a million) and read at two moments may be so far off
/// between two scans.
const STEERED: Duration = Duration::from_secs(15);

const BELIEVED: &str =
    "an unbroken watch tells of no change since the agent read them, less than scan.rehash ago";
const SEALED: &str =
    "fs-verity seals them as they were recorded, and the agent read them less than scan.rehash ago";
const BOTH: &str = "an unbroken watch tells of no change since the agent read them, less than scan.rehash ago, or fs-verity seals \
     them as they were recorded";

impl Touched {
    /// A path was touched.
    pub fn add(&mut self, path: &[u8]) {
        let is_known = self.everything || self.paths.contains(path);
        if path.is_empty() || (!is_known && self.paths.len() >= bounds::TOUCHED_SINCE_READ) {
            self.everything = true;
            self.paths = HashSet::new();
        } else if !is_known {
            self.paths.insert(path.to_vec());
        }
    }

    /// Whether a path, or a directory that it lies in, was touched.
    pub fn covers(&self, path: &[u8]) -> bool {
        let mut around = path;
        loop {
            if self.everything || self.paths.contains(around) {
                return true;
            }
            if around.is_empty() {
                return false;
            }
            around = split(around).0;
        }
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            keys: [RandomState::new(), RandomState::new()],
            started: Instant::now(),
            kept: Mutex::default(),
        }
    }
}

impl Memory {
    /// Nothing of it is believed any more, not by a scan that is under way either; what is sealed is by the next.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.forget_unsealed();
        kept.generation += 1;
    }

    /// What a scan goes by that begins now.
    pub fn begin(&self, terms: Terms) -> Belief<'_> {
        let clocks = (Instant::now(), SystemTime::now());
        // Before anybody could mount or open anything that what follows overlooks.
        let mounts = mounts(&self.keys[0]);
        let mut kept = self.kept();
        let before = kept.clocks.replace(clocks);
        let were_mounted = std::mem::replace(&mut kept.mounts, mounts);
        let doubt = terms.doubt.or(match before {
            None => None,
            Some(before) if were_set(before, clocks) => Some("the clock was set"),
            Some(_) if were_mounted != mounts => {
                Some("something was mounted, remounted or unmounted")
            }
            Some(_) => None,
        });
        if doubt.is_some() {
            kept.forget_unsealed();
        }
        kept.generation += 1;
        Belief {
            memory: self,
            generation: kept.generation,
            now: self.started.elapsed(),
            span: terms.span.saturating_sub(terms.interval),
            touched: terms.touched,
            writers: Writers::now(),
            doubt,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sealed: AtomicU64::new(0),
        }
    }

    /// What is kept of a seal of fs-verity.
    fn seal(&self, seal: &str) -> Option<[u64; 2]> {
        verity::tells_contents(seal).then(|| self.keys.each_ref().map(|keys| keys.hash_one(seal)))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets all that a watch has to vouch for.
    fn forget_unsealed(&mut self) {
        self.files.retain(|_, file| file.sealed);
        self.files.shrink_to_fit();
    }
}

impl Belief<'_> {
    /// What the contents of a target may be believed to be: what is recorded, if they may be.
    pub(super) fn recorded(
        &self,
        target: &Target,
        policy: PathPolicy,
        expected: Option<&Expected>,
    ) -> Option<RecordedContents> {
        let attributes = expected?.attributes.as_ref()?;
        let digest = attributes.digest?;
        let demanded = policy.demand.attributes.has(Attribute::Sha256);
        // A server or a program that answers for a file answers for its seal, too.
        if !demanded || target.remote().is_some() {
            return None;
        }
        let path = target.path();
        let seal = attributes.verity.as_deref();
        let seal = seal.and_then(|seal| self.memory.seal(seal));
        let untouched = !self.touched.covers(&path);
        let may_be = may_believe(&path, policy) && (untouched || seal.is_some());
        may_be.then_some(RecordedContents {
            digest,
            seal,
            untouched,
        })
    }

    /// Whether the file is as the agent read it, with what is recorded; else it is remembered in case it proves to be.
    pub(super) fn believes(
        &self,
        path: &[u8],
        opened: &OpenFile,
        recorded: RecordedContents,
    ) -> bool {
        let seal = opened.attributes.verity.as_deref();
        let seal = seal.and_then(|seal| self.memory.seal(seal));
        let sealed = seal.is_some() && seal == recorded.seal;
        // A file with other names can be written to through one that nobody watches; a sealed one through none.
        let open = || opened.before.nlink != 1 || self.writers.have(opened.before.id.inode);
        if !sealed && (!recorded.untouched || open()) {
            return false;
        }
        let [first, second] = &self.memory.keys;
        let key = first.hash_one(path);
        let state = [first, second].map(|keys| match sealed {
            true => keys.hash_one((seal, recorded.digest)),
            false => state(keys, opened, &recorded.digest),
        });
        let mut kept = self.memory.kept();
        if kept.generation != self.generation {
            return false;
        }
        let room = kept.files.len() < bounds::FILES_REMEMBERED;
        match kept.files.get_mut(&key) {
            Some(file) if file.holds && file.state == state && self.now < file.due => {
                file.met = self.generation;
                self.files.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(opened.before.size, Ordering::Relaxed);
                self.sealed.fetch_add(u64::from(sealed), Ordering::Relaxed);
                return true;
            }
            None if !room => {}
            _ => {
                let file = File {
                    state,
                    sealed,
                    due: self.now + self.draw(key),
                    holds: false,
                    met: self.generation,
                };
                kept.files.insert(key, file);
            }
        }
        false
    }

    /// The path is as recorded; if it was read for that, it may be believed.
    pub(super) fn holds(&self, path: &[u8]) {
        let key = self.memory.keys[0].hash_one(path);
        let mut kept = self.memory.kept();
        if kept.generation == self.generation
            && let Some(file) = kept.files.get_mut(&key)
        {
            file.holds = true;
        }
    }

    /// The scan is done, and nothing else is remembered than what it met. Says what was believed.
    pub fn end(&self) -> Unread {
        let mut kept = self.memory.kept();
        let generation = self.generation;
        if kept.generation == generation {
            kept.files.retain(|_, file| file.met == generation);
        }
        let files = self.files.load(Ordering::Relaxed);
        let sealed = self.sealed.load(Ordering::Relaxed);
        Unread {
            files,
            bytes: self.bytes.load(Ordering::Relaxed),
            why: match (self.doubt, files) {
                (Some(doubt), 0) => doubt,
                (None, 0) => "no file was read less than scan.rehash ago",
                (_, files) if files == sealed => SEALED,
                _ if sealed > 0 => BOTH,
                _ => BELIEVED,
            },
            hidden: self.writers.hidden,
        }
    }

    /// How long a file that is read now may be believed: any time within the span, none likelier than another.
    fn draw(&self, key: u64) -> Duration {
        let span = u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX);
        let drawn = self.memory.keys[1].hash_one((key, self.generation));
        Duration::from_millis(drawn.checked_rem(span).unwrap_or(0))
    }
}

/// Whether the wall clock went another way than time did: what it says of a file's last change is then no evidence.
fn were_set(before: (Instant, SystemTime), now: (Instant, SystemTime)) -> bool {
    let passed = now.0.saturating_duration_since(before.0);
    match now.1.duration_since(before.1) {
        Ok(shown) => shown.abs_diff(passed) > STEERED,
        Err(_) => true,
    }
}

/// What is mounted, but for what no profile covers: file systems of the kernel's own, and what sessions mount in /run.
fn mounts(keys: &RandomState) -> u64 {
    let Ok(table) = procfs::read_own(b"mountinfo", bounds::MOUNTS) else {
        // Then nothing is believed.
        return keys.hash_one(Instant::now());
    };
    let passed_over = |line: &&[u8]| {
        let place = line.split(|byte| *byte == b' ').nth(4).unwrap_or_default();
        let below = |top: &&[u8]| place.starts_with(top);
        ![&b"/proc"[..], b"/sys", b"/dev", b"/run"].iter().any(below)
    };
    let mut hasher = keys.build_hasher();
    for line in table.split(|byte| *byte == b'\n').filter(passed_over) {
        line.hash(&mut hasher);
    }
    hasher.finish()
}

/// All that tells of a change, and what the contents are said to be.
fn state(keys: &RandomState, opened: &OpenFile, digest: &Digest) -> u64 {
    let mut hasher = keys.build_hasher();
    let stat = &opened.before;
    (stat.mode, stat.uid, stat.gid, stat.size, stat.nlink).hash(&mut hasher);
    for time in [stat.mtime, stat.ctime] {
        (time.seconds, time.nanoseconds).hash(&mut hasher);
    }
    stat.id.hash(&mut hasher);
    let attributes = &opened.attributes;
    attributes
        .flags
        .map(|flags| flags.to_string())
        .hash(&mut hasher);
    for xattr in attributes.xattrs.iter().flatten() {
        (&xattr.name, xattr.sha256).hash(&mut hasher);
    }
    digest.hash(&mut hasher);
    hasher.finish()
}

/// Whether a path is one of those that may be believed: demanded less of than what is critical, and none that decides who
/// gets in.
fn may_believe(path: &[u8], policy: PathPolicy) -> bool {
    policy.demand.severity < Severity::Critical && !decides_who_gets_in(path)
}

/// Configuration, whatever of it lets somebody in, and keys.
fn decides_who_gets_in(path: &[u8]) -> bool {
    path.starts_with(b"etc/") || path.split(|byte| *byte == b'/').any(|name| name == b".ssh")
}

#[cfg(test)]
mod tests;
