//! The syntax of apt.conf(5), as ReadConfigFile of apt's configuration.cc takes it apart: lines without their comments, of
//! which `;`, `{` and `}` end statements.

use agent_core::bounds;

/// What one statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Key and value.
    Set(String, String),
    /// `#clear KEY;`
    Clear(String),
    /// `#include PLACE;`
    Include(String),
}

/// Why a file is not read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// apt refuses it: the line, and why.
    Refused(usize, &'static str),
    /// What whoever takes the statements says.
    Other(String),
}

/// Takes the statements of a file, each with its line.
type Take<'a> = &'a mut dyn FnMut(Statement, usize) -> Result<(), String>;

/// Hands on each statement of the file.
pub(super) fn parse(text: &str, take: Take<'_>) -> Result<(), Error> {
    let mut parser = Parser {
        blocks: Vec::new(),
        above: Vec::new(),
        pending: String::new(),
        line: 0,
        take,
    };
    let mut in_comment = false;
    for line in text.split('\n') {
        parser.line = parser.line.saturating_add(1);
        let line = without_comments(line.trim(), &mut in_comment);
        parser.fragment(&line)?;
    }
    match parser.pending.is_empty() {
        true => Ok(()),
        false => Err(parser.refused("extra junk at the end")),
    }
}

