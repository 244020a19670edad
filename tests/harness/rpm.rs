//! Packages and databases of rpm, made by rpm itself.

use super::{run, shell};
use std::path::Path;
use std::process::Command;

/// Builds what the spec describes, without debugging packages; the packages lie in `rpms` of the place.
pub fn build(place: &Path, spec: &str) {
    std::fs::write(place.join("it.spec"), spec).expect("a spec");
    shell(
        place,
        "umask 022; rpmbuild -bb --target x86_64 --define \"_topdir $PWD/top\" --define \"_rpmdir $PWD/rpms\" \
           --define '_rpmfilename %%{NAME}.rpm' --define 'debug_package %{nil}' it.spec 2>&1",
    );
}

/// The same, with the digests of files of the kind that rpm counts as `number` (rpmcrypto.h).
pub fn build_digested(place: &Path, spec: &str, number: u32) {
    std::fs::write(place.join("it.spec"), spec).expect("a spec");
    shell(
        place,
        &format!(
            "umask 022; rpmbuild -bb --target x86_64 --define \"_topdir $PWD/top\" --define \"_rpmdir $PWD/rpms\" \
               --define '_rpmfilename %%{{NAME}}.rpm' --define 'debug_package %{{nil}}' \
               --define '_binary_filedigest_algorithm {number}' it.spec 2>&1"
        ),
    );
}

/// Packages without files, of these names and versions, `[EPOCH:]VERSION-RELEASE`.
pub fn build_empty(
    place: &Path,
    packages: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) {
    let mut spec = "Name: source\nVersion: 1\nRelease: 1\nSummary: a test\nLicense: none\n%description\na test\n".to_owned();
    for (name, version) in packages {
        let (name, version) = (name.as_ref(), version.as_ref());
        let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
        let (version, release) = version.split_once('-').expect("a release");
        spec += &format!(
            "%package -n {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\nSummary: a test\n%description -n {name}\na test\n%files -n {name}\n"
        );
    }
    build(place, &spec);
}

/// rpm on the tree, its database where RHEL and Amazon Linux have it.
pub fn rpm(root: &Path) -> Command {
    let mut rpm = Command::new("rpm");
    rpm.arg("--root")
        .arg(root)
        .args(["--dbpath", "/var/lib/rpm"]);
    rpm
}

/// Enters the packages of these names, built in `place`, into the tree's database, and puts no file there.
pub fn enter(root: &Path, place: &Path, names: impl IntoIterator<Item = impl AsRef<str>>) {
    let mut install = rpm(root);
    install.args(["--install", "--justdb", "--nodeps"]);
    for name in names {
        install.arg(place.join(format!("rpms/{}.rpm", name.as_ref())));
    }
    run(&mut install).expect(0);
}

/// Turns the database into a Berkeley DB, as Amazon Linux 2 has it, by that one's own tool.
pub fn to_berkeley(root: &Path, page: usize) {
    let script = format!(
        "cd var/lib/rpm; {{ printf 'VERSION=3\\nformat=bytevalue\\ntype=hash\\ndb_pagesize={page}\\nHEADER=END\\n'
        echo ' 00000000'; echo ' 03000000'
        sqlite3 rpmdb.sqlite \"SELECT ' ' || printf('%02x000000', hnum) || char(10) || ' ' || lower(hex(blob)) FROM Packages\"
        echo DATA=END; }} > dump
        db5.3_load -f dump Packages; rm dump rpmdb.sqlite*; test -s Packages"
    );
    shell(root, &script);
}

/// Turns the database into an ndb, as SUSE's distributions have it, by the layout of rpm's lib/backend/ndb/rpmpkg.c.
pub fn to_ndb(root: &Path) {
    let script = r#"
import glob, os, sqlite3, struct, zlib
blobs = [row[0] for row in sqlite3.connect("var/lib/rpm/rpmdb.sqlite").execute("SELECT blob FROM Packages ORDER BY hnum")]
pages = 1 + (32 + 16 * len(blobs)) // 4096
slots, body, at = b"", b"", pages * 256
for number, blob in enumerate(blobs, 1):
    head = struct.pack("<4sIII", b"BlbS", number, number, len(blob))
    data = head + blob + bytes(-(16 + len(blob) + 12) % 16)
    data += struct.pack("<II4s", zlib.adler32(data), len(blob), b"BlbE")
    slots += struct.pack("<4sIII", b"Slot", number, at, len(data) // 16)
    body, at = body + data, at + len(data) // 16
header = struct.pack("<4sIIII", b"RpmP", 0, len(blobs), pages, len(blobs) + 1).ljust(32, bytes(1))
page = (header + slots).ljust(pages * 4096, bytes(1))
for at in range(len(header + slots), len(page), 16):
    page = page[:at] + struct.pack("<4sIII", b"Slot", 0, 0, 0) + page[at + 16:]
open("var/lib/rpm/Packages.db", "wb").write(page + body)
[os.unlink(path) for path in glob.glob("var/lib/rpm/rpmdb.sqlite*")]
"#;
    run(Command::new("python3")
        .arg("-c")
        .arg(script)
        .current_dir(root))
    .expect(0);
}

/// Writes digests of another kind into the header of `package`: `number` as rpm counts kinds (rpmcrypto.h), computed by
/// Python's hashlib under `name`, of the files as they lie in the tree. A kind whose digests are as long as SHA-256's.
pub fn redigest(root: &Path, package: &str, number: u32, name: &str) {
    let script = r#"
import hashlib, os, sqlite3, struct, sys
package, number, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
db = sqlite3.connect("var/lib/rpm/rpmdb.sqlite")
(hnum,) = db.execute("SELECT hnum FROM Name WHERE key = ?", (package,)).fetchone()
(blob,) = db.execute("SELECT blob FROM Packages WHERE hnum = ?", (hnum,)).fetchone()
old = {}
for base, _, names in os.walk("."):
    for name in names:
        path = os.path.join(base, name)
        if os.path.isfile(path) and not os.path.islink(path):
            data = open(path, "rb").read()
            old[hashlib.sha256(data).hexdigest().encode()] = hashlib.new(kind, data).hexdigest().encode()
replaced = 0
for was, now in old.items():
    replaced += blob.count(was)
    blob = blob.replace(was, now)
assert replaced > 3, replaced
tags, size = struct.unpack(">II", blob[:8])
for at in range(8, 8 + 16 * tags, 16):
    tag, type, offset, count = struct.unpack(">IIII", blob[at:at + 16])
    if tag == 5011:
        place = 8 + 16 * tags + offset
        blob = blob[:place] + struct.pack(">I", number) + blob[place + 4:]
db.execute("UPDATE Packages SET blob = ? WHERE hnum = ?", (blob, hnum))
db.commit()
"#;
    let mut python = Command::new("python3");
    python
        .args(["-c", script, package, &number.to_string(), name])
        .current_dir(root);
    run(&mut python).expect(0);
}
