//! `agent check`: the story of one run.

mod files;
mod instance;

use super::args::{Check, ReportFormat};
use super::{colour, hint};
use crate::assess;
use crate::assess::instance::Instance;
use crate::assess::selected::Selected;
use crate::assess::summary::{AmendmentSummary, Evidence, FilesSummary, LaunchSummary};
use crate::assess::tree::{self, LAUNCH, Tree};
use crate::report::html::Html;
use crate::report::json::Json;
use crate::report::junit::Junit;
use crate::report::ocsf::Ocsf;
use crate::report::output::Output;
use crate::report::text::{Style, Text};
use crate::report::{Counts, Report, Summary};
use agent_baseline::manifest::verified::{Shared, Trust};
use agent_baseline::profile::Profile;
use agent_core::config::Config;
use agent_core::error::{Error, Result};
use agent_core::finding::Finding;
use agent_core::host::Host;
use agent_core::os::limits;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

pub(super) fn run(arguments: &Check) -> Result<u8> {
    limits::raise_open_files();
    let mut out = Output::open(arguments.output.as_deref())?;
    let tree = Tree::open(&arguments.root)?;
    let config = tree::config(arguments.config.as_deref())?;
    let profile = tree.profile(arguments.profile.as_deref().unwrap_or(&config.profile))?;
    let selected = Selected::new(&arguments.only, &arguments.skip, &profile)?;
    let trust = Trust::load(arguments.trust.as_deref())?;

    let exit = {
        let mut report: Box<dyn Report> = match arguments.format {
            ReportFormat::Text => Box::new(Text::new(&mut out, style(arguments))),
            ReportFormat::Json => Box::new(Json(&mut out)),
            ReportFormat::Junit => Box::new(Junit::new(&mut out)),
            ReportFormat::Html => Box::new(Html::new(&mut out)),
            ReportFormat::Ocsf => {
                let now = jiff::Timestamp::now().as_millisecond();
                Box::new(Ocsf::new(&mut out, tree.host.clone(), now))
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
            manifest: own_manifest(arguments).then(Arc::default),
        };
        // The metadata service is asked beside everything else: who waits for it keeps nobody waiting.
        let mut instance = Instance::new(&tree, &profile, &selected, &config.instance);
        let (looked, snapshot) = match arguments.format {
            // Each of these says which host it is about: that is asked first.
            ReportFormat::Ocsf => {
                let ((), snapshot) = instance.ask_beside(|| ());
                run.report.about(&instance.host(&snapshot));
                (run.look(&config, &trust), snapshot)
            }
            _ => instance.ask_beside(|| run.look(&config, &trust)),
        };
        let looked = looked?;
        let host = run.instance(&instance, &snapshot, &looked, &config, &trust);
        let summary = run.summary(looked, host);
        let written = run.written.and_then(|()| report.finish(&summary));
        written.map_err(|error| {
            let place = arguments
                .output
                .as_deref()
                .unwrap_or(Path::new("standard output"));
            Error::cannot_write(place, &error)
        })?;
        summary.counts.exit()
    };
    out.commit(arguments.output.as_deref())?;
    Ok(exit)
}

/// Whether the manifest of the check is the one that the host itself goes by.
fn own_manifest(arguments: &Check) -> bool {
    arguments.manifest.is_none() && arguments.trust.is_none() && arguments.config.is_none()
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
    /// The host's own manifest, opened once for settings, files and instance; `None` where another one, other signers
    /// or another configuration were named.
    manifest: Option<Arc<Shared>>,
}

/// What a check looked at.
struct Looked {
    evidence: Option<Evidence>,
    files: Option<FilesSummary>,
    launch: Option<LaunchSummary>,
    amendments: Vec<AmendmentSummary>,
    /// When the image was baked, if a manifest was opened that says so.
    baked: Option<i64>,
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

    /// Everything but the instance.
    fn look(&mut self, config: &Config, trust: &Trust) -> Result<Looked> {
        self.settings();
        self.files(config, trust)
    }

    /// sshd and local settings.
    fn settings(&mut self) {
        let now = jiff::Timestamp::now().as_second();
        let (tree, profile, selected) = (self.tree, self.profile, self.selected);
        let mut stopped = false;
        let manifest = self.manifest.clone();
        assess::settings(
            tree,
            profile,
            selected,
            now,
            manifest.as_ref(),
            &mut |finding| {
                stopped = stopped || self.finding(finding).is_break();
            },
        );
    }

    fn summary(&mut self, looked: Looked, host: Host) -> Summary {
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
            amendments: looked.amendments,
            profile: self.profile.name.clone(),
            root: self.tree.root.path().display().to_string(),
            host,
            notes: std::mem::take(&mut self.notes),
        }
    }
}
