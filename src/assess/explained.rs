//! What explains a deviation from the manifest: evidence of packages, put onto its finding.

use super::sealed::Sealed;
use agent_baseline::manifest::Role;
use agent_core::attributes::{AttributeSet, Attributes};
use agent_core::error::Result;
use agent_core::explained::Evidence;
use agent_core::finding::{Finding, Severity};
use agent_core::os::root::Root;
use agent_core::paths;
use agent_evidence::{Change, Explainer, Recorded, is_trust, trust_paths};
use agent_packages::{Package, detect};
use agent_scan::files::deviation::{Deviation, Kind};
use std::collections::BTreeMap;
use std::path::Path;

/// The newest versions of packages that the daemon has seen, beside its other state.
pub(crate) const SEEN: &str = "packages";

/// Explains the deviations of one look. Evidence is read when the first one comes.
#[derive(Debug)]
pub(crate) struct Explaining<'a> {
    root: &'a Root,
    sealed: &'a Sealed,
    /// Where the daemon keeps its state; `None` where another tree is judged.
    state_dir: Option<&'a Path>,
    explainer: Option<Explainer>,
    /// Findings whose contents are a package's, by what vouches for that and the day on which it came.
    matching: BTreeMap<(&'static str, String), u64>,
}

impl<'a> Explaining<'a> {
    /// Nothing is read yet.
    pub(crate) fn new(root: &'a Root, sealed: &'a Sealed, state_dir: Option<&'a Path>) -> Self {
        Explaining {
            root,
            sealed,
            state_dir,
            explainer: None,
            matching: BTreeMap::new(),
        }
    }

    /// Puts onto the finding what explains its deviation.
    pub(crate) fn put(&mut self, deviation: &Deviation, finding: Finding) -> Finding {
        let explainer = self.explainer.get_or_insert_with(|| {
            let recorded = recorded(self.root, self.sealed, self.state_dir);
            // What cannot be read again vouches for nothing.
            Explainer::open(self.root, recorded.unwrap_or_default())
        });
        let finding = put(explainer, deviation, finding);
        let by = finding.explained_by.as_ref();
        if let Some((by, evidence)) = by.and_then(|by| Some((by, by.evidence?))) {
            let day = by.at.as_deref().and_then(|at| at.get(..10));
            let key = (strength(evidence), day.unwrap_or_default().to_owned());
            *self.matching.entry(key).or_default() += 1;
        }
        finding
    }

    /// How many findings match packages, in sentences, one for each day on which such came.
    pub(crate) fn notes(&self) -> Vec<String> {
        let sentence = |((strength, day), count): (&(&str, String), &u64)| {
            let files = if *count == 1 {
                "file matches"
            } else {
                "files match"
            };
            match day.is_empty() {
                true => format!("{count} {files} an installed package, {strength}"),
                false => format!("{count} {files} packages installed on {day}, {strength}"),
            }
        };
        let mut notes: Vec<String> = self.matching.iter().take(DAYS).map(sentence).collect();
        if let Some(more) = self
            .matching
            .len()
            .checked_sub(DAYS)
            .filter(|more| *more > 0)
        {
            notes.push(format!("and {more} such groups more"));
        }
        notes
    }
}

/// Days that are told of at most.
const DAYS: usize = 10;

/// What vouches for contents, in words.
fn strength(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Signed => "by a signature",
        Evidence::Sha256 => "by SHA-256 in the installed database alone",
        Evidence::Md5 => "by MD5 alone",
        Evidence::Attribution => "by who wrote them",
    }
}

