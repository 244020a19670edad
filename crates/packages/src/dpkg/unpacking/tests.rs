use super::*;
use crate::testing::Tree;

fn entry(name: &str, status: &str) -> String {
    format!(
        "Package: {name}\nStatus: {status}\nPriority: optional\nArchitecture: amd64\n\
         Description: Status: install ok unpacked\n Package: none\n\n"
    )
}

fn list(tree: &Tree, name: &str, paths: &[&str]) {
    let text: String = paths.iter().map(|path| format!("/{path}\n")).collect();
    tree.write(
        format!("var/lib/dpkg/info/{name}.list"),
        format!("/.\n{text}"),
    );
}

fn read(tree: &Tree) -> Unpacking {
    let mut unpacking = Unpacking::default();
    unpacking.refresh(&tree.root());
    unpacking
}

#[test]
fn a_package_counts_while_its_last_entry_says_that_it_is_being_unpacked() {
    let cases = [
        // Of the status file, of the journal's entries in turn, whether it counts.
        ("install ok installed", &[][..], false),
        ("install reinstreq half-installed", &[], true),
        ("install ok unpacked", &[], true),
        ("hold ok unpacked", &[], true),
        ("deinstall ok half-installed", &[], false),
        ("purge ok half-installed", &[], false),
        ("install broken unpacked", &[], false),
        ("unpacked", &[], false),
        ("install ok half-configured", &[], false),
        ("install ok triggers-awaited", &[], false),
        (
            "install ok installed",
            &["install reinstreq half-installed"],
            true,
        ),
        (
            "install ok installed",
            &["install reinstreq half-installed", "install ok unpacked"],
            true,
        ),
        (
            "install ok installed",
            &["install ok unpacked", "install ok half-configured"],
            true,
        ),
        (
            "install ok unpacked",
            &["install ok half-configured", "install ok installed"],
            false,
        ),
        (
            "install reinstreq half-installed",
            &["install ok installed"],
            false,
        ),
    ];
    for (status, journal, expected) in cases {
        let tree = Tree::new();
        let others = entry("other", "install ok installed");
        tree.write("var/lib/dpkg/status", others + &entry("tool", status));
        for (number, status) in journal.iter().enumerate() {
            let path = format!("var/lib/dpkg/updates/{number:04}");
            tree.write(path, entry("tool", status));
        }
        // Written and not yet in force.
        tree.write(
            "var/lib/dpkg/updates/tmp.i",
            entry("other", "install ok unpacked"),
        );
        list(&tree, "tool", &["usr", "usr/bin", "usr/bin/tool"]);
        list(&tree, "other", &["usr/bin/other"]);
        let unpacking = read(&tree);
        let found = unpacking.package_of(b"usr/bin/tool");
        assert_eq!(found, expected.then_some("tool"), "{status} {journal:?}");
        assert_eq!(unpacking.has("tool"), expected);
        assert_eq!(unpacking.package_of(b"usr/bin/other"), None);
        assert_eq!(unpacking.package_of(b"usr/bin/tool-2"), None);
    }
}

#[test]
fn what_has_changed_is_read_again() {
    let tree = Tree::new();
    tree.write("var/lib/dpkg/status", entry("tool", "install ok installed"));
    list(&tree, "tool", &["usr/bin/old"]);
    let mut unpacking = read(&tree);
    assert!(!unpacking.has("tool"));
    tree.write(
        "var/lib/dpkg/updates/0000",
        entry("tool", "install reinstreq half-installed"),
    );
    unpacking.refresh(&tree.root());
    assert!(unpacking.package_of(b"usr/bin/old").is_some());
    // dpkg renames a new list over the old one.
    tree.write("var/lib/dpkg/info/tool.list-new", "/.\n/usr/bin/new\n");
    let info = tree.path("var/lib/dpkg/info");
    std::fs::rename(info.join("tool.list-new"), info.join("tool.list")).expect("renamed");
    unpacking.refresh(&tree.root());
    assert!(unpacking.package_of(b"usr/bin/old").is_none());
    assert!(unpacking.package_of(b"usr/bin/new").is_some());
    // All of it goes into the status file.
    tree.write(
        "var/lib/dpkg/status-new",
        entry("tool", "install ok unpacked"),
    );
    let dpkg = tree.path("var/lib/dpkg");
    std::fs::rename(dpkg.join("status-new"), dpkg.join("status")).expect("renamed");
    std::fs::remove_file(dpkg.join("updates/0000")).expect("removed");
    unpacking.refresh(&tree.root());
    assert!(unpacking.package_of(b"usr/bin/new").is_some());
    tree.write("var/lib/dpkg/status", entry("tool", "install ok installed"));
    unpacking.refresh(&tree.root());
    assert!(!unpacking.has("tool"));
}

