//! What explains a deviation from the manifest: evidence of packages, put onto its finding.

use super::holding;
use super::sealed::Sealed;
use agent_baseline::manifest::Role;
use agent_core::attributes::{AttributeSet, Attributes, Digest};
use agent_core::bounds;
use agent_core::error::Result;
use agent_core::explained::Evidence;
use agent_core::finding::{Finding, Severity};
use agent_core::os::own;
use agent_core::os::root::Root;
use agent_core::paths;
use agent_core::words::counted;
use agent_evidence::{
    Change, DIVERSIONS, Explainer, Explanation, INFO, RecordedPackages, compare, is_trust,
    trust_paths,
};
use agent_packages::{Package, detect};
use agent_scan::files::deviation::{Deviation, DeviationKind};
use std::collections::{BTreeMap, HashMap};
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
    /// Findings of packages that were not there when the tree was recorded, by name and version.
    new: BTreeMap<(String, String), u64>,
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
            new: BTreeMap::new(),
        }
    }

    /// Puts onto the finding what explains its deviation.
    pub(crate) fn put(&mut self, deviation: &Deviation, finding: Finding) -> Finding {
        let explainer = self.explainer.get_or_insert_with(|| {
            let recorded = recorded(self.root, self.sealed, self.state_dir);
            // What cannot be read again vouches for nothing.
            Explainer::open(self.root, recorded.unwrap_or_default())
        });
        let ground = Ground {
            root: self.root,
            sealed: self.sealed,
        };
        let finding = put(explainer, &ground, deviation, finding);
        let by = finding.explained_by.as_ref();
        if let Some((by, evidence)) = by.and_then(|by| Some((by, by.evidence?))) {
            let day = by.at.as_deref().and_then(|at| at.get(..10));
            let key = (strength(evidence), day.unwrap_or_default().to_owned());
            *self.matching.entry(key).or_default() += 1;
        }
        if let Some(by) = finding.explained_by.as_ref().filter(|by| by.is_new) {
            let key = (by.package.clone(), by.version.clone());
            let key = (key.0.unwrap_or_default(), key.1.unwrap_or_default());
            *self.new.entry(key).or_default() += 1;
        }
        finding
    }

    /// How many findings match packages, in sentences, one for each day on which such came; and one for each package that
    /// is new.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.days();
        let sentence = |((name, version), count): (&(String, String), &u64)| {
            format!(
                "{name} {version} is new on this host: it was not there when the manifest was recorded, and {} \
                 {} severity",
                counted(*count, "path"),
                if *count == 1 {
                    "keeps its"
                } else {
                    "keep their"
                }
            )
        };
        notes.extend(self.new.iter().take(NEW).map(sentence));
        if let Some(more) = self.new.len().checked_sub(NEW).filter(|more| *more > 0) {
            notes.push(format!("{} more are new", counted(more as u64, "package")));
        }
        notes
    }

    fn days(&self) -> Vec<String> {
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
/// New packages that are told of at most.
const NEW: usize = 50;

/// What vouches for contents, in words.
fn strength(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Signed => "by a signature",
        Evidence::Sha256 => "by SHA-256 in the installed database alone",
        Evidence::Md5 => "by MD5 alone",
        Evidence::Attribution => "by who wrote them",
    }
}

/// What deviations are explained by beside packages: the tree, and what was recorded of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) root: &'a Root,
    pub(crate) sealed: &'a Sealed,
}

/// Puts onto the finding what explains its deviation.
pub(crate) fn put(
    explainer: &mut Explainer,
    ground: &Ground<'_>,
    deviation: &Deviation,
    mut finding: Finding,
) -> Finding {
    let change = match &deviation.kind {
        DeviationKind::Added(observed) => Change {
            path: &deviation.path,
            expected: None,
            observed,
            changed: AttributeSet::ALL,
        },
        DeviationKind::Changed {
            expected,
            observed,
            changed,
        } => Change {
            path: &deviation.path,
            expected: expected.attributes.as_ref(),
            observed,
            changed: *changed,
        },
        DeviationKind::Removed(expected) => {
            let finding = raise_trust(deviation, finding);
            let kind = expected.attributes.as_ref().map(|was| was.kind);
            let explanation = kind
                .and_then(|kind| explainer.explain_removal(&deviation.path, kind))
                .or_else(|| explainer.explain_removed_product(&deviation.path));
            return explained(explanation, finding);
        }
        _ => return finding,
    };
    finding = raise_trust(deviation, finding);
    let explanation = explainer.explain(&change).or_else(|| {
        // A link of an alternative leads to another one, and that to a program.
        let mut holds = |explainer: &mut Explainer, path: &[u8]| {
            holding::holds(explainer, ground, path, &mut |explainer, change| {
                let mut holds = |explainer: &mut Explainer, path: &[u8]| {
                    holding::holds(explainer, ground, path, &mut |_, _| None)
                };
                explainer.explain_product(change, &mut holds)
            })
        };
        explainer.explain_product(&change, &mut holds)
    });
    explained(explanation, finding)
}

