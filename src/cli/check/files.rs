//! The files of a check: against the manifest, or the package database where there is none.

use super::{Looked, Run};
use crate::assess::baseline::{Effort, Named, OpenedBaseline};
use crate::assess::explained::Explaining;
use crate::assess::tree;
use crate::report::progress;
use agent_core::config::Config;
use agent_core::error::Result;
use agent_scan::files::aside::Aside;
use agent_scan::files::deviation::Deviation;
use agent_scan::files::exchanged;
use agent_scan::files::pace::Pace;
use agent_scan::files::scan::Progress;

impl Run<'_> {
    pub(super) fn files(&mut self, config: &Config) -> Result<Looked> {
        let nothing = Looked {
            evidence: None,
            files: None,
            launch: None,
            amendments: Vec::new(),
            baked: None,
        };
        if !self.selected.any_of("files.") {
            return Ok(nothing);
        }
        let arguments = self.arguments;
        let named = Named {
            manifest: arguments.manifest.as_deref(),
            launch: arguments.launch.as_deref(),
            shared: self.manifest.as_deref(),
        };
        let mut opened = OpenedBaseline::open(self.tree, self.profile, config, &self.trust, named)?;
        self.notes.append(&mut opened.notes);
        for finding in std::mem::take(&mut opened.findings) {
            if self.finding(finding).is_break() {
                return Ok(nothing);
            }
        }
        if self.tree.root.is_live() {
            exchanged::go_by_first_process();
        }
        let pace = arguments.max_rate.map(Pace::new);
        let counts = Progress::default();
        let effort = Effort {
            // Who asks for little has no use for more readers.
            workers: match pace {
                Some(_) => tree::threads(arguments.threads).into(),
                None => tree::workers(arguments.threads),
            },
            pace: pace.as_ref(),
            aside: Aside::NONE,
            progress: &counts,
            belief: None,
        };
        let wanted = !arguments.quiet && !arguments.no_progress;
        let tree = self.tree;
        let mut explaining = opened.explaining(tree, &config.state_dir);
        let coverage = progress::shown(wanted, &counts, opened.total(), || {
            let mut explain = |deviation: &Deviation, finding| match &mut explaining {
                Some(explaining) => explaining.put(deviation, finding),
                None => finding,
            };
            opened.scan(tree, &effort, None, &mut explain, |finding| {
                self.finding(finding)
            })
        })?;
        self.notes
            .extend(explaining.iter().flat_map(Explaining::notes));
        let files = coverage.map(|coverage| {
            let (summary, note) = opened.files(&coverage);
            self.notes.extend(note);
            summary
        });
        Ok(Looked {
            evidence: opened.evidence(),
            launch: opened.launch(),
            amendments: opened.amendments(),
            baked: opened.baked(),
            files,
        })
    }
}
