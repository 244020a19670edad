//! The older form: a line for each source, `deb [OPTIONS] URI SUITE COMPONENT…`.

use super::{Source, SourceOption};

/// The sources of a file `*.list`. What apt refuses names none.
pub fn of_list(text: &str) -> Vec<Source> {
    let lines = (1_usize..).zip(text.lines());
    lines
        .filter_map(|(number, line)| source(line, number))
        .collect()
}

fn source(line: &str, number: usize) -> Option<Source> {
    let line = without_comment(line).trim();
    let rest = line
        .strip_prefix("deb-src")
        .or_else(|| line.strip_prefix("deb"))?;
    let mut rest = rest
        .strip_prefix([' ', '\t'])
        .or(rest.strip_prefix('[').map(|_| rest))?;
    let mut options = Vec::new();
    if let Some(inner) = rest.trim_start().strip_prefix('[') {
        rest = inner.trim_start();
        while !rest.starts_with(']') {
            let (option, more) = quoted_word(rest)?;
            if let Some((name, value)) = option.split_once('=') {
                options.push(SourceOption {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    line: number,
                });
            }
            rest = more.trim_start();
        }
        rest = rest.strip_prefix(']')?;
    }
    let (uri, rest) = quoted_word(rest.trim_start())?;
    let suite = quoted_word(rest.trim_start()).map(|(suite, _)| suite);
    Some(Source {
        uris: vec![uri],
        suites: suite.into_iter().collect(),
        options,
        line: number,
    })
}

/// Up to a `#` that stands in no brackets.
fn without_comment(line: &str) -> &str {
    let mut from: usize = 0;
    loop {
        let rest = line.get(from..).unwrap_or_default();
        let Some(at) = rest.find(['#', '[']).and_then(|at| at.checked_add(from)) else {
            return line;
        };
        let behind = line.get(at..).unwrap_or_default();
        let closed = match behind.starts_with('[') {
            true => behind.find(']').unwrap_or(0),
            false => return line.get(..at).unwrap_or(line),
        };
        from = at.saturating_add(closed).saturating_add(1);
    }
}

/// A word as ParseQuoteWord of apt-pkg/contrib/strutl.cc takes it, without its quotes and with `%HH` decoded, and what
/// follows. A bracket ends a word, as far as it does not stand in quotes.
fn quoted_word(text: &str) -> Option<(String, &str)> {
    let (mut word, mut quoted) = (Vec::new(), false);
    let mut bytes = text.bytes().enumerate();
    let mut end = text.len();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b']' if !quoted => {
                end = at;
                break;
            }
            byte if byte.is_ascii_whitespace() && !quoted => {
                end = at;
                break;
            }
            b'%' => {
                let digits = text.get(at.saturating_add(1)..at.saturating_add(3));
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(decoded) => {
                        word.push(decoded);
                        bytes.nth(1);
                    }
                    None => word.push(byte),
                }
            }
            byte => word.push(byte),
        }
    }
    let word = String::from_utf8_lossy(&word).into_owned();
    (!quoted && end > 0).then(|| (word, text.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sources() {
        for (line, expected) in [
            (
                "deb http://h/d bookworm main",
                Some(("http://h/d", "bookworm", "")),
            ),
            (
                "deb [trusted=yes arch=amd64] http://h x y",
                Some(("http://h", "x", "trusted=yes arch=amd64")),
            ),
            (
                "deb [ trusted=yes ] http://h x",
                Some(("http://h", "x", "trusted=yes")),
            ),
            ("deb-src\thttp://h ./", Some(("http://h", "./", ""))),
            ("# deb http://h x", None),
            ("debug http://h x", None),
            ("", None),
            (
                "deb [arch=amd64 signed-by=/k/a#b.gpg trusted=yes] http://h x # [c]",
                Some((
                    "http://h",
                    "x",
                    "arch=amd64 signed-by=/k/a#b.gpg trusted=yes",
                )),
            ),
            (
                "deb [%74rusted=%79es] http://h x",
                Some(("http://h", "x", "trusted=yes")),
            ),
            (
                "deb [\"trusted=yes\" arch=\"a b\"]http://h x",
                Some(("http://h", "x", "trusted=yes arch=a b")),
            ),
            ("deb [trusted=yes http://h x", None),
        ] {
            let found = of_list(line);
            let found = found.first().map(|source| {
                let options = source.options.iter();
                let options = options.map(|option| format!("{}={}", option.name, option.value));
                let options: Vec<String> = options.collect();
                (&*source.uris[0], &*source.suites[0], options.join(" "))
            });
            let expected = expected.map(|(uri, suite, options)| (uri, suite, options.to_owned()));
            assert_eq!(found, expected, "{line}");
        }
    }
}
