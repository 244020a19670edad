//! Whether rsyslogd sends messages of this host elsewhere: its rules gone through as it does.
// Long: the statements are gone through in one place, with their tests.

mod filter;
mod inputs;
mod parse;
mod selector;

use super::targets::{Target, is_elsewhere};
use crate::settings::boot;
use crate::settings::budget::Budget;
use crate::settings::context::Context;
use crate::settings::systemd;
use agent_core::bounds;
use inputs::Inputs;
use parse::{Filter, Parameters, Statement, value};
use selector::Messages;
use std::collections::{BTreeMap, BTreeSet};

/// Modules that send elsewhere; omfwd and omrelp are looked at more closely.
const SENDING: [&str; 12] = [
    "omelasticsearch",
    "omkafka",
    "omhttp",
    "omgssapi",
    "omamqp1",
    "omrabbitmq",
    "omhiredis",
    "ommongodb",
    "omclickhouse",
    "omhdfs",
    "omazureeventhubs",
    "omsnmp",
];
/// The ruleset of statements outside of any (ruleset.c).
const DEFAULT: &str = "RSYSLOG_DefaultRuleset";
/// Includes in includes (grammar/lexer.l), and rulesets that call each other.
// Own bound: rsyslog's.
const DEPTH: usize = 20;

/// Where rsyslogd sends to.
pub(super) fn target(context: &Context<'_>) -> Target {
    let mut rules = Rules {
        current: DEFAULT.to_owned(),
        start: DEFAULT.to_owned(),
        ..Rules::default()
    };
    if let Err(why) = rules.read(context, "/etc/rsyslog.conf", 0) {
        return Target::Unknown(why);
    }
    // Whatever is not said is as the distribution's systemd is built, and rsyslog set up to fit it.
    let mut forwards = systemd::config(context.root, "journald.conf", "Journal", "ForwardToSyslog");
    let forwards = forwards
        .pop()
        .is_none_or(|said| !boot::is_false(&said.value));
    let starts = rules.inputs.rulesets(&rules.start, forwards);
    if starts.is_empty() {
        return match rules.strange {
            Some(place) => Target::Unknown(format!("{place} is not understood")),
            None => Target::Idle("has no input that brings it what this host logs".to_owned()),
        };
    }
    let walk = Walk::through(&rules, starts);
    if walk.steps > bounds::RSYSLOG_STEPS {
        return Target::Unknown("the rules of rsyslog call each other without end".into());
    }
    match (walk.found, rules.strange) {
        (Some((what, place)), _) => {
            let what = agent_core::escape::terminal_text(&what).into_owned();
            Target::At { what, place }
        }
        (None, Some(place)) => Target::Unknown(format!("{place} is not understood")),
        (None, None) => Target::None,
    }
}

/// What comes after it is done where the action before it cannot be.
const INSTEAD: &str = "actionexeconlywhenpreviousissuspended";

/// A configuration, its includes in their places.
#[derive(Default)]
struct Rules {
    /// Name to statements, each with its file.
    rulesets: BTreeMap<String, Vec<(String, Statement)>>,
    /// Rulesets that have a queue of their own: a message goes on behind the call whatever they do.
    queued: BTreeSet<String>,
    /// Where statements go that stand outside of a ruleset.
    current: String,
    /// Where messages start.
    start: String,
    inputs: Inputs,
    /// The first place that is not understood.
    strange: Option<String>,
    /// `$ActionExecOnlyWhenPreviousIsSuspended`: what comes then is done where the action before it cannot be.
    instead: bool,
    budget: Budget,
}

impl Rules {
    fn read(&mut self, context: &Context<'_>, pattern: &str, depth: usize) -> Result<(), String> {
        // Of a directory all files are read.
        let whole = match pattern.strip_suffix('/') {
            Some(directory) => format!("{directory}/*"),
            None => pattern.to_owned(),
        };
        if whole.contains(['?', '[', '{', '`']) || !whole.starts_with('/') {
            self.strange.get_or_insert(format!("include of {whole}"));
            return Ok(());
        }
        for (path, text) in self.budget.files(context, &[&whole])? {
            let name = path.rsplit('/').next().unwrap_or_default();
            if name.starts_with('.') && whole.ends_with('*') {
                continue;
            }
            if depth > DEPTH {
                return Err(format!("{path}: includes without end"));
            }
            match parse::parse(&text) {
                Ok(statements) => self.add(context, &path, statements, depth)?,
                Err(line) => {
                    self.strange.get_or_insert(format!("{path}:{line}"));
                }
            }
        }
        Ok(())
    }

