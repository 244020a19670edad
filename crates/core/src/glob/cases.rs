//! Names that show every way in which some patterns can match a name together.

use super::{Glob, Token};
use std::collections::{HashMap, HashSet, VecDeque};

/// Bytes of a name in a directory (NAME_MAX of limits.h).
// Own bound: the kernel's.
const LONGEST: usize = 255;

/// For each set of the patterns that some name matches while it matches none of the others, one such name; names are
/// those of entries of a directory, so neither empty nor `.` nor `..`. `None` where it takes more than `work` steps,
/// which are counted down.
pub fn cases(globs: &[Glob], work: &mut usize) -> Option<Vec<Vec<u8>>> {
    let alphabet = alphabet(globs);
    let mut begin: Vec<State> = Vec::new();
    for (number, glob) in globs.iter().enumerate() {
        reach(glob, number, 0, &mut begin);
    }
    begin.sort_unstable();
    let mut told: HashSet<Vec<usize>> = HashSet::new();
    let mut names = Vec::new();
    // Where a name leads, and the shortest name that leads there.
    let mut met: HashMap<Vec<State>, Vec<u8>> = HashMap::from([(begin.clone(), Vec::new())]);
    let mut waiting = VecDeque::from([begin]);
    while let Some(states) = waiting.pop_front() {
        let name = met.get(&states).cloned().unwrap_or_default();
        if name.len() == LONGEST {
            continue;
        }
        for byte in &alphabet {
            *work = work.checked_sub(states.len())?.checked_sub(1)?;
            let next = advance(globs, &states, *byte);
            let longer = [&name[..], &[*byte]].concat();
            if longer != b"." && longer != b".." && told.insert(matching(globs, &next)) {
                names.push(longer.clone());
            }
            if !met.contains_key(&next) {
                met.insert(next.clone(), longer);
                waiting.push_back(next);
            }
        }
    }
    Some(names)
}

/// A pattern's number, and how many of its tokens are behind.
type State = (usize, usize);

/// Bytes that patterns tell apart, and one that stands for all others. The dot comes last: a name that begins with
/// another byte is a name in any case.
fn alphabet(globs: &[Glob]) -> Vec<u8> {
    let mut named = [false; 256];
    for token in globs.iter().flat_map(|glob| &*glob.tokens) {
        for (byte, named) in (0..=u8::MAX).zip(&mut named) {
            let told_apart = match token {
                Token::Byte(own) => *own == byte,
                Token::Set(set) => set.has(byte),
                Token::Star | Token::Any => false,
            };
            *named |= told_apart;
        }
    }
    let possible = |byte: &u8| !matches!(byte, 0 | b'/');
    let possible = (0..=u8::MAX).zip(named).filter(|(byte, _)| possible(byte));
    let (told, others): (Vec<_>, Vec<_>) = possible.partition(|(_, named)| *named);
    let bytes =
        |all: Vec<(u8, bool)>| -> Vec<u8> { all.into_iter().map(|(byte, _)| byte).collect() };
    let (mut told, others) = (bytes(told), bytes(others));
    let plain = others.iter().find(|byte| byte.is_ascii_alphanumeric());
    let other = plain.or(others.iter().find(|byte| **byte != b'.'));
    told.extend(other.or(others.first()));
    told.sort_by_key(|byte| *byte == b'.');
    told
}

/// Adds the state at that token, and those behind stars, which match nothing as well.
fn reach(glob: &Glob, number: usize, mut at: usize, states: &mut Vec<State>) {
    states.push((number, at));
    while glob.tokens.get(at) == Some(&Token::Star) {
        at = at.saturating_add(1);
        states.push((number, at));
    }
}

fn advance(globs: &[Glob], states: &[State], byte: u8) -> Vec<State> {
    let mut next = Vec::new();
    for &(number, at) in states {
        let Some(glob) = globs.get(number) else {
            continue;
        };
        match glob.tokens.get(at) {
            Some(Token::Star) => reach(glob, number, at, &mut next),
            Some(token) if token.takes(byte) => {
                reach(glob, number, at.saturating_add(1), &mut next);
            }
            _ => {}
        }
    }
    next.sort_unstable();
    next.dedup();
    next
}

/// Which patterns match a name that leads there.
fn matching(globs: &[Glob], states: &[State]) -> Vec<usize> {
    let ended = |(number, at): &&State| {
        let glob = globs.get(*number);
        glob.is_some_and(|glob| *at == glob.tokens.len())
    };
    let mut numbers: Vec<usize> = states.iter().filter(ended).map(|(n, _)| *n).collect();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Syntax;

    fn sets(patterns: &[&str]) -> Vec<Vec<usize>> {
        let globs: Vec<Glob> = patterns
            .iter()
            .map(|pattern| Glob::new(pattern.as_bytes(), Syntax::Stars))
            .collect();
        let names = cases(&globs, &mut 1_000_000).expect("little work");
        let mut sets: Vec<Vec<usize>> = names
            .iter()
            .map(|name| {
                assert!(!name.is_empty() && name != b"." && name != b"..");
                let fits = |n: &usize| globs[*n].matches(name);
                (0..globs.len()).filter(fits).collect()
            })
            .collect();
        sets.sort();
        sets
    }

    #[test]
    fn each_way_to_match_is_shown_once() {
        let none: Vec<usize> = vec![];
        assert_eq!(sets(&[]), std::slice::from_ref(&none));
        assert_eq!(sets(&["*"]), [[0]]);
        assert_eq!(
            sets(&["a*", "*b"]),
            [none.clone(), vec![0], vec![0, 1], vec![1]]
        );
        assert_eq!(
            sets(&["a?", "?b"]),
            [none.clone(), vec![0], vec![0, 1], vec![1]]
        );
        assert_eq!(
            sets(&["abc", "a*", "*"]),
            [vec![0, 1, 2], vec![1, 2], vec![2]]
        );
        // Two of these bytes are no name, a third one makes one.
        assert_eq!(sets(&[".", ".."]), std::slice::from_ref(&none));
        assert_eq!(sets(&[".*"]), [none.clone(), vec![0]]);
        assert_eq!(sets(&["???", "*x*x*x*x*"]), [none, vec![0], vec![1]]);
    }

    #[test]
    fn work_has_an_end() {
        let globs: Vec<Glob> = (b'a'..=b'y')
            .map(|letter| {
                let text = format!("*{}*", char::from(letter));
                Glob::new(text.as_bytes(), Syntax::Stars)
            })
            .collect();
        assert_eq!(cases(&globs, &mut 1_000_000), None);
    }
}
