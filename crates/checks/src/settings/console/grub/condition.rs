//! Conditions of a GRUB script, as far as the tree and the script decide them.

use super::script::{Guard, Menu};

impl Menu {
    /// Whether a condition holds, as far as the tree and the script tell.
    pub(super) fn condition(&self, text: &str) -> Guard {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("! ") {
            return self.condition(rest).not();
        }
        let test = text
            .strip_prefix("test ")
            .or_else(|| text.strip_prefix("[ ")?.strip_suffix(" ]"));
        let Some(test) = test else {
            return match text {
                "true" => Guard::Yes,
                "false" => Guard::No,
                _ => Guard::Maybe,
            };
        };
        let parts: Vec<&str> = test.split_whitespace().collect();
        let is = |holds: bool| if holds { Guard::Yes } else { Guard::No };
        match parts.as_slice() {
            ["!", rest @ ..] => self.condition(&format!("[ {} ]", rest.join(" "))).not(),
            ["-f" | "-e" | "-s", file] => {
                // An empty file has no commands either.
                match self.beside_name(file.trim_matches('"')) {
                    Some(name) => is(self.beside.contains_key(&name)),
                    None => Guard::Maybe,
                }
            }
            ["-n", text] | [text] => match self.value(text) {
                Some(value) => is(!value.is_empty()),
                None => Guard::Maybe,
            },
            ["-z", text] => match self.value(text) {
                Some(value) => is(value.is_empty()),
                None => Guard::Maybe,
            },
            [left, operator @ ("=" | "==" | "!="), right] => {
                match (self.value(left), self.value(right)) {
                    (Some(left), Some(right)) => is((left == right) == (*operator != "!=")),
                    _ => Guard::Maybe,
                }
            }
            _ => Guard::Maybe,
        }
    }

    /// What a word stands for; `None` where the script does not say it.
    fn value(&self, word: &str) -> Option<String> {
        if word.starts_with('\'') {
            return Some(word.trim_matches('\'').to_owned());
        }
        let bare = word.trim_matches('"');
        let Some(name) = bare.strip_prefix('$') else {
            return (!bare.contains(['$', '\\'])).then(|| bare.to_owned());
        };
        let name = name.trim_matches(['{', '}']);
        let known = self.variables.get(name).filter(|(_, sure)| *sure);
        known.map(|(value, _)| value.clone())
    }
}
