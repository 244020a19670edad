//! Expected writers: which program may write which contents to a path.

use agent_core::escape;
use serde::Deserialize;

/// A program that may write certain contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Its executable, from the root.
    pub program: String,
    /// The SHA-256 of what it may write: root can make any program write anything.
    pub contents: Vec<[u8; 32]>,
}

impl Writer {
    /// `writer SHA256,… PROGRAM`
    pub(super) fn line(&self) -> Vec<u8> {
        let contents = self.contents.iter().map(|digest| escape::hex(digest));
        let contents: Vec<String> = contents.collect();
        let mut line = format!("writer {} ", contents.join(",")).into_bytes();
        escape::push_octal(&mut line, self.program.as_bytes());
        line
    }

    /// Reads back what [`Writer::line`] wrote behind its first word.
    pub(super) fn parse(contents: &[u8], program: &[u8]) -> Option<Writer> {
        let contents = contents.split(|b| *b == b',').map(escape::from_hex);
        Some(Writer {
            contents: contents.collect::<Option<_>>()?,
            program: String::from_utf8(escape::from_octal(program)?).ok()?,
        })
    }
}

/// A writer as a profile has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWriter {
    program: String,
    content_sha256: Vec<String>,
}

impl RawWriter {
    /// The program by its whole path, and the contents that it may write; else what was expected.
    pub(super) fn check(&self) -> Result<Writer, String> {
        let program = self.program.as_str();
        let whole = program.starts_with('/') && !program.ends_with('/');
        let odd = |c: char| matches!(c, '*' | '?') || c.is_control();
        if !whole || program.split('/').any(|name| name == "..") || program.contains(odd) {
            return Err(format!(
                "writers: program = \"{program}\": expected the path of one program, from /"
            ));
        }
        let contents = self.content_sha256.iter().map(|digest| {
        escape::from_hex::<32>(digest.as_bytes()).ok_or_else(|| {
            format!("writers: content_sha256: \"{digest}\": expected 64 lower-case hexadecimal digits")
        })
    });
        let contents: Vec<[u8; 32]> = contents.collect::<Result<_, _>>()?;
        match contents.is_empty() {
        true => Err("writers: content_sha256 is empty: root can make any program write anything, so what it may write has to be pinned".into()),
        false => Ok(Writer {
            program: program.to_owned(),
            contents,
        }),
    }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_pinned_or_refused() {
        let check = |program: &str, contents: &[&str]| {
            let raw = RawWriter {
                program: program.into(),
                content_sha256: contents.iter().map(|text| (*text).to_owned()).collect(),
            };
            raw.check()
        };
        let digest = "ab".repeat(32);
        let writer = check("/usr/bin/a b", &[&digest]).expect("good");
        let line = writer.line();
        let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        assert_eq!(words[0], b"writer");
        assert_eq!(Writer::parse(words[1], words[2]), Some(writer));
        for (program, contents) in [
            ("/usr/bin/a", &[][..]),
            ("/usr/bin/a", &["ab"]),
            ("usr/bin/a", &[digest.as_str()]),
            ("/usr/bin/*", &[digest.as_str()]),
            ("/usr/../a", &[digest.as_str()]),
            ("/usr/bin/", &[digest.as_str()]),
        ] {
            assert!(check(program, contents).is_err(), "{program} {contents:?}");
        }
    }
}
