//! `kernel.*`: what files set, beside systemd-sysctl itself, and what the running kernel says.

use super::{check, told, tree};
use harness::{Lab, Ran, agent_path, private, run};
use serde_json::Value;
use std::process::Command;

pub(super) fn profile(id: &str, demand: &str) -> String {
    format!(
        "name = \"lab\"\n[[paths]]\npath = \"/etc\"\nseverity = \"low\"\n[settings.\"kernel.{id}\"]\ndemand = {demand}\n"
    )
}

const DIRECTORIES: [&str; 3] = ["etc/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"];

/// What systemd-sysctl writes for kernel.randomize_va_space under the lab's configuration. The file of the
/// kernel is hidden behind one of ours, so that nothing is set.
fn set_by_systemd(lab: &Lab) -> Option<String> {
    private(
        lab.path(),
        ": > value
        mount --bind root/etc/sysctl.d /etc/sysctl.d
        mount --bind root/usr/lib/sysctl.d /usr/lib/sysctl.d
        mount --bind root/usr/local/lib /usr/local/lib
        mount --bind value /proc/sys/kernel/randomize_va_space
        for tool in /usr/lib/systemd/systemd-sysctl /lib/systemd/systemd-sysctl; do
          if [ -x $tool ]; then $tool || true; exit 0; fi
        done; exit 1",
        &[],
    )
    .expect(0);
    let value = std::fs::read_to_string(lab.path().join("value")).expect("the value");
    let value = value.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

#[test]
fn values_as_systemd_sysctl_sets_them() {
    let random = &mut fastrand::Rng::with_seed(4);
    let mut set = 0;
    for round in 0..60 {
        let lab = tree();
        let mut written = String::new();
        for directory in DIRECTORIES {
            lab.shell(&format!("mkdir -p {directory}"));
            for _ in 0..random.usize(0..3) {
                let name =
                    random.choice(["10-a.conf", "50-b.conf", "99-c.conf", "z.txt", ".h.conf"]);
                let path = format!("{directory}/{}", name.expect("a choice"));
                if random.u8(..) < 20 {
                    lab.shell(&format!("ln -sf /dev/null {path}"));
                    written += &format!("{path} -> /dev/null\n");
                    continue;
                }
                let lines: Vec<String> = (0..random.usize(0..4)).map(|_| line(random)).collect();
                let text = lines.join("\n");
                lab.shell(&format!("rm -f {path}"));
                std::fs::write(lab.root().join(&path), &text).expect("a file");
                written += &format!("{path}:\n{text}\n");
            }
        }
        let theirs = set_by_systemd(&lab);
        let finding = check(&lab, "kernel").one("kernel.aslr", "kernel.randomize_va_space");
        let ours = finding["observed"]["configured"]
            .as_str()
            .map(str::to_owned);
        assert_eq!(ours, theirs, "round {round}\n{written}\n{finding:#?}");
        set += usize::from(theirs.is_some());
    }
    assert!(set > 20, "hardly any configuration set the value: {set}");
}

fn line(random: &mut fastrand::Rng) -> String {
    let value = random.u8(0..9);
    let key = random.choice([
        "kernel.randomize_va_space",
        "kernel/randomize_va_space",
        "/kernel/randomize_va_space",
        "kernel.randomize_va_*",
        "kernel.random*",
        "kernel.[q-s]andomize_va_space",
        "*.randomize_va_space",
        "net.ipv4.randomize_va_space",
    ]);
    let key = key.expect("a choice");
    match random.u8(0..12) {
        0 => format!("# {key} = {value}"),
        1 => format!("; {key} = {value}"),
        2 => format!("-{key}"),
        3 => format!("-{key}={value}"),
        4 => format!("  {key}\t=   {value}  "),
        5 => "nonsense".into(),
        _ => format!("{key} = {value}"),
    }
}

#[test]
fn what_a_tree_sets_for_the_next_boot() {
    for (line, verdict, place) in [
        (":", "pass", Value::Null),
        (
            "echo kernel.randomize_va_space=2 > etc/sysctl.d/a.conf",
            "pass",
            Value::from("/etc/sysctl.d/a.conf:1"),
        ),
        (
            "printf '\\nkernel.randomize_va_space=0' > usr/lib/sysctl.d/a.conf",
            "fail",
            Value::from("/usr/lib/sysctl.d/a.conf:2"),
        ),
        (
            "echo kernel.randomize_va_space=0 > usr/lib/sysctl.d/a.conf; : > etc/sysctl.d/a.conf",
            "pass",
            Value::Null,
        ),
        (
            "sed -i 's/$/ norandmaps/' boot/grub/grub.cfg",
            "fail",
            Value::from("/boot/grub/grub.cfg:1"),
        ),
        (
            "echo kernel.randomize_va_space=0 > etc/sysctl.d/a.conf; ln -s /dev/null etc/systemd/system/systemd-sysctl.service",
            "pass",
            Value::Null,
        ),
        (
            "sed -i 's/$/ sysctl.kernel.randomize_va_space=0/' boot/grub/grub.cfg",
            "fail",
            Value::from("/boot/grub/grub.cfg:1"),
        ),
        (
            "sed -i 's/$/ sysctl.kernel.randomize_va_space=0/' boot/grub/grub.cfg; echo kernel.randomize_va_space=2 > etc/sysctl.d/a.conf",
            "pass",
            Value::from("/etc/sysctl.d/a.conf:1"),
        ),
        (
            "sed -i 's/$/ sysctl.kernel.randomize_va_space=0/' boot/grub/grub.cfg; echo kernel.randomize_va_space=on > etc/sysctl.d/a.conf",
            "fail",
            Value::from("/boot/grub/grub.cfg:1"),
        ),
        (
            "echo 'kernel.randomize_va_space = 2 # hardened' > etc/sysctl.d/a.conf",
            "pass",
            Value::from("/etc/sysctl.d/a.conf:1"),
        ),
        ("mkfifo etc/sysctl.d/a.conf", "unknown", Value::Null),
    ] {
        let lab = tree();
        lab.shell(&format!("mkdir -p etc/sysctl.d usr/lib/sysctl.d; {line}"));
        let finding = check(&lab, "kernel").one("kernel.aslr", "kernel.randomize_va_space");
        assert_eq!(finding["verdict"], verdict, "{line}: {finding:#?}");
        assert_eq!(finding["location"], place, "{line}");
    }
}

/// `check` of the live host's kernel, with files of ours over the kernel's own.
pub(super) fn live(lab: &Lab, script: &str, only: &str) -> Ran {
    let all = format!(
        "{script}\n\"$AGENT\" check --profile ./profile.toml --only 'kernel.{only}' --format json"
    );
    private(lab.path(), &all, &[])
}

#[test]
fn now_and_after_the_next_boot() {
    for (now, file, verdict, words) in [
        ("2", "", "pass", "is 2"),
        ("2", "kernel.randomize_va_space=2", "pass", "is 2"),
        ("0", "", "fail", "is 0"),
        (
            "0",
            "kernel.randomize_va_space=2",
            "fail",
            "changed since the boot",
        ),
        (
            "2",
            "kernel.randomize_va_space=0",
            "fail",
            "after the next boot",
        ),
    ] {
        let lab = Lab::new();
        lab.shell(&format!(
            "mkdir sysctl.d; echo '{file}' > sysctl.d/a.conf; echo {now} > value"
        ));
        let ran = live(
            &lab,
            "mount --bind root/sysctl.d /etc/sysctl.d; mount -t tmpfs none /usr/lib/sysctl.d
            mount --bind root/value /proc/sys/kernel/randomize_va_space",
            "aslr",
        );
        let finding = ran.one("kernel.aslr", "kernel.randomize_va_space");
        assert_eq!(finding["verdict"], verdict, "{now} {file}: {finding:#?}");
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains(words), "{now} {file}: {message}");
        assert_eq!(finding["observed"]["live"], now);
    }
    // The kernel as it is: what cat sees.
    let ran = run(Command::new(agent_path()).args([
        "check",
        "--only",
        "kernel.aslr",
        "--format",
        "json",
    ]));
    let finding = ran.one("kernel.aslr", "kernel.randomize_va_space");
    let seen = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space").expect("/proc");
    assert_eq!(finding["observed"]["live"], seen.trim());
}

