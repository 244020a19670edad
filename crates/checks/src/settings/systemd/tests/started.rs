//! What is started at boot, and what masks are.

use super::*;

/// Names that stand for what becomes of a unit.
fn state(files: &[(&str, &str)], unit: &str) -> &'static str {
    let vendor = (
        "usr/lib/systemd/system/a.service",
        "[Service]\nExecStart=/a\n",
    );
    let tied = (
        "usr/lib/systemd/system/multi-user.target",
        "[Unit]\nRequires=basic.target\n",
    );
    let files: Vec<_> = [vendor, tied]
        .into_iter()
        .chain(files.iter().copied())
        .collect();
    let (_tree, root) = made(&files);
    match Units::read(&root, &[]).state(&root, unit) {
        UnitState::Missing => "missing",
        UnitState::Masked(_) => "masked",
        UnitState::Started(_) => "started",
        UnitState::Perhaps(..) => "perhaps",
        UnitState::Elsewhere(_) => "elsewhere",
        UnitState::Idle(_) => "idle",
    }
}

/// The link that enables it.
const WANTED: (&str, &str) = (
    "etc/systemd/system/multi-user.target.wants/a.service",
    "->/usr/lib/systemd/system/a.service",
);

#[test]
fn masks_by_any_spelling() {
    let own = "etc/systemd/system/a.service";
    for (files, expected) in [
        (&[(own, "->../../../dev/null")][..], "masked"),
        (&[(own, "->/dev/./null")], "masked"),
        (
            &[(own, "->b"), ("etc/systemd/system/b", "->/dev/null")],
            "masked",
        ),
        (&[(own, "->/opt/x"), ("opt/x", "->../dev/null")], "masked"),
        (&[(own, "->/opt/x"), ("opt/x", "")], "masked"),
        (&[(own, "")], "masked"),
        (
            &[
                (own, "->b.service"),
                ("etc/systemd/system/b.service", "->/dev/null"),
            ],
            "masked",
        ),
        // No unit, whatever weaker directories have.
        (&[(own, "->/nowhere")], "missing"),
        (&[(own, "->b.service")], "missing"),
        // systemd passes over what is neither file nor link.
        (&[("etc/systemd/system/a.service/x", "")], "started"),
        (&[(own, "->/opt/x"), ("opt/x", "[Unit]\n")], "started"),
    ] {
        let all: Vec<_> = files.iter().copied().chain([WANTED]).collect();
        assert_eq!(state(&all, "a.service"), expected, "{files:?}");
    }
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn what_boot_leads_to() {
    const S: &str = "etc/systemd/system";
    let link = "->/usr/lib/systemd/system/a.service";
    for (files, expected) in [
        (&[("wants/a.service", link)][..], "idle"),
        (&[("multi-user.target.wants/a.service", link)], "started"),
        (
            &[("multi-user.target.wants/a.service", "->/nowhere")],
            "started",
        ),
        (&[("multi-user.target.wants/a.service", "no link")], "idle"),
        (
            &[(
                "multi-user.target.wants/a.service",
                "->../../../../dev/null",
            )],
            "idle",
        ),
        (&[("target.wants/a.service", link)], "started"),
        (&[("never.target.wants/a.service", link)], "elsewhere"),
        (&[("umount.target.wants/a.service", link)], "idle"),
        // A target without a file is none, whatever is linked to it.
        (
            &[
                ("multi-user.target.wants/x.target", "->/x"),
                ("x.target.wants/a.service", link),
            ],
            "elsewhere",
        ),
        (
            &[
                ("multi-user.target.wants/x.target", "->../x.target"),
                ("x.target", "[Unit]\n"),
                ("x.target.wants/a.service", link),
            ],
            "started",
        ),
        (
            &[("multi-user.target.d/x.conf", "[Unit]\nRequires=a.service\n")],
            "started",
        ),
        (
            &[
                ("multi-user.target.d/x.conf", "[Unit]\nWants=foo.service\n"),
                ("foo.service", link),
            ],
            "started",
        ),
        (
            &[
                ("default.target", "[Unit]\nRequires=basic.target\n"),
                ("multi-user.target.wants/a.service", link),
            ],
            "elsewhere",
        ),
        // What every service needs is started with it.
        (
            &[
                ("default.target", "[Unit]\nWants=b.service\n"),
                ("b.service", "[Service]\nExecStart=/b\n"),
                ("sysinit.target.wants/a.service", link),
            ],
            "started",
        ),
        (
            &[
                ("default.target", "[Unit]\nWants=b.service\n"),
                ("b.service", "[Unit]\nDefaultDependencies=no\n"),
                ("sysinit.target.wants/a.service", link),
            ],
            "elsewhere",
        ),
        (
            &[
                ("timers.target.wants/a.timer", "->../a.timer"),
                ("a.timer", "[Timer]\nOnBootSec=1\n"),
            ],
            "perhaps",
        ),
        (
            &[
                ("paths.target.wants/x.path", "->../x.path"),
                ("x.path", "[Path]\nPathExists=/\nUnit=a.service\n"),
            ],
            "perhaps",
        ),
        (
            &[
                ("sockets.target.wants/x.socket", "->../x.socket"),
                ("x.socket", "[Socket]\nListenStream=1\nService=a.service\n"),
            ],
            "perhaps",
        ),
        (&[("a.timer", "[Timer]\nOnBootSec=1\n")], "idle"),
        (
            &[
                ("multi-user.target.wants/b.service", "->../b.service"),
                ("b.service", "[Unit]\nOnSuccess=a.service\n"),
            ],
            "perhaps",
        ),
        (
            &[
                ("multi-user.target.wants/a.service", link),
                ("multi-user.target.wants/b.service", "->../b.service"),
                ("b.service", "[Unit]\nConflicts=a.service\n"),
            ],
            "perhaps",
        ),
        (
            &[(
                "/usr/lib/udev/rules.d/x.rules",
                "ENV{SYSTEMD_WANTS}+=\"a.service\"\n",
            )],
            "perhaps",
        ),
        (&[("dev-vda.device.wants/a.service", link)], "perhaps"),
    ] {
        let paths: Vec<(String, &str)> = files
            .iter()
            .map(|(path, text)| match path.strip_prefix('/') {
                Some(path) => (path.to_owned(), *text),
                None => (format!("{S}/{path}"), *text),
            })
            .collect();
        let files: Vec<(&str, &str)> = paths
            .iter()
            .map(|(path, text)| (path.as_str(), *text))
            .collect();
        assert_eq!(state(&files, "a.service"), expected, "{files:?}");
    }
}

#[test]
fn an_instance_that_a_link_to_a_template_makes() {
    let files = [
        ("etc/systemd/system/x@.service", "[Service]\nExecStart=/x\n"),
        (
            "etc/systemd/system/multi-user.target.wants/x@.service",
            "->../x@.service",
        ),
    ];
    let (_tree, root) = made(&files);
    let units = Units::read(&root, &[]);
    assert!(
        units
            .started(&root, ".service")
            .contains(&"x@multi-user.service")
    );
}

#[test]
fn what_the_command_line_changes() {
    let files = [
        (
            "usr/lib/systemd/system/a.service",
            "[Service]\nExecStart=/a\n",
        ),
        WANTED,
        ("etc/systemd/system/x.target", "[Unit]\n"),
        (
            "usr/lib/systemd/system/b.service",
            "[Service]\nExecStart=/b\n",
        ),
    ];
    let (_tree, root) = made(&files);
    let of = |lines: &[&str], unit: &str| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let state = Units::read(&root, &lines).state(&root, unit);
        let shown = format!("{state:?}");
        let (name, _) = shown.split_once('(').unwrap_or((&shown, ""));
        name.to_owned()
    };
    assert_eq!(of(&["ro", "ro single"], "a.service"), "Started");
    assert_eq!(of(&["systemd.mask=a"], "a.service"), "Masked");
    assert_eq!(of(&["systemd.mask=a", "ro"], "a.service"), "Perhaps");
    assert_eq!(of(&["systemd.unit=x.target"], "a.service"), "Elsewhere");
    assert_eq!(of(&["systemd.unit=x.target", "ro"], "a.service"), "Perhaps");
    assert_eq!(of(&["systemd.wants=b"], "b.service"), "Started");
    assert_eq!(of(&["systemd.wants=b", "ro"], "b.service"), "Perhaps");
    assert_eq!(of(&["ro"], "b.service"), "Idle");
}

