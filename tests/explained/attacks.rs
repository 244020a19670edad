//! What an intruder who is root does to look like an update keeps its full severity.

use super::repository::{Repository, keeps, on};

#[test]
fn an_edited_program_with_forged_sums() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    repository.run(
        "cd $ROOT; echo evil >> usr/bin/tool; sed -i \"s/^[0-9a-f]*  usr.bin.tool/$(md5sum usr/bin/tool | cut -c1-32)  usr\\/bin\\/tool/\" \
         var/lib/dpkg/info/tool.md5sums; md5sum -c --quiet var/lib/dpkg/info/tool.md5sums",
    );
    let finding = on(&repository.check().expect(1), "/usr/bin/tool");
    keeps(
        &finding,
        None,
        "it is not what the installed package shipped",
    );
    // Without the package there is only the forged word.
    repository.run("rm $ROOT/var/cache/apt/archives/*.deb");
    let finding = on(&repository.check().expect(1), "/usr/bin/tool");
    keeps(
        &finding,
        Some("md5"),
        "no signature by a recorded key vouches for it",
    );
}

#[test]
fn a_package_of_ones_own_with_a_higher_version() {
    let repository = Repository::new();
    repository.run(
        "mkdir $PLACE/own; TO=$PLACE/own make tool 9.0; cp $PLACE/own/*.deb $ROOT/var/cache/apt/archives
         dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log --force-confnew -i $PLACE/own/*.deb",
    );
    let ran = repository.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("md5"),
        "no .deb of tool 9.0",
    );
    // A list of ones own that names it, and nobody signed.
    repository.run(
        "cd $PLACE/own; dpkg-scanpackages -m . > Packages 2> /dev/null; l=$(ls $ROOT/var/lib/apt/lists/*InRelease)
         cp Packages ${l%InRelease}Packages; rm -f ${l%InRelease}Packages.lz4
         sed -i \"s/^ [0-9a-f]* [0-9]* Packages/ $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages/\" $l",
    );
    keeps(
        &on(&repository.check().expect(1), "/usr/bin/tool"),
        Some("md5"),
        "no signed list vouches",
    );
}

#[test]
fn a_package_of_ones_own_that_owns_a_new_file() {
    let repository = Repository::new();
    repository.run(
        "mkdir $PLACE/own; TO=$PLACE/own make helper 1.0; dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log -i $PLACE/own/*.deb",
    );
    let finding = on(&repository.check().expect(1), "/usr/bin/helper");
    assert_eq!(finding["check"], "files.added");
    keeps(&finding, Some("md5"), "no signature by a recorded key");
}

#[test]
fn an_old_signed_version() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    std::fs::remove_file(repository.lab.manifest()).expect("recorded anew");
    repository.lab.create().expect(0);
    repository.run("apt install --allow-downgrades tool=1.0");
    let finding = on(&repository.check().expect(1), "/usr/bin/tool");
    keeps(
        &finding,
        Some("signed"),
        "the package is older than it was before: it was 1.1",
    );
}

#[test]
fn a_key_that_was_added_and_a_package_signed_by_it() {
    let repository = Repository::new();
    repository.run(
        "key intruder $ROOT/etc/apt/trusted.gpg.d/intruder.gpg
         make tool 2.0; publish intruder; apt update; apt install tool=2.0",
    );
    let ran = repository.check().expect(1);
    let key = on(&ran, "/etc/apt/trusted.gpg.d/intruder.gpg");
    assert_eq!(key["severity"], "critical", "{key}");
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("md5"),
        "none of the keys made its signatures",
    );
    // Put in place of the one that was recorded it is none either.
    repository.run("cd $ROOT/etc/apt/trusted.gpg.d; mv intruder.gpg distribution.gpg");
    let ran = repository.check().expect(1);
    assert_eq!(
        on(&ran, "/etc/apt/trusted.gpg.d/distribution.gpg")["severity"],
        "critical"
    );
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("md5"),
        "no keyring that apt goes by is as recorded",
    );
}

#[test]
fn a_source_that_was_added() {
    let repository = Repository::new();
    repository.run("echo '# one more' > $ROOT/etc/apt/sources.list.d/more.list");
    repository.upgrade("1.1", "");
    let ran = repository.check().expect(1);
    assert_eq!(
        on(&ran, "/etc/apt/sources.list.d/more.list")["severity"],
        "critical"
    );
    let words = "a source or setting of the package manager is not as recorded: /etc/apt/sources.list.d/more.list was added";
    keeps(&on(&ran, "/usr/bin/tool"), Some("signed"), words);
}

#[test]
fn a_package_exchanged_in_the_cache() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    repository.run(
        "mkdir $PLACE/own; TO=$PLACE/own make tool 1.1 'echo evil >> usr/bin/tool'
         cp $PLACE/own/tool_1.1_all.deb $ROOT/var/cache/apt/archives/tool_1.1_all.deb
         dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log --force-confnew -i $PLACE/own/tool_1.1_all.deb",
    );
    keeps(
        &on(&repository.check().expect(1), "/usr/bin/tool"),
        Some("md5"),
        "no .deb of tool 1.1",
    );
}

#[test]
fn what_no_package_has_is_explained_by_none() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    repository.run("cd $ROOT; echo cache > etc/ld.so.cache; mkdir -p etc/alternatives; ln -s /tmp/evil etc/alternatives/tool");
    let ran = repository.check().expect(1);
    for path in ["/etc/ld.so.cache", "/etc/alternatives/tool"] {
        let finding = on(&ran, path);
        keeps(
            &finding,
            None,
            "nothing says what the installed package shipped there: ",
        );
    }
}

/// `accept --explained` takes what a signature explains and nothing else, with `--seen` and without.
#[test]
fn accepting_what_is_explained_on_a_host_with_forged_sums() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    repository.run(
        "cd $ROOT; echo evil >> usr/bin/tool; sed -i \"s/^[0-9a-f]*  usr.bin.tool/$(md5sum usr/bin/tool | cut -c1-32)  usr\\/bin\\/tool/\" \
         var/lib/dpkg/info/tool.md5sums",
    );
    let lab = &repository.lab;
    let place = |name: &str| lab.path().join(name).display().to_string();
    let (seen, amendment) = (place("seen.json"), place("accepted.mtree"));
    let report = lab.check(&["--output", &seen]);
    report.expect(1);
    let (root, manifest) = (place("root"), place("manifest.mtree"));
    let common = [
        "baseline",
        "accept",
        "--explained",
        "--reason",
        "the update",
        "--output",
    ];
    let of = [
        amendment.as_str(),
        "--portable",
        "--root",
        &root,
        "--manifest",
        &manifest,
    ];
    let accept = |more: &[&str]| harness::agent([&common[..], &of, more].concat());
    accept(&[]).expect(0);
    let text = std::fs::read_to_string(&amendment).expect("an amendment");
    assert!(
        text.contains("/usr/lib/tool/data ") && text.contains("/etc/tool.conf "),
        "{text}"
    );
    assert!(!text.contains("/usr/bin/tool "), "{text}");
    std::fs::remove_file(&amendment).expect("again");
    // What has changed since is explained no longer, and not accepted.
    repository.run("echo more >> $ROOT/usr/lib/tool/data");
    accept(&["--seen", &seen]).expect(0);
    let text = std::fs::read_to_string(&amendment).expect("an amendment");
    assert!(
        !text.contains("/usr/lib/tool/data ") && text.contains("/etc/tool.conf "),
        "{text}"
    );
    assert!(!text.contains("/usr/bin/tool "), "{text}");
}

/// A distribution signs all of its suites by the same keys.
#[test]
fn another_suite_than_the_sources_name() {
    let repository = Repository::new();
    repository.run(
        "mv $PLACE/repo $PLACE/kept; mkdir $PLACE/repo; make tool 5.6 'echo evil >> usr/bin/tool'; publish distribution
         cd $ROOT; lists=var/lib/apt/lists/mirror.example_debian_dists_sid
         for file in InRelease Packages; do cp $PLACE/repo/$file ${lists}_$file; done
         cp $PLACE/repo/tool_5.6_all.deb var/cache/apt/archives/
         dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log --force-confnew -i var/cache/apt/archives/tool_5.6_all.deb",
    );
    let finding = on(&repository.check().expect(1), "/usr/bin/tool");
    keeps(
        &finding,
        Some("md5"),
        "no source of apt's names its suite (test)",
    );
}

/// What the image had otherwise than its package, nobody updated.
#[test]
fn what_is_put_back_to_what_the_recorded_package_ships() {
    let repository = Repository::new();
    std::fs::remove_file(repository.lab.manifest()).expect("recorded anew");
    repository.lab.shell("echo hardened > etc/tool.conf");
    repository.lab.create().expect(0);
    repository.run("dpkg-deb -x $PLACE/repo/tool_1.0_all.deb $PLACE/x; cp $PLACE/x/etc/tool.conf $ROOT/etc/tool.conf");
    let finding = on(&repository.check().expect(1), "/etc/tool.conf");
    keeps(
        &finding,
        Some("signed"),
        "the package is the version that was recorded",
    );
}

/// Root writes what is diverted: a file of another package in the place of one, and the table that says that it belongs there.
#[test]
fn diversions_that_nobody_recorded() {
    let repository = Repository::covering(
        "[[paths]]\npath = \"/var/lib/dpkg/diversions\"\nseverity = \"medium\"\n",
    );
    repository.upgrade(
        "1.1",
        "echo other > usr/bin/harmless; chmod 755 usr/bin/harmless",
    );
    repository.run(
        "cp -p $ROOT/usr/bin/harmless $ROOT/usr/bin/tool
         printf '%s\\n' /usr/bin/tool /usr/bin/tool.x other /usr/bin/harmless /usr/bin/tool other > $ROOT/var/lib/dpkg/diversions",
    );
    let finding = on(&repository.check().expect(1), "/usr/bin/tool");
    keeps(
        &finding,
        None,
        "it is not what the installed package shipped",
    );
}