    /// Takes out what is done only where the action before it cannot be: in the ordinary course nothing is sent so.
    fn settle(&mut self, statement: &mut Statement) {
        match statement {
            Statement::Send(..) if self.instead => *statement = Statement::Nothing,
            Statement::Directive(name, value) if name == INSTEAD => self.instead = is_on(value),
            Statement::If(_, then, otherwise) => {
                for inner in then.iter_mut().chain(otherwise) {
                    self.settle(inner);
                }
            }
            _ => {}
        }
    }

    fn add(
        &mut self,
        context: &Context<'_>,
        path: &str,
        statements: Vec<Statement>,
        depth: usize,
    ) -> Result<(), String> {
        for statement in statements {
            match statement {
                Statement::Include(pattern) => {
                    self.read(context, &pattern, depth.saturating_add(1))?;
                }
                Statement::Text(inner) => self.add(context, path, inner, depth)?,
                Statement::Ruleset(parameters, inner) => {
                    let name = value(&parameters, "name").unwrap_or_default().to_owned();
                    if parameters.iter().any(|(name, _)| name == "queue.type") {
                        self.queued.insert(name.clone());
                    }
                    let outer = std::mem::replace(&mut self.current, name);
                    self.add(context, path, inner, depth)?;
                    self.current = outer;
                }
                Statement::Input(parameters) => self.inputs.input(&parameters),
                Statement::Module(parameters) => self.inputs.module(&parameters),
                Statement::Directive(name, value) => match name.as_str() {
                    "ruleset" => self.current = value,
                    "defaultruleset" => self.start = value,
                    "rulesetcreatemainqueue" if is_on(&value) => {
                        self.queued.insert(self.current.clone());
                    }
                    INSTEAD => self.instead = is_on(&value),
                    _ => self.inputs.directive(&name, &value),
                },
                mut statement => {
                    self.settle(&mut statement);
                    if includes(&statement) {
                        self.strange
                            .get_or_insert(format!("an include below a filter in {path}"));
                    }
                    let ruleset = self.rulesets.entry(self.current.clone()).or_default();
                    ruleset.push((path.to_owned(), statement));
                }
            }
        }
        Ok(())
    }
}

fn is_on(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "on" | "yes" | "true" | "1"
    )
}

/// Whether files are read in below a filter.
fn includes(statement: &Statement) -> bool {
    match statement {
        Statement::Include(_) | Statement::Text(_) => true,
        Statement::If(_, then, otherwise) => then.iter().chain(otherwise).any(includes),
        _ => false,
    }
}

/// One way of messages through the rules.
struct Walk<'a> {
    rules: &'a Rules,
    /// The first target: in words, and `FILE:LINE`.
    found: Option<(String, String)>,
    steps: usize,
}

impl<'a> Walk<'a> {
    /// Goes through the rulesets in which messages start.
    fn through<'r>(rules: &'a Rules, starts: impl IntoIterator<Item = &'r str>) -> Walk<'a> {
        let mut walk = Walk {
            rules,
            found: None,
            steps: 0,
        };
        for start in starts {
            walk.ruleset(start, Messages::ALL, 0);
        }
        walk
    }
    /// What is left of the messages behind the ruleset.
    fn ruleset(&mut self, name: &str, mut live: Messages, depth: usize) -> Messages {
        let rules = self.rules;
        let statements = rules
            .rulesets
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if depth > DEPTH {
            self.steps = bounds::RSYSLOG_STEPS + 1;
            return live;
        }
        for (path, statement) in statements {
            live = self.statement(path, statement, live, depth);
        }
        live
    }

    fn all(&mut self, path: &str, all: &[Statement], mut live: Messages, depth: usize) -> Messages {
        for statement in all {
            live = self.statement(path, statement, live, depth);
        }
        live
    }

