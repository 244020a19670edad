use super::super::database::Owned;
use super::super::testing::Tree;
use super::*;
use agent_core::attributes::Digest;

const A: &str = "0cc175b9c0f1b6a831c399e269772661";
const B: &str = "92eb5ffee6ae2fec3ad71c777531578f";

fn package(tree: &Tree, name: &str, md5sums: &str, list: &str) {
    let digests = md5sums
        .replace("A ", &format!("{A} "))
        .replace("B ", &format!("{B} "));
    tree.write(format!("var/lib/dpkg/info/{name}.md5sums"), digests);
    tree.write(format!("var/lib/dpkg/info/{name}.list"), list);
}

fn status(tree: &Tree, packages: &[(&str, &str, &str)]) {
    let text: String = packages
        .iter()
        .map(|(name, state, more)| {
            let more = more
                .replace("A\n", &format!("{A}\n"))
                .replace("A ", &format!("{A} "));
            format!("Package: {name}\nStatus: install ok {state}\nArchitecture: amd64\n{more}\n")
        })
        .collect();
    tree.write("var/lib/dpkg/status", text);
}

fn load(tree: &Tree) -> Database {
    Database::load_dpkg(&tree.root()).expect("a database")
}

/// Path, first byte of the digest, package; `c` for a conffile, `?` for one that may be missing.
fn seen(database: &Database) -> Vec<String> {
    let show = |file: Owned<'_>| {
        let path = String::from_utf8_lossy(file.path);
        let first = file.digest.expect("a digest").bytes()[0];
        let digest = if first == 0x0c { "A" } else { "B" };
        let more = "+".repeat(file.alternatives.len());
        let conffile = if file.conffile { "c" } else { "" };
        let optional = if file.optional { "?" } else { "" };
        format!(
            "{path} {digest}{more} {} {conffile}{optional}",
            file.package
        )
        .trim_end()
        .to_owned()
    };
    database.iter().map(show).collect()
}

#[test]
fn only_packages_whose_files_are_in_place_count() {
    let tree = Tree::new();
    let states = [
        "installed",
        "triggers-pending",
        "triggers-awaited",
        "unpacked",
        "half-configured",
        "half-installed",
        "config-files",
        "not-installed",
    ];
    let conffiles: Vec<String> = states
        .iter()
        .map(|state| format!("Conffiles:\n /etc/{state} A\n"))
        .collect();
    let packages: Vec<(&str, &str, &str)> = states
        .iter()
        .zip(&conffiles)
        .map(|(s, c)| (*s, *s, c.as_str()))
        .collect();
    status(&tree, &packages);
    for state in states {
        let list = format!("/.\n/etc/{state}\n/usr/{state}\n");
        package(&tree, state, &format!("A  usr/{state}\n"), &list);
    }
    let database = load(&tree);
    let expected = [
        "etc/config-files A config-files c?",
        "etc/installed A installed c",
        "etc/triggers-awaited A triggers-awaited c",
        "etc/triggers-pending A triggers-pending c",
        "usr/half-configured A half-configured",
        "usr/installed A installed",
        "usr/triggers-awaited A triggers-awaited",
        "usr/triggers-pending A triggers-pending",
        "usr/unpacked A unpacked",
    ];
    assert_eq!(seen(&database), expected);
    assert_eq!(database.package_count(), 5);
    assert_eq!(database.unverified(), ["half-installed"]);
    let notes = database.notes().join("\n");
    assert!(notes.contains("1 (half-installed)"), "{notes}");
    assert!(notes.contains("2 (half-configured, unpacked)"), "{notes}");
    assert!(Database::busy(&tree.root()));
}

