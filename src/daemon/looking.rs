//! Looks: begun when they are due, and what they find handed to the store.

use super::batch::{Batch, Touched};
use super::desk::{AFTER_FAILURE, Desk, UNWATCHED};
use super::eyes::{self, Eye, Manner};
use super::ground::Ground;
use super::looks::Look;
use super::store_handle::Command;
use super::transaction::LONGEST;
use crate::assess::baseline::Baseline;
use agent_core::attributes::Timestamp;
use agent_core::change::{Actor, ChangeContext};
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::paths::subject;
use agent_core::region::Region;
use agent_outbox::event::{Fault, LastScan, Lifecycle};
use agent_outbox::store::Scope;
use agent_scan::files::pace::Pace;
use agent_scan::files::scan::Coverage;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Settings are judged again so soon after something below `/etc` was touched: an editor writes more than one file.
const SETTINGS_SETTLE: Duration = Duration::from_secs(2);
/// But not sooner after the last time: all of them are judged.
const SETTINGS_PAUSE: Duration = Duration::from_secs(10);
/// So many regions that were touched during a scan are remembered one by one.
const MOST_DURING: usize = 8_192;
/// The kernel's word of a change may be so late.
const LATE: Duration = Duration::from_secs(2);

/// A look that has begun and not ended.
#[derive(Debug)]
pub(super) struct UnderWay {
    look: Look,
    /// Whether what it finds is kept.
    kept: bool,
    pub(super) batch: Option<Batch>,
    /// By both clocks.
    began: (Instant, SystemTime),
    /// What slows it down.
    pace: Option<Arc<Pace>>,
    deviations: u64,
    unknowns: u64,
    /// What it goes by holds no longer: what it finds counts, and clears nothing.
    outdated: bool,
    /// What is cleared in place of all that the look could clear, where a part of it is left out.
    parts: Option<Vec<u64>>,
}

impl Desk {
    /// Begins every look that is due and can begin.
    pub(super) fn look(&mut self, now: Instant, wall: i64) {
        let Some(ground) = self.ground.clone() else {
            return;
        };
        if !self.leaving {
            self.want_what_is_due(now, wall);
            self.watching.tend(now);
            self.mind_canary(wall);
        }
        self.pick_urgent(now, wall);
        self.pick_touched(now, wall);
        self.mind_transactions(now, wall);
        // What changes while nobody watches yet would be missed by a scan that has passed.
        let held: &[Look] = match (self.opening, self.watching.is_ready()) {
            _ if self.leaving => &[
                Look::Critical,
                Look::Launch,
                Look::Whole,
                Look::Settings,
                Look::Instance,
            ],
            (true, _) => &[
                Look::Critical,
                Look::Launch,
                Look::Whole,
                Look::Urgent,
                Look::Spot,
            ],
            (false, false) => &[Look::Whole],
            (false, true) => &[],
        };
        while let Some(look) = self.looks.next(held) {
            self.begin_look(look, ground.clone(), now, wall);
        }
    }

