//! One change at a time to a tree with one of everything: each is found, with exactly the attributes that
//! differ, and nothing else is reported.
// Long: one table of changes, each with what is told of it.

use harness::tree::Pristine;
use harness::{Lab, sha256};
use serde_json::{Value, json};
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

#[rustfmt::skip]
#[test]
fn contents() {
    each_is_found(&[
        ("one byte", "poke etc/passwd 0 X", &["~ /etc/passwd mtime sha256"]),
        ("same size, time restored", "keep etc/passwd poke etc/passwd 0 X", &["~ /etc/passwd sha256"]),
        ("last bit of a sparse file", r"keep lib/sparse poke lib/sparse 1048576 '\1'", &["~ /lib/sparse sha256"]),
        ("one bit in a hole", r"keep lib/sparse poke lib/sparse 700001 '\200'", &["~ /lib/sparse sha256"]),
        ("one byte far into a file", "keep lib/large poke lib/large 131072 X", &["~ /lib/large sha256"]),
        ("the last byte", "keep lib/large poke lib/large 299999 X", &["~ /lib/large sha256"]),
        ("appended", "echo more >>etc/passwd", &["~ /etc/passwd size mtime sha256"]),
        ("appended, time restored", "keep etc/passwd poke etc/passwd 32 X", &["~ /etc/passwd size sha256"]),
        ("appended where only that is allowed", "echo more >>var/log", &["~ /var/log size mtime sha256"]),
        ("truncated", "truncate -s 5 etc/passwd", &["~ /etc/passwd size mtime sha256"]),
        ("emptied", ": >etc/passwd", &["~ /etc/passwd size mtime sha256"]),
        ("empty file filled", "echo >var/void", &["~ /var/void size mtime sha256"]),
        ("grown by a hole", "keep lib/sparse truncate -s 1048578 lib/sparse", &["~ /lib/sparse size sha256"]),
        ("grown to a gibibyte and back", "truncate -s 1G var/void; truncate -s 0 var/void", &["~ /var/void mtime"]),
        ("written with the same bytes", "poke etc/passwd 0 root", &["~ /etc/passwd mtime"]),
        (
            "replaced by another file, as editors do",
            "sed -i s/root/toor/ etc/passwd",
            &["~ /etc/passwd mtime sha256"],
        ),
        (
            "contents of two files swapped",
            "(cp etc/conf.d/20-two ../two; keep etc/conf.d/20-two cp etc/conf.d/60-six etc/conf.d/20-two
              keep etc/conf.d/60-six cp ../two etc/conf.d/60-six)",
            &["~ /etc/conf.d/20-two sha256", "~ /etc/conf.d/60-six sha256"],
        ),
        (
            "contents of a file with three names",
            "poke lib/zcat 0 X",
            &["~ /bin/gzip mtime sha256", "~ /bin/gunzip mtime sha256", "~ /lib/zcat mtime sha256"],
        ),
        (
            "the file behind an odd name",
            r"keep odd/$'both\n\\ways' poke odd/$'both\n\\ways' 0 X",
            &["~ /odd/both\n\\ways sha256"],
        ),
        (
            "the file in a directory with an odd name",
            r"echo >>odd/$'dir\xfe\n'/in",
            &["~ /odd/dir\\xfe\n/in size mtime sha256"],
        ),
        ("holes filled with zeros", "cp --sparse=never lib/sparse ../x; keep lib/sparse cp ../x lib/sparse", &[]),
        ("same bytes, time restored", "keep etc/passwd poke etc/passwd 0 root", &[]),
        ("only read", "find . -type f -exec cat {} + >/dev/null; touch -a etc/passwd", &[]),
    ]);
}

