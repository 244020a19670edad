//! Rules of polkit(8) that make somebody root without a password, by pkexec, run0 or a unit of theirs.
//!
//! Rules are programs. Those of the plain form `if (CONDITION) return polkit.Result.YES` are evaluated; of others that
//! can answer YES to something that makes root, nothing can be told. Such ones below /usr/share come with packages, and
//! are taken to mean well; what no package owns there is told by `files.added`.

mod condition;

use super::sudo::Judged;
use super::sudoers::{Grant, Grants};
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_core::bounds;
use condition::condition;

/// Where rules lie, and whether packages put them there.
const DIRECTORIES: [(&str, bool); 4] = [
    ("etc/polkit-1/rules.d", false),
    ("run/polkit-1/rules.d", false),
    ("usr/local/share/polkit-1/rules.d", false),
    ("usr/share/polkit-1/rules.d", true),
];
/// Actions that run what somebody likes as root.
const ROOT: [&str; 4] = [
    "org.freedesktop.policykit.exec",
    "org.freedesktop.systemd1.manage-units",
    "org.freedesktop.systemd1.manage-unit-files",
    "org.freedesktop.packagekit.package-install-untrusted",
];

/// What polkit gives without a password; `None` where it has no rules.
pub(super) fn judge(context: &Context<'_>, users: &Users) -> Option<Judged> {
    let mut grants = Grants::default();
    let mut any = false;
    for (directory, packaged) in DIRECTORIES {
        if directory.starts_with("run/") && !context.live() {
            continue;
        }
        let names = match context.root.list(directory.as_bytes()) {
            Ok(names) => names,
            Err(error) => {
                let place = format!("/{directory}");
                grants.unknown.push((format!("{place}: {error}"), place));
                continue;
            }
        };
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            if !name.ends_with(b".rules") {
                continue;
            }
            any = true;
            let path = format!("{directory}/{}", String::from_utf8_lossy(name));
            match context.root.read(path.as_bytes(), bounds::SETTINGS_FILE) {
                Ok(Some(text)) => {
                    file(
                        &path,
                        &String::from_utf8_lossy(&text),
                        packaged,
                        users,
                        &mut grants,
                    );
                }
                Ok(None) => {}
                Err(error) => {
                    let place = format!("/{path}");
                    grants.unknown.push((format!("{place}: {error}"), place));
                }
            }
        }
    }
    any.then_some(Judged {
        program: "polkit",
        grants,
        ignored: Vec::new(),
    })
}

fn file(path: &str, text: &str, packaged: bool, users: &Users, grants: &mut Grants) {
    let text = without_comments(text);
    let starts: Vec<usize> = text
        .match_indices("polkit.addRule")
        .map(|(at, _)| at)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    for (start, end) in starts.iter().copied().zip(ends) {
        let body = &text[start..end];
        let line = text[..start].split('\n').count();
        let place = format!("/{path}:{line}");
        // "yes" is what the constant holds.
        if !body.contains("Result.YES") && !body.contains("\"yes\"") && !body.contains("'yes'") {
            continue;
        }
        match condition(body) {
            Some(condition) => {
                for principal in condition.principals(users) {
                    let grant = grants.given.entry(principal).or_default();
                    grant.extend(&["ALL", "root", &place]);
                }
            }
            None if packaged || !reaches_root(body) => {}
            None => grants.unknown.push((
                "a rule of polkit answers YES, and whom it lets become root cannot be told".into(),
                place,
            )),
        }
    }
}

/// Comments turned into blanks; what stands in quotes is kept.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut quote = None;
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', Some(_)) => {
                out.push(c);
                out.extend(rest.next());
                continue;
            }
            (c, Some(open)) if c == open || c == '\n' => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('/', None) if rest.peek() == Some(&'/') => {
                while rest.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            ('/', None) if rest.peek() == Some(&'*') => {
                let mut before = ' ';
                rest.next();
                for c in rest.by_ref() {
                    if c == '\n' {
                        out.push(c);
                    }
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Whether a rule that is not understood may be about an action that makes root: it names one, or none at all, or
/// compares by something else than whole names.
fn reaches_root(body: &str) -> bool {
    let quoted: Vec<&str> = body.split(['"', '\'']).skip(1).step_by(2).collect();
    let names_root = quoted.iter().any(|text| {
        let text = text.trim_end_matches('*');
        text.contains('.') && ROOT.iter().any(|action| action.starts_with(text))
    });
    let compares = [
        "match(",
        "test(",
        "search(",
        "RegExp",
        "indexOf(",
        "startsWith(",
    ];
    let names_any = quoted.iter().any(|text| text.matches('.').count() >= 2);
    names_root || !names_any || compares.iter().any(|word| body.contains(word))
}

impl Grant {
    fn extend(&mut self, [what, target, place]: &[&str; 3]) {
        for (list, text) in [
            (&mut self.what, what),
            (&mut self.targets, target),
            (&mut self.places, place),
        ] {
            if !list.iter().any(|known| known == text) {
                list.push((*text).to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::users::Row;

    fn judged(text: &str, packaged: bool) -> (Vec<String>, usize) {
        let users = Users {
            passwd: Some(vec![Row::of(&["ann", "x", "1000", "1000"])]),
            shadow: None,
            group: Some(vec![
                Row::of(&["wheel", "x", "10", "ann"]),
                Row::of(&["empower", "x", "900", ""]),
            ]),
            ..Users::default()
        };
        let mut grants = Grants::default();
        file("r", text, packaged, &users, &mut grants);
        (grants.given.into_keys().collect(), grants.unknown.len())
    }

    #[test]
    fn conditions() {
        let exec = "action.id == \"org.freedesktop.policykit.exec\"";
        for (condition, expected, unknown) in [
            ("subject.isInGroup(\"wheel\")", &["%wheel"][..], 0),
            ("subject.isInGroup('wheel')", &["%wheel"], 0),
            ("subject.isInGroup(\"empower\")", &[], 0),
            ("subject.user == \"ann\"", &["ann"], 0),
            ("subject.user == \"root\"", &[], 0),
            ("subject.user != \"bob\"", &["ALL"], 0),
            ("subject.local && subject.active", &["ALL"], 0),
            (
                &format!("({exec}) && subject.isInGroup(\"wheel\")"),
                &["%wheel"],
                0,
            ),
            (
                "action.id == \"org.a.b\" && subject.isInGroup(\"wheel\")",
                &[],
                0,
            ),
            (
                "action.id == \"org.a.b\" || subject.user === \"ann\"",
                &["ann"],
                0,
            ),
            ("!(subject.isInGroup(\"wheel\"))", &["ALL"], 0),
            (
                "action.id.indexOf(\"org.freedesktop.systemd1.\") == 0 && subject.user == \"ann\"",
                &["ann"],
                0,
            ),
            ("f(subject)", &[], 1),
            ("action.id.match(/./)", &[], 1),
            ("[\"org.a.b\", \"org.a.c\"].includes(action.id)", &[], 0),
        ] {
            let text = format!(
                "// YES\npolkit.addRule(function(action, subject) {{\n  if ({condition}) {{\n return polkit.Result.YES; /* x */\n }}\n}});\n"
            );
            let (given, missed) = judged(&text, false);
            assert_eq!(
                (given.as_slice(), missed),
                (
                    &expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..],
                    unknown
                ),
                "{condition}"
            );
            assert_eq!(judged(&text, true).1, 0, "{condition}");
        }
        assert_eq!(
            judged(
                "polkit.addRule(function(a, s) { return polkit.Result.NO; });",
                false
            ),
            (vec![], 0)
        );
    }
}
