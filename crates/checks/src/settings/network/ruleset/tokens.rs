//! Words of a file of nft(8), variables replaced by what they stand for.

use agent_core::bounds;
use std::collections::BTreeMap;

/// Why a file has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// nft refuses it.
    Refused,
    /// They are more than any file has.
    TooMany,
}

/// What nft takes for words of its own and not for a variable's value.
const VERDICTS: [&str; 5] = ["drop", "accept", "continue", "return", "reject"];

/// Words, braces, and `;` for the end of a statement. Comments are left out; a text in quotes is one word that is none
/// of the language's.
pub(super) fn tokens(text: &str) -> Result<Vec<&str>, Error> {
    let mut found: Vec<&str> = Vec::new();
    let mut variables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // What is held: the words, and those that variables stand for.
    let mut held: usize = 0;
    for line in text.lines() {
        let begins = found.len();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '#' => rest.len(),
                '"' => {
                    found.push("\"");
                    let end = rest[1..].find('"');
                    end.map_or(rest.len(), |end| end.saturating_add(2))
                }
                '{' | '}' | ';' | ',' => {
                    found.push(&rest[..1]);
                    1
                }
                _ => {
                    let end = rest.find(|c: char| c.is_whitespace() || "{};,\"".contains(c));
                    let word = &rest[..end.unwrap_or(rest.len())];
                    match word.strip_prefix('$') {
                        Some(name) => expand(name, &variables, &mut found)?,
                        None => found.push(word),
                    }
                    word.len()
                }
            };
            if found.len().saturating_add(held) > bounds::SHIPPER_WORDS {
                return Err(Error::TooMany);
            }
            rest = rest[length..].trim_start();
        }
        let own = found.get(begins..).unwrap_or_default();
        if let ["define" | "redefine", name, "=", value @ ..] = own {
            if value.first().is_none_or(|word| VERDICTS.contains(word)) {
                return Err(Error::Refused);
            }
            held = held.saturating_add(value.len());
            variables.insert(name, value.to_vec());
        }
        found.push(";");
    }
    Ok(found)
}

/// Adds what a variable stands for, and what stands behind its name in the word.
fn expand<'t>(
    name: &'t str,
    variables: &BTreeMap<&'t str, Vec<&'t str>>,
    found: &mut Vec<&'t str>,
) -> Result<(), Error> {
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c));
    let (name, rest) = name.split_at(end.unwrap_or(name.len()));
    found.extend(variables.get(name).ok_or(Error::Refused)?);
    match rest.trim_start_matches('-').strip_prefix('$') {
        Some(next) => expand(next, variables, found),
        None => {
            found.extend(Some(rest).filter(|rest| !rest.is_empty()));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let text = "define a = { 1, 2 }\nx $a-$a$b y\n";
        assert_eq!(tokens(text), Err(Error::Refused));
        let text = "define a = 1\nx $a-$a y # $b\n";
        let expected = ["define", "a", "=", "1", ";", "x", "1", "1", "y", ";"];
        assert_eq!(tokens(text).as_deref(), Ok(&expected[..]));
        assert_eq!(tokens("define a = drop\n"), Err(Error::Refused));
    }

    #[test]
    fn variables_that_name_each_other_twice_over_are_not_held() {
        let mut text = "define a0 = x x\n".to_owned();
        for n in 1..25 {
            text.push_str(&format!("define a{n} = $a{0} $a{0}\n", n - 1));
        }
        assert_eq!(tokens(&text), Err(Error::TooMany));
        let words = "x ".repeat(bounds::SHIPPER_WORDS + 1);
        assert_eq!(tokens(&words), Err(Error::TooMany));
    }
}
