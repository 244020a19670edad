//! Network file systems, and whether what they carry can be read on its way.

use super::checks::ENCRYPTED_MOUNTS;
use crate::settings::context::Context;
use crate::settings::systemd;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::BTreeSet;

/// One mount: there now, or written down.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    source: String,
    point: String,
    kind: String,
    options: String,
    /// Where it is known from.
    location: String,
}

/// Judges the check, one finding a mount.
pub(super) fn judge(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let mut mounts = Vec::new();
    let mut trouble = None;
    let mut tables = vec!["etc/fstab"];
    if context.live() {
        // What is mounted now comes first: it is what carries files.
        tables.insert(0, "proc/self/mounts");
    }
    for table in tables {
        match context.read(table) {
            Ok(Some(text)) => mounts.extend(parse(&String::from_utf8_lossy(&text), table)),
            Ok(None) => {}
            Err(error) => trouble = Some(format!("/{table}: {error}")),
        }
    }
    mounts.extend(units(context));
    mounts.retain(|mount| is_network(&mount.kind));
    let allowed = context.demanded_texts(&ENCRYPTED_MOUNTS);
    let mut told = BTreeSet::new();
    for mount in &mounts {
        if allowed.contains(&mount.point.as_str()) {
            continue;
        }
        let observed = json!({
            "source": mount.source, "type": mount.kind, "options": mount.options,
        });
        let (verdict, message) = match protection(mount) {
            Some(how) => (
                Verdict::Pass,
                format!("{} is encrypted on its way: {how}", mount.kind),
            ),
            None => (
                Verdict::Fail,
                format!(
                    "{} from {} goes over the network in the clear",
                    mount.kind, mount.source
                ),
            ),
        };
        // Mounted and written down alike is one thing to tell.
        if !told.insert((mount.point.clone(), verdict.name())) {
            continue;
        }
        let finding = context
            .finding(&ENCRYPTED_MOUNTS, verdict, mount.point.as_bytes(), message)
            .evidence(json!({ "encrypted": true }), observed)
            .location(mount.location.clone());
        emit(match verdict {
            Verdict::Fail => finding.remediation(mend(&mount.kind)),
            _ => finding,
        });
    }
    if let Some(why) = trouble {
        emit(context.finding(&ENCRYPTED_MOUNTS, Verdict::Unknown, "mounts", why));
    } else if told.is_empty() {
        let message = match mounts.is_empty() {
            true => "there is no network file system",
            false => "the profile lets every network file system be",
        };
        emit(context.finding(&ENCRYPTED_MOUNTS, Verdict::NotApplicable, "mounts", message));
    }
}

fn is_network(kind: &str) -> bool {
    matches!(kind, "nfs" | "nfs4" | "efs" | "cifs" | "smb3" | "smbfs")
}

/// Rows of fstab(5) and of /proc/self/mounts, which has its form.
fn parse<'a>(text: &'a str, file: &'a str) -> impl Iterator<Item = Mount> + 'a {
    (1_usize..)
        .zip(text.lines())
        .filter_map(move |(number, line)| {
            let line = line.trim();
            let mut fields = line.split_whitespace();
            if line.starts_with('#') {
                return None;
            }
            let (source, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
            Some(Mount {
                source: unescape(source),
                point: unescape(point),
                kind: kind.to_owned(),
                options: fields.next().unwrap_or("defaults").to_owned(),
                location: match file.starts_with("proc/") {
                    true => format!("/{file}"),
                    false => format!("/{file}:{number}"),
                },
            })
        })
}

/// Blanks and backslashes stand as `\ooo` (fstab(5)).
fn unescape(field: &str) -> String {
    let mut out = String::new();
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let digits = tail
            .get(1..4)
            .and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match digits {
            Some(byte) if byte.is_ascii() => {
                out.push(char::from(byte));
                rest = &tail[4..];
            }
            _ => {
                out.push('\\');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Units of the kind `.mount` that somebody wrote; those made of fstab lie in /run and say the same.
fn units(context: &Context<'_>) -> Vec<Mount> {
    let root = context.root;
    let mut found = Vec::new();
    for unit in systemd::of_kind(root, ".mount") {
        let last = |key: &str| context.units().values(root, &unit, "Mount", key).pop();
        let Some(kind) = last("Type") else { continue };
        if let (true, Some(source), Some(point)) =
            (is_network(&kind.value), last("What"), last("Where"))
        {
            found.push(Mount {
                source: source.value,
                point: point.value,
                kind: kind.value,
                options: last("Options").map_or_else(String::new, |setting| setting.value),
                location: source.location,
            });
        }
    }
    found
}

/// What keeps others from reading along.
fn protection(mount: &Mount) -> Option<String> {
    let options = || mount.options.split(',').map(str::trim);
    let has = |wanted: &str| options().any(|option| option == wanted);
    match mount.kind.as_str() {
        "cifs" | "smb3" | "smbfs" => has("seal").then(|| "seal".into()),
        // mount.efs(8) puts a tunnel with TLS on loopback.
        "efs" => has("tls").then(|| "tls".into()),
        _ => {
            if let Some(option) = ["xprtsec=tls", "xprtsec=mtls", "sec=krb5p"]
                .into_iter()
                .find(|option| has(option))
            {
                return Some(option.into());
            }
            let host = mount.source.rsplit_once(":/").map_or("", |(host, _)| host);
            let address = options().find_map(|option| option.strip_prefix("addr="));
            // A name that merely begins like an address is somebody else's.
            let local = |host: &str| {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                let address: Option<std::net::IpAddr> = bare.parse().ok();
                bare == "localhost" || address.is_some_and(|address| address.is_loopback())
            };
            (local(host) && address.is_none_or(local)).then(|| "a tunnel on loopback".into())
        }
    }
}

fn mend(kind: &str) -> &'static str {
    match kind {
        "efs" => "add tls to the options: mount -t efs -o tls",
        "cifs" | "smb3" | "smbfs" => "add seal to the options",
        _ => {
            "for EFS use mount -t efs -o tls (amazon-efs-utils); for others xprtsec=tls (Linux 6.5, tlshd) or sec=krb5p"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_protects() {
        for (line, expected) in [
            ("fs-1:/ /m efs _netdev,tls,iam 0 0", true),
            ("fs-1:/ /m efs _netdev 0 0", false),
            ("fs-1:/ /m efs notls 0 0", false),
            ("127.0.0.1:/ /m nfs4 rw,port=20049,addr=127.0.0.1", true),
            ("127.0.0.1:/ /m nfs4 rw,addr=10.0.0.1", false),
            ("10.0.0.1:/x /m nfs4 rw,sec=sys,addr=10.0.0.1", false),
            ("10.0.0.1:/x /m nfs rw,sec=krb5", false),
            ("10.0.0.1:/x /m nfs rw,sec=krb5p", true),
            ("10.0.0.1:/x /m nfs xprtsec=mtls", true),
            ("127.evil.example:/x /m nfs defaults", false),
            ("//h/s /m cifs seal,vers=3", true),
            ("//h/s /m cifs vers=3", false),
            ("[::1]:/ /m nfs rw", true),
        ] {
            let mount = parse(line, "etc/fstab").next().expect(line);
            assert_eq!(protection(&mount).is_some(), expected, "{line}");
        }
        assert_eq!(unescape("/a\\040b\\134\\9"), "/a b\\\\9");
    }
}