    fn begin_look(&mut self, look: Look, ground: Arc<Ground>, now: Instant, wall: i64) {
        let id = self.next_id;
        self.next_id += 1;
        let mut eye = Eye {
            id,
            setup: self.setup.clone(),
            ground,
            held_back: self.first_boot.holds_back(),
            left_out: Arc::new(self.panics.left_out()),
            words: match look {
                // Not behind what all others find.
                Look::Urgent => self.words.clone(),
                _ => self.finds.clone(),
            },
            questions: self.words.clone(),
            store: self.store.asker(),
            unpacking: None,
        };
        let mut under_way = UnderWay {
            look,
            kept: false,
            batch: None,
            began: (Instant::now(), SystemTime::now()),
            pace: None,
            deviations: 0,
            unknowns: 0,
            outdated: false,
            parts: self.begin_parts(look),
        };
        let scope = match look {
            Look::Critical | Look::Whole => Some(Scope::Files),
            Look::Settings => Some(Scope::Settings),
            Look::Instance => Some(Scope::Instance),
            Look::Urgent | Look::Spot => {
                under_way.batch = match look {
                    Look::Urgent => self.urgent.take(),
                    _ => self.batch.take(),
                };
                let batch = under_way.batch.as_ref();
                eye.unpacking = batch
                    .filter(|batch| batch.unpacking)
                    .map(|_| self.unpacking.clone());
                batch.map(|batch| Scope::Regions(batch.plan.regions().to_vec()))
            }
            Look::Launch => None,
        };
        if let Some(scope) = scope {
            under_way.kept = true;
            self.store.give(Command::Begin {
                look: id,
                scope,
                urgent: look == Look::Urgent,
            });
        }
        let begun = match (look, &under_way.batch) {
            (Look::Critical, _) => {
                let pace = Arc::new(Pace::new(self.setup.config.scan.max_rate));
                under_way.pace = Some(pace.clone());
                eyes::critical(eye, pace)
            }
            (Look::Whole, _) => {
                self.during.clear();
                // Before the first one everything has just been watched.
                if !self.first_files {
                    self.watching.renew();
                }
                let hurried = std::mem::take(&mut self.hurried);
                let rate = self.setup.config.scan.max_rate;
                under_way.pace = (!hurried).then(|| Arc::new(Pace::new(rate)));
                let pace = under_way.pace.clone();
                let before = !self.memory.manifest.is_empty();
                eyes::whole(eye, Manner { pace, before })
            }
            (Look::Urgent, Some(batch)) => eyes::urgent(eye, batch.plan.clone()),
            (Look::Spot, Some(batch)) => eyes::spot(eye, batch.plan.clone(), batch.settled),
            (Look::Urgent | Look::Spot, None) => {
                self.looks.ended(look);
                return;
            }
            (Look::Settings, _) => eyes::settings(eye),
            (Look::Instance, _) => eyes::instance(eye),
            (Look::Launch, _) => eyes::launch(eye),
        };
        self.under_way.insert(id, under_way);
        self.stale |= !matches!(look, Look::Urgent | Look::Spot);
        if let Some(finding) = (look == Look::Whole)
            .then(|| self.launch_differs())
            .flatten()
        {
            self.found(id, Box::new(finding), None, (now, wall));
        }
        if let Err(error) = begun {
            let why = format!("no thread could be started: {error}");
            self.ended(id, look, Err(why), now, wall);
        }
    }

    fn want_what_is_due(&mut self, now: Instant, wall: i64) {
        if self.timers.scan.take(now) {
            self.looks.want(Look::Whole);
        }
        let settings = self.settings_touched.take_if(|due| now >= *due).is_some();
        if self.timers.settings.take(now) || settings {
            self.refresh_host(wall);
            self.looks.want(Look::Settings);
            self.settings_judged = Some(now);
        }
        if self.timers.instance.take(now) {
            self.looks.want(Look::Instance);
        }
        if let Some(done) = self.first_boot.look(now) {
            if !done {
                let message = "cloud-init has not come to its end in half an hour: the launch record is written as things are";
                self.fault("launch.impatient", Severity::Medium, message.into(), wall);
            }
            self.looks.want(Look::Launch);
        }
    }

    /// Takes what is critical and was touched, if it can be looked at.
    fn pick_urgent(&mut self, now: Instant, wall: i64) {
        let Some(ground) = self.ground.as_ref().filter(|_| self.urgent.is_none()) else {
            return;
        };
        if self.looks.free(Look::Urgent) {
            let root = &self.setup.tree.root;
            let links = &ground.links;
            self.urgent = self.watching.take_urgent(root, links, (now, wall));
            if self.urgent.is_some() {
                self.looks.want(Look::Urgent);
            }
        }
    }

    /// Takes what was touched and is quiet, if it can be looked at.
    fn pick_touched(&mut self, now: Instant, wall: i64) {
        if !self.looks.free(Look::Spot) || self.batch.is_some() {
            return;
        }
        let Some(ground) = &self.ground else {
            return;
        };
        let root = &self.setup.tree.root;
        let packages = matches!(ground.opened.baseline, Baseline::Packages(_));
        let taken = self
            .watching
            .take(root, &ground.links, packages, (now, wall));
        let Some(batch) = taken else {
            return;
        };
        if batch.too_many {
            self.want_whole();
        }
        for region in batch.regions() {
            if region.path.starts_with(b"etc/") && self.settings_touched.is_none() {
                let rested = self
                    .settings_judged
                    .map_or(now, |last| last + SETTINGS_PAUSE);
                self.settings_touched = Some(rested.max(now + SETTINGS_SETTLE));
            }
        }
        if self.looks.running(Look::Whole) || self.first_files {
            self.remember(batch.regions().cloned().collect());
        }
        self.batch = Some(batch);
        self.looks.want(Look::Spot);
    }

    /// Notes what was touched during a scan; what is too much to note is everything.
    fn remember(&mut self, mut regions: Vec<Region>) {
        self.during.append(&mut regions);
        if self.during.len() > MOST_DURING {
            self.during = vec![Region {
                path: Vec::new(),
                below: true,
            }];
        }
    }

    /// A scan of everything, at full speed: something may have been missed. One that is under way is in its way.
    pub(super) fn want_whole(&mut self) {
        for pace in self.under_way.values().filter_map(|u| u.pace.as_ref()) {
            pace.lift();
        }
        self.hurried = true;
        self.looks.want(Look::Whole);
    }

