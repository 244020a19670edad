//! Sources of apt (sources.list(5)), and its settings that let go of signatures (apt.conf(5)).

use super::{Culprit, apt_conf, text, texts};
use crate::settings::context::Context;
use agent_packages::apt::{self, Source, SourceOption, is_yes};

/// sources.list(5), and the settings of apt.conf(5) that let go of signatures.
pub(super) fn look(context: &Context<'_>) -> Result<(usize, Vec<Culprit>), String> {
    let mut looked_at: usize = 0;
    let mut culprits = Vec::new();
    let mut lists = Vec::new();
    let settings = apt_conf::settings(context)?;
    let parts = settings.place("sourceparts", "sources.list.d");
    lists.extend(text(
        context,
        &settings.place("sourcelist", "sources.list"),
    )?);
    lists.extend(texts(context, &parts, &[".list"])?);
    let listed = lists.iter().map(|(path, text)| (path, apt::of_list(text)));
    let parts = texts(context, &parts, &[".sources"])?;
    let stanzas = parts
        .iter()
        .map(|(path, text)| (path, apt::of_stanzas(text)));
    for (path, sources) in listed.chain(stanzas) {
        looked_at = looked_at.saturating_add(sources.len());
        culprits.extend(sources.iter().filter_map(|source| unsigned(source, path)));
    }
    for (key, value, location) in settings.all() {
        let lets_go = [
            "apt::get::allowunauthenticated",
            "acquire::allowinsecurerepositories",
            "acquire::allowdowngradetoinsecurerepositories",
        ];
        let name = key.to_ascii_lowercase();
        // What counts for one program alone (apt.conf(5), "Binary").
        let name = match name.strip_prefix("binary::") {
            Some(rest) => rest.split_once("::").map_or("", |(_, name)| name),
            None => &name,
        };
        if lets_go.contains(&name) && is_yes(&value) {
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

/// A source that takes what is not signed.
fn unsigned(source: &Source, path: &str) -> Option<Culprit> {
    let mut options = source.options.iter();
    let bad = options.find(|option| {
        let name = option.name.trim().to_ascii_lowercase();
        matches!(name.as_str(), "trusted" | "allow-insecure") && is_yes(&option.value)
    })?;
    let SourceOption { name, value, line } = bad;
    let location = format!("{path}:{line}");
    let uri = source.uris.first().map_or("", String::as_str);
    let uri = agent_core::escape::terminal_text(uri).into_owned();
    Some(Culprit {
        message: format!("packages of {uri} are taken unsigned: {name}={value}"),
        remedy: format!("remove {name}={value} at {location}, and name the key with signed-by"),
        subject: uri,
        location,
    })
}