#[test]
fn presets_of_the_first_boot() {
    let rules = |text: &'static str| ("etc/systemd/system-preset/00-x.preset", text);
    let new = ("etc/machine-id", "uninitialized\n");
    let b = (
        "usr/lib/systemd/system/b.service",
        "[Service]\nExecStart=/b\n[Install]\nWantedBy=multi-user.target\n",
    );
    let plain = (
        "usr/lib/systemd/system/c.service",
        "[Service]\nExecStart=/c\n",
    );
    let all = |files: &[(&'static str, &'static str)], unit: &str| {
        let mut all = vec![WANTED, b, plain];
        all.extend(files);
        state(&all, unit)
    };
    assert_eq!(all(&[new, rules("disable a.*\n")], "a.service"), "perhaps");
    assert_eq!(
        all(&[new, rules("enable a.service\ndisable *\n")], "a.service"),
        "started"
    );
    assert_eq!(
        all(&[new, rules("# x\nenable b.service x\n")], "b.service"),
        "perhaps"
    );
    assert_eq!(all(&[rules("enable *\n")], "b.service"), "perhaps");
    assert_eq!(all(&[rules("enable *\n")], "c.service"), "idle");
    let known = ("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    assert_eq!(
        all(
            &[known, rules("enable b.service\ndisable a.service\n")],
            "b.service"
        ),
        "idle"
    );
    assert_eq!(
        all(&[known, rules("disable a.service\n")], "a.service"),
        "started"
    );
    // The vendor's word takes nothing away that somebody has enabled.
    let vendor = ("usr/lib/systemd/system-preset/99-x.preset", "disable *\n");
    assert_eq!(all(&[new, vendor], "a.service"), "started");
}

