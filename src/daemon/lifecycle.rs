//! The steps of a run that the log side is told: what verdicts rest on, what opening the store came upon, what the
//! first boot changed, and which host this is.

use crate::assess::tree::LAUNCH;
use crate::daemon::accepted;
use crate::daemon::action::Action;
use crate::daemon::baseline::{ActiveBaseline, one_line};
use crate::daemon::clock::Now;
use crate::daemon::jobs::evidence;
use crate::daemon::jobs::launch_record::{self, WrittenRecord};
use crate::daemon::message::{self, Message};
use crate::daemon::run_record::Launch;
use crate::daemon::state::Daemon;
use crate::daemon::states::first_boot::FirstBoot;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use crate::daemon::states::unusable_manifest;
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::host::Host;
use agent_core::os::host;
use agent_outbox::event::Lifecycle;
use agent_outbox::event::replaced::{ManifestMark, ManifestReplaced};
use agent_outbox::store::OpenOutcome;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What verdicts on files rest on from now on.
pub(in crate::daemon) fn set_baseline(
    daemon: &mut Daemon,
    baseline: Arc<ActiveBaseline>,
    now: Now,
) {
    let former = daemon.baseline.active.replace(baseline.clone());
    let first = former.is_none();
    let replaced = replaced(daemon, former.as_deref(), &baseline, now);
    daemon.refresh_origin(now);
    if first {
        // The first event of a start names what verdicts rest on.
        let mut actions = vec![Action::Tell(Lifecycle::Started {
            first_of_boot: daemon.records.first_of_boot(),
            message: match daemon.sinks.endpoint() {
                Some(endpoint) => format!(
                    "{}; events go to {endpoint}",
                    daemon.records.start_message()
                ),
                None => daemon.records.start_message().into(),
            },
        })];
        actions.extend(daemon.panics.tell());
        daemon.perform(actions, now);
    }
    daemon.perform(replaced, now);
    let actions = daemon.panics.passed_baseline(now.wall);
    daemon.perform(actions, now);
    judge_manifest(daemon, &baseline, now);
    judge_first_boot(daemon, &baseline, now);
    judge_record(daemon, &baseline, now);
    accepted::judge(daemon, &baseline, now);
    // What lies in apt's cache already, by the keys of this baseline.
    evidence::take_in(daemon);
    watch(daemon, &baseline, now);
    if first {
        let kinds = [
            JobKind::Settings,
            JobKind::Instance,
            JobKind::Critical,
            JobKind::FullScan,
        ];
        daemon.perform(kinds.map(Action::Want).into(), now);
    }
    daemon.status.stale = true;
}

/// Takes note of the manifest; what there is to tell where it is another one than before, in this run or the last.
fn replaced(
    daemon: &mut Daemon,
    former: Option<&ActiveBaseline>,
    baseline: &ActiveBaseline,
    now: Now,
) -> Vec<Action> {
    let (sha256, signer) = baseline.manifest();
    let before = &daemon.records.current.manifest;
    if sha256.is_empty() || sha256 == *before {
        return Vec::new();
    }
    let former = former.map(ActiveBaseline::manifest);
    let before = ManifestMark {
        signer: former
            .filter(|(former, _)| former == before)
            .map_or_else(String::new, |(_, signer)| signer),
        sha256: before.clone(),
    };
    daemon.records.current.manifest.clone_from(&sha256);
    daemon.perform(vec![Action::SaveRecord], now);
    if before.sha256.is_empty() {
        return Vec::new();
    }
    let path = &daemon.setup.config.manifest;
    let written = path.strip_prefix("/").unwrap_or(path);
    let actor = (daemon.watch).actor(written.as_os_str().as_bytes(), UNIX_EPOCH);
    let news = ManifestReplaced {
        path: path.display().to_string(),
        before,
        after: ManifestMark { sha256, signer },
        actor: actor.map(Arc::unwrap_or_clone),
    };
    let told = format!(
        "the manifest was replaced: {} is what files are judged by from now on",
        news.after.sha256
    );
    vec![
        Action::Warn(told),
        Action::Tell(Lifecycle::ManifestReplaced(Box::new(news))),
        // What it makes vanish is told with its digest, and what it brings is found at once.
        Action::OutdateJobs,
        Action::ScanNow,
    ]
}

