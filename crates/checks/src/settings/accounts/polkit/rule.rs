//! A file of rules in the plain form: functions of `if` and `return` alone.

use super::condition::{Condition, Truth, opaque};

/// What a rule does, in order.
#[derive(Debug)]
pub(super) enum Statement {
    /// Ends it; whether by YES.
    Return(bool),
    /// A condition, and what is done where it holds and where not.
    If(Condition, Vec<Statement>, Vec<Statement>),
}

/// What a rule answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// Nothing: what stands behind decides.
    Falls,
    /// Something that is not YES.
    Other,
    /// Perhaps YES.
    Maybe,
    Yes,
}

/// What comes of the statements, as `holds` judges conditions.
pub(super) fn run(statements: &[Statement], holds: &dyn Fn(&Condition) -> Truth) -> Answer {
    let mut sure = true;
    for statement in statements {
        let answer = match statement {
            Statement::Return(true) => Answer::Yes,
            Statement::Return(false) => Answer::Other,
            Statement::If(condition, then, other) => match holds(condition) {
                Truth::Yes => run(then, holds),
                Truth::No => run(other, holds),
                Truth::Maybe => match (run(then, holds), run(other, holds)) {
                    (one, two) if one == two => one,
                    (one, two) if one.max(two) >= Answer::Maybe => Answer::Maybe,
                    _ => {
                        sure = false;
                        Answer::Falls
                    }
                },
            },
        };
        match answer {
            Answer::Falls => {}
            Answer::Yes if !sure => return Answer::Maybe,
            answer => return answer,
        }
    }
    Answer::Falls
}

/// A rule, and at which of the words it begins.
pub(super) type Rule = (usize, Vec<Statement>);

/// The rules of a file; `None` where anything in it is not of the plain form. Rules for administrators decide whose password
/// is asked for, and let nobody in without.
pub(super) fn rules(words: &[String]) -> Option<Vec<Rule>> {
    let mut found = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.first() {
        let at = words.len().saturating_sub(rest.len());
        rest = match (first.as_str(), rest.get(2).map(String::as_str)) {
            (";", _) => rest.get(1..)?,
            ("polkit", Some("addRule")) => {
                let (statements, behind) = function(rest.get(3..)?)?;
                found.push((at, statements));
                behind
            }
            ("polkit", Some("addAdminRule")) => administrators(rest.get(3..)?)?,
            _ => return None,
        };
    }
    Some(found)
}

fn skip<'t>(mut rest: &'t [String], wanted: &[&str]) -> Option<&'t [String]> {
    for word in wanted {
        let (first, behind) = rest.split_first()?;
        (first == word).then_some(())?;
        rest = behind;
    }
    Some(rest)
}

/// `(function(…, …) {`, with the names made action and subject.
fn head(rest: &[String]) -> Option<(Vec<String>, usize)> {
    let inner = skip(rest, &["(", "function", "("])?;
    let close = inner.iter().position(|word| word == ")")?;
    let names: Vec<&str> = inner.get(..close)?.iter().map(String::as_str).collect();
    let names = match names.as_slice() {
        [] => ["action", "subject"],
        [action] => [*action, "subject"],
        [action, ",", subject] if action != subject => [*action, *subject],
        _ => return None,
    };
    let plain = |name: &&str| name.chars().all(char::is_alphanumeric) && *name != "polkit";
    if !names.iter().all(plain) {
        return None;
    }
    let body = skip(inner.get(close..)?, &[")", "{"])?;
    let body = body.iter().map(|word| match word {
        word if word == names[0] => "action".to_owned(),
        word if word == names[1] => "subject".to_owned(),
        word => word.clone(),
    });
    let body: Vec<String> = body.collect();
    let used = rest.len().saturating_sub(body.len());
    Some((body, used))
}

fn function(rest: &[String]) -> Option<(Vec<Statement>, &[String])> {
    let (body, used) = head(rest)?;
    let (statements, left) = block(&body, 0)?;
    let done = body.len().saturating_sub(left.len());
    let behind = rest.get(used.saturating_add(done)..)?;
    Some((statements, skip(behind, &[")"])?))
}

