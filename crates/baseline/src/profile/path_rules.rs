//! Which rule of a profile decides on a path, worked out while walking down: no path is matched twice.

use super::pattern::{ComponentIndex, Head, Pattern};
pub use super::writer::Writer;
use agent_core::attributes::{Attribute, AttributeSet};
use agent_core::bounds;
use agent_core::escape;
use agent_core::finding::Severity;

/// What is demanded of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Which attributes are compared.
    pub attributes: AttributeSet,
    /// How much a deviation matters.
    pub severity: Severity,
    /// Whether what is mounted at or below the path is covered too.
    pub cross_mounts: bool,
    /// Whether the first boot may change the path, once, on the launch record.
    pub launch: bool,
    /// Whether its text is kept, so that a finding says which lines changed.
    pub keep_text: bool,
}

impl Demand {
    /// What is demanded of a directory that only leads to a covered path. What is mounted there is
    /// crossed, or the covered path would not be reached.
    pub const ANCESTOR: Demand = Demand {
        attributes: AttributeSet::ANCESTOR,
        severity: Severity::High,
        cross_mounts: true,
        launch: false,
        keep_text: false,
    };

    /// Whether changes of such an entry are everyday: they excuse the mtime of its directory.
    pub fn is_loose(&self) -> bool {
        self.attributes != AttributeSet::ALL || self.launch
    }
}

/// A path entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which paths, with all below them.
    pub pattern: Pattern,
    /// What is demanded of them.
    pub demand: Demand,
    /// Programs that may write there, and what. It counts only as a sealed manifest has it.
    pub writers: Vec<Writer>,
}

/// The path entries and excludes of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    rules: Vec<Rule>,
    excludes: Vec<Pattern>,
}

/// Where a directory stands with respect to every rule: what [`PathRules::reach`] needs to judge its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    decides: Option<u16>,
    rules: Vec<(u16, ComponentIndex)>,
    excludes: Vec<(u16, ComponentIndex)>,
}

/// What a profile says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Covered; the rule of that number decides.
    Covered(u16),
    /// Not covered itself, but something below it may be.
    Leads,
    /// Excluded with all below it, by the exclude of that number.
    Excluded(u16),
    /// Neither it nor anything below it is covered.
    Outside,
}

impl Position {
    /// Whether no pattern tells any entries below apart.
    pub fn is_final(&self) -> bool {
        self.rules.is_empty() && self.excludes.is_empty()
    }

    /// How many patterns are still to be matched.
    pub fn weight(&self) -> usize {
        let weight = self.rules.len().saturating_add(self.excludes.len());
        weight.saturating_add(1)
    }
}

impl PathRules {
    /// Of rules and excludes at most [`bounds::RULES`] each are used; callers check before.
    pub fn new(rules: Vec<Rule>, excludes: Vec<Pattern>) -> PathRules {
        PathRules { rules, excludes }
    }

    /// The rule of that number.
    pub fn rule(&self, number: u16) -> Option<&Rule> {
        self.rules.get(usize::from(number))
    }

    /// The exclude of that number.
    pub fn exclude(&self, number: u16) -> Option<&Pattern> {
        self.excludes.get(usize::from(number))
    }

    /// All rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// All excludes, in order.
    pub fn excludes(&self) -> &[Pattern] {
        &self.excludes
    }

