//! Fluent Bit, in its own syntax or in YAML: an output that sends. Read are the file that its unit starts it with and
//! what that includes (Fluent Bit manual, "Configuration files"); others of the directory are not.

use super::targets::{Target, first, is_elsewhere};
use crate::settings::budget::Budget;
use crate::settings::context::Context;
use agent_core::bounds;

/// What the packages start it with, the first that is there.
const MAIN: [&str; 4] = [
    "/etc/fluent-bit/fluent-bit.conf",
    "/etc/fluent-bit/fluent-bit.yaml",
    "/etc/fluent-bit/fluent-bit.yml",
    "/etc/td-agent-bit/td-agent-bit.conf",
];
/// Outputs that keep what they get on the host.
const HERE: [&str; 6] = ["stdout", "null", "file", "counter", "exit", "flowcounter"];

pub(super) fn target(context: &Context<'_>) -> Target {
    let there = |path: &&&str| {
        let found = context.root.resolve(path.as_bytes(), true);
        found.is_ok_and(|found| found.handle.is_some())
    };
    let Some(main) = MAIN.iter().find(there) else {
        return Target::None;
    };
    let directory = main.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut pending = vec![(*main).to_owned()];
    let mut seen: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    let mut budget = Budget::default();
    while let Some(pattern) = pending.pop() {
        if seen.contains(&pattern) {
            continue;
        }
        if seen.len() > bounds::SHIPPER_FILES {
            return Target::Unknown(format!("{pattern}: includes without end"));
        }
        let read = match budget.files(context, &[&pattern]) {
            Ok(read) => read,
            Err(why) => return Target::Unknown(why),
        };
        for (path, text) in read {
            for file in text.lines().flat_map(included) {
                pending.push(match file.starts_with('/') {
                    true => file,
                    false => format!("{directory}/{file}"),
                });
            }
            texts.push((path, text));
        }
        seen.push(pattern);
    }
    first(Ok(texts), output)
}

/// `@INCLUDE FILE`, or an item of `includes:` in YAML.
fn included(line: &str) -> Option<String> {
    let line = line.trim();
    let (word, rest) = line.split_once([' ', '\t'])?;
    let rest = rest.trim().trim_matches(['"', '\'']);
    match word {
        "-" => {
            let is_file = !rest.contains(": ")
                && [".yaml", ".yml", ".conf"]
                    .iter()
                    .any(|end| rest.ends_with(end));
            is_file.then(|| rest.to_owned())
        }
        word => word
            .eq_ignore_ascii_case("@include")
            .then(|| rest.to_owned()),
    }
}

/// The first output that sends to another host, and its line.
fn output(text: &str) -> Option<(String, usize)> {
    let mut in_output = false;
    // The one at hand: its name and line, as long as it does not say that it sends to this host.
    let mut sends = None;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim();
        if trimmed.starts_with(['[', '-']) && sends.is_some() {
            return sends;
        }
        // [OUTPUT] of the one, `outputs:` of the other; another section ends either.
        if trimmed.starts_with('[') {
            in_output = trimmed.eq_ignore_ascii_case("[OUTPUT]");
        } else if let Some(section) = trimmed.strip_suffix(':') {
            in_output = section == "outputs" || (in_output && section.starts_with('-'));
        }
        let item = trimmed.trim_start_matches("- ");
        let Some((key, value)) = item.split_once([' ', '\t', ':']).filter(|_| in_output) else {
            continue;
        };
        let value = value.trim_start_matches([' ', '\t', ':']).trim();
        let value = value.trim_matches(['"', '\'']);
        let name = value.split([' ', '\t']).next().unwrap_or_default();
        if key.eq_ignore_ascii_case("name") {
            let stays = HERE.contains(&name.to_ascii_lowercase().as_str()) || name.is_empty();
            sends = (!stays).then(|| (name.to_owned(), number));
        } else if key.eq_ignore_ascii_case("host") && !is_elsewhere(name) {
            sends = None;
        }
    }
    sends
}

#[cfg(test)]
mod tests {
    use super::output;

    #[test]
    fn an_output_sends_where_it_leaves_the_host() {
        for (text, line) in [
            ("[OUTPUT]\n  Name cloudwatch_logs\n  Match *\n", Some(2)),
            (
                "[OUTPUT]\n  Name stdout\n[OUTPUT]\n  name  forward\n  host 10.0.0.1\n[FILTER]\n",
                Some(4),
            ),
            ("[OUTPUT]\n  Name forward\n  Host 127.0.0.1\n", None),
            (
                "[OUTPUT]\n  Name forward\n  Host 127.0.0.1\n[OUTPUT]\n  Name es\n  Host logs\n",
                Some(5),
            ),
            (
                "pipeline:\n  outputs:\n    - name: http\n      host: \"localhost\"\n",
                None,
            ),
            (
                "pipeline:\n  outputs:\n    - name: file\n    - name: http\n      host: h\n",
                Some(4),
            ),
            ("[INPUT]\n  Name tail\n", None),
        ] {
            assert_eq!(output(text).map(|(_, line)| line), line, "{text}");
        }
    }
}
