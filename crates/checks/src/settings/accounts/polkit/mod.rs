//! Rules of polkit(8) that make somebody root without a password, by pkexec, run0 or a unit of theirs.
//!
//! Rules are programs. Those of the plain form, `if (CONDITION) return polkit.Result.YES` and the like, are evaluated; of any
//! other nothing can be told. Such ones below /usr/share come with packages, and are taken to mean well; what no package owns
//! there is told by `files.added`.

mod condition;
mod rule;

use super::sudo::Judged;
use super::sudoers::{Grant, Grants};
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_core::bounds;
use condition::{Condition, has_members};
use rule::{Answer, Statement};
use std::collections::BTreeSet;

/// Where rules lie, and whether packages put them there.
const DIRECTORIES: [(&str, bool); 4] = [
    ("etc/polkit-1/rules.d", false),
    ("run/polkit-1/rules.d", false),
    ("usr/local/share/polkit-1/rules.d", false),
    ("usr/share/polkit-1/rules.d", true),
];
/// Actions that run what somebody likes as root.
const ROOT: [&str; 23] = [
    "org.freedesktop.policykit.exec",
    "org.freedesktop.systemd1.manage-units",
    "org.freedesktop.systemd1.manage-unit-files",
    // LD_PRELOAD of whatever is started next.
    "org.freedesktop.systemd1.set-environment",
    "org.freedesktop.machine1.host-shell",
    // Units, and extensions of /usr, out of an image.
    "org.freedesktop.portable1.attach-images",
    "org.freedesktop.import1.import",
    "org.freedesktop.import1.pull",
    // Accounts that are administrators, or root's password.
    "org.freedesktop.accounts.user-administration",
    "org.freedesktop.home1.create-home",
    "org.freedesktop.home1.update-home",
    // Packages that nobody signed, or whose signer is anybody.
    "org.freedesktop.packagekit.package-install-untrusted",
    "org.freedesktop.packagekit.system-trust-signing-key",
    "org.debian.apt.install-file",
    "org.debian.apt.change-repository",
    "org.projectatomic.rpmostree1.install-local-packages",
    "org.projectatomic.rpmostree1.override",
    "io.snapcraft.snapd.manage",
    // The disk of the system, /etc/fstab, any file.
    "org.freedesktop.udisks2.open-device-system",
    "org.freedesktop.udisks2.modify-system-configuration",
    "org.gtk.vfs.file-operations",
    // Machines with the host's disk in them; a shell.
    "org.libvirt.unix.manage",
    "org.cockpit-project.cockpit-bridge",
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
    let line = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        format!("/{path}:{}", before.split('\n').count())
    };
    let words = condition::words(&text);
    let (places, words): (Vec<usize>, Vec<String>) = words.unwrap_or_default().into_iter().unzip();
    let rules = match (
        rule::rules(&words),
        words.is_empty() && !text.trim().is_empty(),
    ) {
        (Some(rules), false) => rules,
        _ if packaged || is_pkla(path, &text) => return,
        _ => {
            let at = text.find("polkit.addRule").unwrap_or_default();
            grants.unknown.push((CANNOT_BE_TOLD.into(), line(at)));
            return;
        }
    };
    for (at, statements) in rules {
        let place = line(places.get(at).copied().unwrap_or_default());
        let (principals, sure) = principals(&statements, users);
        for principal in principals {
            let grant = grants.given.entry(principal).or_default();
            grant.extend(&["ALL", "root", &place]);
        }
        if !sure && !packaged {
            grants.unknown.push((CANNOT_BE_TOLD.into(), place));
        }
    }
}

const CANNOT_BE_TOLD: &str =
    "a rule of polkit may answer YES, and whom it lets become root cannot be told";

/// Whether it is the rule that polkit-pkla-compat brings for the older form of rules, in /etc: helpers answer, by files that
/// are not read here.
fn is_pkla(path: &str, text: &str) -> bool {
    let helpers = ["/pkla-admin-identities", "/pkla-check-authorization"];
    path == "etc/polkit-1/rules.d/49-polkit-pkla-compat.rules"
        && helpers.iter().all(|helper| text.contains(helper))
        && !["Result", "YES", "yes", "eval", "\\x", "\\u"]
            .iter()
            .any(|word| text.contains(word))
}

