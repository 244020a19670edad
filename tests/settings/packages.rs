//! `packages.*`: lists, repositories, the end of life.

use super::{check, told, tree};
use harness::{Lab, shell};

fn profile(id: &str, demand: &str) -> String {
    format!(
        "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"packages.{id}\"]\ndemand = {demand}\n"
    )
}

/// A tree of Debian with two packages, and a list of the security archive that offers these.
fn debian(offers: &[(&str, &str, &str)]) -> Lab {
    let lab = tree();
    lab.shell(
        "mkdir -p var/lib/dpkg var/lib/apt/lists/partial
         stanza() { printf 'Package: %s\\nStatus: install ok %s\\nArchitecture: %s\\nVersion: %s\\n\\n' $1 $2 $3 $4 >> var/lib/dpkg/status; }
         stanza curl installed amd64 7.88.1-10+deb12u5; stanza tzdata installed all 2024a-0+deb12u1
         stanza gone config-files amd64 1.0",
    );
    let text: String = offers
        .iter()
        .map(|(name, arch, version)| {
            format!("Package: {name}\nArchitecture: {arch}\nDescription: x\n Version: 99\nVersion: {version}\n\n")
        })
        .collect();
    let name = "deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages";
    std::fs::write(lab.root().join("var/lib/apt/lists").join(name), text).expect("a list");
    lab
}

