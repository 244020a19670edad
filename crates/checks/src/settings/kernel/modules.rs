//! Kernel modules that the profile wants kept out: loaded, built in, there to be loaded, or blocked (modprobe.d(5)).

use super::checks::MODULES;
use super::command_line;
use super::modprobe::{Modprobe, Outcome, plain};
use super::module_index;
use super::sysctl::Sysctl;
use crate::settings::boot;
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;

const MODULES_DISABLED: &str = "modules_disabled";

/// Judges the check, one finding a module.
pub(super) fn judge(context: &Context<'_>, sysctl: Option<&Sysctl>, emit: &mut dyn FnMut(Finding)) {
    let demanded = context.demanded_texts(&MODULES);
    if demanded.is_empty() {
        let message = "the profile lists no modules";
        emit(context.finding(&MODULES, Verdict::NotApplicable, "modules", message));
        return;
    }
    let modules = match Modules::read(context) {
        Ok(modules) => modules,
        Err(error) => {
            emit(context.finding(&MODULES, Verdict::Unknown, "modules", error.to_string()));
            return;
        }
    };
    let closed_now = context.live()
        && matches!(context.read("proc/sys/kernel/modules_disabled"), Ok(Some(text)) if text.trim_ascii() == b"1");
    let fail = |why: &str| Some((Verdict::Fail, why.to_owned()));
    let mut held = true;
    for name in &demanded {
        let wrong: Option<(Verdict, String)> = match *name {
            MODULES_DISABLED => {
                let configured = sysctl.and_then(|sysctl| sysctl.value("kernel.modules_disabled"));
                let at_boot = configured.is_some_and(|value| boot::number(&value.value) == Some(1));
                match (context.live(), closed_now, at_boot) {
                    (true, false, _) => fail("modules can still be loaded"),
                    (_, _, false) => fail("nothing closes the kernel to modules at boot"),
                    _ => None,
                }
            }
            name => modules.wrong(context, name, closed_now),
        };
        let Some((verdict, wrong)) = wrong else {
            continue;
        };
        held = false;
        let remedy = match *name {
            MODULES_DISABLED => "echo 'kernel.modules_disabled = 1' > /etc/sysctl.d/99-modules.conf, once all that is needed is loaded".to_owned(),
            name => MODULES.remedy.unwrap_or_default().replace("MODULE", name),
        };
        emit(
            context
                .finding(&MODULES, verdict, *name, format!("{name}: {wrong}"))
                .evidence(json!({ "value": "kept out" }), json!({ "value": wrong }))
                .remediation(remedy),
        );
    }
    if held {
        let message = "none of the listed modules can be loaded";
        emit(
            context
                .finding(&MODULES, Verdict::Pass, "modules", message)
                .evidence(json!({ "kept_out": demanded }), Value::Null),
        );
    }
}

/// What the tree says of modules. Names are told apart without regard to `-` and `_`, as the kernel does.
#[derive(Default)]
struct Modules {
    loaded: BTreeSet<String>,
    built_in: BTreeSet<String>,
    there: BTreeSet<String>,
    /// Each way in which modprobe may read its files.
    modprobe: Vec<Modprobe>,
}

impl Modules {
    fn read(context: &Context<'_>) -> io::Result<Modules> {
        let root = context.root;
        let mut modules = Modules {
            modprobe: Modprobe::read(root)?,
            ..Modules::default()
        };
        if context.live()
            && let Some(text) = context.read("proc/modules")?
        {
            let text = String::from_utf8_lossy(&text);
            let names = text.lines().filter_map(|line| line.split(' ').next());
            modules.loaded.extend(names.map(plain));
        }
        let running = rustix::system::uname().release().to_bytes().to_vec();
        // Where /lib is no link to /usr/lib only one of them has modules.
        for place in ["usr/lib/modules", "lib/modules"] {
            let releases = root.list(place.as_bytes())?;
            for (release, _) in releases.iter().flat_map(|names| names.iter()) {
                if context.live() && release != running {
                    continue;
                }
                let release = String::from_utf8_lossy(release);
                modules.release(context, &format!("{place}/{release}"))?;
            }
        }
        Ok(modules)
    }

    /// Takes in the lists that depmod(8) made of a kernel's modules.
    fn release(&mut self, context: &Context<'_>, directory: &str) -> io::Result<()> {
        let read = |file: &str| {
            let path = format!("{directory}/{file}");
            let read = context.root.read(path.as_bytes(), bounds::MODULES_INDEX);
            let fault =
                |error: io::Error| io::Error::new(error.kind(), format!("/{path}: {error}"));
            Ok::<_, io::Error>(read.map_err(fault)?.unwrap_or_default())
        };
        for (file, names) in [
            ("modules.builtin", &mut self.built_in),
            ("modules.dep", &mut self.there),
        ] {
            for line in String::from_utf8_lossy(&read(file)?).lines() {
                let path = line.split(':').next().unwrap_or_default();
                let file = path.rsplit('/').next().unwrap_or_default();
                names.extend(file.split(".ko").next().map(plain));
            }
            // modprobe itself goes by the index beside it alone.
            let binary = read(&format!("{file}.bin"))?;
            let keys = module_index::keys(&binary).ok_or_else(|| {
                io::Error::other(format!("/{directory}/{file}.bin is no index of kmod's"))
            })?;
            names.extend(keys.iter().map(|name| plain(name)));
        }
        let softdeps = read("modules.softdep")?;
        for modprobe in &mut self.modprobe {
            modprobe.add(&String::from_utf8_lossy(&softdeps));
        }
        Ok(())
    }

    /// What is wrong with a module that should be kept out.
    fn wrong(
        &self,
        context: &Context<'_>,
        name: &str,
        closed_now: bool,
    ) -> Option<(Verdict, String)> {
        let name = plain(name);
        let fail = |why: &str| Some((Verdict::Fail, why.to_owned()));
        if self.built_in.contains(&name) {
            return fail("it is built into the kernel");
        }
        if self.loaded.contains(&name) {
            return fail("it is loaded");
        }
        if !self.there.contains(&name) || closed_now || command_line::refused(context, &name) {
            return None;
        }
        let exists = |other: &str| self.there.contains(other) || self.built_in.contains(other);
        let outcomes = self.modprobe.iter();
        let outcomes = outcomes.map(|modprobe| modprobe.outcome(&name, &exists));
        let wrong = outcomes.filter_map(|outcome| match outcome {
            Outcome::KeptOut => None,
            Outcome::Loaded(why) => fail(&format!("it can be loaded: {why}")),
            Outcome::Unknown(why) => Some((Verdict::Unknown, why)),
        });
        wrong.min_by_key(|(verdict, _)| *verdict != Verdict::Fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::within;

    #[test]
    fn a_list_beyond_its_bound_is_an_error() {
        let tree = tempfile::tempdir().expect("a directory");
        let release = tree.path().join("usr/lib/modules/6.1.0");
        std::fs::create_dir_all(&release).expect("made");
        let list = std::fs::File::create(release.join("modules.dep")).expect("made");
        for (more, good) in [(0, true), (1, false)] {
            list.set_len(bounds::MODULES_INDEX + more).expect("a size");
            let read = within(tree.path(), Modules::read);
            match read {
                Ok(_) => assert!(good),
                Err(error) => {
                    assert!(
                        !good && error.to_string().contains("modules.dep"),
                        "{error}"
                    );
                }
            }
        }
    }
}
