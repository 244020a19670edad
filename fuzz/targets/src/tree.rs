//! Targets that put the bytes where a host has such a file, and judge the tree as `agent check --root` does.

use agent_baseline::profile::{Profile, load};
use agent_checks::settings::{AREAS, context::Context};
use agent_core::os::root::Root;
use agent_core::release::OsRelease;
use agent_evidence::{Explainer, RecordedPackages};
use agent_packages::{Database, dpkg as packages_dpkg, rpm as packages_rpm};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An area of settings and the files of it that are tried; the first byte of an input chooses one.
pub(crate) struct Tried {
    area: &'static str,
    places: &'static [&'static str],
}

pub(crate) static SSHD: Tried = Tried {
    area: "sshd",
    places: &[
        "etc/ssh/sshd_config",
        "etc/ssh/sshd_config.d/50-x.conf",
        "etc/systemd/system/ssh.service.d/x.conf",
        "etc/default/ssh",
        "root/.ssh/authorized_keys",
    ],
};

pub(crate) static ACCOUNTS: Tried = Tried {
    area: "accounts",
    places: &[
        "etc/sudoers",
        "etc/sudoers.d/x",
        "etc/passwd",
        "etc/shadow",
        "etc/group",
        "etc/login.defs",
        "etc/pam.d/common-auth",
        "etc/pam.d/su",
        "etc/doas.conf",
        "etc/sudo.conf",
        "etc/nsswitch.conf",
        "etc/polkit-1/rules.d/x.rules",
        "etc/userdb/x.user",
        "root/.ssh/authorized_keys",
    ],
};

pub(crate) static CONSOLE: Tried = Tried {
    area: "console",
    places: &[
        "boot/grub/grub.cfg",
        "etc/systemd/system/serial-getty@ttyS0.service",
        "etc/systemd/system/serial-getty@ttyS0.service.d/x.conf",
        "etc/default/grub",
        "etc/inittab",
        "boot/loader/entries/x.conf",
        "etc/kernel/cmdline",
    ],
};

pub(crate) static CREDENTIALS: Tried = Tried {
    area: "credentials",
    places: &[
        "root/.aws/credentials",
        "root/.ssh/id_ed25519",
        "etc/environment",
        "etc/systemd/system/x.service",
        "var/lib/cloud/instance/user-data.txt",
        "root/.bash_history",
    ],
};

pub(crate) static NETWORK: Tried = Tried {
    area: "network",
    places: &[
        "etc/fstab",
        "etc/inetd.conf",
        "etc/nftables.conf",
        "etc/sysconfig/iptables",
        "etc/systemd/system/x.mount",
        "etc/systemd/system/rsync.service",
        "etc/ufw/ufw.conf",
        "etc/ufw/user.rules",
    ],
};

pub(crate) static LOGGING: Tried = Tried {
    area: "logging",
    places: &[
        "etc/rsyslog.conf",
        "etc/rsyslog.d/x.conf",
        "etc/audit/audit.rules",
        "etc/audit/auditd.conf",
        "etc/chrony.conf",
        "etc/ntp.conf",
        "etc/fluent-bit/x.conf",
        "etc/fluent-bit/x.yaml",
        "etc/syslog-ng/syslog-ng.conf",
        "etc/systemd/journald.conf",
        "etc/vector/vector.toml",
        "etc/vector/vector.yaml",
        "opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json",
        "var/awslogs/etc/awslogs.conf",
    ],
};

pub(crate) static KERNEL: Tried = Tried {
    area: "kernel",
    places: &[
        "etc/sysctl.conf",
        "etc/sysctl.d/x.conf",
        "etc/modprobe.d/x.conf",
        "etc/selinux/config",
        "boot/grub/grub.cfg",
        "usr/lib/modules/1/modules.dep",
        "usr/lib/modules/1/modules.builtin",
    ],
};

pub(crate) static PACKAGES: Tried = Tried {
    area: "packages",
    places: &[
        "var/lib/dpkg/status",
        "etc/apt/apt.conf",
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/x.sources",
        "var/lib/apt/lists/security.debian.org_dists_bookworm-security_main_binary-amd64_Packages",
        "var/lib/apt/lists/security.debian.org_dists_bookworm-security_InRelease",
        "etc/dnf/dnf.conf",
        "etc/yum.repos.d/x.repo",
        "var/cache/dnf/x/repodata/x-updateinfo.xml",
    ],
};

/// Small, so that a look at it takes little.
const TEMPLATE: &[(&str, &str)] = &[
    ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
    ("etc/group", "root:x:0:\n"),
    ("usr/sbin/sshd", ""),
    (
        "etc/ssh/sshd_config",
        "Include /etc/ssh/sshd_config.d/*.conf\n",
    ),
    ("usr/bin/sudo", ""),
    (
        "etc/sudoers",
        "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
    ),
    (
        "var/lib/dpkg/status",
        "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n",
    ),
];

