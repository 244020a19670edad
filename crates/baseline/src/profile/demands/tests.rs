use super::*;
use crate::profile::path_rules::Rule;
use crate::profile::pattern::Pattern;
use agent_core::attributes::{Attribute, AttributeSet};

/// A stream of numbers that is the same in each run (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).expect("small")
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn pattern(&mut self, any_depth: bool) -> Pattern {
        const NAMES: [&str; 9] = ["a", "b", "ab", "a*", "*b", "?", "*", "??", "**"];
        loop {
            let mut text = String::new();
            for _ in 0..=self.below(3) {
                text.push('/');
                text.push_str(self.one(&NAMES));
            }
            if let Ok(pattern) = Pattern::parse(&text, any_depth) {
                return pattern;
            }
        }
    }

    fn rule(&mut self) -> Rule {
        let sets = [
            AttributeSet::ALL,
            AttributeSet::CONTENT,
            AttributeSet::NONE.with(Attribute::Mode),
        ];
        Rule {
            pattern: self.pattern(false),
            demand: Demand {
                attributes: self.one(&sets),
                severity: Severity::High,
                cross_mounts: self.below(4) > 0,
                launch: self.below(4) == 0,
                keep_text: false,
            },
            writers: Vec::new(),
        }
    }

    fn rules(&mut self) -> PathRules {
        let rules = (0..=self.below(3)).map(|_| self.rule()).collect();
        let excludes = (0..self.below(3)).map(|_| self.pattern(true)).collect();
        PathRules::new(rules, excludes)
    }

    /// The same rules but for one that is changed, dropped or added.
    fn edited(&mut self, rules: &PathRules) -> PathRules {
        let (mut entries, mut excludes) = (rules.rules().to_vec(), rules.excludes().to_vec());
        let at = self.below(entries.len());
        match self.below(5) {
            0 => entries[at] = self.rule(),
            1 => entries.push(self.rule()),
            2 => excludes.push(self.pattern(true)),
            3 => entries[at].demand.attributes = AttributeSet::CONTENT,
            _ => excludes.clear(),
        }
        PathRules::new(entries, excludes)
    }
}

/// What rules say of a path, as a walk would find it, told by itself: whatever lies below what is left out is left out.
fn asked(rules: &PathRules, path: &[u8]) -> (Reach, Option<Demand>) {
    let (mut position, mut reach) = (rules.root(), rules.reach_root());
    for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
        (reach, position) = rules.step(&position, name);
        if matches!(reach, Reach::Excluded(_) | Reach::Outside) {
            break;
        }
    }
    let demand = match reach {
        Reach::Covered(number) => rules.rule(number).map(|rule| rule.demand),
        _ => None,
    };
    (reach, demand)
}

/// All paths of at most three names out of some that the patterns tell apart in many ways.
fn paths() -> Vec<Vec<u8>> {
    let names: [&[u8]; 8] = [b"a", b"b", b"ab", b"ax", b"xb", b"x", b"xy", b"xyz"];
    let mut all = vec![Vec::new()];
    let mut level = vec![Vec::new()];
    for _ in 0..3 {
        level = level
            .iter()
            .flat_map(|path: &Vec<u8>| names.map(|name| paths::join(path, name)))
            .collect();
        all.extend(level.iter().cloned());
    }
    all
}

#[test]
fn nothing_is_lacking_exactly_where_no_path_is_demanded_less_of() {
    let (mut chance, paths) = (Chance(0x5eed), paths());
    let (mut less, mut enough) = (0, 0);
    for round in 0..400 {
        let wanted = chance.rules();
        let offered = match round % 2 {
            0 => chance.rules(),
            _ => chance.edited(&wanted),
        };
        let found = shortfalls(&offered, &wanted).expect("few patterns");
        for shortfall in &found {
            let is = lack(
                asked(&offered, &shortfall.example),
                asked(&wanted, &shortfall.example),
            );
            assert_eq!(
                is,
                Some(shortfall.lack),
                "{shortfall:?} {offered:?} {wanted:?}"
            );
        }
        let lacking = paths
            .iter()
            .find(|path| lack(asked(&offered, path), asked(&wanted, path)).is_some());
        if let Some(path) = lacking {
            let path = String::from_utf8_lossy(path);
            assert!(!found.is_empty(), "{path}: {offered:?} {wanted:?}");
        }
        match found.is_empty() {
            true => enough += 1,
            false => less += 1,
        }
    }
    assert!(less > 100 && enough > 20, "{less} {enough}");
}

fn rules(lines: &[&str]) -> PathRules {
    let mut rules = PathRules::default();
    for line in lines {
        rules.push_line(line.as_bytes()).expect("a good line");
    }
    rules
}

fn told(offered: &[&str], wanted: &[&str]) -> Vec<(Lack, String)> {
    let found = shortfalls(&rules(offered), &rules(wanted)).expect("few patterns");
    found.into_iter().map(|s| (s.lack, s.text)).collect()
}

#[test]
fn each_way_to_demand_less_is_named_by_the_line_that_does() {
    let wanted = [
        "cover high all cross_mounts /usr",
        "exclude /usr/share/doc/**",
    ];
    let with = |line| [wanted[0], wanted[1], line];
    for (line, lack, text) in [
        (
            "cover low type /usr/bin/ls",
            Lack::Attributes,
            "/usr/bin/ls",
        ),
        ("cover high all /usr/lib", Lack::Mounts, "/usr/lib"),
        (
            "cover high all cross_mounts launch /usr/l*",
            Lack::Launch,
            "/usr/l*",
        ),
        ("exclude /us?/bin/ls", Lack::Excluded, "/us?/bin/ls"),
        ("exclude /**/ls", Lack::Excluded, "/**/ls"),
        ("exclude /u*/**", Lack::Excluded, "/u*/**"),
        (
            "exclude /usr/share/do*/x",
            Lack::Excluded,
            "/usr/share/do*/x",
        ),
    ] {
        assert_eq!(
            told(&with(line), &wanted),
            [(lack, text.to_owned())],
            "{line}"
        );
    }
    for line in [
        "exclude /usr/share/doc/x/**",
        "exclude /opt/**",
        "cover low all cross_mounts /usr/bin",
        "cover low type /usr/share/doc/x",
    ] {
        assert_eq!(told(&with(line), &wanted), [], "{line}");
    }
    let less = told(&["cover high all /usr/bin"], &wanted);
    assert_eq!(
        less,
        [
            (Lack::Uncovered, "/usr".to_owned()),
            (Lack::Mounts, "/usr/bin".to_owned())
        ]
    );
}

/// More than [`bounds::RULE_STEPS`].
#[test]
fn what_takes_too_long_is_told_as_such() {
    let mut lines = vec!["cover high all /".to_owned()];
    lines.extend((b'a'..=b'z').map(|c| format!("exclude /**/*{0}*{0}*", char::from(c))));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        shortfalls(&rules(&lines), &rules(&lines[..1])),
        Err(TooComplex)
    );
}

#[test]
fn the_shipped_profiles_are_compared_in_time() {
    let rules = |name| {
        let profile = crate::profile::load::named(name).expect("a shipped profile");
        profile.path_rules
    };
    let (debian, amazon) = (rules("debian-12"), rules("amazon-linux-2023"));
    assert!(shortfalls(&debian, &amazon).is_ok_and(|found| !found.is_empty()));
    assert!(shortfalls(&debian, &rules("default")).is_ok());
}
