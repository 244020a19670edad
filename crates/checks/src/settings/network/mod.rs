//! What listens, what filters, what is mounted from elsewhere.
//!
//! Sockets and loaded rules are the running host's alone; what is installed, started at boot and written down is
//! judged of any tree.

mod allowlist;
mod checks;
mod firewall;
mod included;
mod iptables;
mod listeners;
mod loaded;
mod mounts;
mod ruleset;
mod services;

pub use checks::CHECKS;

use crate::settings::context::Context;
use crate::settings::systemd::UnitState;
use agent_core::finding::{Check, Finding, Verdict};
use checks::*;
use listeners::Listener;
use serde_json::{Value, json};
use services::Service;

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let wants_sockets = [&NO_FILE_SHARING, &LISTENING_ALLOWLIST, &LEGACY_SERVICES]
        .iter()
        .any(|check| context.wants(check));
    // `None` where there is nothing to look at: of a tree that does not run.
    let listening = (context.live() && wants_sockets).then(|| {
        let processes = context.processes().unwrap_or_default();
        listeners::read(context.root, processes).map_err(|error| error.to_string())
    });
    for (check, table) in [
        (&NO_FILE_SHARING, &services::FILE_SHARING),
        (&LEGACY_SERVICES, &services::LEGACY),
    ] {
        if check == &LEGACY_SERVICES && context.wants(&LISTENING_ALLOWLIST) {
            allowlist::judge(context, &listening, emit);
        }
        if context.wants(check) {
            services(context, check, table, &listening, emit);
        }
    }
    if context.wants(&FIREWALL) {
        emit(firewall::judge(context));
    }
    if context.wants(&ENCRYPTED_MOUNTS) {
        mounts::judge(context, emit);
    }
}

type Listening = Option<Result<Vec<Listener>, String>>;

/// One finding for each service that is there, with everything that shows it.
fn services(
    context: &Context<'_>,
    check: &'static Check,
    table: &'static [Service],
    listening: &Listening,
    emit: &mut dyn FnMut(Finding),
) {
    let allowed = context.demanded_texts(check);
    let needs_packages = table.iter().any(|service| !service.packages.is_empty());
    let mut told = false;
    for service in table {
        if allowed.contains(&service.name) {
            continue;
        }
        if let Some(finding) = one(context, check, service, listening) {
            told = true;
            emit(finding);
        }
    }
    let trouble = match (listening, needs_packages.then(|| context.installed())) {
        (Some(Err(why)), _) => Some(format!("what listens cannot be told: {why}")),
        (_, Some(Err(why))) => Some(why.to_owned()),
        _ => None,
    };
    if let Some(why) = trouble {
        emit(context.finding(check, Verdict::Unknown, "services", why));
    } else if !told {
        let message = match listening {
            Some(_) => "none is there, at boot or now",
            None => "none is there; what listens can only be seen on the running host",
        };
        emit(context.finding(check, Verdict::Pass, "services", message));
    }
}

/// The units of a service, instances of its templates among them.
fn names<'a>(context: &'a Context<'_>, service: &Service) -> Vec<&'a str> {
    let mut names: Vec<&str> = service.units.to_vec();
    let started = context
        .units()
        .started(context.root, ".service")
        .into_iter();
    names.extend(started.filter(|unit| {
        let mut templates = service.units.iter().filter(|unit| unit.ends_with('@'));
        templates.any(|template| {
            let instance = unit.strip_prefix(template);
            instance.is_some_and(|instance| !instance.starts_with('.'))
        })
    }));
    names
}

fn one(
    context: &Context<'_>,
    check: &'static Check,
    service: &Service,
    listening: &Listening,
) -> Option<Finding> {
    let root = context.root;
    let mut signs = Vec::new();
    let mut location = None;
    let mut remedy = None;
    let mut unseen = false;
    let mut ports = Vec::new();
    for listener in listening.iter().flat_map(|read| read.iter().flatten()) {
        if !service.ports.contains(&(listener.protocol, listener.port)) {
            continue;
        }
        match &listener.program {
            _ if service.programs.is_empty() => {}
            // Started by systemd or inetd, whose program is not the service's.
            Some(program)
                if service.programs.contains(&program.as_str())
                    || ["systemd", "xinetd", "inetd", "inetutils-inetd"]
                        .contains(&program.as_str()) => {}
            // Another service on that port, as rsyslogd on tcp/514.
            Some(_) => continue,
            None => unseen = true,
        }
        signs.push(format!("{} listens on {}", listener.who(), listener.name()));
        ports.push(shown(listener));
    }
    let mut units = Vec::new();
    let mut doubts: usize = 0;
    for unit in names(context, service) {
        let (by, how) = match context.units().state(root, unit) {
            UnitState::Started(by) => (by, "is started at boot".to_owned()),
            UnitState::Elsewhere(by) => (by, "is enabled".to_owned()),
            UnitState::Perhaps(by, why) => {
                doubts = doubts.saturating_add(1);
                (by, format!("may be started: {why}"))
            }
            _ => continue,
        };
        if context.units().held_back(root, unit).is_none() {
            signs.push(format!("{unit} {how}"));
            remedy.get_or_insert(format!("systemctl disable --now {unit}"));
            location.get_or_insert(by);
            units.push(unit);
        }
    }
    if let Some((name, place)) = inetd(context, service) {
        signs.push(format!("inetd starts {name}"));
        remedy.get_or_insert(format!("remove the line of {name} from /etc/inetd.conf"));
        location.get_or_insert(place);
    }
    let installed = context.installed().ok();
    let packages: Vec<&str> = service
        .packages
        .iter()
        .copied()
        .filter(|name| installed.is_some_and(|installed| installed.named(name).is_some()))
        .collect();
    if let Some(package) = packages.first() {
        signs.push(format!("package {package} is installed"));
        remedy = Some(context.removal(package));
    }
    if signs.is_empty() {
        return None;
    }
    let firm = !unseen || units.len() > doubts || !packages.is_empty() || ports.len() > 1;
    let certain = firm && signs.len() > doubts;
    let verdict = match certain {
        true => Verdict::Fail,
        false => Verdict::Unknown,
    };
    let mut finding = context
        .finding(
            check,
            verdict,
            service.name,
            format!("{}: {}", service.name, signs.join("; ")),
        )
        .evidence(
            json!({ "sockets": [], "units": [], "packages": [] }),
            json!({ "sockets": ports, "units": units, "packages": packages }),
        )
        .remediation(remedy.unwrap_or_else(|| check.remedy.unwrap_or_default().to_owned()));
    finding.location = location;
    Some(finding)
}

/// The first line of inetd.conf that starts the service: its name there, and the place.
fn inetd(context: &Context<'_>, service: &Service) -> Option<(String, String)> {
    if service.inetd.is_empty() {
        return None;
    }
    let text = context.read("etc/inetd.conf").ok()??;
    let text = String::from_utf8_lossy(&text).into_owned();
    (1_usize..).zip(text.lines()).find_map(|(number, line)| {
        let name = line.split_whitespace().next()?;
        let found = service.inetd.contains(&name);
        found.then(|| (name.to_owned(), format!("/etc/inetd.conf:{number}")))
    })
}

/// Evidence of a listener.
fn shown(listener: &Listener) -> Value {
    json!({
        "socket": listener.name(), "program": listener.program, "addresses": listener.shown(),
    })
}
