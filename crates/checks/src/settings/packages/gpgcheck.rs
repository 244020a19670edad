//! Whether packages are taken without a signature: repository files of dnf, yum and zypper, sources and settings of apt.

mod repositories;
mod zypp;

use super::checks::GPGCHECK;
use crate::settings::context::Context;
use crate::settings::drop_ins;
use agent_core::bounds;
use agent_core::finding::{Finding, Verdict};
use agent_packages::{DatabaseKind, detect};
use serde_json::json;

/// Something that takes packages unsigned.
struct Culprit {
    /// The repository, or the setting.
    subject: String,
    location: String,
    message: String,
    remedy: String,
}

/// Judges the check, one finding a repository or setting.
pub(super) fn judge(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let say =
        |verdict, message: String| context.finding(&GPGCHECK, verdict, "repositories", message);
    let found = match detect(context.root) {
        DatabaseKind::Dpkg => apt(context),
        DatabaseKind::Rpm => repositories::look(context),
        DatabaseKind::None => {
            let message = "there is no package database";
            return emit(say(Verdict::NotApplicable, message.into()));
        }
    };
    let (looked_at, mut culprits) = match found {
        Ok(found) => found,
        Err(why) => return emit(say(Verdict::Unknown, why)),
    };
    let allowed = context.demanded_texts(&GPGCHECK);
    culprits.retain(|culprit| !allowed.contains(&culprit.subject.as_str()));
    if culprits.is_empty() {
        let message = match looked_at {
            0 => "no repository is set up".to_owned(),
            count => format!("{count} repositories are taken with signatures alone"),
        };
        let verdict = match looked_at {
            0 => Verdict::NotApplicable,
            _ => Verdict::Pass,
        };
        return emit(say(verdict, message));
    }
    for culprit in culprits {
        emit(
            context
                .finding(
                    &GPGCHECK,
                    Verdict::Fail,
                    culprit.subject.as_bytes(),
                    culprit.message.clone(),
                )
                .evidence(
                    json!({ "signed": true }),
                    json!({ "signed": false, "value": culprit.message }),
                )
                .location(culprit.location)
                .remediation(culprit.remedy),
        );
    }
}

/// The texts of the files in a directory whose names end so, in order.
fn texts(
    context: &Context<'_>,
    directory: &str,
    endings: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let listed = context.root.list(directory.as_bytes());
    let listed = listed.map_err(|error| format!("/{directory}: {error}"))?;
    let mut found = Vec::new();
    for (name, _) in listed.iter().flat_map(|names| names.iter()) {
        let name = String::from_utf8_lossy(name);
        if endings.iter().any(|ending| name.ends_with(ending)) {
            found.extend(text(context, &format!("{directory}/{name}"))?);
        }
    }
    Ok(found)
}

fn text(context: &Context<'_>, path: &str) -> Result<Option<(String, String)>, String> {
    match context.read(path) {
        Ok(text) => Ok(text.map(|text| {
            (
                format!("/{path}"),
                String::from_utf8_lossy(&text).into_owned(),
            )
        })),
        Err(error) => Err(format!("/{path}: {error}")),
    }
}

/// Path and text of each file that counts of directories in which the first file of a name hides the others.
fn drop_ins(
    context: &Context<'_>,
    directories: &[&str],
    ending: &str,
) -> Result<Vec<(String, String)>, String> {
    let found = drop_ins::texts(context.root, directories, ending, bounds::SETTINGS_FILE);
    let found = found.map_err(|error| error.to_string())?;
    let absolute = |(path, text)| (format!("/{path}"), text);
    Ok(found.into_iter().map(absolute).collect())
}

/// As libdnf and yum read a switch.
fn is_on(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "yes" | "true" | "on" | "enabled"
    )
}

