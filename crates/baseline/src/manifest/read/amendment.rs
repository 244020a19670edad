//! Reading an amendment: the lines of a manifest, held against the rules of the manifest that it amends.

use super::lines::Lines;
use super::{Mark, Measured, Order};
use crate::amendment::Amendment;
use crate::amendment::header::{Header, VERSION};
use crate::manifest::header::MAGIC;
use crate::manifest::{Entry, Role, line};
use crate::profile::path_rules::PathRules;
use agent_core::attributes::AttributeSet;
use agent_core::bounds;
use agent_core::error::{Error, Result};

/// What an amendment for all hosts of an image need not say: it differs from host to host.
const OF_HOSTS: AttributeSet = AttributeSet::OF_ENTRIES;

impl Measured {
    /// Checks every line of an amendment. `rules` are those of its manifest: it may hold what they cover, no more.
    pub fn amendment(&self, rules: &PathRules) -> Result<Amendment> {
        let mut lines = Lines::new(self, Mark { offset: 0, line: 1 });
        let header = header(&mut lines)?;
        let spared = match header.is_portable() {
            true => OF_HOSTS,
            false => AttributeSet::NONE,
        };
        let order = Order::of_differences(rules, spared);
        let entries = entries(&mut lines, order)?;
        Ok(Amendment {
            path: self.path.clone(),
            sha256: self.sha256,
            header,
            entries,
            signer: None,
        })
    }

    /// What stands before the entries of an amendment; `None` where the file is none.
    pub fn amendment_header(&self) -> Result<Option<Header>> {
        let mut lines = Lines::new(self, Mark { offset: 0, line: 1 });
        let first = lines.next()?.map(<[u8]>::to_vec);
        if first.as_deref() != Some(MAGIC) || lines.peek()? != Some(VERSION) {
            return Ok(None);
        }
        let mut lines = Lines::new(self, Mark { offset: 0, line: 1 });
        header(&mut lines).map(Some)
    }
}

fn header(lines: &mut Lines<'_>) -> Result<Header> {
    for expected in [MAGIC, VERSION] {
        if lines.next()? != Some(expected) {
            let message = format!("expected `{}`", String::from_utf8_lossy(expected));
            return Err(lines.error(message));
        }
    }
    let mut header = Header::default();
    while lines
        .peek()?
        .is_some_and(|line| line.starts_with(b"#") && !line.starts_with(b"# entries "))
    {
        lines.within_header()?;
        let line = lines.next()?.unwrap_or_default().to_vec();
        header
            .push_line(&line)
            .map_err(|message| lines.error(message))?;
    }
    match header.lacks() {
        Some(lacks) => Err(lines.error(lacks)),
        None => Ok(header),
    }
}

/// The entries, to the end of the file.
fn entries(lines: &mut Lines<'_>, mut order: Order<'_>) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let Some(text) = lines.next()? else {
            return Err(lines.error("the file ends without the line `# entries`: it was cut short"));
        };
        if let Some(count) = text.strip_prefix(b"# entries ") {
            if count != entries.len().to_string().as_bytes() {
                let message = format!(
                    "expected `# entries {}`: an entry is missing or was added",
                    entries.len()
                );
                return Err(lines.error(message));
            }
            break;
        }
        let entry = line::parse(text).map_err(|message| lines.error(message))?;
        order
            .check(&entry)
            .map_err(|message| lines.error(message))?;
        if entries.len() == bounds::AMENDMENT_ENTRIES {
            let most = bounds::AMENDMENT_ENTRIES;
            return Err(lines.error(format!("it has more than {most} entries")));
        }
        entries.push(entry);
    }
    if lines.next()?.is_some() {
        return Err(lines.error("expected nothing behind the line `# entries`"));
    }
    if entries.iter().all(|entry| entry.role == Role::Parent) {
        return Err(lines.error("it amends nothing"));
    }
    Ok(entries)
}

/// The error for an amendment that was named as a manifest.
pub(super) fn mistaken(lines: &Lines<'_>) -> Error {
    lines
        .error("is an amendment, expected a manifest")
        .help("amendments go into /etc/host-integrity-agent/amendments; `agent baseline verify` without FILE checks them")
}
