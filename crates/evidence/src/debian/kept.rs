//! What was found out of signed packages, kept as small files: apt removes a package at the end of the run that brought
//! it, and a week later no list may have it any more.
//!
//! They lie in the daemon's state directory, are written and read by the daemon alone, and are believed as its ledger
//! is. Each says under which keyrings it was verified, and counts under no others.

use super::deb::Sums;
use super::tar::{Listing, Shipped};
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::escape;
use agent_packages::Package;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FIRST: &str = "host-integrity-agent evidence 1";
const LAST: &str = "end";

/// What is kept of one package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) package: Package,
    pub(crate) sha256: [u8; 32],
    pub(crate) sums: Sums,
    pub(crate) files: Option<Listing>,
}

/// Where they are kept, and under which keyrings they count.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    keyrings: [u8; 32],
}

impl Store {
    /// A directory that is made when something is to be kept.
    pub(crate) fn new(directory: &Path, keyrings: [u8; 32]) -> Store {
        Store {
            directory: directory.to_owned(),
            keyrings,
        }
    }

    /// All that is kept and counts. What cannot be read is passed over: it only makes evidence go.
    pub(crate) fn load(&self) -> Vec<Facts> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .take(bounds::DEBS)
            .filter(|entry| {
                entry
                    .metadata()
                    .is_ok_and(|data| data.is_file() && data.len() <= bounds::DEB_CONTROL)
            })
            .filter_map(|entry| fs::read_to_string(entry.path()).ok())
            .filter_map(|text| parse(&text, &self.keyrings))
            .collect()
    }

    /// Keeps it, in place of what was kept of the same package.
    pub(crate) fn keep(&self, facts: &Facts) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let place = self.directory.join(escape::hex(&facts.sha256));
        let new = place.with_extension("new");
        fs::write(&new, text(facts, &self.keyrings))?;
        fs::rename(&new, &place)
    }
}

fn octal(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    escape::push_octal(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

fn text(facts: &Facts, keyrings: &[u8; 32]) -> String {
    let Package {
        name,
        version,
        arch,
    } = &facts.package;
    let mut out = format!(
        "{FIRST}\nkeyrings {}\npackage {name} {version} {arch}\ndeb {}\n",
        escape::hex(keyrings),
        escape::hex(&facts.sha256)
    );
    // Writing into memory cannot fail.
    let mut line = |line: std::fmt::Arguments<'_>| out.write_fmt(line).unwrap_or_default();
    for (path, md5) in &facts.sums {
        line(format_args!("sum {} {}\n", escape::hex(md5), octal(path)));
    }
    if let Some(files) = &facts.files {
        line(format_args!("files\n"));
        for (path, shipped) in files {
            let Shipped {
                kind,
                mode,
                uid,
                gid,
                names,
                ..
            } = shipped;
            let mode = mode.map_or("-".to_owned(), |mode| format!("{mode:o}"));
            let digest = shipped
                .sha256
                .map_or("-".to_owned(), |digest| escape::hex(&digest));
            let link = shipped
                .link
                .as_ref()
                .map_or("-".to_owned(), |link| format!("={}", octal(link)));
            let kind = kind.name();
            line(format_args!(
                "file {kind} {mode} {uid} {gid} {names} {digest} {link} {}\n",
                octal(path)
            ));
        }
    }
    out + LAST + "\n"
}

fn parse(text: &str, keyrings: &[u8; 32]) -> Option<Facts> {
    let mut lines = text.lines();
    if lines.next()? != FIRST || !text.ends_with("\nend\n") {
        return None;
    }
    let known = lines.next()?.strip_prefix("keyrings ")?;
    if escape::from_hex::<32>(known.as_bytes())? != *keyrings {
        return None;
    }
    let words: Vec<&str> = lines.next()?.strip_prefix("package ")?.split(' ').collect();
    let [name, version, arch] = words[..] else {
        return None;
    };
    let package = Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
    };
    let sha256 = escape::from_hex(lines.next()?.strip_prefix("deb ")?.as_bytes())?;
    let mut facts = Facts {
        package,
        sha256,
        sums: Sums::new(),
        files: None,
    };
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["sum", md5, path] => {
                let path = escape::from_octal(path.as_bytes())?.into_boxed_slice();
                facts.sums.insert(path, escape::from_hex(md5.as_bytes())?);
            }
            ["files"] => facts.files = Some(Listing::new()),
            ["file", ..] => {
                let (path, shipped) = file(&words)?;
                facts.files.as_mut()?.insert(path, shipped);
            }
            [LAST] => return Some(facts),
            _ => return None,
        }
    }
    None
}

fn file(words: &[&str]) -> Option<(Box<[u8]>, Shipped)> {
    let [_, kind, mode, uid, gid, names, digest, link, path] = *words else {
        return None;
    };
    let shipped = Shipped {
        kind: FileType::from_name(kind.as_bytes())?,
        mode: match mode {
            "-" => None,
            mode => Some(u16::from_str_radix(mode, 8).ok()?),
        },
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        mtime: None,
        link: match link.strip_prefix('=') {
            Some(link) => Some(escape::from_octal(link.as_bytes())?.into_boxed_slice()),
            None => None,
        },
        sha256: match digest {
            "-" => None,
            digest => Some(escape::from_hex(digest.as_bytes())?),
        },
        names: names.parse().ok()?,
    };
    Some((
        escape::from_octal(path.as_bytes())?.into_boxed_slice(),
        shipped,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_whole_under_the_same_keyrings_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let shipped = |kind, mode, link: Option<&[u8]>| Shipped {
            kind,
            mode,
            uid: 3,
            gid: 5,
            mtime: None,
            link: link.map(Into::into),
            sha256: (kind == FileType::File).then_some([9; 32]),
            names: 2,
        };
        let path = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
        let mut facts = Facts {
            package: Package {
                name: "a".into(),
                version: "1:2-3".into(),
                arch: "all".into(),
            },
            sha256: [1; 32],
            sums: Sums::from([(path("usr/bin/a b\n"), [7; 16])]),
            files: None,
        };
        let store = Store::new(&directory.path().join("evidence"), [4; 32]);
        assert_eq!(store.load(), []);
        store.keep(&facts).expect("kept");
        assert_eq!(
            store.load(),
            [Facts {
                sums: facts.sums.clone(),
                package: facts.package.clone(),
                ..facts
            }]
        );
        facts.files = Some(Listing::from([
            (
                path("usr/bin/a b\n"),
                shipped(FileType::File, Some(0o4755), None),
            ),
            (path("usr/l"), shipped(FileType::Link, None, Some(b"a b"))),
            (path("usr"), shipped(FileType::Dir, Some(0o755), None)),
        ]));
        store.keep(&facts).expect("kept");
        assert_eq!(store.load(), [facts]);
        assert_eq!(
            Store::new(&directory.path().join("evidence"), [5; 32]).load(),
            []
        );
        let file = fs::read_dir(directory.path().join("evidence"))
            .expect("it")
            .next();
        let file = file.expect("one").expect("read").path();
        let text = fs::read_to_string(&file).expect("text");
        for cut in [text.len() / 2, text.len() - 2] {
            fs::write(&file, &text[..cut]).expect("written");
            assert_eq!(store.load(), [], "cut off");
        }
    }
}
