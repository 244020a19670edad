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

/// Whoever may make directories makes very many within one another: that is told, and the rest is judged.
#[test]
fn deeper_than_is_walked_is_unknown() {
    let lab = Lab::new();
    lab.shell("mkdir data; echo one > data/one; echo two > data/zwei");
    lab.create().expect(0);
    let long = "d".repeat(250);
    // Beyond bounds::LEVELS, and beyond bounds::PATH.
    for (name, levels, most) in [("d", 2_100, 2_048), (&*long, 200, (32 << 10) / 250)] {
        lab.shell(&format!(
            r#"perl -e 'chdir "data"; for (1..{levels}) {{ mkdir "{name}" or die $!; chdir "{name}" or die $! }}'; echo 2 >> data/zwei"#
        ));
        let told = lab.check(&[]).expect(1).told();
        let unknown: Vec<&String> = told
            .iter()
            .filter(|line| line.starts_with("unknown"))
            .collect();
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        assert!(
            unknown[0].starts_with("unknown files.unreadable /data/d"),
            "{unknown:?}"
        );
        assert!((most - 4..most + 4).contains(&told.len()), "{}", told.len());
        let zwei = "fail files.changed /data/zwei size,mtime,sha256".to_owned();
        assert!(told.contains(&zwei));
        lab.shell("rm -r data/d*");
    }
}
