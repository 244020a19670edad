//! What explains a change: the package that owns the path, what it shipped there, and who vouches for that.

use crate::change::Change;
use crate::debian::evidence::Debs;
use crate::debian::kept::Store;
use crate::debian::lists::ListsToKeep;
use crate::debian::logs;
use crate::recorded::{PackageStatus, RecordedPackages, is_trust};
use crate::removal;
use crate::rpm::{self, Headers};
use crate::settings::{self, Settings};
use crate::verdict::{self, Case, Content};
use agent_core::attributes::{AttributeSet, FileType};
use agent_core::explained::{self as by, Evidence, ExplainedBy};
use agent_core::os::root::Root;
use agent_packages::dpkg::Owners;
use agent_packages::log::Logs;
use agent_packages::{DatabaseKind, DatabaseStamp, Package, detect};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where what is known of signed packages is kept, in the state directory.
const KEPT: &str = "evidence";
/// So long what dpkg's journal says may be unread, while its status file is the same.
// Own bound: a time to wait, a quarter of that after which a finding that waits for a package is looked at again.
const JOURNAL: Duration = Duration::from_secs(5);
/// A directory is in the lists of hundreds of packages, which all say the same of it.
// Own bound: further ones could only explain more.
pub(crate) const MOST_OWNERS: usize = 8;

/// What explains a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// As findings tell it.
    pub by: ExplainedBy,
    /// Whether the severity becomes `low`, by the rules of [`verdict::TABLE`].
    pub lowers: bool,
}

/// Explains changes of one tree. The databases are read when the first change comes, and kept.
#[derive(Debug)]
pub struct Explainer {
    pub(crate) root: Root,
    pub(crate) recorded: RecordedPackages,
    pub(crate) settings: Settings,
    /// The state of the database that `source` was read from, with dpkg's journal; and when.
    stamp: Option<(DatabaseStamp, DatabaseStamp)>,
    read: Option<Instant>,
    /// Of packages in apt's cache, while nothing else is in memory.
    resting: Debs,
    pub(crate) source: Source,
}

#[derive(Debug)]
pub(crate) enum Source {
    Dpkg(Box<Dpkg>),
    Rpm(Box<Headers>),
    /// No database, or one that cannot be read: why.
    Nothing(String),
}

#[derive(Debug)]
pub(crate) struct Dpkg {
    pub(crate) owners: Owners,
    pub(crate) logs: Logs,
    pub(crate) debs: Debs,
    /// What the installed database says, by name and architecture.
    pub(crate) sums: HashMap<(String, String), HashMap<Box<[u8]>, [u8; 16]>>,
}

/// How one owner explains a change.
pub(crate) struct Judged {
    pub(crate) package: Package,
    pub(crate) case: Case,
    /// What vouches for the contents, where they are as shipped.
    pub(crate) evidence: Evidence,
    /// What is missing or speaks against it, in its own words.
    pub(crate) detail: Option<String>,
    pub(crate) at: Option<String>,
    pub(crate) transaction: Option<String>,
}

impl Explainer {
    /// Reads what the tree has of evidence.
    pub fn open(root: &Root, recorded: RecordedPackages) -> Explainer {
        let mut explainer = Explainer::with(root, recorded, Debs::default());
        explainer.refresh();
        explainer
    }

    /// The same, with what earlier runs have kept in the daemon's state directory: of signed packages, and of dpkg's lists
    /// ([`Explainer::lists`]). What comes is kept there too. Nothing else is read before [`Explainer::refresh`].
    pub fn keeping(root: &Root, recorded: RecordedPackages, state_dir: &Path) -> Explainer {
        let store = Store::new(&state_dir.join(KEPT), recorded.keyrings());
        Explainer::with(root, recorded, Debs::kept(store, state_dir))
    }

    /// dpkg's lists that are to be kept in the state directory while they are as recorded; `None` where none are recorded.
    pub fn lists(&self, state_dir: &Path) -> Option<ListsToKeep> {
        ListsToKeep::of(&self.root, &self.recorded, state_dir)
    }

    fn with(root: &Root, recorded: RecordedPackages, debs: Debs) -> Explainer {
        Explainer {
            root: root.clone(),
            recorded,
            settings: Settings::default(),
            stamp: None,
            read: None,
            resting: debs,
            source: Source::Nothing("it was not read".into()),
        }
    }

    /// Reads what has changed since. What was taken in of packages in apt's cache is kept: it may be gone from there.
    pub fn refresh(&mut self) {
        let kind = detect(&self.root);
        self.settings = settings::judge(&self.root, kind, &self.recorded);
        let stamp = (
            agent_packages::stamp(&self.root),
            agent_packages::journal(&self.root),
        );
        if self.is_behind(&stamp) {
            let before = self.let_go();
            self.source = self.load(kind, before);
            // They rest on where the database cannot be read.
            if let Source::Dpkg(dpkg) = &mut self.source {
                dpkg.debs = std::mem::take(&mut self.resting);
            }
            self.stamp = Some(stamp);
            self.read = Some(Instant::now());
            match &self.source {
                Source::Dpkg(dpkg) => self.recorded.see(kind, dpkg.owners.packages().iter()),
                Source::Rpm(headers) => self.recorded.see(kind, headers.packages()),
                Source::Nothing(_) => {}
            }
        }
        if let Source::Dpkg(dpkg) = &mut self.source {
            dpkg.debs
                .refresh(&self.root, &self.recorded, &self.settings);
            dpkg.debs.bound(dpkg.owners.packages());
        }
    }

