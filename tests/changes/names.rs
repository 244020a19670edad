//! Links, kinds of file, names that come and go, and directories.

use super::{change, each_is_found};
use harness::tree::Pristine;

#[rustfmt::skip]
#[test]
fn links() {
    each_is_found(&[
        ("retargeted, same length and time", "become bin/sh ln -s wall bin/sh", &["~ /bin/sh link"]),
        ("retargeted", "ln -sfn ../lib/zcat bin/sh", &["~ /bin/sh size mtime link"]),
        ("target in other letters", "become etc/mtab ln -s /Proc/self/mounts etc/mtab", &["~ /etc/mtab link"]),
        ("a dot more in the target", "become bin/sh ln -s ./tool bin/sh", &["~ /bin/sh size link"]),
        (
            "target odd",
            r"become etc/dangling ln -s $'n\n\xffhere' etc/dangling; chown -h 1000:1000 etc/dangling",
            &["~ /etc/dangling link"],
        ),
        ("target of a link changed", "keep bin/tool poke bin/tool 0 X", &["~ /bin/tool sha256"]),
        ("replaced by its target's contents", "become bin/sh cp bin/tool bin/sh", &["~ /bin/sh type mode size"]),
        (
            "replaced by a file that holds its target's name",
            "become bin/sh bash -c 'printf tool >bin/sh; chmod 0777 bin/sh'",
            &["~ /bin/sh type"],
        ),
        (
            "replaced by the directory that it led to",
            "become etc/tree cp -a lib/a etc/tree",
            &[
                "~ /etc/tree type mode nlink",
                "+ /etc/tree/b",
                "+ /etc/tree/b/c",
                "+ /etc/tree/b/c/d",
                "+ /etc/tree/b/c/d/deepest",
            ],
        ),
        (
            "file replaced by a link to a copy",
            "cp -a etc/passwd ..; become etc/passwd ln -s ../../passwd etc/passwd",
            &["~ /etc/passwd type mode size"],
        ),
        (
            "directory replaced by a link to a copy",
            "cp -a lib/a ..; become lib/a ln -s ../../a lib/a",
            &["~ /lib/a type mode nlink", "- /lib/a/b", "- /lib/a/b/c", "- /lib/a/b/c/d", "- /lib/a/b/c/d/deepest"],
        ),
        (
            "empty directory replaced by a link to itself",
            "become var/empty ln -s empty var/empty",
            &["~ /var/empty type mode nlink"],
        ),
        (
            "hard link broken",
            "cp -p bin/gzip ../gzip; mv ../gzip bin/gzip",
            &["~ /bin/gzip nlink", "~ /bin/gunzip nlink", "~ /lib/zcat nlink"],
        ),
        ("hard link added", "ln bin/tool lib/fool", &["+ /lib/fool", "~ /bin/tool nlink"]),
        ("hard link added out of sight", "ln bin/su ../su", &["~ /bin/su nlink"]),
        ("hard link to a symbolic link", "ln bin/sh bin/ash", &["+ /bin/ash", "~ /bin/sh nlink"]),
        ("hard link removed", "rm bin/gunzip", &["- /bin/gunzip", "~ /bin/gzip nlink", "~ /lib/zcat nlink"]),
        ("hard link moved", "mv lib/zcat bin/zcat", &["- /lib/zcat", "+ /bin/zcat"]),
        (
            "a name made to name another file",
            "ln -f bin/tool bin/gunzip",
            &["~ /bin/gunzip nlink sha256", "~ /bin/gzip nlink", "~ /lib/zcat nlink", "~ /bin/tool nlink"],
        ),
        ("two names of one file swapped", "swap bin/gzip bin/gunzip", &["~ /bin mtime"]),
        ("a name made to name the same file once more", "ln -f bin/gunzip bin/gzip", &["~ /bin mtime"]),
    ]);
}

