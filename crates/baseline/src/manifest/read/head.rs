//! What stands before the first entry of a manifest.

use super::amendment;
use super::lines::Lines;
use crate::manifest::header::{self, Header};
use agent_core::error::Result;

/// Reads it, and stops before the first entry.
pub(super) fn read(lines: &mut Lines<'_>) -> Result<Header> {
    let mut expect = |expected: &[u8], help: &str| {
        let found = lines.next()?.map(<[u8]>::to_vec);
        if found.as_deref() == Some(expected) {
            return Ok(());
        }
        if found.as_deref() == Some(crate::amendment::header::VERSION) {
            return Err(amendment::mistaken(lines));
        }
        let message = format!("expected `{}`", String::from_utf8_lossy(expected));
        Err(lines.error(message).help(help))
    };
    expect(
        header::MAGIC,
        "name a manifest made by `agent baseline create`",
    )?;
    expect(
        header::VERSION,
        "this version of the agent reads version 1 alone; make the manifest anew, or use the agent that made it",
    )?;
    let mut header = Header::default();
    while lines
        .peek()?
        .is_some_and(|line| line.starts_with(b"#") && !line.starts_with(b"# entries "))
    {
        lines.within_header()?;
        let line = lines.next()?.unwrap_or_default();
        header
            .push_line(line)
            .map_err(|message| lines.error(message))?;
    }
    if header.profile.is_empty() || header.path_rules.rules().is_empty() {
        return Err(lines.error("the header lacks `# profile` or `# cover` lines"));
    }
    Ok(header)
}
