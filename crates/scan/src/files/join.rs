//! The merge join of two sorted streams: what the walk meets and what is expected.

use super::probe::{Target, join};
use super::scope::{PathPolicy, Scope, Weaker};
use super::walk::{Blindness, Step};
use agent_core::attributes::{Attributes, Digest};
use agent_core::error::{Error, Result};
use agent_core::paths;
use std::cmp::Ordering;
use std::sync::Arc;

/// What should be at a path, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// What should be there; `None`: nothing (the first boot removed it, on the record).
    pub attributes: Option<Attributes>,
    /// Who says so.
    pub source: Source,
}

impl Expected {
    /// Whether nothing is amiss if the path is not there.
    pub fn may_be_missing(&self) -> bool {
        self.attributes.is_none() || matches!(self.source, Source::Package { optional: true, .. })
    }
}

/// Who says what a file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The manifest.
    Manifest,
    /// The manifest, which knows only that something was mounted there.
    Mount,
    /// The launch record.
    Launch,
    /// An amendment.
    Amendment,
    /// A package, by name.
    Package {
        /// Its name.
        name: Arc<str>,
        /// Whether the file is a configuration file, made to be changed by the host's owner.
        conffile: bool,
        /// Whether the file may as well be missing.
        optional: bool,
        /// Further digests that are as good: more than one package put a file there.
        alternatives: Box<[Digest]>,
        /// Whose database it is.
        manager: agent_packages::DatabaseKind,
    },
}

/// One thing to judge.
#[derive(Debug)]
pub enum Item {
    /// A path that is there.
    Present {
        /// What to look at.
        target: Target,
        /// What to do with it.
        policy: PathPolicy,
        /// See [`Step::Look`].
        loose: bool,
        /// What should be there.
        expected: Option<Box<Expected>>,
    },
    /// A path that should be there and is not.
    Missing {
        /// What should be there.
        expected: Box<Expected>,
        /// What is demanded of it.
        policy: PathPolicy,
    },
    /// A path that should be there and cannot be seen, since the directory `at` cannot.
    Hidden {
        /// What should be there.
        expected: Box<Expected>,
        /// What is demanded of it.
        policy: PathPolicy,
        /// Why.
        why: Blindness,
    },
    /// A directory whose entries cannot be seen.
    Blind {
        /// Relative to the root.
        path: Vec<u8>,
        /// What is demanded of it.
        policy: PathPolicy,
        /// Why.
        why: Blindness,
        /// Whether anything was expected there.
        known: bool,
        /// Whether the manifest knows that something was mounted there.
        was_mount: bool,
    },
    /// The directory met last and not yet left is done.
    Leave,
    /// See [`Step::Weaker`].
    Weaker {
        /// The first path concerned.
        path: Vec<u8>,
        /// How.
        weaker: Weaker,
        /// What is demanded of it.
        policy: PathPolicy,
    },
    /// The expectations could not be read on: nothing that follows could be judged.
    Broken(Error),
}

impl Item {
    /// Whether the item stands for a path that is judged, rather than for a step of the walk.
    pub fn is_path(&self) -> bool {
        !matches!(self, Item::Leave | Item::Weaker { .. } | Item::Broken(_))
    }
}

/// What expectations outside the rules mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// A package owns more than the profile covers: passed over.
    Ignore,
    /// A manifest holds what its own header does not cover: malformed.
    Refuse,
}

/// Joins the steps of a walk with sorted expectations; `emit` returns false to stop.
pub fn join_streams(
    steps: impl Iterator<Item = Step>,
    expected: impl Iterator<Item = Result<Expected>>,
    scope: &Scope,
    outside: Outside,
    emit: &mut dyn FnMut(Item) -> bool,
) {
    let mut join = Joiner {
        expected: expected.peekable(),
        scope,
        outside,
        inside: Vec::new(),
        above: Vec::new(),
        blind: None,
    };
    for step in steps {
        let item = match join.item(step, emit) {
            Ok(Some(item)) => item,
            Ok(None) => return,
            Err(error) => {
                emit(Item::Broken(error));
                return;
            }
        };
        if !emit(item) {
            return;
        }
    }
    if let Err(error) = join.skip_to(Until::Left(b""), emit) {
        emit(Item::Broken(error));
    }
}

struct Joiner<'a, E: Iterator<Item = Result<Expected>>> {
    expected: std::iter::Peekable<E>,
    scope: &'a Scope,
    outside: Outside,
    /// The directory met last and not yet left.
    inside: Vec<u8>,
    /// Lengths of the paths of the directories that it lies in.
    above: Vec<usize>,
    /// The directory met last whose entries cannot be seen.
    blind: Option<(Vec<u8>, Blindness)>,
}

/// How far expectations are passed over.
#[derive(Clone, Copy)]
enum Until<'a> {
    /// To that path, in two parts: a directory and, perhaps, a name in it.
    At(&'a [u8], Option<&'a [u8]>),
    /// To the end of that directory, and of all below it.
    Left(&'a [u8]),
}

