//! What somebody accepts, as an amendment: worked out, held against what was seen, and written.

use super::baseline::{Effort, Named, OpenedBaseline};
use super::seen::{self, Seen};
use super::tree::{self, Tree};
use agent_baseline::Baseline;
use agent_baseline::amendment::chain;
use agent_baseline::amendment::header::Header;
use agent_baseline::manifest::Entry;
use agent_baseline::manifest::verified::Trust;
use agent_baseline::profile::Profile;
use agent_core::config::Config;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::explained::{Evidence, ExplanationKind};
use agent_core::finding::{FILES_AMENDMENT, Finding, Verdict};
use agent_core::paths::subject;
use agent_scan::files::amend::{self, Accepted, Amended};
use agent_scan::files::aside::Aside;
use agent_scan::files::deviation::Deviation;
use agent_scan::files::launch;
use agent_scan::files::scan::Progress;
use std::ops::ControlFlow;
use std::path::Path;

/// What is accepted.
#[derive(Debug)]
pub(crate) enum What {
    /// These paths, relative to the root, each with all below it, as they are.
    Paths(Vec<Vec<u8>>),
    /// What signed package evidence explains, and nothing else.
    Explained,
}

/// What is asked of an amendment.
#[derive(Debug)]
pub(crate) struct AmendmentRequest<'a> {
    /// What is accepted.
    pub what: What,
    /// The manifest that was named.
    pub manifest: Option<&'a Path>,
    /// A report that nothing may have changed since.
    pub seen: Option<&'a Path>,
    /// Whether it is for all hosts of an image.
    pub portable: bool,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
}

/// An amendment that is ready to be written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What stands before the entries.
    pub header: Header,
    /// The entries, with the directories that lead there.
    pub entries: Vec<Entry>,
    /// What is accepted, without the directories that moved along.
    pub accepted: Vec<Accepted>,
}

/// Works the amendment out; an error where nothing, or not all that was asked for, can be accepted.
pub(crate) fn draft(
    tree: &Tree,
    profile: &Profile,
    config: &Config,
    trust: &Trust,
    request: AmendmentRequest<'_>,
) -> Result<Draft> {
    let named = Named {
        manifest: request.manifest,
        ..Named::default()
    };
    let opened = OpenedBaseline::open(tree, profile, config, trust, named)?;
    let Some(Baseline::Manifest(sealed)) = &opened.baseline else {
        return Err(Error::new("there is no manifest that could be amended")
            .help("`agent baseline create --output FILE` makes one"));
    };
    let manifest = &sealed.verified.manifest;
    if manifest.header().launch.is_some() {
        return Err(Error::in_file(manifest.path(), "is a launch record")
            .help("`agent baseline launch --again --reason TEXT` writes it anew"));
    }
    whole_chain(&opened.findings)?;
    let digest = escape::hex(&manifest.sha256());
    let seen = match request.seen {
        Some(path) => Some(Seen::read(path, &tree.host, &digest)?),
        None => None,
    };
    let (amended, explained) = match request.what {
        What::Paths(paths) => (Amended::new(paths, true), None),
        What::Explained => {
            let found = explained(&opened, tree, &config.state_dir)?;
            let paths = found.iter().map(|finding| relative(&finding.subject));
            (Amended::new(paths.collect(), false), Some(Seen::of(&found)))
        }
    };
    // The host's own come after those of the image: what it accepted for itself says nothing of the others.
    let portable = sealed.amendments.iter().filter(|a| a.header.is_portable());
    let of_image = request.portable.then(|| sealed.record.amended(portable));
    let overlay = of_image.as_ref().unwrap_or(sealed.overlay());
    let accepted = amend::Acceptance {
        root: &tree.root,
        scope: &sealed.scope,
        selinux: manifest.header().selinux,
        amended: &amended,
        portable: request.portable,
    }
    .differences(overlay.over(manifest.entries()))?;
    if accepted.iter().all(|accepted| accepted.moved) {
        return Err(
            Error::new("there is nothing to accept: all of it is as recorded")
                .help("`agent check` lists what deviates"),
        );
    }
    for seen in seen.iter().chain(&explained) {
        hold_against(seen, &accepted)?;
    }
    let host = match (request.portable, tree.host.binding()) {
        (true, _) => None,
        (false, Some(host)) => Some(host),
        (false, None) => {
            return Err(Error::new("the tree has neither an instance id (DMI) nor a machine id: an amendment could belong to anybody")
                .help("run it on the host, or make one for all hosts of the image: --portable"));
        }
    };
    let header = Header {
        manifest: digest,
        after: chain::last(&sealed.amendments, request.portable),
        host,
        reason: request.reason,
        by: request.by,
        at: request.at,
        seen: seen.map(|seen| seen.sha256),
        ..Header::default()
    };
    let entries = accepted.iter().map(|accepted| accepted.entry.clone());
    let entries = launch::with_parents(entries.collect());
    Ok(Draft {
        header,
        entries,
        accepted: accepted.into_iter().filter(|a| !a.moved).collect(),
    })
}