#[test]
fn sysrq_is_a_mask() {
    for (demand, value, verdict) in [
        ("0", "0", "pass"),
        ("176", "176", "pass"),
        ("176", "16", "pass"),
        ("176", "438", "fail"),
        ("176", "1", "fail"),
        ("1", "1", "pass"),
        ("511", "1", "pass"),
    ] {
        let lab = tree();
        lab.profile(&profile("sysrq", demand));
        lab.shell(&format!(
            "mkdir etc/sysctl.d; echo kernel.sysrq={value} > etc/sysctl.d/a.conf"
        ));
        let finding = check(&lab, "kernel").one("kernel.sysrq", "kernel.sysrq");
        assert_eq!(finding["verdict"], verdict, "{demand} {value}");
    }
    let lab = tree();
    let finding = check(&lab, "kernel").one("kernel.sysrq", "kernel.sysrq");
    assert_eq!(finding["verdict"], "not_applicable");
    lab.profile(&profile("sysrq", "0"));
    let finding = check(&lab, "kernel").one("kernel.sysrq", "kernel.sysrq");
    assert_eq!(finding["verdict"], "unknown");
}

#[test]
fn lockdown_is_the_running_kernels() {
    let lab = Lab::new();
    lab.profile(&profile("lockdown", "\"integrity\""));
    for (text, verdict) in [
        ("[none] integrity confidentiality", "fail"),
        ("none [integrity] confidentiality", "pass"),
        ("none integrity [confidentiality]", "pass"),
    ] {
        let ran = live(
            &lab,
            &format!(
                "mount -t tmpfs none /sys/kernel/security; echo '{text}' > /sys/kernel/security/lockdown"
            ),
            "lockdown",
        );
        assert_eq!(
            ran.one("kernel.lockdown", "kernel")["verdict"],
            verdict,
            "{text}"
        );
    }
    let finding = check(&lab, "kernel").one("kernel.lockdown", "kernel");
    assert_eq!(finding["verdict"], "not_applicable");
}

