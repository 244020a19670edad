//! What systemd-sysctl(8) sets at boot: sysctl.d(5), read in its order, with the place of each value.

use crate::settings::console::credentials;
use crate::settings::context::Context;
use crate::settings::drop_ins;
use agent_core::bounds;
use agent_core::glob::{PathGlob, Syntax};

/// Of files of one name the first directory's counts.
const DIRECTORIES: [&str; 5] = [
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
    // Where /lib is no link to /usr/lib.
    "lib/sysctl.d",
];

/// Who sets them, and the credential with further ones (systemd.system-credentials(7)).
const UNIT: &str = "systemd-sysctl.service";
const CREDENTIAL: &str = "sysctl.extra";

/// A value in force, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) value: String,
    /// `FILE:LINE`
    pub(super) location: String,
}

/// Every assignment in the order in which systemd-sysctl makes them.
#[derive(Debug, Default)]
pub(super) struct Sysctl {
    /// Key as a path below /proc/sys; `None`: kept from patterns alone.
    options: Vec<(String, Option<Value>)>,
}

impl Sysctl {
    /// Reads the directories below the root, and then the credential that its unit is handed.
    pub(super) fn read(context: &Context<'_>) -> Result<Sysctl, String> {
        let mut sysctl = Sysctl::default();
        let files = drop_ins::texts(context.root, &DIRECTORIES, &[".conf"], bounds::SYSCTL_FILE);
        for (path, text) in files.map_err(|error| error.to_string())? {
            sysctl.add(&text, &path);
        }
        for (name, value, place) in credentials::of_unit(context, UNIT) {
            if name == CREDENTIAL {
                let value = value.ok_or_else(|| {
                    format!("what systemd-sysctl sets is not known: {place} is encrypted")
                })?;
                // Of `SetCredential=` a line end stands as in C.
                sysctl.add(&value.replace("\\n", "\n"), place.trim_start_matches('/'));
            }
        }
        Ok(sysctl)
    }

    fn add(&mut self, text: &str, path: &str) {
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key.strip_prefix('-').unwrap_or(key), Some(value)),
                None => match line.strip_prefix('-') {
                    Some(key) => (key, None),
                    // systemd-sysctl complains and goes on.
                    None => continue,
                },
            };
            let key = normal(key.trim());
            let value = value.map(|value| Value {
                value: value.trim().to_owned(),
                location: format!("/{path}:{number}"),
            });
            // A later line takes the earlier one's place, unless it says the same.
            let mut all = self.options.iter().enumerate();
            if let Some((known, (_, before))) = all.find(|(_, (known, _))| *known == key) {
                let same = |a: &Option<Value>| a.as_ref().map(|value| value.value.clone());
                if same(before) == same(&value) {
                    continue;
                }
                self.options.remove(known);
            }
            self.options.push((key, value));
        }
    }

    /// What the key, as `kernel.sysrq`, is set to.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        let key = normal(key);
        // A key that is written out is none of the patterns' business.
        if let Some((_, value)) = self.options.iter().find(|(known, _)| *known == key) {
            return value.as_ref();
        }
        self.options
            .iter()
            .filter(|(pattern, _)| pattern.contains(['*', '?', '[']))
            .filter(|(pattern, _)| {
                // systemd-sysctl expands them with glob(3) below /proc/sys.
                PathGlob::new(pattern.as_bytes(), Syntax::Fnmatch).matches(key.as_bytes())
            })
            .filter_map(|(_, value)| value.as_ref())
            .next_back()
    }
}

/// The key as a path: if its first separator is a dot, dots and slashes change places (sysctl.d(5)).
fn normal(key: &str) -> String {
    let dotted = key
        .find(['.', '/'])
        .is_some_and(|at| key[at..].starts_with('.'));
    let swapped: String = match dotted {
        true => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        false => key.to_owned(),
    };
    let parts = swapped
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing;

    #[test]
    fn keys_in_both_spellings() {
        for (key, expected) in [
            ("kernel.sysrq", "kernel/sysrq"),
            ("kernel/sysrq", "kernel/sysrq"),
            ("/kernel//sysrq", "kernel/sysrq"),
            (
                "net.ipv4.conf.eth0/1.rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
            (
                "net/ipv4/conf/eth0.1/rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
        ] {
            assert_eq!(normal(key), expected);
        }
    }

    #[test]
    fn the_last_pattern_that_matches_counts() {
        let mut sysctl = Sysctl::default();
        let text = "kernel/*=1\nkernel/sys?q=2\nkernel/[!s]*=3\n*=4\n-kernel/sysr*\n";
        sysctl.add(text, "etc/sysctl.d/a.conf");
        let value = sysctl.value("kernel.sysrq").map(|value| &*value.value);
        assert_eq!(value, Some("2"));
    }

    #[test]
    fn many_stars_end_at_once() {
        let mut sysctl = Sysctl::default();
        let stars = "*".repeat(48);
        let apart = "*a".repeat(48);
        sysctl.add(
            &format!("kernel/{apart}=1\nkernel/{stars}=2\nkernel/{stars}x=3\n"),
            "etc/sysctl.d/a.conf",
        );
        let value = sysctl.value("kernel.randomize_va_space");
        assert_eq!(value.map(|value| &*value.value), Some("2"));
    }

    #[test]
    fn a_credential_comes_behind_the_files() {
        let tree = tempfile::tempdir().expect("a tree");
        let write = |path: &str, text: &str| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
            std::fs::write(path, text).expect("a file");
        };
        write("etc/sysctl.d/a.conf", "kernel.randomize_va_space = 2\n");
        write(
            "etc/credstore/sysctl.extra",
            "kernel.randomize_va_space = 0\n",
        );
        let value = || {
            testing::within(tree.path(), |context| {
                let sysctl = Sysctl::read(context).expect("values");
                sysctl
                    .value("kernel.randomize_va_space")
                    .map(|value| value.value.clone())
            })
        };
        assert_eq!(value().as_deref(), Some("2"));
        write(
            "usr/lib/systemd/system/systemd-sysctl.service",
            "[Service]\nExecStart=/usr/lib/systemd/systemd-sysctl\nImportCredential=sysctl.*\n",
        );
        assert_eq!(value().as_deref(), Some("0"));
    }
}
