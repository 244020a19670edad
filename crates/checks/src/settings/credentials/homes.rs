//! Homes of people and services, each directory once.

use super::Gap;
use crate::settings::accounts::login;
use crate::settings::context::Context;
use agent_core::bounds;
use std::collections::BTreeSet;

/// Directories that are homes only because passwd must name one.
const NO_HOMES: [&str; 20] = [
    "/",
    "/bin",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/games",
    "/lib",
    "/etc",
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/boot",
    "/var",
    "/var/run",
    "/var/empty",
    "/var/cache/man",
    "/var/spool/mail",
    "/nonexistent",
];

/// A home, and whether people live there: then everything below it is theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home {
    /// Absolute, without a slash at its end.
    pub(super) path: String,
    pub(super) of_people: bool,
}

/// /root, what lies in /home, and the homes that passwd names.
pub(super) fn homes(context: &Context<'_>, gaps: &mut Vec<Gap>) -> Vec<Home> {
    let mut people: BTreeSet<String> = BTreeSet::from(["/root".to_owned()]);
    let mut services: BTreeSet<String> = BTreeSet::new();
    match context.root.list(b"home") {
        Ok(names) => {
            for (name, _) in names.iter().flat_map(|names| names.iter()) {
                people.insert(format!("/home/{}", String::from_utf8_lossy(name)));
            }
        }
        Err(error) => gaps.push(Gap {
            place: "/home".into(),
            why: error.to_string(),
        }),
    }
    match context.users() {
        Ok(users) => {
            for row in users.passwd.iter().flatten().filter(|row| !row.is_nis()) {
                let home = String::from_utf8_lossy(row.field(5)).into_owned();
                let home = home.trim_end_matches('/').to_owned();
                if !home.starts_with('/')
                    || NO_HOMES.contains(&home.as_str())
                    || people.contains(&home)
                {
                    continue;
                }
                let person = row
                    .number(2)
                    .is_some_and(|uid| (1000..60_000).contains(&uid));
                match person && login::has_shell(row) {
                    true => people.insert(home),
                    false => services.insert(home),
                };
            }
        }
        Err(error) => gaps.push(Gap {
            place: "/etc/passwd".into(),
            why: error.to_string(),
        }),
    }
    services.retain(|home| !people.contains(home));
    let mut homes: Vec<Home> = people
        .into_iter()
        .map(|path| Home {
            path,
            of_people: true,
        })
        .chain(services.into_iter().map(|path| Home {
            path,
            of_people: false,
        }))
        .collect();
    let most = bounds::HOMES;
    if let Some(more @ 1..) = homes.len().checked_sub(most) {
        gaps.push(Gap {
            place: format!("{more} homes"),
            why: format!("only the first {most} are looked at"),
        });
        homes.truncate(most);
    }
    homes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::within;
    use std::fs;

    #[test]
    fn more_homes_than_are_looked_at_are_told() {
        // Beside /root.
        for (users, told) in [(bounds::HOMES - 1, 0), (bounds::HOMES, 1)] {
            let directory = tempfile::tempdir().expect("a directory");
            let passwd: String = (0..users)
                .map(|n| format!("s{n}:x:{}:{0}::/srv/{n}:/bin/false\n", n + 100_000))
                .collect();
            fs::create_dir(directory.path().join("etc")).expect("made");
            fs::write(directory.path().join("etc/passwd"), passwd).expect("written");
            let mut gaps = Vec::new();
            let found = within(directory.path(), |context| homes(context, &mut gaps));
            assert_eq!((found.len(), gaps.len()), (bounds::HOMES, told));
            assert!(gaps.iter().all(|gap| gap.why.contains("only the first")));
        }
    }
}
