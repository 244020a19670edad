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
/// of the language's: a quote, with the text behind it where it is the value of a variable.
pub(super) fn tokens(text: &str) -> Result<Vec<&str>, Error> {
    let mut reader = Reader::default();
    for line in text.lines() {
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            rest = reader.word(rest)?.trim_start();
            if reader.found.len().saturating_add(reader.held) > bounds::SHIPPER_WORDS {
                return Err(Error::TooMany);
            }
        }
        reader.line_end()?;
    }
    match reader.in_value() {
        true => Err(Error::Refused),
        false => Ok(reader.found),
    }
}

#[derive(Default)]
struct Reader<'t> {
    found: Vec<&'t str>,
    variables: BTreeMap<&'t str, Vec<&'t str>>,
    /// How many words the variables stand for, which are held besides those found.
    held: usize,
    /// Where the statement begins in what is found.
    begins: usize,
    /// Braces that are open in the value of a variable.
    open: usize,
}

impl<'t> Reader<'t> {
    /// Takes one word; the rest is behind it.
    fn word(&mut self, rest: &'t str) -> Result<&'t str, Error> {
        let mut behind = rest.chars();
        match behind.next() {
            None | Some('#') => return Ok(""),
            Some('"') => return Ok(self.quoted(rest, behind.as_str())),
            Some('$') => return self.variable(behind.as_str()),
            Some(mark @ ('{' | '}' | ';' | ',')) => {
                self.mark(mark, rest.split_at(mark.len_utf8()).0)?;
                return Ok(behind.as_str());
            }
            Some(_) => {}
        }
        // nft wants no space around the sign between a variable and its value.
        let own = self.statement();
        let sign = match own {
            ["define" | "redefine", ..] if own.len() < 3 => "=",
            _ => "",
        };
        if let Some(behind) = rest.strip_prefix('=').filter(|_| !sign.is_empty()) {
            self.found.push("=");
            return Ok(behind);
        }
        let ends = |c: char| c.is_whitespace() || "{};,\"$".contains(c) || sign.contains(c);
        let (word, behind) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        self.found.push(word);
        Ok(behind)
    }

    /// The words of the statement so far.
    fn statement(&self) -> &[&'t str] {
        self.found.get(self.begins..).unwrap_or_default()
    }

    fn is_definition(&self) -> bool {
        matches!(self.statement(), ["define" | "redefine" | "undefine", ..])
    }

    /// Whether a value goes on, over the ends of lines too.
    fn in_value(&self) -> bool {
        self.open > 0
    }

    fn quoted(&mut self, whole: &'t str, behind: &'t str) -> &'t str {
        let (text, behind) = behind.split_once('"').unwrap_or((behind, ""));
        let end = text.len().saturating_add(1);
        self.found.push(match self.is_definition() {
            true => whole.get(..end).unwrap_or(whole),
            false => "\"",
        });
        behind
    }

    fn mark(&mut self, mark: char, word: &'t str) -> Result<(), Error> {
        if self.is_definition() {
            match mark {
                '{' => self.open = self.open.saturating_add(1),
                '}' if self.in_value() => self.open = self.open.saturating_sub(1),
                ';' | '}' => self.define()?,
                _ => {}
            }
        }
        self.found.push(word);
        if matches!(mark, '{' | '}' | ';') && !self.is_definition() {
            self.begins = self.found.len();
        }
        Ok(())
    }

    fn line_end(&mut self) -> Result<(), Error> {
        if !self.in_value() {
            self.define()?;
            self.found.push(";");
            self.begins = self.found.len();
        }
        Ok(())
    }

    /// Adds what a variable stands for. Its name goes on for as long as it can: in `$a-$b` it is `a-`.
    fn variable(&mut self, rest: &'t str) -> Result<&'t str, Error> {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_./-".contains(c));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let value = self.variables.get(name).ok_or(Error::Refused)?;
        if behind.starts_with('$') {
            return Err(Error::Refused);
        }
        self.found.extend(value);
        Ok(behind)
    }

    /// Takes the statement, if it gives a variable its value.
    fn define(&mut self) -> Result<(), Error> {
        let own = self.found.get(self.begins..).unwrap_or_default();
        match own {
            ["define" | "redefine", name, "=", value @ ..] => {
                if value.first().is_none_or(|word| VERDICTS.contains(word)) {
                    return Err(Error::Refused);
                }
                self.held = self.held.saturating_add(value.len());
                self.variables.insert(name, value.to_vec());
            }
            ["undefine", name] => drop(self.variables.remove(name)),
            _ => return Ok(()),
        }
        // What ends it is no part of it.
        self.begins = self.found.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let text = "define a = { 1, 2 }\nx $a-$a$b y\n";
        assert_eq!(tokens(text), Err(Error::Refused));
        let text = "define a = 1\nx $a 0-$a y # $b\n";
        let expected = ["define", "a", "=", "1", ";", "x", "1", "0-", "1", "y", ";"];
        assert_eq!(tokens(text).as_deref(), Ok(&expected[..]));
        let text = "define a/b-c.d={\n1, # }\n\"2 3\"\n}\nx $a/b-c.d \"2 3\"";
        let expected = ["x", "{", "1", ",", "\"2 3", "}", "\"", ";"];
        let found = tokens(text).expect("words");
        assert!(found.ends_with(&expected), "{found:?}");
        for refused in [
            "$a$a",
            "$a-$a",
            "$a-30",
            "$a/8",
            "$b",
            &"$a".repeat(200_000),
        ] {
            let text = format!("define a = 1\nx {refused}\n");
            assert_eq!(tokens(&text), Err(Error::Refused), "{refused:.9}");
        }
        for refused in ["define a = {\n 1,\n", "define a = 1\nundefine a\n$a"] {
            assert_eq!(tokens(refused), Err(Error::Refused), "{refused}");
        }
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
