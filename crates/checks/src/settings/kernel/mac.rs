//! SELinux and AppArmor: what is enforced now, and what the next boot enforces.

use super::checks::MAC;
use super::{command_line, profiles, security_modules};
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::host::apparmor_modes;
use serde_json::json;

/// What is known of one of the two, now or after the next boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Enforced {
    Yes,
    /// Not, and why: `FILE:LINE` where a line says so.
    No(String, Option<String>),
    Unknown(String),
}

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let demanded = context.demanded_text(&MAC, "any");
    let kinds: &[(&str, &str)] = match demanded {
        "selinux" => &[("selinux", "SELinux")],
        "apparmor" => &[("apparmor", "AppArmor")],
        _ => &[("selinux", "SELinux"), ("apparmor", "AppArmor")],
    };
    let mut worst: Option<(Verdict, String, Option<String>)> = None;
    let mut observed = serde_json::Map::new();
    for (key, name) in kinds {
        let at_boot = match *key {
            "selinux" => selinux_at_boot(context),
            _ => apparmor_at_boot(context),
        };
        let now = context.live().then(|| match *key {
            "selinux" => selinux_now(context),
            _ => apparmor_now(context),
        });
        let word = |state: &Enforced| match state {
            Enforced::Yes => json!(true),
            Enforced::No(..) => json!(false),
            Enforced::Unknown(_) => json!(null),
        };
        observed.insert(
            (*key).into(),
            json!({ "now": now.as_ref().map(word), "at_boot": word(&at_boot) }),
        );
        let told = match (now, at_boot) {
            (None | Some(Enforced::Yes), Enforced::Yes) => {
                return context
                    .finding(&MAC, Verdict::Pass, "kernel", format!("{name} is enforced"))
                    .evidence(json!({ "enforced": demanded }), observed.into());
            }
            (Some(Enforced::Yes), Enforced::No(why, place)) => (
                Verdict::Fail,
                format!("{name} is enforced now, and will not be after the next boot: {why}"),
                place,
            ),
            (Some(Enforced::No(why, _)), Enforced::Yes) => (
                Verdict::Fail,
                format!("{name} is to be enforced from boot, and is not now: {why}"),
                None,
            ),
            (None | Some(Enforced::No(..) | Enforced::Unknown(_)), Enforced::No(why, place)) => {
                (Verdict::Fail, format!("{name}: {why}"), place)
            }
            (Some(Enforced::Unknown(why)), _) | (_, Enforced::Unknown(why)) => {
                (Verdict::Unknown, format!("{name}: {why}"), None)
            }
        };
        worst = Some(match worst {
            None => told,
            // Cannot tell of one and not enforced by the other: cannot tell.
            Some((verdict, message, place)) => (
                match verdict == Verdict::Unknown || told.0 == Verdict::Unknown {
                    true => Verdict::Unknown,
                    false => Verdict::Fail,
                },
                format!("{message}; {}", told.1),
                place.or(told.2),
            ),
        });
    }
    let (verdict, message, place) = worst.unwrap_or((Verdict::Unknown, String::new(), None));
    let mut finding = context
        .finding(&MAC, verdict, "kernel", message)
        .evidence(json!({ "enforced": demanded }), observed.into());
    finding.location = place;
    match verdict {
        Verdict::Fail => finding.remediation(mend(context)),
        _ => finding,
    }
}