    /// The entry that decides on a whole path, relative to the root.
    pub fn deciding(&self, path: &[u8]) -> Option<&Rule> {
        let mut position = self.root();
        let mut reach = self.reach_root();
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            reach = self.reach(&position, name);
            if matches!(reach, Reach::Excluded(_) | Reach::Outside) {
                return None;
            }
            position = self.enter(&position, name);
        }
        match reach {
            Reach::Covered(number) => self.rule(number),
            _ => None,
        }
    }

    /// What of it is at least so severe, with the entries below that say otherwise.
    #[must_use]
    pub fn narrowed(&self, least: Severity) -> PathRules {
        let severe: Vec<&str> = self
            .rules
            .iter()
            .filter(|rule| rule.demand.severity >= least)
            .map(|rule| rule.pattern.text())
            .collect();
        let lies_below = |text: &str| {
            severe.iter().any(|above| {
                text.strip_prefix(above)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || *above == "/")
            })
        };
        let rules = self.rules.iter();
        PathRules {
            rules: rules
                .filter(|rule| lies_below(rule.pattern.text()))
                .cloned()
                .collect(),
            excludes: self.excludes.clone(),
        }
    }

    /// Where `/` stands.
    pub fn root(&self) -> Position {
        let mut position = Position::default();
        for (number, rule) in (0..).zip(&self.rules) {
            if rule.pattern.is_root() {
                position.decides = self.stronger(position.decides, number);
            } else {
                position.rules.push((number, 0));
            }
        }
        position.excludes = (0..).zip(&self.excludes).map(|(n, _)| (n, 0)).collect();
        position
    }

    /// What the profile says of the root itself.
    pub fn reach_root(&self) -> Reach {
        match self.root().decides {
            Some(rule) => Reach::Covered(rule),
            None => Reach::Leads,
        }
    }

    /// What the profile says of the entry `name` of the directory at `position`.
    pub fn reach(&self, position: &Position, name: &[u8]) -> Reach {
        if position.rules.is_empty() && position.excludes.is_empty() {
            return position.decides.map_or(Reach::Outside, Reach::Covered);
        }
        self.walk(position, name, None)
    }

    /// Where the entry `name` of the directory at `position` stands, for its own entries.
    pub fn enter(&self, position: &Position, name: &[u8]) -> Position {
        let mut below = Position::default();
        self.walk(position, name, Some(&mut below));
        below
    }

    /// Both: what the profile says of the entry, and where it stands for its own entries.
    pub fn step(&self, position: &Position, name: &[u8]) -> (Reach, Position) {
        let mut below = Position::default();
        let reach = self.walk(position, name, Some(&mut below));
        (reach, below)
    }

    /// What names of entries are compared with in the directory at `position`.
    pub fn heads<'a>(&'a self, position: &Position, take: &mut dyn FnMut(Head<'a>)) {
        for &(number, place) in &position.rules {
            if let Some(rule) = self.rule(number) {
                rule.pattern.heads(place, take);
            }
        }
        for &(number, place) in &position.excludes {
            if let Some(exclude) = self.exclude(number) {
                exclude.heads(place, take);
            }
        }
    }

    fn walk(&self, at: &Position, name: &[u8], mut below: Option<&mut Position>) -> Reach {
        let mut decides = at.decides;
        let mut leads = false;
        let mut excluded = None;
        for &(number, place) in &at.excludes {
            let Some(pattern) = self.exclude(number) else {
                continue;
            };
            let ended = pattern.step(place, name, &mut |next| {
                // Several ways to one place are one place.
                if let Some(below) = below.as_deref_mut()
                    && !below.excludes.contains(&(number, next))
                {
                    below.excludes.push((number, next));
                }
            });
            if ended && excluded.is_none() {
                excluded = Some(number);
            }
        }
        for &(number, place) in &at.rules {
            let Some(rule) = self.rule(number) else {
                continue;
            };
            let ended = rule.pattern.step(place, name, &mut |next| {
                leads = true;
                if let Some(below) = below.as_deref_mut() {
                    below.rules.push((number, next));
                }
            });
            if ended {
                decides = self.stronger(decides, number);
            }
        }
        if let Some(below) = below {
            below.decides = decides;
        }
        match (excluded, decides) {
            (Some(exclude), _) => Reach::Excluded(exclude),
            (None, Some(rule)) => Reach::Covered(rule),
            (None, None) if leads => Reach::Leads,
            (None, None) => Reach::Outside,
        }
    }

    /// The more specific of two rules; among equals the later one.
    fn stronger(&self, old: Option<u16>, new: u16) -> Option<u16> {
        let rank = |number: u16| {
            let rule = self.rule(number)?;
            Some((rule.pattern.specificity(), number))
        };
        match old {
            Some(old) if rank(old) > rank(new) => Some(old),
            _ => Some(new),
        }
    }

    /// The rules and excludes as lines, in order: what manifests carry and profile digests cover.
    pub fn lines(&self) -> impl Iterator<Item = Vec<u8>> {
        let rules = self.rules.iter().flat_map(|rule| {
            let demand = rule.demand;
            let mut line = format!("cover {} {}", demand.severity.name(), demand.attributes);
            for (name, on) in [
                ("cross_mounts", demand.cross_mounts),
                ("launch", demand.launch),
                ("keep_text", demand.keep_text),
            ] {
                if on {
                    line.push(' ');
                    line.push_str(name);
                }
            }
            let line = pattern_line(line, &rule.pattern);
            std::iter::once(line).chain(rule.writers.iter().map(Writer::line))
        });
        let excludes = self
            .excludes
            .iter()
            .map(|pattern| pattern_line("exclude".to_owned(), pattern));
        rules.chain(excludes)
    }

    /// Reads back one line of [`PathRules::lines`]; the error says what was expected.
    pub fn push_line(&mut self, line: &[u8]) -> Result<(), String> {
        let mut words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let pattern = |word: Option<&[u8]>, any_depth| {
            let bytes = word
                .and_then(unescape_pattern)
                .ok_or("expected an escaped path last")?;
            let text = String::from_utf8(bytes).map_err(|_| "expected a UTF-8 path")?;
            Pattern::parse(&text, any_depth).map_err(|reason| format!("the path {text} {reason}"))
        };
        let path = words.pop();
        match words.as_slice() {
            [b"exclude"] => self.excludes.push(pattern(path, true)?),
            [b"cover", severity, attributes, options @ ..] => {
                let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
                let mut demand = Demand {
                    severity: Severity::from_name(&text(severity))
                        .ok_or("expected a severity after `cover`")?,
                    attributes: parse_attributes(&text(attributes))
                        .ok_or("expected attribute names after the severity")?,
                    cross_mounts: false,
                    launch: false,
                    keep_text: false,
                };
                for option in options {
                    match *option {
                        b"cross_mounts" => demand.cross_mounts = true,
                        b"launch" => demand.launch = true,
                        b"keep_text" => demand.keep_text = true,
                        _ => {
                            let expected =
                                "expected cross_mounts, launch or keep_text before the path";
                            return Err(expected.into());
                        }
                    }
                }
                self.rules.push(Rule {
                    pattern: pattern(path, false)?,
                    demand,
                    writers: Vec::new(),
                });
            }
            [b"writer", contents] => {
                let writer = Writer::parse(contents, path.unwrap_or_default())
                    .ok_or("expected `writer SHA256,… PROGRAM`")?;
                let rule = self.rules.last_mut();
                let rule = rule.ok_or("expected a `cover` line before a `writer` line")?;
                rule.writers.push(writer);
            }
            _ => return Err("expected `cover …`, `writer …` or `exclude …`".into()),
        }
        if self.rules.len() > bounds::RULES || self.excludes.len() > bounds::RULES {
            return Err(format!("more than {} entries", bounds::RULES));
        }
        Ok(())
    }
}