fn pending(lab: &Lab) -> (String, Vec<String>) {
    let finding = check(lab, "packages").one("packages.security_pending", "packages");
    let names = finding["observed"]["packages"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names = names
        .iter()
        .map(|name| name.as_str().expect("text").to_owned());
    (
        finding["verdict"].as_str().expect("a verdict").to_owned(),
        names.collect(),
    )
}

#[test]
fn updates_that_wait() {
    for (offers, verdict, expected) in [
        (&[][..], "pass", &[][..]),
        (&[("curl", "amd64", "7.88.1-10+deb12u5")], "pass", &[]),
        (&[("curl", "amd64", "7.88.1-10+deb12u4")], "pass", &[]),
        (
            &[
                ("curl", "amd64", "7.88.1-10+deb12u12"),
                ("curl", "amd64", "7.88.1-10+deb12u6"),
            ],
            "fail",
            &["curl 7.88.1-10+deb12u5 < 7.88.1-10+deb12u12"],
        ),
        (&[("curl", "arm64", "9")], "pass", &[]),
        (
            &[("gone", "amd64", "9"), ("other", "amd64", "9")],
            "pass",
            &[],
        ),
        (
            &[("tzdata", "all", "2025a-0+deb12u1")],
            "fail",
            &["tzdata 2024a-0+deb12u1 < 2025a-0+deb12u1"],
        ),
    ] {
        for pack in [
            ":",
            "lz4 -q -m --rm var/lib/apt/lists/*Packages",
            "gzip var/lib/apt/lists/*Packages",
        ] {
            let lab = debian(offers);
            lab.shell(pack);
            let (seen, names) = pending(&lab);
            assert_eq!(seen, verdict, "{offers:?} {pack}");
            assert_eq!(names, expected, "{offers:?} {pack}");
        }
    }
}

#[test]
fn lists_that_cannot_tell_are_unknown() {
    let old = "touch -d '30 days ago' var/lib/apt/lists/partial";
    for (line, verdict) in [
        (":", "pass"),
        (old, "unknown"),
        ("rm var/lib/apt/lists/*Packages", "unknown"),
        ("rm -r var/lib/apt", "unknown"),
        ("xz var/lib/apt/lists/*Packages", "pass"),
        (
            "for list in var/lib/apt/lists/*Packages; do mv $list $list.bz2; done",
            "unknown",
        ),
        (
            "lz4 -q -m --rm var/lib/apt/lists/*Packages; truncate -s 20 var/lib/apt/lists/*lz4",
            "unknown",
        ),
        ("echo nonsense >> var/lib/dpkg/status", "unknown"),
        ("rm var/lib/dpkg/status", "unknown"),
        (
            "cd var/lib/apt/lists; mv *Packages deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages",
            "unknown",
        ),
    ] {
        let lab = debian(&[("curl", "amd64", "7.0")]);
        lab.shell(line);
        assert_eq!(pending(&lab).0, verdict, "{line}");
    }
    // What waits by an old list waits all the same.
    let lab = debian(&[("curl", "amd64", "9")]);
    lab.shell(old);
    assert_eq!(pending(&lab).0, "fail");
    let lab = debian(&[]);
    lab.shell(old);
    lab.profile(&profile("security_pending", "60"));
    assert_eq!(pending(&lab).0, "pass");
}

fn unsigned(lab: &Lab) -> Vec<String> {
    let mut failed = told(&check(lab, "packages"), "fail");
    failed.retain(|told| told.starts_with("gpgcheck"));
    failed
}

#[test]
fn sources_of_apt_that_are_not_checked() {
    for (line, expected) in [
        (":", &[][..]),
        (
            "echo 'deb [trusted=yes] http://h/d x main' > etc/apt/sources.list",
            &["gpgcheck http://h/d"],
        ),
        (
            "echo '#deb [trusted=yes] http://h/d x main' > etc/apt/sources.list",
            &[],
        ),
        (
            "echo 'deb [trusted=no] http://h/d x main' > etc/apt/sources.list",
            &[],
        ),
        (
            "echo 'deb [ arch=amd64 allow-insecure=yes ] http://h/d x main' > etc/apt/sources.list.d/a.list",
            &["gpgcheck http://h/d"],
        ),
        (
            "echo 'deb [trusted=yes] http://h/d x main' > etc/apt/sources.list.d/a.save",
            &[],
        ),
        (
            "printf 'Types: deb\\nURIs: http://h/d\\nSuites: x\\nTrusted: yes\\n' > etc/apt/sources.list.d/a.sources",
            &["gpgcheck http://h/d"],
        ),
        (
            "printf 'Enabled: no\\nTypes: deb\\nURIs: http://h/d\\nTrusted: yes\\n' > etc/apt/sources.list.d/a.sources",
            &[],
        ),
        (
            "echo 'APT::Get::AllowUnauthenticated \"true\";' > etc/apt/apt.conf.d/a",
            &["gpgcheck APT::Get::AllowUnauthenticated"],
        ),
        (
            "echo 'APT::Get::AllowUnauthenticated \"false\";' > etc/apt/apt.conf.d/a",
            &[],
        ),
        (
            "echo 'APT::Get::AllowUnauthenticated \"true\";' > etc/apt/apt.conf.d/a.bak",
            &[],
        ),
        (
            "echo 'Acquire { AllowInsecureRepositories \"1\"; };' > etc/apt/apt.conf.d/a.conf; echo 'Acquire::AllowInsecureRepositories \"0\";' > etc/apt/apt.conf",
            &[],
        ),
    ] {
        let lab = debian(&[]);
        lab.shell("mkdir -p etc/apt/sources.list.d etc/apt/apt.conf.d; echo 'deb http://deb.debian.org/debian bookworm main' > etc/apt/sources.list.d/z.list");
        lab.shell(line);
        assert_eq!(unsigned(&lab), expected, "{line}");
        // apt's own word on the settings.
        for key in [
            "APT::Get::AllowUnauthenticated",
            "Acquire::AllowInsecureRepositories",
        ] {
            let value = apt_config(&lab, key);
            let theirs = matches!(value.as_str(), "true" | "1");
            assert_eq!(
                unsigned(&lab).iter().any(|told| told.ends_with(key)),
                theirs,
                "{line} {key}={value}"
            );
        }
    }
    let lab = debian(&[]);
    lab.shell(
        "mkdir -p etc/apt; echo 'deb [trusted=yes] http://h/d x main' > etc/apt/sources.list",
    );
    lab.profile(&profile("gpgcheck", "[\"http://h/d\"]"));
    assert_eq!(unsigned(&lab), [""; 0]);
}

fn apt_config(lab: &Lab, key: &str) -> String {
    let root = lab.root();
    // Read as apt reads: parts, then the main file.
    let script = format!(
        "printf 'Dir::Etc \"{0}/etc/apt\";\\nDir::Etc::main \"apt.conf\";\\nDir::Etc::parts \"apt.conf.d\";\\n' > conf; APT_CONFIG=$PWD/conf apt-config shell VALUE {key}",
        root.display()
    );
    let said = shell(lab.path(), &script);
    said.trim()
        .trim_start_matches("VALUE='")
        .trim_end_matches('\'')
        .to_owned()
}

#[test]
fn repositories_of_dnf_that_are_not_checked() {
    let repo = |more: &str| {
        format!("printf '[base]\\nname=b\\nbaseurl=http://h\\n{more}\\n' > etc/yum.repos.d/a.repo")
    };
    for (line, expected) in [
        (repo("gpgcheck=1"), &[][..]),
        (repo("gpgcheck=0"), &["gpgcheck base"]),
        (repo("gpgcheck = False"), &["gpgcheck base"]),
        (repo("gpgcheck=0\\nenabled=0"), &[]),
        (repo(""), &["gpgcheck base"]),
        (
            format!(
                "{}; printf '[main]\\ngpgcheck=1\\n' > etc/dnf/dnf.conf",
                repo("")
            ),
            &[],
        ),
        (
            format!(
                "{}; printf '[main]\\ngpgcheck=0\\n' > etc/dnf/dnf.conf",
                repo("")
            ),
            &["gpgcheck base"],
        ),
        (
            format!(
                "{}; printf '[main]\\ngpgcheck=1\\n[x]\\nbaseurl=h\\ngpgcheck=no\\n' > etc/dnf/dnf.conf",
                repo("")
            ),
            &["gpgcheck x"],
        ),
        (
            format!(
                "{}; mkdir opt; mv etc/yum.repos.d/a.repo opt; printf '[main]\\ngpgcheck=1\\nreposdir=/opt\\n' > etc/dnf/dnf.conf",
                repo("gpgcheck=0")
            ),
            &["gpgcheck base"],
        ),
    ] {
        let lab = tree();
        lab.shell("mkdir -p etc/yum.repos.d etc/dnf var/lib/rpm; echo x > var/lib/rpm/Packages");
        lab.shell(&line);
        assert_eq!(unsigned(&lab), expected, "{line}");
    }
}

#[test]
fn the_end_of_life() {
    for (release, demand, verdict) in [
        ("ID=debian\\nVERSION_ID=\"12\"", "0", "pass"),
        ("ID=debian\\nVERSION_ID=\"10\"", "0", "fail"),
        ("ID=debian\\nVERSION_ID=\"12\"", "3650", "fail"),
        ("ID=amzn\\nVERSION_ID=2", "0", "fail"),
        (
            "ID=amzn\\nVERSION_ID=2\\nSUPPORT_END=2999-01-01",
            "0",
            "pass",
        ),
        (
            "ID=amzn\\nVERSION_ID=2023\\nSUPPORT_END=2020-01-01",
            "0",
            "fail",
        ),
        ("ID=rhel\\nVERSION_ID=9.4", "0", "pass"),
        ("ID=rhel\\nVERSION_ID=90", "0", "unknown"),
        ("ID=arch", "0", "unknown"),
        ("", "0", "unknown"),
    ] {
        let lab = tree();
        lab.shell(&format!("printf '{release}\\n' > etc/os-release"));
        lab.profile(&profile("release_supported", demand));
        let finding = check(&lab, "packages").one("packages.release_supported", "os-release");
        assert_eq!(
            finding["verdict"], verdict,
            "{release} {demand}: {finding:#?}"
        );
    }
}

#[test]
fn what_need_not_be_there() {
    let lab = debian(&[]);
    let minimal = |lab: &Lab| -> Vec<String> {
        let mut all = told(&check(lab, "packages"), "fail");
        all.retain(|told| told.starts_with("minimal"));
        all
    };
    assert_eq!(minimal(&lab), [""; 0]);
    lab.shell("for p in gcc-12 gcc-12-base libx11-6 strace xserver-xorg-core; do printf 'Package: %s\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 1\\n\\n' $p >> var/lib/dpkg/status; done");
    assert_eq!(
        minimal(&lab),
        ["minimal compilers", "minimal x11", "minimal debuggers"]
    );
    lab.profile(&profile("minimal", "[\"gcc*\", \"strace\"]"));
    assert_eq!(minimal(&lab), ["minimal x11"]);
    let finding = check(&lab, "packages").one("packages.minimal", "x11");
    assert_eq!(
        finding["remediation"],
        "apt-get purge xserver-xorg-core, or list what is needed in the profile"
    );
}
