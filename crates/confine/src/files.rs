//! Files that the process may write, and read, by landlock(7).

use crate::{Phase, Plan};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};
use std::path::{Path, PathBuf};

/// What this was written for; of a newer kernel no more is asked, of an older one what it has.
const WRITTEN_FOR: ABI = ABI::V6;

/// How its lines begin.
pub(crate) const NAME: &str = "landlock";

/// Enters a domain that leaves the plan's files.
pub(crate) fn restrict(plan: &Plan) -> Result<Vec<String>, String> {
    // A directory that is not there cannot be named: nobody could write to it later.
    let missing = plan.writable.iter().find(|path| !path.is_dir());
    if let Some(missing) = missing {
        return Err(format!(
            "landlock: {} is not there yet, and could not be written later",
            missing.display()
        ));
    }
    let status = enter(plan).map_err(|error| format!("landlock: {error}"))?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        LandlockStatus::NotEnabled => return Err("landlock: the kernel has it switched off".into()),
        _ => return Err("landlock: the kernel is built without it".into()),
    };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err("landlock: the kernel enforces nothing of it".into());
    }
    Ok(vec![format!("{NAME} {version}: {}", words(plan))])
}

fn words(plan: &Plan) -> String {
    let list = |paths: &[PathBuf]| {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        paths.join(", ")
    };
    let writes = match plan.writable.is_empty() {
        true => "writes nothing".to_owned(),
        false => format!("writes only below {}", list(&plan.writable)),
    };
    match &plan.readable {
        None => writes,
        Some(_) => format!("reads only what it was given, {writes}"),
    }
}

fn enter(plan: &Plan) -> Result<landlock::RestrictionStatus, RulesetError> {
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    // Programs are not run, wherever they lie; loading a library is reading.
    let writing = AccessFs::from_all(WRITTEN_FOR) & !reading;
    let handled = match plan.readable {
        Some(_) => writing | reading,
        None => writing,
    };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?;
    // It listens nowhere; who reads a tree connects nowhere either.
    let net: BitFlags<AccessNet> = match plan.phase {
        Phase::Run { .. } => AccessNet::BindTcp.into(),
        Phase::Parse => AccessNet::from_all(WRITTEN_FOR),
    };
    let mut created = ruleset.handle_access(net)?.scope(scope())?.create()?;
    for path in &plan.writable {
        let made = AccessFs::WriteFile
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            | AccessFs::Truncate
            | AccessFs::Refer
            | reading;
        created = allow(created, path, made & handled)?;
    }
    for path in plan.readable.iter().flatten() {
        created = allow(created, path, reading)?;
    }
    created.restrict_self()
}

/// No signals to others; no sockets without a file, unless systemd listens at one (`NOTIFY_SOCKET=@…`).
fn scope() -> BitFlags<Scope> {
    let notify = std::env::var_os("NOTIFY_SOCKET");
    match notify.is_some_and(|socket| socket.as_encoded_bytes().starts_with(b"@")) {
        true => Scope::Signal.into(),
        false => Scope::from_all(WRITTEN_FOR),
    }
}

/// What is not there is not asked for.
fn allow(
    created: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(handle) = PathFd::new(path) else {
        return Ok(created);
    };
    let access = match path.is_dir() {
        true => access,
        false => access & AccessFs::from_file(WRITTEN_FOR),
    };
    created.add_rule(PathBeneath::new(handle, access))
}