#[rustfmt::skip]
#[test]
fn kinds() {
    each_is_found(&[
        ("minor number", "become dev/null mknod -m 0666 dev/null c 1 5", &["~ /dev/null device"]),
        ("major number", "become dev/disk mknod -m 0600 dev/disk b 7 1", &["~ /dev/disk device"]),
        (
            "a minor number beyond 16 bits",
            "become dev/disk mknod -m 0600 dev/disk b 8 70000",
            &["~ /dev/disk device"],
        ),
        ("numbers swapped", "become dev/disk mknod -m 0600 dev/disk b 1 8", &["~ /dev/disk device"]),
        (
            "character device made a block device",
            "become dev/null mknod -m 0666 dev/null b 1 3",
            &["~ /dev/null type"],
        ),
        (
            "device replaced by a file",
            "become dev/null bash -c ': >dev/null; chmod 0666 dev/null'",
            &["~ /dev/null type"],
        ),
        (
            "file replaced by an endless device",
            "become etc/passwd mknod -m 0644 etc/passwd c 1 5",
            &["~ /etc/passwd type"],
        ),
        (
            "file replaced by a device without driver",
            "become etc/passwd mknod -m 0644 etc/passwd b 200 9",
            &["~ /etc/passwd type"],
        ),
        ("file replaced by a named pipe", "become etc/passwd mkfifo -m 0644 etc/passwd", &["~ /etc/passwd type"]),
        ("file replaced by a socket", "become bin/tool socket bin/tool", &["~ /bin/tool type"]),
        ("file replaced by a directory", "become bin/tool mkdir bin/tool", &["~ /bin/tool type nlink"]),
        (
            "file replaced by a directory with something in it",
            "become bin/tool bash -c 'mkdir bin/tool; echo >bin/tool/x'",
            &["~ /bin/tool type nlink", "+ /bin/tool/x"],
        ),
        (
            "named pipe replaced by a file",
            "become tmp/pipe bash -c ': >tmp/pipe; chmod 0600 tmp/pipe'",
            &["~ /tmp/pipe type"],
        ),
        ("named pipe replaced by another", "become tmp/pipe mkfifo -m 0600 tmp/pipe", &["~ /tmp mtime"]),
        ("directory replaced by a file", "become var/empty cp bin/tool var/empty", &["~ /var/empty type nlink"]),
        (
            "directory replaced by a named pipe",
            "become var/empty mkfifo -m 0755 var/empty",
            &["~ /var/empty type nlink"],
        ),
        (
            "directory replaced by a file, with all that was in it",
            "become lib/a/b/c cp bin/tool lib/a/b/c",
            &["~ /lib/a/b/c type nlink", "- /lib/a/b/c/d", "- /lib/a/b/c/d/deepest"],
        ),
        ("named pipe added", "mkfifo etc/pipe", &["+ /etc/pipe"]),
        ("socket added", "socket tmp/socket", &["+ /tmp/socket"]),
        ("device added", "mknod tmp/mem c 1 1", &["+ /tmp/mem"]),
    ]);
}

