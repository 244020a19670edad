//! The real ssh-agent.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// In the foreground, so that it is this test's child; ends when it is dropped.
#[derive(Debug)]
pub struct SshAgent {
    process: Child,
    /// For `SSH_AUTH_SOCK`.
    pub socket: PathBuf,
}

impl SshAgent {
    /// With its socket in `directory`.
    pub fn start(directory: &Path) -> SshAgent {
        let socket = directory.join("agent");
        let process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent");
        for _ in 0..500 {
            if socket.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        SshAgent { process, socket }
    }

    /// Gives it the private key of that file.
    pub fn add(&self, key: &Path) {
        super::run(
            Command::new("ssh-add")
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", &self.socket),
        )
        .expect(0);
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        self.process.kill().expect("SIGKILL");
        self.process.wait().expect("it is gone");
    }
}

/// `SHA256:…` of the key in that file, as ssh-keygen says it.
pub fn fingerprint(key: &Path) -> String {
    let listed = super::run(Command::new("ssh-keygen").arg("-lf").arg(key)).expect(0);
    let word = listed.stdout.split(' ').nth(1).expect("a fingerprint");
    word.to_owned()
}
