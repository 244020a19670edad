//! Children begin alike, whoever started the tests: from a terminal, in the background, by nohup(1), by a CI runner.

use rustix::fs::Mode;
use std::process::Command;
use std::sync::{LazyLock, Once};

/// What children know of the environment that the tests were started in. Everything else is what a test says.
const KEPT: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "LLVM_PROFILE_FILE",
    "RUSTUP_HOME",
];
/// What the same words and times come out with.
const SET: [(&str, &str); 2] = [("LANG", "C.UTF-8"), ("TZ", "UTC")];

/// By its whole path: a program without one is looked for on the child's `PATH`, and a test may set one that leads
/// nowhere.
const ENV: &str = "/usr/bin/env";

/// Whether signals are ignored that a child would then ignore too. SIGPIPE is no matter: Rust's runtime ignores it,
/// and gives it back to children.
static IGNORING: LazyLock<bool> = LazyLock::new(|| {
    const PIPE: u64 = 1 << 12;
    let status = std::fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let masks = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(masks.expect("a mask").trim(), 16).expect("hexadecimal");
    mask & !PIPE != 0
});

/// Files and directories that tests make have the modes that they have everywhere.
pub fn usual_modes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustix::process::umask(Mode::from_raw_mode(0o022));
    });
}

/// The same command with the usual dispositions of signals, environment and umask. What was said of its standard
/// streams has to be said again.
pub fn defined(command: &Command) -> Command {
    usual_modes();
    let mut defined = match *IGNORING {
        false => Command::new(command.get_program()),
        true => {
            let mut env = Command::new(ENV);
            env.args(["--default-signal", "--"])
                .arg(command.get_program());
            env
        }
    };
    defined.args(command.get_args()).env_clear().envs(SET);
    let kept = KEPT
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    defined.envs(kept);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => defined.env(name, value),
            None => defined.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        defined.current_dir(directory);
    }
    defined
}

/// The same command, started in a shell that has done `first`.
pub fn after(first: &str, command: &Command) -> Command {
    let mut after = Command::new("bash");
    after.args(["-euc", &format!("{first}\nexec \"$@\""), "bash"]);
    after.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => after.env(name, value),
            None => after.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        after.current_dir(directory);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    /// Says in the environment of this test that it is the one that was started by itself.
    const TASK: &str = "HARNESS_STATE_TASK";

    /// Starts itself from a strange place, and there a child has to begin as usual.
    #[test]
    fn children_begin_alike_whoever_started_the_tests() {
        let state = || {
            crate::run(Command::new("bash").args([
                "-c",
                "umask; grep -E '^Sig(Ign|Blk)' /proc/self/status; env | grep -v '^_=' | sort",
            ]))
        };
        if let Some(expected) = std::env::var_os(TASK) {
            assert_eq!(OsStr::new(&state().stdout), expected);
            crate::run(Command::new("/bin/true").env("PATH", "/nowhere")).expect(0);
            return;
        }
        let usual = state();
        assert!(usual.stdout.starts_with("0022\n"), "{usual:#?}");
        let itself = std::env::current_exe().expect("a path");
        let mut strange = Command::new(itself);
        strange
            .args([
                "--exact",
                "state::tests::children_begin_alike_whoever_started_the_tests",
            ])
            .env(TASK, &usual.stdout)
            .envs([
                ("NO_COLOR", "1"),
                ("TERM", "xterm-256color"),
                ("LC_ALL", "tr_TR.UTF-8"),
                ("TZ", "Asia/Kathmandu"),
                ("COLUMNS", "40"),
                ("RUNTIME_DIRECTORY", "/nowhere"),
                ("AWS_REGION", "nowhere"),
            ]);
        let strange = after(
            "trap '' INT HUP QUIT TERM; umask 077; exec 7</dev/null <&-",
            &strange,
        );
        let ran = crate::run(&mut { strange });
        assert_eq!(ran.status, 0, "{ran:#?}");
        assert!(ran.stdout.contains("1 passed"), "{ran:#?}");
    }
}
