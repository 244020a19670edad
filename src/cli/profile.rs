//! `agent profile list | show | validate`.

use super::args;
use super::print;
use crate::assess::tree::Tree;
use agent_baseline::profile::{Profile, load, shipped};
use agent_checks::registry;
use agent_core::attributes::AttributeSet;
use agent_core::error::Result;
use agent_core::finding::{Check, Form};
use std::io::{self, Write};
use std::path::Path;

pub(super) fn run(command: &args::Profile) -> Result<u8> {
    match command {
        args::Profile::List => list(),
        args::Profile::Show { name } => {
            let tree = Tree::open(Path::new("/"))?;
            let profile = tree.profile(name)?;
            print(|out| show(out, &profile))?;
            Ok(0)
        }
        args::Profile::Validate { file } => {
            let profile = load::file(file)?;
            registry::validate(&profile)?;
            print(|out| {
                writeln!(
                    out,
                    "{}: good; profile {} covers {} paths and excludes {}",
                    agent_core::escape::terminal_path(file),
                    profile.name,
                    profile.path_rules.rules().len(),
                    profile.path_rules.excludes().len(),
                )
            })?;
            Ok(0)
        }
    }
}

fn list() -> Result<u8> {
    let tree = Tree::open(Path::new("/"))?;
    let chosen = tree.profile("auto")?;
    let mut rows = Vec::new();
    for shipped in &shipped::SHIPPED {
        let name = shipped.name;
        let applies = match shipped.id {
            "" => "any distribution".into(),
            id => format!("{id} {}", shipped.version),
        };
        let mark = if chosen.file.is_none() && chosen.name == name {
            "  (this host)"
        } else {
            ""
        };
        rows.push(format!("{name:20} {}{mark}", applies.trim()));
    }
    print(|out| {
        for row in rows {
            writeln!(out, "{row}")?;
        }
        if let Some(file) = &chosen.file {
            writeln!(
                out,
                "{:20} {}  (this host)",
                chosen.name,
                agent_core::escape::terminal_path(file)
            )?;
        }
        if let Some(told) = &chosen.stands_in {
            writeln!(out, "{told}")?;
        }
        Ok(())
    })?;
    Ok(0)
}

fn show(out: &mut dyn Write, profile: &Profile) -> io::Result<()> {
    writeln!(out, "profile {}", profile.name)?;
    for parent in &profile.extends {
        writeln!(out, "extends {parent}")?;
    }
    if let Some(wanted) = &profile.applies_to {
        let version = wanted.version_id.as_deref().unwrap_or("any version");
        writeln!(out, "applies to {} {version}", wanted.id)?;
    }
    writeln!(out, "SHA-256 {}", profile.digest())?;
    writeln!(out, "\nCovered, the most specific entry decides:")?;
    for rule in profile.path_rules.rules() {
        let demand = rule.demand;
        write!(
            out,
            "  {:8}  {}",
            demand.severity.name(),
            rule.pattern.text()
        )?;
        if demand.attributes != AttributeSet::ALL {
            write!(out, "  only {}", demand.attributes)?;
        }
        if demand.cross_mounts {
            write!(out, "  crosses mounts")?;
        }
        if demand.launch {
            write!(out, "  may change at the first boot, on the record")?;
        }
        if demand.keep_text {
            write!(out, "  tells changed lines")?;
        }
        for writer in &rule.writers {
            write!(out, "  {} may write what is pinned", writer.program)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "\nLeft out:")?;
    for exclude in &profile.excludes {
        writeln!(out, "  {}  {}", exclude.pattern.text(), exclude.reason)?;
    }
    writeln!(out, "\nChecks:")?;
    for check in registry::all() {
        show_check(out, profile, check)?;
    }
    Ok(())
}

fn show_check(out: &mut dyn Write, profile: &Profile, check: &Check) -> io::Result<()> {
    let settings = profile.settings.checks.get(check.id);
    let off = match profile.settings.enables(check.id) {
        true => "",
        false => "  (off)",
    };
    let set = settings.and_then(|settings| settings.severity);
    let severity = set
        .or(check.severity)
        .map_or("that of the path's entry", |severity| severity.name());
    writeln!(out, "  {}  {}{off}", check.id, check.title)?;
    writeln!(out, "      severity  {severity}")?;
    writeln!(out, "      demand    {}", check.demand)?;
    if let Some(demand) = settings.and_then(|settings| settings.demand.as_ref()) {
        writeln!(out, "      here      {demand}")?;
    }
    if check.form != Form::Nothing {
        writeln!(out, "      takes     {}", check.form.describe())?;
    }
    writeln!(out, "      why       {}", check.why)?;
    if let Some(remedy) = check.remedy {
        writeln!(out, "      remedy    {remedy}")?;
    }
    let references = profile.benchmarks().references(check).join(", ");
    if !references.is_empty() {
        writeln!(out, "      see       {references}")?;
    }
    Ok(())
}
