//! `agent baseline diff`: two manifests side by side, for people and for programs.

use harness::tree::Pristine;
use harness::{Lab, Ran, agent_path, run};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// A tree recorded as `old`, changed, and recorded as `new`.
fn recorded_twice(change: &str) -> Lab {
    let lab = Pristine::new().copy();
    record(&lab, "old");
    lab.shell(change);
    record(&lab, "new");
    lab
}

fn record(lab: &Lab, output: &str) {
    lab.agent(&["baseline", "create"], &["--output", output])
        .expect(0);
}

fn diff(lab: &Lab, more: &[&str]) -> Ran {
    run(Command::new(agent_path())
        .args(["baseline", "diff"])
        .args(more)
        .current_dir(lab.path()))
}

/// The objects of `--format json` but the summary, which must count them.
fn differences(lab: &Lab) -> Vec<Value> {
    let ran = diff(lab, &["old", "new", "--format", "json"]);
    let mut objects = ran.json();
    let count = objects.len() - 1;
    assert_eq!(
        objects.pop(),
        Some(json!({"kind": "summary", "differences": count}))
    );
    assert_eq!(ran.status, i32::from(count > 0), "{ran:#?}");
    objects
}

#[test]
fn equal_trees_are_equal_whenever_they_were_recorded() {
    let lab = Pristine::new().copy();
    for (output, epoch) in [("old", "1"), ("new", "2")] {
        run(Command::new(agent_path())
            .args([
                "baseline",
                "create",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
                "--output",
                output,
            ])
            .env("SOURCE_DATE_EPOCH", epoch)
            .current_dir(lab.path()))
        .expect(0);
    }
    let paths = lab.shell("find . -printf x").len();
    let ran = diff(&lab, &["old", "new"]).expect(0);
    assert_eq!(
        (ran.stdout, ran.stderr),
        (format!("equal: {paths} paths\n"), String::new())
    );
    assert_eq!(differences(&lab), [Value::Null; 0]);
    diff(&lab, &["old", "old"]).expect(0);
}

/// A diff judges nothing: a directory's time is told too.
#[test]
fn text_names_each_path_and_attribute() {
    let lab = recorded_twice(
        "echo >etc/new; rm etc/passwd; chmod u+s bin/tool; setfacl -m u:1000:r etc/shadow
         chattr +i etc/readme; touch odd/$'new\\e[2J\\xff'; ln -sfn sh bin/sh; touch -r var etc odd bin",
    );
    let ran = diff(&lab, &["old", "new"]).expect(1);
    let told: Vec<&str> = ran.stdout.lines().collect();
    let expected = [
        "changed  /bin/sh  size, mtime, link",
        "changed  /bin/tool  mode",
        "added    /etc/new",
        "removed  /etc/passwd",
        "changed  /etc/readme  flags",
        "changed  /etc/shadow  xattrs",
        "added    /odd/new\\u{1b}[2J\\xff",
    ];
    assert_eq!(told, expected);

    let back = diff(&lab, &["new", "old"]).expect(1);
    let swapped: Vec<String> = expected
        .iter()
        .map(|line| match line.split_at(9) {
            ("added    ", path) => format!("removed  {path}"),
            ("removed  ", path) => format!("added    {path}"),
            _ => (*line).to_owned(),
        })
        .collect();
    assert_eq!(back.stdout.lines().collect::<Vec<_>>(), swapped);
}