/// Puts onto the finding what explains its deviation.
pub(crate) fn put(
    explainer: &mut Explainer,
    deviation: &Deviation,
    mut finding: Finding,
) -> Finding {
    let change = match &deviation.kind {
        Kind::Added(observed) => Change {
            path: &deviation.path,
            expected: None,
            observed,
            changed: AttributeSet::ALL,
        },
        Kind::Changed {
            expected,
            observed,
            changed,
        } => Change {
            path: &deviation.path,
            expected: expected.attributes.as_ref(),
            observed,
            changed: *changed,
        },
        Kind::Removed(_) => {
            raise_trust(deviation, &mut finding);
            return finding;
        }
        _ => return finding,
    };
    raise_trust(deviation, &mut finding);
    if let Some(explanation) = explainer.explain(&change) {
        if explanation.lowers && finding.severity > Severity::Low {
            finding.unexplained_severity = Some(finding.severity);
            finding.severity = Severity::Low;
        }
        finding.explained_by = Some(explanation.by);
    }
    finding
}

/// Whoever changes whom the package manager believes can have it install anything.
fn raise_trust(deviation: &Deviation, finding: &mut Finding) {
    if is_trust(&deviation.path) {
        finding.severity = Severity::Critical;
    }
}

/// What manifest, launch record and amendments say, as far as evidence needs it.
pub(crate) fn recorded(root: &Root, sealed: &Sealed, state_dir: Option<&Path>) -> Result<Recorded> {
    let manifest = &sealed.verified.manifest;
    let header = manifest.header();
    let mut recorded = Recorded {
        packages: known(sealed),
        keys: header.package_keys.clone(),
        seen: state_dir.map(seen).unwrap_or_default(),
        ..Recorded::default()
    };
    let mut places: Vec<&[u8]> = trust_paths(detect(root))
        .iter()
        .map(|place| place.as_bytes())
        .collect();
    places.sort_by(|a, b| paths::compare(a, b));
    let is_below = |path: &[u8], place: &[u8]| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let mut cursor = manifest.cursor();
    for place in &places {
        cursor.seek(place)?;
        while cursor
            .peek()?
            .is_some_and(|entry| is_below(&entry.path, place))
        {
            let Some(entry) = cursor.take()? else { break };
            if entry.role == Role::Recorded {
                recorded.settings.insert(entry.path, entry.attributes);
            }
        }
    }
    for expected in sealed.overlay().entries() {
        if places.iter().any(|place| is_below(&expected.path, place)) {
            take_over(&mut recorded, &expected.path, expected.attributes.as_ref());
        }
    }
    Ok(recorded)
}

fn take_over(recorded: &mut Recorded, path: &[u8], attributes: Option<&Attributes>) {
    match attributes {
        Some(attributes) => drop(recorded.settings.insert(path.to_vec(), attributes.clone())),
        None => drop(recorded.settings.remove(path)),
    }
}

/// The packages that were there when the tree was recorded or amended.
fn known(sealed: &Sealed) -> Vec<Package> {
    let recorded = sealed.verified.manifest.header().packages.iter();
    let recorded = recorded.map(|package| Package {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
    });
    let amended = sealed.amendments.iter();
    let amended = amended.flat_map(|amendment| &amendment.header.packages);
    recorded
        .chain(amended.filter_map(|line| package(line)))
        .collect()
}

/// `NAME VERSION ARCH`
fn package(line: &str) -> Option<Package> {
    let mut words = line.split(' ');
    let (name, version, arch) = (words.next()?, words.next()?, words.next()?);
    Some(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
    })
}

/// Keeps what the daemon has seen.
pub(crate) fn keep_seen(state_dir: &Path, packages: &[Package]) -> std::io::Result<()> {
    let lines = packages.iter().map(|package| {
        let Package {
            name,
            version,
            arch,
        } = package;
        format!("{name} {version} {arch}\n")
    });
    let place = state_dir.join(SEEN);
    let new = place.with_extension("new");
    std::fs::write(&new, lines.collect::<String>())?;
    std::fs::rename(&new, &place)
}

/// What the daemon has seen; nothing where it has not run.
fn seen(state_dir: &Path) -> Vec<Package> {
    let text = std::fs::read_to_string(state_dir.join(SEEN)).unwrap_or_default();
    text.lines().filter_map(package).collect()
}
