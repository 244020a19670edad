//! Contents, times, permissions, extended attributes, flags.

use super::{change, each_is_found};
use harness::tree::Pristine;
use std::collections::BTreeSet;

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
