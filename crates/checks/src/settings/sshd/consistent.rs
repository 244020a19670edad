//! What sshd checks once everything is read: values that do not go together.

use super::address;
use super::config::{Config, Location, Rejection};
use super::effective::Effective;

/// Refuses what sshd refuses then.
pub(super) fn check(config: &Config) -> Result<(), Rejection> {
    let global = Effective::global(config);
    let refuse = |reason: String, location: Option<&Location>| {
        let location = location.cloned().unwrap_or(Location {
            file: config.files.first().cloned().unwrap_or_default(),
            line: 1,
        });
        Err(Rejection::Refused { reason, location })
    };
    for (kind, user) in [
        ("authorizedkeyscommand", "authorizedkeyscommanduser"),
        (
            "authorizedprincipalscommand",
            "authorizedprincipalscommanduser",
        ),
    ] {
        if global.value(kind) != "none" && global.value(user) == "none" {
            return refuse(format!("{kind} set without {user}"), global.location(kind));
        }
    }
    if let Some(address) = of_another_family(config, &global) {
        return refuse(
            format!("bad addr or host: {address}: Address family for hostname not supported"),
            global.location("addressfamily"),
        );
    }
    if !satisfiable(&global) {
        let reason = "AuthenticationMethods cannot be satisfied by enabled authentication methods";
        return refuse(reason.into(), global.location("authenticationmethods"));
    }
    Ok(())
}

/// A ListenAddress that AddressFamily leaves no room for: getaddrinfo(3) finds nothing.
fn of_another_family<'a>(config: &'a Config, global: &Effective<'a>) -> Option<&'a str> {
    let wanted = match global.value("addressfamily") {
        "inet" => false,
        "inet6" => true,
        _ => return None,
    };
    let written = config.lines_of("listenaddress");
    written
        .filter_map(|directive| directive.values.first().map(String::as_str))
        .find(|value| {
            let host = match value.strip_prefix('[') {
                Some(inner) => inner.split(']').next(),
                None => value.rsplit_once(':').map(|(host, _)| host),
            };
            let address = host.and_then(address::numeric);
            address.is_some_and(|address| address.is_ipv6() != wanted)
        })
}

/// Whether one of the lists of AuthenticationMethods names methods alone that are on.
fn satisfiable(global: &Effective<'_>) -> bool {
    let methods = global.values("authenticationmethods");
    let enabled = |method: &str| {
        let keyword = match method.split(':').next().unwrap_or_default() {
            // Always there; it opens accounts with an empty password where these are permitted.
            "none" => return true,
            "publickey" => "pubkeyauthentication",
            "password" => "passwordauthentication",
            "keyboard-interactive" => "kbdinteractiveauthentication",
            "hostbased" => "hostbasedauthentication",
            "gssapi-with-mic" => "gssapiauthentication",
            _ => "gssapikeyexchange",
        };
        global.value(keyword) == "yes"
    };
    methods == ["any"] || methods.iter().any(|list| list.split(',').all(enabled))
}