/// sources.list(5), and the settings of apt.conf(5) that let go of signatures.
fn apt(context: &Context<'_>) -> Result<(usize, Vec<Culprit>), String> {
    let mut looked_at: usize = 0;
    let mut culprits = Vec::new();
    let mut lists = Vec::new();
    lists.extend(text(context, "etc/apt/sources.list")?);
    lists.extend(texts(context, "etc/apt/sources.list.d", &[".list"])?);
    for (path, text) in &lists {
        for (number, line) in (1_usize..).zip(text.lines()) {
            let Some((uri, options)) = source_line(line) else {
                continue;
            };
            looked_at = looked_at.saturating_add(1);
            unsigned(&uri, &options, format!("{path}:{number}"), &mut culprits);
        }
    }
    for (path, text) in texts(context, "etc/apt/sources.list.d", &[".sources"])? {
        for stanza in stanzas(&text) {
            let field = |name: &str| {
                let found = stanza
                    .iter()
                    .find(|(field, ..)| field.eq_ignore_ascii_case(name));
                found.map(|(_, value, line)| (value.as_str(), *line))
            };
            if field("Enabled").is_some_and(|(value, _)| is_no(value)) {
                continue;
            }
            let Some((uris, _)) = field("URIs") else {
                continue;
            };
            let uri = uris.split_whitespace().next().unwrap_or_default();
            looked_at = looked_at.saturating_add(1);
            for name in ["trusted", "allow-insecure"] {
                if let Some((value, line)) = field(name) {
                    let option = format!("{name}={value}");
                    unsigned(uri, &[option], format!("{path}:{line}"), &mut culprits);
                }
            }
        }
    }
    for (key, value, location) in settings(context)? {
        let lets_go = [
            "apt::get::allowunauthenticated",
            "acquire::allowinsecurerepositories",
            "acquire::allowdowngradetoinsecurerepositories",
        ];
        if lets_go.contains(&key.to_ascii_lowercase().as_str()) && is_yes(&value) {
            culprits.push(Culprit {
                message: format!("apt takes what is not signed: {key} \"{value}\""),
                remedy: format!("remove the line {location}"),
                subject: key,
                location,
            });
        }
    }
    Ok((looked_at, culprits))
}

/// StringToBool of apt-pkg/contrib/strutl.cc
fn is_yes(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let word = matches!(value.as_str(), "yes" | "true" | "with" | "on" | "enable");
    word || value.parse::<i64>().is_ok_and(|number| number != 0)
}

fn is_no(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    matches!(
        value.as_str(),
        "no" | "false" | "without" | "off" | "disable" | "0"
    )
}

/// The URI and the options of a line `deb [OPTIONS] URI SUITE COMPONENT…`.
fn source_line(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line
        .strip_prefix("deb-src")
        .or_else(|| line.strip_prefix("deb"))?;
    let rest = rest.strip_prefix([' ', '\t', '['])?;
    let bracketed = line
        .strip_suffix(rest)
        .is_some_and(|head| head.ends_with('['));
    let (options, rest) = match (bracketed, rest.trim_start().strip_prefix('[')) {
        (true, _) => rest.split_once(']')?,
        (false, Some(inner)) => inner.split_once(']')?,
        (false, None) => ("", rest),
    };
    let uri = rest.split_whitespace().next()?;
    let options = options.split_whitespace().map(str::to_owned).collect();
    Some((uri.to_owned(), options))
}

fn unsigned(uri: &str, options: &[String], location: String, culprits: &mut Vec<Culprit>) {
    let bad = options.iter().find(|option| {
        option.split_once('=').is_some_and(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            matches!(name.as_str(), "trusted" | "allow-insecure") && is_yes(value)
        })
    });
    if let Some(option) = bad {
        let uri = agent_core::escape::terminal_text(uri).into_owned();
        culprits.push(Culprit {
            message: format!("packages of {uri} are taken unsigned: {option}"),
            remedy: format!("remove {option} at {location}, and name the key with signed-by"),
            subject: uri,
            location,
        });
    }
}

