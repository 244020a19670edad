//! Whether each entry of a manifest may stand where it does.

use super::super::header::Header;
use super::super::{Entry, Role};
use crate::profile::path_rules::{Demand, PathRules, Position, Reach};
use agent_core::attributes::{AttributeSet, FileType};
use agent_core::paths::{self, split};
use std::cmp::Ordering;

/// Checks that each entry follows the one before it, lies in a directory that stands before it, and is one
/// that the header's own rules reach: no walk would ever meet another.
pub(super) struct Order<'a> {
    rules: &'a PathRules,
    /// The header of a manifest, which tells where something was mounted; none in what holds differences alone.
    manifest: Option<&'a Header>,
    /// What an entry need not say although the rules demand it.
    spared: AttributeSet,
    last: Option<Vec<u8>>,
    /// Lengths of those prefixes of `last` that are directories, and where each stands in the rules.
    directories: Vec<(usize, Position)>,
}

impl<'a> Order<'a> {
    pub(super) fn new(header: &'a Header) -> Order<'a> {
        Order {
            manifest: header.launch.is_none().then_some(header),
            ..Order::of_differences(&header.path_rules, AttributeSet::NONE)
        }
    }

    /// The order in what holds differences alone, which need not say what is `spared`.
    pub(super) fn of_differences(rules: &'a PathRules, spared: AttributeSet) -> Order<'a> {
        Order {
            rules,
            manifest: None,
            spared,
            last: None,
            directories: Vec::new(),
        }
    }

    pub(super) fn check(&mut self, entry: &Entry) -> std::result::Result<(), String> {
        let path = &entry.path;
        // What lies below something that was mounted and not crossed was not looked at.
        let is_directory = match entry.role {
            Role::Mount => false,
            Role::Parent => true,
            Role::Recorded | Role::Removed => entry.attributes.kind == FileType::Dir,
        };
        let place = match &self.last {
            None if path.is_empty() => {
                self.is_complete(entry, self.rules.reach_root())?;
                self.rules.root()
            }
            None => return Err("expected the entry `.` first".into()),
            Some(last) => {
                match paths::compare(last, path) {
                    Ordering::Less => {}
                    Ordering::Equal => return Err("this path stands twice".into()),
                    Ordering::Greater => {
                        return Err(
                            "out of order: expected parents first, names in byte order".into()
                        );
                    }
                }
                let (parent, name) = split(path);
                if !last.starts_with(parent) {
                    return Err("its directory does not stand before it".into());
                }
                self.directories
                    .retain(|(length, _)| *length <= parent.len());
                let Some((_, position)) = self
                    .directories
                    .last()
                    .filter(|(length, _)| *length == parent.len())
                else {
                    return Err("its directory does not stand before it as a directory".into());
                };
                self.is_complete(entry, self.rules.reach(position, name))?;
                match is_directory {
                    true => self.rules.enter(position, name),
                    false => Position::default(),
                }
            }
        };
        if is_directory {
            self.directories.push((path.len(), place));
        }
        self.last = Some(path.clone());
        Ok(())
    }

    /// Whether an entry says all that the header demands of its path: one that is silent would hold for anything.
    fn is_complete(&self, entry: &Entry, reach: Reach) -> std::result::Result<(), String> {
        let demand = match reach {
            Reach::Covered(rule) => self.rules.rule(rule).map(|rule| rule.demand),
            Reach::Leads => Some(Demand::ANCESTOR),
            Reach::Excluded(_) | Reach::Outside => None,
        }
        .ok_or("the manifest's own header does not cover this path")?;
        self.may_stand(entry, &demand)?;
        let lacks = match entry.role {
            Role::Recorded => {
                let demanded = demand.attributes.without(self.spared);
                entry.attributes.lacks(demanded)
            }
            Role::Removed | Role::Parent | Role::Mount => AttributeSet::NONE,
        };
        match lacks.is_empty() {
            true => Ok(()),
            false => Err(format!("lacks {lacks}, which the header demands of it")),
        }
    }

    /// Whether an entry of such a role may stand in such a file: in the wrong place it would let anything pass.
    fn may_stand(&self, entry: &Entry, demand: &Demand) -> std::result::Result<(), String> {
        let header = match (entry.role, self.manifest) {
            (Role::Recorded, _) | (Role::Removed | Role::Parent, None) => return Ok(()),
            (Role::Removed | Role::Parent, Some(_)) => {
                return Err(
                    "the tags `removed` and `parent` stand in launch records and amendments alone"
                        .into(),
                );
            }
            (Role::Mount, None) => return Err("the tag `mount` stands in manifests alone".into()),
            (Role::Mount, Some(header)) => header,
        };
        match entry.role {
            Role::Mount if entry.attributes.kind != FileType::Dir || demand.cross_mounts => Err(
                "the tag `mount` stands at directories alone, where the header does not cross mounts"
                    .into(),
            ),
            Role::Mount if header.lacks_mount(&entry.path) => {
                Err("the tag `mount` stands only where the header has a line `# mount`".into())
            }
            _ => Ok(()),
        }
    }
}