#[rustfmt::skip]
#[test]
fn times() {
    each_is_found(&[
        ("one nanosecond on", "touch -d '2024-02-29 12:34:56.123456790Z' etc/passwd", &["~ /etc/passwd mtime"]),
        ("one nanosecond back", "touch -d '2024-02-29 12:34:56.123456788Z' etc/passwd", &["~ /etc/passwd mtime"]),
        ("one second on", "touch -d '2024-02-29 12:34:57.123456789Z' etc/passwd", &["~ /etc/passwd mtime"]),
        ("before 1970", "touch -d '1969-12-31 23:59:59.5Z' etc/passwd", &["~ /etc/passwd mtime"]),
        ("far ahead", "touch -d '2400-01-01Z' etc/passwd", &["~ /etc/passwd mtime"]),
        ("of a symbolic link", "touch -h etc/mtab", &["~ /etc/mtab mtime"]),
        ("of a named pipe", "touch tmp/pipe", &["~ /tmp/pipe mtime"]),
        ("of a device node", "touch dev/disk", &["~ /dev/disk mtime"]),
        ("of a directory", "touch var/empty", &["~ /var/empty mtime"]),
        ("of the root", "touch .", &["~ / mtime"]),
    ]);
}

#[rustfmt::skip]
#[test]
fn permissions_and_owners() {
    each_is_found(&[
        ("mode", "chmod 0604 etc/shadow", &["~ /etc/shadow mode"]),
        ("setuid set", "chmod u+s bin/tool", &["~ /bin/tool mode"]),
        ("setgid set", "chmod g+s bin/tool", &["~ /bin/tool mode"]),
        ("sticky set", "chmod +t bin/tool", &["~ /bin/tool mode"]),
        ("setuid dropped", "chmod u-s bin/su", &["~ /bin/su mode"]),
        ("owner", "chown 1000 etc/passwd", &["~ /etc/passwd uid"]),
        ("an owner beyond 31 bits", "chown 4000000000 etc/passwd", &["~ /etc/passwd uid"]),
        ("group", "chgrp 4 etc/shadow", &["~ /etc/shadow gid"]),
        ("owner and group", "chown 0:0 home/alice/.profile", &["~ /home/alice/.profile uid gid"]),
        ("owner of a setuid program", "chown 1000 bin/su; chmod 4755 bin/su", &["~ /bin/su uid"]),
        ("owner of a symbolic link", "chown -h 1000 bin/sh", &["~ /bin/sh uid"]),
        ("group of a symbolic link", "chgrp -h 0 etc/dangling", &["~ /etc/dangling gid"]),
        ("mode of a named pipe", "chmod 0666 tmp/pipe", &["~ /tmp/pipe mode"]),
        ("mode of a device node", "chmod 0666 dev/disk", &["~ /dev/disk mode"]),
        ("owner of a device node", "chown 1000:6 dev/disk", &["~ /dev/disk uid gid"]),
        (
            "mode of a file with three names",
            "chmod 0777 bin/gzip",
            &["~ /bin/gzip mode", "~ /bin/gunzip mode", "~ /lib/zcat mode"],
        ),
        ("mode of a file with an odd name", r"chmod 0666 odd/$'byte\xff'", &["~ /odd/byte\\xff mode"]),
        ("mode set to what it was", "chmod 0600 etc/shadow; chmod 0640 etc/shadow", &[]),
    ]);
}

