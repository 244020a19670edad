//! rpm: the signature over a package's header in the database vouches, by keys that the manifest names.

use super::repository::{keeps, on, verdict};
use harness::rpm::{build, rpm};
use harness::{Lab, Ran, run, shell};
use std::path::PathBuf;
use std::process::Command;

struct Signed {
    lab: Lab,
}

const PROFILE: &str = "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"high\"\n\
    [[paths]]\npath = \"/etc\"\nseverity = \"high\"\n";

impl Signed {
    /// A tree with `tool` 1.0, signed by the distribution's key, recorded.
    fn new() -> Signed {
        let lab = Lab::new();
        lab.profile(PROFILE);
        lab.shell(
            "umask 022; mkdir -p usr/bin usr/lib usr/share etc/yum.repos.d var/lib/rpm; echo x > etc/yum.repos.d/a.repo
             printf 'root:x:0:0::/root:/bin/sh\\n' > etc/passwd; printf 'root:x:0:\\n' > etc/group",
        );
        let signed = Signed { lab };
        shell(signed.lab.path(), "mkdir -m 700 gpg");
        signed.key("distribution");
        signed.package("tool", "1.0", "", Some("distribution"));
        signed.install("tool-1.0", &[]);
        signed.lab.create().expect(0);
        signed
    }

    /// A key, imported into rpm's database.
    fn key(&self, name: &str) {
        shell(
            self.lab.path(),
            &format!(
                "gpg --homedir gpg --batch --quiet --passphrase '' --quick-generate-key {name} rsa2048 sign never
                 gpg --homedir gpg --armor --export {name} > {name}.asc"
            ),
        );
        let mut import = rpm(&self.lab.root());
        import
            .arg("--import")
            .arg(self.lab.path().join(format!("{name}.asc")));
        run(&mut import).expect(0);
    }

    /// Builds a package, in `NAME-VERSION.rpm`, and signs it.
    fn package(&self, name: &str, version: &str, rights: &str, key: Option<&str>) {
        let rights = if rights.is_empty() {
            "%attr(0644,root,root)"
        } else {
            rights
        };
        let spec = format!(
            "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: a test\nLicense: none\nBuildArch: noarch\n\
             %description\na test\n%install\ncd %{{buildroot}}\nmkdir -p usr/bin usr/share/{name}\n\
             echo {name} {version} > usr/bin/{name}; echo data {version} > usr/share/{name}/data\n\
             ln -s data usr/share/{name}/link-{version}\n\
             %files\n%attr(0755,root,root) /usr/bin/{name}\n%dir %attr(0755,root,root) /usr/share/{name}\n\
             {rights} /usr/share/{name}/data\n/usr/share/{name}/link-{version}\n"
        );
        build(self.lab.path(), &spec);
        let place = self.place(&format!("{name}-{version}"));
        std::fs::rename(self.lab.path().join(format!("rpms/{name}.rpm")), &place).expect("built");
        if let Some(key) = key {
            let mut sign = Command::new("rpmsign");
            sign.args(["--addsign", "--define", &format!("_gpg_name {key}")])
                .args(["--define", "_gpg_digest_algo sha256"])
                // Where distributions have it differs from where rpm was built to look.
                .args(["--define", "__gpg /usr/bin/gpg"])
                .arg(&place)
                .env("GNUPGHOME", self.lab.path().join("gpg"));
            run(&mut sign).expect(0);
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.lab.path().join(format!("{name}.rpm"))
    }

    fn install(&self, name: &str, more: &[&str]) {
        let mut install = rpm(&self.lab.root());
        install
            .args(["--upgrade", "--nodeps", "--noplugins"])
            .args(more)
            .arg(self.place(name));
        run(&mut install).expect(0);
    }

    fn check(&self) -> Ran {
        self.lab.check(&[])
    }
}

#[test]
fn an_update_that_a_recorded_key_signed_is_explained() {
    let signed = Signed::new();
    let manifest = std::fs::read_to_string(signed.lab.manifest()).expect("a manifest");
    assert!(
        manifest.contains("# package tool 1.0-1 noarch\n") && manifest.contains("# package-key "),
        "{manifest}"
    );
    signed.check().expect(0);
    signed.package("tool", "1.1", "", Some("distribution"));
    signed.install("tool-1.1", &[]);
    let ran = signed.check().expect(1);
    for path in [
        "/usr/bin/tool",
        "/usr/share/tool/data",
        "/usr/share/tool/link-1.1",
    ] {
        let finding = on(&ran, path);
        let expected = (
            "low".to_owned(),
            Some("high".to_owned()),
            Some("signed".to_owned()),
        );
        assert_eq!(verdict(&finding), expected, "{finding}");
        let by = &finding["explained_by"];
        assert_eq!(
            (by["package"].as_str(), by["version"].as_str()),
            (Some("tool"), Some("1.1-1"))
        );
        let told = |key: &str| by[key].as_str().unwrap_or_default().to_owned();
        assert!(
            told("at").starts_with("20") && told("transaction").starts_with("rpm transaction "),
            "{by}"
        );
    }
    signed
        .lab
        .shell("chmod 777 usr/bin/tool; echo more >> usr/share/tool/data");
    let ran = signed.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("signed"),
        "which is not signed: mode",
    );
    keeps(
        &on(&ran, "/usr/share/tool/data"),
        None,
        "it is not what the installed package shipped",
    );
}