struct Lab {
    directory: TempDir,
    root: Root,
    release: OsRelease,
    profile: Profile,
}

impl Lab {
    /// In memory where there is such a place.
    fn new() -> Option<Lab> {
        let memory = Path::new("/dev/shm");
        let directory = match memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        let directory = directory.ok()?;
        let lab = Lab {
            root: Root::open(directory.path()).ok()?,
            release: OsRelease::parse("ID=debian\nVERSION_ID=12\n"),
            profile: load::named("debian-12").ok()?,
            directory,
        };
        for (place, text) in TEMPLATE {
            lab.write(place, text.as_bytes())?;
        }
        Some(lab)
    }

    fn write(&self, place: &str, bytes: &[u8]) -> Option<PathBuf> {
        let path = self.directory.path().join(place);
        fs::create_dir_all(path.parent()?).ok()?;
        fs::write(&path, bytes).ok()?;
        Some(path)
    }

    /// Puts what stood there before the last input in its place.
    fn restore(&self, place: &str, path: &Path) {
        let before = TEMPLATE.iter().find(|(template, _)| *template == place);
        match before {
            Some((_, text)) => fs::write(path, text),
            None => fs::remove_file(path),
        }
        .unwrap_or_default();
    }
}

thread_local! {
    static LAB: Option<Lab> = Lab::new();
}

/// Puts the bytes there, looks, and takes them away.
fn with(place: &str, bytes: &[u8], look: impl FnOnce(&Lab)) {
    LAB.with(|lab| {
        let lab = lab.as_ref().expect("a place for a small tree");
        if let Some(path) = lab.write(place, bytes) {
            look(lab);
            lab.restore(place, &path);
        }
    });
}

fn chosen<'a>(places: &[&'static str], bytes: &'a [u8]) -> Option<(&'static str, &'a [u8])> {
    let (choice, rest) = bytes.split_first()?;
    // A letter in corpora, so that a person can read them.
    let at = usize::from(choice.wrapping_sub(b'a')) % places.len();
    Some((*places.get(at)?, rest))
}

/// One area of settings.
pub(crate) fn judge(tried: &Tried, bytes: &[u8]) {
    let Some((place, bytes)) = chosen(tried.places, bytes) else {
        return;
    };
    with(place, bytes, |lab| {
        let all = |_: &str| true;
        let settings = &lab.profile.settings;
        let context = Context::new(&lab.root, &lab.release, settings, 1_800_000_000, &all);
        let area = AREAS.iter().find(|area| area.name == tried.area);
        let area = area.expect("an area of that name");
        area.judge(&context, &mut |finding| drop(finding));
    });
}

/// dpkg's own files.
pub(crate) fn dpkg(bytes: &[u8]) {
    const PLACES: [&str; 6] = [
        "var/lib/dpkg/status",
        "var/lib/dpkg/info/bash.list",
        "var/lib/dpkg/info/bash.md5sums",
        "var/lib/dpkg/diversions",
        "var/log/dpkg.log",
        "var/lib/dpkg/updates/0001",
    ];
    let Some((place, bytes)) = chosen(&PLACES, bytes) else {
        return;
    };
    with(place, bytes, |lab| {
        drop(Database::load_dpkg(&lab.root));
        drop(packages_dpkg::Owners::load(&lab.root));
        drop(agent_packages::log::Logs::read(&lab.root, &|_| true));
    });
}

/// rpm's databases, of all four kinds.
pub(crate) fn rpm(bytes: &[u8]) {
    const PLACES: [&str; 3] = [
        "var/lib/rpm/rpmdb.sqlite",
        "var/lib/rpm/Packages",
        "var/lib/rpm/Packages.db",
    ];
    let Some((place, bytes)) = chosen(&PLACES, bytes) else {
        return;
    };
    with(place, bytes, |lab| {
        drop(Database::load_rpm(&lab.root));
        let each = &mut |entry: packages_rpm::signed::InstalledPackage<'_>| {
            drop((
                entry.package(),
                entry.key(),
                entry.signed_bytes(),
                entry.signatures(),
            ));
            entry.files(&mut |file| drop(file));
            entry.region(&mut |file| drop(file));
        };
        drop(packages_rpm::signed::packages(&lab.root, each));
        drop(agent_evidence::rpm_keys(&lab.root));
    });
}

/// Keyrings, signed lists and packages of apt.
pub(crate) fn evidence(bytes: &[u8]) {
    const PLACES: [&str; 5] = [
        "etc/apt/trusted.gpg.d/x.asc",
        "etc/apt/trusted.gpg.d/x.gpg",
        "var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease",
        "var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages",
        "var/cache/apt/archives/bash_1_amd64.deb",
    ];
    let Some((place, bytes)) = chosen(&PLACES, bytes) else {
        return;
    };
    with(place, bytes, |lab| {
        drop(Explainer::open(&lab.root, RecordedPackages::default()));
    });
}