#[test]
fn conffiles_in_every_state() {
    let tree = Tree::new();
    let conffiles = "Conffiles:\n /etc/both A\n /etc/old A obsolete\n /etc/new newconffile\n \
                     /etc/go A remove-on-upgrade\n /etc/lost A\n /etc/sp ace A\n";
    status(&tree, &[("a", "installed", conffiles)]);
    let list = "/etc/both\n/etc/old\n/etc/new\n/etc/sp ace\n/etc/go\n";
    package(&tree, "a", "B  etc/both\nB  etc/new\n", list);
    let expected = [
        "etc/both A a c",
        "etc/go A a c?",
        "etc/lost A a c?",
        "etc/old A a c?",
        "etc/sp ace A a c",
    ];
    assert_eq!(seen(&load(&tree)), expected);
}

#[test]
fn diverted_files_are_where_they_were_moved() {
    let tree = Tree::new();
    tree.write(
        "var/lib/dpkg/diversions",
        "/bin/sh\n/bin/sh.distrib\ndash\n/usr/local\n/usr/local.away\n:\n/etc/x\n/etc/y\ndash\n",
    );
    status(
        &tree,
        &[
            ("bash", "installed", "Conffiles:\n /etc/x A\n"),
            ("dash", "installed", ""),
        ],
    );
    package(
        &tree,
        "bash",
        "A  bin/sh\nA  usr/local\n",
        "/bin/sh\n/usr/local\n/etc/x\n",
    );
    package(&tree, "dash", "B  bin/sh\n", "/bin/sh\n");
    let expected = [
        "bin/sh B dash",
        "bin/sh.distrib A bash",
        "etc/y A bash c",
        "usr/local.away A bash",
    ];
    assert_eq!(seen(&load(&tree)), expected);
}

#[test]
fn a_file_that_another_package_replaced_is_the_others() {
    let tree = Tree::new();
    tree.dir("usr/bin");
    tree.link("bin", "usr/bin");
    status(&tree, &[("new", "installed", ""), ("old", "installed", "")]);
    package(&tree, "old", "A  bin/moved\nA  bin/stays\n", "/bin/stays\n");
    package(&tree, "new", "B  usr/bin/moved\n", "/usr/bin/moved\n");
    let database = load(&tree);
    assert_eq!(
        seen(&database),
        ["usr/bin/moved B new", "usr/bin/stays A old"]
    );
    assert!(
        database.notes()[0].starts_with("1 digests"),
        "{:?}",
        database.notes()
    );
}

#[test]
fn owners_that_dpkg_lists_both_are_both_right() {
    let tree = Tree::new();
    tree.dir("usr/bin");
    tree.link("bin", "usr/bin");
    let lib = "Package: lib\nStatus: install ok installed\nMulti-Arch: same\nArchitecture";
    let a = "Package: a\nStatus: install ok installed\nArchitecture: all\n";
    tree.write(
        "var/lib/dpkg/status",
        format!("{lib}: amd64\n\n{lib}: i386\n\n{a}"),
    );
    package(&tree, "lib:amd64", "A  usr/doc\n", "/usr/doc\n");
    package(
        &tree,
        "lib:i386",
        "A  usr/doc\nA  bin/x\n",
        "/usr/doc\n/bin/x\n",
    );
    package(&tree, "a", "B  usr/bin/x\n", "/usr/bin/x\n");
    let database = load(&tree);
    assert_eq!(seen(&database), ["usr/bin/x B+ a", "usr/doc A lib:amd64"]);
    let first = database.iter().next().expect("two files");
    let digest = |hex: &str| Digest::Md5(md5sums::digest(hex.as_bytes()).expect("a digest"));
    assert!(first.accepts(&digest(A)) && first.accepts(&digest(B)));
    assert!(!first.accepts(&Digest::Md5([0; 16])));
}

