//! `accounts.directory_join`: whether the host has joined the domain that the profile names, by sssd(8) or
//! winbindd(8).

use super::checks::DIRECTORY_JOIN;
use crate::settings::context::Context;
use crate::settings::vendor;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

/// Sections of an ini file: keys in lower case, the last value of each.
type Ini = BTreeMap<String, BTreeMap<String, String>>;

/// How the host is joined, as far as its files tell.
struct Join {
    by: &'static str,
    file: String,
    /// What is missing for accounts of the domain to be found.
    missing: Vec<String>,
}

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let say =
        |verdict, message: String| context.finding(&DIRECTORY_JOIN, verdict, "accounts", message);
    let domain = match context.demanded_text(&DIRECTORY_JOIN, "") {
        "" => {
            let message = "the profile demands no domain".to_owned();
            return emit(say(Verdict::NotApplicable, message));
        }
        domain => domain,
    };
    let joins = [sssd(context, domain), winbind(context, domain)];
    let mut found = Vec::new();
    for join in joins {
        match join {
            Ok(join) => found.extend(join),
            Err(reason) => return emit(say(Verdict::Unknown, reason)),
        }
    }
    let finding = match found.iter().min_by_key(|join| join.missing.len()) {
        None => say(
            Verdict::Fail,
            format!("neither sssd nor winbind has the domain {domain}"),
        )
        .remediation(format!("realm join {domain}")),
        Some(join) if join.missing.is_empty() => {
            say(Verdict::Pass, format!("joined to {domain} by {}", join.by))
                .location(join.file.clone())
        }
        Some(join) => say(
            Verdict::Fail,
            format!(
                "{} has the domain {domain}, but {}",
                join.by,
                join.missing.join("; ")
            ),
        )
        .location(join.file.clone())
        .remediation(format!("realm leave; realm join {domain}")),
    };
    let by: Vec<&str> = found.iter().map(|join| join.by).collect();
    emit(finding.evidence(json!({ "domain": domain }), json!({ "configured": by })));
}

/// sssd.conf(5) with its snippets: `domains` of `[sssd]` lists the domain, or a section `enabled` says so.
fn sssd(context: &Context<'_>, domain: &str) -> Result<Option<Join>, String> {
    const FILE: &str = "/etc/sssd/sssd.conf";
    let mut ini = Ini::new();
    let Some(text) = read(context, FILE)? else {
        return Ok(None);
    };
    parse(&text, &mut ini);
    let names = context
        .root
        .list(b"etc/sssd/conf.d")
        .map_err(|error| format!("/etc/sssd/conf.d: {error}"))?;
    for (name, _) in names.iter().flat_map(|names| names.iter()) {
        let name = String::from_utf8_lossy(name);
        if name.ends_with(".conf") && !name.starts_with('.') {
            let path = format!("/etc/sssd/conf.d/{name}");
            parse(&read(context, &path)?.unwrap_or_default(), &mut ini);
        }
    }
    let value = |section: &str, key: &str| {
        ini.get(section)
            .and_then(|section| section.get(key))
            .map_or("", String::as_str)
    };
    let Some(section) = ini.keys().find(|name| {
        name.strip_prefix("domain/")
            .is_some_and(|name| name.eq_ignore_ascii_case(domain))
    }) else {
        return Ok(None);
    };
    let listed = value("sssd", "domains")
        .split(',')
        .any(|name| name.trim().eq_ignore_ascii_case(domain));
    let on = match value(section, "enabled").to_ascii_lowercase().as_str() {
        "true" => true,
        "false" => false,
        _ => listed,
    };
    let mut missing = Vec::new();
    if !on {
        missing.push("it is not among the domains of [sssd]".to_owned());
    }
    if matches!(value(section, "id_provider"), "ad" | "ipa") {
        let realm = match value(section, "krb5_realm") {
            "" => domain.to_ascii_uppercase(),
            realm => realm.to_owned(),
        };
        let keytab = match value(section, "krb5_keytab") {
            "" => "/etc/krb5.keytab",
            path => path,
        };
        missing.extend(without_key(context, keytab, &realm)?);
    }
    missing.extend(without_service(context, "sss")?);
    Ok(Some(Join {
        by: "sssd",
        file: FILE.into(),
        missing,
    }))
}

/// smb.conf(5): a member of the realm, with the secret that joining leaves.
fn winbind(context: &Context<'_>, domain: &str) -> Result<Option<Join>, String> {
    const FILE: &str = "/etc/samba/smb.conf";
    let mut ini = Ini::new();
    let Some(text) = read(context, FILE)? else {
        return Ok(None);
    };
    parse(&text, &mut ini);
    let value = |key: &str| {
        ini.get("global")
            .and_then(|global| global.get(key))
            .map_or("", String::as_str)
    };
    if !value("security").eq_ignore_ascii_case("ads")
        || !value("realm").eq_ignore_ascii_case(domain)
    {
        return Ok(None);
    }
    let mut missing = Vec::new();
    let secrets = "/var/lib/samba/private/secrets.tdb";
    let there = context
        .root
        .resolve(secrets.as_bytes(), true)
        .is_ok_and(|found| found.handle.is_some());
    if !there {
        missing.push(format!("there is no {secrets}"));
    }
    missing.extend(without_service(context, "winbind")?);
    Ok(Some(Join {
        by: "winbind",
        file: FILE.into(),
        missing,
    }))
}

fn read(context: &Context<'_>, path: &str) -> Result<Option<String>, String> {
    match context.read(path) {
        Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// What is wrong with the keytab; a keytab names its realms in clear (MIT's keytab format).
fn without_key(context: &Context<'_>, path: &str, realm: &str) -> Result<Option<String>, String> {
    match context.read(path) {
        Ok(Some(bytes)) => {
            let found = memchr::memmem::find(&bytes, realm.as_bytes()).is_some();
            Ok((!found).then(|| format!("{path} holds no key of {realm}")))
        }
        Ok(None) => Ok(Some(format!("there is no {path}"))),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// Whether accounts are looked up there at all (nsswitch.conf(5)).
fn without_service(context: &Context<'_>, service: &str) -> Result<Option<String>, String> {
    let found = vendor::nsswitch(context.root, "passwd").map_err(|error| error.to_string())?;
    let (file, services) = found.unwrap_or_else(|| ("/etc/nsswitch.conf".to_owned(), Vec::new()));
    let asked = services.iter().any(|asked| asked == service);
    Ok((!asked).then(|| format!("passwd in {file} does not ask {service}")))
}

fn parse(text: &str, ini: &mut Ini) {
    let mut section = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.trim().to_ascii_lowercase().clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            ini.entry(section.clone())
                .or_default()
                .insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
}
