//! modprobe.d(5) as kmod reads it: what `modprobe NAME` would do.

use crate::settings::drop_ins;
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};
use agent_core::os::root::Root;
use std::collections::BTreeSet;
use std::io;

/// Of files of one name the first directory's counts.
const DIRECTORIES: [&str; 5] = [
    "etc/modprobe.d",
    "run/modprobe.d",
    "usr/local/lib/modprobe.d",
    "usr/lib/modprobe.d",
    "lib/modprobe.d",
];

/// The lines that bear on whether a module is loaded, in their order.
#[derive(Debug, Default)]
pub(super) struct Modprobe {
    blacklist: BTreeSet<String>,
    installs: Vec<(Glob, String)>,
    /// Pattern, and the modules to be loaded along.
    softdeps: Vec<(Glob, Vec<String>)>,
}

/// What happens when somebody asks for a module by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its `install` command does nothing.
    KeptOut,
    /// It is loaded, and why that is so.
    Loaded(&'static str),
    /// A command is run that is not judged.
    Unknown(String),
}

impl Modprobe {
    /// Everything that the kmod of the tree may read: twice where it is not known whether it reads `*.alias`, as it does
    /// before 34 (conf_files_filter_out of libkmod-config.c).
    pub(super) fn read(root: &Root) -> io::Result<Vec<Modprobe>> {
        let kmod = agent_packages::named(root, "kmod").ok().flatten();
        let endings: &[&[&str]] = match kmod.map(|package| is_before_34(&package.version)) {
            Some(true) => &[&[".conf", ".alias"]],
            Some(false) => &[&[".conf"]],
            None => &[&[".conf", ".alias"], &[".conf"]],
        };
        let mut all = Vec::new();
        for endings in endings {
            let mut modprobe = Modprobe::default();
            for (_, text) in drop_ins::texts(root, &DIRECTORIES, endings, bounds::SETTINGS_FILE)? {
                modprobe.add(&text);
            }
            all.push(modprobe);
        }
        Ok(all)
    }

    /// Takes in a file, or the `modules.softdep` of a kernel. Words end at blanks and tabs alone: a carriage return
    /// is part of the last one.
    pub(super) fn add(&mut self, text: &str) {
        for line in text.replace("\\\n", "").split('\n') {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim_matches([' ', '\t']);
            let (word, rest) = cut(line);
            let (name, rest) = cut(rest);
            if name.is_empty() {
                continue;
            }
            match word {
                "blacklist" => {
                    self.blacklist.insert(plain(name));
                }
                "install" if !rest.is_empty() => {
                    self.installs.push((pattern(name), rest.to_owned()));
                }
                "softdep" => {
                    let along = rest
                        .split([' ', '\t'])
                        .filter(|word| !word.is_empty() && !word.ends_with(':'));
                    self.softdeps
                        .push((pattern(name), along.map(plain).collect()));
                }
                _ => {}
            }
        }
    }

    /// What `modprobe NAME` does; the name in the kernel's spelling. `exists` tells of other modules.
    pub(super) fn outcome(&self, name: &str, exists: &dyn Fn(&str) -> bool) -> Outcome {
        // Of commands, and of dependencies, the first line that fits is taken.
        let install = self
            .installs
            .iter()
            .find(|(glob, _)| glob.matches(name.as_bytes()));
        let Some((_, command)) = install else {
            return Outcome::Loaded(match self.blacklist.contains(name) {
                true => {
                    "blacklist keeps aliases from loading it, and modprobe loads it by its name: an install line is missing"
                }
                false => "neither blacklist nor install keeps it out",
            });
        };
        let softdep = self
            .softdeps
            .iter()
            .find(|(glob, _)| glob.matches(name.as_bytes()));
        if let Some((_, along)) = softdep.filter(|(_, along)| !along.is_empty()) {
            return match along.iter().any(|module| exists(module)) {
                true => Outcome::Loaded("a softdep line makes modprobe pass over its install line"),
                false => Outcome::Unknown(
                    "a softdep line of its names no module that is known here".into(),
                ),
            };
        }
        match does_nothing(command) {
            true => Outcome::KeptOut,
            false if command.contains("insmod") || command.contains("modprobe") => {
                Outcome::Loaded("the first install line that fits loads it")
            }
            false => {
                let command = agent_core::escape::terminal_text(command);
                Outcome::Unknown(format!(
                    "what its install command does is not judged: {command}"
                ))
            }
        }
    }
}

/// A version that is no number counts as an old one, which reads more.
fn is_before_34(version: &str) -> bool {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit());
    let number = version.get(..end.unwrap_or(version.len()));
    let number = number.and_then(|number| number.parse::<u32>().ok());
    number.is_none_or(|number| number < 34)
}

/// The first word, and what follows it.
fn cut(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (word, rest.trim_start_matches([' ', '\t']))
}

