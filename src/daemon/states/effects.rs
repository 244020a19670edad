//! What a changed file made of the settings that are read from it: their values before and after, put onto the finding
//! of the file. Pure.
//!
//! A check of settings says where the value stands that it judged ([`Finding::location`]). Where it says something else
//! than at the look before, the files that it named then and now are looked at again, and their findings tell it.

use crate::daemon::run_record::Effect;
use crate::daemon::writers::deviation;
use agent_core::change::Actor;
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;

/// Verdicts of which the value is remembered; there are some hundred checks, a few of them with many subjects.
// Own bound: what is beyond it is not told of files, and told as ever of the setting.
const MOST_JUDGED: usize = 4_096;
/// Files of which effects are remembered, the latest.
// Own bound: of what is remembered in a file of some ten kilobytes.
const MOST_FILES: usize = 32;
/// Settings that are told with one file.
// Own bound: each setting has its finding as well.
const MOST_SETTINGS: usize = 4;
/// Characters of a value.
// Own bound: the setting's finding has it whole.
const LONGEST: usize = 80;

/// What the settings said at the last look.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Effects {
    judged: BTreeMap<(&'static str, Vec<u8>), Judged>,
    /// What changed since, by file.
    changed: BTreeMap<String, Vec<(String, String)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Judged {
    value: String,
    /// `FILE:LINE`
    location: Option<String>,
}

impl Effects {
    /// Takes in the verdict of a check of settings.
    pub(in crate::daemon) fn judged(&mut self, finding: &Finding) {
        let key = (finding.check.id, finding.subject.clone());
        let now = match finding.verdict {
            // What cannot be told now was not changed by anybody.
            Verdict::Unknown => return,
            Verdict::NotApplicable => return drop(self.judged.remove(&key)),
            Verdict::Pass | Verdict::Fail => Judged {
                value: value(finding),
                location: finding.location.clone(),
            },
        };
        if self.judged.len() >= MOST_JUDGED && !self.judged.contains_key(&key) {
            return;
        }
        let Some(before) = self.judged.insert(key, now.clone()) else {
            return;
        };
        if before.value == now.value {
            return;
        }
        let name = setting(finding.check.id);
        let place = now.location.as_ref().or(before.location.as_ref());
        let Some(place) = place.cloned() else {
            return;
        };
        let text = format!("{name}: {} → {}, {place}", before.value, now.value);
        let files = [&before.location, &now.location].into_iter().flatten();
        for file in files.filter_map(|location| file_of(location)) {
            let told = self.changed.entry(file.to_owned()).or_default();
            if told.len() < MOST_SETTINGS && !told.iter().any(|(known, _)| *known == text) {
                told.push((text.clone(), place.clone()));
            }
        }
    }

    /// A look at all settings has ended: the files whose findings have something to tell, each with its leading slash.
    /// `known` is what is remembered of them.
    pub(in crate::daemon) fn ended(&mut self, known: &mut Vec<Effect>) -> Vec<String> {
        let changed = std::mem::take(&mut self.changed);
        for (path, told) in &changed {
            known.retain(|effect| effect.path != *path);
            let texts = told.iter().map(|(text, _)| text.as_str());
            known.push(Effect {
                path: path.clone(),
                text: texts.collect::<Vec<_>>().join("; "),
                location: told.first().map(|(_, at)| at.clone()).unwrap_or_default(),
                deviation: String::new(),
            });
        }
        let more = known.len().saturating_sub(MOST_FILES);
        known.drain(..more);
        changed.into_keys().collect()
    }
}

/// Puts onto a finding of a file what the change did to settings; whether what is remembered is something else now. It is
/// told for as long as the file is as it was then.
pub(in crate::daemon) fn recall(finding: &mut Finding, known: &mut [Effect]) -> bool {
    if known.is_empty()
        || finding.verdict != Verdict::Fail
        || finding.unexplained_severity.is_some()
    {
        return false;
    }
    let effect = known
        .iter_mut()
        .find(|effect| effect.path.as_bytes() == finding.subject);
    let Some(effect) = effect.filter(|_| finding.check.id.starts_with("files.")) else {
        return false;
    };
    let deviation = deviation(finding);
    let fresh = effect.deviation.is_empty();
    if fresh {
        effect.deviation.clone_from(&deviation);
    }
    if effect.deviation == deviation {
        finding.message = format!("{}; {}", finding.message, effect.text);
        finding
            .location
            .get_or_insert_with(|| effect.location.clone());
    }
    fresh
}

/// Names who did it, where the finding tells of settings.
pub(in crate::daemon) fn blame(finding: &mut Finding, actor: &Actor, known: &[Effect]) {
    let tells = |effect: &Effect| finding.message.ends_with(&effect.text);
    if !known.iter().any(tells) {
        return;
    }
    if let Some(name) = &actor.name {
        finding.message += &format!(", by {}", escape::terminal_text(name));
    }
    if let Some(login) = actor.login_uid {
        finding.message += &format!(" (login uid {login})");
    }
}

/// The path of `FILE:LINE`.
fn file_of(location: &str) -> Option<&str> {
    let (file, line) = location.rsplit_once(':')?;
    (file.starts_with('/') && line.parse::<u64>().is_ok()).then_some(file)
}

/// The effective value that a check judged, where it says one; else how it judged.
fn value(finding: &Finding) -> String {
    let text = match &finding.observed["value"] {
        Value::String(text) => text.clone(),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(list) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.collect::<Vec<_>>().join(", ")
        }
        _ => return finding.verdict.name().to_owned(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A keyword of sshd's as sshd_config(5) writes it, else the check's id: both say the same.
fn setting(id: &str) -> String {
    let Some(keyword) = id.strip_prefix("sshd.") else {
        return id.to_owned();
    };
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    keyword.split('_').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::{Check, FILES_CHANGED, Form, Severity};
    use serde_json::json;

    static ROOT_LOGIN: Check = Check {
        id: "sshd.permit_root_login",
        title: "",
        demand: "",
        why: "",
        severity: None,
        form: Form::Nothing,
        remedy: None,
        references: &[],
    };

    fn setting_is(verdict: Verdict, value: &str, location: Option<&str>) -> Finding {
        let finding = Finding::new(&ROOT_LOGIN, verdict, Severity::High, "sshd", "m")
            .evidence(Value::Null, json!({ "value": value }));
        match location {
            Some(location) => finding.location(location),
            None => finding,
        }
    }

    fn file(path: &str, digest: &str) -> Finding {
        Finding::new(&FILES_CHANGED, Verdict::Fail, Severity::High, path, "m")
            .evidence(Value::Null, json!({ "sha256": digest }))
    }

    #[test]
    fn the_files_that_a_value_came_from_and_comes_from_tell_of_it() {
        let mut effects = Effects::default();
        let mut known = Vec::new();
        let at = |n| format!("/etc/ssh/sshd_config.d/{n}.conf:3");
        let file_at = |n| format!("/etc/ssh/sshd_config.d/{n}.conf");
        effects.judged(&setting_is(Verdict::Pass, "no", None));
        assert!(effects.ended(&mut known).is_empty(), "the first look");
        effects.judged(&setting_is(Verdict::Unknown, "?", None));
        effects.judged(&setting_is(Verdict::Fail, "yes", Some(&at(1))));
        assert_eq!(effects.ended(&mut known), [file_at(1)]);
        assert!(effects.ended(&mut known).is_empty(), "once");
        let mut told = file(&file_at(1), "a");
        assert!(recall(&mut told, &mut known));
        let text = format!("PermitRootLogin: no → yes, {}", at(1));
        assert_eq!(told.message, format!("m; {text}"));
        assert_eq!(told.location, Some(at(1)));
        let actor = Actor {
            name: Some("vi".into()),
            login_uid: Some(1000),
            ..Actor::default()
        };
        blame(&mut told, &actor, &known);
        assert_eq!(told.message, format!("m; {text}, by vi (login uid 1000)"));
        // The same again, by a scan: nothing is new. Something else: not by what was.
        let mut again = file(&file_at(1), "a");
        assert!(!recall(&mut again, &mut known) && again.message.contains("no → yes"));
        let mut edited = file(&file_at(1), "b");
        assert!(!recall(&mut edited, &mut known) && edited.message == "m");
        blame(&mut edited, &actor, &known);
        assert_eq!(edited.message, "m");
        // The line moved to another file, and went.
        effects.judged(&setting_is(
            Verdict::Fail,
            "prohibit-password",
            Some(&at(2)),
        ));
        assert_eq!(effects.ended(&mut known), [file_at(1), file_at(2)]);
        effects.judged(&setting_is(Verdict::Pass, "no", None));
        assert_eq!(effects.ended(&mut known), [file_at(2)]);
        let mut gone = file(&file_at(2), "c");
        assert!(recall(&mut gone, &mut known));
        assert!(gone.message.contains("prohibit-password → no"), "{gone:?}");
    }

    #[test]
    fn what_is_explained_tells_nothing_and_no_more_is_kept_than_may_be() {
        let mut effects = Effects::default();
        let mut known = Vec::new();
        for n in 0..=2 * MOST_FILES {
            let location = format!("/etc/{n}:1");
            let value = "x".repeat(2 * LONGEST) + &n.to_string();
            effects.judged(&setting_is(Verdict::Fail, &n.to_string(), Some(&location)));
            effects.judged(&setting_is(Verdict::Fail, &value, Some(&location)));
            effects.ended(&mut known);
        }
        assert_eq!(known.len(), MOST_FILES);
        assert!(known.iter().all(|effect| effect.text.len() < 3 * LONGEST));
        let path = known[0].path.clone();
        let mut explained = file(&path, "a");
        explained.unexplained_severity = Some(Severity::High);
        assert!(!recall(&mut explained, &mut known) && explained.location.is_none());
    }

    #[test]
    fn values_and_names_are_told_in_one_form() {
        for (id, name) in [
            ("sshd.max_auth_tries", "MaxAuthTries"),
            ("kernel.aslr", "kernel.aslr"),
        ] {
            assert_eq!(setting(id), name);
        }
        let of = |observed| value(&file("/a", "").evidence(Value::Null, observed));
        assert_eq!(of(json!({ "value": 3 })), "3");
        assert_eq!(of(json!({ "value": ["a", "b"] })), "a, b");
        assert_eq!(of(json!({ "names": ["a"] })), "fail");
        assert_eq!(file_of("/etc/a:b:7"), Some("/etc/a:b"));
        assert_eq!(file_of("the command line"), None);
    }
}
