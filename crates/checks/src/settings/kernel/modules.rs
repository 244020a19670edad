//! Kernel modules that the profile wants kept out: loaded, built in, there to be loaded, or blocked (modprobe.d(5)).

use super::checks::MODULES;
use super::sysctl::Sysctl;
use crate::settings::boot;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Of files of one name the first directory's counts.
const DIRECTORIES: [&str; 5] = [
    "etc/modprobe.d",
    "run/modprobe.d",
    "usr/local/lib/modprobe.d",
    "usr/lib/modprobe.d",
    "lib/modprobe.d",
];
const MODULES_DISABLED: &str = "modules_disabled";

/// Judges the check, one finding a module.
pub(super) fn judge(context: &Context<'_>, sysctl: Option<&Sysctl>, emit: &mut dyn FnMut(Finding)) {
    let demanded = context.demanded_texts(&MODULES);
    if demanded.is_empty() {
        let message = "the profile lists no modules";
        emit(context.finding(&MODULES, Verdict::NotApplicable, "modules", message));
        return;
    }
    let known = match Known::read(context) {
        Ok(known) => known,
        Err(error) => {
            emit(context.finding(&MODULES, Verdict::Unknown, "modules", error.to_string()));
            return;
        }
    };
    let closed_now = context.live()
        && matches!(context.read("proc/sys/kernel/modules_disabled"), Ok(Some(text)) if text.trim_ascii() == b"1");
    let mut held = true;
    for name in &demanded {
        let wrong = match *name {
            MODULES_DISABLED => {
                let configured = sysctl.and_then(|sysctl| sysctl.value("kernel.modules_disabled"));
                let at_boot = configured.is_some_and(|value| value.value == "1");
                match (context.live(), closed_now, at_boot) {
                    (true, false, _) => Some("modules can still be loaded"),
                    (_, _, false) => Some("nothing closes the kernel to modules at boot"),
                    _ => None,
                }
            }
            name => known.wrong(name, closed_now),
        };
        let Some(wrong) = wrong else { continue };
        held = false;
        let remedy = match *name {
            MODULES_DISABLED => "echo 'kernel.modules_disabled = 1' > /etc/sysctl.d/99-modules.conf, once all that is needed is loaded".to_owned(),
            name => MODULES.remedy.unwrap_or_default().replace("MODULE", name),
        };
        emit(
            context
                .finding(&MODULES, Verdict::Fail, *name, format!("{name}: {wrong}"))
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
struct Known {
    loaded: BTreeSet<String>,
    built_in: BTreeSet<String>,
    there: BTreeSet<String>,
    blocked: BTreeSet<String>,
}

impl Known {
    fn read(context: &Context<'_>) -> std::io::Result<Known> {
        let root = context.root;
        let mut known = Known::default();
        if context.live()
            && let Some(text) = context.read("proc/modules")?
        {
            let text = String::from_utf8_lossy(&text);
            let names = text.lines().filter_map(|line| line.split(' ').next());
            known.loaded.extend(names.map(plain));
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
                for (file, names) in [
                    ("modules.builtin", &mut known.built_in),
                    ("modules.dep", &mut known.there),
                ] {
                    let text = context.read(&format!("{place}/{release}/{file}"))?;
                    let text = text.unwrap_or_default();
                    for line in String::from_utf8_lossy(&text).lines() {
                        let path = line.split(':').next().unwrap_or_default();
                        let file = path.rsplit('/').next().unwrap_or_default();
                        names.extend(file.split(".ko").next().map(plain));
                    }
                }
            }
        }
        let mut files: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for directory in DIRECTORIES {
            if directory.starts_with("run/") && !context.live() {
                continue;
            }
            let names = root.list(directory.as_bytes())?;
            for (name, _) in names.iter().flat_map(|names| names.iter()) {
                if name.ends_with(b".conf") {
                    let path = format!("{directory}/{}", String::from_utf8_lossy(name));
                    files.entry(name.to_vec()).or_insert(path);
                }
            }
        }
        for path in files.into_values() {
            // A link to /dev/null hides the files of that name.
            let text = context.read(&path).ok().flatten().unwrap_or_default();
            known
                .blocked
                .extend(blocked(&String::from_utf8_lossy(&text)));
        }
        let lines = boot::command_lines(context);
        // Of a tree each line must keep it out.
        let kept: Vec<BTreeSet<String>> = lines
            .iter()
            .map(|(_, line)| {
                boot::words(line)
                    .filter_map(|word| {
                        word.strip_prefix("module_blacklist=")
                            .or_else(|| word.strip_prefix("modprobe.blacklist="))
                    })
                    .flat_map(|list| list.split(',').map(plain))
                    .collect()
            })
            .collect();
        if let Some((first, rest)) = kept.split_first() {
            let everywhere = first
                .iter()
                .filter(|name| rest.iter().all(|kept| kept.contains(*name)));
            known.blocked.extend(everywhere.cloned());
        }
        Ok(known)
    }

    /// What is wrong with a module that should be kept out.
    fn wrong(&self, name: &str, closed_now: bool) -> Option<&'static str> {
        let name = plain(name);
        if self.built_in.contains(&name) {
            Some("it is built into the kernel")
        } else if self.loaded.contains(&name) {
            Some("it is loaded")
        } else if self.there.contains(&name) && !self.blocked.contains(&name) && !closed_now {
            Some("it can be loaded: neither blacklist nor install keeps it out")
        } else {
            None
        }
    }
}

fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// Modules that the text of a file keeps from being loaded: by `blacklist`, or by a command that does nothing.
fn blocked(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            match (words.next()?, words.next()?, words.next()) {
                ("blacklist", name, None) => Some(plain(name)),
                ("install", name, Some(command)) => {
                    let does_nothing =
                        ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true"];
                    does_nothing.contains(&command).then(|| plain(name))
                }
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_block() {
        let text = "# blacklist no\nblacklist usb-storage\ninstall dccp /bin/false\ninstall rds \\\n /bin/true\ninstall sctp /sbin/modprobe sctp\noptions x y\n";
        assert_eq!(blocked(text), ["usb_storage", "dccp", "rds"]);
    }
}
