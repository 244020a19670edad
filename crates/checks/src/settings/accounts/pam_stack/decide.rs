//! What libpam makes of the answers of the modules of a stack (_pam_dispatch_aux of pam_dispatch.c).

use super::modules::{Answer, answers};
use super::{Asks, Kind, Line};
use std::collections::{BTreeMap, HashMap};

/// What is done about an answer (pam.conf(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Ok,
    Done,
    Bad,
    Die,
    Ignore,
    Reset,
    Jump(usize),
}

/// The actions of a line: those that it names, and that of all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    named: HashMap<String, Action>,
    others: Action,
}

impl Control {
    /// Fails, whatever is answered.
    pub(super) fn bad() -> Control {
        Control {
            named: HashMap::new(),
            others: Action::Bad,
        }
    }

    /// A word, or the inside of brackets.
    pub(super) fn parse(text: &str) -> Control {
        let of = |success, ignore, others| {
            let mut named = HashMap::from([
                ("success".to_owned(), success),
                ("new_authtok_reqd".to_owned(), success),
            ]);
            if let Some(ignore) = ignore {
                named.insert("ignore".to_owned(), ignore);
            }
            Control { named, others }
        };
        match text {
            "required" => of(Action::Ok, Some(Action::Ignore), Action::Bad),
            "requisite" => of(Action::Ok, Some(Action::Ignore), Action::Die),
            "sufficient" => of(Action::Done, None, Action::Ignore),
            "optional" => of(Action::Ok, None, Action::Ignore),
            _ => Control::brackets(text).unwrap_or_else(Control::bad),
        }
    }

    fn brackets(text: &str) -> Option<Control> {
        // What is not mentioned fails.
        let mut control = Control::bad();
        let spaced = text.replace('=', " = ");
        let mut words = spaced.split_whitespace();
        while let Some(name) = words.next() {
            (words.next()? == "=").then_some(())?;
            let action = match words.next()? {
                "ok" => Action::Ok,
                "done" => Action::Done,
                "bad" => Action::Bad,
                "die" => Action::Die,
                "ignore" => Action::Ignore,
                "reset" => Action::Reset,
                number => match number.parse().ok()? {
                    0 => Action::Ignore,
                    number => Action::Jump(number),
                },
            };
            match name {
                "default" => control.others = action,
                name => {
                    control.named.insert(name.to_owned(), action);
                }
            }
        }
        Some(control)
    }

    fn action(&self, answer: &str) -> Action {
        self.named.get(answer).copied().unwrap_or(self.others)
    }
}

/// What the answers up to here amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Impression {
    None,
    Success,
    /// Positive, with an answer that lets nobody in: no later success changes it.
    Other,
    Negative,
}

/// Where somebody is who goes through the stack. Of those who are there in the same way one stands for all.
#[derive(Clone, Copy, Debug)]
struct State {
    impression: Impression,
    /// The line whose module is not known, where one decided the way.
    guessed: Option<usize>,
    /// The line that made it a success.
    by: Option<usize>,
}

/// Goes every way that the modules may lead.
pub(super) fn decide(lines: &[Line], service: &str) -> Asks {
    let start = State {
        impression: Impression::None,
        guessed: None,
        by: None,
    };
    let mut waiting: BTreeMap<usize, HashMap<(Impression, bool), State>> = BTreeMap::new();
    let key = |state: &State| (state.impression, state.guessed.is_some());
    waiting.entry(0).or_default().insert(key(&start), start);
    let mut last = HashMap::new();
    // Every way leads down, so that each line is looked at once, with all who come there.
    while let Some((at, states)) = waiting.pop_first() {
        let Some(line) = lines.get(at) else {
            last = states;
            continue;
        };
        for (next, state) in states
            .values()
            .flat_map(|state| line.steps(at, *state, lines, service))
        {
            let there = waiting.entry(next).or_default();
            there.entry(key(&state)).or_insert(state);
        }
    }
    let place = |line: &Line| line.place.clone();
    let line = |at: Option<usize>| lines.get(at?);
    let success = |guessed| last.get(&(Impression::Success, guessed));
    if let Some(line) = success(false).and_then(|state| line(state.by)) {
        return Asks::No {
            place: place(line),
            module: line.module().to_owned(),
        };
    }
    match success(true).and_then(|state| line(state.guessed)) {
        Some(line) => Asks::Unknown {
            place: place(line),
            reason: format!(
                "whether {} of {service}'s PAM stack lets somebody in unasked is not known",
                line.module()
            ),
        },
        None => Asks::Yes,
    }
}

impl Line {
    fn module(&self) -> &str {
        match &self.kind {
            Kind::Module(name, _) => name,
            Kind::Fails | Kind::Substack => "",
        }
    }

    /// Where each answer leads.
    fn steps(&self, at: usize, state: State, lines: &[Line], service: &str) -> Vec<(usize, State)> {
        let answers = match &self.kind {
            Kind::Substack => return vec![(at.saturating_add(1), state)],
            Kind::Fails => vec![Answer::sure("perm_denied")],
            Kind::Module(name, arguments) => answers(name, arguments, service),
        };
        let mut steps = Vec::new();
        for answer in answers {
            let action = self.control.action(answer.name);
            let mut state = state;
            if !answer.sure {
                state.guessed.get_or_insert(at);
            }
            steps.push(self.step(at, state, action, answer.name, lines));
            // What there was before a substack is not kept: it may have been a success.
            if action == Action::Reset && self.level > 0 {
                state.guessed.get_or_insert(at);
                state.impression = Impression::Success;
                steps.push((at.saturating_add(1), state));
            }
        }
        steps
    }

    fn step(
        &self,
        at: usize,
        mut state: State,
        action: Action,
        answer: &str,
        lines: &[Line],
    ) -> (usize, State) {
        let next = at.saturating_add(1);
        let next = match action {
            Action::Ignore => next,
            Action::Reset => {
                state.impression = Impression::None;
                next
            }
            Action::Bad => {
                state.impression = Impression::Negative;
                next
            }
            Action::Die => {
                state.impression = Impression::Negative;
                self.end(at, lines)
            }
            Action::Ok | Action::Done => {
                if matches!(state.impression, Impression::None | Impression::Success) {
                    (state.impression, state.by) = match answer {
                        "success" => (Impression::Success, Some(at)),
                        _ => (Impression::Other, None),
                    };
                }
                match action == Action::Done && state.impression != Impression::Negative {
                    true => self.end(at, lines),
                    false => next,
                }
            }
            Action::Jump(over) => self.behind(at, over, lines).unwrap_or_else(|| {
                state.impression = Impression::Negative;
                lines.len()
            }),
        };
        (next, state)
    }

    /// The first line behind this one's stack.
    fn end(&self, at: usize, lines: &[Line]) -> usize {
        let rest = lines.get(at..).unwrap_or_default();
        let inside = rest.iter().take_while(|line| line.level >= self.level);
        at.saturating_add(inside.count())
    }

    /// The line behind so many others of this stack; `None` where there are fewer.
    fn behind(&self, at: usize, over: usize, lines: &[Line]) -> Option<usize> {
        let mut passed: usize = 0;
        for (number, line) in lines.iter().enumerate().skip(at.saturating_add(1)) {
            if line.level > self.level {
                continue;
            }
            if passed == over || line.level < self.level {
                return (passed == over).then_some(number);
            }
            passed = passed.saturating_add(1);
        }
        (passed == over).then_some(lines.len())
    }
}
