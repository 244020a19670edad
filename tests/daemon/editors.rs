//! Who did it, on a real change: an administrator edits a file with vi under sudo.

use super::harness::DaemonHarness;
use serde_json::Value;

/// The one process that an event names.
fn process(event: &Value) -> &Value {
    &event["actor"]["process"]
}

#[test]
fn whoever_edits_with_vi_under_sudo_is_named() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p data/ssh; for n in renamed written scripted; do echo 'PermitRootLogin no' > data/ssh/$n; done",
    );
    harness.record();
    let daemon = harness.start();
    harness.until_scanned();
    harness.until_attributed();
    // vi replaces the file, or writes to it in place (`backupcopy`); and ex, without a terminal.
    let login = "echo 1234 > /proc/self/loginuid; export HOME=/nonexistent TERM=vt100";
    let vi = |how: &str, file: &str| {
        format!(
            "({login}; (sleep 1; printf ':s/no/yes/\\r'; sleep 0.5; printf ':wq\\r'; sleep 1) | \
             script -qec \"sudo -n vi -u NONE -N --cmd 'set backupcopy={how}' data/ssh/{file}\" /dev/null >/dev/null)"
        )
    };
    harness.host.shell(&vi("no", "renamed"));
    harness.host.shell(&vi("yes", "written"));
    harness.host.shell(&format!(
        "({login}; sudo -n ex -s -u NONE -c 's/no/yes/' -c 'w' -c 'sleep 1' -c 'q' data/ssh/scripted)"
    ));
    for (file, program) in [("renamed", "vi"), ("written", "vi"), ("scripted", "ex")] {
        let path = format!("/data/ssh/{file}");
        let text = std::fs::read_to_string(harness.path(&path[1..])).expect("a file");
        assert_eq!(text, "PermitRootLogin yes\n", "{file} was not edited");
        harness.until_told(&format!("raised files.changed {path}"));
        let event = harness.event("raised files.changed", &path);
        let process = process(&event);
        assert_eq!(process["name"], program, "{event:#}");
        let run = process["file"]["path"].as_str().unwrap_or_default();
        assert!(run.contains("/vim."), "{event:#}");
        assert_eq!(process["user"]["uid"], "0", "{event:#}");
        assert_eq!(process["parent_process"]["name"], "sudo", "{event:#}");
        assert_eq!(event["unmapped"]["cause"]["login_uid"], 1234, "{event:#}");
        let command = process["cmd_line"].as_str().unwrap_or_default();
        assert!(command.starts_with(&format!("{program} ***")), "{event:#}");
    }
    harness.until_as_checked("edited");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