#[test]
fn modules_on_a_tree() {
    let there = "mkdir -p usr/lib/modules/6.1.0 etc/modprobe.d; echo 'kernel/fs/hfs/hfs.ko.xz:' > usr/lib/modules/6.1.0/modules.dep; echo kernel/fs/udf/udf.ko > usr/lib/modules/6.1.0/modules.builtin";
    for (line, expected) in [
        (":".to_owned(), &["modules modules_disabled"][..]),
        (
            there.to_owned(),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        (
            format!("{there}; echo 'install hfs /bin/false' > etc/modprobe.d/a.conf"),
            &["modules udf", "modules modules_disabled"],
        ),
        (
            format!("{there}; echo 'blacklist hfs' > etc/modprobe.d/a.conf"),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        (
            format!(
                "{there}; printf 'install hfs modprobe -i hfs\\ninstall hfs /bin/false\\n' > etc/modprobe.d/a.conf"
            ),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        (
            format!("{there}; printf 'install h?s /bin/false\\r\\n' > etc/modprobe.d/a.conf"),
            &["modules udf", "modules modules_disabled"],
        ),
        (
            format!(
                "{there}; printf 'install hfs /bin/false\\nsoftdep hfs pre: udf\\n' > etc/modprobe.d/a.conf"
            ),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        (
            format!(
                "{there}; echo 'install hfs modprobe -i hfs' > etc/modprobe.d/a.alias; echo 'install hfs /bin/false' > etc/modprobe.d/b.conf"
            ),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        // What modprobe goes by is the index, and not the list.
        (
            format!(
                "{there}; > usr/lib/modules/6.1.0/modules.dep; printf '\\260\\007\\364\\127\\0\\2\\0\\1\\300\\0\\0\\014hfs\\0\\0\\0\\0\\1\\0\\0\\0\\0hfs.ko:\\0' > usr/lib/modules/6.1.0/modules.dep.bin"
            ),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        (
            format!("{there}; echo 'blacklist hfs' > etc/modprobe.d/a.txt"),
            &["modules hfs", "modules udf", "modules modules_disabled"],
        ),
        (
            format!(
                "{there}; sed -i 's/$/ module_blacklist=hfs/' boot/grub/grub.cfg; mkdir etc/sysctl.d; echo kernel.modules_disabled=1 > etc/sysctl.d/z.conf"
            ),
            &["modules udf"],
        ),
    ] {
        let lab = tree();
        lab.profile(&profile(
            "modules",
            "[\"hfs\", \"udf\", \"modules_disabled\"]",
        ));
        lab.shell(&line);
        let mut failed = told(&check(&lab, "kernel"), "fail");
        failed.retain(|told| told.starts_with("modules "));
        assert_eq!(failed, expected, "{line}");
    }
}
