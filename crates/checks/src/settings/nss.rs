//! Sources of accounts that nsswitch.conf(5) asks beside /etc: files elsewhere are read, others are named.

use super::users::{Row, Users, parse};
use super::vendor;
use agent_core::bounds;
use agent_core::os::root::Root;
use std::io;

/// Sources of the form of passwd(5), and their directories: libnss-extrausers and nss-altfiles.
const FILES: [(&str, &str); 2] = [
    ("extrausers", "/var/lib/extrausers"),
    ("altfiles", "/usr/lib"),
];
/// Where nss_db(5) has its databases: glibc's own place, and Debian's.
const DB: [&str; 2] = ["/var/db", "/var/lib/misc"];
/// Sources that are looked at elsewhere (the files, records of systemd), or whose accounts lie on another host: a directory is
/// trusted or not as a whole (`accounts.directory_join`, `accounts.nis_plus`).
const KNOWN: [&str; 19] = [
    "files",
    "compat",
    "systemd",
    "sss",
    "ldap",
    "winbind",
    "nis",
    "nisplus",
    "hesiod",
    "ad",
    "aad",
    "centrifydc",
    "lsass",
    "vas3",
    "vas4",
    "oslogin",
    "cache_oslogin",
    "mymachines",
    "libvirt",
];

/// Adds the rows of such files, before or behind those of /etc as they are asked, and names the sources that are not read.
pub(super) fn join(root: &Root, users: &mut Users) -> io::Result<()> {
    let mut asked: Vec<(String, String)> = Vec::new();
    let mut first = Vec::new();
    for database in ["passwd", "shadow", "group"] {
        let Some((file, services)) = vendor::nsswitch(root, database)? else {
            continue;
        };
        let files = |service: &String| matches!(service.as_str(), "files" | "compat");
        let own = services.iter().position(files).unwrap_or(services.len());
        for (at, service) in services.into_iter().enumerate() {
            if at < own && !first.contains(&service) {
                first.push(service.clone());
            }
            if !asked.iter().any(|(known, _)| *known == service) {
                asked.push((service, format!("{database} in {file} asks")));
            }
        }
    }
    for (service, asks) in asked {
        let directory = FILES.iter().find(|(name, _)| *name == service);
        match (directory, service.as_str()) {
            (Some((_, directory)), _) => {
                let first = first.contains(&service);
                // PAM's module of that name reads shadow whatever nsswitch.conf says of it.
                add(root, users, directory, first);
            }
            (None, "db") => {
                let there = |path: &String| {
                    let found = root.resolve(path.as_bytes(), true);
                    found.is_ok_and(|found| found.handle.is_some())
                };
                let files = DB.iter().flat_map(|directory| {
                    ["passwd", "shadow", "group"].map(|name| format!("{directory}/{name}.db"))
                });
                let why = format!("{asks} db, and databases are not read here");
                users
                    .unread
                    .extend(files.filter(there).map(|path| (path, why.clone())));
            }
            (None, name) if KNOWN.contains(&name) => {}
            (None, name) => users.unread.push((
                "/etc/nsswitch.conf".to_owned(),
                format!("{asks} {name}, which is not known here"),
            )),
        }
    }
    Ok(())
}

/// Adds the three files of a directory; one that cannot be read is named.
fn add(root: &Root, users: &mut Users, directory: &str, first: bool) {
    let Users {
        passwd,
        shadow,
        group,
        unread,
        ..
    } = users;
    for (name, rows) in [("passwd", passwd), ("shadow", shadow), ("group", group)] {
        let path = format!("{directory}/{name}");
        let read = root.read(path.as_bytes(), bounds::ACCOUNTS_FILE);
        match read.and_then(|bytes| bytes.map(parse).transpose()) {
            Ok(None) => {}
            Ok(Some(more)) => {
                let mut more: Vec<Row> = more.into_iter().map(|row| row.of_file(&path)).collect();
                let own = rows.get_or_insert_default();
                match first {
                    true => {
                        more.append(own);
                        *own = more;
                    }
                    false => own.append(&mut more),
                }
            }
            Err(error) => unread.push((path, error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::accounts;
    use crate::settings::testing::within;
    use agent_core::finding::Verdict;
    use std::fs;

    /// What is not passed of `accounts.no_empty_passwords`, with its place.
    fn told(nsswitch: &str, files: &[(&str, &str)]) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().expect("below the tree")).expect("made");
            fs::write(path, text).expect("written");
        };
        put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        put("etc/shadow", "root:!:19000::::::\n");
        put("etc/nsswitch.conf", nsswitch);
        for (path, text) in files {
            put(path, text);
        }
        let mut told = Vec::new();
        within(directory.path(), |context| {
            accounts::look(context, &mut |finding| {
                let ours = finding.check.id == "accounts.no_empty_passwords";
                if ours && finding.verdict != Verdict::Pass {
                    let place = finding.location.clone().unwrap_or_default();
                    told.push(format!("{:?} {place}", finding.verdict).to_lowercase());
                }
            });
        });
        told
    }

    #[test]
    fn sources_beside_the_files() {
        let extra = "var/lib/extrausers/passwd";
        for (nsswitch, file, expected) in [
            (
                "passwd: extrausers files\n",
                extra,
                &["fail /var/lib/extrausers/passwd:1"][..],
            ),
            (
                "passwd: files altfiles\n",
                "usr/lib/passwd",
                &["fail /usr/lib/passwd:1"],
            ),
            (
                "passwd: files\nshadow: files extrausers\n",
                extra,
                &["fail /var/lib/extrausers/passwd:1"],
            ),
            (
                "passwd: files systemd sss [NOTFOUND=return] extrausers\n",
                extra,
                &[],
            ),
            ("passwd: files [ !UNAVAIL=return ] extrausers\n", extra, &[]),
            (
                "passwd: files [ SUCCESS=merge UNAVAIL=continue ] extrausers\n",
                extra,
                &["fail /var/lib/extrausers/passwd:1"],
            ),
            ("passwd: files\n", extra, &[]),
            (
                "passwd: db files\n",
                "var/db/passwd.db",
                &["unknown /var/db/passwd.db"],
            ),
            ("passwd: db files\n", extra, &[]),
            (
                "passwd: files own\n",
                extra,
                &["unknown /etc/nsswitch.conf"],
            ),
            ("passwd: compat sss ldap\nhosts: files dns\n", extra, &[]),
        ] {
            assert_eq!(
                told(nsswitch, &[(file, "eve::0:0::/:/bin/sh\n")]),
                expected,
                "{nsswitch}"
            );
        }
    }

    #[test]
    fn who_is_asked_first_is_found_first() {
        for (services, uid) in [("extrausers files", 5), ("files extrausers", 0)] {
            let directory = tempfile::tempdir().expect("a directory");
            for (path, text) in [
                ("etc/passwd", "root:x:0:0::/root:/bin/sh\n".to_owned()),
                ("etc/nsswitch.conf", format!("passwd: {services}\n")),
                (
                    "var/lib/extrausers/passwd",
                    "root:x:5:5::/:/bin/sh\n".to_owned(),
                ),
            ] {
                let path = directory.path().join(path);
                fs::create_dir_all(path.parent().expect("below the tree")).expect("made");
                fs::write(path, text).expect("written");
            }
            let users = Users::read(&Root::open(directory.path()).expect("a root"));
            let users = users.expect("accounts");
            let root = users.account(b"root").and_then(|row| row.number(2));
            assert_eq!(root, Some(uid), "{services}");
        }
    }
}
