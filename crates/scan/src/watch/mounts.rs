//! The mount table: what was mounted and unmounted since it was read before. inotify tells of neither.
//!
//! Reading it opens nothing that is mounted, so it is read as soon as the kernel says that it has changed: what comes and
//! goes within a moment is seen too. What came is opened later ([`super::quiet`]).

use super::brief::BriefMount;
use agent_core::bounds;
use agent_core::os::mounts::Layer;
use agent_core::os::mounts::table::{self, Line};
use agent_core::os::procfs;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// What was mounted no longer than this was so for a moment: no look need have seen it. One that settles, waits for a
/// job and is judged has done so within this time on a busy machine.
const MOMENT: Duration = Duration::from_secs(10);
/// From the end of one reading to the next at least: the processor is not spent on a storm of mounts.
const PAUSE: Duration = Duration::from_millis(1);
/// And so many times as long as the last reading took: a fifth of one processor at most.
const SHARE: u32 = 4;

/// The mount table of this thread's namespace (proc_pid_mountinfo(5)). Polls as exceptional when it has changed.
#[derive(Debug)]
pub(super) struct Mounts {
    file: File,
    /// As it was when what had changed was last asked for.
    settled: BTreeMap<Mount, Layer>,
    /// As it was read last.
    mounted: BTreeMap<Mount, Layer>,
    /// What came a moment ago.
    young: BTreeMap<Mount, Young>,
    /// When to read it; nothing where it has not changed.
    due: Option<Instant>,
    /// Not to be read before.
    not_before: Option<Instant>,
}

/// A mount: its number, which tells one from another at the same place, and its place. The number of one that is gone is
/// given to the next: what was mounted tells them apart.
type Mount = (u64, Vec<u8>);

/// A mount that came a moment ago.
#[derive(Debug)]
struct Young {
    since: Instant,
    layer: Layer,
    /// Its place among the mounts that lie on one another there: 1 is the lowest.
    height: usize,
    /// It shows what lay there anyway.
    shows_itself: bool,
}

impl Mounts {
    /// Opens and reads the table.
    pub(super) fn open() -> io::Result<Mounts> {
        let mut mounts = Mounts::of(procfs::mounts(bounds::MOUNTS)?);
        mounts.mounted = layers(parse(&table::read(&mounts.file)?));
        mounts.settled = mounts.mounted.clone();
        Ok(mounts)
    }

    /// A table that was not read.
    fn of(file: File) -> Mounts {
        Mounts {
            file,
            settled: BTreeMap::new(),
            mounted: BTreeMap::new(),
            young: BTreeMap::new(),
            due: None,
            not_before: None,
        }
    }

    /// To poll.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The places where something is mounted.
    pub(super) fn places(&self) -> impl Iterator<Item = &[u8]> {
        self.mounted.keys().map(|(_, place)| place.as_slice())
    }

    /// The table has changed.
    pub(super) fn stir(&mut self, now: Instant) {
        let earliest = self.not_before.map_or(now, |earliest| earliest.max(now));
        self.due.get_or_insert(earliest);
    }

    /// When to [`look`](Mounts::look); nothing where the table is as it was.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Reads the table; what is mounted no more was so for a moment. Places are those of the table.
    pub(super) fn look(&mut self) -> io::Result<Vec<BriefMount>> {
        let now = Instant::now();
        self.due = None;
        let table = table::read(&self.file);
        let brief = table.map(|table| self.take(parse(&table), now));
        let took = now.elapsed();
        let pause = PAUSE.max(took.saturating_mul(SHARE));
        self.not_before = Instant::now().checked_add(pause);
        brief
    }

    /// The places where something was mounted or unmounted since this was asked before. What was read for it may have
    /// been mounted for a moment, as [`look`](Mounts::look) tells it.
    pub(super) fn changed(&mut self) -> io::Result<(BTreeSet<Vec<u8>>, Vec<BriefMount>)> {
        let brief = self.look()?;
        let mut places = differing(&self.mounted, &self.settled);
        places.append(&mut differing(&self.settled, &self.mounted));
        self.settled.clone_from(&self.mounted);
        Ok((places, brief))
    }

    fn take(&mut self, lines: BTreeMap<Mount, Line>, now: Instant) -> Vec<BriefMount> {
        let lasted = |young: &Young| now.saturating_duration_since(young.since);
        self.young.retain(|_, young| lasted(young) <= MOMENT);
        let gone = |mount: &Mount, young: &mut Young| {
            let line = lines.get(mount);
            line.is_none_or(|line| line.layer != young.layer)
        };
        let gone = self.young.extract_if(.., gone);
        let brief = gone.filter(|(_, young)| !young.shows_itself);
        let brief = brief.map(|((_, place), young)| BriefMount {
            lasted: lasted(&young),
            layer: young.layer,
            height: young.height,
            path: place,
        });
        let brief: Vec<BriefMount> = brief.collect();
        let mut heights: HashMap<&[u8], usize> = HashMap::new();
        for (mount, line) in &lines {
            let height = heights.entry(&mount.1).or_default();
            *height = height.saturating_add(1);
            if self.mounted.get(mount) != Some(&line.layer) {
                let young = Young {
                    since: now,
                    layer: line.layer.clone(),
                    height: *height,
                    shows_itself: shows_itself(line, &lines),
                };
                self.young.insert(mount.clone(), young);
            }
        }
        self.mounted = layers(lines);
        brief
    }
}