#[rustfmt::skip]
#[test]
fn extended_attributes() {
    each_is_found(&[
        ("capability given", "setcap cap_setuid+ep bin/tool", &["~ /bin/tool xattrs"]),
        ("capability taken", "setcap -r bin/ping", &["~ /bin/ping xattrs"]),
        ("capability changed", "setcap cap_net_raw,cap_sys_admin+ep bin/ping", &["~ /bin/ping xattrs"]),
        ("capability lost with the owner", "chown 1000 bin/ping", &["~ /bin/ping uid xattrs"]),
        ("capability lost by a write", "keep bin/ping poke bin/ping 0 X", &["~ /bin/ping sha256 xattrs"]),
        ("ACL given", "setfacl -m u:1000:r etc/passwd", &["~ /etc/passwd xattrs"]),
        ("ACL that widens the mode", "setfacl -m u:1000:rw etc/passwd", &["~ /etc/passwd mode xattrs"]),
        ("ACL changed", "setfacl -n -m u:1000:rw etc/hosts", &["~ /etc/hosts xattrs"]),
        ("ACL for somebody else", "setfacl -x u:1000 -m u:1001:r etc/hosts", &["~ /etc/hosts xattrs"]),
        ("ACL taken", "setfacl -b etc/hosts", &["~ /etc/hosts xattrs"]),
        ("ACL of a directory", "setfacl -m u:1000:rx lib", &["~ /lib xattrs"]),
        ("default ACL given", "setfacl -m d:u:1000:rx lib/a/b", &["~ /lib/a/b xattrs"]),
        ("default ACL changed", "setfacl -m d:g:1000:rwx var/shared", &["~ /var/shared xattrs"]),
        ("default ACL taken", "setfacl -k var/shared", &["~ /var/shared xattrs"]),
        ("attribute given", "setfattr -n user.mark -v x etc/passwd", &["~ /etc/passwd xattrs"]),
        ("attribute without value given", "setfattr -n user.mark etc/passwd", &["~ /etc/passwd xattrs"]),
        ("attribute changed", "setfattr -n user.note -v eno etc/conf.d/10-one", &["~ /etc/conf.d/10-one xattrs"]),
        ("attribute emptied", "setfattr -n user.note etc/conf.d/10-one", &["~ /etc/conf.d/10-one xattrs"]),
        ("attribute taken", "setfattr -x user.other etc/conf.d/20-two", &["~ /etc/conf.d/20-two xattrs"]),
        (
            "attribute renamed",
            "setfattr -x user.note etc/conf.d/10-one; setfattr -n user.Note -v one etc/conf.d/10-one",
            &["~ /etc/conf.d/10-one xattrs"],
        ),
        (
            "values of two attributes swapped",
            "setfattr -n user.note -v 0x00ff0a2c etc/conf.d/20-two; setfattr -n user.other -v two etc/conf.d/20-two",
            &["~ /etc/conf.d/20-two xattrs"],
        ),
        (
            "a value of three kilobytes",
            "setfattr -n user.mark -v \"$(head -c 3000 /dev/zero | tr '\\0' x)\" etc/passwd",
            &["~ /etc/passwd xattrs"],
        ),
        (
            "attribute with an odd name",
            r"setfattr -n $'user.a,b=c d\n\xff%' -v x etc/passwd",
            &["~ /etc/passwd xattrs"],
        ),
        ("attribute of a directory", "setfattr -n user.mark -v x var/empty", &["~ /var/empty xattrs"]),
        ("attribute of the root", "setfattr -n user.mark -v x .", &["~ / xattrs"]),
        (
            "attribute of a symbolic link",
            "setfattr -h -n security.mark -v x etc/dangling",
            &["~ /etc/dangling xattrs"],
        ),
        ("attribute of a named pipe", "setfattr -n security.mark -v x tmp/pipe", &["~ /tmp/pipe xattrs"]),
        ("ACL of a device node", "setfacl -m u:1000:rw dev/null", &["~ /dev/null xattrs"]),
        ("attributes that are not recorded", "setfattr -n trusted.mark -v x etc/passwd", &[]),
        ("attribute set to what it was", "setfattr -n user.note -v one etc/conf.d/10-one", &[]),
    ]);
}

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

#[rustfmt::skip]
#[test]
fn flags() {
    each_is_found(&[
        ("immutable", "chattr +i etc/passwd", &["~ /etc/passwd flags"]),
        ("no longer immutable", "chattr -i etc/keys/host.key", &["~ /etc/keys/host.key flags"]),
        ("append only", "chattr +a etc/passwd", &["~ /etc/passwd flags"]),
        ("no longer append only", "chattr -a var/log", &["~ /var/log flags"]),
        ("append only made immutable", "chattr =i var/log", &["~ /var/log flags"]),
        ("no dump", "chattr +d etc/passwd", &["~ /etc/passwd flags"]),
        ("immutable directory", "chattr +i etc/conf.d", &["~ /etc/conf.d flags"]),
        ("append only directory", "chattr +a etc/conf.d", &["~ /etc/conf.d flags"]),
        ("flag of a directory taken", "chattr -A lib/a", &["~ /lib/a flags"]),
        ("immutable root", "chattr +i .", &["~ / flags"]),
        (
            "immutable lifted for an edit and set again",
            "chattr -i etc/keys/host.key; keep etc/keys/host.key poke etc/keys/host.key 0 X; chattr +i etc/keys/host.key",
            &["~ /etc/keys/host.key sha256"],
        ),
        ("flags that the file system keeps for itself", "chattr -e etc/passwd", &[]),
        ("flag set to what it was", "chattr -d lib/large; chattr +d lib/large", &[]),
    ]);
}

