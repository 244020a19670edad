//! `[[waivers]]`: a demand of a settings check that somebody answers for until a day.

use agent_core::finding::{Finding, Verdict};
use agent_core::glob::{Glob, Syntax};
use agent_core::toml_text::line_of;
use agent_core::waiver::{self, WaivedBy};
use serde::Deserialize;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// One `[[waivers]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The id of the check.
    pub check: String,
    /// Which of its subjects, as it was written.
    pub subject: String,
    glob: Glob,
    /// Who answers for it, why, until when.
    pub by: WaivedBy,
    /// The file that it stands in; `None` for a shipped profile.
    pub file: Option<PathBuf>,
    /// Its line there.
    pub line: u64,
}

impl Waiver {
    /// The same, as it stands in that file.
    pub(super) fn of_file(self, file: Option<PathBuf>) -> Waiver {
        Waiver { file, ..self }
    }

    /// The waiver as text that is the same however it was written.
    pub(super) fn canonical(&self) -> String {
        let WaivedBy {
            reason,
            owner,
            until,
        } = &self.by;
        format!(" {:?}", (&self.check, &self.subject, reason, owner, until))
    }
}

/// The finding with who answers for it at `now`, in seconds since 1970. Of a waiver that has ended the message says so.
///
/// What could not be looked at is waived like a failure: who answers for the one answers for the other.
pub(super) fn waive(waivers: &[Waiver], mut finding: Finding, now: i64) -> Finding {
    if !matches!(finding.verdict, Verdict::Fail | Verdict::Unknown) {
        return finding;
    }
    let mut ended = None;
    for waiver in waivers {
        if waiver.check != finding.check.id || !waiver.glob.matches(&finding.subject) {
            continue;
        }
        if waiver.by.stands(now) {
            finding.waived_by = Some(Box::new(waiver.by.clone()));
            return finding;
        }
        ended = ended.max(Some((&waiver.by.until, &waiver.by.owner)));
    }
    if let Some((until, owner)) = ended {
        finding.message += &format!(" (the waiver of {owner} ended with {until})");
    }
    finding
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    check: Spanned<String>,
    subject: Spanned<String>,
    reason: Spanned<String>,
    owner: Spanned<String>,
    until: Spanned<String>,
}

impl Raw {
    /// The waiver, if all of it says something; else the place in `text` and what is wrong there.
    pub(super) fn checked(self, text: &str) -> Result<Waiver, (Range<usize>, String)> {
        let texts = [
            ("check", &self.check, "the id of a check"),
            (
                "subject",
                &self.subject,
                "a glob over subjects, as \"sshd\"",
            ),
            ("reason", &self.reason, "why the demand is not met"),
            ("owner", &self.owner, "who answers for it"),
        ];
        for (key, value, expected) in texts {
            let said = value.get_ref();
            if said.trim().is_empty() || said.contains(char::is_control) {
                let message = format!("waivers.{key}: expected {expected}, on one line");
                return Err((value.span(), message));
            }
        }
        let until = self.until.get_ref();
        if !waiver::is_day(until) {
            let message = format!("waivers.until = \"{until}\": expected a day, as \"2027-03-31\"");
            return Err((self.until.span(), message));
        }
        let subject = self.subject.into_inner();
        Ok(Waiver {
            line: line_of(text, self.check.span().start),
            check: self.check.into_inner(),
            glob: Glob::new(subject.as_bytes(), Syntax::Stars),
            subject,
            by: WaivedBy {
                reason: self.reason.into_inner(),
                owner: self.owner.into_inner(),
                until: self.until.into_inner(),
            },
            file: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::source::Source;
    use agent_core::finding::{FILES_PROFILE, Severity};
    use std::path::Path;

    const GOOD: &str = "name = \"x\"\n[[waivers]]\ncheck = \"files.profile\"\nsubject = \"/etc/*\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-03-31\"\n";

    fn parse(text: &str) -> Result<Vec<Waiver>, String> {
        let source = Source::parse(text, Path::new("p.toml")).map_err(|error| error.to_string())?;
        Ok(source.waivers)
    }

    #[test]
    fn every_key_is_demanded_and_named_with_its_line() {
        assert_eq!(parse(GOOD).expect("good")[0].line, 3);
        for (key, line) in [
            ("check", 3),
            ("subject", 4),
            ("reason", 5),
            ("owner", 6),
            ("until", 7),
        ] {
            let without: Vec<&str> = GOOD.lines().filter(|l| !l.starts_with(key)).collect();
            let error = parse(&without.join("\n")).expect_err(key);
            assert!(
                error.contains("p.toml:2:") && error.contains(key),
                "{error}"
            );
            let empty: Vec<String> = GOOD
                .lines()
                .map(|l| {
                    if l.starts_with(key) {
                        format!("{key} = \"\"")
                    } else {
                        l.to_owned()
                    }
                })
                .collect();
            let error = parse(&empty.join("\n")).expect_err(key);
            assert!(
                error.contains(&format!("p.toml:{line}:")) && error.contains(key),
                "{error}"
            );
        }
        for until in [
            "tomorrow",
            "2027-13-01",
            "2027-02-30",
            "27-01-01",
            "2027-3-1",
        ] {
            let error = parse(&GOOD.replace("2027-03-31", until)).expect_err(until);
            assert!(
                error.contains("p.toml:7:") && error.contains("until"),
                "{error}"
            );
        }
        let error = parse(&format!("{GOOD}forever = true\n")).expect_err("unknown");
        assert!(
            error.contains("p.toml:8:") && error.contains("forever"),
            "{error}"
        );
    }

    #[test]
    fn it_stands_to_the_end_of_its_last_day_for_what_it_names() {
        let waivers = parse(GOOD).expect("good");
        let at = |time: i64, subject: &str, verdict| {
            let finding = Finding::new(&FILES_PROFILE, verdict, Severity::High, subject, "m");
            waive(&waivers, finding, time)
        };
        // date -u -d 2027-03-31T23:59:59Z +%s
        let last = 1_806_537_599;
        let after = last + 1;
        for verdict in [Verdict::Fail, Verdict::Unknown] {
            let found = at(last, "/etc/x", verdict);
            let by = found.waived_by.expect("waived");
            assert_eq!((by.owner.as_str(), found.message.as_str()), ("o", "m"));
        }
        let ended = at(after, "/etc/x", Verdict::Fail);
        assert_eq!(ended.waived_by, None);
        assert_eq!(ended.message, "m (the waiver of o ended with 2027-03-31)");
        for (subject, verdict) in [("/usr/x", Verdict::Fail), ("/etc/x", Verdict::Pass)] {
            let found = at(last, subject, verdict);
            assert_eq!((found.waived_by, found.message.as_str()), (None, "m"));
        }
    }
}