/// Stanzas of fields (deb822(5)): name, value and line.
fn stanzas(text: &str) -> Vec<Vec<(String, String, usize)>> {
    let mut found = vec![Vec::new()];
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            found.push(Vec::new());
        } else if line.starts_with('#') {
            continue;
        } else if let Some(stanza) = found.last_mut() {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value, _)) = stanza.last_mut() {
                    let value: &mut String = value;
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((field, value)) = line.split_once(':') {
                stanza.push((field.trim().to_owned(), value.trim().to_owned(), number));
            }
        }
    }
    found
}

/// Every setting in apt's files, the last word on each key: key, value, place.
fn settings(context: &Context<'_>) -> Result<Vec<(String, String, String)>, String> {
    // Parts first, then the main file (apt.conf(5)).
    let mut files = texts(context, "etc/apt/apt.conf.d", &[""])?;
    files.retain(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        name.chars().all(plain) && (!name.contains('.') || name.ends_with(".conf"))
    });
    files.extend(text(context, "etc/apt/apt.conf")?);
    let mut found: Vec<(String, String, String)> = Vec::new();
    for (path, text) in &files {
        for (key, value, line) in parse(text) {
            found.retain(|(known, ..)| !known.eq_ignore_ascii_case(&key));
            found.push((key, value, format!("{path}:{line}")));
        }
    }
    Ok(found)
}

/// `A::B "value";` and `A { B "value"; };` with comments of three kinds.
fn parse(text: &str) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    let mut prefix: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut at: usize = 1;
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\n' {
            at = at.saturating_add(1);
        }
        match c {
            '#' if word.is_empty() => {
                // #clear and #include are directives; nothing of them concerns the settings here.
                while characters.next_if(|c| *c != '\n').is_some() {}
            }
            '/' if characters.peek() == Some(&'/') => {
                while characters.next_if(|c| *c != '\n').is_some() {}
            }
            '/' if characters.peek() == Some(&'*') => {
                let mut last = ' ';
                for c in characters.by_ref() {
                    at = at.saturating_add(usize::from(c == '\n'));
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '"' => {
                for c in characters.by_ref() {
                    at = at.saturating_add(usize::from(c == '\n'));
                    if c == '"' {
                        break;
                    }
                    word.push(c);
                }
                words.push(std::mem::take(&mut word));
            }
            '{' | '}' | ';' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                let name = words.first().cloned().unwrap_or_default();
                match c {
                    '{' => prefix.push(name),
                    '}' => {
                        prefix.pop();
                    }
                    _ => {
                        if let [name, value] = &words[..] {
                            let mut key = prefix.clone();
                            key.push(name.clone());
                            key.retain(|part| !part.is_empty());
                            found.push((key.join("::"), value.clone(), at));
                        }
                    }
                }
                words.clear();
            }
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sources() {
        for (line, expected) in [
            ("deb http://h/d bookworm main", Some(("http://h/d", ""))),
            (
                "deb [trusted=yes arch=amd64] http://h x y",
                Some(("http://h", "trusted=yes arch=amd64")),
            ),
            (
                "deb [ trusted=yes ] http://h x",
                Some(("http://h", "trusted=yes")),
            ),
            ("deb-src\thttp://h x", Some(("http://h", ""))),
            ("# deb http://h x", None),
            ("debug http://h x", None),
            ("", None),
        ] {
            let found = source_line(line);
            let found = found
                .as_ref()
                .map(|(uri, options)| (uri.as_str(), options.join(" ")));
            assert_eq!(
                found,
                expected.map(|(uri, o)| (uri, o.to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn settings_in_both_forms() {
        let text = "// a\nAPT::Get::AllowUnauthenticated \"true\"; # b\nAcquire { /* c\n */ AllowInsecureRepositories \"1\"; http { Proxy \"x;y\"; }; };\nA::B:: { \"l\"; };\n";
        assert_eq!(
            parse(text),
            [
                ("APT::Get::AllowUnauthenticated".into(), "true".into(), 2),
                ("Acquire::AllowInsecureRepositories".into(), "1".into(), 4),
                ("Acquire::http::Proxy".into(), "x;y".into(), 4),
            ]
        );
    }
}
