//! Eye 2: sshd and local settings. Each area is a table of checks and one function that judges them.
//!
//! Findings come in the order of the tables, whatever their verdict; what an area needs to know of the
//! tree it reads through [`Context`], below the root, once.

pub mod accounts;
pub mod boot;
mod budget;
pub mod console;
pub mod context;
pub mod credentials;
mod drop_ins;
mod ini;
pub mod kernel;
pub mod logging;
mod manifest;
pub mod network;
mod nss;
pub mod packages;
pub mod processes;
pub mod sshd;
pub mod systemd;
mod table;
#[cfg(test)]
mod testing;
pub mod userdb;
pub mod users;
pub mod vendor;

use agent_core::escape;
use agent_core::finding::{Check, Finding, Verdict};
use agent_core::os::trail::{self, Cut};
use agent_core::task;
use context::Context;

/// One subject of settings: its checks, and how they are judged.
pub struct Area {
    /// What its ids begin with, as `sshd`.
    pub name: &'static str,
    /// Its checks, in the order of `profile show`.
    pub checks: &'static [&'static Check],
    /// Judges those that the context wants, and hands each finding on.
    pub look: fn(&Context<'_>, &mut dyn FnMut(Finding)),
}

/// All areas, in the order in which they are judged.
pub static AREAS: [Area; 9] = [
    Area {
        name: "sshd",
        checks: &sshd::CHECKS,
        look: sshd::look,
    },
    Area {
        name: "accounts",
        checks: &accounts::CHECKS,
        look: accounts::look,
    },
    Area {
        name: "console",
        checks: &console::CHECKS,
        look: console::look,
    },
    Area {
        name: "credentials",
        checks: &credentials::CHECKS,
        look: credentials::look,
    },
    Area {
        name: "network",
        checks: &network::CHECKS,
        look: network::look,
    },
    Area {
        name: "logging",
        checks: &logging::CHECKS,
        look: logging::look,
    },
    Area {
        name: "kernel",
        checks: &kernel::CHECKS,
        look: kernel::look,
    },
    Area {
        name: "packages",
        checks: &packages::CHECKS,
        look: packages::look,
    },
    Area {
        name: "processes",
        checks: &processes::CHECKS,
        look: processes::look,
    },
];

/// The areas of which something is wanted.
pub fn wanted(wants: impl Fn(&Check) -> bool) -> Vec<&'static Area> {
    let areas = AREAS.iter();
    areas
        .filter(|area| area.checks.iter().any(|check| wants(check)))
        .collect()
}

impl Area {
    /// Judges what the context wants of it. Where a file was too large to be read, nothing passes on the strength of
    /// the rest, whether the reader of the file told it or not.
    pub fn judge(&self, context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
        task::at_part(self.name);
        trail::take_cut();
        (self.look)(context, &mut |finding| {
            let cut = trail::take_cut();
            if context.wants(finding.check) {
                emit(match cut.first() {
                    Some(cut) => without(finding, cut),
                    None => finding,
                });
            }
        });
    }
}

/// The finding as it is without the file: a verdict that tells of nothing wrong may lack what is in there.
pub(crate) fn without(mut finding: Finding, cut: &Cut) -> Finding {
    let is_told = match finding.verdict {
        Verdict::Fail => true,
        Verdict::Unknown => finding.location.is_some(),
        Verdict::Pass | Verdict::NotApplicable => false,
    };
    if is_told {
        return finding;
    }
    let path = format!(
        "/{}",
        escape::terminal_text(&String::from_utf8_lossy(&cut.path))
    );
    finding.verdict = Verdict::Unknown;
    finding.message = format!(
        "{path} is larger than {} bytes and was not read; without it: {}",
        cut.limit, finding.message
    );
    finding
        .location(path)
        .remediation("look through the file by hand, and make it smaller")
}