    /// Whether the database is another one by now. While dpkg works its journal changes all the time: by that alone
    /// everything is read again after a while, and what is asked meanwhile is asked again.
    fn is_behind(&self, (database, journal): &(DatabaseStamp, DatabaseStamp)) -> bool {
        let Some((known, noted)) = &self.stamp else {
            return true;
        };
        let is_old = self.read.is_none_or(|read| read.elapsed() >= JOURNAL);
        known != database || noted != journal && is_old
    }

    /// What was given up of what was kept of signed packages, told once.
    pub fn take_given_up(&mut self) -> Option<String> {
        match &mut self.source {
            Source::Dpkg(dpkg) => dpkg.debs.take_given_up(),
            Source::Rpm(_) | Source::Nothing(_) => self.resting.take_given_up(),
        }
    }

    /// Gives up what can be read again; what was taken in of packages in apt's cache stays.
    pub fn rest(&mut self) {
        self.let_go();
    }

    /// The same; returns what need not be read again whole.
    fn let_go(&mut self) -> Option<(Vec<Package>, Logs)> {
        self.stamp = None;
        let source = Source::Nothing("it was given up".into());
        let Source::Dpkg(dpkg) = std::mem::replace(&mut self.source, source) else {
            return None;
        };
        self.resting = dpkg.debs;
        Some((dpkg.owners.into_packages(), dpkg.logs))
    }

    fn load(&self, kind: DatabaseKind, before: Option<(Vec<Package>, Logs)>) -> Source {
        let source = match kind {
            DatabaseKind::Dpkg => match self.owners() {
                Ok(owners) => Ok(Source::Dpkg(Box::new(Dpkg {
                    logs: logs::read(&self.root, &owners, before),
                    owners,
                    debs: Debs::default(),
                    sums: HashMap::new(),
                }))),
                Err(error) => Err(error.to_string()),
            },
            DatabaseKind::Rpm => Headers::load(&self.root, &self.recorded)
                .map(|headers| Source::Rpm(Box::new(headers))),
            DatabaseKind::None => Err("there is no package database".into()),
        };
        source.unwrap_or_else(Source::Nothing)
    }

    /// Diversions move what a package ships to another name: root can write them, so they count as they were recorded.
    fn owners(&self) -> agent_core::error::Result<Owners> {
        let mut owners = Owners::load(&self.root)?;
        let recorded = self.recorded.diversions;
        owners.believe_diversions(|text| {
            let digest: [u8; 32] = Sha256::digest(text).into();
            recorded == Some(digest)
        });
        Ok(owners)
    }

    /// The newest versions that were ever seen, those of `recorded` among them.
    pub fn seen(&self) -> &[Package] {
        &self.recorded.seen
    }

    /// Why nothing can be explained; `None` where there is a database.
    pub fn problem(&self) -> Option<&str> {
        match &self.source {
            Source::Nothing(why) => Some(why),
            Source::Dpkg(_) | Source::Rpm(_) => None,
        }
    }

    /// What explains the change; `None` where no installed package has the path.
    pub fn explain(&mut self, change: &Change<'_>) -> Option<Explanation> {
        let judged = match &mut self.source {
            Source::Dpkg(dpkg) => dpkg.judge(&self.root, change),
            Source::Rpm(headers) => rpm::judge(headers, &self.root, change),
            Source::Nothing(_) => return None,
        };
        self.best(judged, change.path, change.new_privilege())
    }

    /// What explains that a path of that type is gone: an older version of an installed package had it, and the signed
    /// one that is installed has not. `None` where nothing signed says that any had it.
    pub fn explain_removal(&mut self, path: &[u8], kind: FileType) -> Option<Explanation> {
        let Source::Dpkg(dpkg) = &mut self.source else {
            return None;
        };
        let judged = removal::judge(dpkg, &self.root, path, kind);
        self.best(judged, path, false)
    }

    /// Names of packages that are signed and ship a file at the path: those that are yet to be unpacked among them.
    pub fn shipping(&self, path: &[u8]) -> Vec<String> {
        let debs = match &self.source {
            Source::Dpkg(dpkg) => &dpkg.debs,
            Source::Rpm(_) | Source::Nothing(_) => &self.resting,
        };
        let names = [path, path.strip_prefix(b"usr/").unwrap_or(path)];
        debs.shipping(&names).map(str::to_owned).collect()
    }

