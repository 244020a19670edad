//! The metadata service of the test harness by itself, until it is killed: `ADDRESS [MODE] [ROLE]`.
//!
//! `cargo run -p harness --example imds_server -- 127.0.0.1:8080 required writer`; each request is a line on standard output.
//! The environment sets what it holds: IMDS_INSTANCE_ID, IMDS_IMAGE_ID, IMDS_REGION, IMDS_HOPS, IMDS_USER_DATA (a file).

use harness::imds::{Identity, Imds, Mode};
use std::io::Write;
use std::thread;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |place: usize| arguments.get(place).map(String::as_str);
    let variable = |name: &str| std::env::var(name).ok();
    let mode = match argument(1).unwrap_or("required") {
        "required" => Mode::Required,
        "optional" => Mode::Optional,
        "off" => Mode::Off(403),
        "silent" => Mode::Silent,
        "throttles" => Mode::Throttles,
        other => panic!("{other}: expected required, optional, off, silent or throttles"),
    };
    let mut identity = Identity::default();
    for (name, field) in [
        ("IMDS_INSTANCE_ID", &mut identity.instance_id),
        ("IMDS_IMAGE_ID", &mut identity.image_id),
        ("IMDS_REGION", &mut identity.region),
    ] {
        if let Some(value) = variable(name) {
            *field = value;
        }
    }
    let hops = variable("IMDS_HOPS").map_or(1, |text| text.parse().expect("a number"));
    let mut imds = Imds::new().identity(&identity).mode(mode).hops(hops);
    if let Some(role) = argument(2) {
        imds = imds.role(role);
    }
    if let Some(file) = variable("IMDS_USER_DATA") {
        let text = std::fs::read_to_string(file).expect("readable user data");
        imds = imds.set("user-data", Some(&text));
    }
    let imds = imds.start_on(argument(0).unwrap_or("127.0.0.1:0"));
    let mut out = std::io::stdout();
    writeln!(out, "{}", imds.endpoint()).expect("standard output");
    let mut told = 0;
    loop {
        for line in imds.asked().iter().skip(told) {
            writeln!(out, "{line}").expect("standard output");
            told += 1;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