/// Each letter of chattr(1) that ext4 keeps, on a file and on a directory; but for `j`, which needs a
/// capability (CAP_SYS_RESOURCE) that root in a container seldom has.
#[test]
fn every_flag_that_ext4_keeps() {
    let lab = Pristine::new().recorded();
    let letters = |path: &str, all: &str| -> Vec<String> {
        all.chars()
            .map(|letter| format!("{letter} {path}"))
            .collect()
    };
    for case in [
        letters("etc/passwd", "iaAcdStu"),
        letters("var/empty", "iaAcdDStuT"),
    ]
    .concat()
    {
        let path = &case[2..];
        change(
            &lab,
            &format!(
                "chattr +{case}; lsattr -d {path} | cut -d ' ' -f 1 | grep -q {}",
                &case[..1]
            ),
        );
        let found = lab.check(&[]).expect(1).deviations();
        change(&lab, &format!("chattr -{case}"));
        assert_eq!(
            found,
            BTreeSet::from([format!("~ /{path} flags")]),
            "{case}"
        );
    }
    lab.check(&[]).expect(0);
}

/// `expected` and `observed` of the one finding that a change makes.
#[test]
fn evidence_says_what_was_and_what_is() {
    let xattrs = |value: &str| json!({"xattrs": {"user.note": sha256(value.as_bytes())}});
    let cases: [(&str, Value, Value); 12] = [
        (
            "chmod u+s bin/tool",
            json!({"mode": "0755"}),
            json!({"mode": "4755"}),
        ),
        (
            "chown 4000000000:7 etc/passwd",
            json!({"uid": 0, "gid": 0}),
            json!({"uid": 4_000_000_000u32, "gid": 7}),
        ),
        (
            "keep var/void truncate -s 3 var/void",
            json!({"size": 0, "sha256": sha256(b"")}),
            json!({"size": 3, "sha256": sha256(&[0; 3])}),
        ),
        (
            "touch -d '2024-02-29 12:34:56.12345679Z' etc/passwd",
            json!({"mtime": "2024-02-29T12:34:56.123456789Z"}),
            json!({"mtime": "2024-02-29T12:34:56.123456790Z"}),
        ),
        (
            "touch -d '1969-12-31 23:59:59.5Z' etc/passwd",
            json!({"mtime": "2024-02-29T12:34:56.123456789Z"}),
            json!({"mtime": "1969-12-31T23:59:59.500000000Z"}),
        ),
        (
            "become bin/sh ln -s $'a\\xff\\nb' bin/sh",
            json!({"link": "tool"}),
            json!({"link": "a\\xff\nb"}),
        ),
        (
            "ln bin/tool ../tool",
            json!({"nlink": 1}),
            json!({"nlink": 2}),
        ),
        (
            "setfattr -n user.note -v eno etc/conf.d/10-one",
            xattrs("one"),
            xattrs("eno"),
        ),
        (
            "setfattr -x user.note etc/conf.d/10-one",
            xattrs("one"),
            json!({"xattrs": {}}),
        ),
        (
            "chattr +d var/log",
            json!({"flags": "a"}),
            json!({"flags": "ad"}),
        ),
        (
            "become dev/null mknod -m 0666 dev/null c 1 70000",
            json!({"device": "1:3"}),
            json!({"device": "1:70000"}),
        ),
        (
            "become etc/passwd mkfifo -m 0644 etc/passwd",
            json!({"type": "file"}),
            json!({"type": "fifo"}),
        ),
    ];
    let pristine = Pristine::new();
    for (line, expected, observed) in cases {
        let lab = pristine.recorded();
        change(&lab, line);
        let findings = lab.check(&[]).expect(1).findings();
        assert_eq!(findings.len(), 1, "{line}: {findings:#?}");
        assert_eq!(findings[0]["expected"], expected, "{line}");
        assert_eq!(findings[0]["observed"], observed, "{line}");
    }
}

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
