//! The syntax of rsyslog.conf(5): selectors, property filters, RainerScript, and the old directives.
// Long: one grammar, whose parts call each other.

use super::filter::{by_module, filter, host, of_own};
use super::selector::Messages;
use agent_core::bounds;
use std::cell::Cell;

/// What a configuration has rsyslogd do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// What is done with the messages that the filter takes, and with the others.
    If(Filter, Vec<Statement>, Vec<Statement>),
    /// An action: its parameters, and the line.
    Action(Parameters, usize),
    /// A legacy action that sends: host with its port and the like, and the line.
    Send(String, usize),
    /// Nothing further happens to the message.
    Stop,
    /// Another ruleset is gone through.
    Call(String),
    /// The statements of files, by pattern.
    Include(String),
    /// `include(text="…")`: the statements of the text.
    Text(Vec<Statement>),
    /// `ruleset(…) { … }`: its parameters and its statements.
    Ruleset(Parameters, Vec<Statement>),
    /// `input(…)`
    Input(Parameters),
    /// `module(…)`
    Module(Parameters),
    /// `$NAME value`
    Directive(String, String),
    /// It bears on no target.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// These messages, and no others.
    Takes(Messages),
    /// Some, which only the messages tell.
    Some,
}

/// `NAME="VALUE"`, names in small letters; of an array the first value.
pub(super) type Parameters = Vec<(String, String)>;

/// The value of a parameter.
pub(super) fn value<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    let found = parameters.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The line of what was not understood.
pub(super) type Strange = usize;

/// The statements of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, Strange> {
    let mut parser = Parser {
        text,
        ..Parser::default()
    };
    let statements = parser.statements()?;
    match parser.rest().is_empty() {
        true => Ok(statements),
        false => Err(parser.line()),
    }
}