/// `all`, `content`, or names joined by commas.
fn parse_attributes(text: &str) -> Option<AttributeSet> {
    match text {
        "all" => Some(AttributeSet::ALL),
        "content" => Some(AttributeSet::CONTENT),
        _ => text.split(',').map(Attribute::from_name).collect(),
    }
}

/// `*` and `?` are escaped in names and stand for themselves in patterns, so they are put back.
fn pattern_line(words: String, pattern: &Pattern) -> Vec<u8> {
    let mut line = words.into_bytes();
    line.push(b' ');
    for (i, part) in pattern
        .text()
        .as_bytes()
        .split_inclusive(|b| is_star(*b))
        .enumerate()
    {
        debug_assert!(i == 0 || !part.is_empty());
        match part.split_last() {
            Some((star, name)) if is_star(*star) => {
                escape::push_octal(&mut line, name);
                line.push(*star);
            }
            _ => escape::push_octal(&mut line, part),
        }
    }
    line
}

fn unescape_pattern(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for part in text.split_inclusive(|b| is_star(*b)) {
        match part.split_last() {
            Some((star, name)) if is_star(*star) => {
                bytes.extend(escape::from_octal(name)?);
                bytes.push(*star);
            }
            _ => bytes.extend(escape::from_octal(part)?),
        }
    }
    Some(bytes)
}

fn is_star(byte: u8) -> bool {
    matches!(byte, b'*' | b'?')
}

#[cfg(test)]
mod tests;
