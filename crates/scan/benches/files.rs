//! The stations of a check, each alone, on one small tree: what a change of one of them costs or brings.
//!
//! `cargo bench -p agent-scan`; `benches/peers.sh` measures the whole.

use agent_baseline::Baseline;
use agent_baseline::manifest::Entry;
use agent_baseline::manifest::header::Header;
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::manifest::write::Writer;
use agent_baseline::profile::load;
use agent_baseline::texts::Texts;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_scan::files::aside::Aside;
use agent_scan::files::join::{Expected, Outside, join_streams};
use agent_scan::files::launch::Record;
use agent_scan::files::record::{Recording, record};
use agent_scan::files::scan::{Progress, Scan};
use agent_scan::files::scope::Scope;
use agent_scan::files::walk::Walk;
use divan::Bencher;
use divan::counter::ItemsCount;
use std::fs;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const DIRECTORIES: usize = 40;
const FILES_EACH: usize = 100;
/// The median of an installed system's files.
const SIZE: usize = 2_000;
const PROFILE: &str = "name = \"bench\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";

fn main() {
    divan::main();
}

/// A tree, and what was recorded of it.
struct Lab {
    _directory: tempfile::TempDir,
    root: Root,
    scope: Scope,
    header: Header,
    manifest: PathBuf,
}

static LAB: LazyLock<Lab> = LazyLock::new(|| Lab::new().expect("a tree"));

impl Lab {
    fn new() -> Result<Lab, Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let tree = directory.path().join("tree");
        for at in 0..DIRECTORIES {
            let below = tree.join(format!("directory-{at:02}"));
            fs::create_dir_all(&below)?;
            for file in 0..FILES_EACH {
                let contents = format!("{at} {file} ").repeat(SIZE / 5);
                fs::write(
                    below.join(format!("file-{file:03}")),
                    contents.get(..SIZE).unwrap_or(&contents),
                )?;
            }
        }
        let profile = directory.path().join("profile.toml");
        fs::write(&profile, PROFILE)?;
        let profile = load::file(&profile)?;
        let header = Header {
            profile: profile.name.clone(),
            profile_digest: profile.digest(),
            path_rules: profile.path_rules.clone(),
            ..Header::default()
        };
        let lab = Lab {
            root: Root::open(&tree)?,
            scope: Scope::current(profile.path_rules),
            header,
            manifest: directory.path().join("bench.mtree"),
            _directory: directory,
        };
        lab.record(fs::File::create(&lab.manifest)?)?;
        // Files written to a moment ago are looked at twice.
        std::thread::sleep(std::time::Duration::from_millis(50));
        Ok(lab)
    }

    fn record(&self, out: impl std::io::Write) -> Result<u64, Box<dyn std::error::Error>> {
        let writer = Writer::new(out, &self.header);
        let progress = Progress::default();
        let recording = Recording {
            root: &self.root,
            scope: &self.scope,
            workers: threads().into(),
            selinux: false,
            texts: &Texts::default(),
            owners: None,
        };
        let recorded = record(&recording, &progress, writer, Path::new("bench"))?;
        Ok(recorded.entries)
    }

    fn read(&self) -> Manifest {
        let file = fs::File::open(&self.manifest).expect("written");
        let measured =
            Measured::new(file, &self.manifest, bounds::MANIFEST, false).expect("readable");
        Manifest::parse(measured).expect("well-formed")
    }
}

fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn entries(manifest: &Manifest) -> Vec<Entry> {
    manifest
        .entries()
        .collect::<Result<_, _>>()
        .expect("entries")
}

fn paths() -> ItemsCount {
    ItemsCount::new(1 + DIRECTORIES * (1 + FILES_EACH))
}

#[divan::bench]
fn manifest_read(bencher: Bencher<'_, '_>) {
    let lab = &*LAB;
    bencher
        .counter(paths())
        .bench(|| entries(&lab.read()).len());
}

#[divan::bench]
fn manifest_write(bencher: Bencher<'_, '_>) {
    let lab = &*LAB;
    let entries = entries(&lab.read());
    bencher.counter(paths()).bench(|| {
        let mut writer = Writer::new(std::io::sink(), &lab.header);
        for entry in &entries {
            writer.push(entry).expect("in order");
        }
        writer.finish().expect("a sink takes everything")
    });
}

#[divan::bench]
fn walk(bencher: Bencher<'_, '_>) {
    let lab = &*LAB;
    bencher
        .counter(paths())
        .bench(|| Walk::new(&lab.root, &lab.scope).count());
}

/// A walk joined with what is expected, which lies in memory.
#[divan::bench]
fn walk_and_merge(bencher: Bencher<'_, '_>) {
    let lab = &*LAB;
    let record = Record::default();
    let expected: Vec<Expected> = record
        .over(lab.read().entries())
        .collect::<Result<_, _>>()
        .expect("entries");
    bencher
        .counter(paths())
        .with_inputs(|| expected.clone())
        .bench_values(|expected| {
            let mut items = 0;
            join_streams(
                Walk::new(&lab.root, &lab.scope),
                expected.into_iter().map(Ok),
                &lab.scope,
                Outside::Refuse,
                &mut |item| {
                    black_box(item);
                    items += 1;
                    true
                },
            );
            items
        });
}

#[divan::bench]
fn scan(bencher: Bencher<'_, '_>) {
    let lab = &*LAB;
    let record = Record::default();
    let manifest = lab.read();
    bencher.counter(paths()).bench(|| {
        let scan = Scan {
            root: &lab.root,
            scope: &lab.scope,
            workers: threads().into(),
            pace: None,
            selinux: false,
            against: Baseline::Manifest(()),
            partial: false,
            mounts: None,
            aside: Aside::NONE,
            belief: None,
            progress: &Progress::default(),
        };
        let mut deviations = 0;
        scan.run(record.over(manifest.entries()), |_| {
            deviations += 1;
            ControlFlow::Continue(())
        })
        .expect("a scan");
        assert_eq!(deviations, 0, "the tree holds still");
    });
}

#[divan::bench]
fn record_tree(bencher: Bencher<'_, '_>) {
    let lab = &*LAB;
    bencher
        .counter(paths())
        .bench(|| lab.record(std::io::sink()).expect("recorded"));
}