/// Sockets are kept out of the tree for the sake of libarchive, which knows none.
#[test]
fn sockets() {
    let lab = Pristine::new().copy();
    change(&lab, "socket tmp/socket; touch -d @1 tmp/socket tmp");
    lab.create().expect(0);
    let found = |line| {
        change(&lab, line);
        lab.check(&[]).deviations().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(found(":"), [""; 0]);
    assert_eq!(found("chmod 0700 tmp/socket"), ["~ /tmp/socket mode"]);
    assert_eq!(
        found("chmod 0755 tmp/socket; chown 1000 tmp/socket"),
        ["~ /tmp/socket uid"]
    );
    assert_eq!(
        found("become tmp/socket socket tmp/socket"),
        ["~ /tmp mtime"]
    );
    assert_eq!(
        found("become tmp/socket mkfifo -m 0755 tmp/socket"),
        ["~ /tmp/socket type"]
    );
    assert_eq!(found("rm tmp/socket"), ["- /tmp/socket"]);
}

#[rustfmt::skip]
#[test]
fn names() {
    each_is_found(&[
        ("hidden file added", "echo >etc/.hidden", &["+ /etc/.hidden"]),
        ("file added at the root", "echo >new", &["+ /new"]),
        ("file added deep down", "echo >lib/a/b/c/d/new", &["+ /lib/a/b/c/d/new"]),
        ("file added to an empty directory", "echo >var/empty/new", &["+ /var/empty/new"]),
        ("first of a directory added", "echo >bin/aaa", &["+ /bin/aaa"]),
        ("last of a directory added", "echo >bin/zzz", &["+ /bin/zzz"]),
        ("last of the tree added", r"echo >$'\xff'", &["+ /\\xff"]),
        ("empty directory added", "mkdir etc/new", &["+ /etc/new"]),
        (
            "directory added with all that is in it",
            "mkdir -p etc/new/sub; echo >etc/new/sub/x; ln -s x etc/new/link",
            &["+ /etc/new", "+ /etc/new/link", "+ /etc/new/sub", "+ /etc/new/sub/x"],
        ),
        ("symbolic link added", "ln -s / etc/root", &["+ /etc/root"]),
        ("symbolic link to itself added", "ln -s loop etc/loop", &["+ /etc/loop"]),
        (
            "names beside a directory that sort around it added",
            "touch 'lib/a!' lib/a- lib/a1",
            &["+ /lib/a!", "+ /lib/a-", "+ /lib/a1"],
        ),
        ("name with a newline added", r"touch etc/$'a\nb'", &["+ /etc/a\nb"]),
        ("name with an escape sequence added", r"touch etc/$'\e[2J\e]0;x\a'", &["+ /etc/\u{1b}[2J\u{1b}]0;x\u{7}"]),
        ("name that is no UTF-8 added", r"touch etc/$'\xff\xfe'", &["+ /etc/\\xff\\xfe"]),
        ("name that only looks escaped added", r"touch etc/'\xff'", &["+ /etc/\\xff"]),
        ("name of a blank added", "touch 'etc/ '", &["+ /etc/ "]),
        ("name that looks like a way up added", "touch etc/... 'etc/.. '", &["+ /etc/...", "+ /etc/.. "]),
        ("name of glob characters added", "touch 'etc/*' 'etc/[' 'etc/?'", &["+ /etc/*", "+ /etc/[", "+ /etc/?"]),
        (
            "name that looks like a manifest's word added",
            "touch 'etc/x type=file' etc/#mtree",
            &["+ /etc/x type=file", "+ /etc/#mtree"],
        ),
        (
            "name of 255 bytes added",
            "touch etc/\"$(printf 'm%.0s' {1..255})\"",
            &[
                "+ /etc/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
            ],
        ),
        ("file removed", "rm etc/passwd", &["- /etc/passwd"]),
        ("first of a directory removed", "rm etc/README", &["- /etc/README"]),
        ("last of a directory removed", "rm etc/tree", &["- /etc/tree"]),
        ("last of the tree removed", "rm var/void", &["- /var/void"]),
        ("symbolic link removed", "rm etc/dangling", &["- /etc/dangling"]),
        ("named pipe removed", "rm tmp/pipe", &["- /tmp/pipe"]),
        ("device removed", "rm dev/null", &["- /dev/null"]),
        ("empty directory removed", "rmdir var/empty", &["- /var/empty"]),
        ("odd names removed", r"rm odd/$'byte\xff' odd/$'new\nline'", &["- /odd/byte\\xff", "- /odd/new\nline"]),
        (
            "all of a directory removed",
            "rm -r etc/conf.d/*",
            &["- /etc/conf.d/10-one", "- /etc/conf.d/20-two", "- /etc/conf.d/60-six"],
        ),
        (
            "directory removed with all that was in it",
            "rm -r etc/conf.d",
            &["- /etc/conf.d", "- /etc/conf.d/10-one", "- /etc/conf.d/20-two", "- /etc/conf.d/60-six"],
        ),
        (
            "last directory of another removed with all that was in it",
            "rm -r lib/a/b",
            &["- /lib/a/b", "- /lib/a/b/c", "- /lib/a/b/c/d", "- /lib/a/b/c/d/deepest"],
        ),
        ("renamed to other letters", "mv etc/readme etc/Readme", &["- /etc/readme", "+ /etc/Readme"]),
        (
            "names that differ only in letters swapped",
            "swap etc/readme etc/README",
            &["~ /etc/readme sha256", "~ /etc/README sha256"],
        ),
        (
            "two names swapped",
            "swap etc/conf.d/10-one etc/conf.d/60-six",
            &["~ /etc/conf.d/10-one sha256 xattrs", "~ /etc/conf.d/60-six sha256 xattrs"],
        ),
        ("renamed", "mv etc/passwd etc/passwd-", &["- /etc/passwd", "+ /etc/passwd-"]),
        ("moved to another directory", "mv etc/passwd var/passwd", &["- /etc/passwd", "+ /var/passwd"]),
        ("moved out", "mv etc/passwd ..", &["- /etc/passwd"]),
        (
            "directory renamed",
            "mv lib/a/b/c lib/a/b/C",
            &[
                "- /lib/a/b/c",
                "- /lib/a/b/c/d",
                "- /lib/a/b/c/d/deepest",
                "+ /lib/a/b/C",
                "+ /lib/a/b/C/d",
                "+ /lib/a/b/C/d/deepest",
            ],
        ),
        ("two directories swapped", "swap var/empty var/shared", &["~ /var/empty xattrs", "~ /var/shared xattrs"]),
        ("renamed and renamed back", "mv etc/passwd x; mv x etc/passwd; touch -r bin .", &["~ /etc mtime"]),
        ("replaced by an equal copy", "cp -a etc/passwd etc/new; mv etc/new etc/passwd", &["~ /etc mtime"]),
    ]);
}

#[rustfmt::skip]
#[test]
fn directories() {
    each_is_found(&[
        ("mode", "chmod 0750 etc", &["~ /etc mode"]),
        ("sticky dropped", "chmod 0777 tmp", &["~ /tmp mode"]),
        ("setgid set", "chmod g+s lib/a/b", &["~ /lib/a/b mode"]),
        ("owner", "chown 1000 etc", &["~ /etc uid"]),
        ("group", "chgrp 1000 etc", &["~ /etc gid"]),
        ("mode of the root", "chmod 0711 .", &["~ / mode"]),
        ("owner of the root", "chown 1000:1000 .", &["~ / uid gid"]),
        ("time set back", "touch -d @0 etc", &["~ /etc mtime"]),
        ("something came and went", "touch etc/.swp; rm etc/.swp", &["~ /etc mtime"]),
        ("a directory came and went", "mkdir etc/x; rmdir etc/x", &["~ /etc mtime"]),
        (
            "replaced by an equal copy",
            "cp -a lib/a/b/c lib/a/b/new; rm -r lib/a/b/c; mv lib/a/b/new lib/a/b/c",
            &["~ /lib/a/b mtime"],
        ),
        ("its time differs because of an entry that is told", "rm etc/passwd; touch etc", &["- /etc/passwd"]),
        ("its time is restored after an entry was added", "keep etc touch etc/new", &["+ /etc/new"]),
        ("mode, and an entry added", "chmod 0777 etc; touch etc/new", &["~ /etc mode", "+ /etc/new"]),
        ("owner, and an entry removed", "chown 1000 etc; rm etc/tree", &["~ /etc uid", "- /etc/tree"]),
        (
            "an entry's own finding is no reason for the directory two above",
            "touch lib/a; chmod 0600 lib/a/b/c/d/deepest",
            &["~ /lib/a mtime", "~ /lib/a/b/c/d/deepest mode"],
        ),
        (
            "what is removed last in a directory is no reason for the one above",
            "touch lib/a; rm lib/a/b/c/d/deepest",
            &["~ /lib/a mtime", "- /lib/a/b/c/d/deepest"],
        ),
        (
            "an excused directory is no reason for the one above",
            "touch lib/a/b/c/d/new; touch lib/a/b/c",
            &["~ /lib/a/b/c mtime", "+ /lib/a/b/c/d/new"],
        ),
        (
            "a finding beside it is no reason",
            "touch lib; chmod 0600 etc/passwd",
            &["~ /lib mtime", "~ /etc/passwd mode"],
        ),
        (
            "a directory's own finding is a reason for the one above",
            "chmod 0700 lib/a/b/c; touch lib/a/b",
            &["~ /lib/a/b/c mode"],
        ),
    ]);
}