#[test]
fn excluded_files_may_be_missing() {
    let tree = Tree::new();
    tree.write(
        "etc/dpkg/dpkg.cfg.d/docker",
        "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n",
    );
    status(&tree, &[("a", "installed", "")]);
    let files = ["usr/share/doc/a/copyright", "usr/share/doc/a/news"];
    package(
        &tree,
        "a",
        &files.map(|f| format!("A  {f}\n")).concat(),
        &files.map(|f| format!("/{f}\n")).concat(),
    );
    let database = load(&tree);
    assert_eq!(
        seen(&database),
        [
            "usr/share/doc/a/copyright A a",
            "usr/share/doc/a/news A a ?"
        ]
    );
    assert!(database.notes()[0].starts_with("1 file may be missing"));
}

#[test]
fn the_journal_counts_as_part_of_the_status_file() {
    let tree = Tree::new();
    status(&tree, &[("a", "installed", ""), ("b", "installed", "")]);
    for name in ["a", "b"] {
        package(
            &tree,
            name,
            &format!("A  usr/{name}\n"),
            &format!("/usr/{name}\n"),
        );
    }
    assert!(!Database::busy(&tree.root()));
    tree.write("var/lib/dpkg/updates/tmp.i", "");
    assert!(!Database::busy(&tree.root()));
    let update = "Package: a\nStatus: install ok half-installed\nArchitecture: amd64\n";
    tree.write("var/lib/dpkg/updates/0001", update);
    assert_eq!(seen(&load(&tree)), ["usr/b A b"]);
    assert!(Database::busy(&tree.root()));
}

#[test]
fn damage_is_named_and_the_rest_stands() {
    let tree = Tree::new();
    let names = ["binary", "cut", "dir", "empty", "gone", "meta", "whole"];
    status(&tree, &names.map(|name| (name, "installed", "")));
    tree.write("usr/empty", "");
    package(
        &tree,
        "binary",
        "A  usr/b\nnonsense\n\nA  ../up\nA  usr/a\0\nA  usr/c\n",
        "/usr/b\n/usr/c\n",
    );
    package(
        &tree,
        "cut",
        "A  usr/cut\nA  usr/cu",
        "/usr/cut\n/usr/cut2\n",
    );
    tree.dir("var/lib/dpkg/info/dir.md5sums");
    package(&tree, "empty", "", "/.\n/usr\n/usr/empty\n");
    tree.dir("usr/share/doc");
    package(&tree, "meta", "", "/.\n/usr\n/usr/share/doc\n");
    package(&tree, "whole", "A  usr/whole", "/usr/whole\n");
    let database = load(&tree);
    assert_eq!(
        seen(&database),
        [
            "usr/b A binary",
            "usr/c A binary",
            "usr/cut A cut",
            "usr/whole A whole"
        ]
    );
    let damaged: Vec<_> = database
        .damaged()
        .iter()
        .map(|d| {
            (
                d.file.trim_start_matches("/var/lib/dpkg/info/"),
                d.line,
                d.lines,
            )
        })
        .collect();
    let expected = [
        ("binary.md5sums", Some(2), 4),
        ("cut.md5sums", Some(2), 1),
        ("dir.md5sums", None, 0),
        ("empty.md5sums", None, 0),
        ("gone.md5sums", None, 0),
    ];
    assert_eq!(damaged, expected);
}

#[test]
fn names_of_any_bytes_survive() {
    let tree = Tree::new();
    status(&tree, &[("a", "installed", "")]);
    let names: [&[u8]; 4] = [
        b"usr/\xff\x01",
        b"usr/back\\slash",
        b"usr/sp  ace ",
        b"usr/\xc3\xa4",
    ];
    let line = |name: &&[u8]| [A.as_bytes(), b"  ", *name, b"\n"].concat();
    let mut digests: Vec<u8> = names.iter().flat_map(line).collect();
    digests.extend(format!("\\{A}  usr/new\\nline\n").bytes());
    tree.write("var/lib/dpkg/info/a.md5sums", digests);
    let listed = |name: &&[u8]| [b"/", *name, b"\n"].concat();
    tree.write(
        "var/lib/dpkg/info/a.list",
        names.iter().flat_map(listed).collect::<Vec<u8>>(),
    );
    let database = load(&tree);
    let mut expected: Vec<&[u8]> = names.to_vec();
    expected.push(b"usr/new\nline");
    expected.sort_unstable();
    assert_eq!(
        database.iter().map(|file| file.path).collect::<Vec<_>>(),
        expected
    );
    assert!(database.damaged().is_empty());
}

