//! Whether PAM lets an empty password in: the stacks of programs that log somebody in, found as Linux-PAM finds them.

use agent_core::bounds;
use agent_core::os::root::Root;
use std::collections::BTreeSet;

/// Where stacks lie, the first that has one decides: _pam_open_config_file of libpam/pam_handlers.c; the last one is what
/// SUSE builds Linux-PAM with (--enable-vendordir).
pub(super) const DIRECTORIES: [&str; 3] = ["/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"];
/// Programs that ask for a password, the stack of those that have none, and what distributions include in all of them.
const SERVICES: [&str; 12] = [
    "login",
    "sshd",
    "su",
    "su-l",
    "sudo",
    "remote",
    "cockpit",
    "gdm-password",
    "other",
    "common-auth",
    "system-auth",
    "password-auth",
];
/// Modules that look into shadow(5).
const MODULES: [&str; 3] = ["pam_unix.so", "pam_unix_auth.so", "pam_unix2.so"];

/// `FILE:LINE` of the first line that lets an empty password in (pam_unix(8), `nullok`).
///
/// An error where a stack cannot be read.
pub(super) fn nullok(root: &Root) -> Result<Option<String>, String> {
    let mut stacks = Stacks {
        root,
        seen: BTreeSet::new(),
    };
    if !has_directory(root) {
        // It has the service in front.
        return stacks.file("/etc/pam.conf", true);
    }
    for service in SERVICES {
        if let Some(place) = stacks.service(service)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Whether there is one of them: without any pam.conf(5) is read.
pub(super) fn has_directory(root: &Root) -> bool {
    DIRECTORIES.iter().any(|directory| {
        let listed = root.list(directory.as_bytes());
        listed.is_ok_and(|names| names.is_some())
    })
}

struct Stacks<'a> {
    root: &'a Root,
    seen: BTreeSet<String>,
}

impl Stacks<'_> {
    /// A stack by its name, or by an absolute path.
    fn service(&mut self, name: &str) -> Result<Option<String>, String> {
        if name.starts_with('/') {
            return self.file(name, false);
        }
        for directory in DIRECTORIES {
            let path = format!("{directory}/{name}");
            let found = self.root.resolve(path.as_bytes(), true);
            if found.is_ok_and(|found| found.handle.is_some()) {
                return self.file(&path, false);
            }
        }
        Ok(None)
    }

    fn file(&mut self, path: &str, has_service: bool) -> Result<Option<String>, String> {
        if !self.seen.insert(path.to_owned()) {
            return Ok(None);
        }
        if self.seen.len() > bounds::PAM_FILES {
            return Err(format!("{path}: more files than any host has"));
        }
        let read = self.root.read(path.as_bytes(), bounds::SETTINGS_FILE);
        let bytes = read.map_err(|error| format!("{path}: {error}"))?;
        for (number, line) in joined(&String::from_utf8_lossy(&bytes.unwrap_or_default())) {
            let mut words = words(&line);
            if has_service && !words.is_empty() {
                words.remove(0);
            }
            let word = |at: usize| words.get(at).map_or("", String::as_str);
            let included = match (word(0), word(1)) {
                // As Debian patches it.
                ("@include", name) => Some(name),
                (kind, "include" | "substack") if is_auth(kind) => Some(word(2)),
                _ => None,
            };
            if let Some(name) = included {
                if let Some(place) = self.service(name)? {
                    return Ok(Some(place));
                }
                continue;
            }
            let module = word(2).rsplit('/').next().unwrap_or_default();
            let lets_in = words.iter().skip(3).any(|word| word.starts_with("nullok"));
            if is_auth(word(0)) && MODULES.contains(&module) && lets_in {
                return Ok(Some(format!("{path}:{number}")));
            }
        }
        Ok(None)
    }
}

/// A dash says that a module which is not there is passed over in silence.
fn is_auth(kind: &str) -> bool {
    kind.strip_prefix('-')
        .unwrap_or(kind)
        .eq_ignore_ascii_case("auth")
}

/// Lines without comments, what a backslash continues in one, with the number of the first.
pub(super) fn joined(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let (line, more) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match found.last_mut().filter(|_| goes_on) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(line);
            }
            None => found.push((number, line.to_owned())),
        }
        goes_on = more;
    }
    found
}

/// Words parted by blanks; one in brackets may hold blanks (pam.conf(5)).
pub(super) fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('[') {
            Some(inner) => inner
                .find(']')
                .map_or(rest.len(), |at| at.saturating_add(2)),
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        found.push(word.trim_matches(['[', ']']).to_owned());
        rest = after.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Each includes the next: as deep as there are many.
    #[test]
    fn stacks_that_include_very_many_cannot_be_told() {
        for (files, good) in [(bounds::PAM_FILES, true), (bounds::PAM_FILES + 1, false)] {
            let directory = tempfile::tempdir().expect("a directory");
            let stacks = directory.path().join("etc/pam.d");
            fs::create_dir_all(&stacks).expect("made");
            let name = |number: usize| match number {
                0 => "login".to_owned(),
                number => format!("a{number}"),
            };
            for number in 0..files {
                let next = name(number + 1);
                fs::write(stacks.join(name(number)), format!("@include {next}\n"))
                    .expect("written");
            }
            let root = Root::open(directory.path()).expect("a root");
            match nullok(&root) {
                Ok(found) => assert!(good && found.is_none()),
                Err(why) => assert!(!good && why.contains("more files than"), "{why}"),
            }
        }
    }

    #[test]
    fn lines_of_stacks() {
        for (line, expected) in [
            (
                "auth required pam_unix.so nullok",
                &["auth", "required", "pam_unix.so", "nullok"][..],
            ),
            (
                "-auth\t[success=1 default=ignore] pam_x.so [a b]",
                &["-auth", "success=1 default=ignore", "pam_x.so", "a b"],
            ),
            ("", &[]),
            ("auth [cut", &["auth", "cut"]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
        assert_eq!(
            joined("a \\\nb # c\n\nd"),
            [(1, "a  b".into()), (3, String::new()), (4, "d".into())]
        );
    }
}
