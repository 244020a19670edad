//! What start-amazon-cloudwatch-agent makes the agent's configuration of.
//!
//! Its translator reads `etc/amazon-cloudwatch-agent.json`, then the tree below `etc/amazon-cloudwatch-agent.d` in the
//! order of names, without `*.tmp`, and follows links to files alone (translator/cmdutil/translatorutil.go).
//! `bin/config.json`, where the wizard writes, is read by nobody before `fetch-config`.

use super::targets::{Target, is_url_elsewhere};
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::os::node::Hint;
use serde_json::Value;

const MAIN: &str = "opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json";
const DIRECTORY: &str = "opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d";

/// A configuration that collects logs.
pub(super) fn target(context: &Context<'_>) -> Target {
    let mut files = vec![MAIN.to_owned()];
    if let Err(why) = below(context, &mut files) {
        return Target::Unknown(why);
    }
    let mut found = Target::None;
    for path in files {
        let text = match context.read(&path) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(error) => return Target::Unknown(format!("/{path}: {error}")),
        };
        let Ok(config) = serde_json::from_slice::<Value>(&text) else {
            // Without the main file nothing starts; a broken one of the directory ends the walk there.
            return match path == MAIN {
                true => Target::None,
                false => found,
            };
        };
        let collected = config
            .pointer("/logs/logs_collected")
            .and_then(Value::as_object);
        // A section whose list is empty collects nothing.
        let collects = |section: &Value| {
            let list = section.get("collect_list").and_then(Value::as_array);
            list.is_none_or(|list| !list.is_empty())
        };
        let collected = collected.is_some_and(|collected| collected.values().any(collects));
        let endpoint = config.pointer("/logs/endpoint_override");
        let endpoint = endpoint.and_then(Value::as_str).unwrap_or_default();
        let leaves = endpoint.is_empty() || is_url_elsewhere(endpoint);
        if collected && leaves && found == Target::None {
            let (what, place) = ("CloudWatch Logs".to_owned(), format!("/{path}:1"));
            found = Target::At { what, place };
        }
    }
    found
}

/// The files below the directory, as filepath.Walk comes by them.
fn below(context: &Context<'_>, files: &mut Vec<String>) -> Result<(), String> {
    let mut pending = vec![(DIRECTORY.to_owned(), true)];
    while let Some((path, directory)) = pending.pop() {
        if files.len().saturating_add(pending.len()) > bounds::SHIPPER_FILES {
            let limit = bounds::SHIPPER_FILES;
            return Err(format!("/{DIRECTORY} holds more than {limit} files"));
        }
        if !directory {
            files.push(path);
            continue;
        }
        let listed = context.root.list(path.as_bytes());
        let listed = listed.map_err(|error| format!("/{path}: {error}"))?;
        let mut entries: Vec<(String, bool)> = listed
            .iter()
            .flat_map(|names| names.iter())
            .filter(|(name, hint)| *hint == Hint::Dir || !name.ends_with(b".tmp"))
            .filter(|(name, hint)| {
                matches!(hint, Hint::Dir | Hint::File) || leads_to_file(context, &path, name)
            })
            .map(|(name, hint)| {
                let name = String::from_utf8_lossy(name);
                (format!("{path}/{name}"), hint == Hint::Dir)
            })
            .collect();
        entries.reverse();
        pending.extend(entries);
    }
    Ok(())
}

fn leads_to_file(context: &Context<'_>, directory: &str, name: &[u8]) -> bool {
    let path = [directory.as_bytes(), b"/", name].concat();
    let found = context.root.resolve(&path, true).ok();
    let stat = found
        .and_then(|found| found.handle)
        .and_then(|handle| agent_core::os::node::stat(handle).ok());
    stat.is_some_and(|stat| stat.kind == agent_core::attributes::FileType::File)
}
