//! `credentials.ami_residue`: what the making of an image left in it, told from what this instance made itself by
//! the time of its first boot.

use super::homes::homes;
use super::launch::{self, Launches};
use super::{AMI_RESIDUE, Gap, conclude, logins};
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::escape::terminal_text;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::root::Root;
use serde_json::json;
use std::io::{self, Read};

/// A boot takes a while, and cloud-init is not the first to run: what is this much older is not of this boot.
const SLACK: i64 = 600;
const HISTORIES: [&str; 10] = [
    ".bash_history",
    ".zsh_history",
    ".sh_history",
    ".ash_history",
    ".python_history",
    ".mysql_history",
    ".psql_history",
    ".rediscli_history",
    ".lesshst",
    ".viminfo",
];
/// Logs of logins and boots; of an image none should be left.
const LOGS: [&str; 10] = [
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/auth.log",
    "/var/log/secure",
    "/var/log/messages",
    "/var/log/syslog",
    "/var/log/cloud-init.log",
    "/var/log/cloud-init-output.log",
    "/var/log/audit/audit.log",
];
const MACHINE_ID: &str = "/etc/machine-id";
const SEED: &str = "/var/lib/systemd/random-seed";
/// Made once for each machine; shared, they name many machines as one, or open what one of them has encrypted.
const SECRETS: [(&str, &str); 5] = [
    (
        "/var/lib/systemd/credential.secret",
        "the key that encrypts credentials (systemd-creds(1))",
    ),
    (
        "/var/lib/NetworkManager/secret_key",
        "the key that addresses and identifiers are made from (NetworkManager(8))",
    ),
    (
        "/var/lib/amazon/ssm/Vault/Store/RegistrationKey",
        "a registration of the SSM agent",
    ),
    (
        "/var/lib/snapd/device/private-keys-v1",
        "the key that snapd registers the device with",
    ),
    (
        "/var/lib/systemd/home/local.private",
        "the key that signs accounts of systemd-homed",
    ),
];

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let launches = match launch::read(context.root) {
        Ok(launches) => launches,
        Err(error) => {
            let gap = Gap {
                place: "/var/lib/cloud/instances".into(),
                why: error.to_string(),
            };
            return conclude(context, &AMI_RESIDUE, false, &[gap], String::new(), emit);
        }
    };
    let demanded = context.demanded_text(&AMI_RESIDUE, "instance");
    // A tree that was never launched is an image.
    let bare = launches == Launches::default();
    let launched = match (&launches.present, demanded) {
        (Some((_, at)), "instance") => Some(*at),
        _ if demanded == "image" || !context.live() && launches.present.is_none() => None,
        _ => {
            let message = match bare {
                true => "nothing tells when this host was launched: cloud-init is not used",
                false => {
                    "nothing tells when this host was launched: cloud-init has no present instance"
                }
            };
            return emit(context.finding(
                &AMI_RESIDUE,
                Verdict::NotApplicable,
                "credentials",
                message,
            ));
        }
    };
    let mut gaps = Vec::new();
    let mut residue = Residue {
        context,
        launched,
        found: false,
        emit,
    };
    residue.instances(&launches);
    residue.host_keys(&mut gaps);
    residue.homes(&mut gaps);
    residue.machine();
    residue.logs(&mut gaps);
    let found = residue.found;
    let pass = match launched {
        Some(_) => "nothing on the instance is older than its launch that should be its own",
        None => "nothing is left in the image that each instance should make for itself",
    };
    conclude(context, &AMI_RESIDUE, found, &gaps, pass.to_owned(), emit);
}

/// Whether a time lies before a boot. That of a file may be any number of seconds.
fn precedes(at: i64, boot: i64) -> bool {
    at < boot.saturating_sub(SLACK)
}

struct Residue<'a, 'b> {
    context: &'a Context<'b>,
    /// When the instance had its first boot; `None` for an image.
    launched: Option<i64>,
    found: bool,
    emit: &'a mut dyn FnMut(Finding),
}