    /// A look found something.
    pub(super) fn found(
        &mut self,
        id: u64,
        finding: Box<Finding>,
        package: Option<String>,
        (now, wall): (Instant, i64),
    ) {
        let Some(under_way) = self.under_way.get_mut(&id) else {
            return;
        };
        match finding.verdict {
            Verdict::Fail => under_way.deviations += 1,
            Verdict::Unknown => under_way.unknowns += 1,
            Verdict::Pass | Verdict::NotApplicable => {}
        }
        if !under_way.kept {
            return;
        }
        let look = under_way.look;
        let cause = self.cause(id, look, &finding).map(Box::new);
        let waits = package.is_some_and(|package| self.waits(id, &finding, package, now));
        let longest = i64::try_from(LONGEST.as_millis()).unwrap_or(0);
        self.store.give(Command::Found {
            look: id,
            finding,
            cause,
            until: waits.then_some(wall + longest),
            at: wall,
        });
    }

    /// What is known of how a deviation came about.
    fn cause(&self, id: u64, look: Look, finding: &Finding) -> Option<ChangeContext> {
        if finding.verdict == Verdict::Pass || finding.verdict == Verdict::NotApplicable {
            return None;
        }
        let batch = self.under_way.get(&id).and_then(|u| u.batch.as_ref());
        let path = finding
            .subject
            .strip_prefix(b"/")
            .unwrap_or(&finding.subject);
        let mut cause = ChangeContext::default();
        match look {
            Look::Urgent | Look::Spot => {
                let touched = batch.and_then(|batch| batch.touched(path));
                let transaction = touched.and_then(|touched| touched.transaction.as_ref());
                cause.transaction = transaction.or_else(|| batch?.transaction()).cloned();
                let actor = touched.and_then(|touched| self.actor(path, touched));
                cause.actor = actor.map(|actor| (*actor).clone());
            }
            Look::Critical | Look::Whole => {
                // The watch began with the agent: whoever it saw wrote since.
                let actor = self.watching.actor(path, UNIX_EPOCH);
                cause.actor = actor.map(|actor| (*actor).clone());
                cause.transaction = self.watching.transactions.of(path);
                let touched = cause.transaction.is_some()
                    || self.during.iter().any(|region| region.covers(path));
                cause.while_down =
                    self.first_files && self.history && !touched && cause.actor.is_none();
            }
            Look::Settings => cause.while_down = self.first_settings && self.history,
            Look::Instance | Look::Launch => {}
        }
        (cause != ChangeContext::default()).then_some(cause)
    }

    /// Who changed a path, under this name or another one of the same file.
    fn actor(&self, path: &[u8], touched: &Touched) -> Option<Arc<Actor>> {
        let names = [Some(path), touched.through.as_deref()];
        let since = before(touched.since);
        let mut names = names.into_iter().flatten();
        let actor = |name: &[u8]| self.watching.actor(name, since);
        names.find_map(actor).or_else(|| {
            // A file that is watched itself is touched under all of its names, and attributed under one.
            let links = &self.ground.as_ref()?.links;
            let region = Region {
                path: path.to_vec(),
                below: false,
            };
            let others = links.beside(&region);
            others.iter().find_map(|other| actor(&other.path))
        })
    }

    /// A path that was touched is as recorded: if its ctime moved, it was changed and restored.
    pub(super) fn holds(
        &mut self,
        id: u64,
        path: Vec<u8>,
        ctime: Timestamp,
        now: Instant,
        wall: i64,
    ) {
        let batch = self.under_way.get(&id).and_then(|u| u.batch.as_ref());
        let Some(touched) = batch.and_then(|batch| batch.touched(&path)).cloned() else {
            return;
        };
        let severity = self.ground.as_ref().and_then(|ground| {
            let duty = ground.scope.as_ref()?.at(&path)?;
            Some(duty.demand.severity)
        });
        let clocks = (now, SystemTime::now());
        let changed = touched.itself && self.restored.has_changed(&path, ctime, clocks);
        let Some(severity) = severity.filter(|_| changed) else {
            return;
        };
        // Packages are put in place again as they were; a lock is no excuse for what is critical.
        if touched.transaction.is_some() && severity < Severity::Critical {
            return;
        }
        let name = subject(&path);
        let actor = self.actor(&path, &touched);
        let cause = ChangeContext {
            actor: actor.map(|actor| (*actor).clone()),
            transaction: touched.transaction,
            while_down: false,
            restored: true,
        };
        let message = "it was changed, or written anew, and is again as recorded";
        let finding = Finding::new(
            &finding::FILES_CHANGED,
            Verdict::Fail,
            severity,
            name,
            message,
        )
        .evidence(Value::Null, json!({ "ctime": finding::rfc3339(ctime) }));
        self.store.give(Command::Restored {
            path,
            finding: Box::new(finding),
            cause: Box::new(cause),
            at: wall,
        });
    }

