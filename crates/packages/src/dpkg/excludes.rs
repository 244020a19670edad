//! `path-exclude` and `path-include` of dpkg.cfg(5): files that dpkg was told not to unpack (dpkg(1)).

use crate::database::Damages;
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};
use agent_core::os::root::Root;

/// The rules in the order in which dpkg reads them.
#[derive(Default)]
pub(super) struct Excludes {
    rules: Vec<Rule>,
    path: Vec<u8>,
}

struct Rule {
    /// The part of the pattern that stands for itself.
    literal: Vec<u8>,
    /// What follows it, read by fnmatch(3) without flags: `*` takes `/` and leading dots too.
    wild: Glob,
    exclude: bool,
}

impl Excludes {
    /// Reads `dpkg.cfg.d/*` (names of letters, digits, `-` and `_`), then `dpkg.cfg`, then root's `~/.dpkg.cfg`.
    ///
    /// What was given on a command line, or by apt's `DPkg::Options`, can't be known.
    pub(super) fn read(root: &Root, damages: &mut Damages) -> Excludes {
        let mut excludes = Excludes::default();
        let mut files: Vec<String> = Vec::new();
        match root.list(b"etc/dpkg/dpkg.cfg.d") {
            Ok(None) => {}
            Ok(Some(names)) => files.extend(names.iter().filter_map(|(name, _)| {
                let fits = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
                let name = std::str::from_utf8(name).ok()?;
                name.bytes()
                    .all(|b| fits(&b))
                    .then(|| format!("/etc/dpkg/dpkg.cfg.d/{name}"))
            })),
            Err(error) => damages.file("/etc/dpkg/dpkg.cfg.d", error),
        }
        files.extend([
            "/etc/dpkg/dpkg.cfg".to_owned(),
            "/root/.dpkg.cfg".to_owned(),
        ]);
        for file in files {
            match root.read(file.as_bytes(), bounds::DPKG_CONFIG) {
                Ok(Some(text)) => excludes.parse(&text, &file, damages),
                Ok(None) => {}
                Err(error) => damages.file(&file, error),
            }
        }
        excludes
    }

    fn parse(&mut self, text: &[u8], file: &str, damages: &mut Damages) {
        for (line, number) in super::lines(text).zip(1..) {
            match parse_line(line.text) {
                Ok(None) => {}
                Ok(Some(rule)) if self.rules.len() < bounds::DPKG_EXCLUDES => self.rules.push(rule),
                Ok(Some(_)) => damages.line(file, number, "too many rules"),
                Err(reason) => damages.line(file, number, reason),
            }
        }
    }

    /// Whether dpkg leaves the file at `path` (relative) out. The last rule that matches decides.
    ///
    /// What is said of a directory does not reach the files in it; the parents that dpkg keeps for the sake
    /// of a later include matter only for directories and links, of which nothing is claimed here.
    pub(super) fn cover(&mut self, path: &[u8]) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        self.path.clear();
        self.path.push(b'/');
        self.path.extend_from_slice(path);
        let path = &self.path;
        let last = self.rules.iter().rev().find(|rule| rule.matches(path));
        last.is_some_and(|rule| rule.exclude)
    }
}

impl Rule {
    fn new(pattern: &[u8], exclude: bool) -> Rule {
        let wild = pattern.iter().position(|b| b"*?[\\".contains(b));
        let (literal, wild) = pattern.split_at(wild.unwrap_or(pattern.len()));
        Rule {
            literal: literal.to_vec(),
            wild: Glob::new(wild, Syntax::Fnmatch),
            exclude,
        }
    }

    fn matches(&self, path: &[u8]) -> bool {
        path.strip_prefix(&*self.literal)
            .is_some_and(|rest| self.wild.matches(rest))
    }
}

