//! Accounts that passwd does not hold: records of userdb (nss-systemd(8), "USER RECORDS"; systemd's docs/USER_RECORD.md)
//! and of systemd-homed.
//!
//! What a record comes to is what `getent` and `userdbctl` of systemd 257 and 262 make of it: a name in the file's name
//! and in the record, the first password hash, an empty one that lets in, `locked` and the day of the end as an expiry.
#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value that has no such member reads as null"
)]

use super::users::{Row, Users};
use super::vendor;
use agent_core::bounds;
use agent_core::os::root::Root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// Where records lie; the first directory that has a name decides (userdb-dropin.h).
const DIRECTORIES: [&str; 5] = [
    "/etc/userdb",
    "/run/userdb",
    "/run/host/userdb",
    "/usr/local/lib/userdb",
    "/usr/lib/userdb",
];
/// Where systemd-homed keeps what it knows of its users.
const HOMED: &str = "/var/lib/systemd/home";
const DAY: u64 = 86_400_000_000;

/// An account of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `userName`
    pub name: String,
    /// Its file, absolute.
    pub file: String,
    /// `sshAuthorizedKeys`, a line of authorized_keys each: `userdbctl ssh-authorized-keys` prints them.
    pub keys: Vec<String>,
    /// `None`: no number, so that nobody logs in by it.
    uid: Option<u64>,
    gid: Option<u64>,
    home: String,
    shell: String,
    /// The first hash, as libnss-systemd hands it to shadow(5)'s readers.
    password: Option<String>,
    /// Field 8 of shadow(5).
    expires: Option<u64>,
    groups: Vec<String>,
}

/// A group of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    file: String,
    gid: Option<u64>,
    members: Vec<String>,
}

/// All records of a tree.
#[derive(Clone, Debug, Default)]
pub struct Records {
    users: Vec<Record>,
    groups: Vec<Group>,
    unread: Vec<(String, String)>,
    /// Bytes of records that were read.
    bytes: u64,
}

/// Reads all of them.
pub fn read(root: &Root) -> Records {
    let mut records = Records::default();
    // Names to directories: a name is looked for in one directory after the other.
    let mut files: BTreeMap<String, &str> = BTreeMap::new();
    for directory in DIRECTORIES.into_iter().chain([HOMED]) {
        let names = match root.list(directory.as_bytes()) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
            Err(error) => {
                records.unread(directory, error.to_string());
                continue;
            }
        };
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name).into_owned();
            let ends: &[&str] = match directory {
                HOMED => &[".identity"],
                _ => &[".user", ".group", ".membership"],
            };
            if ends.iter().any(|end| name.ends_with(end)) {
                files.entry(name).or_insert(directory);
            }
        }
    }
    if files.len() > bounds::USERDB_RECORDS {
        let why = format!(
            "{} records, {} are read at most",
            files.len(),
            bounds::USERDB_RECORDS
        );
        records.unread(DIRECTORIES[0], why);
    }
    let machine = Machine::of(root);
    for (name, directory) in files.into_iter().take(bounds::USERDB_RECORDS) {
        let path = format!("{directory}/{name}");
        let Some((stem, kind)) = name.rsplit_once('.') else {
            continue;
        };
        // NUMBER.user is a link by which the number is found.
        if stem.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        match kind {
            "membership" => records.membership(stem, &path),
            "group" => records.group(root, stem, &path),
            _ => records.user(root, stem, &path, &machine),
        }
    }
    records
}

/// By which a record says that a part of it is for one machine.
struct Machine {
    id: String,
    host: String,
}

impl Machine {
    fn of(root: &Root) -> Machine {
        let text = |path: &str| {
            let bytes = root
                .read(path.as_bytes(), bounds::SHORT_FILE)
                .ok()
                .flatten();
            let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            text.trim().to_owned()
        };
        Machine {
            id: text("/etc/machine-id"),
            host: text("/etc/hostname"),
        }
    }

