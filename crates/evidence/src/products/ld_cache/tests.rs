//! Against the real ldconfig, in trees with libraries of whatever runs this.

use super::*;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A tree with some libraries, a link for the linker and a directory of its own in ld.so.conf.d.
fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a directory");
    shell(
        tree.path(),
        "mkdir -p etc/ld.so.conf.d usr/lib/own usr/local/lib opt/evil var/cache/ldconfig; ln -s usr/lib lib
         printf 'include /etc/ld.so.conf.d/*.conf\\n' > etc/ld.so.conf
         printf '# own\\n/usr/local/lib\\n/usr/lib/own/\\n' > etc/ld.so.conf.d/own.conf; echo /gone > etc/ld.so.conf.d/z.conf
         libc=$(ldd /bin/sh | sed -n 's/.*libc.so.6 => \\([^ ]*\\) .*/\\1/p'); here=$(dirname $(readlink -f $libc))
         cp -L $here/libm.so.6 usr/lib/own/libm.so.6; cp -L $here/libdl.so.2 usr/lib/own/libdl-2.so
         cp -L $here/libm.so.6 usr/local/lib/libm.so.6; cp -L $here/libresolv.so.2 usr/lib/libresolv.so.2
         ln -s libresolv.so.2 usr/lib/libresolv.so; echo text > usr/lib/libtext.so; cp -L $here/libm.so.6 opt/evil/libm.so.6",
    );
    ldconfig(tree.path(), "");
    tree
}

fn shell(place: &Path, commands: &str) {
    let ran = Command::new("bash")
        .args(["-ec", commands])
        .current_dir(place)
        .output()
        .expect("bash");
    assert!(ran.status.success(), "{commands}: {ran:?}");
}

fn ldconfig(tree: &Path, more: &str) {
    shell(
        tree,
        &format!("PATH=$PATH:/usr/sbin:/sbin; ldconfig -r . {more}"),
    );
}

fn cache(tree: &Path) -> Vec<u8> {
    fs::read(tree.join("etc/ld.so.cache")).expect("a cache")
}

fn judged(tree: &Path, text: &[u8], broken: Option<&[u8]>) -> Result<usize, String> {
    let root = Root::open(tree).expect("a root");
    judge(&root, text, &mut |path| match Some(path) == broken {
        true => Err(format!("/{} is not as recorded", shown(path))),
        false => Ok(()),
    })
}

fn refused(judged: Result<usize, String>, words: &str) {
    let why = judged.expect_err(words);
    assert!(why.contains(words), "{why}");
}

#[test]
fn what_ldconfig_made_is_recomputed() {
    let tree = tree();
    let text = cache(tree.path());
    let entries = parse(&text).expect("whole");
    let paths: BTreeSet<String> = entries.iter().map(|entry| shown(&entry.path)).collect();
    for path in [
        "usr/local/lib/libm.so.6",
        "usr/lib/own/libm.so.6",
        "usr/lib/own/libdl.so.2",
        "lib/libresolv.so",
    ] {
        assert!(paths.contains(path), "{path}: {paths:?}");
    }
    assert_eq!(judged(tree.path(), &text, None), Ok(entries.len()));
    // Each library, each link to one, and each file of ld.so.conf must hold.
    for path in [
        &b"usr/lib/own/libdl-2.so"[..],
        b"usr/lib/own/libdl.so.2",
        b"usr/lib/libresolv.so.2",
        b"etc/ld.so.conf",
        b"etc/ld.so.conf.d/own.conf",
    ] {
        refused(
            judged(tree.path(), &text, Some(path)),
            &format!("/{} is not as recorded", shown(path)),
        );
    }
}

#[test]
fn a_library_of_nobodys_directories_is_refused() {
    let tree = tree();
    shell(
        tree.path(),
        "cp etc/ld.so.conf tmp.conf; echo /opt/evil >> tmp.conf; sed -i '1h;1d;$G' tmp.conf",
    );
    ldconfig(tree.path(), "-f /tmp.conf");
    let words = "it names /opt/evil/libm.so.6, which lies in no directory of ld.so.conf's";
    refused(judged(tree.path(), &cache(tree.path()), None), words);
    // With a file of ld.so.conf.d for it, that file is what does not hold.
    shell(tree.path(), "echo /opt/evil > etc/ld.so.conf.d/a.conf");
    ldconfig(tree.path(), "");
    let broken = b"etc/ld.so.conf.d/a.conf";
    refused(
        judged(tree.path(), &cache(tree.path()), Some(broken)),
        "a.conf is not as recorded",
    );
}

#[test]
fn names_that_lead_elsewhere_and_names_left_out_are_refused() {
    let tree = tree();
    let whole = cache(tree.path());
    let replaced = |from: &[u8], to: &[u8]| {
        assert_eq!(from.len(), to.len());
        let mut text = whole.clone();
        let mut any = false;
        while let Some(at) = memchr::memmem::find(&text, from) {
            text[at..at + from.len()].copy_from_slice(to);
            any = true;
        }
        assert!(any);
        text
    };
    // As long as the other, and no library of that name.
    let elsewhere = replaced(b"/usr/lib/own/libdl.so.2", b"/usr/lib/own/libdX.so.2");
    refused(judged(tree.path(), &elsewhere, None), "ldconfig would not");
    // A name is the end of its path, so this one stands there twice.
    let swapped = replaced(b"/usr/lib/own/libdl.so.2\0", b"/usr/lib/own/libm.so.6\0\0");
    refused(judged(tree.path(), &swapped, None), "in another order");
    // One that is not in it, and two in another order.
    shell(
        tree.path(),
        "mv usr/lib/own/libdl-2.so kept; rm usr/lib/own/libdl.so.2",
    );
    ldconfig(tree.path(), "");
    let without = cache(tree.path());
    shell(tree.path(), "mv kept usr/lib/own/libdl.so.2");
    let words = "it does not name /usr/lib/own/libdl.so.2";
    refused(judged(tree.path(), &without, None), words);
    shell(
        tree.path(),
        "printf '/usr/lib/own\\n/usr/local/lib\\n/gone\\n' > other.conf",
    );
    ldconfig(tree.path(), "-f /other.conf");
    refused(
        judged(tree.path(), &cache(tree.path()), None),
        "in another order",
    );
}

#[test]
fn what_is_damaged_is_refused_and_never_panics() {
    let tree = tree();
    let whole = cache(tree.path());
    for cut in (0..whole.len()).step_by(41) {
        let _cut = parse(&whole[..cut]);
    }
    for at in 0..whole.len().min(600) {
        let mut text = whole.clone();
        text[at] ^= 0xff;
        let _mutated = parse(&text);
    }
    for text in [
        &b""[..],
        b"ld.so-1.7.0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        NEW,
    ] {
        refused(judged(tree.path(), text, None), "damaged");
    }
}

#[test]
fn more_libraries_than_any_host_has_are_refused() {
    let tree = tree();
    let count = bounds::LIBRARIES + 1;
    let mut text = NEW.to_vec();
    text.extend(u32::try_from(count).expect("small").to_le_bytes());
    text.resize(HEADER + count * ENTRY, 0);
    refused(judged(tree.path(), &text, None), "it names more than");
}
