//! What the kernel's command line tells systemd about units (kernel-command-line(7)).

use crate::settings::boot::words;
use std::collections::BTreeSet;

/// What command lines say together.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

/// One command line.
#[derive(Debug, Default)]
struct Line {
    /// What is started in place of default.target.
    target: Option<String>,
    wants: BTreeSet<String>,
    masks: BTreeSet<String>,
}

/// How many of the command lines say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    None,
    Some,
    All,
}

impl Lines {
    pub(super) fn read(lines: &[String]) -> Lines {
        let lines: Vec<Line> = lines.iter().map(|line| Line::read(line)).collect();
        // Entries for repairs stand beside those that the machine mostly starts with.
        let is_repair = |line: &Line| {
            let target = line.target.as_deref();
            target.is_some_and(|target| matches!(target, "rescue.target" | "emergency.target"))
        };
        let (repairs, ordinary): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(is_repair);
        Lines(match ordinary.is_empty() {
            true => repairs,
            false => ordinary,
        })
    }

    /// What boot may start at; default.target where no line says otherwise.
    pub(super) fn targets(&self) -> BTreeSet<String> {
        let default = || "default.target".to_owned();
        let targets = self.0.iter();
        let mut targets: BTreeSet<String> = targets
            .map(|line| line.target.clone().unwrap_or_else(default))
            .collect();
        if targets.is_empty() {
            targets.insert(default());
        }
        targets
    }

    /// Units that a line wants, and whether all do.
    pub(super) fn wants(&self) -> Vec<(&str, Share)> {
        let all: BTreeSet<&String> = self.0.iter().flat_map(|line| &line.wants).collect();
        all.into_iter()
            .map(|unit| (unit.as_str(), self.share(|line| line.wants.contains(unit))))
            .collect()
    }

    pub(super) fn masks(&self, unit: &str) -> Share {
        self.share(|line| line.masks.contains(unit))
    }

    fn share(&self, says: impl Fn(&Line) -> bool) -> Share {
        match self.0.iter().filter(|line| says(line)).count() {
            0 => Share::None,
            count if count == self.0.len() => Share::All,
            _ => Share::Some,
        }
    }
}

impl Line {
    fn read(line: &str) -> Line {
        let mut read = Line::default();
        for word in words(line) {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key.replace('-', "_"), Some(value)),
                None => (word.to_owned(), None),
            };
            let unit = |suffix: &str| {
                let value = value.filter(|value| !value.is_empty())?;
                Some(match value.contains('.') {
                    true => value.to_owned(),
                    false => format!("{value}{suffix}"),
                })
            };
            match key.as_str() {
                "systemd.unit" => read.target = unit(".target").or(read.target),
                "systemd.wants" => read.wants.extend(unit(".service")),
                "systemd.mask" => read.masks.extend(unit(".service")),
                _ if value.is_some() => {}
                "single" | "rescue" | "s" | "S" | "1" | "-s" => {
                    read.target = Some("rescue.target".to_owned());
                }
                "emergency" | "-b" => read.target = Some("emergency.target".to_owned()),
                "2" | "3" | "4" => read.target = Some("multi-user.target".to_owned()),
                "5" => read.target = Some("graphical.target".to_owned()),
                _ => {}
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lines_say() {
        let of = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            Lines::read(&lines)
        };
        let targets = |lines: &[&str]| of(lines).targets().into_iter().collect::<Vec<_>>();
        assert_eq!(targets(&[]), ["default.target"]);
        assert_eq!(targets(&["ro", "ro single"]), ["default.target"]);
        assert_eq!(targets(&["ro single"]), ["rescue.target"]);
        assert_eq!(
            targets(&["a systemd.unit=x.target 3 systemd.unit=y", "b"]),
            ["default.target", "y.target"]
        );
        let lines = of(&[
            "systemd.mask=auditd systemd.wants=a.service",
            "systemd.mask=auditd.service",
        ]);
        assert_eq!(lines.masks("auditd.service"), Share::All);
        assert_eq!(lines.masks("ssh.service"), Share::None);
        assert_eq!(lines.wants(), [("a.service", Share::Some)]);
    }
}
