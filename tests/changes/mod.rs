//! One change at a time to a tree with one of everything: each is found, with exactly the attributes that
//! differ, and nothing else is reported.

mod attributes;
mod deep;
mod evidence;
mod names;

use harness::Lab;
use harness::tree::Pristine;
use std::collections::BTreeSet;

/// What it is, the shell that does it in the tree, and all that must be found, as
/// [`deviations`](harness::Ran::deviations) puts it.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// What the lines of shell may use.
const WORDS: &str = r#"
umask 022
# keep PATH COMMAND…: runs the command, then gives the path its time back.
keep() { local t; t=$(stat -c %y "$1"); "${@:2}"; touch -h -d "$t" "$1"; }
# poke FILE OFFSET BYTES: overwrites in place.
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
# become PATH COMMAND…: removes the path and lets the command make it anew, with the old time.
become() { local t; t=$(stat -c %y "$1"); rm -rf "$1"; "${@:2}"; touch -h -d "$t" "$1"; }
# swap A B: each gets the other's name.
swap() { mv -T "$1" "$1.swap"; mv -T "$2" "$1"; mv -T "$1.swap" "$2"; }
socket() { perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un(shift)) or die $!' "$1"; }
"#;

fn change(lab: &Lab, line: &str) {
    lab.shell(&format!("{WORDS}\n{line}"));
}

/// Records a fresh tree for each case, changes it and checks it; tells all cases that do not hold.
fn each_is_found(cases: &[Case]) {
    let pristine = Pristine::new();
    let mut wrong = String::new();
    for (name, line, expected) in cases {
        let lab = pristine.recorded();
        change(&lab, line);
        let ran = lab.check(&[]);
        let expected: BTreeSet<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        let found = ran.deviations();
        let status = i32::from(!expected.is_empty());
        if found != expected || ran.status != status {
            wrong += &format!("\n{name} ({line}), status {}", ran.status);
            for line in found.symmetric_difference(&expected) {
                let what = if found.contains(line) {
                    "found too"
                } else {
                    "not found"
                };
                wrong += &format!("\n  {what}: {line}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_untouched_tree_is_clean() {
    let lab = Pristine::new().recorded();
    let ran = lab.check(&[]).expect(0);
    assert_eq!(ran.deviations(), BTreeSet::new());
    let paths = lab.shell("find . -printf x").len();
    assert!(
        paths > 75,
        "the tree is not what it was meant to be: {paths}"
    );
    assert_eq!(ran.summary()["files"]["checked"], paths);
}
