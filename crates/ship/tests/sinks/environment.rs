//! What the environment decides, as with every tool of AWS: keys, regions, endpoints, proxies, roles, trust in
//! certificates. Each in a process of its own.

use super::fixture::{STREAM, parcels, text};
use agent_ship::cloudwatch::{Answer, Discovery, Options};
use harness::front::{Fault, Front, Key, now};
use harness::{Lab, moto, run, shell};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A key for the environment, and the environment.
fn key() -> (Key, Vec<(&'static str, String)>) {
    let key = Key {
        id: "AKIAENVIRONMENT".into(),
        secret: "secret of the environment, told to nobody".into(),
        token: None,
        expired: false,
    };
    let environment = vec![
        ("AWS_ACCESS_KEY_ID", key.id.clone()),
        ("AWS_SECRET_ACCESS_KEY", key.secret.clone()),
        ("AWS_REGION", moto::REGION.to_owned()),
    ];
    (key, environment)
}

/// Asks once and sends `parcels` parcels, at most `sends` times, in a process with that environment alone.
fn ship(environment: &[(&'static str, String)], task: &Value) -> Vec<Value> {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command
        .args([
            "--exact",
            "environment::in_a_process_of_its_own",
            "--ignored",
            "--nocapture",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SHIP_TASK", task.to_string())
        .envs(environment.iter().map(|(name, value)| (name, value)));
    let ran = run(&mut command).expect(0);
    let told = ran.stdout.lines().filter_map(|line| line.split_once("=> "));
    let told: Vec<Value> = told
        .map(|(_, text)| serde_json::from_str(text).expect("JSON"))
        .collect();
    assert!(!told.is_empty(), "{ran:?}");
    for line in &told {
        assert!(!line.to_string().contains("told to nobody"), "{line}");
    }
    told
}

#[test]
#[ignore = "runs in a process of its own, for the tests beside it"]
fn in_a_process_of_its_own() {
    let task: Value =
        serde_json::from_str(&std::env::var("SHIP_TASK").expect("a task")).expect("JSON");
    let some = |name: &str| task[name].as_str().map(str::to_owned);
    let mut options = Options::new(&some("group").expect("a group"), STREAM).expect("good names");
    options.endpoint = some("endpoint");
    options.role_arn = some("role");
    options.instance_id = STREAM.into();
    options.on_ec2 = Some(false);
    options.spread = Duration::ZERO;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut sink = match Discovery::new(options).ask().await {
            Answer::Yes(sink) => sink,
            answer => return println!("=> {}", json!(format!("{answer:?}"))),
        };
        println!("=> \"yes\"");
        let mut parcels = parcels(task["parcels"].as_u64().unwrap_or(0));
        for _ in 0..task["sends"].as_u64().unwrap_or(1) {
            let sent = sink.send(&parcels, now()).await;
            parcels.retain(|parcel| !sent.delivery.accepted.contains(&parcel.key));
            let trouble = sent
                .trouble
                .map(|trouble| format!("{}: {}", trouble.class.name(), trouble.text));
            println!(
                "=> {}",
                json!({ "left": parcels.len(), "trouble": trouble })
            );
        }
    });
}

/// A group of this test's own.
fn group(name: &str) -> String {
    let group = format!("/tests/environment/{name}");
    moto::create_group(&group);
    group
}

/// What is stored, in order.
fn stored(group: &str) -> Vec<String> {
    moto::stored(group, STREAM)
        .into_iter()
        .map(|(_, message)| message)
        .collect()
}

fn expected(count: u64) -> Vec<String> {
    parcels(count).iter().map(text).collect()
}

#[test]
fn keys_region_and_endpoint_of_the_environment() {
    let (key, mut environment) = key();
    let front = Front::new(moto::moto());
    front.keys(|keys| keys.push(key));
    let group = group("keys");
    environment.push(("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", front.url()));
    let told = ship(&environment, &json!({ "group": group, "parcels": 5 }));
    assert_eq!(told, [json!("yes"), json!({ "left": 0, "trouble": null })]);
    assert_eq!(stored(&group), expected(5));
    // No region, no keys.
    for (missing, said) in [
        ("AWS_REGION", "no region"),
        ("AWS_ACCESS_KEY_ID", "no credentials"),
    ] {
        let without: Vec<_> = environment
            .iter()
            .filter(|(name, _)| *name != missing)
            .cloned()
            .collect();
        let told = ship(&without, &json!({ "group": group }));
        let answer = told[0].as_str().expect("an answer");
        assert!(
            answer.starts_with("No") && answer.contains(said),
            "{answer}"
        );
    }
}

#[test]
fn a_role_is_assumed_with_the_instance_as_its_tag() {
    let (key, mut environment) = key();
    let front = Front::new(moto::moto());
    front.keys(|keys| keys.push(key.clone()));
    // The session ends under way.
    front.fail(
        "PutLogEvents",
        &[
            Fault::None,
            Fault::Refuse(400, "ExpiredTokenException", "old"),
        ],
    );
    let group = group("role");
    environment.push(("AWS_ENDPOINT_URL_STS", front.url()));
    let role = "arn:aws:iam::123456789012:role/writer";
    let told = ship(
        &environment,
        &json!({ "group": group, "endpoint": front.url(), "role": role, "parcels": 5 }),
    );
    assert_eq!(told, [json!("yes"), json!({ "left": 0, "trouble": null })]);
    assert_eq!(stored(&group), expected(5));
    let assumed = front.calls("AssumeRole");
    assert_eq!(assumed.len(), 2, "anew when the session had ended");
    for call in &assumed {
        assert_eq!(call.key, key.id);
        for part in [
            "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fwriter",
            "Tags.member.1.Key=InstanceId",
            &format!("Tags.member.1.Value={STREAM}"),
            &format!("RoleSessionName={STREAM}"),
        ] {
            assert!(call.body.contains(part), "{part}: {}", call.body);
        }
    }
    let writers: Vec<String> = front
        .calls("PutLogEvents")
        .into_iter()
        .map(|call| call.key)
        .collect();
    assert!(
        writers.iter().all(|writer| *writer != key.id),
        "{writers:?}"
    );
    assert_ne!(writers.first(), writers.last());
}

#[test]
fn a_role_that_may_not_be_assumed_is_told() {
    let (key, mut environment) = key();
    let front = Front::new(moto::moto());
    front.keys(|keys| keys.push(key));
    front.rules(|rules| rules.denied = true);
    let group = group("denied");
    environment.push(("AWS_ENDPOINT_URL_STS", front.url()));
    let told = ship(
        &environment,
        &json!({ "group": group, "role": "arn:aws:iam::1:role/w", "parcels": 1 }),
    );
    let trouble = told[1]["trouble"].as_str().expect("told");
    assert!(
        trouble.starts_with("credentials: ") && trouble.contains("AccessDenied"),
        "{trouble}"
    );
}

/// A proxy that notes whom it should connect to, and does nothing of the kind.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut from = BufReader::new(stream.try_clone().expect("a socket"));
            if from.read_line(&mut line).is_ok() {
                noted
                    .lock()
                    .expect("whole")
                    .push(line.trim_end().to_owned());
                // Whoever connects may be gone already.
                stream
                    .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
                    .unwrap_or_default();
            }
        }
    });
    (address, asked)
}

