//! `agent check`: the story of one run.

mod confined;
mod files;
mod instance;
mod notes;
mod patience;

use super::check_args::{Check, Color, ReportFormat, Target};
use super::{colour, hint};
use crate::assess;
use crate::assess::instance::Instance;
use crate::assess::privileges;
use crate::assess::selected::Selected;
use crate::assess::summary::{AmendmentSummary, Evidence, FilesSummary, LaunchSummary};
use crate::assess::tree::{self, LAUNCH, Tree};
use crate::report::counts::Counts;
use crate::report::html::Html;
use crate::report::json::Json;
use crate::report::junit::Junit;
use crate::report::ocsf::Ocsf;
use crate::report::output::Output;
use crate::report::sarif::Sarif;
use crate::report::several::{Several, Unwritten};
use crate::report::text::{Style, Text};
use crate::report::{Report, Summary, wrap};
use agent_baseline::manifest::verified::{SharedManifest, Trust};
use agent_baseline::profile::Profile;
use agent_core::config::Config;
use agent_core::error::{Error, Result};
use agent_core::finding::Finding;
use agent_core::host::Host;
use agent_core::os::limits;
use patience::Patience;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub(super) fn run(arguments: &Check) -> Result<u8> {
    limits::raise_open_files();
    let began = (jiff::Timestamp::now(), Instant::now());
    let monitor = confined::prepare(arguments);
    let targets = targets(arguments)?;
    let mut outputs = targets
        .iter()
        .map(|target| Output::open(target.file.as_deref()))
        .collect::<Result<Vec<Output>>>()?;
    let tree = Tree::open(&arguments.root)?;
    let config = tree::config(arguments.config.as_deref())?;
    let named = arguments.profile.as_deref().unwrap_or(&config.profile);
    let profile = tree.profile(named)?;
    let selected = Selected::new(&arguments.only, &arguments.skip, &profile)?;
    let trust = Arc::new(Trust::load(arguments.trust.as_deref())?);
    let places = targets.iter().filter_map(|target| target.file.as_deref());
    let confinement = monitor.map(|monitor| confined::enter_tree(arguments, monitor, places));

    let exit = {
        let each = outputs.iter_mut().zip(&targets);
        let each = each.map(|(output, target)| opened(arguments, target, output, &tree));
        let mut run = Run {
            arguments,
            tree: &tree,
            profile: &profile,
            selected: &selected,
            reports: Several::new(each.collect()),
            counts: Counts::new(arguments.fail_on),
            written: Ok(()),
            notes: notes::of(&tree, &profile, named, &trust, confinement.as_ref()),
            manifest: own_manifest(arguments).then(Arc::default),
            trust: Arc::clone(&trust),
            began,
            patience: Patience::begin(),
        };
        // The metadata service is asked beside everything else: who waits for it keeps nobody waiting.
        let mut instance = Instance::new(&tree, &profile, &selected, &config.instance);
        // OCSF says with each finding which host it is about: that is asked first.
        let (looked, snapshot) = match targets.iter().any(|t| t.format == ReportFormat::Ocsf) {
            true => {
                let ((), snapshot) = instance.ask_beside(|| ());
                run.reports.about(&instance.host(&snapshot));
                (run.look(&config), snapshot)
            }
            false => instance.ask_beside(|| run.look(&config)),
        };
        let looked = looked?;
        let host = run.instance(&instance, &snapshot, &looked, &config);
        run.notes
            .extend(confinement.iter().flat_map(confined::refused));
        let summary = run.summary(looked, host);
        let Run {
            written,
            mut reports,
            patience,
            ..
        } = run;
        let finish = || written.and_then(|()| reports.finish(&summary));
        let written = patience.excuse(finish);
        written.map_err(|Unwritten { which, error }| {
            let place = targets[which].file.as_deref();
            Error::cannot_write(place.unwrap_or(Path::new("standard output")), &error)
        })?;
        summary.counts.exit()
    };
    // Each that can be put in its place is, whatever becomes of another.
    let committed = outputs.into_iter().zip(&targets);
    let committed: Vec<Result<()>> = committed
        .map(|(output, target)| output.commit(target.file.as_deref()))
        .collect();
    committed.into_iter().collect::<Result<()>>()?;
    if let Some(confinement) = confinement {
        confinement.end();
    }
    Ok(exit)
}

