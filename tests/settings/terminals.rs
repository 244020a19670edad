//! `console.getty_autologin` against agetty and login themselves: commands from a grammar, each on a terminal of its own.
//!
//! root's shell says that somebody is in. Whoever types root's name, if asked for one, and gets to that shell without a
//! word more was let in unasked. `AGENT_TEST_TERMINALS` says how many commands.

use super::{check, tree};
use harness::private;
use std::fmt::Write;
use std::fs;

/// Runs each line of standard input's file as a command on a terminal: `in` where the shell was reached, `asked` where
/// a password was asked for, `ended` where neither was and it ended.
const ON_A_TERMINAL: &str = r#"
import os, pty, select, shlex, signal, sys, time
for line in open(sys.argv[1]):
    pid, terminal = pty.fork()
    if pid == 0:
        words = shlex.split(line)
        os.environ["TERM"] = "linux"
        try:
            os.execv(words[0], words)
        finally:
            os._exit(9)
    seen, named, begun, said = b"", False, time.time(), ""
    while not said and time.time() - begun < 60:
        if select.select([terminal], [], [], 1)[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                part = b""
            # login hangs the terminal up before it takes it over: only who is gone has ended.
            if not part and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                said = "ended"
            if not part:
                time.sleep(0.02)
            seen += part
        if b"LET-IN" in seen:
            said = "in"
        elif b"assword:" in seen:
            said = "asked"
        elif not named and b"login: " in seen:
            named = True
            os.write(terminal, b"root\n")
        elif b"[press ENTER to login]" in seen and b"\n" not in seen[seen.rfind(b"[press"):]:
            os.write(terminal, b"\n")
            seen = seen.replace(b"[press", b"[pressed\n")
    print(said or "silent", flush=True)
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
"#;

/// Numbers from a seed (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        of[usize::try_from(self.0 >> 33).expect("31 bits") % of.len()]
    }
}

/// Options of agetty, some of which log in by themselves, some that only look so. Those that it refuses are left out: it
/// takes five seconds over each; and what depends on the line, as a carrier that a pseudo-terminal has not.
const OPTIONS: [&str; 30] = [
    "-a root",
    "-aroot",
    "--autologin root",
    "--autologin=root",
    "--autol root",
    "--auto=root",
    "-o '-p -- \\u'",
    "-o '-- \\u'",
    "-o '-f root'",
    "--login-options='-f root'",
    "--login-o '-- root'",
    "-n",
    "--skip-login",
    "-J",
    "--noclear",
    "-i",
    "-N",
    "-iNJ",
    "-L",
    "-L=always",
    "-f /etc/issue",
    "-H -aroot",
    "-H faraway",
    "-c",
    "-l /bin/login",
    "-l /srv/ksh",
    "--login-program=/usr/sbin/nologin",
    "-Ja root",
    "-NJaroot",
    "--nohints",
];
/// Without clusters of options: login of util-linux takes them, that of shadow ends.
const LOGINS: [&str; 8] = [
    "/bin/login",
    "/bin/login -p",
    "/bin/login -f root",
    "/bin/login -p -f root",
    "/bin/login -h x -f root",
    "/bin/login root",
    "/bin/login -- root",
    "/srv/ksh",
];
const WRAPPERS: [&str; 7] = [
    "",
    "",
    "",
    "/usr/bin/env A=b ",
    "/usr/bin/env -u A ",
    "/usr/bin/nice -n 5 ",
    "/usr/bin/stdbuf -oL ",
];

fn command(dice: &mut Dice) -> String {
    let mut text = dice.one(&WRAPPERS).to_owned();
    if dice.one(&["agetty", "agetty", "login"]) == "login" {
        text.push_str(dice.one(&LOGINS));
        return text;
    }
    text.push_str("/sbin/agetty");
    for _ in 0..dice.one(&["0", "1", "12", "123"]).len() {
        write!(text, " {}", dice.one(&OPTIONS)).expect("memory");
    }
    text.push_str(dice.one(&[" -", " - linux", " - 9600 linux", " - -a root", " -- - -a"]));
    text
}

#[test]
fn as_agetty_and_login_do() {
    let count = std::env::var("AGENT_TEST_TERMINALS").map_or(24, |n| n.parse().expect("a number"));
    let mut dice = Dice(0x5eed);
    let commands: Vec<String> = (0..count).map(|_| command(&mut dice)).collect();
    let lab = tree();
    lab.shell("mkdir ../with");
    let with = lab.path().join("with");
    fs::write(with.join("commands"), commands.join("\n")).expect("written");
    fs::write(with.join("run.py"), ON_A_TERMINAL).expect("written");
    fs::write(
        with.join("root-shell"),
        "#!/bin/sh\necho LET-IN; sleep 60\n",
    )
    .expect("written");
    fs::write(with.join("passwd"), "root:x:0:0:root:/:/srv/ksh\n").expect("written");
    let hash = "$6$abcdefgh$yVfUwsw5T.JApa8POvClA1pQ5peiq97DUNyXCZN5IrF.BMSkiaLZ5kvpuEm/VQ1Tvh/KV2TcaWh8qinoW5dhA1";
    fs::write(
        with.join("shadow"),
        format!("root:{hash}:19000:0:99999:7:::\n"),
    )
    .expect("written");
    let script = "chmod 755 root-shell; chmod 640 shadow
        mount -t tmpfs none /srv; cp root-shell /srv/ksh
        for file in passwd shadow; do mount --bind $file /etc/$file; done
        setsid -w python3 run.py commands";
    let ran = private(&with, script, &[]).expect(0);
    let theirs: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(theirs.len(), count, "{}", ran.stderr);
    let reached = theirs.iter().filter(|said| **said == "in").count();
    let asked = theirs.iter().filter(|said| **said == "asked").count();
    assert!(
        reached > count / 10 && asked > count / 10,
        "the grammar gives nothing: {theirs:?}"
    );
    assert!(!theirs.contains(&"silent"), "{theirs:?}");
    for (n, command) in commands.iter().enumerate() {
        let command = command.replace('\\', "\\\\");
        let unit = format!("[Service]\nStandardInput=tty\nExecStart=-{command}\n");
        fs::write(
            lab.root()
                .join(format!("usr/lib/systemd/system/serial-getty@t{n}.service")),
            unit,
        )
        .expect("written");
        lab.shell(&format!(
            "mkdir -p etc/systemd/system/getty.target.wants; ln -s /usr/lib/systemd/system/serial-getty@t{n}.service etc/systemd/system/getty.target.wants/"
        ));
    }
    let told = check(&lab, "console");
    let mut wrong = String::new();
    for (n, command) in commands.iter().enumerate() {
        let subject = format!("serial-getty@t{n}.service");
        let finding = told.findings().into_iter().find(|finding| {
            finding["check"] == "console.getty_autologin" && finding["subject"] == *subject
        });
        let verdict = finding.map_or("pass".to_owned(), |finding| {
            finding["verdict"].as_str().expect("a verdict").to_owned()
        });
        let right = if theirs[n] == "in" { "fail" } else { "pass" };
        if verdict != right {
            writeln!(wrong, "{command}: {} there, {verdict} here", theirs[n]).expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
