//! Each known hole of watches by inotify, with the real kernel.

use super::ledger::{assert_same, fresh};
use super::limits_stand_still;
use super::sentry::Sentry;
use crate::harness::Lab;

/// Directories made faster than they can be watched (beats#39125, osquery#1969).
#[test]
fn no_file_in_new_directories_is_missed() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    lab.shell("for i in {1..500}; do mkdir -p top$i/b/c/d/e && echo $i >top$i/b/c/d/e/file; done");
    sentry.catch_up();
    for i in 1..=500 {
        let path = format!("top{i}/b/c/d/e/file");
        assert!(sentry.ledger.open().contains_key(path.as_bytes()), "{path}");
    }
    assert_same(&sentry.ledger, &lab, "all at once");
    assert_eq!(sentry.watch.directories(), 1 + 500 * 5);
    // And all of them are watched now.
    lab.shell("for i in {1..500}; do echo more >>top$i/b/c/d/e/file; done");
    sentry.touched.clear();
    sentry.catch_up();
    let files = sentry
        .touched
        .iter()
        .filter(|path| path.ends_with(b"/file"));
    assert_eq!(files.count(), 500);
    assert_same(&sentry.ledger, &lab, "written to later");
    assert_eq!(fresh(&lab).len(), 500 * 6);
}
