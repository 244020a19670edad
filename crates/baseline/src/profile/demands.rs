//! Whether one set of rules demands as much of every path as another does: one answer for every form that entries and
//! excludes may have. Both sets are walked at once, down every directory that one of them tells from its neighbours.

use super::path_rules::{Demand, PathRules, Position, Reach};
use super::pattern::Head;
use agent_core::bounds;
use agent_core::finding::Severity;
use agent_core::glob::{self, Glob, Syntax};
use agent_core::paths;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// A place where less is demanded than is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The entry or exclude concerned, as written: of the two that decide, the one that says more of the path.
    pub text: String,
    /// A path of which less is demanded; names in it stand for all that patterns do not tell apart.
    pub example: Vec<u8>,
    /// What is missing.
    pub lack: Lack,
    /// How much the path is worth to whoever wants more.
    pub severity: Severity,
}

/// How less is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lack {
    /// The path is excluded.
    Excluded,
    /// No entry covers it.
    Uncovered,
    /// Fewer attributes are compared.
    Attributes,
    /// What is mounted there is not covered.
    Mounts,
    /// The first boot may change it.
    Launch,
}

/// There are too many patterns to compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

/// What `offered` lacks of what `wanted` demands, each cause once, in the order of paths. Nothing: of every path it
/// demands at least as much. Severities are not compared: the higher one holds.
pub fn shortfalls(offered: &PathRules, wanted: &PathRules) -> Result<Vec<Shortfall>, TooComplex> {
    if offered == wanted {
        return Ok(Vec::new());
    }
    let mut walk = Comparison {
        offered,
        wanted,
        work: bounds::RULE_STEPS,
        names: HashMap::new(),
        found: BTreeMap::new(),
    };
    walk.run()?;
    let mut found: Vec<Shortfall> = walk.found.into_values().collect();
    found.sort_by(|a, b| a.example.cmp(&b.example).then(a.lack.cmp(&b.lack)));
    Ok(found)
}

/// What is lacking of the path on which the rules say so; the first that applies.
pub fn lack(
    (offered, demand): (Reach, Option<Demand>),
    (wanted, needed): (Reach, Option<Demand>),
) -> Option<Lack> {
    let needed = match (wanted, needed) {
        (Reach::Covered(_), Some(needed)) => needed,
        // Where it only leads on, what it leads to is asked for itself.
        (Reach::Leads, _) if matches!(offered, Reach::Covered(_)) => Demand {
            cross_mounts: false,
            ..Demand::ANCESTOR
        },
        _ => return None,
    };
    let demand = match (offered, demand) {
        (Reach::Excluded(_), _) => return Some(Lack::Excluded),
        (Reach::Covered(_), Some(demand)) => demand,
        _ => return Some(Lack::Uncovered),
    };
    let leads = matches!(wanted, Reach::Leads);
    if !needed.attributes.without(demand.attributes).is_empty() {
        Some(Lack::Attributes)
    } else if needed.cross_mounts && !demand.cross_mounts {
        Some(Lack::Mounts)
    } else if demand.launch && !needed.launch && !leads {
        Some(Lack::Launch)
    } else {
        None
    }
}

/// Where a directory stands in the rules that are offered; `None` below what they leave out.
type Offered = Result<Position, Reach>;

struct Comparison<'a> {
    offered: &'a PathRules,
    wanted: &'a PathRules,
    /// Steps that are left.
    work: usize,
    /// Names for the patterns of a directory, by their texts: many directories have the same.
    names: HashMap<(Vec<Vec<u8>>, Vec<Vec<u8>>), Vec<Vec<u8>>>,
    found: BTreeMap<(Lack, String), Shortfall>,
}