impl<E: Iterator<Item = Result<Expected>>> Joiner<'_, E> {
    /// `None` when nobody wants more.
    fn item(&mut self, step: Step, emit: &mut dyn FnMut(Item) -> bool) -> Result<Option<Item>> {
        Ok(Some(match step {
            Step::Look {
                target,
                policy,
                loose,
            } => {
                let until = match &target {
                    Target::Directory(directory) => Until::At(&directory.path, None),
                    Target::Entry {
                        directory, name, ..
                    } => Until::At(&directory.path, Some(name)),
                };
                let Some(expected) = self.skip_to(until, emit)? else {
                    return Ok(None);
                };
                if let Target::Directory(directory) = &target {
                    self.above.push(self.inside.len());
                    self.inside.clear();
                    self.inside.extend_from_slice(&directory.path);
                }
                Item::Present {
                    target,
                    policy,
                    loose,
                    expected,
                }
            }
            Step::Blind { path, policy, why } => {
                let Some(expected) = self.skip_to(Until::At(&path, None), emit)? else {
                    return Ok(None);
                };
                self.blind = Some((path.clone(), why));
                let known = expected.is_some();
                let is_mount = |expected: &Expected| expected.source == Source::Mount;
                let was_mount = expected.as_deref().is_some_and(is_mount);
                // A mount that was there when the tree was recorded hides nothing; for other blindness the
                // directory's own finding says it.
                let hidden = |expected: &Expected| {
                    why == Blindness::Mount && expected.source != Source::Mount
                };
                if let Some(expected) = expected.filter(|expected| hidden(expected))
                    && !emit(Item::Hidden {
                        expected,
                        policy,
                        why,
                    })
                {
                    return Ok(None);
                }
                Item::Blind {
                    path,
                    policy,
                    why,
                    known,
                    was_mount,
                }
            }
            Step::Leave => {
                // What is missing at its end is missing in it, not in the directory above.
                let inside = std::mem::take(&mut self.inside);
                if self.skip_to(Until::Left(&inside), emit)?.is_none() {
                    return Ok(None);
                }
                self.inside = inside;
                self.inside.truncate(self.above.pop().unwrap_or(0));
                Item::Leave
            }
            Step::Weaker {
                path,
                weaker,
                policy,
            } => Item::Weaker {
                path,
                weaker,
                policy,
            },
        }))
    }

    /// Emits what is expected until there as missing or hidden, and returns what is expected at the path
    /// itself. The outer `None` means that nobody wants more.
    #[allow(clippy::type_complexity)]
    fn skip_to(
        &mut self,
        until: Until<'_>,
        emit: &mut dyn FnMut(Item) -> bool,
    ) -> Result<Option<Option<Box<Expected>>>> {
        loop {
            let order = match (self.expected.peek(), until) {
                (None, _) => return Ok(Some(None)),
                (Some(Err(_)), _) => Ordering::Less,
                (Some(Ok(expected)), Until::At(directory, name)) => {
                    compare(&expected.path, directory, name)
                }
                (Some(Ok(expected)), Until::Left(directory)) => {
                    match paths::is_within(&expected.path, directory) {
                        true => Ordering::Less,
                        false => Ordering::Greater,
                    }
                }
            };
            if order == Ordering::Greater {
                return Ok(Some(None));
            }
            let Some(expected) = self.expected.next().transpose()? else {
                return Ok(Some(None));
            };
            if order == Ordering::Equal {
                return Ok(Some(Some(Box::new(expected))));
            }
            if !self.absent(expected, emit)? {
                return Ok(None);
            }
        }
    }

    fn absent(&self, expected: Expected, emit: &mut dyn FnMut(Item) -> bool) -> Result<bool> {
        // Recorded before it was one of the agent's own.
        if self.scope.is_own(&expected.path) {
            return Ok(true);
        }
        let Some(policy) = self.scope.at(&expected.path) else {
            return match self.outside {
                Outside::Ignore => Ok(true),
                Outside::Refuse => Err(Error::new(format!(
                    "the manifest holds {}, which its own header does not cover",
                    agent_core::escape::terminal_bytes(&agent_core::paths::subject(&expected.path)),
                ))),
            };
        };
        if self.outside == Outside::Ignore && policy.leads {
            return Ok(true);
        }
        if expected.may_be_missing() {
            return Ok(true);
        }
        let expected = Box::new(expected);
        Ok(emit(match &self.blind {
            Some((directory, why)) if paths::is_within(&expected.path, directory) => Item::Hidden {
                expected,
                policy,
                why: *why,
            },
            _ => Item::Missing { expected, policy },
        }))
    }
}

/// Compares with a path given in two parts, so that it need not be put together for each file.
fn compare(expected: &[u8], directory: &[u8], name: Option<&[u8]>) -> Ordering {
    let Some(name) = name else {
        return paths::compare(expected, directory);
    };
    let below = match expected.strip_prefix(directory) {
        Some(rest) if directory.is_empty() => Some(rest),
        Some([b'/', rest @ ..]) => Some(rest),
        _ => None,
    };
    match below {
        Some(rest) if rest == name => Ordering::Equal,
        Some(rest) if !rest.is_empty() => paths::compare(rest, name),
        _ => paths::compare(expected, &join(directory, name)),
    }
}