/// Whether it shows what lay at its place anyway: a directory bound onto itself.
fn shows_itself(line: &Line, lines: &BTreeMap<Mount, Line>) -> bool {
    let mut on = lines.range((line.parent, Vec::new())..);
    let Some((_, below)) = on.next() else {
        return false;
    };
    let above = below.place.strip_suffix(b"/").unwrap_or(&below.place);
    let Some(rest) = line.place.strip_prefix(above) else {
        return false;
    };
    let shown = below.layer.shown.trim_end_matches('/');
    below.number == line.parent
        && line.layer.device == below.layer.device
        && line.layer.idmapped == below.layer.idmapped
        && line.layer.fstype == below.layer.fstype
        && line.layer.shown.trim_end_matches('/')
            == format!("{shown}{}", String::from_utf8_lossy(rest)).trim_end_matches('/')
}

fn layers(lines: BTreeMap<Mount, Line>) -> BTreeMap<Mount, Layer> {
    let lines = lines.into_iter();
    lines.map(|(mount, line)| (mount, line.layer)).collect()
}

/// The places of those that the other does not have, or has with something else.
fn differing(some: &BTreeMap<Mount, Layer>, other: &BTreeMap<Mount, Layer>) -> BTreeSet<Vec<u8>> {
    let differ = some
        .iter()
        .filter(|(mount, layer)| other.get(mount) != Some(layer));
    differ.map(|((_, place), _)| place.clone()).collect()
}

/// By number and place.
fn parse(table: &[u8]) -> BTreeMap<Mount, Line> {
    let lines = table::lines(table);
    lines
        .map(|line| ((line.number, line.place.clone()), line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_this_host_has_a_root() {
        let mut mounts = Mounts::open().expect("a mount table");
        assert!(mounts.places().any(|place| place == b"/"));
        let (nothing, _) = mounts.changed().expect("readable");
        // Other tests mount in namespaces of their own.
        assert!(nothing.len() < mounts.mounted.len());
    }
    const ROOT: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
    const EVIL: &str = "90 22 8:1 /evil /data/prog rw - ext4 /dev/sda1 rw\n";

    /// What is told of each of these tables, one after the other, as long after the one before.
    fn told(tables: &[(&str, u64)]) -> Vec<(Vec<u8>, u64)> {
        let mut mounts = Mounts::of(tempfile::tempfile().expect("a file"));
        mounts.mounted = layers(parse(ROOT.as_bytes()));
        let mut now = Instant::now();
        let mut all = Vec::new();
        for (table, after) in tables {
            now += Duration::from_millis(*after);
            let brief = mounts.take(parse(format!("{ROOT}{table}").as_bytes()), now);
            let ms = |lasted: Duration| u64::try_from(lasted.as_millis()).expect("short");
            all.extend(
                brief
                    .into_iter()
                    .map(|brief| (brief.path, ms(brief.lasted))),
            );
        }
        all
    }

    #[test]
    fn what_was_mounted_for_a_moment_is_told_when_it_is_gone() {
        let place = b"/data/prog".to_vec();
        assert_eq!(told(&[(EVIL, 0), ("", 30)]), [(place.clone(), 30)]);
        // Whatever else comes meanwhile.
        let more = format!("{EVIL}91 22 0:9 / /data/other rw - tmpfs none rw\n");
        assert_eq!(told(&[(EVIL, 0), (&more, 30), ("", 30)])[0], (place, 60));
        // What lasts is seen by a look.
        assert_eq!(told(&[(EVIL, 0), (EVIL, 5_000), ("", 6_000)]), []);
        // What was bound onto itself hid nothing.
        let itself = "90 22 8:1 /data/prog /data/prog rw - ext4 /dev/sda1 rw\n";
        assert_eq!(told(&[(itself, 0), ("", 30)]), []);
    }

    #[test]
    fn what_has_the_number_and_place_of_what_is_gone_is_another_mount() {
        let mut mounts = Mounts::of(tempfile::tempfile().expect("a file"));
        let now = Instant::now();
        let at = |device: &str| format!("{ROOT}90 22 {device} / /data rw - ext4 /dev/loop0 rw\n");
        mounts.take(parse(at("7:0").as_bytes()), now);
        mounts.settled = mounts.mounted.clone();
        let brief = mounts.take(parse(at("7:1").as_bytes()), now);
        assert_eq!(brief.len(), 1, "the first was there for a moment");
        let differ = differing(&mounts.mounted, &mounts.settled);
        assert_eq!(differ, [b"/data".to_vec()].into());
    }

    #[test]
    fn a_layer_on_a_layer_is_counted_from_below() {
        let mut mounts = Mounts::of(tempfile::tempfile().expect("a file"));
        let low = "90 22 8:2 / /data rw - ext4 /dev/sdb rw\n";
        let both = format!("{low}91 90 8:3 / /data rw - ext4 /dev/sdc rw\n");
        let now = Instant::now();
        mounts.take(parse(low.as_bytes()), now);
        mounts.take(parse(both.as_bytes()), now);
        let brief = mounts.take(parse(low.as_bytes()), now);
        assert_eq!(brief.iter().map(|b| b.height).collect::<Vec<_>>(), [2]);
        assert_eq!(brief[0].layer.source, "/dev/sdc");
    }

    #[test]
    fn a_storm_of_mounts_is_read_now_and_then() {
        let mut mounts = Mounts::open().expect("a mount table");
        let now = Instant::now();
        mounts.stir(now);
        assert_eq!(mounts.due(), Some(now));
        mounts.look().expect("readable");
        assert_eq!(mounts.due(), None);
        let now = Instant::now();
        mounts.stir(now);
        assert!(mounts.due() > Some(now));
    }
}