/// The reports that are asked for.
fn targets(arguments: &Check) -> Result<Vec<Target>> {
    if arguments.report.is_empty() {
        return Ok(vec![Target {
            format: arguments.format,
            file: arguments.output.clone(),
        }]);
    }
    let targets = arguments.report.clone();
    for (i, target) in targets.iter().enumerate() {
        if targets[..i].iter().any(|other| other.file == target.file) {
            let place = target.file.as_deref().unwrap_or(Path::new("-"));
            let message = format!(
                "--report: two reports cannot both go to {}",
                place.display()
            );
            return Err(Error::new(message).help("give each a file of its own"));
        }
    }
    Ok(targets)
}

fn opened<'a>(
    arguments: &Check,
    target: &Target,
    output: &'a mut Output,
    tree: &Tree,
) -> Box<dyn Report + 'a> {
    match target.format {
        ReportFormat::Text => Box::new(Text::new(output, style(arguments, target))),
        ReportFormat::Json => Box::new(Json(output, tree.host.benchmarks)),
        ReportFormat::Junit => Box::new(Junit::new(output)),
        ReportFormat::Html => Box::new(Html::new(output)),
        ReportFormat::Sarif => Box::new(Sarif::new(output)),
        ReportFormat::Ocsf => {
            let now = jiff::Timestamp::now().as_millisecond();
            Box::new(Ocsf::new(output, tree.host.clone(), now))
        }
    }
}

/// Whether the manifest of the check is the one that the host itself goes by.
fn own_manifest(arguments: &Check) -> bool {
    arguments.manifest.is_none() && arguments.trust.is_none() && arguments.config.is_none()
}

fn style(arguments: &Check, target: &Target) -> Style {
    let on_terminal = target.file.is_none() && io::stdout().is_terminal();
    Style {
        colour: match arguments.color {
            Color::Auto => colour(on_terminal),
            Color::Always => true,
            Color::Never => false,
        },
        verbose: arguments.verbose,
        quiet: arguments.quiet,
        width: on_terminal.then(wrap::width).flatten(),
        height: on_terminal.then(wrap::height).flatten(),
    }
}

/// A check under way.
struct Run<'a> {
    arguments: &'a Check,
    tree: &'a Tree,
    profile: &'a Profile,
    selected: &'a Selected,
    reports: Several<'a>,
    counts: Counts,
    /// The first error in writing a report; judging goes no further after it.
    written: std::result::Result<(), Unwritten>,
    notes: Vec<String>,
    /// The host's own manifest, opened once for settings, files and instance; `None` where another one, other signers
    /// or another configuration were named.
    manifest: Option<Arc<SharedManifest>>,
    /// Who may seal: the host's own signers, or those that were named.
    trust: Arc<Trust>,
    began: (jiff::Timestamp, Instant),
    patience: Patience,
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
        let finding = privileges::told(&self.tree.root, finding);
        self.counts.add(&finding);
        let Run {
            reports, patience, ..
        } = self;
        match patience.excuse(|| reports.finding(finding)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.written = Err(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Everything but the instance.
    fn look(&mut self, config: &Config) -> Result<Looked> {
        self.settings(config);
        self.files(config)
    }

    /// sshd and local settings.
    fn settings(&mut self, config: &Config) {
        let now = jiff::Timestamp::now().as_second();
        let (tree, profile, selected) = (self.tree, self.profile, self.selected);
        let mut stopped = false;
        let own = assess::Own {
            place: Some(config.manifest.clone()),
            manifest: self.manifest.clone(),
            trust: Some(Arc::clone(&self.trust)),
        };
        assess::settings(tree, profile, selected, now, &own, &mut |finding| {
            stopped = stopped || self.finding(finding).is_break();
        });
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
            began: self.began.0,
            took: self.began.1.elapsed(),
        }
    }
}
