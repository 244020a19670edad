//! Settings of apt (apt.conf(5)), with what they include and clear.

use super::{text, texts};
use crate::settings::context::Context;

/// What all files say.
pub(super) struct Settings {
    /// The last word on each key: key, value, place.
    pub(super) all: Vec<(String, String, String)>,
}

impl Settings {
    /// The place of `Dir::Etc::NAME`, without the leading slash: what is relative lies below `Dir::Etc`, and that below `Dir`.
    pub(super) fn place(&self, name: &str, usual: &str) -> String {
        let mut path = String::new();
        for (key, usual) in [
            (format!("dir::etc::{name}"), usual),
            ("dir::etc".into(), "etc/apt"),
            ("dir".into(), "/"),
        ] {
            let own = self.value(&key).filter(|value| !value.is_empty());
            let above = own.unwrap_or(usual).trim_end_matches('/');
            path = match path.is_empty() {
                true => above.to_owned(),
                false => format!("{above}/{path}"),
            };
            if path.starts_with('/') {
                break;
            }
        }
        path.trim_start_matches('/').to_owned()
    }

    fn value(&self, key: &str) -> Option<&str> {
        let mut all = self.all.iter();
        let found = all.find(|(known, ..)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value, _)| value.as_str())
    }

    fn take(
        &mut self,
        context: &Context<'_>,
        path: &str,
        text: &str,
        depth: usize,
    ) -> Result<(), String> {
        for (key, value, line) in parse(text) {
            let is_own = |known: &str| known.eq_ignore_ascii_case(&key);
            match key.as_str() {
                INCLUDE => self.include(context, &value, depth)?,
                CLEAR => self.all.retain(|(known, ..)| {
                    let head = known.get(..value.len()).unwrap_or_default();
                    let rest = known.get(value.len()..).unwrap_or_default();
                    let within = rest.is_empty() || rest.starts_with("::");
                    !(within && head.eq_ignore_ascii_case(&value))
                }),
                _ => {
                    self.all.retain(|(known, ..)| !is_own(known));
                    self.all.push((key, value, format!("{path}:{line}")));
                }
            }
        }
        Ok(())
    }

    /// A file, or of a directory the files that would be read as parts.
    fn include(&mut self, context: &Context<'_>, place: &str, depth: usize) -> Result<(), String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(());
        };
        let place = place.trim_start_matches('/');
        let files = match place.strip_suffix('/') {
            Some(directory) => parts(context, directory)?,
            None => text(context, place)?.into_iter().collect(),
        };
        files
            .iter()
            .try_for_each(|(path, text)| self.take(context, path, text, depth))
    }
}

/// Directives, as [`parse`] has them.
const INCLUDE: &str = "#include";
const CLEAR: &str = "#clear";
/// Includes in includes (apt-pkg/contrib/configuration.cc).
// Own bound: apt's own.
const DEPTH: usize = 10;

/// Every setting: parts first, then the main file (apt.conf(5)).
pub(super) fn settings(context: &Context<'_>) -> Result<Settings, String> {
    let mut found = Settings { all: Vec::new() };
    let directory = found.place("parts", "apt.conf.d");
    for (path, text) in parts(context, &directory)? {
        found.take(context, &path, &text, DEPTH)?;
    }
    let main = found.place("main", "apt.conf");
    if let Some((path, text)) = text(context, &main)? {
        found.take(context, &path, &text, DEPTH)?;
    }
    Ok(found)
}

fn parts(context: &Context<'_>, directory: &str) -> Result<Vec<(String, String)>, String> {
    let mut files = texts(context, directory, &[""])?;
    files.retain(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        name.chars().all(plain) && (!name.contains('.') || name.ends_with(".conf"))
    });
    Ok(files)
}

/// `A::B "value";` and `A { B "value"; };` with comments of three kinds.
fn parse(text: &str) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    let mut prefix: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut at: usize = 1;
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\n' {
            at = at.saturating_add(1);
        }
        match c {
            '#' if word.is_empty() => {
                let mut line = String::new();
                while let Some(c) = characters.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                found.extend(directive(&line).map(|(key, value)| (key.to_owned(), value, at)));
            }
            '/' if characters.peek() == Some(&'/') => {
                while characters.next_if(|c| *c != '\n').is_some() {}
            }
            '/' if characters.peek() == Some(&'*') => {
                let mut last = ' ';
                for c in characters.by_ref() {
                    at = at.saturating_add(usize::from(c == '\n'));
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '"' => {
                for c in characters.by_ref() {
                    at = at.saturating_add(usize::from(c == '\n'));
                    if c == '"' {
                        break;
                    }
                    word.push(c);
                }
                words.push(std::mem::take(&mut word));
            }
            '{' | '}' | ';' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                let name = words.first().cloned().unwrap_or_default();
                match c {
                    '{' => prefix.push(name),
                    '}' => {
                        prefix.pop();
                    }
                    _ => {
                        if let [name, value] = &words[..] {
                            let mut key = prefix.clone();
                            key.push(name.clone());
                            key.retain(|part| !part.is_empty());
                            found.push((key.join("::"), value.clone(), at));
                        }
                    }
                }
                words.clear();
            }
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    found
}

/// `include "PLACE";` or `clear KEY;`, behind the mark that a comment has as well.
fn directive(line: &str) -> Option<(&'static str, String)> {
    let (word, rest) = line.split_once([' ', '\t'])?;
    let key = match word {
        "include" => INCLUDE,
        "clear" => CLEAR,
        _ => return None,
    };
    let value = rest.split(';').next()?.trim().trim_matches('"');
    Some((key, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_in_both_forms() {
        let text = "// a\nAPT::Get::AllowUnauthenticated \"true\"; # b\nAcquire { /* c\n */ AllowInsecureRepositories \"1\"; http { Proxy \"x;y\"; }; };\nA::B:: { \"l\"; };\n#include \"/a\";\n#clear X::Y;\n# include nothing\n";
        assert_eq!(
            parse(text),
            [
                ("APT::Get::AllowUnauthenticated".into(), "true".into(), 2),
                ("Acquire::AllowInsecureRepositories".into(), "1".into(), 4),
                ("Acquire::http::Proxy".into(), "x;y".into(), 4),
                ("#include".into(), "/a".into(), 6),
                ("#clear".into(), "X::Y".into(), 7),
            ]
        );
    }
}