#[test]
fn the_journal_is_followed_entry_by_entry() {
    let tree = Tree::new();
    let both = entry("a", "install ok installed") + &entry("b", "install ok installed");
    tree.write("var/lib/dpkg/status", both);
    let mut unpacking = read(&tree);
    let mut are = |change: &dyn Fn()| {
        change();
        unpacking.refresh(&tree.root());
        ["a", "b"].map(|name| match unpacking.is_half_installed(name) {
            true => "half",
            false if unpacking.has(name) => "unpacked",
            false => "done",
        })
    };
    let note = |number: u32, name: &str, status: &str| {
        // dpkg gives an entry its name when it is whole.
        tree.write("var/lib/dpkg/updates/tmp.i", entry(name, status));
        let updates = tree.path("var/lib/dpkg/updates");
        let place = updates.join(format!("{number:04}"));
        std::fs::rename(updates.join("tmp.i"), place).expect("renamed");
    };
    let half = "install reinstreq half-installed";
    assert_eq!(are(&|| note(0, "a", half)), ["half", "done"]);
    assert_eq!(are(&|| note(1, "b", half)), ["half", "half"]);
    let unpacked = "install ok unpacked";
    assert_eq!(are(&|| note(2, "a", unpacked)), ["unpacked", "half"]);
    assert_eq!(are(&|| ()), ["unpacked", "half"], "nothing has changed");
    // Numbers begin anew once the status file has all of it.
    let taken_over = || {
        let both = entry("a", unpacked) + &entry("b", half);
        tree.write("var/lib/dpkg/status", both);
        for number in 0..3 {
            let path = tree.path(format!("var/lib/dpkg/updates/{number:04}"));
            std::fs::remove_file(path).expect("removed");
        }
    };
    assert_eq!(are(&taken_over), ["unpacked", "half"]);
    assert_eq!(are(&|| note(0, "b", unpacked)), ["unpacked", "unpacked"]);
    let installed = "install ok installed";
    assert_eq!(
        are(&|| note(0, "a", installed)),
        ["done", "half"],
        "in its place"
    );
    assert_eq!(are(&|| note(1, "b", installed)), ["done", "done"]);
}

#[test]
fn what_dpkg_keeps_of_a_package_is_of_that_package() {
    let tree = Tree::new();
    let unpacked = "install ok unpacked";
    let all = ["lib", "python3.11"].map(|name| entry(name, unpacked));
    tree.write(
        "var/lib/dpkg/status",
        all.concat() + &entry("done", "install ok installed"),
    );
    list(&tree, "lib:amd64", &["usr/lib/lib.so"]);
    list(&tree, "python3.11", &["usr/bin/python3.11"]);
    let unpacking = read(&tree);
    for (name, package) in [
        ("lib:amd64.list", Some("lib:amd64")),
        ("lib:amd64.list-new", Some("lib:amd64")),
        ("python3.11.postinst", Some("python3.11")),
        ("lib.list", None),
        ("lib:i386.list", None),
        ("python3.list", None),
        ("done.list", None),
        ("lib:amd64", None),
        ("lib:amd64.d/x", None),
        ("format", None),
        ("", None),
    ] {
        let path = format!("var/lib/dpkg/info/{name}");
        assert_eq!(unpacking.package_of(path.as_bytes()), package, "{name}");
    }
    assert_eq!(unpacking.package_of(b"var/lib/dpkg/info"), None);
    assert_eq!(unpacking.package_of(b"tmp/lib:amd64.list"), None);
}