    /// Takes in what lies in apt's cache, and reads no database: for when something has just come there.
    pub fn take_in(&mut self) {
        let kind = detect(&self.root);
        if kind == DatabaseKind::Dpkg {
            self.settings = settings::judge(&self.root, kind, &self.recorded);
            let debs = match &mut self.source {
                Source::Dpkg(dpkg) => &mut dpkg.debs,
                Source::Rpm(_) | Source::Nothing(_) => &mut self.resting,
            };
            debs.refresh(&self.root, &self.recorded, &self.settings);
            debs.bound(&self.recorded.seen);
        }
    }

    /// The best of what several owners say.
    pub(crate) fn best(
        &self,
        judged: Vec<Judged>,
        path: &[u8],
        new_privilege: bool,
    ) -> Option<Explanation> {
        let kind = self.source.kind();
        let mut best: Option<(bool, Judged)> = None;
        for mut judged in judged {
            judged.case.settings_hold = self.settings.changed.is_none();
            judged.case.is_trust = is_trust(path);
            judged.case.new_privilege = new_privilege;
            judged.case.package_status = self.recorded.package_status(kind, &judged.package);
            let lowers = verdict::kept(&judged.case).is_none();
            let better = match &best {
                None => true,
                Some((true, _)) => false,
                Some((false, known)) => {
                    lowers
                        || known.case.content != Content::Same
                            && judged.case.content == Content::Same
                }
            };
            if better {
                best = Some((lowers, judged));
            }
        }
        let (lowers, judged) = best?;
        Some(Explanation {
            by: self.worded(judged),
            lowers,
        })
    }

    fn worded(&self, judged: Judged) -> ExplainedBy {
        let case = &judged.case;
        let reason = verdict::kept(case).map(|keeps| {
            let detail = match (&case.package_status, &self.settings.changed) {
                _ if case.is_trust => None,
                _ if case.content != Content::Same || !case.signed => judged.detail.clone(),
                (_, Some(changed)) => Some(changed.clone()),
                (PackageStatus::Older(newer), _) => Some(format!("it was {newer}")),
                _ if case.new_privilege => None,
                _ if !case.beyond.is_empty() => Some(case.beyond.to_string()),
                _ => None,
            };
            detail.map_or_else(|| keeps.to_owned(), |detail| format!("{keeps}: {detail}"))
        });
        let Package {
            name,
            version,
            arch,
        } = &judged.package;
        let several = match &self.source {
            Source::Dpkg(dpkg) => dpkg.owners.named(name).count() > 1,
            Source::Rpm(_) | Source::Nothing(_) => false,
        };
        ExplainedBy {
            kind: by::ExplanationKind::Package,
            package: Some(match several {
                true => format!("{name}:{arch}"),
                false => name.clone(),
            }),
            version: Some(version.clone()),
            transaction: judged.transaction,
            at: judged.at,
            evidence: (case.content == Content::Same).then_some(judged.evidence),
            reason,
            is_new: case.package_status == PackageStatus::New,
        }
    }
}

impl Source {
    fn kind(&self) -> DatabaseKind {
        match self {
            Source::Dpkg(_) => DatabaseKind::Dpkg,
            Source::Rpm(_) => DatabaseKind::Rpm,
            Source::Nothing(_) => DatabaseKind::None,
        }
    }
}

/// A case of which the contents, what vouches for them and the attributes are known.
pub(crate) fn case(content: Content, signed: bool, beyond: AttributeSet) -> Case {
    Case {
        is_trust: false,
        content,
        signed,
        settings_hold: true,
        package_status: PackageStatus::Unrecorded,
        new_privilege: false,
        beyond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::deb::{Control, Sums};
    use crate::debian::kept::Facts;
    use std::fs;

    #[test]
    fn what_is_known_of_packages_outlives_a_database_that_cannot_be_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let (tree, kept) = (directory.path().join("root"), directory.path().join("kept"));
        fs::create_dir_all(tree.join("var/lib/dpkg/info")).expect("made");
        let recorded = RecordedPackages::default();
        let facts = Facts {
            package: Package {
                name: "tool".into(),
                version: "1".into(),
                arch: "all".into(),
            },
            sha256: [1; 32],
            control: Control {
                sums: Sums::from([(b"usr/bin/tool"[..].into(), [7; 16])]),
                ..Control::default()
            },
            files: None,
            recorded: false,
        };
        let store = Store::new(&kept.join(KEPT), recorded.keyrings());
        store.keep(&facts).expect("kept");
        let root = Root::open(&tree).expect("a root");
        let mut explainer = Explainer::keeping(&root, recorded, &kept);
        let status = tree.join("var/lib/dpkg/status");
        let mut after = |sound: bool| {
            match sound {
                true => fs::write(&status, "Package: a\nStatus: install ok installed\n"),
                false => fs::create_dir(&status),
            }
            .expect("made");
            explainer.refresh();
            assert_eq!(explainer.problem().is_none(), sound);
            match sound {
                true => fs::remove_file(&status),
                false => fs::remove_dir(&status),
            }
            .expect("removed");
            explainer.shipping(b"usr/bin/tool")
        };
        for sound in [true, false, true] {
            assert_eq!(after(sound), ["tool"]);
        }
    }
}