/// Tells what there is to tell of a manifest that cannot be used, or can be used again.
fn judge_manifest(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    let (actions, told) = unusable_manifest::judge(
        baseline.problem.as_ref(),
        daemon.problems.get(Problem::Manifest),
        daemon.records.current.unusable,
        &daemon.setup.config.manifest,
        now.wall,
    );
    daemon.records.current.unusable = told;
    daemon.perform(actions, now);
}

/// Watches what the baseline covers.
fn watch(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    let messages = daemon.jobs.outlets().messages.clone();
    let emit = move |generation, notice| {
        message::send(&messages, Message::Notice(generation, notice));
    };
    let generation = daemon.watch.generation();
    match daemon.panics.left_out().watch(&daemon.setup.config.watch) {
        Ok(config) => daemon.watch.follow(baseline, &config, emit),
        Err(why) => daemon.watch.fail(why),
    }
    if daemon.watch.generation() != generation || daemon.watch.health.failed().is_some() {
        daemon.scan.rehash.doubt("the watch began anew");
    }
    let failed = daemon.watch.health.failed();
    if let Some(why) = failed.filter(|_| baseline.scope.is_some()) {
        let actions = daemon.gap.unwatched(why, now);
        daemon.perform(actions, now);
    }
}

/// What opening the store came upon.
pub(in crate::daemon) fn opened(daemon: &mut Daemon, openings: Vec<OpenOutcome>, now: Now) {
    for opening in openings {
        let action = match opening {
            OpenOutcome::Fresh => continue,
            OpenOutcome::SetAside { path, reason } => {
                // What may have gone with it unshipped is told anew.
                let told = daemon.records.current.unusable.take().is_some();
                if told && daemon.baseline.active.is_some() && !daemon.baseline.opening {
                    daemon.perform(vec![Action::OpenBaseline], now);
                }
                // The store itself tells it, as the first event of the new chain.
                Action::Warn(format!(
                    "the store was damaged ({reason}) and is now at {}; a new one was begun",
                    path.display()
                ))
            }
            OpenOutcome::OtherInstance { path, former } => Action::Warn(format!(
                "the store belonged to instance {former} and is now at {}; a new one was begun",
                path.display()
            )),
            OpenOutcome::Unusable { reason } => {
                let message = format!(
                    "the store cannot be used at present ({reason}): events are held in memory"
                );
                Action::fault("store.unusable", Severity::High, message)
            }
        };
        daemon.perform(vec![action], now);
    }
}

/// Whether there is a first boot to wait for, and whether its record has been seen through.
fn judge_first_boot(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    let record = &daemon.records.current;
    // Without a manifest there is nothing to compare with; asked again when there is.
    if daemon.first_boot != FirstBoot::Unknown
        || !baseline.is_manifest()
        || record.instance.is_empty()
    {
        return;
    }
    daemon.first_boot = match (&record.launch, baseline.launch_record().is_empty()) {
        (Some(_), _) => FirstBoot::Over,
        (None, true) => FirstBoot::awaited(now.monotonic),
        (None, false) => {
            // Somebody ran `agent baseline launch`, or a run ended between writing the record and telling it.
            let actions = match launch_record::found(&daemon.setup, baseline) {
                Some(recorded) => tell_record(daemon, recorded),
                None => vec![Action::Warn(
                    "the launch record could not be told; the next start tries again".into(),
                )],
            };
            daemon.perform(actions, now);
            FirstBoot::Over
        }
    };
}

