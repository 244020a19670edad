//! `packages.*` of zypper and dnf5: repositories, overrides, advisories in their caches.

use super::{check, told, tree};
use harness::Lab;

fn suse(line: &str) -> Lab {
    let lab = tree();
    lab.shell(&format!(
        "printf 'ID=sles\\nVERSION_ID=16.0\\nID_LIKE=suse\\n' > etc/os-release
         mkdir -p usr/lib/sysimage/rpm etc/zypp/repos.d; echo x > usr/lib/sysimage/rpm/Packages.db
         repo() {{ printf \"[$1]\\nenabled=1\\nbaseurl=http://x\\n${{2:-}}\\n\" > etc/zypp/repos.d/$1.repo; }}
         {line}"
    ));
    lab
}

/// libzypp: on unless said otherwise, and metadata that is signed holds the packages' digests.
#[test]
fn zyppers_repositories() {
    for (line, expected) in [
        ("repo a", &[][..]),
        ("repo a gpgcheck=1", &[]),
        ("repo a gpgcheck=0", &["gpgcheck a"]),
        ("repo a 'gpgcheck=0\\nenabled=0'", &[]),
        ("repo a 'gpgcheck=0\\nrepo_gpgcheck=1'", &[]),
        ("repo a 'gpgcheck=0\\npkg_gpgcheck=1'", &[]),
        (
            "repo a; printf '[main]\\ngpgcheck = off\\n' > etc/zypp/zypp.conf",
            &["gpgcheck a"],
        ),
        (
            "repo a gpgcheck=1; printf '[main]\\ngpgcheck = off\\n' > etc/zypp/zypp.conf",
            &[],
        ),
        (
            "repo a; mkdir -p usr/etc/zypp; printf '[main]\\ngpgcheck = off\\n' > usr/etc/zypp/zypp.conf",
            &["gpgcheck a"],
        ),
    ] {
        let ran = check(&suse(line), "packages");
        assert_eq!(told(&ran, "fail"), expected, "{line}");
    }
}

#[test]
fn dnf5s_repositories() {
    for (line, expected) in [
        ("repo a gpgcheck=1", &[][..]),
        ("repo a", &["gpgcheck a"]),
        ("repo a pkg_gpgcheck=1", &[]),
        (
            "repo a; main usr/share/dnf5/libdnf.conf.d/20-x.conf gpgcheck=1",
            &[],
        ),
        (
            "repo a; main usr/share/dnf5/libdnf.conf.d/20-x.conf gpgcheck=1; main etc/dnf/libdnf5.conf.d/30-y.conf pkg_gpgcheck=0",
            &["gpgcheck a"],
        ),
        (
            "repo a; main usr/share/dnf5/libdnf.conf.d/20-x.conf gpgcheck=0; main etc/dnf/libdnf5.conf.d/20-x.conf gpgcheck=1",
            &[],
        ),
        (
            "repo a; main etc/dnf/dnf.conf gpgcheck=1; main etc/dnf/libdnf5.conf.d/x.conf gpgcheck=0",
            &[],
        ),
        (
            "repo a gpgcheck=1; mkdir -p etc/dnf/repos.override.d; printf '[a*]\\ngpgcheck=0\\n' > etc/dnf/repos.override.d/x.repo",
            &["gpgcheck a"],
        ),
        (
            "repo a gpgcheck=0; mkdir -p etc/dnf/repos.override.d; printf '[a]\\nenabled=0\\n' > etc/dnf/repos.override.d/x.repo",
            &[],
        ),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "printf 'ID=fedora\\nVERSION_ID=44\\nSUPPORT_END=2999-01-01\\n' > etc/os-release; mkdir -p usr/lib/sysimage/rpm etc/yum.repos.d
             echo x > usr/lib/sysimage/rpm/rpmdb.sqlite
             repo() {{ printf \"[$1]\\nbaseurl=http://x\\n${{2:-}}\\n\" > etc/yum.repos.d/$1.repo; }}
             main() {{ mkdir -p $(dirname $1); printf \"[main]\\n${{2:-}}\\n\" > $1; }}
             {line}"
        ));
        let ran = check(&lab, "packages");
        assert_eq!(told(&ran, "fail"), expected, "{line}");
    }
}

/// Remedies are those of the distribution's own program.
#[test]
fn remedies_of_zypper() {
    let lab = suse("repo a gpgcheck=0");
    let finding = check(&lab, "packages").one("packages.gpgcheck", "a");
    let remedy = finding["remediation"].as_str().expect("text");
    assert!(remedy.contains("/etc/zypp/repos.d/a.repo"), "{remedy}");
    let pending = check(&lab, "packages").one("packages.security_pending", "packages");
    assert_eq!(pending["verdict"], "unknown");
}

/// End of support of distributions that name none in os-release.
#[test]
fn ends_of_support() {
    for (id, version, end) in [
        ("centos", "10", "2030-01-01"),
        ("ol", "10.1", "2035-06-30"),
        ("sles", "15.7", "2031-07-31"),
        ("fedora", "43", "2026-12-09"),
        ("amzn", "2", "2026-06-30"),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "printf 'ID={id}\\nVERSION_ID={version}\\n' > etc/os-release"
        ));
        let finding = check(&lab, "packages").one("packages.release_supported", "os-release");
        assert_eq!(finding["observed"]["end"], end, "{id}: {finding:#?}");
    }
}
