use super::*;

mod held;
mod started;

#[test]
fn lines_of_a_unit() {
    let mut found = Vec::new();
    let text = b"[Unit]\nExecStart=no\n[Service]\n# ExecStart=no\nExecStart=-/sbin/agetty \\\n; no\n --autologin root %I\n";
    collect("u", text, "Service", "ExecStart", &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].location, "/u:5");
    assert_eq!(found[0].value, "-/sbin/agetty   --autologin root %I");
    let text = b"[Service]\nExecStart=\nExecStart = b\n";
    collect("u", text, "Service", "ExecStart", &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].value, "b");
}

#[test]
fn a_value_of_very_many_lines_takes_no_longer_than_its_length() {
    let lines = 500_000;
    let text = format!(
        "[Service]\nExecStart=/bin/a \\\n{}c\n",
        "b \\\n".repeat(lines)
    );
    let begun = std::time::Instant::now();
    let found = ini(text.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].2.len(), "/bin/a  c".len() + 3 * lines);
    // Copying what there is for each line would take a hundred gigabytes of it.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn templates() {
    assert_eq!(
        template("getty@tty1.service").as_deref(),
        Some("getty@.service")
    );
    assert_eq!(template("ssh.service"), None);
}

/// Which commands systemd itself says are not there, over trees made at random: the unit and its drop-ins under all of its
/// names, aliases included.
#[test]
// Its grammar is what is long.
#[allow(clippy::too_many_lines)]
fn as_systemd_puts_units_together() {
    let there = std::process::Command::new("systemd-analyze")
        .arg("--version")
        .output();
    if there.is_err() {
        println!("left out: no systemd-analyze");
        return;
    }
    let mut seed = 7_u64;
    let mut roll = |sides: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    const KEYS: [&str; 4] = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop"];
    for round in 0..24 {
        let lab = std::env::temp_dir().join(format!("units-{}-{round}", std::process::id()));
        let (unit, names): (&str, &[&str]) = match round % 3 {
            0 => (
                "a-b-c@x.service",
                &[
                    "a-b-c@x.service",
                    "a-b-c@.service",
                    "a-b-.service",
                    "a-b-@.service",
                    "a-@x.service",
                    "a-.service",
                    "service",
                    "b.service",
                ],
            ),
            1 => (
                "ssh.service",
                &["ssh.service", "sshd.service", "service", "other.service"],
            ),
            _ => (
                "auto@x.service",
                &[
                    "auto@x.service",
                    "auto@.service",
                    "real@x.service",
                    "real@.service",
                    "service",
                ],
            ),
        };
        let places = ["etc/systemd/system", "usr/lib/systemd/system"].map(|place| lab.join(place));
        for place in &places {
            std::fs::create_dir_all(place).expect("a directory");
        }
        let own = match unit {
            "a-b-c@x.service" => "a-b-c@.service",
            "auto@x.service" => "real@.service",
            unit => unit,
        };
        std::fs::write(
            places[1].join(own),
            "[Service]\nType=oneshot\nExecStart=/nowhere/own\n",
        )
        .expect("written");
        let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, places[0].join(name));
        match unit {
            "ssh.service" => link("sshd.service", "/usr/lib/systemd/system/ssh.service"),
            "auto@x.service" => link("auto@.service", "/usr/lib/systemd/system/real@.service"),
            _ => Ok(()),
        }
        .expect("a link");
        for n in 0..=roll(4) {
            let at = usize::try_from(roll(names.len() as u64)).expect("small");
            let name = names[at];
            let directory = places[usize::from(roll(2) == 0)].join(format!("{name}.d"));
            std::fs::create_dir_all(&directory).expect("a directory");
            let key = KEYS[usize::try_from(roll(4)).expect("small")];
            // Whose file counts where two aliases have one of a name is nobody's promise.
            let of = if round % 3 == 0 { 0 } else { at };
            let file = format!("{of}-{}.conf", roll(3));
            let text = format!("[Service]\n{key}=\n{key}=/nowhere/{n}\n");
            std::fs::write(directory.join(file), text).expect("written");
        }
        // Links lead into the tree, as they do where it is the root.
        let ran = std::process::Command::new("unshare")
            .args(["--mount", "sh", "-ec"])
            .arg("mount --bind \"$0/usr/lib/systemd/system\" /usr/lib/systemd/system; mount --bind \"$0/etc/systemd/system\" /etc/systemd/system; exec systemd-analyze verify --man=no \"$1\"")
            .arg(&lab)
            .arg(unit)
            .env("SYSTEMD_UNIT_PATH", "/etc/systemd/system:/usr/lib/systemd/system")
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        let mut theirs: Vec<&str> = told
            .lines()
            .filter_map(|line| {
                line.split_once("Command ")?
                    .1
                    .split_once(" is not executable")
            })
            .map(|(command, _)| command)
            .collect();
        let root = Root::open(&lab).expect("a root");
        // Of each key it names the first command.
        let ours = KEYS.map(|key| values(&root, unit, "Service", key).into_iter().next());
        let mut ours: Vec<String> = ours
            .into_iter()
            .flatten()
            .map(|first| first.value)
            .collect();
        ours.sort();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{}: {told}", lab.display());
        std::fs::remove_dir_all(&lab).expect("its own directory");
    }
}