fn mend(context: &Context<'_>) -> &'static str {
    match context.read("etc/selinux/config") {
        Ok(Some(_)) => {
            "set SELINUX=enforcing in /etc/selinux/config, drop selinux=0 and enforcing=0 from the kernel's command line; then: fixfiles onboot, and reboot"
        }
        _ => {
            "apt-get install apparmor && systemctl enable --now apparmor; the kernel must be booted with it (apparmor=1 security=apparmor)"
        }
    }
}

fn first_line(context: &Context<'_>, path: &str) -> std::io::Result<Option<String>> {
    let text = context.read(path)?;
    Ok(text.map(|text| {
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().unwrap_or_default().trim().to_owned()
    }))
}

fn selinux_now(context: &Context<'_>) -> Enforced {
    match first_line(context, "sys/fs/selinux/enforce") {
        Ok(Some(value)) if value == "1" => Enforced::Yes,
        Ok(Some(_)) => Enforced::No("it is permissive: it forbids nothing".into(), None),
        Ok(None) => Enforced::No("it is off".into(), None),
        Err(error) => Enforced::Unknown(format!("/sys/fs/selinux/enforce: {error}")),
    }
}

/// selinux_config(5), and what the command line says over it.
fn selinux_at_boot(context: &Context<'_>) -> Enforced {
    const CONFIG: &str = "etc/selinux/config";
    if let Some((word, place)) = command_line::switched_off(context, "selinux") {
        return Enforced::No(format!("the kernel is booted with {word}"), Some(place));
    }
    let text = match context.read(CONFIG) {
        Ok(Some(text)) => String::from_utf8_lossy(&text).into_owned(),
        Ok(None) => return Enforced::No("it is not set up".into(), None),
        Err(error) => return Enforced::Unknown(format!("/{CONFIG}: {error}")),
    };
    match selinux_mode(&text) {
        Some((_, "enforcing")) => match security_modules::selinux_not_started(context) {
            Some(not) => not,
            None => selinux_policy(context, &text),
        },
        Some((line, mode)) => {
            Enforced::No(format!("SELINUX={mode}"), Some(format!("/{CONFIG}:{line}")))
        }
        None => Enforced::No(
            "no line SELINUX= says enforcing".into(),
            Some(format!("/{CONFIG}")),
        ),
    }
}

/// Whether there is a policy to enforce: a file of the type's that init loads (selinux_config(5), selinux_binary_policy_path(3)).
fn selinux_policy(context: &Context<'_>, config: &str) -> Enforced {
    let mut types = config.lines().filter_map(|line| {
        let (name, value) = line.trim_start().split_at_checked("SELINUXTYPE=".len())?;
        name.eq_ignore_ascii_case("SELINUXTYPE=")
            .then(|| value.trim_end())
    });
    let kind = types.next_back().unwrap_or("targeted");
    let directory = format!("etc/selinux/{kind}/policy");
    match context.root.list(directory.as_bytes()) {
        Ok(names) => {
            let mut names = names.iter().flat_map(|names| names.iter());
            match names.any(|(name, _)| name.starts_with(b"policy.")) {
                true => Enforced::Yes,
                false => Enforced::No(format!("there is no policy in /{directory}"), None),
            }
        }
        Err(error) => Enforced::Unknown(format!("/{directory}: {error}")),
    }
}

/// The mode, and the line that says it: the first that begins with the name at once, and whose value begins with a word that
/// libselinux knows, in whatever case (selinux_getenforcemode(3)).
fn selinux_mode(text: &str) -> Option<(usize, &'static str)> {
    const MODES: [&str; 3] = ["enforcing", "permissive", "disabled"];
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let value = line.strip_prefix("SELINUX=")?.trim_ascii_start();
        let begins = |mode: &&str| {
            let word = value.get(..mode.len());
            word.is_some_and(|word| word.eq_ignore_ascii_case(mode))
        };
        Some((number, MODES.into_iter().find(begins)?))
    })
}

fn apparmor_now(context: &Context<'_>) -> Enforced {
    match first_line(context, "sys/module/apparmor/parameters/enabled") {
        Ok(Some(value)) if value == "Y" => {}
        Ok(_) => return Enforced::No("it is off".into(), None),
        Err(error) => {
            return Enforced::Unknown(format!("/sys/module/apparmor/parameters/enabled: {error}"));
        }
    }
    match apparmor_modes() {
        Ok(Some(modes)) => match modes.iter().any(|mode| mode == "enforce") {
            true => Enforced::Yes,
            false => Enforced::No("no profile is enforced".into(), None),
        },
        Ok(None) => Enforced::Unknown("securityfs is not mounted".into()),
        Err(error) => Enforced::Unknown(format!("its profiles: {error}")),
    }
}

/// apparmor.service loads the profiles that lie in /etc/apparmor.d.
fn apparmor_at_boot(context: &Context<'_>) -> Enforced {
    if let Some((word, place)) = command_line::switched_off(context, "apparmor") {
        return Enforced::No(format!("the kernel is booted with {word}"), Some(place));
    }
    let (units, unit) = (context.units(), ["apparmor.service"]);
    if units.first_started(context.root, &unit).is_none() {
        return match units.perhaps_started(context.root, &unit) {
            Some(why) => Enforced::Unknown(why),
            None => Enforced::No("nothing loads its profiles at boot".into(), None),
        };
    }
    profiles::at_boot(context)
}

#[cfg(test)]
mod tests {
    use super::selinux_mode;

    #[test]
    fn the_first_line_that_libselinux_takes_says_the_mode() {
        for (text, mode) in [
            (
                "# SELINUX=disabled\nSELINUX=enforcing\nSELINUX=permissive\n",
                Some((2, "enforcing")),
            ),
            (
                " SELINUX=enforcing\nSELINUX=permissive",
                Some((2, "permissive")),
            ),
            (
                "SELINUX=none\nSELINUX= Enforcing # on",
                Some((2, "enforcing")),
            ),
            ("SELINUX=disabledforever", Some((1, "disabled"))),
            (
                "SELINUXTYPE=targeted\nselinux=enforcing\nSELINUX =enforcing",
                None,
            ),
        ] {
            assert_eq!(selinux_mode(text), mode, "{text}");
        }
    }
}