    fn statement(
        &mut self,
        path: &str,
        statement: &Statement,
        live: Messages,
        depth: usize,
    ) -> Messages {
        self.steps = self.steps.saturating_add(1);
        if live.is_empty() || self.found.is_some() || self.steps > bounds::RSYSLOG_STEPS {
            return live;
        }
        match statement {
            Statement::Stop => return Messages::NONE,
            Statement::Call(name) => {
                let left = self.ruleset(name, live, depth.saturating_add(1));
                return if self.rules.queued.contains(name) {
                    live
                } else {
                    left
                };
            }
            Statement::If(Filter::Takes(taken), then, otherwise) => {
                let left = self.all(path, then, live.and(*taken), depth);
                return left.or(self.all(path, otherwise, live.without(*taken), depth));
            }
            Statement::If(Filter::Some, then, otherwise) => {
                let left = self.all(path, then, live, depth);
                return left.or(self.all(path, otherwise, live, depth));
            }
            Statement::Send(host, line) if is_elsewhere(host) => {
                self.found = Some((host.clone(), format!("{path}:{line}")));
            }
            Statement::Action(parameters, line) => {
                self.found = sends(parameters).map(|what| (what, format!("{path}:{line}")));
            }
            _ => {}
        }
        live
    }
}

/// Where an action sends to, if it does.
fn sends(action: &Parameters) -> Option<String> {
    if value(action, "action.execonlywhenpreviousissuspended").is_some_and(is_on) {
        return None;
    }
    let module = value(action, "type").unwrap_or_default().to_lowercase();
    let host = ["target", "server", "broker"]
        .iter()
        .find_map(|name| value(action, name));
    match (module.as_str(), host) {
        ("omfwd" | "omrelp", Some(host)) => is_elsewhere(host).then(|| host.to_owned()),
        (module, host) if SENDING.contains(&module) => Some(host.unwrap_or(module).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first target of one file, `?` where it is not understood.
    fn found(text: &str) -> String {
        walked(text).map_or_else(|| "?".into(), |(target, _)| target)
    }

    /// The statements that were gone through.
    fn steps(text: &str) -> usize {
        walked(text).expect("understood").1
    }

    /// The first target of one file, and the statements that were gone through; `None` where it is not understood.
    fn walked(text: &str) -> Option<(String, usize)> {
        let mut rules = Rules {
            current: DEFAULT.to_owned(),
            start: DEFAULT.to_owned(),
            ..Rules::default()
        };
        let settings = agent_baseline::profile::source::Settings::default();
        let release = agent_core::release::OsRelease::default();
        let root = agent_core::os::root::Root::open(std::path::Path::new("/proc/self/fdinfo"))
            .expect("a root");
        let context = Context::new(&root, &release, &settings, 0, &|_| true);
        let inputs = "module(load=\"imuxsock\") module(load=\"imfile\")\n";
        let statements = parse::parse(&format!("{inputs}{text}")).ok()?;
        rules
            .add(&context, "f", statements, 0)
            .expect("no includes");
        let walk = Walk::through(&rules, rules.inputs.rulesets(&rules.start, true));
        let target = walk.found.map(|(what, _)| what).unwrap_or_default();
        Some((target, walk.steps))
    }

    #[test]
    fn what_goes_deeper_or_on_longer_than_any_is_not_understood() {
        let within = |depth: usize| {
            let (open, close) = ("if 1 then {\n".repeat(depth), "}\n".repeat(depth));
            parse::parse(&format!("{open}*.* @h\n{close}"))
        };
        assert!(within(bounds::RSYSLOG_BLOCKS).is_ok());
        assert!(within(bounds::RSYSLOG_BLOCKS + 1).is_err());
        // Each calls the next one twice: two to the power of their number, and none lies too deep.
        let last = DEPTH - 1;
        let calls: String = (0..last)
            .map(|n| {
                format!(
                    "ruleset(name=\"r{n}\") {{\ncall r{0}\ncall r{0}\n}}\n",
                    n + 1
                )
            })
            .collect();
        let text = format!("{calls}ruleset(name=\"r{last}\") {{\n*.* /x\n}}\ncall r0\n");
        assert!(steps(&text) > bounds::RSYSLOG_STEPS);
        assert!(steps("*.* /x\n*.* /y\n") < 10);
    }

    #[test]
    // Its table of cases is what is long.
    #[allow(clippy::too_many_lines)]
    fn what_leaves_the_host() {
        for (text, expected) in [
            ("*.* @@logs.example.org:6514", "logs.example.org:6514"),
            ("*.* @10.0.0.1", "10.0.0.1"),
            ("*.*@h", "h"),
            ("*.*;auth,authpriv.none\t-/var/log/syslog\n& @h", "h"),
            ("#*.* @h", ""),
            ("  # *.* @h", ""),
            ("/* *.* @h\n*.* @h */", ""),
            ("*.* @@(z9,o)host:514;fmt\n", "host:514;fmt"),
            ("*.* @127.0.0.1:514", ""),
            ("*.* @[::1]:514", ""),
            ("*.* /var/log/mail@x", ""),
            ("*.none @h", ""),
            ("*.*;*.none @h", ""),
            ("*.none;auth.info @h", "h"),
            ("mail.!* @h", ""),
            ("*.* stop\n*.* @h", ""),
            ("*.* ~\n*.* @h", ""),
            ("stop\n*.* @h", ""),
            ("*.* /x\n& stop\n*.* @h", ""),
            ("auth.* stop\nauth.=err @h", ""),
            ("auth.err stop\nauth.info @h", "h"),
            (":msg, contains, \"x\" stop\n*.* @h", "h"),
            (":msg,contains,\"@h\" /x", ""),
            (":msg,contains,\"x\"@h", "h"),
            ("if $msg contains 'then @x' then stop else @h", "h"),
            (
                "if $msg contains \"x\" then { stop } else { stop }\n*.* @h",
                "",
            ),
            ("if 0 then @h", ""),
            ("if prifilt(\"*.none\") then @h", ""),
            ("*.* {\n /x\n stop\n @h\n}", ""),
            ("action(type=\"omfwd\"target=\"h\"port=\"514\")", "h"),
            (
                "*.* action(type=\"omfwd\"\n # target=\"no\"\n  Target=\"h\"\n)",
                "h",
            ),
            (
                "action(type=\"omfwd\" target=\"h\" config.enabled=\"off\")",
                "",
            ),
            ("action(type=\"omfwd\" target=\"localhost\")", ""),
            ("action(type=\"omfwd\" target=[\"h\", \"i\"])", "h"),
            ("action(type=\"omfile\" file=\"/x\")", ""),
            ("action(type=\"omkafka\" broker=\"k:9092\")", "k:9092"),
            ("module(load=\"omrelp\")", ""),
            ("ruleset(name=\"remote\"){\n*.* @h\n}", ""),
            ("ruleset(name=\"out\"){\n*.* @h\n}\ncall out", "h"),
            ("ruleset(name=\"a\"){ stop }\ncall a\n*.* @h", ""),
            ("ruleset(name=\"a\"){ stop }\n*.* call a\n*.* @h", ""),
            (
                "ruleset(name=\"a\" queue.type=\"LinkedList\"){ stop }\ncall a\n*.* @h",
                "h",
            ),
            (
                "ruleset(name=\"r\"){\n*.* @h\n}\ninput(type=\"imtcp\" port=\"1\" ruleset=\"r\")",
                "",
            ),
            (
                "ruleset(name=\"r\"){\n*.* @h\n}\ninput(type=\"imfile\" file=\"/x\" ruleset=\"r\")",
                "h",
            ),
            (
                "$RuleSet remote\n*.* @h\n$RuleSet RSYSLOG_DefaultRuleset\n*.* /x",
                "",
            ),
            ("$DefaultRuleset r\n$RuleSet r\n*.* @h", "h"),
            (
                "template(name=\"t\" type=\"list\"){ constant(value=\"@h\") property(name=\"msg\") }",
                "",
            ),
            ("*.* :omrelp:logs.example.org:2514", "logs.example.org:2514"),
            ("*.* :omrelp:127.0.0.1:2514", ""),
            (":omrelp:logs:2514", "logs:2514"),
            ("if $msg contains \"x\" then ~ else stop\n*.* @h", ""),
            ("*.* :omusrmsg:*", ""),
            ("include(text=\"*.* @h\")", "h"),
            ("if $fromhost-ip == '127.0.0.1' then stop\n*.* @h", ""),
            ("if $fromhost-ip != '127.0.0.1' then stop\n*.* @h", "h"),
            ("if ($fromhost-ip startswith \"10.\") then @h", ""),
            (":fromhost-ip, !isequal, \"127.0.0.1\" @h", ""),
            (":fromhost-ip, isequal, \"127.0.0.1\" @h", "h"),
            (
                "*.* /x\n$ActionExecOnlyWhenPreviousIsSuspended on\n& @h",
                "",
            ),
            (
                "$ActionExecOnlyWhenPreviousIsSuspended on\n*.* @h\n$ActionExecOnlyWhenPreviousIsSuspended off\n*.* @i",
                "i",
            ),
            (
                "action(type=\"omfwd\" target=\"h\" action.execOnlyWhenPreviousIsSuspended=\"on\")",
                "",
            ),
            ("*.* @localhost.localdomain", ""),
            ("*.* @0.0.0.0", ""),
            ("nonsense(", "?"),
            ("*.quiet @h", "?"),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