#[test]
fn proxies_and_the_endpoints_of_fips_and_dual_stack() {
    let on = || "true".to_owned();
    let cases: &[(&[(&'static str, String)], Option<&str>, &str)] = &[
        (
            &[],
            None,
            "CONNECT logs.eu-central-1.amazonaws.com:443 HTTP/1.1",
        ),
        (
            &[("AWS_USE_FIPS_ENDPOINT", on())],
            None,
            "CONNECT logs-fips.eu-central-1.amazonaws.com:443 HTTP/1.1",
        ),
        (
            &[("AWS_USE_DUALSTACK_ENDPOINT", on())],
            None,
            "CONNECT logs.eu-central-1.api.aws:443 HTTP/1.1",
        ),
        (
            &[("AWS_REGION", "cn-north-1".into())],
            None,
            "CONNECT logs.cn-north-1.amazonaws.com.cn:443 HTTP/1.1",
        ),
        (
            &[],
            Some("https://vpce-1.logs.example"),
            "CONNECT vpce-1.logs.example:443 HTTP/1.1",
        ),
    ];
    for (more, endpoint, line) in cases {
        let (address, asked) = proxy();
        let (_, mut environment) = key();
        environment.push(("HTTPS_PROXY", format!("http://{address}")));
        environment.extend(more.iter().cloned());
        let told = ship(
            &environment,
            &json!({ "group": "/g", "endpoint": endpoint, "parcels": 1 }),
        );
        assert!(
            told[1]["trouble"]
                .as_str()
                .is_some_and(|text| text.starts_with("unreachable: ")),
            "{told:?}"
        );
        assert_eq!(asked.lock().expect("whole").as_slice(), [*line]);
    }
}

/// Speaks TLS to whoever comes, and passes on what it hears in the clear.
const TLS: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("leaf.pem", "leaf.key")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(plain):
    try:
        stream = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    behind = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=pump, args=(stream, behind), daemon=True).start()
    pump(behind, stream)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

/// Ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().expect("a child");
    }
}

#[test]
fn certificates_are_trusted_only_if_the_system_trusts_them() {
    let lab = Lab::new();
    shell(
        lab.path(),
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=test-ca -keyout ca.key -out ca.pem
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout leaf.key -out leaf.csr
         openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out leaf.pem \
           -extfile <(printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n')",
    );
    let (key, environment) = key();
    let front = Front::new(moto::moto());
    front.keys(|keys| keys.push(key));
    let behind = front.url().rsplit(':').next().expect("a port").to_owned();
    let mut server = Command::new("python3")
        .args(["-c", TLS, &behind])
        .current_dir(lab.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut port = String::new();
    BufReader::new(server.stdout.take().expect("piped"))
        .read_line(&mut port)
        .expect("a port");
    let server = Ended(server);
    let endpoint = format!("https://localhost:{}", port.trim());
    let group = group("tls");
    for (trusted, good) in [("ca.pem", true), ("other.pem", false)] {
        shell(
            lab.path(),
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=other -keyout other.key -out other.pem",
        );
        let mut environment = environment.clone();
        environment.push((
            "SSL_CERT_FILE",
            lab.path().join(trusted).display().to_string(),
        ));
        let told = ship(
            &environment,
            &json!({ "group": group, "endpoint": endpoint, "parcels": 5 }),
        );
        let trouble = told[1]["trouble"].as_str().unwrap_or_default();
        assert_eq!(trouble.is_empty(), good, "{told:?}");
        assert!(good || trouble.contains("certificate"), "{trouble}");
    }
    assert_eq!(stored(&group), expected(5));
    drop(server);
}
