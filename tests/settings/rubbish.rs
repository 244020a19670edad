//! Whatever lies where configuration is expected: an end, no crash, and nothing that passes for having been read.

use super::{check, told, tree};
use harness::Lab;

/// Every place that network, kernel, logging and packages read.
const PLACES: [&str; 43] = [
    "boot/grub/grub.cfg",
    "etc/apt/apt.conf",
    "etc/apt/apt.conf.d/x",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/x.list",
    "etc/apt/sources.list.d/x.sources",
    "etc/audit/audit.rules",
    "etc/chrony.conf",
    "etc/dnf/dnf.conf",
    "etc/fluent-bit/x.conf",
    "etc/fluent-bit/x.yaml",
    "etc/fstab",
    "etc/inetd.conf",
    "etc/modprobe.d/x.conf",
    "etc/nftables.conf",
    "etc/ntp.conf",
    "etc/rsyslog.conf",
    "etc/rsyslog.d/x.conf",
    "etc/selinux/config",
    "etc/sysctl.d/x.conf",
    "etc/sysconfig/iptables",
    "etc/syslog-ng/syslog-ng.conf",
    "etc/systemd/journald.conf",
    "etc/systemd/timesyncd.conf",
    "etc/systemd/system/x.mount",
    "etc/systemd/system/rsync.service",
    "etc/systemd/system/rsync.service.d/x.conf",
    "etc/systemd/system/multi-user.target.wants/rsyslog.service",
    "etc/ufw/ufw.conf",
    "etc/vector/vector.toml",
    "etc/vector/vector.yaml",
    "etc/yum.repos.d/x.repo",
    "opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json",
    "usr/lib/modules/1/modules.dep",
    "usr/lib/modules/1/modules.builtin",
    "usr/share/host-integrity-agent/manifest.mtree",
    "var/cache/dnf/x/repodata/x-updateinfo.xml.gz",
    "var/cache/dnf/x/repodata/y-updateinfo.xml",
    "var/lib/apt/lists/x_dists_y-security_Packages",
    "var/lib/apt/lists/x_dists_y-security_Packages.lz4",
    "var/lib/apt/lists/x_dists_y-security_Packages.gz",
    "var/lib/dpkg/status",
    "var/lib/rpm/rpmdb.sqlite",
];

const AREAS: [&str; 4] = ["network", "kernel", "logging", "packages"];

fn lab(what: impl Fn(usize, &str) -> String) -> Lab {
    let lab = tree();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"kernel.modules\"]\ndemand = [\"hfs\", \"modules_disabled\"]\n[settings.\"kernel.sysrq\"]\ndemand = 0\n",
    );
    for (number, place) in PLACES.iter().enumerate() {
        lab.shell(&format!(
            "mkdir -p $(dirname {place}); rm -f {place}; {}",
            what(number, place)
        ));
    }
    lab
}

fn ends(lab: &Lab, what: &str) {
    for area in AREAS {
        let ran = check(lab, area);
        assert!(matches!(ran.status, 0 | 1 | 3), "{what} {area}: {ran:#?}");
        assert!(!ran.stderr.contains("panicked"), "{what} {area}: {ran:#?}");
    }
}

#[test]
fn bytes_of_chance() {
    let random = &mut fastrand::Rng::with_seed(5);
    for round in 0..4 {
        let seeds: Vec<u64> = PLACES.iter().map(|_| random.u64(..)).collect();
        let length = [0, 100, 20_000, 200_000][round];
        let lab = lab(|number, place| {
            format!(
                "openssl enc -aes-128-ctr -K {:032x} -iv 0 < /dev/zero 2>/dev/null | head -c {length} > {place} || true",
                seeds[number]
            )
        });
        ends(&lab, &format!("{length} bytes"));
    }
}

/// Texts that are nearly right: keywords, brackets and separators thrown together.
#[test]
fn words_of_chance() {
    let words = [
        "deb",
        "[",
        "]",
        "=",
        "trusted=yes",
        "{",
        "}",
        ";",
        "\"",
        "Package: x",
        "\n",
        "\n\n",
        " ",
        "include",
        "(",
        ")",
        "action(",
        "type=\"omfwd\"",
        "/*",
        "#",
        "\\",
        "<update ",
        "<package ",
        "name=\"x\"",
        ">",
        "</",
        "server",
        "@@",
        "[Section]",
        "-",
        "*",
        "install",
        "é",
        "\u{0}",
        "99999999999999999999",
        "%",
        "$IncludeConfig /etc/rsyslog.conf",
    ];
    let random = &mut fastrand::Rng::with_seed(6);
    for _ in 0..3 {
        let lab = lab(|_, place| format!(": > {place}"));
        for place in PLACES {
            let text: String = (0..3000)
                .map(|_| *random.choice(&words).expect("a word"))
                .collect();
            std::fs::write(lab.root().join(place), text).expect("a file");
        }
        ends(&lab, "words");
    }
}

#[test]
fn one_line_without_end() {
    let lab = lab(|_, place| format!("head -c 3000000 /dev/zero | tr '\\0' a > {place}"));
    ends(&lab, "a long line");
}

/// What is no file is not waited for.
#[test]
fn fifos_and_directories() {
    for (what, make) in [
        ("fifo", "mkfifo"),
        ("directory", "mkdir"),
        ("loop", "ln -s /proc/self/root/loop"),
    ] {
        let lab = lab(|_, place| format!("{make} {place}"));
        ends(&lab, what);
        let unknown = told(&check(&lab, "packages"), "unknown");
        assert!(
            unknown.contains(&"security_pending packages".to_owned()),
            "{what}: {unknown:?}"
        );
    }
}
