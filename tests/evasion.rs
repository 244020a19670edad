//! Ways to fool the agent, or to stop it, that a hostile reader of its source found. Each leaves a mark.

use harness::{Host, Lab, private, shell};

/// A profile in which `/home/USER/.ssh` is all that is covered of a home.
const HOMES: &str = "name = \"lab\"\n[[paths]]\npath = \"/home/*/.ssh\"\nseverity = \"high\"\n";

#[test]
fn a_link_in_the_place_of_a_directory_that_leads_on() {
    let lab = Lab::new();
    lab.profile(HOMES);
    lab.shell("mkdir -p home/alice/.ssh");
    lab.create().expect(0);
    lab.shell("mkdir -p elsewhere/.ssh home/carol; ln -s ../elsewhere home/bob");
    assert_eq!(
        lab.check(&[]).expect(1).told(),
        ["fail files.added /home/bob"]
    );
}

#[test]
fn a_mount_on_a_directory_that_was_not_there() {
    let lab = Lab::new();
    lab.shell("mkdir -p etc/known etc/new; touch -d @1 etc");
    lab.shell("rmdir etc/new");
    lab.create().expect(0);
    let mount = "mkdir root/etc/new; mount -t tmpfs none root/etc/new; touch -d @1 root/etc";
    let told = lab.check_after(mount, &[]).expect(1).told();
    assert!(
        told.contains(&"fail files.added /etc/new".into()),
        "{told:?}"
    );
    assert!(
        told.contains(&"fail files.mount /etc/new".into()),
        "{told:?}"
    );
}

#[test]
fn an_entry_that_says_nothing_is_no_entry() {
    let lab = Lab::new();
    lab.shell("echo x > x");
    lab.create().expect(0);
    shell(
        lab.path(),
        "sed -i 's|^./x type=file.*|./x type=file|' manifest.mtree",
    );
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["manifest.mtree:9:", "lacks"]);
}

#[test]
fn a_profile_cannot_switch_a_files_check_off() {
    let lab = Lab::new();
    lab.shell("echo x > x");
    lab.create().expect(0);
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n[settings.\"files.changed\"]\nenabled = false\n");
    lab.check(&[])
        .expect(2)
        .silent()
        .complains(&["profile.toml:5:", "files.changed"]);
}

#[test]
fn what_a_removed_manifest_leaves_behind_shows() {
    let lab = Lab::new();
    lab.shell("mkdir -p usr/share/host-integrity-agent; touch usr/share/host-integrity-agent/manifest.mtree.sig");
    let told = lab.agent(&["check"], &["--format", "json"]).told();
    let seal = "unknown files.profile /usr/share/host-integrity-agent/manifest.mtree.sig";
    assert!(told.contains(&seal.into()), "{told:?}");
    // Where signers are trusted, no choice of checks makes it look clean.
    shell(
        lab.path(),
        "ssh-keygen -q -t ed25519 -N '' -f key; echo \"b $(cat key.pub)\" > signers",
    );
    for more in [
        &["--only", "files.changed"][..],
        &["--skip", "files.profile"],
        &[],
    ] {
        let arguments = [&["--trust", "signers"], more].concat();
        lab.agent(&["check"], &arguments).expect(4).silent();
    }
    shell(lab.path(), "echo x > launch");
    lab.agent(&["check"], &["--launch", "launch"])
        .expect(2)
        .silent();
}

#[test]
fn a_hole_of_terabytes_keeps_nobody_from_the_end() {
    let lab = Lab::new();
    lab.shell("echo x > grown");
    lab.create().expect(0);
    lab.shell("truncate -s 8T added; truncate -s 8T grown");
    let ran = lab.check(&[]).expect(1);
    assert!(ran.one("files.added", "/added")["observed"]["sha256"].is_null());
    let grown = ran.one("files.changed", "/grown");
    assert_eq!(grown["changed"], serde_json::json!(["size", "mtime"]));
    // Nor does a tree that claims to hold a manifest of that size.
    lab.shell("mkdir -p usr/share/host-integrity-agent; truncate -s 8T usr/share/host-integrity-agent/manifest.mtree");
    lab.agent(&["check"], &[])
        .expect(2)
        .silent()
        .complains(&["larger than"]);
}

#[test]
fn an_output_never_takes_the_place_of_a_device() {
    let lab = Lab::new();
    lab.create().expect(0);
    shell(
        lab.path(),
        "mknod null c 1 3; mkfifo fifo; ln -s elsewhere link",
    );
    for name in ["null", "fifo", "link"] {
        lab.check(&["--output", name])
            .expect(2)
            .complains(&[name, "regular file"]);
        lab.agent(&["baseline", "create"], &["--output", name])
            .expect(2);
    }
    assert_eq!(
        shell(lab.path(), "stat -c %F null fifo link"),
        "character special file\nfifo\nsymbolic link\n"
    );
}

#[test]
fn patterns_take_no_time_to_speak_of() {
    let lab = Lab::new();
    let deep = "d/".repeat(60);
    lab.shell(&format!("mkdir -p {deep}"));
    let twice = "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n[[exclude]]\nreason = \"r\"\npath = \"PATTERN\"\n";
    lab.profile(&twice.replace("PATTERN", "/**/**/x"));
    lab.create().expect(2).complains(&["twice in a row"]);
    lab.profile(&twice.replace("PATTERN", &format!("{}/zzz", "/**/d".repeat(45))));
    lab.create().expect(0);
    lab.check(&[]).expect(0);
}

#[test]
fn a_number_of_threads_within_reason() {
    let lab = Lab::new();
    lab.create().expect(0);
    for bad in ["0", "1025", "9223372036854775807", "-1"] {
        lab.check(&["--threads", bad]).expect(2).silent();
    }
    lab.check(&["--threads", "64"]).expect(0);
}

/// A check that was given mounts of its own: in the place of a recorded mount lies another of the same type.
#[test]
fn a_check_with_another_file_system_than_process_1_has_says_so() {
    let host = Host::new();
    host.shell(
        "mkdir -p data/disk bin usr dev tmp run
         truncate -s 8M good.img; mkfs.ext4 -q good.img; cp good.img clean.img",
    );
    let told = |last: &str| {
        // Process 1 is the shell, which does not become its last command, and whose root is the host's.
        let inside = format!(
            "mount -t proc proc /proc; mount -o loop /good.img /data/disk
             /agent baseline create --profile /etc/host-integrity-agent/profile.toml --output /m.mtree >&2
             {last} || exit $?
             exit 0"
        );
        let script = format!(
            "cd root; mount --bind \"$AGENT\" agent
             for dir in bin lib lib64 usr dev; do if [ -e /$dir ]; then mount --rbind /$dir $dir; fi; done
             exec unshare --pid --fork chroot . /bin/bash -euc '{inside}'"
        );
        private(host.lab().path(), &script, &[]).told()
    };
    let check = "/agent check --profile /etc/host-integrity-agent/profile.toml --manifest /m.mtree --only files --format json";
    assert_eq!(told(check), Vec::<String>::new());
    let exchanged = "umount /data/disk; mount -o loop /clean.img /data/disk";
    let exchanged =
        format!("unshare --mount --propagation unchanged bash -euc \"{exchanged}; {check}\"");
    assert_eq!(told(&exchanged), ["fail files.mount /data/disk"]);
}
