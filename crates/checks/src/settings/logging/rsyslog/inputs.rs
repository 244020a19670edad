//! Inputs by which what this host logs comes in, and the rulesets that they hand it to (rsyslog's imuxsock, imjournal and
//! imfile). What other hosts send is not the host's, and of the kernel's messages alone nobody learns who came.

use super::is_on;
use super::parse::{Parameters, value};
use std::collections::BTreeSet;

/// Where programs log to: the socket itself, and the one by which journald hands messages on.
const SYSTEM: [&str; 3] = [
    "/dev/log",
    "/run/systemd/journal/syslog",
    "/var/run/systemd/journal/syslog",
];

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Modules that are loaded.
    loaded: BTreeSet<String>,
    /// imuxsock does not listen where programs log to.
    deaf: bool,
    /// Modules with the rulesets that inputs of theirs hand to; `None`: the one where messages start.
    bound: BTreeSet<(String, Option<String>)>,
    /// `$InputFileBindRuleset`, for the next file.
    next: Option<String>,
}

impl Inputs {
    /// `module(load="…" …)`
    pub(super) fn module(&mut self, parameters: &Parameters) {
        let name = self.load(value(parameters, "load").unwrap_or_default());
        if name == "imuxsock" {
            let used = value(parameters, "syssock.use").is_none_or(is_on);
            let named = value(parameters, "syssock.name").is_none_or(is_system);
            self.deaf |= !used || !named;
        }
    }

    /// `input(type="…" …)`
    pub(super) fn input(&mut self, parameters: &Parameters) {
        let kind = value(parameters, "type").unwrap_or_default().to_lowercase();
        let elsewhere = value(parameters, "socket").is_some_and(|socket| !is_system(socket));
        if kind != "imuxsock" || !elsewhere {
            let ruleset = value(parameters, "ruleset").map(str::to_owned);
            self.bound.insert((kind, ruleset));
        }
    }

    /// `$NAME VALUE`, the name in small letters.
    pub(super) fn directive(&mut self, name: &str, value: &str) {
        // What stands behind the first word is left alone, comments as well.
        let value = value.split_whitespace().next().unwrap_or_default();
        match name {
            "modload" => drop(self.load(value)),
            "omitlocallogging" => self.deaf = is_on(value),
            "systemlogsocketname" => self.deaf |= !is_system(value),
            "addunixlistensocket" if is_system(value) => {
                self.bound.insert(("imuxsock".to_owned(), None));
            }
            "inputfilebindruleset" => self.next = Some(value.to_owned()),
            "inputrunfilemonitor" => {
                self.bound.insert(("imfile".to_owned(), self.next.take()));
            }
            _ => {}
        }
    }

    fn load(&mut self, module: &str) -> String {
        let name = module.trim().rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".so").unwrap_or(name).to_lowercase();
        self.loaded.insert(name.clone());
        name
    }

    /// The rulesets that messages of this host get to; `start` is where they start, `forwards` says whether journald hands
    /// on what it hears on the socket of programs.
    pub(super) fn rulesets<'a>(&'a self, start: &'a str, forwards: bool) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let loaded = |name: &str| self.loaded.contains(name);
        if loaded("imjournal") || (loaded("imuxsock") && !self.deaf && forwards) {
            found.insert(start);
        }
        for (module, ruleset) in &self.bound {
            let hears = match module.as_str() {
                "imuxsock" => forwards,
                module => matches!(module, "imfile" | "imjournal"),
            };
            if hears && loaded(module) {
                found.insert(ruleset.as_deref().unwrap_or(start));
            }
        }
        found
    }
}

fn is_system(socket: &str) -> bool {
    SYSTEM.contains(&socket.trim())
}

#[cfg(test)]
mod tests {
    use super::super::{DEFAULT, Rules};
    use crate::settings::testing;

    #[test]
    fn what_this_host_logs_comes_in_by() {
        let off = "module(load=\"imuxsock\" SysSock.Use=\"off\")\n";
        for (text, forwards, expected) in [
            ("", true, ""),
            ("module(load=\"imuxsock\")", true, "start"),
            ("module(load=\"imuxsock\")", false, ""),
            ("$ModLoad imuxsock.so # local", true, "start"),
            ("$ModLoad /usr/lib/rsyslog/imuxsock", true, "start"),
            ("$ModLoad imuxsock\n$OmitLocalLogging on", true, ""),
            ("$ModLoad imuxsock\n$OmitLocalLogging off", true, "start"),
            (
                "$ModLoad imuxsock\n$SystemLogSocketName /run/systemd/journal/syslog",
                true,
                "start",
            ),
            (off, true, ""),
            (
                &format!("{off}module(load=\"imjournal\" StateFile=\"x\")"),
                false,
                "start",
            ),
            (&format!("{off}$ModLoad imjournal"), true, "start"),
            (
                &format!("{off}module(load=\"imklog\")module(load=\"imkmsg\")"),
                true,
                "",
            ),
            (
                &format!("{off}input(type=\"imuxsock\" socket=\"/srv/log\")"),
                true,
                "",
            ),
            (
                "module(load=\"imudp\")\ninput(type=\"imudp\" port=\"514\")",
                true,
                "",
            ),
            ("input(type=\"imfile\" file=\"/x\")", true, ""),
            (
                "module(load=\"imfile\")\ninput(type=\"imfile\" file=\"/x\" ruleset=\"r\")",
                true,
                "r",
            ),
            (
                "$ModLoad imfile\n$InputFileName /x\n$InputRunFileMonitor",
                true,
                "start",
            ),
            ("module(load=\"imuxsock\" config.enabled=\"off\")", true, ""),
        ] {
            let mut rules = Rules {
                current: DEFAULT.to_owned(),
                ..Rules::default()
            };
            let statements = super::super::parse::parse(text).expect("understood");
            testing::within(std::path::Path::new("/proc/self/fdinfo"), |context| {
                rules.add(context, "f", statements, 0).expect("no includes");
            });
            let found: Vec<&str> = rules
                .inputs
                .rulesets("start", forwards)
                .into_iter()
                .collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
