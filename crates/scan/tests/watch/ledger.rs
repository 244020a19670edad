//! Open findings as a daemon keeps them, and the same judgement of touched paths.

use agent_baseline::Baseline;
use agent_baseline::manifest::read::{Manifest, Measured};
use agent_baseline::profile::load;
use agent_core::attributes::Timestamp;
use agent_core::bounds;
use agent_core::os::root::Root;
use agent_core::region::Region;
use agent_scan::files::aside::Aside;
use agent_scan::files::launch::Record;
use agent_scan::files::links::Links;
use agent_scan::files::scan::Progress;
use agent_scan::files::scope::Scope;
use agent_scan::files::spot::{Known, Plan, Spot, Told};
use agent_scan::files::wording;
use harness::{Lab, subject};
use serde_json::Value;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// What a daemon would hold of a lab's tree.
pub(crate) struct Ledger {
    pub(crate) scope: Scope,
    manifest: Manifest,
    pub(crate) links: Links,
    root: Root,
    /// By path, relative to the root.
    open: BTreeMap<Vec<u8>, Value>,
    /// Paths that were told to hold, with their ctime.
    pub(crate) held: Vec<(Vec<u8>, Timestamp)>,
}

struct Open<'a>(&'a BTreeMap<Vec<u8>, Value>);

impl Known for Open<'_> {
    fn entry_deviates(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> bool {
        let parent = |path: &[u8]| match path.iter().rposition(|b| *b == b'/') {
            Some(slash) => path[..slash].to_vec(),
            None => Vec::new(),
        };
        self.0
            .keys()
            .any(|path| !path.is_empty() && parent(path) == directory && !passed_over(path))
    }
}

/// Files that may be watched themselves in a lab.
const MOST_LINKED: usize = 16;

impl Ledger {
    /// Of a lab with a manifest, before anything was looked at.
    pub(crate) fn of(lab: &Lab) -> Ledger {
        let profile = lab.path().join("profile.toml");
        let profile = load::named(profile.to_str().expect("UTF-8")).expect("a profile");
        let file = std::fs::File::open(lab.manifest()).expect("a manifest");
        let measured =
            Measured::new(file, &lab.manifest(), bounds::MANIFEST, false).expect("readable");
        let manifest = Manifest::parse(measured).expect("a manifest");
        let scope = Scope::sealed(manifest.header().path_rules.clone(), profile.path_rules);
        Ledger {
            links: Links::recorded(&manifest, &scope, MOST_LINKED).expect("readable"),
            scope,
            manifest,
            root: Root::open(&lab.root()).expect("the tree"),
            open: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Judges what was touched: a round over the plan's regions.
    pub(crate) fn judge(&mut self, touched: impl IntoIterator<Item = Region>) {
        let touched: Vec<Region> = touched.into_iter().collect();
        let beside = touched.iter().flat_map(|region| self.links.beside(region));
        let beside: Vec<Region> = beside.collect();
        let told = touched.into_iter().map(|region| (region, true));
        let plan = Plan::new(told.chain(beside.into_iter().map(|region| (region, false))));
        let no_record = Record::default();
        let spot = Spot {
            root: &self.root,
            scope: &self.scope,
            baseline: Baseline::Manifest((&self.manifest, &no_record)),
            workers: NonZeroUsize::MIN.into(),
            pace: None,
            selinux: false,
            partial: false,
            aside: Aside::NONE,
            progress: &Progress::default(),
        };
        let mut found: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
        let known = &Open(&self.open);
        let held = &mut self.held;
        held.clear();
        let coverage = spot.look(&plan, known, |told| {
            match told {
                Told::Deviates(deviation) => {
                    assert!(plan.covers(&deviation.path), "{deviation:?} in {plan:?}");
                    let finding = wording::finding(&deviation, spot.baseline.kind())
                        .to_json(agent_core::benchmarks::Benchmarks::default());
                    let old = found.insert(key(deviation.path, &finding), finding);
                    assert_eq!(old, None, "told twice");
                }
                Told::Holds { path, ctime } => held.push((path, ctime)),
            }
            ControlFlow::Continue(())
        });
        coverage.expect("the manifest can be read");
        self.open.retain(|key, _| !plan.covers(path_of(key)));
        self.open.extend(found);
    }

    /// The tree is another one.
    pub(crate) fn reopen(&mut self) {
        self.root = Root::open(self.root.path()).expect("the tree");
    }

    /// What is open, by path.
    pub(crate) fn open(&self) -> &BTreeMap<Vec<u8>, Value> {
        &self.open
    }
}

/// What a fresh check finds, by path.
pub(crate) fn fresh(lab: &Lab) -> BTreeMap<Vec<u8>, Value> {
    let ran = lab.check(&[]);
    assert!(
        ran.status == 0 || ran.status == 1 || ran.status == 3,
        "{ran:#?}"
    );
    let findings = ran.findings().into_iter();
    findings
        .map(|f| (key(subject(&f)[1..].to_vec(), &f), f))
        .collect()
}

/// What a finding is known by: its path, and that it tells of a mount, which says nothing of the path itself.
fn key(path: Vec<u8>, finding: &Value) -> Vec<u8> {
    match finding["check"] == "files.mount" {
        true => [&path[..], b"\0mount"].concat(),
        false => path,
    }
}

fn path_of(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Panics unless what is open is what a fresh check finds.
pub(crate) fn assert_same(ledger: &Ledger, lab: &Lab, about: &str) {
    let expected = fresh(lab);
    let mut wrong = Vec::new();
    for (path, finding) in &expected {
        match ledger.open().get(path) {
            Some(open) if open == finding => {}
            open => wrong.push(format!("check: {finding}\n open: {open:?}")),
        }
    }
    for (path, open) in ledger.open() {
        if !expected.contains_key(path) {
            wrong.push(format!("check finds nothing; open: {open}"));
        }
    }
    assert!(wrong.is_empty(), "{about}:\n{}", wrong.join("\n"));
}