impl<'b> Residue<'_, 'b> {
    fn root(&self) -> &'b Root {
        self.context.root
    }

    /// Whether a time lies before the launch; for an image whatever is there does.
    fn before(&self, at: i64) -> bool {
        self.launched.is_none_or(|launched| precedes(at, launched))
    }

    fn is_old(&self, path: &str) -> bool {
        launch::modified(self.root(), path).is_some_and(|at| self.before(at))
    }

    fn tell(&mut self, subject: &str, what: &str, remedy: String) {
        self.found = true;
        let message = match self.launched {
            Some(_) => format!("{what}, older than the launch of this instance"),
            None => format!("{what} in an image"),
        };
        let launched = self.launched.map(|at| {
            agent_core::finding::rfc3339(agent_core::attributes::Timestamp {
                seconds: at,
                nanoseconds: 0,
            })
        });
        let finding = self
            .context
            .finding(&AMI_RESIDUE, Verdict::Fail, subject, message)
            .evidence(json!({ "launched": launched }), json!({ "left": what }))
            .remediation(remedy);
        (self.emit)(finding);
    }

    fn instances(&mut self, launches: &Launches) {
        let mut ids: Vec<&String> = launches.others.iter().collect();
        if self.launched.is_none() {
            ids.extend(launches.present.iter().map(|(id, _)| id));
        }
        for id in ids {
            self.found = true;
            let path = format!("/var/lib/cloud/instances/{id}");
            let finding = self
                .context
                .finding(
                    &AMI_RESIDUE,
                    Verdict::Fail,
                    path.as_str(),
                    "data of another instance, which the image was made from",
                )
                .evidence(json!({ "instances": [] }), json!({ "instances": [id] }))
                .remediation(
                    "cloud-init clean before the image is made; here: remove the directory",
                );
            (self.emit)(finding);
        }
    }

    fn host_keys(&mut self, gaps: &mut Vec<Gap>) {
        let names = match self.root().list(b"etc/ssh") {
            Ok(names) => names,
            Err(error) => {
                return gaps.push(Gap {
                    place: "/etc/ssh".into(),
                    why: error.to_string(),
                });
            }
        };
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name);
            let path = format!("/etc/ssh/{name}");
            if name.starts_with("ssh_host_") && name.ends_with("_key") && self.is_old(&path) {
                let remedy = format!("remove {path}*, then: ssh-keygen -A");
                self.tell(&path, "a host key", remedy);
            }
        }
    }

    /// Keys that let in, and histories.
    fn homes(&mut self, gaps: &mut Vec<Gap>) {
        for home in homes(self.context, gaps) {
            if !home.of_people {
                continue;
            }
            for name in [".ssh/authorized_keys", ".ssh/authorized_keys2"] {
                let path = format!("{}/{name}", home.path);
                if self.is_old(&path) {
                    self.tell(&path, "an authorized key", format!("remove {path}"));
                }
            }
            for name in HISTORIES {
                let path = format!("{}/{name}", home.path);
                let old = self.is_old(&path)
                    || self.remembers(&path).unwrap_or_else(|error| {
                        let (place, why) = (terminal_text(&path).into_owned(), error.to_string());
                        gaps.push(Gap { place, why });
                        false
                    });
                if old {
                    self.tell(&path, "a history of commands", format!("remove {path}"));
                }
            }
        }
    }

    /// Whether a history notes a command before the launch: `#SECONDS` as bash writes it, `: SECONDS:` as zsh.
    fn remembers(&self, path: &str) -> io::Result<bool> {
        // A link to /dev/null, or a home that is none, has no history.
        let Ok(Some(file)) = self.root().open_file(path.as_bytes()) else {
            return Ok(false);
        };
        remembered(file, |at| self.before(at))
    }

    fn machine(&mut self) {
        let id = self
            .root()
            .read(MACHINE_ID.as_bytes(), bounds::SHORT_FILE)
            .ok()
            .flatten();
        let set = id.is_some_and(|id| {
            let id = id.trim_ascii();
            !id.is_empty() && id != b"uninitialized"
        });
        if set && self.is_old(MACHINE_ID) {
            let remedy = "before the image is made: echo uninitialized > /etc/machine-id";
            self.tell(MACHINE_ID, "a machine-id", remedy.to_owned());
        }
        for (path, what) in SECRETS {
            if self.is_old(path) {
                self.tell(
                    path,
                    what,
                    format!("remove {path} before the image is made"),
                );
            }
        }
        if self.launched.is_none() && self.is_old(SEED) {
            let what = "a seed for random numbers that every instance would start with";
            self.tell(SEED, what, format!("remove {SEED}"));
        }
    }

    fn logs(&mut self, gaps: &mut Vec<Gap>) {
        let mut left: Vec<String> = Vec::new();
        match self.launched {
            // A log that goes on says nothing by its time; the first login in wtmp, and a journal of another
            // machine, do.
            Some(_) => {
                if self.first_login().is_some_and(|at| self.before(at)) {
                    left.push("/var/log/wtmp".into());
                }
            }
            None => left.extend(
                LOGS.into_iter()
                    .filter(|path| self.is_old(path))
                    .map(str::to_owned),
            ),
        }
        let logins = logins::earliest(self.root(), gaps).into_iter();
        left.extend(
            logins
                .filter(|(_, at)| self.before(*at))
                .map(|(path, _)| path.to_owned()),
        );
        let own = self
            .root()
            .read(MACHINE_ID.as_bytes(), bounds::SHORT_FILE)
            .ok()
            .flatten();
        let own = String::from_utf8_lossy(&own.unwrap_or_default())
            .trim()
            .to_owned();
        match self.root().list(b"var/log/journal") {
            Ok(names) => {
                for (name, _) in names.iter().flat_map(|names| names.iter()) {
                    let name = String::from_utf8_lossy(name);
                    // Namespaces have journals of their own, MACHINE.NAMESPACE; what others sent lies in `remote`.
                    let id = name.split('.').next().unwrap_or_default();
                    let a_machine = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
                    let sent = name == "remote" && self.launched.is_none();
                    if sent || a_machine && (self.launched.is_none() || id != own) {
                        left.push(format!("/var/log/journal/{name}"));
                    }
                }
            }
            Err(error) => gaps.push(Gap {
                place: "/var/log/journal".into(),
                why: error.to_string(),
            }),
        }
        if !left.is_empty() {
            let what = format!("logs of the build ({})", left.join(", "));
            let remedy = "cloud-init clean --logs, and remove them, before the image is made";
            self.tell("/var/log", &what, remedy.to_owned());
        }
    }

    /// When the first record of wtmp(5) was written; its records have 384 bytes, the seconds at 340.
    fn first_login(&self) -> Option<i64> {
        const RECORD: u64 = 384;
        let file = self.root().open_file(b"var/log/wtmp").ok()??;
        let mut record = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(file, RECORD), &mut record).ok()?;
        let seconds = record.get(340..344)?.first_chunk().copied()?;
        Some(u32::from_ne_bytes(seconds).into())
    }
}

