//! What explains a change: the package that owns the path, what it shipped there, and who vouches for that.

use crate::change::{Change, Shipped};
use crate::debian::evidence::Debs;
use crate::debian::kept::Store;
use crate::digests::Digests;
use crate::recorded::{Recorded, Standing, is_trust};
use crate::rpm::{Headers, is_sha256};
use crate::settings::{self, Settings};
use crate::verdict::{self, Case, Content};
use agent_core::attributes::{AttributeSet, Digest, FileType};
use agent_core::explained::{self as by, Evidence, ExplainedBy};
use agent_core::os::root::Root;
use agent_packages::dpkg::Owners;
use agent_packages::log::Logs;
use agent_packages::{DatabaseStamp, Kind, Package, detect};
use std::collections::HashMap;
use std::path::Path;

/// A directory is in the lists of hundreds of packages, which all say the same of it.
const MOST_OWNERS: usize = 8;

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
    root: Root,
    recorded: Recorded,
    settings: Settings,
    /// The state of the database that `source` was read from.
    stamp: Option<DatabaseStamp>,
    /// Of packages in apt's cache, while nothing else is in memory.
    resting: Debs,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Dpkg(Box<Dpkg>),
    Rpm(Box<Headers>),
    /// No database, or one that cannot be read: why.
    Nothing(String),
}

#[derive(Debug)]
struct Dpkg {
    owners: Owners,
    logs: Logs,
    debs: Debs,
    /// What the installed database says, by name and architecture.
    sums: HashMap<(String, String), HashMap<Box<[u8]>, [u8; 16]>>,
}

/// How one owner explains a change.
struct Judged {
    package: Package,
    case: Case,
    /// What vouches for the contents, where they are as shipped.
    evidence: Evidence,
    /// What is missing or speaks against it, in its own words.
    detail: Option<String>,
    at: Option<String>,
    transaction: Option<String>,
}

impl Explainer {
    /// Reads what the tree has of evidence.
    pub fn open(root: &Root, recorded: Recorded) -> Explainer {
        Explainer::with(root, recorded, Debs::default())
    }

    /// The same, with what earlier runs have kept of signed packages in the directory; what comes is kept there too.
    pub fn keeping(root: &Root, recorded: Recorded, directory: &Path) -> Explainer {
        let store = Store::new(directory, recorded.keyrings());
        Explainer::with(root, recorded, Debs::kept(store))
    }

    fn with(root: &Root, recorded: Recorded, debs: Debs) -> Explainer {
        let mut explainer = Explainer {
            root: root.clone(),
            recorded,
            settings: Settings::default(),
            stamp: None,
            resting: debs,
            source: Source::Nothing("it was not read".into()),
        };
        explainer.refresh();
        explainer
    }

    /// Reads what has changed since. What was taken in of packages in apt's cache is kept: it may be gone from there.
    pub fn refresh(&mut self) {
        let kind = detect(&self.root);
        self.settings = settings::judge(&self.root, kind, &self.recorded);
        let stamp = agent_packages::stamp(&self.root);
        if self.stamp.as_ref() != Some(&stamp) {
            self.rest();
            let debs = std::mem::take(&mut self.resting);
            self.source = self.load(kind, debs);
            self.stamp = Some(stamp);
            match &self.source {
                Source::Dpkg(dpkg) => self.recorded.see(kind, dpkg.owners.packages().iter()),
                Source::Rpm(headers) => self.recorded.see(kind, headers.packages()),
                Source::Nothing(_) => {}
            }
        }
        if let Source::Dpkg(dpkg) = &mut self.source {
            dpkg.debs
                .refresh(&self.root, &self.recorded, &self.settings);
        }
    }

    /// Gives up what can be read again; what was taken in of packages in apt's cache stays.
    pub fn rest(&mut self) {
        let source = Source::Nothing("it was given up".into());
        if let Source::Dpkg(dpkg) = std::mem::replace(&mut self.source, source) {
            self.resting = dpkg.debs;
        }
        self.stamp = None;
    }

    fn load(&self, kind: Kind, debs: Debs) -> Source {
        match kind {
            Kind::Dpkg => match Owners::load(&self.root) {
                Ok(owners) => Source::Dpkg(Box::new(Dpkg {
                    owners,
                    logs: Logs::read(&self.root),
                    debs,
                    sums: HashMap::new(),
                })),
                Err(error) => Source::Nothing(error.to_string()),
            },
            Kind::Rpm => match Headers::load(&self.root, &self.recorded) {
                Ok(headers) => Source::Rpm(Box::new(headers)),
                Err(error) => Source::Nothing(error),
            },
            Kind::None => Source::Nothing("there is no package database".into()),
        }
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
            Source::Rpm(headers) => of_rpm(headers, &self.root, change),
            Source::Nothing(_) => return None,
        };
        let kind = detect_kind(&self.source);
        let mut best: Option<(bool, Judged)> = None;
        for mut judged in judged {
            judged.case.settings_hold = self.settings.changed.is_none();
            judged.case.is_trust = is_trust(change.path);
            judged.case.new_privilege = change.new_privilege();
            judged.case.standing = self.recorded.standing(kind, &judged.package);
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
            let detail = match (&case.standing, &self.settings.changed) {
                _ if case.is_trust => None,
                _ if case.content != Content::Same || !case.signed => judged.detail.clone(),
                (_, Some(changed)) => Some(changed.clone()),
                (Standing::Older(newer), _) => Some(format!("it was {newer}")),
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
            Source::Dpkg(dpkg) => {
                let of_name = dpkg.owners.packages().iter().filter(|p| p.name == *name);
                of_name.count() > 1
            }
            Source::Rpm(_) | Source::Nothing(_) => false,
        };
        ExplainedBy {
            kind: by::Kind::Package,
            package: Some(match several {
                true => format!("{name}:{arch}"),
                false => name.clone(),
            }),
            version: Some(version.clone()),
            transaction: judged.transaction,
            at: judged.at,
            evidence: (case.content == Content::Same).then_some(judged.evidence),
            reason,
        }
    }
}

