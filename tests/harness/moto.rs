//! moto, a server that behaves like AWS and that we did not write: one for all tests, ended with them.

use super::front::http;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The region that all tests write to.
pub const REGION: &str = "eu-central-1";

/// The server, started by the first who asks.
pub fn moto() -> SocketAddr {
    static MOTO: OnceLock<SocketAddr> = OnceLock::new();
    *MOTO.get_or_init(|| {
        let (tell, told) = mpsc::channel();
        // The server dies with the thread that started it, and so with the tests, however they end.
        std::thread::spawn(move || {
            let (address, mut child) = start();
            tell.send(address).expect("somebody waits");
            child.wait().expect("a child");
        });
        told.recv_timeout(Duration::from_secs(300))
            .expect("moto starts")
    })
}

fn start() -> (SocketAddr, Child) {
    let program = super::project().join("target/python/bin/moto_server");
    assert!(program.exists(), "tests/run installs {}", program.display());
    loop {
        // Free a moment ago; whoever takes it first makes moto end, and another one is tried.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv");
        let begun = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if TcpStream::connect(address).is_ok() {
                return (address, child);
            }
            assert!(
                begun.elapsed() < Duration::from_secs(240),
                "moto does not answer"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Calls CloudWatch Logs behind all fronts. The status and the reply.
pub fn logs(operation: &str, arguments: &Value) -> (u16, Value) {
    let body = arguments.to_string();
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=TEST/20260101/{REGION}/logs/aws4_request, SignedHeaders=host, Signature=0"
    );
    let headers = [
        ("x-amz-target", format!("Logs_20140328.{operation}")),
        ("content-type", "application/x-amz-json-1.1".to_owned()),
        ("authorization", scope),
    ];
    let reply = http::call(moto(), &headers, body.as_bytes()).expect("moto answers");
    let value = match reply.body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&reply.body).unwrap_or_else(|e| panic!("{e}: {reply:?}")),
    };
    (reply.status, value)
}

/// Makes a log group.
pub fn create_group(group: &str) {
    let (status, reply) = logs("CreateLogGroup", &json!({ "logGroupName": group }));
    assert_eq!(status, 200, "{reply}");
}

/// What a stream holds: time stamps and messages, in the order of the time stamps. Empty if there is no such stream.
pub fn stored(group: &str, stream: &str) -> Vec<(i64, String)> {
    let mut events = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut arguments =
            json!({ "logGroupName": group, "logStreamName": stream, "startFromHead": true });
        if !token.is_null() {
            arguments["nextToken"] = token.clone();
        }
        let (status, reply) = logs("GetLogEvents", &arguments);
        if status != 200 {
            return events;
        }
        let page = reply["events"].as_array().expect("events");
        events.extend(page.iter().map(|event| {
            let message = event["message"].as_str().expect("a message");
            (
                event["timestamp"].as_i64().expect("a time"),
                message.to_owned(),
            )
        }));
        if page.is_empty() || reply["nextForwardToken"] == token {
            return events;
        }
        token = reply["nextForwardToken"].clone();
    }
}
