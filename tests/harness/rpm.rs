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
