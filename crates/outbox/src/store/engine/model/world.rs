//! What there is to be found: paths in nested directories, settings, the instance.

use super::truth::{Name, Value};
use crate::event::{Digests, EventSource, StoredFinding};
use crate::store::Scope;
use agent_core::finding::{
    Check, FILE_CHECKS, FILES_ADDED, FILES_CHANGED, FILES_REMOVED, FILES_UNREADABLE, Finding, Form,
    Severity, Verdict,
};
use agent_core::host::Host;
use agent_core::region::Region;
use fastrand::Rng;

pub(super) fn source() -> EventSource {
    EventSource {
        host: Host {
            hostname: "ip-10-0-0-5".into(),
            machine_id: "0123456789abcdef0123456789abcdef".into(),
            boot_id: "3f1c0000-0000-4000-8000-000000000001".into(),
            os: "Amazon Linux 2023".into(),
            benchmarks: Default::default(),
            instance_id: "i-0123456789abcdef0".into(),
            cloud: None,
        },
        ip: "10.0.0.5".into(),
        digests: Digests::default(),
        checks: CHECKS.iter().collect(),
    }
}

/// Checks of two areas and of the instance.
static CHECKS: [Check; 6] = [
    check("sshd.one"),
    check("sshd.two"),
    check("kernel.one"),
    check("kernel.two"),
    check("instance.one"),
    check("instance.two"),
];

const fn check(id: &'static str) -> Check {
    Check {
        id,
        title: "A check of the model",
        demand: "nothing",
        why: "it is to be found",
        severity: Some(Severity::Medium),
        form: Form::Nothing,
        remedy: None,
        references: &["CIS 1.1"],
    }
}

/// Names of directories and files; some are the beginning of others.
const NAMES: [&str; 7] = ["a", "a-b", "b", "b.c", "etc", "home", "x"];
/// What makes the noise lies below it.
pub(super) const NOISE: &str = "/home/noise";

/// What can be found.
#[derive(Debug)]
pub(super) struct World {
    areas: Vec<&'static str>,
    random: Rng,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World {
            areas: vec!["sshd", "kernel"],
            random: Rng::with_seed(seed),
        }
    }

    fn path(&mut self) -> String {
        let depth = self.random.usize(0..5);
        let part = |_| NAMES[self.random.usize(0..NAMES.len())];
        let path = (0..depth).map(part).collect::<Vec<_>>().join("/");
        format!("/{path}")
    }

    pub(super) fn name(&mut self) -> Name {
        if self.random.u32(0..8) == 0 {
            let check = &CHECKS[self.random.usize(0..CHECKS.len())];
            let subject = check.id.split('.').next().unwrap_or_default();
            return (check.id, subject.into());
        }
        let check = match self.random.u32(0..20) {
            0 => &FILES_UNREADABLE,
            1..6 => &FILES_ADDED,
            6..9 => &FILES_REMOVED,
            _ => &FILES_CHANGED,
        };
        (check.id, self.path().into_bytes())
    }

    /// The path of noise with that number.
    pub(super) fn noise(number: usize) -> Name {
        let path = format!("{NOISE}/{}/{number}", number % 7);
        (FILES_ADDED.id, path.into_bytes())
    }

    pub(super) fn value(&mut self, name: &Name) -> Value {
        let severity = match self.random.u32(0..10) {
            0 => Severity::Critical,
            1..4 => Severity::High,
            4..7 => Severity::Medium,
            _ => Severity::Low,
        };
        let unknown = name.0 == FILES_UNREADABLE.id || self.random.u32(0..20) == 0;
        let verdict = match unknown {
            true => Verdict::Unknown,
            false => Verdict::Fail,
        };
        World::valued(name, verdict, severity, self.random.u32(0..4))
    }

    pub(super) fn valued(name: &Name, verdict: Verdict, severity: Severity, word: u32) -> Value {
        let mut value = Value {
            verdict,
            severity,
            word,
            fingerprint: [0; 16],
        };
        value.fingerprint = StoredFinding::new(&finding(name, Some(&value)), None).fingerprint();
        value
    }

    pub(super) fn scope(&mut self) -> Scope {
        match self.random.u32(0..10) {
            0 => Scope::Files,
            1 => Scope::Settings,
            2 => Scope::Area(self.areas[self.random.usize(0..self.areas.len())]),
            3 => Scope::Instance,
            4..7 => {
                let count = self.random.usize(1..5);
                let region = |_| Region {
                    path: self.path().into_bytes()[1..].to_vec(),
                    below: self.random.bool(),
                };
                Scope::Regions((0..count).map(region).collect())
            }
            _ => Scope::Path(self.path().into_bytes()),
        }
    }

    pub(super) fn directory(&mut self) -> Vec<u8> {
        self.path().into_bytes()[1..].to_vec()
    }
}

/// The finding that tells it. `None`: it holds.
pub(super) fn finding(name: &Name, value: Option<&Value>) -> Finding {
    let check = FILE_CHECKS
        .into_iter()
        .chain(&CHECKS)
        .find(|check| check.id == name.0);
    let check = check.expect("a known check");
    match value {
        Some(value) => {
            let message = format!("is v{}", value.word);
            Finding::new(check, value.verdict, value.severity, &*name.1, message)
        }
        None => Finding::new(check, Verdict::Pass, Severity::Low, &*name.1, "holds"),
    }
}
