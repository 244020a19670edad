//! Whether the SSM agent runs, and in which version: by files and /proc, without starting it.

use super::checks::SSM_AGENT;
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::procfs;
use serde_json::json;
use std::io;

const NAME: &str = "amazon-ssm-agent";
/// "EC2 Serial Console" asks for this one at least.
const LEAST: &str = "3.0.854.0";
/// `/proc/PID/comm` holds fifteen characters.
const COMM: &[u8] = b"amazon-ssm-agen";
/// Where packages put its release notes, the newest version first.
const NOTES: [&str; 3] = [
    "etc/amazon/ssm/RELEASENOTES.md",
    "usr/share/doc/amazon-ssm-agent/RELEASENOTES.md",
    "snap/amazon-ssm-agent/current/RELEASENOTES.md",
];

/// `ssm_agent`.
pub(super) fn look(context: &Context<'_>) -> Finding {
    let least = context.demanded_text(&SSM_AGENT, LEAST);
    let say = |verdict, message: String| context.finding(&SSM_AGENT, verdict, NAME, message);
    let runs = match runs(context) {
        Ok(runs) => runs,
        Err(error) => {
            let message = format!("the processes cannot be listed: {error}");
            return say(Verdict::Unknown, message);
        }
    };
    let version = version(context);
    let shown = version.as_deref().unwrap_or("of unknown version");
    let (verdict, message) = match (runs, version.as_deref().and_then(numbers), numbers(least)) {
        (false, _, _) => (Verdict::Fail, "amazon-ssm-agent does not run".to_owned()),
        (_, _, None) => (
            Verdict::Unknown,
            format!("the profile demands {least}, which is no version"),
        ),
        (true, None, _) => (
            Verdict::Unknown,
            "amazon-ssm-agent runs, and nothing says in which version".into(),
        ),
        (true, Some(found), Some(least)) if found >= least => {
            (Verdict::Pass, format!("amazon-ssm-agent {shown} runs"))
        }
        (true, Some(_), Some(_)) => (
            Verdict::Fail,
            format!("amazon-ssm-agent {shown} runs, and at least {least} is demanded"),
        ),
    };
    say(verdict, message).evidence(
        json!({ "running": true, "version": least }),
        json!({ "running": runs, "version": version }),
    )
}

fn runs(context: &Context<'_>) -> io::Result<bool> {
    let root = context.root;
    let is_it = |pid: u32| {
        let comm = root.read(format!("proc/{pid}/comm").as_bytes(), bounds::SHORT_FILE);
        comm.is_ok_and(|comm| comm.is_some_and(|comm| comm.trim_ascii() == COMM))
    };
    Ok(procfs::processes(root)?.into_iter().any(is_it))
}

/// From the package database, the snap's own description, or the release notes that come with each.
fn version(context: &Context<'_>) -> Option<String> {
    let text = |path: &str| {
        let bytes = context.read(path).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let installed = context.installed().ok();
    let package = installed.and_then(|installed| installed.named(NAME));
    package
        .map(|package| package.version.clone())
        .or_else(|| {
            let snap = text("snap/amazon-ssm-agent/current/meta/snap.yaml")?;
            let line = snap
                .lines()
                .find_map(|line| line.strip_prefix("version:"))?;
            Some(line.trim().trim_matches(['\'', '"']).to_owned())
        })
        .or_else(|| NOTES.into_iter().find_map(|path| in_notes(&text(path)?)))
}

fn in_notes(notes: &str) -> Option<String> {
    let version = notes.lines().map(str::trim).find(|line| {
        numbers(line).is_some_and(|numbers| numbers.len() == 4)
            && line
                .bytes()
                .all(|byte| byte == b'.' || byte.is_ascii_digit())
    })?;
    Some(version.to_owned())
}

/// The numbers of a version up to whatever else follows, without an epoch: `3.2.2222.0-1` is 3, 2, 2222, 0.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version
        .find(|c: char| c != '.' && !c.is_ascii_digit())
        .unwrap_or(version.len());
    version[..end]
        .split('.')
        .map(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (low, high) in [
            ("3.0.854.0", "3.0.1031.0"),
            ("2.3.1644.0", "3.0.151.0"),
            ("3.0.854", "3.0.854.0-1"),
        ] {
            assert!(numbers(low) < numbers(high), "{low} {high}");
        }
        assert_eq!(numbers("3.2.2222.0-1"), Some(vec![3, 2, 2222, 0]));
        assert_eq!(numbers("1:3.2.2222.0-1"), numbers("3.2.2222.0"));
        assert_eq!(numbers("latest"), None);
        assert_eq!(numbers(""), None);
    }

    #[test]
    fn versions_where_they_stand() {
        let notes = "Latest 3.0.x\n===\n- 3.9.9.9 is near\n\n3.1.338.0\n===\n\n3.1.282.0\n";
        assert_eq!(in_notes(notes).as_deref(), Some("3.1.338.0"));
    }
}
