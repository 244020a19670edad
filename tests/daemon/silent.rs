//! A log service that takes connections and says nothing.

use super::harness::DaemonHarness;
use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;

#[test]
fn a_service_that_never_answers_does_not_keep_the_daemon_from_ending() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    // The test may have ended.
                    tell.send(()).unwrap_or_default();
                }
            });
        }
    });
    let harness = DaemonHarness::recorded();
    // A debug build of the SDK insists on certificates, though nothing of this is TLS.
    harness
        .host
        .shell("mkdir -p etc/ssl/certs; cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/");
    harness.configure(&format!(
        "[sinks.cloudwatch_logs]\nenabled = true\nlog_group = \"/silent\"\nlog_stream = \"harness\"\n\
         region = \"eu-central-1\"\nendpoint = \"http://{address}\"\n\
         [sinks.file]\npath = \"/var/log/events.jsonl\"\n"
    ));
    let daemon = harness.start_with(|command| {
        command
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    });
    harness.until_scanned();
    // Of high severity: it does not wait for the quiet moment after boot.
    harness.host.shell("echo first > data/first");
    harness.until_told("raised files.added /data/first");
    harness.until("a request is under way", |_| asked.try_recv().is_ok());
    assert_eq!(daemon.stop(), 0);
    // Who does answer has heard all of it.
    let events = harness.events();
    assert!(
        events.iter().any(|event| event["activity_name"] == "Stop"),
        "{events:#?}"
    );
    harness.verify();
}
