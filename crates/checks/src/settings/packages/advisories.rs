//! Advisories of dnf, yum and zypper, as they lie in the cache: updateinfo.xml against the rpm database.

use super::pending::{Lists, Pending, modified};
use crate::settings::context::Context;
use agent_core::bounds;
use agent_packages::rpm::version::compare;
use agent_packages::{Installed, Package, unpack};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// Below these, one directory a repository; yum has two more levels.
const CACHES: [&str; 4] = [
    "var/cache/dnf",
    "var/cache/libdnf5",
    "var/cache/yum",
    "var/cache/zypp/raw",
];

/// Reads every updateinfo of the cache.
pub(super) fn read(context: &Context<'_>, installed: &Installed) -> Lists {
    let mut lists = Lists::default();
    let mut known: HashMap<(&str, &str), &Package> = HashMap::new();
    for package in &installed.packages {
        // Of kernels several versions stand side by side: the newest counts.
        let entry = known
            .entry((&package.name, &package.arch))
            .or_insert(package);
        if compare(&entry.version, &package.version) == Ordering::Less {
            *entry = package;
        }
    }
    let mut pending: Vec<(String, usize)> = CACHES
        .iter()
        .map(|cache| ((*cache).to_owned(), 0))
        .collect();
    let mut looked: usize = 0;
    while let Some((directory, depth)) = pending.pop() {
        looked = looked.saturating_add(1);
        if looked > bounds::PACKAGE_LIST_DIRECTORIES {
            lists.unreadable = Some("the cache of repositories has too many directories".into());
            break;
        }
        let names = match context.root.list(directory.as_bytes()) {
            Ok(names) => names,
            // A file where a directory might be.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
            Err(error) => {
                lists.unreadable = Some(format!("/{directory}: {error}"));
                continue;
            }
        };
        for (name, hint) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name).into_owned();
            let path = format!("{directory}/{name}");
            if hint == agent_core::os::node::Hint::Dir && depth < 5 {
                pending.push((path, depth.saturating_add(1)));
                continue;
            }
            if name.ends_with("repomd.xml") {
                let time = modified(context, &path);
                lists.refreshed = lists.refreshed.max(time);
            }
            if !name.contains("updateinfo.xml") || name.ends_with(".solvx") {
                continue;
            }
            let read = context
                .root
                .open_file(path.as_bytes())
                .and_then(|file| file.ok_or_else(|| io::Error::other("it is gone")))
                .and_then(
                    |file| match unpack::reader(&name, file, bounds::PACKAGE_LIST) {
                        Some(reader) => advisories(reader, &known, &mut lists),
                        None => Err(io::Error::other(
                            "this version cannot read that compression",
                        )),
                    },
                );
            match read {
                Ok(()) => lists.read = lists.read.saturating_add(1),
                Err(error) => lists.unreadable = Some(format!("/{path}: {error}")),
            }
        }
    }
    lists
}

/// One advisory as far as it has been read.
#[derive(Default)]
struct Advisory {
    id: String,
    security: bool,
    severity: String,
    /// Of a module: what is newer in one stream is no update of another.
    of_module: bool,
    packages: Vec<(String, String, String)>,
}

