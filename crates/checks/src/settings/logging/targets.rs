//! Where shippers send to, by their own configuration.

use crate::settings::context::Context;
use crate::settings::ini::{Continued, assignments};
use crate::settings::processes::{self, Running};
use crate::settings::systemd;
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};

/// The journal's own daemon.
const JOURNALD: [&str; 1] = ["systemd-journald"];

/// Where a shipper sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Somewhere: in words, and where that is written.
    At { what: String, place: String },
    /// Nowhere that counts.
    None,
    /// Cannot be told.
    Unknown(String),
}

/// The files at these places, which may have `*` in their last part, in order.
pub(super) fn files(
    context: &Context<'_>,
    places: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for place in places {
        let place = place.trim_start_matches('/');
        let (directory, name) = place.rsplit_once('/').unwrap_or(("", place));
        let names: Vec<String> = match name.contains('*') {
            false => vec![name.to_owned()],
            true => {
                let glob = Glob::new(name.as_bytes(), Syntax::Stars);
                let listed = context.root.list(directory.as_bytes());
                let listed = listed.map_err(|error| format!("/{directory}: {error}"))?;
                listed
                    .iter()
                    .flat_map(|names| names.iter())
                    .filter(|(file, _)| glob.matches(file))
                    .map(|(file, _)| String::from_utf8_lossy(file).into_owned())
                    .collect()
            }
        };
        for name in names {
            let path = format!("{directory}/{name}");
            if found.len() >= bounds::SHIPPER_FILES {
                return Err(format!(
                    "/{directory} holds more than {} files",
                    bounds::SHIPPER_FILES
                ));
            }
            match context.read(&path) {
                Ok(Some(text)) => found.push((
                    format!("/{path}"),
                    String::from_utf8_lossy(&text).into_owned(),
                )),
                Ok(None) => {}
                Err(error) => return Err(format!("/{path}: {error}")),
            }
        }
    }
    Ok(found)
}

/// The first target that `find` sees in the files: in words, with the line.
pub(super) fn first(
    files: Result<Vec<(String, String)>, String>,
    find: impl Fn(&str) -> Option<(String, usize)>,
) -> Target {
    let files = match files {
        Ok(files) => files,
        Err(why) => return Target::Unknown(why),
    };
    for (path, text) in &files {
        if let Some((what, line)) = find(text) {
            let what = agent_core::escape::terminal_text(&what).into_owned();
            let place = format!("{path}:{line}");
            return Target::At { what, place };
        }
    }
    Target::None
}

/// The journal as it is kept: persistent, or automatic with its directory there (journald.conf(5)), and on the
/// running host by a daemon that runs.
pub(super) fn journal(context: &Context<'_>) -> Target {
    let root = context.root;
    if context.live() {
        match context.processes() {
            Ok(all) => {
                match processes::running(root, all, &JOURNALD, &["systemd-journald.service"]) {
                    Running::Yes => {}
                    Running::No => return Target::None,
                    Running::Unknown(why) => return Target::Unknown(why),
                }
            }
            Err(error) => return Target::Unknown(error.to_string()),
        }
    }
    let storage = systemd::config(root, "journald.conf", "Journal", "Storage").pop();
    let there = || {
        let found = root.resolve(b"var/log/journal", true);
        found.is_ok_and(|found| found.handle.is_some())
    };
    let what = "a persistent journal".to_owned();
    match storage {
        Some(setting) if setting.value == "persistent" => Target::At {
            what,
            place: setting.location,
        },
        Some(setting) if matches!(setting.value.as_str(), "volatile" | "none") => Target::None,
        _ if there() => Target::At {
            what,
            place: "/var/log/journal".into(),
        },
        _ => Target::None,
    }
}

/// systemd-journal-upload(8)
pub(super) fn journal_upload(context: &Context<'_>) -> Target {
    match systemd::config(context.root, "journal-upload.conf", "Upload", "URL").pop() {
        Some(url) if !url.value.is_empty() => Target::At {
            what: url.value,
            place: url.location,
        },
        _ => Target::None,
    }
}

/// Whether a host is another one: what is sent to this host's own loopback has not left it.
pub(super) fn is_elsewhere(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or_default(),
        None => host,
    };
    let bare = bare.split(';').next().unwrap_or_default();
    let address: Option<std::net::IpAddr> = bare.parse().ok();
    // What is sent to no address goes to this host as well.
    let is_own = |address: std::net::IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified()
    };
    let name = bare.trim_end_matches('.').to_ascii_lowercase();
    let named = [
        "localhost",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
    ];
    let is_local = named.contains(&name.as_str())
        || name.ends_with(".localhost")
        || name.starts_with("localhost.localdomain");
    !bare.is_empty() && !is_local && !address.is_some_and(is_own)
}

/// The old agent of Amazon Linux 2: a section with a log group.
pub(super) fn awslogs(context: &Context<'_>) -> Target {
    let places = ["/etc/awslogs/awslogs.conf", "/etc/awslogs/config/*.conf"];
    first(files(context, &places), |text| {
        assignments(text, Continued::Indented)
            .into_iter()
            .find(|(_, key, value, _)| key == "log_group_name" && !value.is_empty())
            .map(|(_, _, group, line)| (format!("CloudWatch Logs {group}"), line))
    })
}

/// Vector: a sink that sends. TOML is read as such; of YAML and JSON the lines `type:` below `sinks:`.
pub(super) fn vector(context: &Context<'_>) -> Target {
    let here = ["console", "blackhole", "file"];
    let places = [
        "/etc/vector/*.toml",
        "/etc/vector/*.yaml",
        "/etc/vector/*.yml",
        "/etc/vector/*.json",
    ];
    first(files(context, &places), |text| {
        if let Ok(config) = text.parse::<toml::Table>() {
            let sinks = config.get("sinks")?.as_table()?;
            let kind = |sink: &toml::Value| Some(sink.get("type")?.as_str()?.to_owned());
            let kinds = sinks.values().filter_map(kind);
            return kinds
                .into_iter()
                .find(|kind| !here.contains(&kind.as_str()))
                .map(|kind| (kind, 1));
        }
        let mut in_sinks = false;
        for (number, line) in (1..).zip(text.lines()) {
            let bare = line.trim().replace(['"', '\'', ',', '{'], "");
            let indented = line.starts_with([' ', '\t']);
            match bare.split_once(':') {
                Some((key, _)) if key.trim() == "sinks" => in_sinks = true,
                Some((_, _)) if !indented && !bare.is_empty() => in_sinks = false,
                Some((key, kind)) if in_sinks && key.trim() == "type" => {
                    let kind = kind.trim();
                    if !kind.is_empty() && !here.contains(&kind) {
                        return Some((kind.to_owned(), number));
                    }
                }
                _ => {}
            }
        }
        None
    })
}
