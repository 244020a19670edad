//! What maintainer scripts make is explained by what it is made of, each of which must be recorded or signed.

use super::repository::{Repository, keeps, on, verdict};

/// A tree with a package `lib` of one library, its ld.so.cache and an initrd, recorded. Its version 1.1 brings one more,
/// and registers an alternative.
fn repository() -> Repository {
    let repository = Repository::new();
    repository.lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"high\"\n[[paths]]\npath = \"/etc\"\nseverity = \"high\"\n\
         [[paths]]\npath = \"/boot\"\nseverity = \"high\"\n",
    );
    repository.run(
        "cd $ROOT; mkdir -p boot opt tmp etc/ld.so.conf.d etc/alternatives var/cache/ldconfig var/lib/dpkg/alternatives
         printf 'include /etc/ld.so.conf.d/*.conf\\n' > etc/ld.so.conf; echo /usr/lib/lib > etc/ld.so.conf.d/lib.conf
         here=$(dirname $(readlink -f $(ldd /bin/sh | sed -n 's/.*libc.so.6 => \\([^ ]*\\) .*/\\1/p')))
         cp -L $here/libm.so.6 $here/libresolv.so.2 $PLACE; echo init > init; bsdtar --format newc -cf boot/initrd.img-1 init
         make lib 1.0 \"cp $PLACE/libm.so.6 usr/lib/lib\"
         make lib 1.1 \"cp $PLACE/lib*.so.* usr/lib/lib; echo >> usr/lib/lib/libm.so.6
           printf '#!/bin/sh\\nupdate-alternatives --install /usr/bin/pager pager /usr/bin/lib 50\\n' > DEBIAN/postinst
           chmod 755 DEBIAN/postinst\"
         publish distribution; apt update; apt install lib=1.0; /sbin/ldconfig -r $ROOT",
    );
    std::fs::remove_file(repository.lab.manifest()).expect("recorded anew");
    repository.lab.create().expect(0);
    repository.run(
        "apt -o DPkg::Options::=--force-script-chrootless install lib=1.1; /sbin/ldconfig -r $ROOT",
    );
    repository
}

#[test]
fn what_is_made_of_signed_files_is_explained_and_of_others_is_not() {
    let repository = repository();
    let ran = repository.check().expect(1);
    let paths = [
        "/etc/ld.so.cache",
        "/etc/alternatives/pager",
        "/usr/bin/pager",
    ];
    for path in paths {
        let finding = on(&ran, path);
        let signed = ("low".into(), Some("high".into()), Some("signed".into()));
        assert_eq!(verdict(&finding), signed, "{finding}");
    }
    let by = &on(&ran, "/etc/ld.so.cache")["explained_by"];
    let reason = by["reason"].as_str().unwrap_or_default();
    assert_eq!(
        reason,
        "recomputed: each of the 2 libraries that it names is as recorded or signed"
    );
    assert_eq!(on(&ran, "/usr/bin/pager")["explained_by"]["package"], "lib");

    // Registered by somebody else: at a program of nobody's, and at one that is as recorded.
    for target in ["/tmp/evil", "/usr/bin/other"] {
        repository.run(&format!(
            "touch $ROOT/tmp/evil; DPKG_ROOT=$ROOT update-alternatives --quiet --install /usr/bin/pager pager {target} 99
             DPKG_ROOT=$ROOT update-alternatives --quiet --set pager {target}"
        ));
        let ran = repository.check().expect(1);
        let words = "no signed maintainer script registers an alternative with that target";
        keeps(&on(&ran, "/etc/alternatives/pager"), None, words);
        let words = "/etc/alternatives/pager is neither as recorded nor explained by a signature";
        keeps(&on(&ran, "/usr/bin/pager"), None, words);
    }
    // The program behind a registered link was edited.
    repository.run(
        "echo evil >> $ROOT/usr/bin/lib; DPKG_ROOT=$ROOT update-alternatives --quiet --set pager /usr/bin/lib",
    );
    let words = "/usr/bin/lib is neither as recorded nor explained by a signature";
    let ran = repository.check().expect(1);
    keeps(&on(&ran, "/etc/alternatives/pager"), None, words);

    // One library more, of one's own: by a directory of ld.so.conf's, and by a cache made elsewhere.
    repository.run(
        "cd $ROOT; mkdir opt/evil; cp $PLACE/libm.so.6 opt/evil; echo /opt/evil > etc/ld.so.conf.d/evil.conf
         /sbin/ldconfig -r $ROOT",
    );
    let ran = repository.check().expect(1);
    let words = "/etc/ld.so.conf.d/evil.conf is neither as recorded nor";
    keeps(&on(&ran, "/etc/ld.so.cache"), None, words);
    repository.run("rm $ROOT/etc/ld.so.conf.d/evil.conf");
    let ran = repository.check().expect(1);
    let words = "/opt/evil/libm.so.6, which lies in no directory of ld.so.conf's";
    keeps(&on(&ran, "/etc/ld.so.cache"), None, words);
    // A library that was edited.
    repository.run("echo evil >> $ROOT/usr/lib/lib/libresolv.so.2; /sbin/ldconfig -r $ROOT");
    let ran = repository.check().expect(1);
    let words = "/usr/lib/lib/libresolv.so.2 is neither as recorded nor";
    keeps(&on(&ran, "/etc/ld.so.cache"), None, words);

    // An initrd with one more file.
    repository
        .run("cd $ROOT; echo evil > evil; bsdtar --format newc -cf boot/initrd.img-1 init evil");
    let ran = repository.check().expect(1);
    let words = "an initrd is made on the host";
    keeps(&on(&ran, "/boot/initrd.img-1"), None, words);
}