fn explained(explanation: Option<Explanation>, mut finding: Finding) -> Finding {
    if let Some(explanation) = explanation {
        if explanation.lowers && finding.severity > Severity::Low {
            finding.unexplained_severity = Some(finding.severity);
            finding.severity = Severity::Low;
        }
        finding.explained_by = Some(explanation.by);
    }
    finding
}

/// Whoever changes whom the package manager believes can have it install anything.
pub(crate) fn raise_trust(deviation: &Deviation, mut finding: Finding) -> Finding {
    if is_trust(&deviation.path) {
        finding.severity = Severity::Critical;
    }
    finding
}

/// What manifest, launch record and amendments say, as far as evidence needs it.
pub(crate) fn recorded(
    root: &Root,
    sealed: &Sealed,
    state_dir: Option<&Path>,
) -> Result<RecordedPackages> {
    let manifest = &sealed.verified.manifest;
    let header = manifest.header();
    let mut recorded = RecordedPackages {
        packages: known(sealed),
        keys: header.package_keys.clone(),
        seen: state_dir.map(seen).unwrap_or_default(),
        ..RecordedPackages::default()
    };
    let trusted = trust_paths(detect(root)).iter().copied();
    let mut places: Vec<&[u8]> = trusted
        .chain([INFO, DIVERSIONS])
        .map(str::as_bytes)
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
                take_over(&mut recorded, &entry.path, Some(&entry.attributes));
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

fn take_over(recorded: &mut RecordedPackages, path: &[u8], attributes: Option<&Attributes>) {
    let below = path.starts_with(INFO.as_bytes());
    let is_list = below && (path.ends_with(b".list") || path.ends_with(b".conffiles"));
    let digest = attributes.and_then(|attributes| attributes.digest);
    match (attributes, digest) {
        (_, digest) if path == DIVERSIONS.as_bytes() => {
            recorded.diversions = digest.and_then(|digest| match digest {
                Digest::Sha256(digest) => Some(digest),
                _ => None,
            });
        }
        (_, Some(Digest::Sha256(digest))) if is_list => {
            recorded.lists.insert(path.to_vec(), digest);
        }
        _ if below => drop(recorded.lists.remove(path)),
        (Some(attributes), _) => {
            drop(recorded.settings.insert(path.to_vec(), attributes.clone()));
        }
        (None, _) => drop(recorded.settings.remove(path)),
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

/// The newest version of each package that manifest and amendments have, by name.
pub(crate) fn recorded_versions(root: &Root, sealed: &Sealed) -> HashMap<String, String> {
    let manager = detect(root);
    let mut newest: HashMap<String, String> = HashMap::new();
    for package in known(sealed) {
        let version = newest.entry(package.name).or_default();
        if version.is_empty() || compare(manager, version, &package.version).is_lt() {
            *version = package.version;
        }
    }
    newest
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
    own::replace(&state_dir.join(SEEN), lines.collect::<String>().as_bytes())
}

/// What the daemon has seen; nothing where it has not run.
fn seen(state_dir: &Path) -> Vec<Package> {
    let text = own::read(&state_dir.join(SEEN), bounds::SEEN)
        .ok()
        .flatten();
    let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
    text.lines().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_seen_no_more_is_read_than_the_agent_would_write() {
        let directory = tempfile::tempdir().expect("a directory");
        let package = Package {
            name: "a".into(),
            version: "1".into(),
            arch: "all".into(),
        };
        let packages = [package];
        keep_seen(directory.path(), &packages).expect("kept");
        assert_eq!(seen(directory.path()), packages);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(directory.path().join(SEEN));
        file.expect("it").set_len(bounds::SEEN + 1).expect("a hole");
        assert_eq!(seen(directory.path()), []);
    }
}
