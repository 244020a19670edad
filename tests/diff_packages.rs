//! `agent baseline diff` of images between which dpkg worked: what its packages explain, and what is left.

use harness::{Lab, Ran, agent_path, run};
use serde_json::{Value, json};
use std::process::Command;

/// A tree with `sample` and `other` installed in version 1, recorded as `old`; `sample` upgraded, `other` removed,
/// `third` installed, a program of `kept` and a file of nobody changed by hand, recorded as `new`.
fn upgraded() -> Lab {
    let lab = Lab::new();
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"high\"\n");
    lab.shell(
        "umask 022; mkdir -p usr/bin usr/share var/lib/dpkg/{info,updates,triggers}; touch var/lib/dpkg/{status,available}
         build() {
           built=../$1-$2; mkdir -p $built/DEBIAN $built/usr/share/$1
           for file in ${@:3}; do echo $1 $2 $file > $built/usr/share/$1/$file; done
           (cd $built; find usr -type f -print0 | xargs -0 md5sum > DEBIAN/md5sums)
           printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: Nobody <n@example.com>\\nDescription: x\\n' $1 $2 > $built/DEBIAN/control
           dpkg-deb --root-owner-group -Zgzip -b $built $built.deb >/dev/null
         }
         build sample 1 a b c; build sample 2 a c d; build other 1 x; build kept 1 program; build third 7 t
         echo 1 > usr/local; echo 1 > usr/zone",
    );
    dpkg(&lab, &["-i"], &["sample-1", "other-1", "kept-1"]);
    record(&lab, "old");
    dpkg(&lab, &["-i"], &["sample-2", "third-7"]);
    dpkg(&lab, &["--remove", "other"], &[]);
    lab.shell("echo evil > usr/share/kept/program; echo 2 > usr/local; echo 2 > usr/zone");
    record(&lab, "new");
    lab
}

fn dpkg(lab: &Lab, step: &[&str], packages: &[&str]) {
    let mut command = Command::new("dpkg");
    command
        .arg(format!("--root={}", lab.root().display()))
        .args(["--force-not-root", "--force-unsafe-io"])
        .args(step);
    for package in packages {
        command.arg(lab.path().join(format!("{package}.deb")));
    }
    run(&mut command).expect(0);
}

fn record(lab: &Lab, output: &str) {
    lab.agent(&["baseline", "create"], &["--output", output])
        .expect(0);
}

fn diff(lab: &Lab, format: &str) -> Ran {
    run(Command::new(agent_path())
        .args(["baseline", "diff", "old", "new", "--format", format])
        .current_dir(lab.path()))
}

#[test]
fn what_packages_explain_is_one_line_each_and_the_rest_is_listed() {
    let lab = upgraded();
    let manifest = std::fs::read_to_string(lab.path().join("new")).expect("a manifest");
    for line in [
        "# package kept 1 all",
        "# package sample 2 all",
        "# package third 7 all",
    ] {
        assert!(manifest.lines().any(|found| found == line), "{line}");
    }
    assert!(manifest.contains("tags=,package.sample,"), "{manifest}");
    let text = diff(&lab, "text").expect(1).stdout;
    for line in [
        "package  other all  1 is gone: 1 removed",
        "package  sample all  1 → 2: 1 added, 2 changed, 1 removed",
        "package  third all  7 is new: 1 added",
        "changed  /usr/local  size, mtime, sha256",
    ] {
        // The size of a number is the same whichever it is.
        let line = line.replace("size, mtime", "mtime");
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    // Nothing of a package that is as it was had reason to change.
    let program = text
        .lines()
        .find(|line| line.contains("/usr/share/kept/program"));
    let program = program.unwrap_or_else(|| panic!("{text}"));
    assert!(
        program.contains("(of package kept, which is as it was)"),
        "{program}"
    );
    assert!(!text.contains("/usr/share/sample/"), "{text}");
    assert!(
        text.lines()
            .last()
            .is_some_and(|line| line.contains(" by 3 packages that changed, ")),
        "{text}"
    );
}

#[test]
fn json_and_html_say_the_same() {
    let lab = upgraded();
    let objects = diff(&lab, "json").expect(1).json();
    let of = |path: &str| {
        let found: Vec<&Value> = objects.iter().filter(|o| o["path"] == path).collect();
        assert_eq!(found.len(), 1, "{path}: {objects:#?}");
        found[0].clone()
    };
    let sample = json!({"name": "sample", "arch": "all", "old": "1", "new": "2"});
    for path in [
        "/usr/share/sample/a",
        "/usr/share/sample/b",
        "/usr/share/sample/d",
    ] {
        assert_eq!(of(path)["explained_by"], sample, "{path}");
    }
    let program = of("/usr/share/kept/program");
    assert_eq!(
        (&program["package"], &program["explained_by"]),
        (&json!("kept"), &Value::Null)
    );
    assert_eq!(of("/usr/local")["package"], Value::Null);
    let packages: Vec<&Value> = objects.iter().filter(|o| o["kind"] == "package").collect();
    assert_eq!(packages.len(), 3);
    assert_eq!(
        packages[1]["paths"],
        json!({"added": 1, "changed": 2, "removed": 1})
    );

    let page = diff(&lab, "html").expect(1).stdout;
    for word in [
        "Not explained by packages",
        "/usr/share/kept/program",
        "<code>1 → 2</code>",
        "contents, size ",
        "third",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    let headings = page.split("<h3>").skip(1);
    let headings: Vec<_> = headings.map(|part| part.split(" <small>").next()).collect();
    let told: std::collections::HashSet<_> = headings.iter().collect();
    assert_eq!(told.len(), headings.len(), "{headings:?}");
    assert!(
        !page.contains("<script") && page.contains("default-src 'none'"),
        "{page}"
    );
}