/// The line without comments of all three kinds; what stands between double quotes is none.
fn without_comments(line: &str, in_comment: &mut bool) -> String {
    let mut rest = line;
    if *in_comment {
        match rest.split_once("*/") {
            None => return String::new(),
            Some((_, behind)) => rest = behind,
        }
        *in_comment = false;
    }
    let is_mark = |text: &str| {
        let directive = ["#clear", "#include", "#x-apt-configure-index"];
        text.starts_with("//")
            || (text.starts_with('#') && !directive.iter().any(|word| text.starts_with(word)))
    };
    let mut quoted = false;
    let end = rest.char_indices().find(|(at, c)| {
        quoted ^= *c == '"';
        !quoted && is_mark(rest.get(*at..).unwrap_or_default())
    });
    let mut rest = rest
        .get(..end.map_or(rest.len(), |(at, _)| at))
        .unwrap_or_default();
    let mut kept = String::new();
    quoted = false;
    while let Some(c) = rest.chars().next() {
        quoted ^= c == '"';
        match rest.strip_prefix("/*").filter(|_| !quoted) {
            Some(behind) => match behind.split_once("*/") {
                Some((_, behind)) => rest = behind,
                None => {
                    *in_comment = true;
                    return kept;
                }
            },
            None => {
                kept.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    kept
}

struct Parser<'a> {
    /// Names of the blocks that are open, each as it stands in its own line.
    blocks: Vec<String>,
    /// How many of them each block had around it.
    above: Vec<usize>,
    /// A statement that goes on in the next line.
    pending: String,
    line: usize,
    take: Take<'a>,
}

impl Parser<'_> {
    fn refused(&self, why: &'static str) -> Error {
        Error::Refused(self.line, why)
    }

    /// A line without comments.
    fn fragment(&mut self, mut rest: &str) -> Result<(), Error> {
        loop {
            let mut quoted = false;
            let end = rest.char_indices().find(|(_, c)| {
                quoted ^= *c == '"';
                !quoted && matches!(c, '{' | ';' | '}')
            });
            let (text, behind) = match end {
                Some((at, _)) => rest.split_at(at),
                None => (rest, ""),
            };
            let text = text.trim();
            if !self.pending.is_empty() && !text.is_empty() {
                self.pending.push(' ');
            }
            self.pending.push_str(text);
            let Some((_, mark)) = end else {
                return Ok(());
            };
            self.statement(mark)?;
            rest = behind.get(1..).unwrap_or_default();
        }
    }

    fn statement(&mut self, mark: char) -> Result<(), Error> {
        let text = std::mem::take(&mut self.pending);
        if text.is_empty() {
            return match mark {
                '{' => Err(self.refused("a block without a name")),
                '}' => {
                    self.close();
                    Ok(())
                }
                _ => Ok(()),
            };
        }
        let mut rest = text.as_str();
        let tag = quoted_word(&mut rest).ok_or_else(|| self.refused("a malformed name"))?;
        let value = value(&mut rest);
        if !rest.is_empty() {
            return Err(self.refused("something stands behind the value"));
        }
        let longest = tag.len().max(value.as_ref().map_or(0, String::len));
        if longest > bounds::APT_WORD {
            return Err(self.refused("a longer word than any"));
        }
        let (tag, value) = match value {
            None if mark != '{' => (String::new(), Some(tag)),
            value => (tag, value),
        };
        if let (Some(name), Some(value)) = (tag.strip_prefix('#'), &value)
            && mark != '{'
        {
            if !self.blocks.is_empty() {
                return Err(self.refused("a directive within a block"));
            }
            let directive = match name {
                "clear" => Statement::Clear(value.clone()),
                "include" => Statement::Include(value.clone()),
                _ => return Err(self.refused("an unknown directive")),
            };
            (self.take)(directive, self.line).map_err(Error::Other)?;
        } else {
            if mark == '{' {
                if self.above.len() >= bounds::APT_BLOCKS {
                    return Err(self.refused("blocks within one another, more than any has"));
                }
                self.above.push(self.blocks.len());
                self.blocks.push(tag.clone());
            }
            if let Some(value) = value {
                let mut key = self.blocks.join("::");
                if mark != '{' {
                    if !self.blocks.is_empty() {
                        key.push_str("::");
                    }
                    key.push_str(&tag);
                }
                (self.take)(Statement::Set(key, value), self.line).map_err(Error::Other)?;
            }
        }
        if mark == '}' {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        let left = self.above.pop().unwrap_or(0);
        self.blocks.truncate(left);
    }
}

/// The next word, its quotes taken off and `%41` turned into what it stands for (ParseQuoteWord of apt's strutl.cc).
fn quoted_word(rest: &mut &str) -> Option<String> {
    let text = rest.trim_start_matches(' ');
    if text.is_empty() {
        return None;
    }
    let mut open = None;
    let end = text.find(|c: char| {
        match (open, c) {
            (Some(close), c) if c == close => open = None,
            (Some(_), _) => {}
            (None, '"') => open = Some('"'),
            (None, '[') => open = Some(']'),
            (None, c) => return c.is_ascii_whitespace(),
        }
        false
    });
    if open.is_some() {
        return None;
    }
    let (word, behind) = text.split_at(end.unwrap_or(text.len()));
    let mut bytes = Vec::new();
    let mut raw = word.as_bytes();
    while let Some((first, more)) = raw.split_first() {
        let digits = more.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        raw = match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                more.get(2..).unwrap_or_default()
            }
            None => {
                if *first != b'"' {
                    bytes.push(*first);
                }
                more
            }
        };
    }
    *rest = behind.trim_start();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The rest of the statement where it is all texts in quotes, which are joined, with a blank for blanks between them
/// (ParseCWord); else the next word.
fn value(rest: &mut &str) -> Option<String> {
    let text = rest.trim_start_matches(' ');
    if text.is_empty() {
        return None;
    }
    let mut joined = String::new();
    let mut left = text;
    let mut blank = false;
    while let Some(c) = left.chars().next() {
        if let Some(inner) = left.strip_prefix('"') {
            let Some((inner, behind)) = inner.split_once('"') else {
                return quoted_word(rest);
            };
            joined.push_str(inner);
            left = behind;
            blank = false;
        } else if c.is_ascii_whitespace() {
            if !blank {
                joined.push(' ');
            }
            blank = true;
            left = left.get(1..).unwrap_or_default();
        } else {
            return quoted_word(rest);
        }
    }
    *rest = "";
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// `KEY|VALUE`, a line each; what is refused ends it with `!`.
    fn parsed(text: &str) -> String {
        let mut found = String::new();
        let result = parse(text, &mut |statement, _| {
            found.push_str(&match statement {
                Statement::Set(key, value) => format!("{key}|{value}\n"),
                Statement::Clear(key) => format!("#clear|{key}\n"),
                Statement::Include(place) => format!("#include|{place}\n"),
            });
            Ok(())
        });
        if result.is_err() {
            found.push('!');
        }
        found
    }

    const UNSIGNED: &str = "APT::Get::AllowUnauthenticated|true\n";

    #[test]
    fn statements() {
        for (text, expected) in [
            ("APT::Get::AllowUnauthenticated \"true\"; # b", UNSIGNED),
            ("APT::Get { AllowUnauthenticated \"true\" }", UNSIGNED),
            ("APT { Get { AllowUnauthenticated \"true\" } }", UNSIGNED),
            ("APT { Get { AllowUnauthenticated true } };", UNSIGNED),
            ("APT::Get::AllowUnauthenticated \"tr\"\"ue\";", UNSIGNED),
            (
                "APT::Get::AllowUnauthenticated\n  // x\n\"tr\"\"ue\"\n;",
                UNSIGNED,
            ),
            ("\"APT::Get::AllowUn%61uthenticated\" tr\"ue\";", UNSIGNED),
            ("APT::Get::AllowUnauthenticated \"true\" { };", UNSIGNED),
            (
                "A { B \"1\"; C { D \"x;y\"; }; E 2; }; F 3;",
                "A::B|1\nA::C::D|x;y\nA::E|2\nF|3\n",
            ),
            ("A \"x\" { b \"1\" }", "A|x\nA::b|1\n"),
            ("A::B:: { \"l\"; };", "A::B::::|l\n"),
            ("A { \"1\"; \"2\" }", "A::|1\nA::|2\n"),
            ("A \"1\" \"2\";", "A|1 2\n"),
            (
                "// A 1;\n/* B 1;\n*/ C 1; /* x */ D 1; # E 1;\n",
                "C|1\nD|1\n",
            ),
            ("A \"http://x#y/*z\";", "A|http://x#y/*z\n"),
            (
                "#clear A::B;\n#include \"/x\";",
                "#clear|A::B\n#include|/x\n",
            ),
            ("#clear\n A::B;\n", "#clear|A::B\n"),
            ("A 1; B", "A|1\n!"),
            ("A b c;", "!"),
            ("{ A 1; }", "!"),
            ("A { #clear B; }", "!"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        let deep = |levels: usize| "a { ".repeat(levels) + "b 1;";
        assert!(!parsed(&deep(bounds::APT_BLOCKS)).ends_with('!'));
        assert!(parsed(&deep(bounds::APT_BLOCKS + 1)).ends_with('!'));
        let long = |length: usize| format!("{} 1;", "a".repeat(length));
        assert!(!parsed(&long(bounds::APT_WORD)).ends_with('!'));
        assert!(parsed(&long(bounds::APT_WORD + 1)).ends_with('!'));
    }

    /// What apt-config itself shows of these files; where it is not installed, nothing.
    #[test]
    fn as_apt_itself_takes_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("apt.conf");
        for text in [
            "Zz::Get { AllowUnauthenticated \"true\" }",
            "Zz { Insecure \"true\" };",
            "Zz::A \"tr\"\"ue\";",
            "Zz::B \"a\" \"b\"   \"c\";",
            "\"Zz::C%41\" t\"ru\"e;",
            "Zz::D \"x\" { e \"1\" } Zz::F 2;",
            "Zz {\n // c\n G /* h */ \"1\"; /* i\n */ J 2 }",
            "Zz::K\n\"v\"\n;",
            "Zz::L b c;",
            "Zz::M \"1\"; Zz::N",
            "Zz::O \"1\";\n#clear Zz::O;\n",
            "Zz { P { Q \"1\" } }; Zz::R \"2\"",
            "Zz::S[ab] 1;",
        ] {
            std::fs::write(&file, text).expect("a file");
            let shown = Command::new("apt-config")
                .arg("-c")
                .arg(&file)
                .arg("dump")
                .output();
            let Ok(shown) = shown else {
                return;
            };
            let mut own: Vec<(String, String)> = Vec::new();
            let result = parse(text, &mut |statement, _| {
                match statement {
                    Statement::Set(key, value) => own.push((key, value)),
                    Statement::Clear(key) => own.retain(|(known, _)| *known != key),
                    Statement::Include(_) => {}
                }
                Ok(())
            });
            assert_eq!(result.is_ok(), shown.status.success(), "{text}");
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            if result.is_ok() {
                for (key, value) in own {
                    let line = format!("{key} \"{value}\";");
                    assert!(
                        shown.lines().any(|shown| shown == line),
                        "{text}: {line}\n{shown}"
                    );
                }
            }
        }
    }
}