/// `return` of a list of texts and nothing else.
fn administrators(rest: &[String]) -> Option<&[String]> {
    let (_, used) = head(rest)?;
    let inner = skip(rest.get(used..)?, &["return", "["])?;
    let texts = |word: &&String| word.starts_with('"') || *word == ",";
    let count = inner.iter().take_while(texts).count();
    let behind = skip(inner.get(count..)?, &["]"])?;
    let behind = skip(behind, &[";"]).unwrap_or(behind);
    skip(behind, &["}", ")"])
}

/// Statements up to the brace that closes them.
fn block(mut rest: &[String], depth: usize) -> Option<(Vec<Statement>, &[String])> {
    let mut found = Vec::new();
    loop {
        match rest.split_first()? {
            (word, behind) if word == "}" => return Some((found, behind)),
            (word, behind) if word == ";" => rest = behind,
            (word, _) if word == "polkit" => rest = logged(rest)?,
            _ => {
                let (one, behind) = statement(rest, depth)?;
                found.push(one);
                rest = behind;
            }
        }
    }
}

/// `polkit.log(…)`, which answers nothing.
fn logged(rest: &[String]) -> Option<&[String]> {
    let inner = skip(rest, &["polkit", ".", "log", "("])?;
    skip(inner.get(opaque(inner, &["+"])?..)?, &[")"])
}

fn statement(rest: &[String], depth: usize) -> Option<(Statement, &[String])> {
    if depth > agent_core::bounds::POLKIT_NESTING {
        return None;
    }
    let deeper = depth.saturating_add(1);
    let branch = |rest: &'_ [String]| -> Option<(Vec<Statement>, usize)> {
        let (found, left) = match skip(rest, &["{"]) {
            Some(inner) => block(inner, deeper)?,
            None => {
                let (one, left) = statement(rest, deeper)?;
                (vec![one], left)
            }
        };
        Some((found, rest.len().saturating_sub(left.len())))
    };
    match rest.first()?.as_str() {
        "return" => {
            let (yes, behind) = result(rest.get(1..)?)?;
            // What follows on the same line would be part of it.
            let ends = behind
                .first()
                .is_some_and(|word| word == ";" || word == "}");
            ends.then_some((Statement::Return(yes), behind))
        }
        "if" => {
            let mut condition = Condition::default();
            let behind = condition.either(skip(rest.get(1..)?, &["("])?, 0)?;
            let behind = skip(behind, &[")"])?;
            let (then, used) = branch(behind)?;
            let behind = behind.get(used..)?;
            let semicolon = skip(behind, &[";"]).filter(|rest| skip(rest, &["else"]).is_some());
            let behind = semicolon.unwrap_or(behind);
            let (other, behind) = match skip(behind, &["else"]) {
                Some(behind) => {
                    let (other, used) = branch(behind)?;
                    (other, behind.get(used..)?)
                }
                None => (Vec::new(), behind),
            };
            Some((Statement::If(condition, then, other), behind))
        }
        _ => None,
    }
}

/// Whether what is returned is YES.
fn result(rest: &[String]) -> Option<(bool, &[String])> {
    const OTHERS: [&str; 6] = [
        "NO",
        "NOT_HANDLED",
        "AUTH_SELF",
        "AUTH_SELF_KEEP",
        "AUTH_ADMIN",
        "AUTH_ADMIN_KEEP",
    ];
    let name = match skip(rest, &["polkit", ".", "Result"]) {
        Some(behind) => match behind {
            [dot, name, behind @ ..] if dot == "." => Some((name.as_str(), behind)),
            [open, name, close, behind @ ..] if open == "[" && close == "]" => {
                Some((name.strip_prefix('"')?.strip_suffix('"')?, behind))
            }
            _ => return None,
        },
        None => None,
    };
    match (name, rest.first()?.as_str()) {
        (Some(("YES", behind)), _) => Some((true, behind)),
        (Some((name, behind)), _) => OTHERS.contains(&name).then_some((false, behind)),
        (None, ";" | "}") => Some((false, rest)),
        (None, "null" | "undefined") => Some((false, rest.get(1..)?)),
        (None, text) => {
            let text = text.strip_prefix('"')?.strip_suffix('"')?;
            Some((text == "yes", rest.get(1..)?))
        }
    }
}
