//! The deviations that stand, in a file of their own for `agent status --open`.
//!
//! Root's alone: what is open on a host is what an intruder looks for.

use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::atomic::Pending;
use agent_outbox::store::OpenDeviation;
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file's name in the runtime directory.
const NAME: &str = "open.json";
/// Permissions: nobody else's business.
const MODE: u16 = 0o600;
/// Rows of the ledger that are looked through at most: some ten milliseconds of the store's thread.
pub(in crate::daemon) const ROWS: usize = 20_000;
/// Bytes of the file that are read at most: rows have some 200, of very long paths more.
// Own bound: of a file of the agent's own.
const LIMIT: u64 = 256 << 20;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OpenList {
    /// When it was written (RFC 3339).
    pub at: String,
    /// Whether more stand than are listed.
    pub more: bool,
    /// Worst first.
    pub findings: Vec<OpenRow>,
}

/// A deviation that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OpenRow {
    /// `fail` or `unknown`
    pub verdict: String,
    /// `low` to `critical`
    pub severity: String,
    /// The check's id.
    pub check: String,
    /// The subject, odd bytes as `\\xHH`.
    pub subject: String,
    /// The subject's bytes where the text does not hold them.
    pub subject_base64: Option<String>,
    /// When it was first found (RFC 3339).
    pub since: String,
}

impl OpenRow {
    fn of(standing: &OpenDeviation) -> OpenRow {
        let (subject, whole) = escape::lossless_text(&standing.subject);
        let since = jiff::Timestamp::from_millisecond(standing.first_seen);
        OpenRow {
            verdict: if standing.unknown { "unknown" } else { "fail" }.into(),
            severity: standing.severity.0.name().into(),
            check: standing.check.clone(),
            subject,
            subject_base64: (!whole).then(|| Base64::encode_string(&standing.subject)),
            since: since.map_or_else(|_| String::new(), |since| format!("{since:.0}")),
        }
    }
}

/// Writes the list for those who ask.
pub(in crate::daemon) fn write(
    runtime: &Path,
    standing: &[OpenDeviation],
    more: bool,
    at: String,
) -> io::Result<()> {
    let list = OpenList {
        at,
        more,
        findings: standing.iter().map(OpenRow::of).collect(),
    };
    let mut pending = Pending::create(&place(runtime), MODE)?;
    serde_json::to_writer(io::BufWriter::new(&mut pending), &list)?;
    pending.write_all(b"\n")?;
    pending.commit()
}

/// The daemon has come to its end.
pub(super) fn remove(runtime: &Path) {
    // Where it stays, nobody reads it without a daemon.
    std::fs::remove_file(place(runtime)).unwrap_or_default();
}

/// What the daemon wrote last.
pub(crate) fn read(runtime: &Path) -> Result<OpenList> {
    let path = place(runtime);
    let fault = |error: io::Error| {
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => "run as root",
            _ => "it is written within seconds after the daemon has begun",
        };
        Error::in_file(&path, format!("cannot be read: {error}")).help(help)
    };
    let file = std::fs::File::open(&path).map_err(fault)?;
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, LIMIT), &mut text).map_err(fault)?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::in_file(&path, format!("is no list of a daemon: {error}")))
}

fn place(runtime: &Path) -> PathBuf {
    runtime.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::Severity;
    use std::cmp::Reverse;

    #[test]
    fn what_is_written_is_read_and_root_s_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let standing = OpenDeviation {
            severity: Reverse(Severity::High),
            check: "files.added".into(),
            subject: b"/a\xff".to_vec(),
            unknown: false,
            first_seen: 0,
        };
        write(directory.path(), &[standing], true, "now".into()).expect("written");
        let list = read(directory.path()).expect("read");
        assert_eq!((list.at.as_str(), list.more), ("now", true));
        let row = &list.findings[0];
        assert_eq!(
            (row.subject.as_str(), row.since.as_str()),
            ("/a\\xff", "1970-01-01T00:00:00Z")
        );
        assert_eq!(row.subject_base64.as_deref(), Some("L2H/"));
        let about = std::fs::metadata(place(directory.path())).expect("there");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        remove(directory.path());
        assert!(read(directory.path()).is_err());
    }
}
