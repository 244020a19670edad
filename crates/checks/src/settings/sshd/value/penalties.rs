//! PerSourcePenalties: words of several lines, each name from the first that says it.

use super::numbers::{fractional_time, number, time};
use crate::settings::sshd::history::{FRACTIONS, Number};

/// What the lines so far say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings::sshd) struct Penalties {
    /// Whether penalties are on, where a line says so.
    enabled: Option<bool>,
    /// Name and value, of each name the first.
    said: Vec<(String, String)>,
}

impl Penalties {
    /// Adds the words of a line; a reason where sshd refuses it. `default` names what the version knows.
    pub(in crate::settings::sshd) fn add(
        &mut self,
        words: &[String],
        default: &str,
        version: Number,
    ) -> Result<(), String> {
        if words.is_empty() {
            return Err("missing argument".into());
        }
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let switch = ["no", "yes"]
                .iter()
                .position(|switch| switch.eq_ignore_ascii_case(word));
            if let Some(on) = switch {
                if rest.len() > 0 {
                    return Err(format!("\"{word}\" argument must appear alone"));
                }
                self.enabled.get_or_insert(on == 1);
                continue;
            }
            let (name, value) = one(word, default, version)?;
            if !self.said.iter().any(|(said, _)| said == name) {
                self.said.push((name.to_owned(), value));
                self.enabled = Some(true);
            }
        }
        Ok(())
    }

    /// As `sshd -T` prints it.
    pub(in crate::settings::sshd) fn shown(&self, default: &str) -> String {
        if self.enabled == Some(false) {
            return "no".into();
        }
        let said = |name: &str| self.said.iter().find(|(said, _)| said == name);
        let words = default.split(' ').map(|word| {
            let name = word.split(':').next().unwrap_or_default();
            match said(name) {
                Some((_, value)) => format!("{name}:{value}"),
                // Where it is not said it follows the other one.
                None if name == "overflow6" => match said("overflow") {
                    Some((_, value)) => format!("{name}:{value}"),
                    None => word.to_owned(),
                },
                None => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

fn one<'a>(word: &'a str, default: &str, version: Number) -> Result<(&'a str, String), String> {
    let invalid = || format!("unsupported keyword {word}");
    let (name, text) = word.split_once(':').ok_or_else(invalid)?;
    if !default
        .split(' ')
        .any(|known| known.split(':').next() == Some(name))
    {
        return Err(invalid());
    }
    let value = match name {
        "overflow" | "overflow6" => matches!(text, "permissive" | "deny-all")
            .then(|| text.to_owned())
            .ok_or_else(invalid)?,
        "max-sources4" | "max-sources6" => number(text).ok_or_else(invalid)?.to_string(),
        _ if version >= FRACTIONS => format!("{:.6}", fractional_time(text).ok_or_else(invalid)?),
        _ => time(text, version).ok_or_else(invalid)?.to_string(),
    };
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "crash:90 max:600 min:15 overflow:permissive overflow6:permissive";

    #[test]
    fn lines_add_up() {
        for (lines, expected) in [
            (&["no"][..], "no"),
            (&["no", "yes"], "no"),
            (
                &["no", "max:3"],
                "crash:90 max:3 min:15 overflow:permissive overflow6:permissive",
            ),
            (
                &["max:3", "max:4 min:2"],
                "crash:90 max:3 min:2 overflow:permissive overflow6:permissive",
            ),
            (
                &["overflow:deny-all"],
                "crash:90 max:600 min:15 overflow:deny-all overflow6:deny-all",
            ),
        ] {
            let mut penalties = Penalties::default();
            for line in lines {
                let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
                penalties.add(&words, DEFAULT, (10, 0)).expect("good");
            }
            assert_eq!(penalties.shown(DEFAULT), expected, "{lines:?}");
        }
        for bad in ["no max:3", "max:x", "x:1", "overflow:x", "max:1.5"] {
            let words: Vec<String> = bad.split(' ').map(str::to_owned).collect();
            let added = Penalties::default().add(&words, DEFAULT, (10, 0));
            assert!(added.is_err(), "{bad}");
        }
    }
}
