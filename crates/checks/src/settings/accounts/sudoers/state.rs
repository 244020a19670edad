//! The settings that decide whether a password is asked for, as far as they hold for somebody.

use super::compiled::{Bound, Default, Effect};
use super::query::Cause;
use std::rc::Rc;

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// What takes the password away where no tag says otherwise.
    open: Option<Cause>,
    /// The group that `exempt_group` names, as `%ops`.
    exempt: Option<(Rc<str>, Cause)>,
    /// The groups of that kind in which the person is.
    groups: Vec<Rc<str>>,
    /// The canonical name of the user that `runas_default` names.
    pub(super) runas_default: Rc<str>,
}

impl State {
    /// The settings that are known before the command is: of several that fit, the last (sudoers.c, `update_defaults`).
    pub(super) fn of(atoms: &[Rc<str>], defaults: &[&Default]) -> State {
        let mut state = State {
            open: None,
            exempt: None,
            groups: Vec::new(),
            runas_default: "root".into(),
        };
        for default in defaults {
            let label = match &default.bound {
                Bound::Everything | Bound::Hosts(_) => Some("ALL".into()),
                Bound::Users(list) => list
                    .hit(atoms)
                    .filter(|(hit, _)| !hit.negated)
                    .map(|(_, shown)| shown),
                Bound::Runas(_) | Bound::Commands(_) => None,
            };
            if let Some(label) = label {
                state.apply(default, label);
            }
        }
        let exempting = |atom: &&Rc<str>| {
            let mut effects = defaults.iter().map(|default| &default.effect);
            effects.any(|effect| matches!(effect, Effect::Exempt(Some(group)) if group == *atom))
        };
        state.groups = atoms.iter().filter(exempting).cloned().collect();
        state
    }

    /// Sets what the setting says. `label` is whom it is for.
    pub(super) fn apply(&mut self, default: &Default, label: Rc<str>) {
        match &default.effect {
            Effect::Authenticate(true) => self.open = None,
            Effect::Authenticate(false) => {
                self.open = Some(Cause {
                    number: default.number,
                    name: "!authenticate",
                    label,
                });
            }
            Effect::Exempt(group) => {
                self.exempt = group.clone().map(|group| {
                    let cause = Cause {
                        number: default.number,
                        name: "exempt_group",
                        label: Rc::clone(&group),
                    };
                    (group, cause)
                });
            }
            Effect::RunasDefault(user) => self.runas_default = Rc::clone(user),
        }
    }

    /// Why no password is asked for under a rule with that tag: `Some(None)` for the tag itself. `None`: it is asked for.
    pub(super) fn open(&self, nopasswd: Option<bool>) -> Option<Option<&Cause>> {
        match nopasswd {
            Some(true) => return Some(None),
            None if self.open.is_some() => return Some(self.open.as_ref()),
            _ => {}
        }
        let (group, cause) = self.exempt.as_ref()?;
        self.groups.contains(group).then_some(Some(cause))
    }
}
