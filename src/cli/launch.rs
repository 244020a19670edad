//! `agent baseline launch`: what the first boot changed, put on the record once.

use super::args::Launch;
use super::print;
use crate::assess::baseline::Effort;
use crate::assess::launch::{self, LaunchRequest};
use crate::assess::tree::{self, Tree};
use crate::report::progress;
use agent_baseline::manifest::verified::Trust;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::limits;
use agent_core::words::counted;
use agent_scan::files::aside::Aside;
use agent_scan::files::scan::Progress;
use std::io::Write;

pub(super) fn run(arguments: &Launch) -> Result<u8> {
    limits::raise_open_files();
    let tree = Tree::open(&arguments.root)?;
    let config = tree::config(None)?;
    let profile = tree.profile(arguments.profile.as_deref().unwrap_or(&config.profile))?;
    if let Some(told) = &profile.stands_in {
        super::hint(told);
    }
    let trust = Trust::load(None)?;
    let verified = tree
        .manifest(arguments.manifest.as_deref(), &config, &trust)?
        .ok_or_else(|| {
            Error::new("there is no manifest that the first boot could be compared with")
                .help("`agent baseline create --output FILE` makes one while the image is baked")
        })?;
    let manifest = &verified.manifest;
    let request = LaunchRequest {
        output: arguments.output.as_deref(),
        again: arguments.again,
        reason: arguments.reason.as_deref(),
    };
    let counts = Progress::default();
    let effort = Effort {
        workers: tree::workers(None),
        pace: None,
        aside: Aside::NONE,
        progress: &counts,
        belief: None,
    };
    let time = super::baseline::now();
    let launched = progress::shown(true, &counts, Some(manifest.len()), || {
        launch::write(&tree, &profile, manifest, request, time, &effort)
    })?;
    print(|out| {
        writeln!(
            out,
            "Recorded what the first boot of {} changed: {}, in {} (SHA-256 {})",
            launched.instance,
            counted(launched.entries.len() as u64, "path"),
            escape::terminal_path(&launched.path),
            escape::hex(&launched.sha256),
        )?;
        if launched.others > 0 {
            writeln!(
                out,
                "not the first boot's to make: {}; `agent check` lists them",
                counted(launched.others as u64, "other deviation")
            )?;
        }
        Ok(())
    })?;
    Ok(0)
}
