//! Packages that only builders and people at a screen need.

use super::checks::MINIMAL;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use agent_core::glob::{Glob, Syntax};
use serde_json::json;

/// A class of packages, by names with `*` for any letters and `#` for a version.
struct Class {
    name: &'static str,
    packages: &'static [&'static str],
}

/// Libraries and headers are not counted: they come with what needs them.
static CLASSES: [Class; 3] = [
    Class {
        name: "compilers",
        packages: &[
            "gcc",
            "gcc-#",
            "gcc-c++",
            "gcc-gfortran",
            "gcc-go",
            "g++",
            "g++-#",
            "gfortran",
            "gfortran-#",
            "gccgo",
            "gccgo-*",
            "clang",
            "clang-#",
            "clang#",
            "llvm",
            "golang",
            "golang-go",
            "golang-#-go",
            "golang-bin",
            "rustc",
            "rust",
            "cargo",
            "tcc",
            "nasm",
            "yasm",
            "fpc",
            "ghc",
            "build-essential",
            "default-jdk",
            "default-jdk-headless",
            "openjdk-*-jdk",
            "openjdk-*-jdk-headless",
            "java-*-openjdk-devel",
            "java-*-amazon-corretto-devel",
        ],
    },
    Class {
        name: "x11",
        packages: &[
            "xorg",
            "xserver-xorg",
            "xserver-xorg-core",
            "xserver-xorg-video-*",
            "xorg-x11-server-*",
            "xinit",
            "xorg-x11-xinit",
            "xwayland",
            "tightvncserver",
            "tigervnc-*server*",
            "gdm",
            "gdm3",
            "lightdm",
            "sddm",
            "gnome-shell",
        ],
    },
    Class {
        name: "debuggers",
        packages: &[
            "gdb",
            "gdb-minimal",
            "gdb-headless",
            "gdbserver",
            "gdb-gdbserver",
            "strace",
            "ltrace",
            "valgrind",
            "lldb",
            "lldb-#",
            "perf",
            "linux-perf",
            "linux-perf-*",
            "linux-tools-generic",
            "radare2",
            "bpftrace",
            "systemtap",
            "systemtap-client",
        ],
    },
];

/// Judges the check, one finding a class.
pub(super) fn judge(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let say = |verdict, subject: &str, message: String| {
        context.finding(&MINIMAL, verdict, subject, message)
    };
    let installed = match context.installed() {
        Ok(installed) => installed,
        Err(why) => return emit(say(Verdict::Unknown, "packages", why.to_owned())),
    };
    let allowed = context.demanded_texts(&MINIMAL);
    let allowed: Vec<Names<'_>> = allowed.iter().map(|text| Names::new(text)).collect();
    let is_one_of = |name: &str, list: &[Names<'_>]| list.iter().any(|names| names.mean(name));
    let mut held = true;
    for class in &CLASSES {
        let of_class: Vec<Names<'_>> = class.packages.iter().map(|text| Names::new(text)).collect();
        let mut names: Vec<&str> = installed
            .packages
            .iter()
            .map(|package| package.name.as_str())
            .filter(|name| is_one_of(name, &of_class) && !is_one_of(name, &allowed))
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            continue;
        }
        held = false;
        let message = match &names[..] {
            [one] => format!("{one} is installed"),
            more => format!("{} are installed", more.join(", ")),
        };
        emit(
            say(Verdict::Fail, class.name, message)
                .evidence(json!({ "packages": [] }), json!({ "packages": names }))
                .remediation(format!(
                    "{}, or list what is needed in the profile",
                    context.removal(&names.join(" "))
                )),
        );
    }
    if held {
        let (verdict, message) = match &installed.damaged {
            Some(file) => (Verdict::Unknown, format!("{file} is damaged in part")),
            None => (
                Verdict::Pass,
                "no compilers, X servers or debuggers are installed".to_owned(),
            ),
        };
        emit(say(verdict, "packages", message));
    }
}

/// Which packages a pattern means.
enum Names<'a> {
    Glob(Glob),
    /// Of whatever version: what stands before it, and what follows.
    Versioned(&'a str, &'a str),
}

impl<'a> Names<'a> {
    fn new(pattern: &'a str) -> Names<'a> {
        match pattern.split_once('#') {
            None => Names::Glob(Glob::new(pattern.as_bytes(), Syntax::Stars)),
            Some((before, after)) => Names::Versioned(before, after),
        }
    }

    fn mean(&self, name: &str) -> bool {
        let (before, after) = match self {
            Names::Glob(glob) => return glob.matches(name.as_bytes()),
            Names::Versioned(before, after) => (before, after),
        };
        let version = name
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        let of_version = |c: char| c.is_ascii_digit() || c == '.';
        version.is_some_and(|version| !version.is_empty() && version.chars().all(of_version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_families() {
        let class = |name: &str| {
            let has = |class: &&Class| {
                let mut packages = class.packages.iter();
                packages.any(|pattern| Names::new(pattern).mean(name))
            };
            CLASSES.iter().find(has).map(|class| class.name)
        };
        for (name, expected) in [
            ("gcc", Some("compilers")),
            ("gcc-12", Some("compilers")),
            ("gcc-12-base", None),
            ("gcc-c++", Some("compilers")),
            ("libgcc-s1", None),
            ("golang-1.19-go", Some("compilers")),
            ("java-17-amazon-corretto-devel", Some("compilers")),
            ("java-17-amazon-corretto-headless", None),
            ("xorg-x11-server-Xorg", Some("x11")),
            ("libx11-6", None),
            ("strace", Some("debuggers")),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
    }
}