    fn is_meant(&self, part: &Value) -> bool {
        let names = |key: &str, own: &str| match &part[key] {
            Value::String(one) => one == own,
            Value::Array(all) => all.iter().any(|one| one == own),
            _ => false,
        };
        names("matchMachineId", &self.id) || names("matchHostname", &self.host)
    }
}

impl Records {
    fn unread(&mut self, file: &str, why: String) {
        self.unread.push((file.to_owned(), why));
    }

    /// The JSON object in a file. What systemd would not take for one is no record, and nobody's account.
    fn json(&mut self, root: &Root, path: &str) -> Option<Value> {
        let text = match root.read(path.as_bytes(), bounds::USERDB_FILE) {
            Ok(text) => text?,
            Err(error) => {
                self.unread(path, error.to_string());
                return None;
            }
        };
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if self.bytes > bounds::USERDB_BYTES {
            let most = bounds::USERDB_BYTES >> 20;
            self.unread(
                path,
                format!("with it the records are more than {most} MiB"),
            );
            return None;
        }
        match serde_json::from_slice(&text) {
            Ok(value @ Value::Object(_)) => Some(value),
            Ok(_) => None,
            Err(error) => {
                self.unread(path, format!("is no JSON that is understood here: {error}"));
                None
            }
        }
    }

    fn user(&mut self, root: &Root, stem: &str, path: &str, machine: &Machine) {
        let Some(record) = self.json(root, path) else {
            return;
        };
        // A record of another name than its file's is none.
        if record["userName"] != stem {
            return;
        }
        let beside = match path.ends_with(".user") {
            true => self.json(root, &format!("{path}-privileged")),
            false => None,
        };
        let parts = Parts {
            beside: beside.as_ref(),
            record: &record,
            machine,
        };
        let uid = parts.number("uid");
        let system = uid.is_some_and(|uid| uid < 1000);
        let disposition = parts.text("disposition").unwrap_or(match system {
            true => "system",
            false => "regular",
        });
        let text = |key: &str, other: &str| parts.text(key).unwrap_or(other).to_owned();
        let privileged = |key: &str| parts.privileged(key);
        let expires = match parts.flag("locked") {
            // As libnss-systemd writes it: the second day of 1970.
            true => Some(1),
            false => parts.number("notAfterUSec").map(|end| end / DAY),
        };
        let regular = disposition == "regular" || uid == Some(0);
        let (home, shell) = match regular {
            true => (format!("/home/{stem}"), "/bin/bash"),
            false => ("/".to_owned(), "/usr/sbin/nologin"),
        };
        self.users.push(Record {
            name: stem.to_owned(),
            file: path.to_owned(),
            keys: privileged("sshAuthorizedKeys"),
            uid,
            gid: parts.number("gid").or(uid),
            home: text("homeDirectory", &home),
            shell: text("shell", shell),
            password: privileged("hashedPassword").into_iter().next(),
            expires,
            groups: texts(&record["memberOf"]),
        });
    }

    fn group(&mut self, root: &Root, stem: &str, path: &str) {
        let Some(record) = self.json(root, path) else {
            return;
        };
        if record["groupName"] == stem {
            self.groups.push(Group {
                name: stem.to_owned(),
                file: path.to_owned(),
                gid: record["gid"].as_u64(),
                members: texts(&record["members"]),
            });
        }
    }

    /// `USER:GROUP.membership`
    fn membership(&mut self, stem: &str, path: &str) {
        if let Some((user, group)) = stem.split_once(':') {
            self.groups.push(Group {
                name: group.to_owned(),
                file: path.to_owned(),
                gid: None,
                members: vec![user.to_owned()],
            });
        }
    }