    /// A look has come to its end, or broke off.
    pub(super) fn ended(
        &mut self,
        id: u64,
        look: Look,
        outcome: Result<Option<Coverage>, String>,
        now: Instant,
        wall: i64,
    ) {
        let Some(under_way) = self.under_way.remove(&id) else {
            return;
        };
        self.looks.ended(look);
        self.looked = true;
        self.stale |= !matches!(look, Look::Urgent | Look::Spot);
        // What saw only what is critical clears nothing.
        let partial = matches!(look, Look::Critical | Look::Urgent);
        let whole = outcome.is_ok() && !under_way.outdated && !partial;
        for part in under_way.parts.iter().flatten() {
            self.store.give(Command::End {
                look: *part,
                whole,
                at: wall,
            });
        }
        if outcome.is_ok() && !partial {
            let batch = under_way.batch.as_ref();
            let regions = batch.map_or(&[][..], |batch| batch.plan.regions());
            self.passed(look, regions, under_way.began.1);
        }
        if under_way.kept {
            self.store.give(Command::End {
                look: id,
                whole: whole && under_way.parts.is_none(),
                at: wall,
            });
        }
        match (look, outcome) {
            (Look::Whole, Ok(coverage)) => self.scanned(&under_way, coverage, now, wall),
            (Look::Whole | Look::Critical, Err(why)) => {
                self.trouble
                    .insert("scan", format!("a scan broke off: {why}"));
                self.fault("scan.broken", Severity::High, why, wall);
                // What it went by may be what is broken.
                self.timers.scan.hurry(now + AFTER_FAILURE);
                self.open_ground();
            }
            (Look::Urgent | Look::Spot, Err(why)) => {
                self.fault("spot.broken", Severity::Medium, why, wall);
                self.want_whole();
            }
            (Look::Settings, Ok(_)) => {
                self.first_settings = false;
                self.unknown_settings = under_way.unknowns;
            }
            (Look::Settings | Look::Instance | Look::Launch, Err(why)) => {
                self.fault("look.broken", Severity::Medium, why, wall);
            }
            (Look::Spot, Ok(_)) => {
                let regions = under_way.batch.iter().flat_map(Batch::regions);
                self.restored.looked_at(regions, under_way.began.0);
            }
            (Look::Urgent, Ok(_)) => {
                // The look that says what stands must have begun after this one: what was found here may be over.
                let found = under_way.deviations + under_way.unknowns > 0;
                if let Some(batch) = under_way.batch.filter(|_| found) {
                    self.watching.unless_waiting(batch.into_touched());
                }
            }
            (Look::Critical | Look::Instance | Look::Launch, Ok(_)) => {}
        }
    }

    fn scanned(
        &mut self,
        under_way: &UnderWay,
        coverage: Option<Coverage>,
        now: Instant,
        wall: i64,
    ) {
        self.trouble.remove("scan");
        self.first_files = false;
        self.last_scan = Some(LastScan {
            ended: wall,
            files: coverage.as_ref().map_or(0, |coverage| coverage.checked),
            deviations: under_way.deviations,
            unknowns: under_way.unknowns,
        });
        self.restored.looked_at_all(under_way.began.0);
        // The scan may have passed before, or have found what is no more.
        let again: Vec<Touched> = std::mem::take(&mut self.during)
            .into_iter()
            .map(|region| Touched::unseen(region, under_way.began.1))
            .collect();
        if !again.is_empty() {
            self.watching.again(again);
        }
        if self.watching.failed.is_some() {
            self.timers.scan.hurry(now + UNWATCHED);
        }
        // One that was under way when a gap began does not end it: the next one does.
        if !self.looks.waits(Look::Whole) {
            self.end_gap(wall);
        }
    }

    /// What is under way goes by what holds no longer.
    pub(super) fn outdate(&mut self) {
        for under_way in self.under_way.values_mut() {
            under_way.outdated = true;
        }
    }

    /// A fault of the agent, to the operator and to the log side.
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        severity: Severity,
        message: String,
        wall: i64,
    ) {
        super::complain(&message);
        let fault = Fault {
            code,
            message,
            severity,
        };
        self.tell(Lifecycle::Fault(fault), wall);
    }
}

fn before(since: SystemTime) -> SystemTime {
    since.checked_sub(LATE).unwrap_or(UNIX_EPOCH)
}