/// A name in the kernel's spelling: with `_` for `-`.
pub(super) fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// A pattern of fnmatch(3); what stands in brackets keeps its `-`.
fn pattern(text: &str) -> Glob {
    let mut inside = false;
    let spelt: String = text
        .chars()
        .map(|c| {
            inside = (inside || c == '[') && c != ']';
            if c == '-' && !inside { '_' } else { c }
        })
        .collect();
    Glob::new(spelt.as_bytes(), Syntax::Fnmatch)
}

/// Whether a command of sh(1) does nothing but end. A carriage return at its end makes a program that is not there.
fn does_nothing(command: &str) -> bool {
    const NOTHING: [&str; 7] = [
        ":",
        "true",
        "false",
        "/bin/true",
        "/bin/false",
        "/usr/bin/true",
        "/usr/bin/false",
    ];
    let command = command.trim_end_matches('\r');
    let command = command.split(" #").next().unwrap_or_default();
    let parts = command
        .split(';')
        .flat_map(|part| part.split("&&"))
        .flat_map(|part| part.split("||"));
    let mut any = false;
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        any = true;
        let mut words = part.split_whitespace();
        let first = words.next().unwrap_or_default();
        let tame = |word: &str| {
            word == "$CMDLINE_OPTS"
                || !word.contains(['$', '`', '(', ')', '|', '&', '<', '>', '\\'])
        };
        if !(NOTHING.contains(&first) || first == "exit") || !words.all(tame) {
            return false;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (text, module, kept out)
    const CASES: [(&str, bool); 24] = [
        ("install dccp /bin/false\n", true),
        ("install dccp /bin/true\n", true),
        ("  install\tdccp\t/bin/true\n", true),
        ("install dccp \\\n /bin/true\n", true),
        ("blacklist dccp\n", false),
        ("# install dccp /bin/false\n", false),
        ("install dccp\n", false),
        (
            "install dccp modprobe -i dccp\ninstall dccp /bin/false\n",
            false,
        ),
        (
            "install dccp /bin/false\ninstall dccp modprobe -i dccp\n",
            true,
        ),
        ("install d?cp /bin/false\n", true),
        ("install * /bin/false\n", true),
        ("install dc[a-d]p /bin/false\n", true),
        ("install [!d]* /bin/false\n", false),
        (
            "install * modprobe -i dccp\ninstall dccp /bin/false\n",
            false,
        ),
        ("install dccp /bin/false\r\n", true),
        ("install dccp\r /bin/false\n", false),
        ("blacklist dccp\r\n", false),
        ("install dccp /bin/false; modprobe -i dccp\n", false),
        ("install dccp /bin/false && modprobe -i dccp\n", false),
        ("install dccp /bin/false || /bin/true\n", true),
        ("install dccp /bin/false # not here\n", true),
        ("install dccp /bin/false\nsoftdep dccp pre: rds\n", false),
        ("install dccp /bin/false\nsoftdep dccp pre:\n", true),
        ("install DCCP /bin/false\n", false),
    ];

    #[test]
    fn what_keeps_a_module_out() {
        for (text, expected) in CASES {
            let mut modprobe = Modprobe::default();
            modprobe.add(text);
            let outcome = modprobe.outcome("dccp", &|name| name == "rds");
            assert_eq!(outcome == Outcome::KeptOut, expected, "{text}: {outcome:?}");
        }
    }

    #[test]
    fn versions_of_kmod() {
        for (version, before) in [
            ("30+20221128-1", true),
            ("34.2-2", false),
            ("1:33-1.amzn2023", true),
            ("x", true),
        ] {
            assert_eq!(is_before_34(version), before, "{version}");
        }
    }

    #[test]
    fn as_the_real_modprobe() {
        // kmod tells what it would do for a module; `insmod` is the one answer that loads it.
        let there = std::process::Command::new("modprobe")
            .arg("--version")
            .output();
        if there.is_err() {
            return;
        }
        let dir = std::env::temp_dir().join(format!("modprobe-{}", std::process::id()));
        let modules = dir.join("lib/modules/1.0/kernel");
        std::fs::create_dir_all(&modules).expect("a directory");
        for name in ["dccp.ko", "rds.ko"] {
            std::fs::write(modules.join(name), "").expect("a file");
        }
        let indexed = std::process::Command::new("depmod")
            .arg("-b")
            .arg(&dir)
            .arg("1.0")
            .output()
            .expect("depmod comes with modprobe");
        assert!(indexed.status.success(), "{indexed:?}");
        for (text, expected) in CASES {
            let config = dir.join("c");
            std::fs::create_dir_all(&config).expect("a directory");
            std::fs::write(config.join("a.conf"), text).expect("a file");
            let ran = std::process::Command::new("modprobe")
                .args(["-n", "-v", "-S", "1.0", "-d"])
                .arg(&dir)
                .arg("-C")
                .arg(&config)
                .arg("dccp")
                .output()
                .expect("modprobe runs");
            let told = String::from_utf8_lossy(&ran.stdout).into_owned();
            let loads = told.lines().any(|line| {
                (line.starts_with("insmod") && line.contains("dccp"))
                    || line.contains("modprobe -i")
            });
            assert_eq!(!loads, expected, "{text}: {told}");
        }
        std::fs::remove_dir_all(&dir).expect("its own directory");
    }
}