#[test]
fn a_package_that_nobody_signed_or_an_unrecorded_key_keeps_its_severity() {
    let signed = Signed::new();
    signed.package("tool", "2.0", "", None);
    signed.install("tool-2.0", &[]);
    keeps(
        &on(&signed.check().expect(1), "/usr/bin/tool"),
        Some("sha256"),
        "its header has no signature",
    );
    signed.key("intruder");
    signed.package("tool", "3.0", "", Some("intruder"));
    signed.install("tool-3.0", &[]);
    let words =
        "no signature by a recorded key vouches for it: the signature of its header does not hold";
    keeps(
        &on(&signed.check().expect(1), "/usr/bin/tool"),
        Some("sha256"),
        words,
    );
}

#[test]
fn new_packages_old_versions_and_new_privileges_keep_their_severity() {
    let signed = Signed::new();
    signed.package("fresh", "1.0", "", Some("distribution"));
    signed.install("fresh-1.0", &[]);
    signed.package("tool", "0.9", "", Some("distribution"));
    signed.install("tool-0.9", &["--oldpackage"]);
    let ran = signed.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/fresh"),
        Some("signed"),
        "the package is new on this host",
    );
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("signed"),
        "the package is older than it was before: it was 1.0-1",
    );
    signed.package(
        "tool",
        "1.2",
        "%attr(4755,root,root) %caps(cap_net_raw=ep)",
        Some("distribution"),
    );
    signed.install("tool-1.2", &[]);
    keeps(
        &on(&signed.check().expect(1), "/usr/share/tool/data"),
        Some("signed"),
        "it gives a new privilege",
    );
}

#[test]
fn a_header_that_was_edited_in_the_database_vouches_for_nothing() {
    let signed = Signed::new();
    signed.package("tool", "1.1", "", Some("distribution"));
    signed.install("tool-1.1", &[]);
    // The digest of the edited program in place of the one that was shipped.
    signed.lab.shell(
        "old=$(sha256sum usr/bin/tool | cut -c1-64); echo evil >> usr/bin/tool; new=$(sha256sum usr/bin/tool | cut -c1-64)
         python3 - var/lib/rpm/rpmdb.sqlite $old $new <<'END'
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
old, new = (text.encode() for text in sys.argv[2:])
rows = [(blob.replace(old, new), number) for number, blob in base.execute('SELECT hnum, blob FROM Packages') if old in blob]
assert len(rows) == 1
base.executemany('UPDATE Packages SET blob = ? WHERE hnum = ?', rows)
base.commit()
END",
    );
    let finding = on(&signed.check().expect(1), "/usr/bin/tool");
    keeps(
        &finding,
        Some("sha256"),
        "the signature of its header does not hold",
    );
}

#[test]
fn a_repository_that_was_added_keeps_every_severity() {
    let signed = Signed::new();
    signed.package("tool", "1.1", "", Some("distribution"));
    signed.install("tool-1.1", &[]);
    signed.lab.shell("echo y > etc/yum.repos.d/b.repo");
    let ran = signed.check().expect(1);
    assert_eq!(on(&ran, "/etc/yum.repos.d/b.repo")["severity"], "critical");
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("signed"),
        "/etc/yum.repos.d/b.repo was added",
    );
}
