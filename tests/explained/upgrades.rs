//! What real upgrades of Debian bring beside the files of packages (`tests/long dist-upgrade`), each in small.

use super::repository::{Repository, keeps, on, verdict};

const INFO: &str = "[[paths]]\npath = \"/var/lib/dpkg/info\"\nseverity = \"high\"\n";

fn signed() -> (String, Option<String>, Option<String>) {
    ("low".into(), Some("high".into()), Some("signed".into()))
}

#[test]
fn what_dpkg_keeps_of_a_package_is_as_its_archives_have_it() {
    let repository = Repository::covering(INFO);
    repository.upgrade("1.1", "echo libtool 1 tool > DEBIAN/shlibs");
    let ran = repository.check().expect(1);
    let paths = ["list", "md5sums", "shlibs"].map(|kind| format!("/var/lib/dpkg/info/tool.{kind}"));
    for path in &paths {
        let finding = on(&ran, path);
        assert_eq!(verdict(&finding), signed(), "{finding}");
    }
    // Root writes them as easily: then they are as no signed package has them.
    repository.run(
        "cd $ROOT/var/lib/dpkg/info; echo /usr/bin/evil >> tool.list; echo libevil 1 evil >> tool.shlibs
         echo '#!/bin/sh' > tool.postinst; sed -i 's/^./0/' tool.md5sums",
    );
    let ran = repository.check().expect(1);
    let [list, md5sums, shlibs] = &paths;
    keeps(&on(&ran, list), None, "names what its archive has not");
    keeps(
        &on(&ran, md5sums),
        None,
        "it is not what the installed package shipped",
    );
    keeps(
        &on(&ran, shlibs),
        None,
        "it is not what the installed package shipped",
    );
    let script = on(&ran, "/var/lib/dpkg/info/tool.postinst");
    keeps(
        &script,
        None,
        "its control archive has nothing of that name",
    );
}

#[test]
fn what_is_made_on_the_host_says_who_makes_it_and_stays() {
    let repository = Repository::new();
    let made = [
        ("/etc/ssl/certs/0a1b2c3d.0", "update-ca-certificates"),
        ("/etc/pam.d/common-auth", "pam-auth-update"),
        ("/usr/lib/modules/6.1/modules.dep", "depmod"),
        (
            "/usr/lib/python3/__pycache__/a.cpython-311.pyc",
            "py3compile",
        ),
    ];
    for (path, _) in made {
        repository.run(&format!(
            "mkdir -p $ROOT$(dirname {path}); echo made > $ROOT{path}"
        ));
    }
    let ran = repository.check().expect(1);
    for (path, who) in made {
        keeps(&on(&ran, path), None, who);
    }
    repository.lab.create().expect(0);
    repository.run("rm $ROOT/etc/ssl/certs/0a1b2c3d.0");
    let gone = on(&repository.check().expect(1), "/etc/ssl/certs/0a1b2c3d.0");
    keeps(&gone, None, "update-ca-certificates");
}

/// Memory that a check took at its peak, in KiB, with what it found.
fn measured(repository: &Repository) -> (u64, serde_json::Value) {
    let place = |name: &str| repository.lab.path().join(name).display().to_string();
    let script = "import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let ran = std::process::Command::new("python3")
        .args([
            "-c",
            script,
            harness::agent_path(),
            "check",
            "--only",
            "files.*",
            "--format",
            "json",
        ])
        .args([
            "--root",
            &place("root"),
            "--profile",
            &place("profile.toml"),
        ])
        .args([
            "--manifest",
            &place("manifest.mtree"),
            "--output",
            &place("report.json"),
        ])
        .output()
        .expect("python3");
    let peak = String::from_utf8_lossy(&ran.stdout);
    let peak = peak.trim().parse().unwrap_or_else(|_| panic!("{ran:?}"));
    let report = std::fs::read_to_string(place("report.json")).expect("a report");
    let lines = report
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<serde_json::Value> = lines.collect();
    let tool = lines.iter().find(|line| line["subject"] == "/usr/bin/tool");
    (peak, tool.expect("a finding").clone())
}

/// Memory that nothing of what follows may need: all of it is read as a stream, and of packages that are not installed
/// nothing is kept.
const MOST: u64 = 64 * 1024;

#[test]
fn a_list_of_100_megabytes_is_read_as_a_stream() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    let before = measured(&repository);
    assert_eq!(verdict(&before.1), signed(), "{}", before.1);
    // As apt keeps it, signed by the same key.
    repository.run(
        "cd $PLACE/repo; perl -e 'for (1..112) { print \"\\nPackage: p$_\\nVersion: 1\\nArchitecture: all\\nSize: 1\\n\",
           \"SHA256: \", \"0\" x 64, \"\\nDescription: \", \"x\" x 900_000, \"\\n\" }' >> Packages
         test $(stat -c %s Packages) -gt 100000000
         { printf 'Origin: test\\nSuite: test\\nDate: %s\\nSHA256:\\n' \"$(date -uR)\"
           printf ' %s %s Packages\\n' $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages); } > Release
         gpg --homedir $PLACE/gpg --batch --yes --quiet --local-user distribution --clearsign --output InRelease Release
         cd $ROOT/var/lib/apt/lists; release=$(echo *_InRelease); rm *_Packages*
         cp $PLACE/repo/InRelease $release; cp $PLACE/repo/Packages ${release%InRelease}Packages",
    );
    let (peak, finding) = measured(&repository);
    assert_eq!(verdict(&finding), signed(), "{finding}");
    assert!(peak < before.0 + MOST, "{peak} KiB, {} before", before.0);
}

#[test]
fn a_million_lines_and_a_clock_that_went_back_explain_as_before() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    let before = measured(&repository);
    repository.run(
        "cd $ROOT/var/log; perl -e 'for (1..1_000_000) { print \"2026-11-29 10:00:00 status installed p$_:amd64 $_\\n\" }' >> dpkg.log
         printf '1999-01-01 00:00:00 status installed tool:all 1.1\\n2026-13-45 99:00:00 status installed tool:all 1.1\\nrubbish\\n' >> dpkg.log
         printf '\\nStart-Date: 2030-01-01  00:00:00\\nCommandline: apt-get back\\nEnd-Date: 1999-01-01  00:00:00\\n' >> apt/history.log",
    );
    let (peak, finding) = measured(&repository);
    assert_eq!(verdict(&finding), signed(), "{finding}");
    assert_eq!(finding["explained_by"], before.1["explained_by"]);
    assert!(peak < before.0 + MOST, "{peak} KiB, {} before", before.0);
}
