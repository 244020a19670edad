//! Something mounted over what was recorded: a clean copy over a changed program, or the other way round.

use harness::Lab;
use serde_json::json;

fn lab(cross: bool) -> Lab {
    let lab = Lab::new();
    lab.shell("mkdir -p usr/bin usr/lib ../clean; echo one > usr/bin/ls; echo one > usr/bin/sudo; cp -a usr/bin ../clean");
    lab.profile(&format!(
        "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"medium\"\ncross_mounts = {cross}\n\
         [[paths]]\npath = \"/usr/bin/sudo\"\nseverity = \"critical\"\ncross_mounts = {cross}\n"
    ));
    lab.create().expect(0);
    lab.shell("echo evil > usr/bin/ls");
    lab
}

#[test]
fn a_clean_copy_over_a_changed_program_is_named_with_the_severity_of_what_it_hides() {
    for mount in [
        "mount --bind clean/bin root/usr/bin",
        "mount -t tmpfs none root/usr/bin; cp -a clean/bin/. root/usr/bin; touch -r clean/bin root/usr/bin",
        "mkdir up work; mount -t tmpfs none up; mkdir up/u up/w; \
         mount -t overlay -o lowerdir=clean/bin,upperdir=up/u,workdir=up/w none root/usr/bin",
        "mount --bind clean/bin/ls root/usr/bin/ls",
    ] {
        let lab = lab(true);
        let ran = lab.check_after(mount, &[]).expect(1);
        let place = if mount.ends_with("ls") {
            "/usr/bin/ls"
        } else {
            "/usr/bin"
        };
        let finding = ran.one("files.mount", place);
        let severity = if place.ends_with("ls") {
            "medium"
        } else {
            "critical"
        };
        assert_eq!(finding["severity"], severity, "{mount}");
        assert_eq!(finding["verdict"], "fail", "{mount}");
        assert!(
            finding["observed"]["mounts"][0]["fstype"].is_string(),
            "{finding:#}"
        );
        assert!(
            finding["observed"]["mounts"][0]["source"].is_string(),
            "{finding:#}"
        );
    }
}

/// A manifest that says nothing of mounts cannot tell a new one where the profile crosses, and says so.
#[test]
fn a_manifest_without_lines_of_mounts_gives_a_note_unless_the_profile_refuses_to_cross() {
    let mount = "sed -i '/^# mount /d' manifest.mtree; mount --bind clean/bin root/usr/bin";
    let crossing = lab(true);
    let text = crossing
        .agent_after(mount, &["check"], &["--manifest", "manifest.mtree"])
        .expect(0);
    assert!(
        text.stdout
            .contains("mounted over what the profile covers: /usr/bin"),
        "{text:#?}"
    );
    let refusing = lab(false);
    let told = refusing.check_after(mount, &[]).told();
    assert!(
        told.contains(&"fail files.mount /usr/bin".into()),
        "{told:?}"
    );
    assert_ne!(refusing.check_after(mount, &[]).status, 0);
}

#[test]
fn what_was_mounted_when_it_was_recorded_is_no_finding_for_ever() {
    let lab = Lab::new();
    lab.shell("mkdir -p usr/bin usr/data; echo one > usr/bin/ls");
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"medium\"\n");
    let mount = "mount -t tmpfs none root/usr/data";
    lab.agent_after(
        mount,
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    )
    .expect(0);
    let header = lab.path().join("manifest.mtree");
    let header = std::fs::read_to_string(header).expect("a manifest");
    assert!(header.contains("\n# mount /usr/data tmpfs\n"), "{header}");
    assert!(header.contains("\n# mount / "), "{header}");
    let ran = lab.check_after(mount, &[]).expect(0);
    assert_eq!(
        ran.summary()["files"]["mounts_skipped"],
        json!(["/usr/data"])
    );
}

/// Without the table nobody knows what is mounted; that is no pass.
#[test]
fn a_hidden_proc_leaves_nothing_to_pass_on() {
    let lab = lab(true);
    lab.shell("echo one > usr/bin/ls");
    let ran = lab.check_after("mount -t tmpfs none /proc", &[]);
    assert_eq!(ran.one("files.mount", "/")["verdict"], "unknown");
    let settings = lab.agent_after(
        "mount -t tmpfs none /proc",
        &["check", "--root", "/"],
        &[
            "--format",
            "json",
            "--only",
            "credentials.no_long_term_keys",
            "--only",
            "kernel.aslr",
        ],
    );
    for finding in settings.findings() {
        assert_eq!(finding["verdict"], "unknown", "{finding:#}");
    }
}

/// What a file system calls its source, and of what type it is, whoever mounts chooses.
#[test]
fn what_takes_the_name_of_what_was_there_is_no_such_thing() {
    let lab = Lab::new();
    lab.shell("mkdir -p usr/boot ../clean; touch -d @1 usr/boot");
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"high\"\ncross_mounts = true\nattributes = [\"sha256\", \"uid\"]\n",
    );
    let fill = |place: &str| format!("mkdir -p {place}/lib; echo one > {place}/lib/one");
    let before = format!(
        "mount -t tmpfs same root/usr; {}; mkdir root/usr/boot; mount -t tmpfs other root/usr/boot; echo one > root/usr/boot/kernel;",
        fill("root/usr")
    );
    lab.agent_after(
        &before,
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    )
    .expect(0);
    let check = |then: &str| {
        let ran = lab.check_after(&format!("{before} {then}"), &[]);
        (ran.status, ran.told())
    };
    assert_eq!(check(":"), (0, vec![]));
    let told = |place: &str| (1, vec![format!("fail files.mount {place}")]);
    let idmapped = harness::project().join("tests/data/idmapped.py");
    for (place, then) in [
        (
            "/usr/lib",
            format!("mount -t tmpfs same clean; {}; mount --bind clean/lib root/usr/lib", fill("clean")),
        ),
        (
            "/usr/boot",
            "mount -t tmpfs other clean; mkdir clean/x; echo one > clean/x/kernel; umount root/usr/boot; mount --bind clean/x root/usr/boot"
                .to_owned(),
        ),
        (
            "/usr/lib",
            format!(
                "chown -R 1000 root/usr/lib; python3 {} $PWD/root/usr/lib 1000 < /dev/zero",
                idmapped.display()
            ),
        ),
    ] {
        assert_eq!(check(&then), told(place), "{then}");
    }
}
