//! Signatures that an installer really checks: rpm by the package's own, apt by that of the repository. Packages and keys
//! are made here; `packaging/sign` and `packaging/repository` are what ships ours.

use super::file;
use harness::{Ran, run, shell};
use std::path::Path;
use std::process::Command;

/// A key of GnuPG's in a home of its own below the place.
fn key(place: &Path, name: &str, kind: &str) {
    shell(
        place,
        &format!(
            "mkdir -m 700 {name}; GNUPGHOME=$PWD/{name} gpg --batch --quiet --quick-generate-key --passphrase '' '{name}@example.com' {kind} sign never 2>/dev/null
             GNUPGHOME=$PWD/{name} gpg --batch --armor --export > {name}.asc; GNUPGHOME=$PWD/{name} gpg --batch --export > {name}.gpg"
        ),
    );
}

fn script(place: &Path, name: &str, home: &str, arguments: &[&str]) -> Ran {
    run(Command::new(file(&format!("packaging/{name}")))
        .args(arguments)
        .env("GNUPGHOME", place.join(home))
        .current_dir(place))
}

/// `rpm -K` where only what that key signed is taken.
fn rpm_takes(place: &Path, key: &str, package: &str) -> bool {
    shell(
        place,
        &format!("[ -d {key}.db ] || rpmkeys --dbpath $PWD/{key}.db --import {key}.asc"),
    );
    let database = place.join(format!("{key}.db"));
    let ran = run(Command::new("rpm")
        .arg("--dbpath")
        .arg(database)
        .args(["--define", "_pkgverify_level all", "-K", package])
        .current_dir(place));
    ran.status == 0
}

#[test]
fn rpm_takes_what_was_signed_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    key(place, "ours", "rsa2048");
    key(place, "theirs", "rsa2048");
    harness::rpm::build_empty(place, [("one", "1-1"), ("two", "2-1")]);
    shell(
        place,
        "cp -r rpms unsigned; cd rpms; sha256sum -- *.rpm > SHA256SUMS",
    );
    assert!(
        !rpm_takes(place, "ours", "rpms/one.rpm"),
        "nobody signed it"
    );
    script(place, "sign", "ours", &["ours@example.com", "rpms"]).expect(0);
    for package in ["rpms/one.rpm", "rpms/two.rpm"] {
        assert!(rpm_takes(place, "ours", package), "{package}");
        assert!(
            !rpm_takes(place, "theirs", package),
            "{package}: by a key that is not trusted"
        );
    }
    shell(place, "cd rpms && sha256sum --quiet --check SHA256SUMS");
    // One byte of it, wherever.
    shell(
        place,
        "cp rpms/one.rpm changed.rpm; printf X | dd of=changed.rpm bs=1 seek=$(($(stat -c %s changed.rpm) - 20)) conv=notrunc 2>/dev/null",
    );
    assert!(!rpm_takes(place, "ours", "changed.rpm"));
    assert!(!rpm_takes(place, "ours", "unsigned/one.rpm"));
}

/// `apt-get update` and the version that it would install, with nothing of this host's own.
fn apt(place: &Path, repository: &str, key: &str) -> Ran {
    let line = format!(
        "rm -rf apt little_*.deb; mkdir -p apt/lists/partial apt/cache/archives/partial apt/parts; touch apt/status
         echo \"deb [signed-by=$PWD/{key}.gpg] file:$PWD/{repository} stable main\" > apt/sources.list
         set -- -o Dir::Etc::sourcelist=$PWD/apt/sources.list -o Dir::Etc::sourceparts=$PWD/apt/parts -o Dir::Etc::trusted=/dev/null \
           -o Dir::Etc::trustedparts=$PWD/apt/parts -o Dir::State=$PWD/apt -o Dir::State::status=$PWD/apt/status -o Dir::Cache=$PWD/apt/cache \
           -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Update::Error-Mode=any
         apt-get \"$@\" -qq update && apt-get \"$@\" -qq download little && dpkg-deb -f little_*.deb Version"
    );
    run(Command::new("bash")
        .args(["-ec", &line])
        .env("LC_ALL", "C")
        .current_dir(place))
}

#[test]
fn apt_takes_a_signed_repository_and_refuses_it_unsigned_or_changed() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    key(place, "ours", "ed25519");
    key(place, "theirs", "ed25519");
    shell(
        place,
        "mkdir -p little/DEBIAN debs; printf 'Package: little\\nVersion: 1.2\\nArchitecture: amd64\\nMaintainer: x <x@example.com>\\nDescription: x\\n' > little/DEBIAN/control
         dpkg-deb --root-owner-group -b little debs/little_1.2_amd64.deb >/dev/null",
    );
    let made = ["ours@example.com", "repository", "debs"];
    script(place, "repository", "ours", &made).expect(0);
    script(place, "repository", "ours", &made)
        .expect(1)
        .complains(&["is there already"]);
    let ran = apt(place, "repository", "ours");
    assert!(
        ran.status == 0 && ran.stdout.trim().ends_with("1.2"),
        "{ran:#?}"
    );
    let other = apt(place, "repository", "theirs");
    assert_ne!(other.status, 0, "by a key that is not trusted: {other:#?}");
    for (what, line) in [
        (
            "unsigned",
            "rm it/dists/stable/InRelease it/dists/stable/Release.gpg",
        ),
        (
            "another release",
            "sed -i 's/^Suite: .*/Suite: other/' it/dists/stable/Release it/dists/stable/InRelease",
        ),
        (
            "another index",
            "sed -i 's/1\\.2/1.3/' it/dists/stable/main/binary-amd64/Packages; rm it/dists/stable/main/binary-amd64/Packages.gz",
        ),
        (
            "another package",
            "printf x >> it/pool/main/h/host-integrity-agent/little_1.2_amd64.deb",
        ),
    ] {
        shell(place, &format!("rm -rf it; cp -a repository it; {line}"));
        let ran = apt(place, "it", "ours");
        assert_ne!(ran.status, 0, "{what}: {ran:#?}");
    }
}
