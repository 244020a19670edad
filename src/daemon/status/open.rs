//! The deviations that stand, in a file of their own for `agent status --open`.
//!
//! Root's alone: what is open on a host is what an intruder looks for.

use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::atomic::Pending;
use agent_core::os::own;
use agent_outbox::store::OpenDeviation;
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::ops::ControlFlow;
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
            severity: standing.severity.name().into(),
            check: standing.check.clone(),
            subject,
            subject_base64: (!whole).then(|| Base64::encode_string(&standing.subject)),
            since: since.map_or_else(|_| String::new(), |since| format!("{since:.0}")),
        }
    }
}

/// Writes the list for those who ask, row by row: it may be long, and the moment when it is, is when memory is short.
/// `visit` gives the deviations that stand to what it is handed, and says whether there are more; `None`: nobody knows, and
/// what was written before stays.
pub(in crate::daemon) fn write(
    runtime: &Path,
    at: &str,
    visit: impl FnOnce(&mut dyn FnMut(OpenDeviation) -> ControlFlow<()>) -> Option<bool>,
) -> io::Result<()> {
    let mut pending = Pending::create(&place(runtime), MODE)?;
    let mut out = io::BufWriter::new(&mut pending);
    out.write_all(b"{\"at\":")?;
    serde_json::to_writer(&mut out, at)?;
    out.write_all(b",\"findings\":[")?;
    let (mut comma, mut written) = (&b""[..], Ok(()));
    let more = visit(&mut |open| {
        written = out.write_all(std::mem::replace(&mut comma, b","));
        if written.is_ok() {
            written = serde_json::to_writer(&mut out, &OpenRow::of(&open)).map_err(io::Error::from);
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    written?;
    let Some(more) = more else {
        return Ok(());
    };
    writeln!(out, "],\"more\":{more}}}")?;
    out.flush()?;
    drop(out);
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
    let text = own::read(&path, LIMIT).map_err(fault)?;
    let text = text.ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?;
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

    #[test]
    fn what_is_written_is_read_and_root_s_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let standing = OpenDeviation {
            severity: Severity::High,
            check: "files.added".into(),
            subject: b"/a\xff".to_vec(),
            unknown: false,
            first_seen: 0,
        };
        let other = OpenDeviation {
            severity: Severity::Low,
            ..standing.clone()
        };
        let visit = |each: &mut dyn FnMut(OpenDeviation) -> ControlFlow<()>| {
            assert!(each(standing).is_continue() && each(other).is_continue());
            Some(true)
        };
        write(directory.path(), "now", visit).expect("written");
        let list = read(directory.path()).expect("read");
        assert_eq!(list.findings.len(), 2);
        assert_eq!((list.at.as_str(), list.more), ("now", true));
        let row = &list.findings[0];
        assert_eq!(
            (row.subject.as_str(), row.since.as_str()),
            ("/a\\xff", "1970-01-01T00:00:00Z")
        );
        assert_eq!(row.subject_base64.as_deref(), Some("L2H/"));
        let about = std::fs::metadata(place(directory.path())).expect("there");
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        // What cannot be read leaves the list as it was.
        write(directory.path(), "later", |_| None).expect("left");
        assert_eq!(read(directory.path()).expect("read"), list);
        write(directory.path(), "later", |_| Some(false)).expect("written");
        let empty = read(directory.path()).expect("read");
        assert_eq!((empty.findings.len(), empty.more), (0, false));
        remove(directory.path());
        assert!(read(directory.path()).is_err());
    }
}
