//! Whether cloud-init is still to be waited for on this boot. Reads a few marks below `/run`, `/etc` and `/proc`.
//!
//! Sources: cloud-init's systemd generator, which leaves `/run/cloud-init/enabled` or `/run/cloud-init/disabled` before any
//! unit starts, and "How to disable cloud-init" in its documentation (a file in `/etc`, or a word on the kernel's command
//! line, for systems without that generator).

use std::path::Path;

/// What it leaves when it has come to its end.
const RESULT: &str = "run/cloud-init/result.json";
/// What shows that there is a cloud-init.
const INSTALLED: [&str; 2] = ["run/cloud-init", "usr/bin/cloud-init"];
/// What its generator decided.
const ENABLED: &str = "run/cloud-init/enabled";
const DISABLED: &str = "run/cloud-init/disabled";
/// What an administrator decided, where no generator speaks.
const DISABLED_BY_FILE: &str = "etc/cloud/cloud-init.disabled";
const COMMAND_LINE: &str = "proc/cmdline";
const DISABLED_BY_WORD: &str = "cloud-init=disabled";

/// Whether there is nothing to wait for: it has come to its end, is not installed, or does not run on this boot.
pub(in crate::daemon) fn is_done(root: &Path) -> bool {
    let there = |path: &str| root.join(path).exists();
    there(RESULT) || !INSTALLED.into_iter().any(there) || is_disabled(root)
}

fn is_disabled(root: &Path) -> bool {
    let there = |path: &str| root.join(path).exists();
    let by_word = || {
        let line = std::fs::read_to_string(root.join(COMMAND_LINE)).unwrap_or_default();
        line.split_whitespace().any(|word| word == DISABLED_BY_WORD)
    };
    there(DISABLED) || (!there(ENABLED) && (there(DISABLED_BY_FILE) || by_word()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_done_with(marks: &[(&str, &str)]) -> bool {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in marks {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        is_done(root.path())
    }

    #[test]
    fn it_is_waited_for_only_where_it_runs_and_has_not_ended() {
        let installed = ("usr/bin/cloud-init", "");
        assert!(is_done_with(&[]), "not installed");
        assert!(!is_done_with(&[installed]));
        assert!(!is_done_with(&[installed, (ENABLED, "")]));
        assert!(is_done_with(&[(ENABLED, ""), (RESULT, "{}")]));
    }

    #[test]
    fn where_it_is_disabled_nothing_is_waited_for() {
        let installed = ("usr/bin/cloud-init", "");
        let (by_file, word) = ((DISABLED_BY_FILE, ""), "quiet cloud-init=disabled\n");
        assert!(is_done_with(&[installed, (DISABLED, "")]), "its generator");
        assert!(is_done_with(&[installed, by_file]));
        assert!(is_done_with(&[installed, (COMMAND_LINE, word)]));
        let other = "quiet xcloud-init=disabled cloud-init=disabledx\n";
        assert!(!is_done_with(&[installed, (COMMAND_LINE, other)]));
        // Disabled for the next boot while it runs in this one.
        assert!(!is_done_with(&[installed, (ENABLED, ""), by_file]));
    }
}
