//! Links of alternatives (update-alternatives(1)): what a package's signed maintainer script registers.
//!
//! Root may point such a link anywhere, at a program that is as recorded too (`pager` at a shell), and may write dpkg's
//! own record of it. So a link counts where the script of an installed, signed package names it with that target in so
//! many words. What a script makes out of variables and loops is not followed: such a link stays.

use std::ops::ControlFlow;

/// Where the links are, relative to the root.
pub(crate) const DIRECTORY: &[u8] = b"etc/alternatives/";
/// Registrations of one script.
// Own bound: further ones explain nothing; the longest of Debian 13 has some fifty.
const MOST: usize = 256;
/// Bytes of a word.
// Own bound: PATH_MAX.
const LONGEST: usize = 4096;

/// What a script registers: `LINK` leads to `/etc/alternatives/NAME`, and that to `TARGET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub(crate) link: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) target: Vec<u8>,
}

impl Alternative {
    /// Whether it makes that link (relative to the root) with that target.
    pub(crate) fn makes(&self, path: &[u8], target: &[u8]) -> bool {
        match path.strip_prefix(DIRECTORY) {
            Some(name) => name == self.name && target == self.target,
            None => {
                let name = target.strip_prefix(b"/").unwrap_or_default();
                self.link.strip_prefix(b"/") == Some(path)
                    && name.strip_prefix(DIRECTORY) == Some(&self.name[..])
            }
        }
    }
}

/// What the script registers in so many words.
pub(crate) fn registered(script: &[u8]) -> Vec<Alternative> {
    let mut found = Vec::new();
    let joined = joined(script);
    for line in joined.split(|byte| *byte == b'\n') {
        let words: Vec<&[u8]> = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        if command(&words, &mut found).is_break() {
            break;
        }
    }
    found
}

fn command(words: &[&[u8]], found: &mut Vec<Alternative>) -> ControlFlow<()> {
    let is_it = |word: &&[u8]| word.ends_with(b"update-alternatives");
    let mut rest = words.splitn(2, is_it).nth(1).unwrap_or_default();
    while let Some((first, behind)) = rest.split_first() {
        let wanted = match *first {
            b"--install" => 4,
            b"--slave" => 3,
            _ => {
                rest = behind;
                continue;
            }
        };
        let Some((parts, behind)) = behind.split_at_checked(wanted) else {
            break;
        };
        let plain: Option<Vec<Vec<u8>>> = parts.iter().take(3).map(|word| plain(word)).collect();
        if let Some([link, name, target]) =
            plain.and_then(|parts| <[Vec<u8>; 3]>::try_from(parts).ok())
        {
            let paths = [&link, &target].iter().all(|path| path.starts_with(b"/"));
            if paths && !name.contains(&b'/') {
                found.push(Alternative { link, name, target });
            }
        }
        if found.len() == MOST {
            return ControlFlow::Break(());
        }
        rest = behind;
    }
    ControlFlow::Continue(())
}

/// A word that stands for itself, perhaps in quotes; `None` where the shell would make something of it.
fn plain(word: &[u8]) -> Option<Vec<u8>> {
    let quoted = [b'"', b'\''].iter().find_map(|quote| {
        let inner = word.strip_prefix(&[*quote])?;
        inner.strip_suffix(&[*quote])
    });
    let word = quoted.unwrap_or(word);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-:@%,".contains(byte);
    (word.len() <= LONGEST && !word.is_empty() && word.iter().all(is_plain)).then(|| word.to_vec())
}

/// The script with lines that go on in the next made one, and without comments that are lines of their own.
fn joined(script: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(script.len());
    for line in script.split(|byte| *byte == b'\n') {
        if line.trim_ascii_start().starts_with(b"#") {
            text.push(b'\n');
            continue;
        }
        match line.strip_suffix(b"\\") {
            Some(line) => {
                text.extend(line);
                text.push(b' ');
            }
            None => {
                text.extend(line);
                text.push(b'\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const SCRIPT: &str = r##"#!/bin/sh
set -e
# update-alternatives --install /usr/bin/no no /bin/no 1
if [ "$1" = configure ]; then
    update-alternatives --quiet --install /usr/bin/pager pager \
      /usr/bin/less 77 --slave /usr/share/man/man1/pager.1.gz \
      "pager.1.gz" '/usr/share/man/man1/less.1.gz'
    for i in a b; do update-alternatives --install /usr/bin/$i $i /usr/bin/vim 1; done
    /usr/bin/update-alternatives --install /usr/bin/x x relative 5
    update-alternatives --install /usr/bin/cut
fi
"##;

    fn alternative(link: &str, name: &str, target: &str) -> Alternative {
        Alternative {
            link: link.into(),
            name: name.into(),
            target: target.into(),
        }
    }

    #[test]
    fn what_stands_in_so_many_words_is_found() {
        let found = registered(SCRIPT.as_bytes());
        let expected = [
            alternative("/usr/bin/pager", "pager", "/usr/bin/less"),
            alternative(
                "/usr/share/man/man1/pager.1.gz",
                "pager.1.gz",
                "/usr/share/man/man1/less.1.gz",
            ),
        ];
        assert_eq!(found, expected);
        let pager = &found[0];
        assert!(pager.makes(b"etc/alternatives/pager", b"/usr/bin/less"));
        assert!(!pager.makes(b"etc/alternatives/pager", b"/bin/sh"));
        assert!(!pager.makes(b"etc/alternatives/editor", b"/usr/bin/less"));
        assert!(pager.makes(b"usr/bin/pager", b"/etc/alternatives/pager"));
        assert!(!pager.makes(b"usr/bin/pager", b"/etc/alternatives/editor"));
        assert!(!pager.makes(b"usr/bin/other", b"/etc/alternatives/pager"));
        assert!(!pager.makes(b"usr/bin/pager", b"/usr/bin/less"));
    }

    /// The links that the program makes when it runs the script are those that are said to come of it.
    #[test]
    fn update_alternatives_makes_those_links() {
        let tree = tempfile::tempdir().expect("a directory");
        let place = tree.path().display();
        let script = format!(
            "mkdir -p {place}/usr/bin {place}/etc/alternatives {place}/var/lib/dpkg/alternatives {place}/var/log
             touch {place}/usr/bin/less
             update-alternatives --root {place} --log /dev/null --quiet --install /usr/bin/pager pager /usr/bin/less 77"
        );
        let ran = Command::new("sh")
            .args(["-ec", &script])
            .output()
            .expect("sh");
        assert!(ran.status.success(), "{ran:?}");
        let found = registered(SCRIPT.as_bytes());
        for link in ["usr/bin/pager", "etc/alternatives/pager"] {
            let target = std::fs::read_link(tree.path().join(link)).expect("a link");
            let target = target.into_os_string().into_encoded_bytes();
            assert!(found[0].makes(link.as_bytes(), &target), "{link}");
        }
    }

    #[test]
    fn a_script_of_very_many_registers_a_bounded_number() {
        let line = "update-alternatives --install /usr/bin/a a /usr/bin/b 1\n";
        assert_eq!(registered(line.repeat(MOST + 9).as_bytes()).len(), MOST);
        registered(&[b"update-alternatives --install", &b" x"[..].repeat(99)[..]].concat());
    }
}
