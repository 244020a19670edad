//! `packages.*` of zypper and dnf5: repositories, overrides, advisories in their caches.

use super::{check, told, tree};
use harness::Lab;
use harness::rpm::{build_empty, enter};

fn suse(line: &str) -> Lab {
    let lab = tree();
    lab.shell(&format!(
        "printf 'ID=sles\\nVERSION_ID=16.0\\nID_LIKE=suse\\n' > etc/os-release
         mkdir -p usr/lib/sysimage/rpm etc/zypp/repos.d; echo x > usr/lib/sysimage/rpm/Packages.db
         repo() {{ printf \"[$1]\\nenabled=1\\nbaseurl=http://x\\n${{2:-}}\\n\" > etc/zypp/repos.d/$1.repo; }}
         main() {{ mkdir -p $(dirname $1); printf \"[main]\\n$2\\n\" > $1; }}
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
        // `zypper addrepo --gpgcheck-allow-unsigned`; of metadata alone, and of packages alone, the other is demanded.
        (
            "repo a 'gpgcheck=1\\nrepo_gpgcheck=0\\npkg_gpgcheck=0'",
            &["gpgcheck a"],
        ),
        ("repo a 'gpgcheck=1\\nrepo_gpgcheck=0'", &[]),
        ("repo a 'gpgcheck=1\\npkg_gpgcheck=0'", &[]),
        // The other two of zypp.conf count where the repository says nothing of gpgcheck.
        (
            "repo a gpgcheck=0; main etc/zypp/zypp.conf repo_gpgcheck=on",
            &["gpgcheck a"],
        ),
        (
            "repo a; main etc/zypp/zypp.conf 'gpgcheck=off\\nrepo_gpgcheck=on'",
            &[],
        ),
        (
            "repo a; main etc/zypp/zypp.conf 'repo_gpgcheck=off\\npkg_gpgcheck=off'",
            &["gpgcheck a"],
        ),
        ("repo a gpgcheck=perhaps", &[]),
        ("repo a 'gpgcheck=0\\nenabled=never'", &[]),
    ] {
        let ran = check(&suse(line), "packages");
        assert_eq!(told(&ran, "fail"), expected, "{line}");
    }
}

/// zypp.conf(5) of libzypp from 17.38.0: the host's main file or the vendor's, then drop-ins of both, by their names.
#[test]
fn zyppers_drop_ins() {
    let vendor = "main usr/etc/zypp/zypp.conf.d/10-a.conf gpgcheck=off";
    for (line, expected) in [
        (
            "main etc/zypp/zypp.conf.d/a.conf gpgcheck=off",
            &["gpgcheck a"][..],
        ),
        (vendor, &["gpgcheck a"]),
        (
            &format!("{vendor}; main etc/zypp/zypp.conf.d/10-a.conf gpgcheck=on"),
            &[],
        ),
        (
            &format!(
                "{vendor}; mkdir -p etc/zypp/zypp.conf.d; ln -s /dev/null etc/zypp/zypp.conf.d/10-a.conf"
            ),
            &[],
        ),
        (
            &format!("{vendor}; main etc/zypp/zypp.conf gpgcheck=on"),
            &["gpgcheck a"],
        ),
        (
            &format!("{vendor}; main etc/zypp/zypp.conf.d/05-b.conf gpgcheck=on"),
            &["gpgcheck a"],
        ),
        (
            "main usr/etc/zypp/zypp.conf gpgcheck=off; main etc/zypp/zypp.conf x=y",
            &[],
        ),
        (
            "main usr/etc/zypp/zypp.conf gpgcheck=off; ln -s /dev/null etc/zypp/zypp.conf",
            &[],
        ),
        ("main etc/zypp/zypp.conf.d/a.txt gpgcheck=off", &[]),
    ] {
        let ran = check(&suse(&format!("repo a; {line}")), "packages");
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
        // By their names, whichever directory they lie in; of a name that of the host.
        (
            "repo a gpgcheck=1; over usr/share/dnf5 90-b 0; over etc/dnf 10-a 1",
            &["gpgcheck a"],
        ),
        (
            "repo a gpgcheck=1; over usr/share/dnf5 90-b 0; over etc/dnf 90-b 1",
            &[],
        ),
    ] {
        let lab = tree();
        lab.shell(&format!(
            "printf 'ID=fedora\\nVERSION_ID=44\\nSUPPORT_END=2999-01-01\\n' > etc/os-release; mkdir -p usr/lib/sysimage/rpm etc/yum.repos.d
             echo x > usr/lib/sysimage/rpm/rpmdb.sqlite
             repo() {{ printf \"[$1]\\nbaseurl=http://x\\n${{2:-}}\\n\" > etc/yum.repos.d/$1.repo; }}
             main() {{ mkdir -p $(dirname $1); printf \"[main]\\n${{2:-}}\\n\" > $1; }}
             over() {{ mkdir -p $1/repos.override.d; printf \"[a]\\ngpgcheck=$3\\n\" > $1/repos.override.d/$2.repo; }}
             {line}"
        ));
        let ran = check(&lab, "packages");
        assert_eq!(told(&ran, "fail"), expected, "{line}");
    }
}

/// Advisories as today's repositories have them: createrepo_c packs by zstd, and by xz or gzip where it is told to.
#[test]
fn advisories_however_they_are_packed() {
    let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("advisories");
    std::fs::create_dir_all(&place).expect("a place to build");
    harness::shell(&place, "rm -rf *");
    build_empty(&place, [("curl", "8.0-1")]);
    for (pack, verdict) in [
        ("cat > x-updateinfo.xml", "fail"),
        ("zstd -q > x-updateinfo.xml.zst", "fail"),
        ("xz > x-updateinfo.xml.xz", "fail"),
        ("gzip > x-updateinfo.xml.gz", "fail"),
        // A part of a list is no list.
        ("zstd -q | head -c 60 > x-updateinfo.xml.zst", "unknown"),
        ("xz | head -c 60 > x-updateinfo.xml.xz", "unknown"),
        ("cat > x-updateinfo.xml.zck", "unknown"),
    ] {
        for cache in [
            "var/cache/libdnf5/a-0123/repodata",
            "var/cache/zypp/raw/a/repodata",
        ] {
            let lab = suse("rm usr/lib/sysimage/rpm/*");
            enter(&lab.root(), &place, ["curl"]);
            lab.shell(&format!(
                r#"mkdir -p {cache}; cd {cache}; echo '<repomd/>' > repomd.xml
                echo '<updates><update type="security"><id>A-1</id><severity>important</severity><pkglist><collection>
                <package name="curl" version="8.1" release="1" epoch="0" arch="x86_64"/>
                </collection></pkglist></update></updates>' | {pack}"#
            ));
            let finding = check(&lab, "packages").one("packages.security_pending", "packages");
            assert_eq!(finding["verdict"], verdict, "{cache} {pack}: {finding:#?}");
        }
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