/// Which assignments systemd itself sees in drop-ins of random pieces of its syntax.
#[test]
fn as_systemd_reads_lines() {
    let there = std::process::Command::new("systemd-analyze")
        .arg("--version")
        .output();
    if there.is_err() {
        println!("left out: no systemd-analyze");
        return;
    }
    const KEYS: [&str; 4] = ["ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop"];
    const PIECES: [&[u8]; 16] = [
        b"\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\\\n",
        b"\\\\\n",
        b"\\ \n",
        b"\\\r",
        b"# x",
        b" ;",
        b" ",
        b"\xef\xbb\xbf",
        b"[Service]\n",
        b"[Unit]\n",
        b"X=a",
    ];
    let mut seed = 11_u64;
    let mut roll = |sides: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("small") % sides
    };
    for round in 0..40 {
        let lab = tempfile::tempdir().expect("a directory");
        let drop_in = lab.path().join("q.service.d");
        std::fs::create_dir(&drop_in).expect("a directory");
        let own = "[Service]\nType=oneshot\nExecStart=/nowhere/own\n";
        std::fs::write(lab.path().join("q.service"), own).expect("written");
        let mut text = b"[Service]\n".to_vec();
        for n in 0..12 {
            for _ in 0..roll(3) {
                text.extend_from_slice(PIECES[roll(PIECES.len())]);
            }
            let line = format!("{}=/nowhere/{n}", KEYS[roll(KEYS.len())]);
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(PIECES[roll(6)]);
        }
        std::fs::write(drop_in.join("x.conf"), &text).expect("written");
        let ran = std::process::Command::new("systemd-analyze")
            .args(["verify", "--man=no", "q.service"])
            .env("SYSTEMD_UNIT_PATH", lab.path())
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        let commands = told.lines().filter_map(|line| {
            let (_, rest) = line.split_once("Command ")?;
            Some(rest.split_once(" is not executable")?.0.to_owned())
        });
        let mut theirs: Vec<String> = commands.filter(|path| path != "/nowhere/own").collect();
        // Of each key it names the first command, by its path.
        let all = ini(&text);
        let ours = KEYS.map(|key| {
            let mut own = all
                .iter()
                .filter(|(at, name, ..)| at == "Service" && name == key);
            let (_, _, value, _) = own.next()?;
            value.split([' ', '\\']).next().map(str::to_owned)
        });
        let mut ours: Vec<String> = ours.into_iter().flatten().collect();
        ours.sort();
        theirs.sort();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(ours, theirs, "{round}: {text:?}: {told}");
    }
}

/// A tree with files of these texts; `->` before one makes a link.
fn made(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let tree = tempfile::tempdir().expect("a directory");
    for (path, text) in files {
        let path = tree.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        match text.strip_prefix("->") {
            Some(target) => std::os::unix::fs::symlink(target, path),
            None => std::fs::write(path, text),
        }
        .expect("made");
    }
    let root = Root::open(tree.path()).expect("a root");
    (tree, root)
}

#[test]
fn an_instance_with_a_file_of_its_own_is_not_masked_with_its_template() {
    let (_tree, root) = made(&[
        ("etc/systemd/system/getty@.service", "->/dev/null"),
        ("etc/systemd/system/getty@tty1.service", "[Service]\n"),
        ("usr/lib/systemd/system/getty@.service", "[Service]\n"),
    ]);
    let units = Units::read(&root, &[]);
    for (unit, expected) in [("getty@tty1.service", false), ("getty@tty2.service", true)] {
        assert_eq!(masked(&root, unit), expected, "{unit}");
        assert_eq!(units.masked(&root, unit), expected, "{unit}");
    }
}