fn detect_kind(source: &Source) -> Kind {
    match source {
        Source::Dpkg(_) => Kind::Dpkg,
        Source::Rpm(_) => Kind::Rpm,
        Source::Nothing(_) => Kind::None,
    }
}

/// A case of which the contents, what vouches for them and the attributes are known.
fn case(content: Content, signed: bool, beyond: AttributeSet) -> Case {
    Case {
        is_trust: false,
        content,
        signed,
        settings_hold: true,
        standing: Standing::Unrecorded,
        new_privilege: false,
        beyond,
    }
}

impl Dpkg {
    fn judge(&mut self, root: &Root, change: &Change<'_>) -> Vec<Judged> {
        let owners: Vec<Package> = self
            .owners
            .of(change.path)
            .take(MOST_OWNERS)
            .cloned()
            .collect();
        if owners.is_empty() {
            return Vec::new();
        }
        let there = Digests::of(root, change);
        owners
            .into_iter()
            .map(|package| {
                let names = self.owners.shipped_as(change.path, &package);
                let mut judged = match self.debs.has(&package) {
                    true => self.signed(root, change, &package, &names, &there),
                    false => self.installed(root, change, &package, &names, &there),
                };
                if let Some(came) = self.logs.came(&package) {
                    judged.at = Some(came.at);
                    judged.transaction = came.transaction;
                }
                judged
            })
            .collect()
    }

    /// By the signed package.
    fn signed(
        &mut self,
        root: &Root,
        change: &Change<'_>,
        package: &Package,
        names: &[Vec<u8>],
        there: &Result<Digests, String>,
    ) -> Judged {
        let sum = self.debs.sum(package, names);
        let mut detail = there.as_ref().err().cloned();
        let found = there.as_ref().ok();
        let (content, beyond) = match (sum, found) {
            (Some(sum), Some(found)) if !change.needs_attributes() => {
                let shipped = Shipped {
                    kind: FileType::File,
                    mode: None,
                    uid: None,
                    gid: None,
                    link: None,
                    digest: Some(sum),
                    capability: None,
                    names: None,
                };
                change.against(&shipped, Some(&Digest::Md5(found.md5)))
            }
            _ => match self.debs.shipped(root, package, names) {
                Ok(Some(shipped)) => {
                    let sha256 = found.map(|found| Digest::Sha256(found.sha256));
                    change.against(&shipped, sha256.as_ref())
                }
                Ok(None) => {
                    detail = Some("its archive has nothing there".into());
                    (Content::Unknown, change.changed)
                }
                Err(why) => {
                    detail = Some(why);
                    (Content::Unknown, change.changed)
                }
            },
        };
        Judged {
            package: package.clone(),
            case: case(content, true, beyond),
            evidence: Evidence::Signed,
            detail,
            at: None,
            transaction: None,
        }
    }

    /// By the installed database alone.
    fn installed(
        &mut self,
        root: &Root,
        change: &Change<'_>,
        package: &Package,
        names: &[Vec<u8>],
        there: &Result<Digests, String>,
    ) -> Judged {
        let key = (package.name.clone(), package.arch.clone());
        let sums = self
            .sums
            .entry(key)
            .or_insert_with(|| self.owners.sums(root, package));
        let shipped = names.iter().find_map(|name| sums.get(&name[..]));
        let (content, detail) = match (change.observed.kind, shipped, there) {
            (FileType::File, Some(_), Err(why)) => (Content::Unknown, Some(why.clone())),
            (FileType::File, Some(sum), Ok(found)) if *sum == found.md5 => {
                (Content::Same, Some(self.debs.missing(package)))
            }
            (FileType::File, Some(_), Ok(_)) => (Content::Differs, None),
            _ => (Content::Unknown, Some(self.debs.missing(package))),
        };
        Judged {
            package: package.clone(),
            case: case(content, false, AttributeSet::NONE),
            evidence: Evidence::Md5,
            detail,
            at: None,
            transaction: None,
        }
    }
}

fn of_rpm(headers: &Headers, root: &Root, change: &Change<'_>) -> Vec<Judged> {
    let mut there: Option<Result<Digests, String>> = None;
    headers
        .of(change.path)
        .take(MOST_OWNERS)
        .map(|(header, shipped)| {
            let digest = match (&shipped.digest, change.observed.kind) {
                (Some(Digest::Md5(_)), FileType::File) => {
                    let there = there.get_or_insert_with(|| Digests::of(root, change));
                    there.as_ref().ok().map(|found| Digest::Md5(found.md5))
                }
                _ => change.observed.digest,
            };
            let (content, beyond) = change.against(shipped, digest.as_ref());
            let signed = header.signed.is_ok();
            let at = header
                .at
                .and_then(|at| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok());
            Judged {
                package: header.package.clone(),
                case: case(content, signed, beyond),
                evidence: match (signed, is_sha256(shipped.digest.as_ref())) {
                    (true, _) => Evidence::Signed,
                    (false, true) => Evidence::Sha256,
                    (false, false) => Evidence::Md5,
                },
                detail: header.signed.as_ref().err().cloned(),
                at: at.map(|at| at.to_string()),
                transaction: header
                    .transaction
                    .map(|number| format!("rpm transaction {number}")),
            }
        })
        .collect()
}
