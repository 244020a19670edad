//! sshd and local settings: area after area, each with its deadline.

use super::deadline::{self, Event, Stage, Turns, Work};
use super::selected::Selected;
use super::tree::Tree;
use agent_baseline::profile::Profile;
use agent_checks::settings::context::{Context, Own};
use agent_checks::settings::{self, Area};
use agent_core::bounds;
use agent_core::finding::{Check, Finding, Verdict};
use std::sync::Arc;

/// What helps where a look did not end.
pub(super) const REMEDY: &str = "find out what does not answer (a network or FUSE mount without its server, a disk) and mend it; what hangs is looked at again once it answers";

/// Judges sshd and local settings; each finding is handed to `emit`. `now` in seconds since 1970. `own`: what the
/// run knows of the host's own baseline. What the profile waives is marked.
///
/// Of an area that does not end in time, each check that is wanted and has not been judged is unknown. Returns the
/// names of such areas: what was found there before may stand all the same.
pub(crate) fn settings(
    tree: &Tree,
    profile: &Profile,
    selected: &Selected,
    now: i64,
    own: &Own,
    emit: &mut dyn FnMut(Finding),
) -> Vec<&'static str> {
    let areas = settings::wanted(|check| selected.has(check.id));
    let stages: Vec<Stage> = areas
        .iter()
        .map(|area| Stage {
            name: area.name,
            deadline: bounds::SETTINGS_AREA,
        })
        .collect();
    let has = |id: &str| selected.has(id);
    let context = Context::new(&tree.root, &tree.release, &profile.settings, now, &has);
    let mut judged = Judged::default();
    let mut unended = Vec::new();
    let mut hear = |at: usize, event: Event<Finding>| match event {
        Event::Said(finding) => {
            judged.note(&finding);
            emit(profile.waive(finding, now));
        }
        Event::Ended => judged = Judged::default(),
        Event::Unended(why) => {
            let area: &Area = areas[at];
            unended.push(area.name);
            let open = area.checks.iter().filter(|check| judged.leaves(check));
            for check in open.filter(|check| context.wants(check)) {
                let message = format!("{} could not be judged: {why}", check.id);
                let finding = context.finding(check, Verdict::Unknown, area.name, message);
                emit(profile.waive(finding.remediation(REMEDY), now));
            }
            judged = Judged::default();
        }
    };
    match work(tree, profile, selected, now, own.clone(), areas.clone()) {
        Ok(work) => deadline::in_turn(&stages, &work, &mut hear),
        Err(error) => {
            for at in 0..areas.len() {
                let why = format!("the tree cannot be opened once more: {error}");
                hear(at, Event::Unended(why));
            }
        }
    }
    unended
}

/// What a thread does, with all that it needs.
fn work(
    tree: &Tree,
    profile: &Profile,
    selected: &Selected,
    now: i64,
    own: Own,
    areas: Vec<&'static Area>,
) -> std::io::Result<Arc<Work<Finding>>> {
    let root = tree.root.clone();
    let (release, demands) = (tree.release.clone(), profile.settings.clone());
    let selected = selected.clone();
    Ok(Arc::new(move |turns: &mut Turns<Finding>| {
        let has = |id: &str| selected.has(id);
        let mut context = Context::new(&root, &release, &demands, now, &has);
        context.own = own.clone();
        while let Some(at) = turns.next() {
            let mut given_up = false;
            areas[at].judge(&context, &mut |finding| {
                given_up = given_up || turns.say(finding).is_break();
            });
        }
    }))
}

/// Which checks of the area under way have been judged.
#[derive(Default)]
struct Judged {
    ids: Vec<&'static str>,
    /// The one that was judged last, unless it passed: there may be more to say of it.
    last: Option<&'static str>,
}

impl Judged {
    fn note(&mut self, finding: &Finding) {
        self.ids.push(finding.check.id);
        let ended = finding.verdict == Verdict::Pass;
        self.last = (!ended).then_some(finding.check.id);
    }

    fn leaves(&self, check: &Check) -> bool {
        !self.ids.contains(&check.id) || self.last == Some(check.id)
    }
}