#[test]
fn a_database_behind_links_stays_inside_the_root() {
    let tree = Tree::new();
    let outside = Tree::new();
    status(&outside, &[("a", "installed", "")]);
    let target = outside.path("var/lib/dpkg");
    tree.link("var/lib/dpkg", target.to_str().expect("a plain name"));
    let error = Database::load_dpkg(&tree.root()).expect_err("nothing inside");
    assert_eq!(error.file, Some(tree.path("var/lib/dpkg/status")));
    // A link that stays inside is as good as a directory.
    let tree = Tree::new();
    status(&tree, &[("a", "installed", "")]);
    package(&tree, "a", "A  usr/a\n", "/usr/a\n");
    std::fs::rename(tree.path("var/lib/dpkg"), tree.path("var/dpkg")).expect("renamed");
    tree.link("var/lib/dpkg", "/../../var/dpkg");
    assert_eq!(seen(&load(&tree)), ["usr/a A a"]);
}

#[test]
fn giants_are_refused_without_eating_memory() {
    let tree = Tree::new();
    status(&tree, &[("a", "installed", ""), ("b", "installed", "")]);
    for name in ["a", "b"] {
        package(
            &tree,
            name,
            &format!("A  usr/{name}\n"),
            &format!("/usr/{name}\n"),
        );
    }
    let grow = |path: &str, size: u64| {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(tree.path(path));
        file.and_then(|file| file.set_len(size))
            .expect("a sparse file");
    };
    grow("var/lib/dpkg/info/a.md5sums", bounds::DPKG_LIST + 1);
    let database = load(&tree);
    assert_eq!(seen(&database), ["usr/b A b"]);
    assert_eq!(database.damaged()[0].file, "/var/lib/dpkg/info/a.md5sums");
    grow("var/lib/dpkg/status", bounds::DPKG_STATUS + 1);
    assert!(Database::load_dpkg(&tree.root()).is_err());
    assert!(!Database::busy(&tree.root()));
}

/// Whatever state the packages are in: each list is within its own bound, all together are not.
#[test]
fn lists_of_more_bytes_than_there_may_be_are_an_error() {
    for status in ["install ok installed", "install reinstreq half-installed"] {
        let tree = Tree::new();
        let mut text = String::new();
        for number in 0..=bounds::DPKG_LISTS / bounds::DPKG_LIST {
            text +=
                &format!("Package: p{number}\nStatus: {status}\nVersion: 1\nArchitecture: all\n\n");
            let path = format!("var/lib/dpkg/info/p{number}.list");
            tree.write(&path, "");
            let file = std::fs::OpenOptions::new()
                .write(true)
                .open(tree.path(&path));
            let grown = file.and_then(|file| file.set_len(bounds::DPKG_LIST));
            grown.expect("a sparse file");
        }
        tree.write("var/lib/dpkg/status", text);
        let error = Database::load_dpkg(&tree.root()).expect_err("an error");
        assert!(
            error.message.contains("more than 2147483648 bytes"),
            "{error}"
        );
    }
}

#[test]
fn a_list_that_is_cut_off_takes_nothing_away() {
    for list in ["", "/.\n/usr/a\n/usr"] {
        let tree = Tree::new();
        status(&tree, &[("a", "installed", "")]);
        package(&tree, "a", "A  usr/a\nB  usr/b\n", list);
        let database = load(&tree);
        assert_eq!(seen(&database), ["usr/a A a", "usr/b B a"]);
        assert_eq!(database.damaged()[0].file, "/var/lib/dpkg/info/a.list");
    }
}
