//! Targets that /etc/hosts sends home (hosts(5)): what goes to a name that stands there for this host's loopback has not
//! left it.

use super::targets::{files, is_elsewhere};
use crate::settings::context::Context;

/// Names of this host by /etc/hosts, each with its line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Home {
    names: Vec<(String, String)>,
}

impl Home {
    /// As the file has them; none where it cannot be read, and then names are asked of a server.
    pub(super) fn read(context: &Context<'_>) -> Home {
        let mut home = Home::default();
        for (path, text) in files(context, &["/etc/hosts"]).unwrap_or_default() {
            home.add(&path, &text);
        }
        home
    }

    /// Where it says that a target is this host; `target` is what a shipper sends to, in words.
    pub(super) fn takes(&self, target: &str) -> Option<&str> {
        let target = target.to_ascii_lowercase();
        let behind = target.split_once("://").map_or(&*target, |(_, rest)| rest);
        let host = behind.split(['/', ':', ';']).next().unwrap_or_default();
        let is_target = |name: &str| match &*target {
            target if target.contains("cloudwatch") => is_logs_service(name),
            _ => name == host.trim_end_matches('.'),
        };
        let found = self.names.iter().find(|(name, _)| is_target(name));
        found.map(|(_, place)| place.as_str())
    }

    fn add(&mut self, path: &str, text: &str) {
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            if words.next().is_none_or(is_elsewhere) {
                continue;
            }
            let names = words.map(str::to_ascii_lowercase);
            let place = format!("{path}:{number}");
            self.names
                .extend(names.map(|name| (name.trim_end_matches('.').to_owned(), place.clone())));
        }
    }
}

/// Endpoints of CloudWatch Logs, as AWS names them ("Amazon CloudWatch Logs endpoints and quotas"): `logs.REGION.…`, with
/// FIPS `logs-fips.REGION.…`.
fn is_logs_service(name: &str) -> bool {
    let rest = name
        .strip_prefix("logs.")
        .or_else(|| name.strip_prefix("logs-fips."));
    rest.is_some_and(|rest| {
        rest.ends_with(".amazonaws.com")
            || rest.ends_with(".amazonaws.com.cn")
            || rest.ends_with(".api.aws")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_host() {
        let mut home = Home::default();
        home.add(
            "/etc/hosts",
            "127.0.0.1 localhost\n10.0.0.1 siem.example\n127.0.1.1 ip-10-0-0-1 Central.example. # x.example\n\
             0.0.0.0 logs.eu-west-1.amazonaws.com\n",
        );
        for (target, line) in [
            ("central.EXAMPLE:514", Some("/etc/hosts:3")),
            ("https://central.example:6514/x", Some("/etc/hosts:3")),
            ("siem.example", None),
            ("x.example", None),
            ("CloudWatch Logs", Some("/etc/hosts:4")),
            ("aws_cloudwatch_logs", Some("/etc/hosts:4")),
        ] {
            assert_eq!(home.takes(target), line, "{target}");
        }
    }
}
