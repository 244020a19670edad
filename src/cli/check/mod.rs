//! `agent check`: the story of one run.

mod files;
mod selected;

use super::args::{Check, ReportFormat};
use super::inputs::{self, LAUNCH, Tree};
use super::{colour, hint};
use crate::error::{Error, Result};
use crate::event::Origin;
use crate::finding::Finding;
use crate::host::Host;
use crate::manifest::vouch::Trust;
use crate::os::limits;
use crate::profile::Profile;
use crate::report::json::Json;
use crate::report::ocsf::Ocsf;
use crate::report::output::{Output, cannot_write};
use crate::report::text::{Style, Text};
use crate::report::{Counts, Evidence, FilesSummary, LaunchSummary, Report, Summary};
use crate::settings::{self, context::Context};
use selected::Selected;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;

pub(super) fn run(arguments: &Check) -> Result<u8> {
    limits::raise_open_files();
    let mut out = Output::open(arguments.output.as_deref())?;
    let tree = Tree::open(&arguments.root)?;
    let config = inputs::config(arguments.config.as_deref())?;
    let profile = tree.profile(arguments.profile.as_deref().unwrap_or(&config.profile))?;
    let selected = Selected::new(arguments, &profile)?;
    let trust = Trust::load(arguments.trust.as_deref())?;

    let exit = {
        let mut report: Box<dyn Report> = match arguments.format {
            ReportFormat::Text => Box::new(Text::new(&mut out, style(arguments))),
            ReportFormat::Json => Box::new(Json(&mut out)),
            ReportFormat::Ocsf => {
                let now = jiff::Timestamp::now().as_millisecond();
                Box::new(Ocsf::new(&mut out, origin(&tree), now))
            }
            ReportFormat::Junit | ReportFormat::Html => {
                return Err(
                    Error::new("this version reports as text, json and ocsf alone")
                        .help("--format text, json or ocsf"),
                );
            }
        };
        let mut run = Run {
            arguments,
            tree: &tree,
            profile: &profile,
            selected: &selected,
            report: report.as_mut(),
            counts: Counts::default(),
            written: Ok(()),
            notes: Vec::new(),
        };
        run.settings();
        let looked = run.files(&config, &trust)?;
        let summary = run.summary(looked);
        let written = run.written.and_then(|()| report.finish(&summary));
        written.map_err(|error| {
            let place = arguments
                .output
                .as_deref()
                .unwrap_or(Path::new("standard output"));
            cannot_write(place, &error)
        })?;
        summary.counts.exit()
    };
    out.commit(arguments.output.as_deref())?;
    Ok(exit)
}

/// What events say of the host: no more than a check that asks nobody knows.
fn origin(tree: &Tree) -> Origin {
    let identity = &tree.identity;
    Origin {
        host: Host {
            hostname: identity.hostname.clone(),
            machine_id: identity.machine_id.clone(),
            instance_id: identity.instance_id.clone(),
            os: tree.os(),
            ..Host::default()
        },
        ..Origin::default()
    }
}

fn style(arguments: &Check) -> Style {
    Style {
        colour: arguments.output.is_none() && colour(io::stdout().is_terminal()),
        verbose: arguments.verbose,
        quiet: arguments.quiet,
    }
}

/// A check under way.
struct Run<'a> {
    arguments: &'a Check,
    tree: &'a Tree,
    profile: &'a Profile,
    selected: &'a Selected,
    report: &'a mut dyn Report,
    counts: Counts,
    /// The first error in writing the report; judging goes no further after it.
    written: io::Result<()>,
    notes: Vec<String>,
}

/// What a check looked at.
struct Looked {
    evidence: Evidence,
    files: Option<FilesSummary>,
    launch: Option<LaunchSummary>,
}

impl Run<'_> {
    fn finding(&mut self, finding: Finding) -> ControlFlow<()> {
        if !self.selected.has(finding.check.id) {
            return ControlFlow::Continue(());
        }
        self.counts.add(&finding);
        match self.report.finding(finding) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.written = Err(error);
                ControlFlow::Break(())
            }
        }
    }

    /// sshd and local settings.
    fn settings(&mut self) {
        let selected = self.selected;
        let has = |id: &str| selected.has(id);
        let now = jiff::Timestamp::now().as_second();
        let tree = self.tree;
        let context = Context::new(&tree.root, &tree.release, &self.profile.settings, now, &has);
        let mut stopped = false;
        settings::look(&context, &mut |finding| {
            stopped = stopped || self.finding(finding).is_break();
        });
    }

    fn summary(&mut self, looked: Looked) -> Summary {
        let identity = &self.tree.identity;
        if !self.tree.root.is_live() && self.arguments.launch.is_none() && !self.arguments.quiet {
            let own = self.tree.root.path().join(&LAUNCH[1..]);
            let there = self.tree.root.resolve(LAUNCH.as_bytes(), true);
            if there.is_ok_and(|resolved| resolved.handle.is_some()) {
                hint(&format!(
                    "{} is not used unless named with --launch: a tree cannot vouch for itself",
                    own.display()
                ));
            }
        }
        Summary {
            counts: self.counts.clone(),
            files: looked.files,
            evidence: looked.evidence,
            launch: looked.launch,
            profile: self.profile.name.clone(),
            root: self.tree.root.path().display().to_string(),
            host: [
                ("hostname", identity.hostname.clone()),
                ("machine_id", identity.machine_id.clone()),
                ("instance_id", identity.instance_id.clone()),
                ("os", self.tree.os()),
            ],
            notes: std::mem::take(&mut self.notes),
        }
    }
}