#[test]
fn json_holds_both_values() {
    let lab = recorded_twice(
        "mkfifo -m 0600 etc/pipe; rm -r var/empty; chmod u+s bin/tool; chown 7 bin/tool; chmod 4755 bin/tool
         touch -d @1 etc/pipe; touch -d @2 etc; touch -r bin var; touch -d @3 odd/$'byte\\xff'",
    );
    let time = "2024-02-29T12:34:56.123456789Z";
    let change = |change: &str, path: &str, changed: Value, old: Value, new: Value| json!({"kind": "difference", "change": change, "path": path, "changed": changed, "old": old, "new": new});
    let odd = json!({
        "kind": "difference", "change": "changed", "path": "/odd/byte\\xff", "path_base64": "L29kZC9ieXRl/w==",
        "changed": ["mtime"], "old": {"mtime": time}, "new": {"mtime": "1970-01-01T00:00:03.000000000Z"},
    });
    let expected = [
        change(
            "changed",
            "/bin/tool",
            json!(["mode", "uid"]),
            json!({"mode": "0755", "uid": 0}),
            json!({"mode": "4755", "uid": 7}),
        ),
        change(
            "changed",
            "/etc",
            json!(["mtime"]),
            json!({"mtime": time}),
            json!({"mtime": "1970-01-01T00:00:02.000000000Z"}),
        ),
        change(
            "added",
            "/etc/pipe",
            Value::Null,
            Value::Null,
            json!({
                "type": "fifo", "mode": "0600", "uid": 0, "gid": 0, "mtime": "1970-01-01T00:00:01.000000000Z",
                "nlink": 1, "xattrs": {},
            }),
        ),
        odd,
        change(
            "changed",
            "/var",
            json!(["nlink"]),
            json!({"nlink": 4}),
            json!({"nlink": 3}),
        ),
        change(
            "removed",
            "/var/empty",
            Value::Null,
            json!({
                "type": "dir", "mode": "0755", "uid": 0, "gid": 0, "mtime": time, "nlink": 2, "xattrs": {}, "flags": "",
            }),
            Value::Null,
        ),
    ];
    assert_eq!(differences(&lab), expected);
}

/// What a check finds in a changed tree, a diff of the two records finds too.
#[test]
fn diff_and_check_agree() {
    let lab = recorded_twice(
        "keep=$(stat -c %y lib); mv lib/a lib/A; touch -d \"$keep\" lib; rm etc/tree; ln -s ../lib/A etc/tree
         chattr +d tmp; setfattr -n user.x -v y tmp; echo >>etc/passwd; chmod 0700 .; touch -r bin/su etc .",
    );
    let by_diff: BTreeSet<String> = diff(&lab, &["old", "new"])
        .expect(1)
        .stdout
        .lines()
        .map(|line| match line.split_once(' ').expect("a word") {
            ("added", path) => format!("+ {}", path.trim_start()),
            ("removed", path) => format!("- {}", path.trim_start()),
            (_, rest) => format!(
                "~ {}",
                rest.trim_start().replace("  ", " ").replace(", ", " ")
            ),
        })
        .collect();
    let by_check = lab
        .agent(&["check"], &["--manifest", "old", "--format", "json"])
        .expect(1);
    assert_eq!(by_check.deviations(), by_diff);
    assert!(by_diff.len() > 10, "{by_diff:#?}");
}

#[test]
fn profiles_that_do_not_cover_the_same_are_told() {
    let lab = Pristine::new().copy();
    record(&lab, "old");
    lab.profile(
        "name = \"narrow\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n\
         [[paths]]\npath = \"/etc/passwd\"\nattributes = [\"type\", \"mode\"]\nseverity = \"high\"\n\
         [[exclude]]\npath = \"/odd\"\nreason = \"none\"\n",
    );
    record(&lab, "new");
    let told = diff(&lab, &["old", "new"]).expect(1).stdout;
    let profile = told
        .lines()
        .find(|line| line.starts_with("profile "))
        .expect("the profile");
    assert!(
        profile.contains("lab ") && profile.contains("narrow "),
        "{profile}"
    );
    assert!(told.lines().any(|line| line == "removed  /odd"), "{told}");
    // A directory with an entry of which less is demanded says nothing by its own time.
    assert!(
        told.lines()
            .any(|line| line == "changed  /etc  mtime, nlink"),
        "{told}"
    );
    let passwd = "changed  /etc/passwd  uid, gid, size, mtime, nlink, sha256";
    assert!(told.lines().any(|line| line == passwd), "{told}");

    let objects = differences(&lab);
    let of_profiles: Vec<&Value> = objects
        .iter()
        .filter(|o| o["change"] == "profile")
        .collect();
    assert_eq!(of_profiles.len(), 1);
    assert_eq!(of_profiles[0]["old"]["profile"], "lab");
    assert_eq!(of_profiles[0]["new"]["profile"], "narrow");
}

#[test]
fn what_is_no_manifest_is_no_difference() {
    let lab = recorded_twice("rm etc/passwd");
    lab.shell("echo nonsense >../bad; head -n -1 ../old >../short");
    for (arguments, named) in [
        (["old", "none"], "none"),
        (["none", "new"], "none"),
        (["old", "bad"], "bad"),
        (["short", "new"], "short"),
    ] {
        let ran = diff(&lab, &arguments).expect(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains(named),
            "{ran:#?}"
        );
    }
}