#[derive(Default)]
struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// A place whose line was asked for, and how many line ends stand before it: the next one is counted from there.
    known: Cell<(usize, usize)>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn line(&self) -> usize {
        let (at, ends) = self.known.get();
        let (first, last) = (at.min(self.at), at.max(self.at));
        let between = self.text.get(first..last).unwrap_or_default();
        let between = between.bytes().filter(|byte| *byte == b'\n').count();
        let ends = match at <= self.at {
            true => ends.saturating_add(between),
            false => ends.saturating_sub(between),
        };
        self.known.set((self.at, ends));
        ends.saturating_add(1)
    }

    fn advance(&mut self, length: usize) {
        self.at = self.at.saturating_add(length);
    }

    /// Goes past what stands in front of `behind`, which ends as the text does.
    fn go_on_at(&mut self, behind: &str) {
        self.at = self.text.len().saturating_sub(behind.len());
    }

    /// The same where there is something to go past; whether there was.
    fn goes_past(&mut self, behind: Option<&str>) -> bool {
        behind.map(|behind| self.go_on_at(behind)).is_some()
    }

    /// Goes over blanks, line ends and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.rest().trim_start();
            self.go_on_at(rest);
            if rest.starts_with('#') {
                self.advance(rest.find('\n').unwrap_or(rest.len()));
            } else if rest.starts_with("/*") {
                self.go_on_at(rest.split_once("*/").map_or("", |(_, behind)| behind));
            } else {
                return;
            }
        }
    }

    fn takes(&mut self, token: &str) -> bool {
        self.goes_past(self.rest().strip_prefix(token))
    }

    /// A keyword that stands for itself.
    fn keyword(&mut self, word: &str) -> bool {
        let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ',');
        let parts = self.rest().split_at_checked(word.len());
        let found = parts.filter(|(head, behind)| {
            head.eq_ignore_ascii_case(word) && !behind.starts_with(goes_on)
        });
        self.goes_past(found.map(|(_, behind)| behind))
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.advance(end);
        &rest[..end]
    }

    fn rest_of_line(&mut self) -> &'a str {
        self.take_while(|c| c != '\n').trim()
    }

    fn statements(&mut self) -> Result<Vec<Statement>, Strange> {
        let mut found = Vec::new();
        loop {
            self.skip();
            if self.rest().is_empty() || self.rest().starts_with('}') {
                return Ok(found);
            }
            found.push(self.statement()?);
        }
    }

    fn block(&mut self) -> Result<Vec<Statement>, Strange> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > bounds::RSYSLOG_BLOCKS {
            return Err(self.line());
        }
        let statements = self.statements()?;
        self.depth = self.depth.saturating_sub(1);
        match self.takes("}") {
            true => Ok(statements),
            false => Err(self.line()),
        }
    }

    /// What stands behind a filter: a block, or an action with those that `&` joins to it.
    fn body(&mut self) -> Result<Vec<Statement>, Strange> {
        self.skip();
        if self.takes("{") {
            return self.block();
        }
        let mut actions = vec![self.action()?];
        loop {
            let before = self.at;
            let mut between = Vec::new();
            self.skip();
            // Settings of what comes next may stand between.
            while self.takes("$") {
                between.push(self.directive());
                self.skip();
            }
            if !self.takes("&") {
                self.at = before;
                return Ok(actions);
            }
            self.skip();
            actions.extend(between);
            actions.push(self.action()?);
        }
    }

    /// `NAME VALUE` behind a `$`.
    fn directive(&mut self) -> Statement {
        let name = self.take_while(|c| !c.is_whitespace()).to_ascii_lowercase();
        let value = self.rest_of_line().to_owned();
        match name.as_str() {
            "includeconfig" => Statement::Include(value),
            _ => Statement::Directive(name, value),
        }
    }

    fn statement(&mut self) -> Result<Statement, Strange> {
        if self.takes("$") {
            return Ok(self.directive());
        }
        if self.keyword("if") {
            return self.condition();
        }
        // `:PROPERTY, …` is a filter, `:MODULE:…` an action.
        let is_filter = |rest: &str| {
            let end = rest.find([':', ',', '\n']);
            end.is_none_or(|end| !rest[end..].starts_with(':'))
        };
        if self.rest().strip_prefix(':').is_some_and(is_filter) {
            return self.property();
        }
        if let Some(selector) = selector(self.rest()) {
            self.advance(selector.len());
            let taken = Messages::selected(selector).ok_or(self.line())?;
            return Ok(Statement::If(
                Filter::Takes(taken),
                self.body()?,
                Vec::new(),
            ));
        }
        self.action()
    }

    fn condition(&mut self) -> Result<Statement, Strange> {
        let whole = self.rest();
        let mut quote = None;
        let mut found = None;
        for (at, c) in whole.char_indices() {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if matches!(c, '"' | '\'') => quote = Some(c),
                None => {
                    let (before, text) = whole.split_at(at);
                    let mut here = Parser {
                        text,
                        ..Parser::default()
                    };
                    if here.keyword("then") && !before.ends_with(|c: char| c.is_alphanumeric()) {
                        found = Some((before, here.rest()));
                        break;
                    }
                }
            }
        }
        let (condition, behind) = found.ok_or(self.line())?;
        let filter = filter(condition);
        self.go_on_at(behind);
        let then = self.body()?;
        let before = self.at;
        self.skip();
        let otherwise = match self.keyword("else") {
            false => {
                self.at = before;
                Vec::new()
            }
            true => {
                self.skip();
                match self.keyword("if") {
                    true => vec![self.condition()?],
                    false => self.body()?,
                }
            }
        };
        Ok(Statement::If(filter, then, otherwise))
    }

    /// `:PROPERTY, OPERATION, "VALUE" ACTION`
    fn property(&mut self) -> Result<Statement, Strange> {
        let line = self.rest().split('\n').next().unwrap_or_default();
        let open = line.find('"').ok_or(self.line())?;
        if line[..open].matches(',').count() != 2 {
            return Err(self.line());
        }
        let (name, operation) = line[1..open].split_once(',').unwrap_or_default();
        let (name, operation) = (
            name.trim().to_owned(),
            operation.trim_matches([',', ' ', '\t']),
        );
        let operation = operation.to_owned();
        self.advance(open);
        let value = self.quoted('"')?;
        let filter = of_own(&name, &operation, &value);
        Ok(Statement::If(filter, self.body()?, Vec::new()))
    }

    fn quoted(&mut self, quote: char) -> Result<String, Strange> {
        let mut value = String::new();
        let mut escaped = false;
        let mut rest = self.rest().chars();
        rest.next();
        while let Some(c) = rest.next() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (false, c) if c == quote => {
                    self.go_on_at(rest.as_str());
                    return Ok(value);
                }
                (_, c) => {
                    value.push(c);
                    escaped = false;
                }
            }
        }
        Err(self.line())
    }

    fn action(&mut self) -> Result<Statement, Strange> {
        let line = self.line();
        if self.keyword("stop") || self.keyword("discard") {
            return Ok(Statement::Stop);
        }
        if self.keyword("if") {
            return self.condition();
        }
        if self.keyword("call") {
            self.skip();
            let name = self.take_while(|c| c.is_alphanumeric() || "._-".contains(c));
            return Ok(Statement::Call(name.to_owned()));
        }
        for word in [
            "continue",
            "set",
            "unset",
            "reset",
            "call_indirect",
            "reload_lookup_table",
        ] {
            if self.keyword(word) {
                let end = if word == "continue" { '\n' } else { ';' };
                self.take_while(|c| c != end);
                self.takes(";");
                return Ok(Statement::Nothing);
            }
        }
        if self.keyword("foreach") {
            return Err(line);
        }
        if let Some(object) = self.object()? {
            return Ok(object);
        }
        let rest = self.rest();
        match rest.chars().next() {
            Some('~') => {
                self.advance(1);
                Ok(Statement::Stop)
            }
            Some('@') => Ok(Statement::Send(host(self.rest_of_line()), line)),
            Some(':') => {
                let rest = self.rest_of_line();
                Ok(by_module(rest).map_or(Statement::Nothing, |host| Statement::Send(host, line)))
            }
            // Files, pipes, programs, modules, templates, sessions, users.
            Some(c)
                if "/-|^?>*".contains(c)
                    || (c.is_ascii_alphanumeric() && !rest.contains("(\"")) =>
            {
                self.rest_of_line();
                Ok(Statement::Nothing)
            }
            _ => Err(line),
        }
    }

    /// `NAME(PARAMETERS)`, with a block where it may have one.
    fn object(&mut self) -> Result<Option<Statement>, Strange> {
        let (start, line) = (self.at, self.line());
        let name = self
            .take_while(|c| c.is_ascii_alphanumeric() || c == '_')
            .to_ascii_lowercase();
        self.skip();
        if name.is_empty() || !self.takes("(") {
            self.at = start;
            return Ok(None);
        }
        let parameters = self.parameters()?;
        let off = value(&parameters, "config.enabled").is_some_and(|value| {
            matches!(
                value.to_ascii_lowercase().as_str(),
                "off" | "no" | "false" | "0"
            )
        });
        let mut block = Vec::new();
        let before = self.at;
        self.skip();
        match matches!(name.as_str(), "ruleset" | "template") && self.takes("{") {
            // The parts of a template look like objects.
            true => block = self.block()?,
            false => self.at = before,
        }
        let named = |name: &str| value(&parameters, name).map(str::to_owned);
        Ok(Some(match name.as_str() {
            _ if off => Statement::Nothing,
            "action" => Statement::Action(parameters, line),
            "include" => match (named("file"), named("text")) {
                (Some(file), _) => Statement::Include(file),
                (None, Some(text)) => Statement::Text(parse(&text).map_err(|_| line)?),
                (None, None) => Statement::Nothing,
            },
            "ruleset" => Statement::Ruleset(parameters, block),
            "input" => Statement::Input(parameters),
            "module" => Statement::Module(parameters),
            _ => Statement::Nothing,
        }))
    }

    fn parameters(&mut self) -> Result<Parameters, Strange> {
        let mut found = Vec::new();
        loop {
            self.skip();
            if self.takes(")") {
                return Ok(found);
            }
            let name = self.take_while(|c| c.is_alphanumeric() || "._-".contains(c));
            let name = name.to_ascii_lowercase();
            self.skip();
            if name.is_empty() || !self.takes("=") {
                return Err(self.line());
            }
            self.skip();
            let array = self.takes("[");
            self.skip();
            let value = self.string()?;
            self.skip();
            while array && !self.takes("]") {
                if !self.takes(",") {
                    return Err(self.line());
                }
                self.skip();
                self.string()?;
                self.skip();
            }
            found.push((name, value));
        }
    }

    fn string(&mut self) -> Result<String, Strange> {
        match self.rest().starts_with('"') {
            true => self.quoted('"'),
            false => Err(self.line()),
        }
    }
}

/// The selector that a statement begins with: it ends where its letters do, with or without a blank.
fn selector(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"*.,;!=".contains(c));
    let word = &text[..end.unwrap_or(text.len())];
    word.contains('.').then_some(word)
}