#[test]
fn aliases_in_every_directory_of_units_count_and_links_out_of_them_are_none() {
    let own = (
        "usr/lib/systemd/system/getty@.service",
        "[Service]\nExecStart=own\n",
    );
    let drop_in = (
        "etc/systemd/system/foo@.service.d/z.conf",
        "[Service]\nExecStart=\nExecStart=of foo\n",
    );
    let place = "usr/local/lib/systemd/system";
    for (link, target, expected) in [
        (format!("{place}/foo@.service"), "getty@.service", "of foo"),
        (
            format!("{place}/foo@.service"),
            "../../../../lib/systemd/system/getty@.service",
            "of foo",
        ),
        (
            format!("{place}/foo@.service"),
            "/opt/getty@.service",
            "own",
        ),
        (
            format!("{place}/foo@tty1.service"),
            "getty@.service",
            "of foo",
        ),
        (format!("{place}/foo@tty2.service"), "getty@.service", "own"),
        (
            "etc/systemd/system.attached/foo@.service".to_owned(),
            "/usr/lib/systemd/system/getty@.service",
            "of foo",
        ),
    ] {
        let (_tree, root) = made(&[own, drop_in, (&link, &format!("->{target}"))]);
        let found = values(&root, "getty@tty1.service", "Service", "ExecStart");
        let found: Vec<&str> = found.iter().map(|setting| setting.value.as_str()).collect();
        assert_eq!(found, [expected], "{link} {target}");
    }
}

#[test]
fn units_of_portable_services_and_their_drop_ins() {
    let (_tree, root) = made(&[
        (
            "usr/lib/systemd/system/a.service",
            "[Service]\nExecStart=own\n",
        ),
        (
            "etc/systemd/system.attached/a.service.d/x.conf",
            "[Service]\nExecStart=\nExecStart=other\n",
        ),
    ]);
    let found = values(&root, "a.service", "Service", "ExecStart");
    assert_eq!(
        found.last().map(|setting| setting.value.as_str()),
        Some("other")
    );
}

#[test]
fn more_drop_ins_than_are_held_in_memory_are_told() {
    let (tree, root) = made(&[("usr/lib/systemd/system/a.service", "")]);
    let drop_ins = "etc/systemd/system/a.service.d";
    std::fs::create_dir_all(tree.path().join(drop_ins)).expect("made");
    let whole = bounds::UNIT_ALL / bounds::UNIT_FILE;
    for n in 0..=whole {
        let file = std::fs::File::create(tree.path().join(format!("{drop_ins}/{n:02}.conf")));
        let size = if n == whole { 0 } else { bounds::UNIT_FILE };
        file.and_then(|file| file.set_len(size)).expect("a hole");
    }
    trail::take_cut();
    let read = || sources(&root, &Listing::read(&root), "a.service").len() as u64;
    assert_eq!(read(), whole + 1);
    assert!(trail::take_cut().is_empty());
    std::fs::write(tree.path().join(drop_ins).join("zz.conf"), "x").expect("written");
    assert_eq!(read(), whole + 1);
    let cut = trail::take_cut();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].path, drop_ins.as_bytes());
}

#[test]
fn what_settings_of_started_units_pull_in() {
    let shell = ("usr/lib/systemd/system/debug-shell.service", "[Service]\n");
    for (path, text, expected) in [
        (
            "etc/systemd/system/multi-user.target.d/x.conf",
            "[Unit]\nWants=debug-shell.service\n",
            true,
        ),
        (
            "etc/systemd/system/debug.target",
            "[Unit]\nRequires=%p-shell.service\n",
            true,
        ),
        (
            "etc/systemd/system/foo.service",
            "->/usr/lib/systemd/system/debug-shell.service",
            true,
        ),
        (
            "etc/systemd/system/emergency.target.d/x.conf",
            "[Unit]\nWants=debug-shell.service\n",
            false,
        ),
        (
            "etc/systemd/system/debug-shell.service",
            "->/dev/null",
            false,
        ),
    ] {
        let wants = match path.ends_with("debug-shell.service") {
            true => "[Unit]\nWants=debug-shell.service\n",
            false => "[Unit]\nWants=debug.target foo.service\n",
        };
        let started = ("etc/systemd/system/default.target.d/y.conf", wants);
        let (_tree, root) = made(&[shell, started, (path, text)]);
        let found = Units::read(&root, &[]).pulled_in(&root, "debug-shell.service");
        assert_eq!(found.is_some(), expected, "{path}: {found:?}");
    }
}
