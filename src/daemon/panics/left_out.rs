//! What jobs leave out at present, and the findings that say so.

use crate::assess::selected::Selected;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::quarantine::Quarantine;
use agent_baseline::profile::Profile;
use agent_checks::instance;
use agent_checks::settings;
use agent_core::config::{self, Attribution};
use agent_core::finding::{Check, Finding, Severity, Verdict};
use agent_core::task::Job;
use agent_scan::files::aside::Aside;
use agent_scan::watch::ATTRIBUTION;

/// What jobs leave out, as it was when one of them began.
#[derive(Clone, Debug, Default)]
pub(in crate::daemon) struct LeftOut {
    pub(in crate::daemon) files: Aside,
    /// Parts of jobs; an empty name is the whole job.
    parts: Vec<(Job, Vec<u8>)>,
}

impl LeftOut {
    pub(in crate::daemon) fn of(quarantine: &Quarantine) -> LeftOut {
        let held = quarantine.aside().map(|held| &held.subject);
        let (paths, parts): (Vec<_>, Vec<_>) = held.partition(|subject| subject.is_path());
        let paths = paths.into_iter().map(|subject| subject.name.clone());
        LeftOut {
            files: Aside::new(paths, quarantine.alone()),
            parts: parts
                .into_iter()
                .map(|subject| (subject.job, subject.name.clone()))
                .collect(),
        }
    }

    /// Whether that part of a job is left out; of a job that has none, an empty name.
    pub(in crate::daemon) fn has(&self, job: Job, part: &str) -> bool {
        let part = part.as_bytes();
        self.parts.iter().any(|(j, name)| *j == job && name == part)
    }

    /// What of a kind of job is judged, area by area, where it is not judged as a whole. `None`: nothing is left out.
    pub(in crate::daemon) fn judged_areas(&self, kind: JobKind) -> Option<Vec<&'static str>> {
        match kind {
            JobKind::Instance => self.has(Job::Instance, "").then(Vec::new),
            JobKind::Settings => {
                let names = settings::AREAS.iter().map(|area| area.name);
                let (out, judged): (Vec<_>, Vec<_>) =
                    names.partition(|area| self.has(Job::Settings, area));
                (!out.is_empty()).then_some(judged)
            }
            _ => None,
        }
    }

    /// How to watch; the error says why nothing is watched.
    pub(in crate::daemon) fn watch(&self, config: &config::Watch) -> Result<config::Watch, String> {
        if self.has(Job::Watch, "") {
            return Err("watching brought the agent to its end again and again".into());
        }
        let mut watch = config.clone();
        if self.has(Job::Watch, ATTRIBUTION) {
            watch.attribution = Attribution::Off;
        }
        Ok(watch)
    }

    /// Areas of settings that are judged, and what is to be told of the others.
    pub(in crate::daemon) fn settings(
        &self,
        profile: &Profile,
        selected: &Selected,
    ) -> (Selected, Vec<Finding>) {
        let mut judged = selected.clone();
        let mut findings = Vec::new();
        for area in &settings::AREAS {
            if self.has(Job::Settings, area.name) {
                findings.extend(not_judged(area.name, area.checks, profile, selected));
                judged = judged.without(area.checks);
            }
        }
        (judged, findings)
    }

    /// What is to be told of an instance that is left out; nothing if it is judged.
    pub(in crate::daemon) fn instance(
        &self,
        profile: &Profile,
        selected: &Selected,
    ) -> Option<Option<Finding>> {
        self.has(Job::Instance, "")
            .then(|| not_judged("instance", &instance::CHECKS, profile, selected))
    }
}

/// That none of the checks was judged, under the worst of them; nothing where none is wanted.
fn not_judged(
    name: &str,
    checks: &[&'static Check],
    profile: &Profile,
    selected: &Selected,
) -> Option<Finding> {
    let severity = |check: &Check| {
        let set = profile.settings.checks.get(check.id);
        let severity = set.and_then(|set| set.severity).or(check.severity);
        severity.unwrap_or(Severity::Medium)
    };
    let wanted = || checks.iter().filter(|check| selected.has(check.id));
    let worst = wanted().max_by_key(|check| severity(check))?;
    let message = format!(
        "judging it brought the agent to its end again and again: for a while none of the {} checks of {name} is judged",
        wanted().count()
    );
    // Another subject than that of any check: what was found of those stands.
    let subject = format!("{name}.*");
    let finding = Finding::new(worst, Verdict::Unknown, severity(worst), subject, message);
    Some(finding.remediation(
        "look at it by other means; report the fault with the agent's last messages in the journal",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_baseline::profile::load;

    #[test]
    fn an_area_is_unknown_at_its_worst_and_the_others_are_judged() {
        let profile = load::named("default").expect("shipped");
        let selected = Selected::all(&profile);
        let left_out = LeftOut {
            parts: vec![(Job::Settings, b"sshd".to_vec())],
            ..LeftOut::default()
        };
        let (judged, findings) = left_out.settings(&profile, &selected);
        let [finding] = &findings[..] else {
            panic!("{findings:?}");
        };
        assert_eq!(
            (finding.verdict, &finding.subject[..]),
            (Verdict::Unknown, &b"sshd.*"[..])
        );
        let area = settings::AREAS.iter().find(|area| area.name == "sshd");
        let severities = area
            .expect("there")
            .checks
            .iter()
            .filter_map(|c| c.severity);
        assert_eq!(Some(finding.severity), severities.max());
        assert!(!judged.any_of("sshd.") && judged.any_of("kernel."));
        assert!(left_out.instance(&profile, &selected).is_none());
    }
}
