//! Whether packages are taken without a signature: repository files of dnf, yum and zypper, sources and settings of apt.

mod apt;
mod apt_conf;
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
        DatabaseKind::Dpkg => apt::look(context),
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
    let found = drop_ins::texts(context.root, directories, &[ending], bounds::SETTINGS_FILE);
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
