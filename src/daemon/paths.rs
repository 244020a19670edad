//! Where the running daemon keeps what ends with it.

use std::path::PathBuf;

/// The runtime directory, where systemd names none.
const DEFAULT: &str = "/run/host-integrity-agent";

/// `$RUNTIME_DIRECTORY` as systemd sets it (systemd.exec(5): the first, where there are several), else the default.
pub(crate) fn runtime_directory() -> PathBuf {
    std::env::var("RUNTIME_DIRECTORY")
        .ok()
        .and_then(|list| list.split(':').next().map(PathBuf::from))
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| DEFAULT.into())
}