/// Users and groups for whom the rule answers YES to an action that makes root, `ALL` where it does for anybody; and whether
/// that is certain.
fn principals(rule: &[Statement], users: &Users) -> (Vec<String>, bool) {
    let answer = |user: Option<&str>, groups: &[&str]| {
        let answers = ROOT.iter().map(|action| {
            let holds = |condition: &Condition| condition.holds(user, groups, action);
            rule::run(rule, &holds)
        });
        answers.max().unwrap_or(Answer::Maybe)
    };
    let anybody = answer(None, &[]);
    if anybody == Answer::Yes {
        return (vec!["ALL".into()], true);
    }
    let mut sure = anybody != Answer::Maybe;
    let (mut names, mut groups) = (Vec::new(), Vec::new());
    collect(rule, &mut names, &mut groups);
    let mut found = Vec::new();
    let mut take = |principal: String, answer: Answer| {
        sure &= answer != Answer::Maybe;
        if answer == Answer::Yes && !found.contains(&principal) {
            found.push(principal);
        }
    };
    groups.retain(|group| has_members(users, group));
    groups.sort_unstable();
    groups.dedup();
    let mut open = BTreeSet::new();
    for group in &groups {
        let answer = answer(None, &[group]);
        if answer == Answer::Yes {
            open.insert(group.as_str());
        }
        take(format!("%{group}"), answer);
    }
    let together = condition::together(users, &groups);
    let is_cut = together.is_none();
    let together = together.unwrap_or_default();
    for user in names.iter().filter(|user| *user != "root") {
        let single = groups.iter().map(|group| answer(Some(user), &[group]));
        let several = together
            .iter()
            .map(|(_, groups)| answer(Some(user), groups));
        let widest = single.chain(several).max();
        take(
            user.clone(),
            answer(Some(user), &[]).max(widest.unwrap_or(Answer::Falls)),
        );
    }
    // Several groups may be asked for at once: whoever is in them is named, where no group of theirs is already.
    for (user, groups) in &together {
        if !groups.iter().any(|group| open.contains(group)) {
            take(user.clone(), answer(Some(user), groups));
        }
    }
    (found, sure && !is_cut)
}

