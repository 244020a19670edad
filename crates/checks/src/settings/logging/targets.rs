//! Where shippers send to, by their own configuration.

use crate::settings::budget::Budget;
use crate::settings::context::Context;
use crate::settings::ini::{Continued, assignments};
use crate::settings::systemd;

/// Where a shipper sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Somewhere: in words, and where that is written.
    At { what: String, place: String },
    /// Nowhere that counts.
    None,
    /// Nothing of the host's is carried, and why.
    Idle(String),
    /// Cannot be told.
    Unknown(String),
}

/// The files at these places, which may have `*` in their last part, in order.
pub(super) fn files(
    context: &Context<'_>,
    places: &[&str],
) -> Result<Vec<(String, String)>, String> {
    Budget::default().files(context, places)
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

/// systemd-journal-upload(8)
pub(super) fn journal_upload(context: &Context<'_>) -> Target {
    match systemd::config(context.root, "journal-upload.conf", "Upload", "URL").pop() {
        Some(url) if is_url_elsewhere(&url.value) => Target::At {
            what: url.value,
            place: url.location,
        },
        _ => Target::None,
    }
}

/// Whether a URL's host is another one.
pub(super) fn is_url_elsewhere(url: &str) -> bool {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = behind.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    is_elsewhere(host)
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

/// Where a sink of Vector's sends to, by the names that its kinds have for that.
const ADDRESSES: [&str; 4] = ["uri", "endpoint", "address", "endpoints"];

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
            let leaves = |sink: &&toml::Value| {
                let stays = |at: &toml::Value| at.as_str().is_some_and(|at| !is_url_elsewhere(at));
                let addresses = ADDRESSES.iter().filter_map(|key| sink.get(key));
                let mut addresses = addresses.flat_map(|at| match at.as_array() {
                    Some(each) => each.iter().collect(),
                    None => vec![at],
                });
                !addresses.any(stays)
            };
            let kinds = sinks.values().filter(leaves).filter_map(kind);
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
