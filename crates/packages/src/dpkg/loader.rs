//! What each package claims, and what a reader must be told.

use super::diversions::Diversions;
use super::excludes::Excludes;
use super::info::{INFO, Info};
use super::md5sums::{self, Listed};
use super::status::{Package, State};
use crate::DatabaseKind;
use crate::claims::{Claim, Claims, NOTHING, Source};
use crate::database::{Damages, Database};
use agent_core::attributes::{Digest, FileType};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_core::words::counted;

/// What the notes tell.
#[derive(Default)]
pub(super) struct Tally {
    unconfigured: Vec<String>,
    taken_over: u64,
    left_out: u64,
}

/// Goes through the packages one by one.
pub(super) struct Loader<'a> {
    pub(super) root: &'a Root,
    pub(super) diversions: Diversions<'a>,
    pub(super) excludes: Excludes,
    pub(super) info: Info,
    pub(super) damages: Damages,
    pub(super) claims: Claims,
    pub(super) database: Database,
    pub(super) tally: Tally,
}

impl Loader<'_> {
    /// Takes in one package. Errors: lists of more bytes than there may be, or more files.
    pub(super) fn package(&mut self, package: &Package<'_>) -> Result<()> {
        self.take_in(package)?;
        if self.info.read > bounds::DPKG_LISTS {
            return Err(Error::in_file(
                INFO,
                format!("lists of more than {} bytes", bounds::DPKG_LISTS),
            ));
        }
        Ok(())
    }

    fn take_in(&mut self, package: &Package<'_>) -> Result<()> {
        let mut name = format!("{}:{}", package.name, package.arch);
        // Lists of a package that is Multi-Arch: same, and only those, have the architecture in their name.
        let qualified = ["list", "md5sums"]
            .iter()
            .any(|kind| self.info.hint(&format!("{name}.{kind}")).is_some());
        if !qualified {
            name.truncate(package.name.len());
        }
        match package.state {
            State::NotInstalled => return Ok(()),
            State::HalfInstalled => {
                let mut list = Vec::new();
                // An unreadable list leaves files without owner; that the package is half installed is told.
                if let Ok(true) = self
                    .info
                    .read(self.root, &format!("{name}.list"), &mut list)
                {
                    self.own_undigested(package, &Listed::parse(&list));
                }
                self.database.unverified.push(name);
                return Ok(());
            }
            // A failed postinst can last for years; the files are in place all the same.
            State::Unpacked | State::HalfConfigured => self.tally.unconfigured.push(name.clone()),
            State::ConfigFiles | State::Installed => {}
        }
        let mut list = Vec::new();
        let file = format!("{name}.list");
        let listed = match self.info.read(self.root, &file, &mut list) {
            Ok(false) => false,
            // dpkg ends every line, and lists the root at least. Cut short, the list would clear what it lost.
            Ok(true) if list.last() == Some(&b'\n') => true,
            Ok(true) => {
                self.damages
                    .file(&format!("{INFO}/{file}"), "the list is cut off");
                false
            }
            Err(error) => {
                self.damages.file(&format!("{INFO}/{file}"), error);
                false
            }
        };
        let mut listed = listed.then(|| Listed::parse(&list));
        let id = u32::try_from(self.database.packages.len()).unwrap_or(u32::MAX);
        let claimed = Claimed {
            package,
            name: &name,
            id,
        };
        self.conffiles(&claimed, &mut listed)?;
        if package.state != State::ConfigFiles {
            self.digests(&claimed, &mut listed)?;
        }
        if package.state != State::ConfigFiles {
            self.database.verified = self.database.verified.saturating_add(1);
        }
        self.database.packages.push(name.into_boxed_str());
        Ok(())
    }

    fn conffiles(&mut self, claimed: &Claimed<'_>, listed: &mut Option<Listed<'_>>) -> Result<()> {
        let package = claimed.package;
        for conffile in &package.conffiles {
            let taken_over = listed
                .as_mut()
                .is_some_and(|listed| !listed.has(conffile.path));
            let obsolete = conffile.obsolete || taken_over || package.state == State::ConfigFiles;
            let claim = Claim {
                digest: conffile
                    .md5
                    .filter(|_| !matches!(package.state, State::Unpacked | State::HalfConfigured))
                    .map(Digest::Md5),
                recorded: NOTHING,
                package: claimed.id,
                source: if obsolete {
                    Source::ObsoleteConffile
                } else {
                    Source::Conffile
                },
                optional: obsolete,
            };
            self.claim(conffile.path, package, claim)?;
        }
        Ok(())
    }

    fn digests(&mut self, claimed: &Claimed<'_>, listed: &mut Option<Listed<'_>>) -> Result<()> {
        let name = format!("{}.md5sums", claimed.name);
        let file = format!("{INFO}/{name}");
        let mut text = Vec::new();
        match self.info.read(self.root, &name, &mut text) {
            Ok(_) => {}
            Err(error) => {
                self.damages.file(&file, error);
                return Ok(());
            }
        }
        if text.is_empty() {
            self.undigested(claimed, &file, listed);
        }
        for (line, number) in super::lines(&text).zip(1..) {
            let Some((md5, path)) = md5sums::parse_line(line.text) else {
                self.damages.line(&file, number, "not a digest and a path");
                continue;
            };
            if let Some(listed) = listed.as_mut()
                && !listed.has(&path)
            {
                // A carriage return or a blank too many: the path would be no file's, and the file unjudged.
                let bare = path.trim_ascii();
                if bare.len() < path.len() && listed.has(bare) {
                    let what = "blanks or a carriage return around the path: no file has that name";
                    self.damages.line(&file, number, what);
                    self.database
                        .undigested
                        .extend(self.file_at(bare, claimed.package));
                } else if line.ended {
                    self.tally.taken_over = self.tally.taken_over.saturating_add(1);
                } else {
                    self.damages.line(&file, number, "the list is cut off");
                }
                continue;
            }
            let claim = Claim {
                digest: Some(Digest::Md5(md5)),
                recorded: NOTHING,
                package: claimed.id,
                source: Source::File,
                optional: false,
            };
            self.claim(&path, claimed.package, claim)?;
        }
        Ok(())
    }

    /// A package without digests is sound if it has no files: dependencies alone, or conffiles.
    fn undigested(&mut self, claimed: &Claimed<'_>, file: &str, listed: &Option<Listed<'_>>) {
        let Some(listed) = listed else {
            self.damages
                .file(file, "neither digests nor a list of the package's files");
            return;
        };
        let is_file = |path: &[u8]| self.file_at(path, claimed.package).is_some();
        let mut own = listed.iter().filter(|path| {
            claimed
                .package
                .conffiles
                .iter()
                .all(|conffile| conffile.path != *path)
        });
        if let Some(path) = own.find(|path| is_file(path)) {
            let path = escape::terminal_bytes(path);
            self.damages.file(
                file,
                format!("no digests, though the package has files: /{path}"),
            );
            self.own_undigested(claimed.package, listed);
        }
    }

    /// Notes that the package's files have an owner, whatever their contents are.
    fn own_undigested(&mut self, package: &Package<'_>, listed: &Listed<'_>) {
        for path in listed.iter() {
            if let Some(path) = self.file_at(path, package) {
                self.database.undigested.insert(path);
            }
        }
    }

    /// Where the regular file lies that the package calls `path`, if there is one.
    fn file_at(&self, path: &[u8], package: &Package<'_>) -> Option<Vec<u8>> {
        let path = self.diversions.place(path, package.name);
        let found = self.root.resolve(path, false).ok()?;
        let stat = node::stat(found.handle?).ok()?;
        (stat.kind == FileType::File).then_some(found.path)
    }

    fn claim(&mut self, path: &[u8], package: &Package<'_>, claim: Claim) -> Result<()> {
        let left_out = self.excludes.cover(path);
        if left_out && claim.source == Source::File {
            self.tally.left_out = self.tally.left_out.saturating_add(1);
        }
        let optional = claim.optional || left_out;
        let place = self.diversions.place(path, package.name);
        self.claims.add(place, Claim { optional, ..claim })
    }

    /// Settles who has what, and writes the notes.
    pub(super) fn finish(self) -> Result<Database> {
        let mut database = self.database;
        database.kind = DatabaseKind::Dpkg;
        database.files = self.claims.settle(self.root)?;
        database.damaged = self.damages.0;
        let tally = self.tally;
        let mut note = |text: String| database.notes.push(text);
        if let Some(names) = some(&database.unverified) {
            note(format!(
                "not fully installed, so that their files were not verified: {names}"
            ));
        }
        if let Some(names) = some(&tally.unconfigured) {
            note(format!(
                "not configured yet, so that their conffiles were not verified: {names}"
            ));
        }
        let damaged: Vec<String> = database.damaged.iter().map(|d| d.file.clone()).collect();
        if let Some(names) = some(&damaged) {
            note(format!("unreadable or damaged in part: {names}"));
        }
        if tally.taken_over > 0 {
            note(format!(
                "{} digests are of files that their packages no longer have, for example because \
                 another package replaced them; they were passed over",
                tally.taken_over
            ));
        }
        if tally.left_out > 0 {
            note(format!(
                "{} may be missing, as dpkg's path-exclude leaves them out",
                counted(tally.left_out, "file")
            ));
        }
        Ok(database)
    }
}

/// The package whose claims are read.
struct Claimed<'a> {
    package: &'a Package<'a>,
    /// Of its lists.
    name: &'a str,
    id: u32,
}

/// The number of names and the first of them; `None` if there are none.
fn some(names: &[String]) -> Option<String> {
    const SHOWN: usize = 10;
    if names.is_empty() {
        return None;
    }
    let more = match names.get(SHOWN..) {
        None | Some([]) => String::new(),
        Some(more) => format!(" and {} more", more.len()),
    };
    let shown = names.get(..SHOWN).unwrap_or(names);
    Some(format!("{} ({}{more})", names.len(), shown.join(", ")))
}