impl Comparison<'_> {
    fn run(&mut self) -> Result<(), TooComplex> {
        self.judge(self.offered.reach_root(), self.wanted.reach_root(), b"");
        let begin: (Offered, Position) = (Ok(self.offered.root()), self.wanted.root());
        let mut met = HashSet::from([begin.clone()]);
        let mut waiting = VecDeque::from([(begin, Vec::new())]);
        while let Some(((offered, wanted), path)) = waiting.pop_front() {
            for name in self.names_in(&offered, &wanted)? {
                self.spend(wanted.weight())?;
                self.spend(offered.as_ref().map_or(0, Position::weight))?;
                let path = paths::join(&path, &name);
                let (reach, below) = self.wanted.step(&wanted, &name);
                if matches!(reach, Reach::Excluded(_) | Reach::Outside) {
                    continue;
                }
                let (has, inside) = match &offered {
                    Ok(position) => match self.offered.step(position, &name) {
                        (has @ (Reach::Covered(_) | Reach::Leads), inside) => (has, Ok(inside)),
                        (has, _) => (has, Err(has)),
                    },
                    Err(has) => (*has, Err(*has)),
                };
                self.judge(has, reach, &path);
                // Where nothing is told apart below, it has been said.
                let ends = |position: &Position| position.is_final();
                if ends(&below) && inside.as_ref().map_or(true, ends) {
                    continue;
                }
                let next = (inside, below);
                if met.insert(next.clone()) {
                    waiting.push_back((next, path));
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, steps: usize) -> Result<(), TooComplex> {
        self.work = self.work.checked_sub(steps).ok_or(TooComplex)?;
        Ok(())
    }

    /// Names for all that the patterns tell apart in a directory.
    fn names_in(
        &mut self,
        offered: &Offered,
        wanted: &Position,
    ) -> Result<Vec<Vec<u8>>, TooComplex> {
        let (mut literals, mut globs) = (BTreeSet::new(), BTreeSet::new());
        let mut take = |head: Head<'_>| match head {
            Head::Literal(name) => {
                literals.insert(name.to_vec());
            }
            Head::Glob(text) => {
                globs.insert(text.to_vec());
            }
        };
        self.wanted.heads(wanted, &mut take);
        if let Ok(position) = offered {
            self.offered.heads(position, &mut take);
        }
        let key = (
            literals.into_iter().collect::<Vec<_>>(),
            globs.into_iter().collect::<Vec<_>>(),
        );
        if let Some(names) = self.names.get(&key) {
            return Ok(names.clone());
        }
        let (literals, globs) = &key;
        self.spend(literals.len())?;
        self.spend(globs.len())?;
        let names = match globs.is_empty() {
            // All names but these are alike.
            true => {
                let longest = literals.iter().map(Vec::len).max().unwrap_or(0);
                let mut names = literals.clone();
                names.push(vec![b'-'; longest.saturating_add(1)]);
                names
            }
            false => {
                let compile = |text: &Vec<u8>| Glob::new(text, Syntax::Stars);
                let patterns: Vec<Glob> = globs.iter().chain(literals).map(compile).collect();
                glob::cases(&patterns, &mut self.work).ok_or(TooComplex)?
            }
        };
        self.names.insert(key, names.clone());
        Ok(names)
    }

    fn judge(&mut self, offered: Reach, wanted: Reach, path: &[u8]) {
        let demand = |rules: &PathRules, reach| match reach {
            Reach::Covered(number) => rules.rule(number).map(|rule| rule.demand),
            _ => None,
        };
        let has = demand(self.offered, offered);
        let needs = demand(self.wanted, wanted);
        let Some(lack) = lack((offered, has), (wanted, needs)) else {
            return;
        };
        let text = |rules: &PathRules, reach| match reach {
            Reach::Covered(number) => rules.rule(number).map(|rule| rule.pattern.clone()),
            Reach::Excluded(number) => rules.exclude(number).cloned(),
            Reach::Leads | Reach::Outside => None,
        };
        let (by, of) = (text(self.offered, offered), text(self.wanted, wanted));
        let chosen = match (by, of, lack) {
            (Some(by), _, Lack::Excluded) | (Some(by), None, _) => by,
            (Some(by), Some(of), _) if by.specificity() > of.specificity() => by,
            (_, Some(of), _) => of,
            (None, None, _) => return,
        };
        let severity = needs.map_or(Severity::High, |demand| demand.severity);
        let key = (lack, chosen.text().to_owned());
        let found = self.found.entry(key).or_insert_with(|| Shortfall {
            text: chosen.text().to_owned(),
            example: path.to_vec(),
            lack,
            severity,
        });
        found.severity = found.severity.max(severity);
    }
}

impl Shortfall {
    /// What is wrong, as a clause with the path as its subject.
    pub fn clause(&self) -> &'static str {
        match self.lack {
            Lack::Excluded => "the manifest's rules exclude it, and the profile covers it",
            Lack::Uncovered => "the profile covers it, and no rule of the manifest does",
            Lack::Attributes => {
                "the profile demands more attributes of it than the manifest's rules"
            }
            Lack::Mounts => "the profile crosses mounts there, and the manifest's rules do not",
            Lack::Launch => {
                "the manifest's rules let the first boot change it, and the profile does not"
            }
        }
    }
}

#[cfg(test)]
mod tests;