/// An error where an amendment that is there counts for nothing: another one would follow it, or fork the chain.
fn whole_chain(findings: &[Finding]) -> Result<()> {
    let broken = findings
        .iter()
        .find(|finding| finding.check.id == FILES_AMENDMENT.id && finding.verdict == Verdict::Fail);
    match broken {
        None => Ok(()),
        Some(finding) => {
            let path = escape::terminal_bytes(&finding.subject);
            let help = finding.remediation.clone().unwrap_or_default();
            Err(Error::new(format!("{path}: {}", finding.message)).help(help))
        }
    }
}

/// The findings that signed package evidence explains.
fn explained(opened: &OpenedBaseline, tree: &Tree, state_dir: &Path) -> Result<Vec<Finding>> {
    let progress = Progress::default();
    let effort = Effort {
        workers: tree::workers(None),
        pace: None,
        aside: Aside::NONE,
        progress: &progress,
        belief: None,
    };
    let mut found = Vec::new();
    let mut explaining = opened.explaining(tree, state_dir);
    let mut explain = |deviation: &Deviation, finding| match &mut explaining {
        Some(explaining) => explaining.put(deviation, finding),
        None => finding,
    };
    opened.scan(tree, &effort, None, &mut explain, |finding| {
        if is_explained(&finding) {
            found.push(finding);
        }
        ControlFlow::Continue(())
    })?;
    match found.is_empty() {
        true => Err(Error::new(
            "no deviation is explained by signed package evidence, so nothing was accepted",
        )
        .help("name the paths that are meant: agent baseline accept PATH --reason TEXT")),
        false => Ok(found),
    }
}

/// Whether it is explained by a signature, and nothing of it is left that is not.
fn is_explained(finding: &Finding) -> bool {
    let signed = finding.explained_by.as_ref().is_some_and(|by| {
        by.kind == ExplanationKind::Package && by.evidence == Some(Evidence::Signed)
    });
    signed && finding.unexplained_severity.is_some()
}

/// An error where something that is accepted is not as it was seen.
fn hold_against(seen: &Seen, accepted: &[Accepted]) -> Result<()> {
    let moved_on = |accepted: &&Accepted| !accepted.moved && !seen.has(accepted);
    let mut moved_on = accepted.iter().filter(moved_on);
    let Some(first) = moved_on.next() else {
        return Ok(());
    };
    let path = escape::terminal_bytes(&subject(&first.entry.path));
    let more = match moved_on.count() {
        0 => String::new(),
        count => format!(", and {count} more"),
    };
    Err(Error::new(format!(
        "the host has moved on: {path} is not as {}{more}; nothing was accepted",
        seen.word
    ))
    .help(seen::LOOK_AGAIN))
}

fn relative(subject: &[u8]) -> Vec<u8> {
    subject.strip_prefix(b"/").unwrap_or(subject).to_vec()
}