/// The launch record has been written, or could not be.
pub(in crate::daemon) fn recorded(
    daemon: &mut Daemon,
    outcome: Result<WrittenRecord, String>,
    now: Now,
) {
    daemon.first_boot = FirstBoot::Over;
    let mut actions = match outcome {
        Ok(recorded) => tell_record(daemon, recorded),
        Err(why) => {
            let message = format!("the launch record could not be written: {why}");
            vec![Action::fault("launch.failed", Severity::High, message)]
        }
    };
    // What was held back is judged now, by the record.
    actions.extend([
        Action::OpenBaseline,
        Action::OutdateJobs,
        Action::Want(JobKind::FullScan),
    ]);
    daemon.perform(actions, now);
}

/// A record that was written again, with a reason, is told and holds from then on.
fn judge_record(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    let found = baseline.launch_record();
    let known = daemon.records.current.launch.as_ref();
    if found.is_empty() || known.is_none_or(|known| known.sha256 == found) {
        return;
    }
    let Some((recorded, reason)) = launch_record::written_again(&daemon.setup, baseline) else {
        return;
    };
    let mut actions = vec![Action::Tell(Lifecycle::Reloaded {
        changed: vec![format!("the launch record, written again: {reason}")],
    })];
    actions.extend(tell_record(daemon, recorded));
    daemon.perform(actions, now);
}

/// What the first boot changed, to the log side; the next run compares with its digest.
fn tell_record(daemon: &mut Daemon, recorded: WrittenRecord) -> Vec<Action> {
    daemon.records.current.launch = Some(Launch {
        sha256: recorded.sha256.clone(),
    });
    let event = Lifecycle::LaunchRecord {
        sha256: recorded.sha256,
        entries: recorded.entries,
        accounts: recorded.accounts,
        keys: recorded.keys,
    };
    vec![Action::Tell(event), Action::SaveRecord]
}

/// That the launch record is not the one that was shipped.
pub(in crate::daemon) fn launch_differs(daemon: &Daemon) -> Option<Finding> {
    let shipped = &daemon.records.current.launch.as_ref()?.sha256;
    let baseline = daemon.baseline.active.as_ref()?;
    let found = baseline.launch_record();
    if *shipped == found || !baseline.is_manifest() {
        return None;
    }
    let message = match found.is_empty() {
        true => "the launch record is gone, or cannot be used",
        false => "the launch record is not the one that was shipped when it was written",
    };
    let finding = Finding::new(
        &finding::FILES_LAUNCH_RECORD,
        Verdict::Fail,
        Severity::High,
        LAUNCH,
        message,
    );
    let digest = |text: &str| serde_json::json!({ "sha256": text });
    let finding = finding.evidence(digest(shipped), digest(&found));
    Some(finding.remediation("compare the host with its image; `agent baseline launch --again --reason TEXT` writes a new one"))
}

/// Another boot, machine or instance: everything that leaves the host says so from now on.
pub(in crate::daemon) fn refresh_host(daemon: &mut Daemon, now: Now) {
    let tree = &daemon.setup.tree;
    let found = host::read(&tree.root, &tree.release);
    if daemon.identity.host.is_stale(&found) {
        // A manifest or profile that is not good at the moment is told by the next job.
        if let Ok(setup) = daemon.setup.again() {
            daemon.setup = Arc::new(setup);
        }
        know_host(daemon, found, now);
        daemon.jobs.queue.want(JobKind::Instance);
    }
}

/// The host knows itself as this from now on.
pub(in crate::daemon) fn know_host(daemon: &mut Daemon, host: Host, now: Now) {
    let former = daemon.identity.host.instance_id.clone();
    if !daemon.identity.learn(host) {
        return;
    }
    daemon.refresh_origin(now);
    if former != daemon.identity.host.instance_id {
        name_streams(daemon, now);
    }
}

/// Log stream and session tag carry the instance's id, which on Xen only the metadata service tells.
fn name_streams(daemon: &mut Daemon, now: Now) {
    let (config, host) = (&daemon.setup.config, &daemon.identity.host);
    let store = &mut daemon.store;
    if let Err(error) = daemon.sinks.configure(config, host, store, now.wall) {
        let message = format!(
            "the sinks stay as they were before the instance's id was known: {}",
            one_line(error)
        );
        let fault = Action::fault("sinks.refused", Severity::High, message);
        daemon.perform(vec![fault], now);
    }
}