fn collect(statements: &[Statement], users: &mut Vec<String>, groups: &mut Vec<String>) {
    for statement in statements {
        if let Statement::If(condition, then, other) = statement {
            condition.names(users, groups);
            collect(then, users, groups);
            collect(other, users, groups);
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
                // JavaScript has four ends of a line.
                let ends = ['\n', '\r', '\u{2028}', '\u{2029}'];
                while rest.next_if(|c| !ends.contains(c)).is_some() {}
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
            passwd: Some(vec![
                Row::of(&["ann", "x", "1000", "1000"]),
                Row::of(&["bob", "x", "1001", "4"]),
            ]),
            shadow: None,
            group: Some(vec![
                Row::of(&["wheel", "x", "10", "ann"]),
                Row::of(&["empower", "x", "900", ""]),
                Row::of(&["adm", "x", "4", "ann"]),
            ]),
            ..Users::default()
        };
        let mut grants = Grants::default();
        file("r", text, packaged, &users, &mut grants);
        (grants.given.into_keys().collect(), grants.unknown.len())
    }

    #[test]
    // Its table of cases is what is long.
    #[allow(clippy::too_many_lines)]
    fn conditions() {
        let exec = "action.id == \"org.freedesktop.policykit.exec\"";
        for (condition, expected, unknown) in [
            ("subject.isInGroup(\"wheel\")", &["%wheel"][..], 0),
            ("subject.isInGroup('wheel')", &["%wheel"], 0),
            ("subject.isInGroup(\"empower\")", &[], 0),
            ("subject.user == \"ann\"", &["ann"], 0),
            ("subject.user == \"root\"", &[], 0),
            ("subject.user != \"bob\"", &["ALL"], 0),
            // Several groups at once: whoever is in them.
            (
                "subject.isInGroup(\"wheel\") && subject.isInGroup(\"adm\")",
                &["ann"],
                0,
            ),
            (
                "subject.isInGroup('wheel') && subject.isInGroup('empower')",
                &[],
                0,
            ),
            (
                "subject.user == 'ann' && subject.isInGroup('wheel') && subject.isInGroup('adm')",
                &["ann"],
                0,
            ),
            (
                "action.id.startsWith(\"org.freedesktop.machine1.\") && subject.user == 'ann'",
                &["ann"],
                0,
            ),
            (
                "action.id == 'org.freedesktop.systemd1.set-environment' && subject.isInGroup('adm')",
                &["%adm"],
                0,
            ),
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
            ("action.id == \"org.a.b\" || true", &["ALL"], 0),
            (
                "action.id != \"org.freedesktop.login1.reboot\"",
                &["ALL"],
                0,
            ),
            ("action.id == \"org.a.b\" && action.lookup('x') > 0", &[], 0),
            ("action.id == \"org.a.b\" && (x = f(subject))", &[], 1),
            ("action.id == \"org.a.b\" ? f() : true", &[], 1),
            (
                "subject.active == true && subject.local == true && subject.user == \"ann\"",
                &["ann"],
                0,
            ),
            ("subject.user == \"ann\" + x", &[], 1),
            (
                "action.id == \"org.a.b\" && Reflect.set(polkit.Result, \"NO\", \"yes\")",
                &[],
                1,
            ),
            (
                "action.id == \"org.a.b\" && action[\"constructor\"](\"x\")",
                &[],
                1,
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

    /// Files whole: who is let in, and whether it cannot be told.
    #[test]
    fn other_forms() {
        let rule = |body: &str| format!("polkit.addRule(function(action, subject) {{ {body} }});");
        let yes = "return polkit.Result.YES;";
        let other = "if (action.id == \"org.a.b\") { return polkit.Result.YES; }";
        let all = &["ALL"][..];
        for (text, given, unknown) in [
            (rule("return polkit.Result[\"YES\"];"), all, 0),
            (rule("return polkit.Result[\"Y\" + \"ES\"];"), &[], 1),
            (rule("return polkit.Result.\\u0059ES;"), &[], 1),
            (rule("return \"yes\";"), all, 0),
            (rule("return \"\\x79es\";"), &[], 1),
            (rule("return x;"), &[], 1),
            (rule("polkit.log(\"x\" + action.id); return;"), &[], 0),
            (rule("polkit.log(polkit.Result.NO); return;"), &[], 1),
            (rule("var r = polkit.Result; return r.YES;"), &[], 1),
            (format!("{} polkit.Result.NO = \"yes\";", rule(other)), &[], 1),
            (rule(&format!("{other} {yes}")), all, 0),
            (rule(&format!("if (!subject.isInGroup('wheel') || !subject.isInGroup('adm')) return polkit.Result.NO; {yes}")), &["ann"], 0),
            (rule(&format!("if (f()) return polkit.Result.NO; {yes}")), &[], 1),
            (rule(&format!("{other} else if (subject.user == 'ann') {yes}")), &["ann"], 0),
            (rule(&format!("if (subject.user !== 'ann') {{ return; }} {yes}")), &["ann"], 0),
            (rule(&format!("{other} return polkit.Result.NOT_HANDLED;")), &[], 0),
            (format!("// x\r{}", rule(yes)), all, 0),
            (format!("// x\u{2028}{}", rule(yes)), all, 0),
            (format!("// x\n// {}", rule(yes)), &[], 0),
            ("polkit.addAdminRule(function(action, subject) { return [\"unix-group:sudo\", \"unix-user:0\"]; });".into(), &[], 0),
            ("polkit.addRule((a, s) => polkit.Result.YES);".into(), &[], 1),
            ("eval(\"x\");".into(), &[], 1),
            (String::new(), &[], 0),
            ("/* nothing */\n".into(), &[], 0),
        ] {
            let (found, missed) = judged(&text, false);
            assert_eq!((found, missed), (given.iter().map(|s| (*s).to_owned()).collect(), unknown), "{text}");
            assert_eq!(judged(&text, true).1, 0, "{text}");
        }
    }
}
