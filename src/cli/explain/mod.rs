//! `agent explain CHECK`: what a check demands here, why, how it is read, how to mend it, how to change the demand.

mod mend;
mod read;

use super::args::Explain;
use super::check_args::Check as CheckArguments;
use super::{check, print};
use crate::assess::tree::{self, Tree};
use crate::report::wrap;
use agent_baseline::profile::Profile;
use agent_checks::registry;
use agent_core::error::{Error, Result};
use agent_core::escape::{terminal_path, terminal_text};
use agent_core::finding::{Check, Form};
use clap::Parser;
use std::io::{self, Write};

/// Columns of the word before each part.
const LABEL: usize = 10;

pub(super) fn run(arguments: &Explain) -> Result<u8> {
    let check = find(&arguments.check)?;
    let tree = Tree::open(&arguments.root)?;
    let named = match &arguments.profile {
        Some(name) => name.clone(),
        None => tree::config(None)?.profile,
    };
    let profile = tree.profile(&named)?;
    print(|out| {
        let mut page = Page {
            out,
            width: wrap::width(),
        };
        page.all(check, &profile, &tree)
    })?;
    if arguments.now {
        print(|out| writeln!(out, "\nNow:"))?;
        check::run(&now(arguments))?;
    }
    Ok(0)
}

/// The check of that id; an error that names those which may have been meant.
fn find(id: &str) -> Result<&'static Check> {
    if let Some(check) = registry::all().find(|check| check.id == id) {
        return Ok(check);
    }
    let area = id.split('.').next().unwrap_or(id);
    let part = id.rsplit('.').next().unwrap_or(id);
    let alike = |check: &&Check| check.id.split('.').next() == Some(area);
    let mut near: Vec<&str> = registry::all()
        .filter(alike)
        .map(|check| check.id)
        .collect();
    // A slip of the hand is in the end of the name.
    let alike = |known: &str| {
        known
            .bytes()
            .zip(id.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let closest = near.iter().map(|known| alike(known)).max().unwrap_or(0);
    if closest > area.len() + 2 {
        near.retain(|known| alike(known) == closest);
    }
    if near.is_empty() && part.len() > 2 {
        near = registry::all()
            .map(|check| check.id)
            .filter(|id| id.contains(part))
            .collect();
    }
    let help = match near.is_empty() {
        true => "`agent profile show default` lists every check".to_owned(),
        false => format!("one of {}", near.join(", ")),
    };
    Err(Error::new(format!("there is no check \"{id}\"")).help(help))
}

/// The command line of the check that answers for the one that is explained.
#[derive(Debug, Parser)]
struct Now {
    #[command(flatten)]
    check: CheckArguments,
}

fn now(arguments: &Explain) -> CheckArguments {
    let parsed = Now::parse_from(["check", "--verbose", "--only", &arguments.check]);
    CheckArguments {
        root: arguments.root.clone(),
        profile: arguments.profile.clone(),
        ..parsed.check
    }
}

struct Page<'a> {
    out: &'a mut dyn Write,
    width: Option<usize>,
}

impl Page<'_> {
    fn all(&mut self, check: &Check, profile: &Profile, tree: &Tree) -> io::Result<()> {
        writeln!(self.out, "{}: {}", check.id, check.title)?;
        self.demand(check, profile)?;
        self.part("why", check.why)?;
        self.part("read", read::of(check.id))?;
        for step in mend::of(check, tree) {
            self.part("mend", &step)?;
        }
        let references = tree.host.benchmarks.references(check).join(", ");
        if !references.is_empty() {
            self.part("see", &references)?;
        }
        let only = format!(
            "agent explain {} --now, or agent check --only {}",
            check.id, check.id
        );
        self.part("judge", &only)?;
        self.change(check, profile)
    }

    fn demand(&mut self, check: &Check, profile: &Profile) -> io::Result<()> {
        let set = profile.settings.checks.get(check.id);
        let severity = set
            .and_then(|set| set.severity)
            .or(check.severity)
            .map_or("that of the path's entry in the profile", |severity| {
                severity.name()
            });
        self.part("demands", check.demand)?;
        if let Some(demand) = set.and_then(|set| set.demand.as_ref()) {
            let demand = format!("demand = {demand}, as the profile {} sets it", profile.name);
            self.part("here", &demand)?;
        }
        if check.id.starts_with("sshd.") && profile.settings.sshd_explicit == Some(true) {
            let explicit =
                "the line must stand: a good built-in default does not count (sshd_explicit)";
            self.part("here", explicit)?;
        }
        if !profile.settings.enables(check.id) {
            let off = format!("not judged: the profile {} switches it off", profile.name);
            self.part("here", &off)?;
        }
        for waiver in profile
            .waivers
            .iter()
            .filter(|waiver| waiver.check == check.id)
        {
            let stands = waiver.by.stands(jiff::Timestamp::now().as_second());
            let word = if stands { "waived" } else { "no longer waived" };
            let text = format!("{word} for {}: {}", waiver.subject, waiver.by.words());
            self.part("here", &text)?;
        }
        self.part("severity", severity)
    }

    /// How to demand something else, as lines to be copied.
    fn change(&mut self, check: &Check, profile: &Profile) -> io::Result<()> {
        let place = match &profile.file {
            Some(file) => format!("in {}:", terminal_path(file)),
            None => format!(
                "in /etc/host-integrity-agent/profile.toml, below name = \"local\" and extends = \"{}\":",
                profile.name
            ),
        };
        self.part("change", &place)?;
        let lines = match check.id.starts_with("files.") {
            true => vec![
                "[[paths]]                  # the most specific entry that covers a path decides"
                    .into(),
                "path = \"/opt/app\"".into(),
                "severity = \"medium\"".into(),
                "[[exclude]]                # a blind spot: say why".into(),
                "path = \"/opt/app/cache/**\"".into(),
                "reason = \"written all day\"".into(),
            ],
            false => settings_lines(check),
        };
        for line in lines {
            writeln!(self.out, "{:LABEL$}  {line}", "")?;
        }
        Ok(())
    }

    fn part(&mut self, word: &str, text: &str) -> io::Result<()> {
        let text = terminal_text(text);
        for (i, line) in wrap::lines(&text, self.width, LABEL, LABEL)
            .iter()
            .enumerate()
        {
            let word = if i == 0 { word } else { "" };
            writeln!(self.out, "{word:LABEL$}{line}")?;
        }
        Ok(())
    }
}

fn settings_lines(check: &Check) -> Vec<String> {
    let mut lines = vec![format!("[settings.\"{}\"]", check.id)];
    if check.form != Form::Nothing {
        lines.push(format!(
            "demand = …                 # {}",
            check.form.describe()
        ));
    }
    lines.extend([
        "severity = \"medium\"        # low, medium, high, critical".to_owned(),
        "enabled = false            # neither judged nor listed".to_owned(),
        "[[waivers]]                # judged and listed, and somebody answers for it".to_owned(),
        format!("check = \"{}\"", check.id),
        "subject = \"…\"              # as the report names it; `*` may stand in it".to_owned(),
        "reason = \"…\"".to_owned(),
        "owner = \"…\"".to_owned(),
        "until = \"2027-03-31\"".to_owned(),
    ]);
    lines
}