/// An option, then blanks or one `=`, then its value, which may stand in quotes.
fn parse_line(line: &[u8]) -> Result<Option<Rule>, &'static str> {
    let line = line.trim_ascii_end();
    let end = line
        .iter()
        .position(|b| !b.is_ascii_alphanumeric() && *b != b'-')
        .unwrap_or(line.len());
    let (option, rest) = line.split_at(end);
    let exclude = match option {
        b"path-exclude" => true,
        b"path-include" => false,
        _ => return Ok(None),
    };
    // The byte after the option is passed over whatever it is, and one `=` after that.
    let value = rest.get(1..).unwrap_or_default();
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii_start();
    let value = match value {
        [quote @ (b'"' | b'\''), inner @ .., last] if quote == last => inner,
        [b'"' | b'\'', ..] => return Err("unbalanced quotes"),
        value => value,
    };
    if value.is_empty() {
        return Err("a path is missing");
    }
    Ok(Some(Rule::new(value, exclude)))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Tree;
    use super::*;

    fn excludes(text: &str) -> Excludes {
        let mut damages = Damages::default();
        let mut excludes = Excludes::default();
        excludes.parse(text.as_bytes(), "/etc/dpkg/dpkg.cfg", &mut damages);
        assert!(damages.0.is_empty(), "{text}");
        excludes
    }

    #[test]
    fn a_rule_too_many_is_damage_with_its_line() {
        let mut excludes = Excludes::default();
        let mut damages = Damages::default();
        let text = "path-exclude=/a\n".repeat(bounds::DPKG_EXCLUDES + 1);
        excludes.parse(text.as_bytes(), "/cfg", &mut damages);
        assert_eq!(excludes.rules.len(), bounds::DPKG_EXCLUDES);
        let [damage] = &damages.0[..] else {
            panic!("one damage");
        };
        assert_eq!(damage.reason, "too many rules");
        assert_eq!(damage.line, Some(bounds::DPKG_EXCLUDES as u64 + 1));
    }

    #[test]
    fn the_last_match_decides() {
        let mut slim = excludes(
            "# slim\npath-exclude /usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n\
             path-exclude=/usr/share/locale/*/LC_MESSAGES/*.mo\npath-include=/usr/share/locale/de*\nforce-unsafe-io\n",
        );
        assert!(slim.cover(b"usr/share/doc/a/b/changelog.gz"));
        assert!(!slim.cover(b"usr/share/doc/a/copyright"));
        assert!(!slim.cover(b"usr/share/doc/a/deep/copyright"));
        assert!(slim.cover(b"usr/share/locale/fr/LC_MESSAGES/x.mo"));
        assert!(!slim.cover(b"usr/share/locale/de/LC_MESSAGES/x.mo"));
        assert!(!slim.cover(b"usr/share/documents"));
        assert!(!slim.cover(b"etc/usr/share/doc/x"));
    }

    #[test]
    fn a_pattern_for_a_directory_is_not_one_for_its_files() {
        assert!(!excludes("path-exclude=/usr/share/doc\n").cover(b"usr/share/doc/x"));
        assert!(!excludes("path-exclude=/usr/share/doc/\n").cover(b"usr/share/doc/x"));
        assert!(!excludes("path-exclude=usr/share/doc/*\n").cover(b"usr/share/doc/x"));
    }

    #[test]
    fn values_are_read_as_dpkg_reads_them() {
        for line in [
            "path-exclude=/a",
            "path-exclude /a",
            "path-exclude = /a",
            "path-exclude\t/a  ",
            "path-exclude=\"/a\"",
            "path-exclude='/a'",
            "path-exclude==/a",
        ] {
            assert!(excludes(line).cover(b"a"), "{line}");
        }
        assert!(!excludes("path-excludes=/a\n#path-exclude=/a\n path-exclude=/a\n").cover(b"a"));
        for line in [
            "path-exclude",
            "path-exclude=",
            "path-exclude=\"/a",
            "path-include='",
        ] {
            assert!(parse_line(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn files_are_read_in_order() {
        let tree = Tree::new();
        tree.write(
            "etc/dpkg/dpkg.cfg.d/10-a",
            "path-exclude=/a\npath-exclude=/b\npath-exclude=/c\n",
        );
        tree.write("etc/dpkg/dpkg.cfg.d/20-b", "path-include=/a\n");
        tree.write("etc/dpkg/dpkg.cfg.d/30.dpkg-old", "path-include=/b\n");
        tree.write("etc/dpkg/dpkg.cfg", "path-include=/c\n");
        let mut damages = Damages::default();
        let mut read = Excludes::read(&tree.root(), &mut damages);
        assert_eq!(
            [b"a", b"b", b"c"].map(|path| read.cover(path)),
            [false, true, false]
        );
        assert!(damages.0.is_empty());
    }

    #[test]
    fn rules_that_cannot_be_read_are_damage() {
        let tree = Tree::new();
        tree.dir("etc/dpkg/dpkg.cfg");
        tree.link("etc/dpkg/dpkg.cfg.d/loop", "loop");
        let mut damages = Damages::default();
        Excludes::read(&tree.root(), &mut damages);
        let files: Vec<&str> = damages
            .0
            .iter()
            .map(|damaged| damaged.file.as_str())
            .collect();
        assert_eq!(files, ["/etc/dpkg/dpkg.cfg.d/loop", "/etc/dpkg/dpkg.cfg"]);
    }
}
