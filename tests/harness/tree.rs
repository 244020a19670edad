//! A small tree with one of everything that a host may hold, to be recorded, changed and checked.

use super::{Lab, run, shell};
use std::process::Command;

/// Builds the tree. Every time is the same and lies in the past, so that a change shows whenever it is made.
///
/// Names beside each other are chosen so that byte order and the order of a walk differ (`a`, `a-b`, `a.d`),
/// and so that none is a pattern that fits another: NetBSD's mtree would take it for one.
const BUILD: &str = r#"
umask 022
mkdir -p bin dev etc/conf.d etc/keys home/alice/.ssh lib/a/b/c/d odd tmp var/empty var/shared

printf 'root:x:0:0:root:/root:/bin/bash\n' >etc/passwd
printf 'root:*:19000:0:99999:7:::\n' >etc/shadow
printf '127.0.0.1 localhost\n' >etc/hosts
printf 'one\n' >etc/conf.d/10-one
printf 'two\n' >etc/conf.d/20-two
printf 'six\n' >etc/conf.d/60-six
printf 'lower\n' >etc/readme
printf 'UPPER\n' >etc/README
printf 'private\n' >etc/keys/host.key
printf 'alias l=ls\n' >home/alice/.profile
printf 'ssh-ed25519 AAAA\n' >home/alice/.ssh/authorized_keys
printf 'nested\n' >lib/a/b/c/d/deepest
printf 'dash\n' >lib/a-b
printf 'dot\n' >lib/a.d
printf 'zero\n' >lib/a0
: >var/void
printf 'log\n' >var/log
head -c 300000 /dev/zero | tr '\0' x >lib/large
truncate -s 1048577 lib/sparse
printf 'middle' | dd of=lib/sparse bs=1 seek=524288 conv=notrunc status=none

for program in tool su wall ping gzip; do printf '#!/bin/sh\n# %s\n' "$program" >"bin/$program"; done
ln bin/gzip bin/gunzip
ln bin/gzip lib/zcat

ln -s tool bin/sh
ln -s /proc/self/mounts etc/mtab
ln -s ../lib/a etc/tree
ln -s nowhere etc/dangling
ln -s ../../../../../../etc/passwd etc/climbing

mkfifo tmp/pipe
mknod dev/null c 1 3
mknod dev/disk b 8 1

touch odd/'with space' odd/' lead' odd/'trail ' odd/$'new\nline' odd/$'byte\xff' odd/$'esc\e[31mred' odd/$'tab\tbed'
touch odd/'star*' odd/'quest?ion' odd/'br[ack]et' odd/'back\slash' odd/'#hash' odd/'per%cent' odd/'equal=s' odd/.dot
touch odd/-rf odd/'quo"te' odd/'dol$lar' odd/größe odd/"$(printf 'n%.0s' {1..255})"
printf 'odd\n' >odd/$'both\n\\ways'
mkdir odd/$'dir\xfe\n'; printf 'in\n' >odd/$'dir\xfe\n'/in

chown -R 1000:1000 home/alice
chown 0:42 etc/shadow
chown -h 1000:1000 etc/dangling
chmod 0755 bin/*
chmod 0640 etc/shadow
chmod 0600 etc/keys/host.key tmp/pipe dev/disk
chmod 0700 etc/keys home/alice/.ssh
chmod 0666 dev/null
chmod 1777 tmp
chown 0:5 bin/wall
chmod 2755 bin/wall
chmod 4755 bin/su
setcap cap_net_raw+ep bin/ping
setfacl -m u:1000:r etc/hosts
setfacl -m d:g:1000:rx var/shared
setfattr -n user.note -v one etc/conf.d/10-one
setfattr -n user.note -v two etc/conf.d/20-two
setfattr -n user.other -v 0x00ff0a2c etc/conf.d/20-two

find . -print0 | xargs -0 touch -h -d '2024-02-29 12:34:56.123456789Z'
"#;

/// The flags that files carry, which no copy keeps.
pub const FLAGGED: [(&str, &str); 4] = [
    ("i", "etc/keys/host.key"),
    ("a", "var/log"),
    ("d", "lib/large"),
    ("A", "lib/a"),
];

/// The tree as it was built, to take copies of.
pub struct Pristine(Lab);

impl Pristine {
    /// Builds it.
    pub fn new() -> Pristine {
        let lab = Lab::new();
        lab.shell(BUILD);
        Pristine(lab)
    }

    /// A lab with a copy of the tree in it: owners, times, hard links and extended attributes are those of
    /// the original, and some files carry flags.
    pub fn copy(&self) -> Lab {
        let lab = Lab::new();
        shell(
            lab.path(),
            &format!("cp -a --preserve=all '{}/.' root", self.0.root().display()),
        );
        lab.shell(
            &FLAGGED
                .map(|(flag, path)| format!("chattr +{flag} {path}\n"))
                .concat(),
        );
        lab
    }

    /// The same, and recorded.
    pub fn recorded(&self) -> Lab {
        let lab = self.copy();
        lab.create().expect(0);
        lab
    }
}

impl Drop for Lab {
    /// What is immutable could not be removed.
    fn drop(&mut self) {
        run(Command::new("chattr")
            .args(["-R", "-f", "-i", "-a"])
            .arg(self.path()));
    }
}
