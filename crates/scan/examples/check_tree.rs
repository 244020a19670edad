//! A check of files alone, as `agent check --only 'files.*'` makes it, without the program around it.
//!
//! `check_tree record PROFILE DIR MANIFEST` records, `check_tree PROFILE DIR MANIFEST THREADS` compares and prints what
//! was looked at. For profiles and for comparing two builds; `benches/peers.sh` measures the whole program.

use agent_baseline::Baseline;
use agent_baseline::manifest::header::Header;
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::manifest::write::Writer;
use agent_baseline::profile::load;
use agent_baseline::texts::Texts;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_scan::files::aside::Aside;
use agent_scan::files::launch::Record;
use agent_scan::files::record::{Recording, record};
use agent_scan::files::scan::{Progress, Scan};
use agent_scan::files::scope::Scope;
use std::error::Error;
use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["record", profile, root, manifest] => create(profile, root, manifest),
        [profile, root, manifest, threads] => check(profile, root, manifest, threads.parse()?),
        _ => Err("usage: check_tree [record] PROFILE DIR MANIFEST [THREADS]".into()),
    }
}

/// The share of blocks by the number of lanes that were in use, where the build counts them (feature `tally`).
#[cfg(feature = "tally")]
fn tell_lanes() {
    let blocks = sha256_lanes::tally::blocks_by_lanes();
    let all: u64 = blocks.iter().sum();
    for (lanes, blocks) in blocks.iter().enumerate().filter(|(_, blocks)| **blocks > 0) {
        println!(
            "{lanes} lanes: {:.1} % of blocks",
            100.0 * *blocks as f64 / all as f64
        );
    }
}

#[cfg(not(feature = "tally"))]
fn tell_lanes() {}

fn create(profile: &str, root: &str, manifest: &str) -> Result<(), Box<dyn Error>> {
    let profile = load::file(Path::new(profile))?;
    let header = Header {
        profile: profile.name.clone(),
        profile_digest: profile.digest(),
        path_rules: profile.path_rules.clone(),
        ..Header::default()
    };
    let root = Root::open(Path::new(root))?;
    let recording = Recording {
        root: &root,
        scope: &Scope::current(profile.path_rules),
        workers: NonZeroUsize::MIN.into(),
        selinux: false,
        texts: &Texts::default(),
        owners: None,
    };
    let recorded = record(
        &recording,
        &Progress::default(),
        Writer::new(File::create(manifest)?, &header),
        Path::new(manifest),
    )?;
    println!("{} entries", recorded.entries);
    Ok(())
}

fn check(
    profile: &str,
    root: &str,
    manifest: &str,
    threads: NonZeroUsize,
) -> Result<(), Box<dyn Error>> {
    let profile = load::file(Path::new(profile))?;
    let path = Path::new(manifest);
    let measured = Measured::new(File::open(path)?, path, bounds::MANIFEST, false)?;
    let manifest = Manifest::parse(measured)?;
    let scan = Scan {
        root: &Root::open(Path::new(root))?,
        scope: &Scope::sealed(manifest.header().path_rules.clone(), profile.path_rules),
        workers: threads.into(),
        pace: None,
        selinux: false,
        against: Baseline::Manifest(()),
        partial: false,
        mounts: None,
        aside: Aside::NONE,
        belief: None,
        progress: &Progress::default(),
    };
    let record = Record::default();
    let mut deviations = 0;
    let coverage = scan.run(record.over(manifest.entries()), |_| {
        deviations += 1;
        ControlFlow::Continue(())
    })?;
    println!(
        "{} paths, {} bytes, {deviations} deviations, {:.3} s",
        coverage.checked,
        coverage.bytes,
        coverage.elapsed.as_secs_f64()
    );
    tell_lanes();
    Ok(())
}