    /// Adds what a lookup would find beside the files: names that these have not, where nsswitch.conf(5) asks systemd.
    pub fn join(self, root: &Root, users: &mut Users) -> io::Result<()> {
        // Without the file nobody knows who is asked: what lies there is then counted.
        let asks = |database: &str| -> io::Result<Option<bool>> {
            let found = vendor::nsswitch(root, database)?;
            Ok(found.map(|(_, services)| services.iter().any(|service| service == "systemd")))
        };
        let passwd = asks("passwd")?;
        let counts = passwd.unwrap_or(true);
        // A database without a line goes as passwd does.
        let shadow = asks("shadow")?.unwrap_or(counts);
        let group = asks("group")?.unwrap_or(counts);
        let mut rows = Vec::new();
        let mut hashes = Vec::new();
        for record in &self.users {
            let name = record.name.as_bytes();
            if counts && users.account(name).is_none() {
                rows.push(record.passwd());
            }
            if shadow && users.shadow_of(name).is_none() {
                hashes.push(record.shadow());
            }
        }
        let mut groups = Vec::new();
        if group {
            let gid = |name: &str| {
                let rows = users.group.iter().flatten();
                let mut known = rows.filter(|row| row.name() == name.as_bytes());
                known.find_map(|row| row.number(2)?.try_into().ok())
            };
            let of_users = self.users.iter().flat_map(|record| {
                record.groups.iter().map(|group| Group {
                    name: group.clone(),
                    file: record.file.clone(),
                    gid: None,
                    members: vec![record.name.clone()],
                })
            });
            groups.extend(self.groups.iter().cloned().chain(of_users).map(|group| {
                let own = self
                    .groups
                    .iter()
                    .find(|other| other.name == group.name && other.gid.is_some());
                let gid = group
                    .gid
                    .or_else(|| gid(&group.name))
                    .or(own.and_then(|own| own.gid));
                group.row(gid)
            }));
        }
        append(&mut users.passwd, rows);
        append(&mut users.shadow, hashes);
        append(&mut users.group, groups);
        users.records = self.users;
        users.unread.extend(self.unread);
        Ok(())
    }
}

fn append(rows: &mut Option<Vec<Row>>, more: Vec<Row>) {
    if !more.is_empty() {
        rows.get_or_insert_default().extend(more);
    }
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

impl Record {
    /// Whether it is root's, or of somebody who has root's number.
    pub fn is_root(&self) -> bool {
        self.name == "root" || self.uid == Some(0)
    }

    fn passwd(&self) -> Row {
        let (uid, gid) = (number(self.uid), number(self.gid));
        Row::of_record(
            &[
                &self.name,
                "x",
                &uid,
                &gid,
                &self.name,
                &self.home,
                &self.shell,
            ],
            &self.file,
        )
    }

    fn shadow(&self) -> Row {
        // Without a hash but with keys it is not locked: keys open it.
        let none = match self.keys.is_empty() {
            true => "!*",
            false => "*",
        };
        let password = self.password.as_deref().unwrap_or(none);
        let expires = number(self.expires);
        Row::of_record(
            &[&self.name, password, "", "", "", "", "", &expires, ""],
            &self.file,
        )
    }
}

impl Group {
    fn row(&self, gid: Option<u64>) -> Row {
        let members = self.members.join(",");
        Row::of_record(&[&self.name, "x", &number(gid), &members], &self.file)
    }
}

/// A record with the parts that are for this machine alone, and those that only root may read.
struct Parts<'a> {
    beside: Option<&'a Value>,
    record: &'a Value,
    machine: &'a Machine,
}

impl Parts<'_> {
    /// The parts in which a key may stand, the deciding one first.
    fn all(&self) -> impl Iterator<Item = &Value> {
        let own = self.record["perMachine"].as_array().into_iter().flatten();
        let own = own.filter(|part| self.machine.is_meant(part));
        own.chain([self.record, &self.record["binding"][&self.machine.id]])
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.all().find_map(|part| part[key].as_u64())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.all().find_map(|part| part[key].as_str())
    }

    fn flag(&self, key: &str) -> bool {
        self.all().find_map(|part| part[key].as_bool()) == Some(true)
    }

    fn privileged(&self, key: &str) -> Vec<String> {
        let beside = self.beside.map(|beside| &beside["privileged"][key]);
        let all = [beside, Some(&self.record["privileged"][key])];
        all.into_iter().flatten().flat_map(texts).collect()
    }
}

#[cfg(test)]
mod tests;
