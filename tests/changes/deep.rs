//! Trees deeper than a path may be long.

use harness::Lab;
use std::collections::BTreeSet;

/// A path of some 6,000 bytes, 100 directories deep: no system call takes it, and more directories than are
/// kept open lie on the way back up.
#[test]
fn deeper_than_a_path_may_be_long() {
    let lab = Lab::new();
    let name = "d".repeat(60);
    let descend = |levels: u32, doing: &str| {
        lab.shell(&format!(
            r#"perl -e 'for (1..{levels}) {{ mkdir "{name}"; chdir "{name}" or die $! }} {doing}'"#
        ));
    };
    let write = |file: &str| {
        format!(
            r#"open F, ">>", "{file}" or die $!; print F "x"; close F; utime 1, 1, "{file}", ".";"#
        )
    };
    for (levels, file) in [(100, "deepest"), (50, "zz"), (1, "zz"), (0, "zz")] {
        descend(levels, &write(file));
    }
    lab.create().expect(0);
    lab.check(&[]).expect(0);
    let below = |levels: usize, file: &str| format!("{}/{file}", format!("/{name}").repeat(levels));
    let mut expected = BTreeSet::new();
    for (levels, file) in [(100, "deepest"), (50, "zz"), (1, "zz")] {
        descend(u32::try_from(levels).expect("small"), &write(file));
        expected.insert(format!("~ {} size sha256", below(levels, file)));
        assert_eq!(lab.check(&[]).expect(1).deviations(), expected);
    }
    descend(100, r#"unlink "deepest"; utime 1, 1, ".";"#);
    expected.retain(|line| !line.contains("deepest"));
    expected.insert(format!("- {}", below(100, "deepest")));
    assert_eq!(lab.check(&[]).expect(1).deviations(), expected);
    lab.shell(&format!("rm -r {name}"));
    assert_eq!(lab.check(&[]).expect(1).deviations().len(), 100 + 3);
}