/// Tags one after the other; what they hold is text up to the next one.
fn advisories(
    mut reader: impl BufRead,
    known: &HashMap<(&str, &str), &Package>,
    lists: &mut Lists,
) -> io::Result<()> {
    let mut chunk = Vec::new();
    let mut advisory = Advisory::default();
    let mut last = String::new();
    let mut whole = false;
    loop {
        chunk.clear();
        let most = bounds::ADVISORY_TAG;
        if (&mut reader).take(most).read_until(b'>', &mut chunk)? == 0 {
            // An empty list says that there are no advisories; one cut off says nothing.
            return match whole {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        if chunk.len() as u64 == most && !chunk.ends_with(b">") {
            // Text may be as long as it likes, a tag may not.
            let Some(tag) = chunk.iter().position(|byte| *byte == b'<') else {
                continue;
            };
            chunk.drain(..tag);
            (&mut reader).take(most).read_until(b'>', &mut chunk)?;
            if !chunk.ends_with(b">") {
                let why = format!("a tag longer than {most} bytes");
                return Err(io::Error::other(why));
            }
        }
        let chunk = String::from_utf8_lossy(&chunk);
        let (text, tag) = chunk.split_once('<').unwrap_or(("", &chunk));
        let tag = tag.trim_end_matches('>');
        let name = tag.split([' ', '\n', '\t', '/']).next().unwrap_or_default();
        match name {
            // `/NAME` splits to nothing.
            "" => {
                match (tag.trim_start_matches('/').trim(), last.as_str()) {
                    ("id", "id") if advisory.id.is_empty() => advisory.id = text.trim().to_owned(),
                    ("severity", "severity") => advisory.severity = text.trim().to_lowercase(),
                    ("update", _) => {
                        judge(&std::mem::take(&mut advisory), known, lists);
                    }
                    ("updates", _) => whole = true,
                    _ => {}
                }
                last.clear();
            }
            "update" => {
                advisory = Advisory {
                    security: attribute(tag, "type").as_deref() == Some("security"),
                    ..Advisory::default()
                };
            }
            "updates" => whole = tag.ends_with('/'),
            "module" => advisory.of_module = true,
            "package" => {
                let value = |name| attribute(tag, name).unwrap_or_default();
                let epoch = value("epoch");
                let epoch = match epoch.as_str() {
                    "" | "0" => String::new(),
                    epoch => format!("{epoch}:"),
                };
                let version = format!("{epoch}{}-{}", value("version"), value("release"));
                advisory
                    .packages
                    .push((value("name"), value("arch"), version));
            }
            name => last = name.to_owned(),
        }
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let before;
        (before, rest) = rest.split_once(name)?;
        if before.ends_with(char::is_whitespace)
            && let Some(value) = rest.strip_prefix('=')
        {
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            return Some(value[1..].split(quote).next()?.to_owned());
        }
    }
}

fn judge(advisory: &Advisory, known: &HashMap<(&str, &str), &Package>, lists: &mut Lists) {
    if !advisory.security
        || advisory.of_module
        || matches!(advisory.severity.as_str(), "low" | "medium" | "moderate")
    {
        return;
    }
    for (name, arch, offered) in &advisory.packages {
        let Some(package) = known.get(&(name.as_str(), arch.as_str())) else {
            continue;
        };
        let newest = lists
            .pending
            .get(name)
            .is_none_or(|known| compare(&known.offered, offered) == Ordering::Less);
        if compare(&package.version, offered) == Ordering::Less && newest {
            let pending = Pending {
                installed: package.version.clone(),
                offered: offered.clone(),
                advisory: Some(agent_core::escape::terminal_text(&advisory.id).into_owned()),
            };
            lists.pending.insert(name.clone(), pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::within;

    #[test]
    fn a_cache_of_more_directories_than_any_cannot_be_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let unreadable = |directories: usize| {
            for n in 0..directories {
                let below = directory.path().join(CACHES[0]).join(n.to_string());
                std::fs::create_dir_all(below).expect("made");
            }
            let installed = Installed::default();
            within(directory.path(), |context| read(context, &installed)).unreadable
        };
        let most = bounds::PACKAGE_LIST_DIRECTORIES - CACHES.len();
        let told = unreadable(most);
        assert!(told.is_none_or(|told| !told.contains("too many")));
        let told = unreadable(most + 1).expect("told");
        assert!(told.contains("too many directories"), "{told}");
    }

    #[test]
    fn a_tag_without_end_is_an_error_and_long_text_is_none() {
        let read = |body: &str| {
            let text = format!("<updates>{body}</updates>");
            advisories(text.as_bytes(), &HashMap::new(), &mut Lists::default())
        };
        let most = usize::try_from(bounds::ADVISORY_TAG).expect("small");
        // Wherever the bound falls, in the text or in the tag behind it.
        for length in [most - 20, most - 3, most, 3 * most] {
            let text = "x".repeat(length);
            read(&format!("<description>{text}</description>")).expect("long text");
        }
        let tag = "y".repeat(2 * most);
        let error = read(&format!("<description {tag}>")).expect_err("a long tag");
        assert!(error.to_string().contains("a tag longer"), "{error}");
    }

    #[test]
    fn what_waits() {
        let package = |name: &str, version: &str| Package {
            name: name.into(),
            version: version.into(),
            arch: "x86_64".into(),
        };
        let all = [
            package("curl", "8.0-1"),
            package("bash", "1:5.2-1"),
            package("zsh", "5-1"),
        ];
        let known = all.iter().map(|p| ((&*p.name, &*p.arch), p)).collect();
        let update = |kind: &str, severity: &str, package: &str| {
            format!(
                "<update from='x' status=\"final\" type=\"{kind}\"><id>A-1</id><title>a &lt; b</title><severity>{severity}</severity><references><reference id=\"CVE\" type=\"cve\"/></references><pkglist><collection short=\"c\"><name>n</name>{package}</collection></pkglist></update>"
            )
        };
        let of = |name: &str, epoch: &str, version: &str| {
            format!(
                "<package arch=\"x86_64\" name=\"{name}\" epoch=\"{epoch}\" version=\"{version}\" release=\"1\" src=\"s\"><filename>f</filename></package>"
            )
        };
        for (body, expected) in [
            (String::new(), &[][..]),
            (
                update("security", "important", &of("curl", "0", "8.1")),
                &["curl"],
            ),
            (
                update("security", "Critical", &of("bash", "1", "5.3")),
                &["bash"],
            ),
            (update("security", "important", &of("bash", "0", "9")), &[]),
            (update("security", "", &of("curl", "0", "8.1")), &["curl"]),
            (update("security", "medium", &of("curl", "0", "8.1")), &[]),
            (update("bugfix", "important", &of("curl", "0", "8.1")), &[]),
            (
                update("security", "important", &of("curl", "0", "8.0")),
                &[],
            ),
            (
                update("security", "important", &of("gone", "0", "8.0")),
                &[],
            ),
            (
                update(
                    "security",
                    "important",
                    &format!("<module name=\"m\" stream=\"1\"/>{}", of("curl", "0", "9")),
                ),
                &[],
            ),
        ] {
            let text = format!("<?xml version=\"1.0\"?>\n<updates>{body}</updates>\n");
            let mut lists = Lists::default();
            advisories(text.as_bytes(), &known, &mut lists).expect("whole");
            let found: Vec<&String> = lists.pending.keys().collect();
            assert_eq!(found, expected, "{body}");
            let cut = &text.as_bytes()[..text.len() - 5];
            assert!(advisories(cut, &known, &mut Lists::default()).is_err());
        }
        assert!(advisories(&b"<updates/>"[..], &known, &mut Lists::default()).is_ok());
    }
}
