//! The comment lines of an amendment: what it is bound to, and who answers for it.

use crate::manifest::header::MAGIC;
use agent_core::escape;

/// The second line: what tells us that it is an amendment, and which version.
pub const VERSION: &[u8] = b"# host-integrity-agent amendment 1";

/// What stands before the entries of an amendment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// SHA-256 of the manifest that it amends, in hexadecimal.
    pub manifest: String,
    /// SHA-256 of the amendment before it; `None` in the first of a chain.
    pub after: Option<String>,
    /// [`binding`](agent_core::host::Host::binding) of the host; `None`: for all hosts of an image.
    pub host: Option<String>,
    /// Why, in the words of whoever accepted it.
    pub reason: String,
    /// Who, as far as the host could tell.
    pub by: String,
    /// When (RFC 3339, UTC).
    pub at: String,
    /// SHA-256 of the report that was accepted, where one was named.
    pub seen: Option<String>,
    /// `PATH FSTYPE …`: what may be mounted over covered paths.
    pub mounts: Vec<String>,
    /// `NAME VERSION ARCH`: packages that came with it.
    pub packages: Vec<String>,
}

impl Header {
    /// Whether it is for all hosts of an image.
    pub fn is_portable(&self) -> bool {
        self.host.is_none()
    }

    /// The header's lines, each with its newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = [MAGIC, b"\n", VERSION, b"\n"].concat();
        let mut line = |key: &str, value: &str| {
            out.extend_from_slice(format!("# {key} {value}\n").as_bytes());
        };
        line("manifest", &self.manifest);
        for (key, value) in [("after", &self.after), ("host", &self.host)] {
            if let Some(value) = value {
                line(key, value);
            }
        }
        line("reason", &self.reason);
        line("by", &self.by);
        line("at", &self.at);
        if let Some(seen) = &self.seen {
            line("seen", seen);
        }
        for mount in &self.mounts {
            line("mount", mount);
        }
        for package in &self.packages {
            line("package", package);
        }
        out
    }

    /// Takes in one `# key value` line behind the first two; the error says what was expected.
    pub fn push_line(&mut self, line: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(line).map_err(|_| "expected UTF-8 in a header line")?;
        if text.contains(char::is_control) {
            return Err("expected no control characters in a header line".into());
        }
        let (key, value) = text
            .strip_prefix("# ")
            .and_then(|words| words.split_once(' '))
            .filter(|(_, value)| !value.is_empty())
            .ok_or("expected `# key value`, or an entry")?;
        let digest = || match escape::from_hex::<32>(value.as_bytes()) {
            Some(_) => Ok(value.to_owned()),
            None => Err(format!("expected `# {key} SHA256`")),
        };
        let twice = || Err(format!("expected one `# {key} …`"));
        match key {
            "manifest" | "reason" | "by" | "at" => {
                let (slot, value) = match key {
                    "manifest" => (&mut self.manifest, digest()?),
                    "reason" => (&mut self.reason, value.to_owned()),
                    "by" => (&mut self.by, value.to_owned()),
                    _ => (&mut self.at, value.to_owned()),
                };
                if !slot.is_empty() {
                    return twice();
                }
                *slot = value;
            }
            "after" | "seen" | "host" => {
                let (slot, value) = match key {
                    "after" => (&mut self.after, digest()?),
                    "seen" => (&mut self.seen, digest()?),
                    _ => (&mut self.host, value.to_owned()),
                };
                if slot.replace(value).is_some() {
                    return twice();
                }
            }
            "mount" => self.mounts.push(value.to_owned()),
            "package" => self.packages.push(value.to_owned()),
            // Further lines are for people: a ticket, a pipeline's name.
            _ => {}
        }
        Ok(())
    }

    /// The lines that are missing, in words; `None` where none is.
    pub fn lacks(&self) -> Option<String> {
        let needed = [
            ("manifest", &self.manifest),
            ("reason", &self.reason),
            ("by", &self.by),
            ("at", &self.at),
        ];
        let missing = needed.iter().filter(|(_, value)| value.is_empty());
        let missing: Vec<String> = missing.map(|(key, _)| format!("`# {key}`")).collect();
        (!missing.is_empty()).then(|| format!("the header lacks {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_equal() {
        let digest = "ab".repeat(32);
        let first = Header {
            manifest: digest.clone(),
            after: Some(digest.clone()),
            host: Some("i-1".into()),
            reason: "ticket 4711, by Ünal".into(),
            by: "ann (uid 1000) as root".into(),
            at: "2026-11-29T08:10:03Z".into(),
            seen: Some(digest),
            mounts: vec!["/data ext4".into()],
            packages: vec!["sed 4.9-1 amd64".into()],
        };
        let mut second = Header::default();
        let bytes = first.to_bytes();
        for line in bytes
            .split(|b| *b == b'\n')
            .skip(2)
            .filter(|l| !l.is_empty())
        {
            second.push_line(line).expect("reads back");
        }
        assert_eq!(first, second);
        assert_eq!(first.lacks(), None);
        assert!(
            Header::default()
                .lacks()
                .is_some_and(|lacks| lacks.contains("# reason"))
        );
    }

    #[test]
    fn what_is_odd_is_refused() {
        for line in [
            "# manifest 12",
            "# after",
            "# reason ",
            "#reason x",
            "# seen x",
            "# reason a\tb",
        ] {
            assert!(
                Header::default().push_line(line.as_bytes()).is_err(),
                "{line}"
            );
        }
        let mut header = Header::default();
        header.push_line(b"# reason a").expect("the first");
        assert!(header.push_line(b"# reason b").is_err());
    }
}
