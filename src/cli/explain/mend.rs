//! How to mend a deviation on the distribution that a tree holds.

use crate::assess::tree::Tree;
use agent_core::finding::Check;
use agent_packages::DatabaseKind;

/// The steps, first to last.
pub(super) fn of(check: &Check, tree: &Tree) -> Vec<String> {
    let system = System::of(tree);
    let area = check.id.split('.').next().unwrap_or(check.id);
    if area == "files" {
        return files(check.id, &system);
    }
    let mut steps: Vec<String> = check.remedy.map(str::to_owned).into_iter().collect();
    match area {
        "sshd" if is_keyword(check) => {
            let place = system.sshd_place;
            steps = vec![
                format!(
                    "{} in {place}; a line that stands earlier, or in a Match block, comes first",
                    check.remedy.unwrap_or("the demanded line")
                ),
                format!("sshd -t && systemctl reload {}", system.sshd_unit),
            ];
        }
        "sshd" => steps.push(format!("then: systemctl reload {}", system.sshd_unit)),
        "packages" | "logging" | "network" if steps.is_empty() => {
            steps.push(format!(
                "install what is missing, or remove what should not be there, with {}; the finding names it: --now",
                system.manager
            ));
        }
        _ => {}
    }
    if steps.is_empty() {
        steps.push("the finding says what to do: --now".into());
    }
    let fits = |step: &String| system.fits(step);
    let (fitting, _): (Vec<String>, Vec<String>) = steps.iter().cloned().partition(fits);
    match fitting.is_empty() {
        true => steps,
        false => fitting,
    }
}

/// Whether the remedy is a line for sshd_config.
fn is_keyword(check: &Check) -> bool {
    let first = check.remedy.and_then(|remedy| remedy.chars().next());
    first.is_some_and(char::is_uppercase)
}

fn files(id: &str, system: &System) -> Vec<String> {
    let reinstall = match system.dpkg {
        true => "apt-get install --reinstall PACKAGE (dpkg -S PATH names it)".to_owned(),
        false => format!(
            "{} reinstall PACKAGE (rpm -qf PATH names it)",
            system.manager
        ),
    };
    let steps: &[&str] = match id {
        "files.unreadable" => &[
            "run as root; look whether the file system answers (findmnt -T PATH)",
            "run again when its writer is quiet",
        ],
        "files.profile" => &[
            "restore the profile, or record and seal the image anew: agent baseline create --output FILE --sign-key KEY",
        ],
        "files.launch_record" => &[
            "find out who wrote it; agent baseline launch --again --reason TEXT makes one for this instance",
        ],
        _ => {
            return vec![
                "find out who did it: times, logins, the package manager's log".into(),
                format!("restore the path from the image, or: {reinstall}"),
                "if it was meant: agent baseline accept PATH --reason TEXT, or record the image anew".into(),
            ];
        }
    };
    steps.iter().map(|&step| step.to_owned()).collect()
}

/// What differs between distributions of what mends.
struct System {
    dpkg: bool,
    manager: &'static str,
    sshd_unit: &'static str,
    sshd_place: &'static str,
}

impl System {
    fn of(tree: &Tree) -> System {
        let dpkg = match agent_packages::detect(&tree.root) {
            DatabaseKind::Dpkg => true,
            DatabaseKind::Rpm => false,
            DatabaseKind::None => {
                tree.release.id == "debian" || tree.release.id_like.iter().any(|id| id == "debian")
            }
        };
        let old = tree.release.id == "amzn" && tree.release.version_id == "2";
        let drop_ins = tree.root.resolve(b"/etc/ssh/sshd_config.d", true);
        let drop_ins = drop_ins.is_ok_and(|found| found.handle.is_some());
        System {
            dpkg,
            manager: match (dpkg, old) {
                (true, _) => "apt-get",
                (false, true) => "yum",
                (false, false) => "dnf",
            },
            sshd_unit: if dpkg { "ssh" } else { "sshd" },
            sshd_place: match drop_ins {
                true => {
                    "/etc/ssh/sshd_config.d/00-local.conf, where sshd_config includes that directory"
                }
                false => "/etc/ssh/sshd_config",
            },
        }
    }

    /// Whether the step is not one for another package manager alone.
    fn fits(&self, step: &str) -> bool {
        match self.dpkg {
            true => !step.starts_with("dnf ") && !step.starts_with("yum "),
            false => !step.starts_with("apt-get "),
        }
    }
}