#[test]
fn paths_that_hold_a_unit_back() {
    for (text, expected) in [
        ("AssertPathExists=/nope", true),
        ("AssertPathExists=/etc", false),
        ("AssertPathExists=!/etc", true),
        ("ConditionPathExists=/nope", true),
        ("ConditionPathExists=|/nope", false),
    ] {
        let drop_in = format!("[Unit]\n{text}\n");
        let file = ("etc/systemd/system/a.service.d/x.conf", drop_in.as_str());
        let (_tree, root) = made(&[("usr/lib/systemd/system/a.service", "[Unit]\n"), file]);
        let held = Units::read(&root, &[]).held_back(&root, "a.service");
        assert_eq!(held.is_some(), expected, "{text}");
    }
}

/// Which units systemd itself puts into its first transaction, over links, settings, aliases and masks made at random.
#[test]
// Its grammar is what is long.
#[allow(clippy::too_many_lines)]
fn as_systemd_starts_units() {
    const SYSTEMD: &str = "/usr/lib/systemd/systemd";
    if !std::path::Path::new(SYSTEMD).exists() || !rustix::process::geteuid().is_root() {
        println!("left out: no systemd, or not root");
        return;
    }
    const UNITS: [&str; 6] = [
        "qa.service",
        "qb.service",
        "qc.service",
        "qx.target",
        "qy.target",
        "qz.service",
    ];
    const KEYS: [&str; 4] = ["Wants", "Requires", "BindsTo", "After"];
    const HELD: [&str; 4] = ["multi-user.target", "qx.target", "qy.target", "qa.service"];
    let mut seed = 5_u64;
    let mut roll = |sides: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("small") % sides
    };
    for round in 0..8 {
        let mut files: Vec<(String, String)> = Vec::new();
        let mut add =
            |path: &str, text: String| files.push((format!("etc/systemd/system/{path}"), text));
        for unit in UNITS {
            let body = match unit.ends_with(".service") {
                true => "[Service]\nExecStart=/bin/true\n",
                false => "",
            };
            match roll(8) {
                0 => add(unit, "->../../../dev/null".to_owned()),
                1 => add(unit, "->/nowhere".to_owned()),
                // Only services lead to services.
                2 if unit == "qz.service" => add(unit, "->qa.service".to_owned()),
                3 => add(
                    unit,
                    format!("[Unit]\n{}={}\n{body}", KEYS[roll(4)], UNITS[roll(6)]),
                ),
                _ => add(unit, format!("[Unit]\nDescription=x\n{body}")),
            }
        }
        for n in 0..5 {
            let (holder, unit) = (HELD[roll(4)], UNITS[roll(6)]);
            match roll(4) {
                0 => add(
                    &format!("{holder}.d/{n}.conf"),
                    format!("[Unit]\n{}={unit}\n", KEYS[roll(4)]),
                ),
                _ => add(&format!("{holder}.wants/{unit}"), format!("->../{unit}")),
            }
        }
        files.sort();
        files.dedup_by(|one, other| one.0 == other.0);
        let shown: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let (tree, root) = made(&shown);
        let ran = std::process::Command::new("unshare")
            .args(["--mount", "sh", "-ec"])
            .arg(
                "mkdir -p \"$0/usr/lib/systemd\"; cp -a /usr/lib/systemd/system \"$0/usr/lib/systemd/\"; chmod -R a+rX \"$0\"; \
                 mount --bind \"$0/etc/systemd/system\" /etc/systemd/system; mkdir \"$0/run\"; chown nobody \"$0/run\"; \
                 XDG_RUNTIME_DIR=\"$0/run\" SYSTEMD_LOG_LEVEL=err exec setpriv --reuid nobody --clear-groups \"$1\" --test --system",
            )
            .arg(tree.path())
            .arg(SYSTEMD)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&ran.stdout).into_owned();
        let starts = |unit: &str| told.contains(&format!("Action: {unit} -> start\n"));
        assert!(
            starts("multi-user.target"),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let units = Units::read(&root, &[]);
        for unit in UNITS {
            let ours = matches!(units.state(&root, unit), UnitState::Started(_));
            // The transaction names a unit by its own name.
            let real = names::real(&root, &units.listing, unit);
            assert_eq!(ours, starts(&real), "{round} {unit}: {files:#?}");
        }
    }
}