/// Whether one of the times that a history notes is such; an error where it is too long to be told.
fn remembered(file: impl Read, before: impl Fn(i64) -> bool) -> io::Result<bool> {
    let mut bytes = Vec::new();
    file.take(bounds::HISTORY + 1).read_to_end(&mut bytes)?;
    let is_cut = bytes.len() as u64 > bounds::HISTORY;
    let found = bytes.split(|byte| *byte == b'\n').any(|line| {
        let rest = line
            .strip_prefix(b"#")
            .or_else(|| line.strip_prefix(b": "))
            .unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Ten digits: from 2001 to 2286.
        digits == 10
            && matches!(rest.get(10), None | Some(b':' | b'\r'))
            && std::str::from_utf8(bytes::first(rest, 10))
                .ok()
                .and_then(|text| text.parse().ok())
                .is_some_and(&before)
    });
    match is_cut && !found {
        true => Err(io::Error::other("longer than is looked at")),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_much_older_than_the_boot_precedes_it() {
        assert!(precedes(399, 1_000) && !precedes(400, 1_000));
        assert!(precedes(i64::MIN, 0) && !precedes(0, i64::MIN));
    }

    #[test]
    fn a_history_longer_than_any_is_told_unless_it_has_what_is_looked_for() {
        let remembered = |start: &'static str| {
            let rest = io::repeat(b'x').take(bounds::HISTORY);
            remembered(start.as_bytes().chain(rest), |at| at < 1_700_000_000)
        };
        assert!(remembered("#1600000000\nls\n").is_ok_and(|found| found));
        assert!(remembered("#1800000000\nls\n").is_err());
        let short = "#1800000000\nls\n".as_bytes();
        assert!(super::remembered(short, |at| at < 1_700_000_000).is_ok_and(|found| !found));
    }
}