#[test]
fn paths_are_those_of_the_disk() {
    let tree = Tree::new();
    tree.dir("usr/bin");
    tree.dir("sbin");
    tree.link("bin", "usr/bin");
    tree.write("var/lib/dpkg/status", entry("tool", "install ok unpacked"));
    tree.write(
        "var/lib/dpkg/diversions",
        "/bin/sh\n/bin/sh.distrib\nother\n/bin/own\n/bin/own.distrib\ntool\n",
    );
    list(
        &tree,
        "tool:amd64",
        &[
            "bin",
            "bin/tool",
            "sbin/tool",
            "bin/sh",
            "bin/own",
            "etc/a b",
        ],
    );
    let unpacking = read(&tree);
    for path in [
        "bin",
        "usr/bin/tool",
        "sbin/tool",
        "usr/bin/sh.distrib",
        "usr/bin/own",
        "etc/a b",
        "etc/a b.dpkg-new",
        "usr/bin/tool.dpkg-tmp",
    ] {
        let found = unpacking.package_of(path.as_bytes());
        assert_eq!(found, Some("tool:amd64"), "{path}");
    }
    for path in [
        "bin/tool",
        "usr/sbin/tool",
        "usr/bin/sh",
        "usr/bin/own.distrib",
        "etc/a b.dpkg-old",
        "etc/a b.dpkg-new.dpkg-new",
        ".dpkg-new",
        "",
    ] {
        assert_eq!(unpacking.package_of(path.as_bytes()), None, "{path}");
    }
}

#[test]
fn what_cannot_be_read_or_is_too_much_holds_nothing_back() {
    let counts = |change: &dyn Fn(&Tree)| {
        let tree = Tree::new();
        tree.write("var/lib/dpkg/status", entry("tool", "install ok unpacked"));
        list(&tree, "tool", &["usr/bin/tool"]);
        change(&tree);
        read(&tree).package_of(b"usr/bin/tool").is_some()
    };
    assert!(counts(&|_| ()));
    let without = |path: &str| {
        let path = path.to_owned();
        move |tree: &Tree| std::fs::remove_file(tree.path(&path)).expect("removed")
    };
    assert!(!counts(&without("var/lib/dpkg/status")));
    assert!(!counts(&without("var/lib/dpkg/info/tool.list")));
    for (path, most) in [
        ("status", bounds::UNPACKING_STATUS),
        ("info/tool.list", bounds::UNPACKING_LIST),
        ("diversions", bounds::UNPACKING_DIVERSIONS),
    ] {
        assert!(!counts(&|tree| {
            let path = tree.path(format!("var/lib/dpkg/{path}"));
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path);
            file.and_then(|file| file.set_len(most + 1))
                .expect("a sparse file");
        }));
    }
    assert!(!counts(&|tree| {
        let many: String = (0..=bounds::UNPACKING_PATHS)
            .map(|n| format!("/{n:x}\n"))
            .collect();
        let text = format!("/.\n/usr/bin/tool\n{many}");
        assert!((text.len() as u64) < bounds::UNPACKING_LIST);
        tree.write("var/lib/dpkg/info/tool.list", text);
    }));
    assert!(!counts(&|tree| {
        for number in 0..=bounds::UNPACKING_UPDATES {
            tree.write(format!("var/lib/dpkg/updates/{number:04}"), "");
        }
    }));
    assert!(!counts(&|tree| {
        let text: String = (0..=bounds::UNPACKING_PACKAGES)
            .map(|n| entry(&format!("p{n}"), "install ok unpacked"))
            .collect();
        tree.write("var/lib/dpkg/status", text);
    }));
    assert!(!counts(&|tree| {
        let long = "x".repeat(usize::try_from(bounds::UNPACKING_UPDATE).expect("small"));
        tree.write(
            "var/lib/dpkg/updates/0000",
            format!("Description: {long}\n"),
        );
    }));
    assert!(!counts(&|tree| {
        // Nobody may be made to wait by a pipe without a writer.
        let path = tree.path("var/lib/dpkg/updates/0000");
        std::fs::create_dir_all(path.parent().expect("below the tree")).expect("made");
        let status = std::process::Command::new("mkfifo").arg(path).status();
        assert!(status.expect("mkfifo").success());
    }));
    // Rubbish in an entry is none; the others stand.
    assert!(counts(&|tree| {
        tree.write(
            "var/lib/dpkg/updates/0000",
            b"\xff\n:\n\nPackage: ../x\nStatus:\n",
        );
    }));
}

#[test]
fn a_deadline_ends_it() {
    let text = entry("a", "install ok unpacked") + &entry("b", "install ok unpacked");
    let past = Instant::now();
    let read = entries(text.as_bytes().take(1 << 20), past, |_| Ok(()));
    assert_eq!(read.expect_err("over").kind(), io::ErrorKind::TimedOut);
}
