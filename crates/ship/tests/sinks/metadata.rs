//! Credentials and region from the metadata service: found late, rotated under way, refused for a while.

use super::fixture::{Fixture, parcels};
use agent_ship::classify::Class;
use agent_ship::cloudwatch::{Answer, CloudWatchSink, Discovery, Options};
use harness::front::{Key, http};
use harness::imds::{Imds, Mode};
use harness::moto::REGION;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Nothing is given but the place of the metadata service.
fn options(imds: &Imds) -> Options {
    let mut options = Options::new("/g", "s").expect("good names");
    options.metadata = Some(imds.endpoint());
    options.spread = Duration::ZERO;
    options
}

/// The key that the service hands out at the moment.
fn key(imds: &Imds) -> Key {
    let ask = |line: &str, name: &str, value: &str| {
        let reply = http::request(imds.address(), line, &[(name, value.to_owned())], b"")
            .expect("it answers");
        assert_eq!(reply.status, 200, "{line}");
        String::from_utf8(reply.body).expect("UTF-8")
    };
    let token = ask(
        "PUT /latest/api/token",
        "x-aws-ec2-metadata-token-ttl-seconds",
        "60",
    );
    let line = "GET /latest/meta-data/iam/security-credentials/writer";
    let text = ask(line, "x-aws-ec2-metadata-token", &token);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let field = |name: &str| json[name].as_str().expect("text").to_owned();
    Key {
        id: field("AccessKeyId"),
        secret: field("SecretAccessKey"),
        token: Some(field("Token")),
        expired: false,
    }
}

/// A desk whose sink was found by discovery, and a front that knows the role's key.
fn found(imds: &Imds) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.front.keys(|keys| *keys = vec![key(imds)]);
    let options = Options {
        group: fixture.group.clone(),
        stream: super::fixture::STREAM.into(),
        endpoint: Some(fixture.front.url()),
        ..options(imds)
    };
    let sink: CloudWatchSink = match fixture.runtime.block_on(Discovery::new(options).ask()) {
        Answer::Yes(sink) => *sink,
        answer => panic!("{answer:?}"),
    };
    fixture.sink = sink;
    fixture
}

#[test]
fn a_role_is_enough_to_ship() {
    let imds = Imds::new()
        .role("writer")
        .set("meta-data/placement/region", Some(REGION))
        .start();
    let mut fixture = found(&imds);
    let parcels = parcels(40);
    for count in [10, 20, 30, 40] {
        fixture.deliver(&parcels[..count]);
    }
    fixture.holds(&parcels, false);
    assert_eq!(fixture.troubles(), []);
    let asked = imds.asked();
    let credentials = asked
        .iter()
        .filter(|line| line.contains("security-credentials/writer"))
        .count();
    // Once by discovery, once by the sink, once by the test itself.
    assert_eq!(credentials, 3, "good credentials are kept: {asked:?}");
    assert!(
        asked.iter().all(|line| !line.ends_with("401")),
        "never without a token: {asked:?}"
    );
}

#[test]
fn credentials_rotate_under_way() {
    let imds = Imds::new()
        .role("writer")
        .set("meta-data/placement/region", Some(REGION))
        .start();
    let mut fixture = found(&imds);
    let parcels = parcels(60);
    for count in [10, 20, 30, 40, 50, 60] {
        fixture.deliver(&parcels[..count]);
        fixture
            .front
            .keys(|keys| keys.iter_mut().for_each(|key| key.expired = true));
        imds.rotate();
        fixture.front.keys(|keys| keys.push(key(&imds)));
        // The service forgot our token as well: it was restarted, or the instance hibernated.
        imds.forget_tokens();
    }
    fixture.holds(&parcels, false);
    assert_eq!(fixture.troubles(), []);
}

#[test]
fn the_same_dead_credentials_are_waited_out() {
    let imds = Imds::new()
        .role("writer")
        .set("meta-data/placement/region", Some(REGION))
        .start();
    let mut fixture = found(&imds);
    let parcels = parcels(20);
    fixture.deliver(&parcels[..10]);
    fixture.front.keys(|keys| keys[0].expired = true);
    assert!(fixture.send(&parcels));
    imds.set_mode(Mode::Throttles);
    assert!(fixture.send(&parcels));
    imds.set_mode(Mode::Off(403));
    assert!(fixture.send(&parcels));
    assert_eq!(fixture.classes(), [Class::Credentials; 3]);
    for secret in imds.secrets() {
        assert!(
            fixture
                .troubles()
                .iter()
                .all(|trouble| !trouble.text.contains(&secret))
        );
    }
    imds.set_mode(Mode::Required);
    imds.rotate();
    fixture.front.keys(|keys| keys.push(key(&imds)));
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
}

#[test]
fn auto_is_undecided_until_the_service_answers() {
    let modes = [
        Mode::Off(403),
        Mode::Throttles,
        Mode::Resets,
        Mode::Portal,
        Mode::Refuses(400),
        Mode::NoTtl,
        Mode::Garbage,
    ];
    let runtime = runtime();
    for mode in modes {
        let imds = Imds::new()
            .role("writer")
            .set("meta-data/placement/region", Some(REGION))
            .mode(mode.clone())
            .start();
        let mut discovery = Discovery::new(Options {
            on_ec2: Some(true),
            ..options(&imds)
        });
        match runtime.block_on(discovery.ask()) {
            Answer::Undecided { reason, again } => {
                assert!(
                    !reason.is_empty() && again <= Duration::from_secs(300),
                    "{mode:?}: {reason}"
                );
            }
            answer => panic!("{mode:?}: {answer:?}"),
        }
        imds.set_mode(Mode::Required);
        let answer = runtime.block_on(discovery.ask());
        assert!(matches!(answer, Answer::Yes(_)), "{mode:?}: {answer:?}");
    }
}

#[test]
fn without_a_role_it_depends_on_where_we_are() {
    let runtime = runtime();
    let imds = Imds::new()
        .set("meta-data/placement/region", Some(REGION))
        .start();
    // Known to be an instance: never a no. Known to be none: at once. Not known: when it has been asked for long.
    for (on_ec2, late, no) in [
        (Some(true), Duration::ZERO, None),
        (Some(false), Duration::from_secs(120), Some(Duration::ZERO)),
        (None, Duration::from_secs(1), Some(Duration::from_secs(1))),
    ] {
        let mut discovery = Discovery::new(Options {
            on_ec2,
            late,
            ..options(&imds)
        });
        let mut asks = 0;
        let begin = Instant::now();
        let decided = loop {
            match runtime.block_on(discovery.ask()) {
                Answer::Undecided { .. } if asks == 12 && no.is_none() => break None,
                Answer::Undecided { again, .. } if no.is_some() => std::thread::sleep(again),
                Answer::Undecided { .. } => {}
                Answer::No { .. } => break Some(begin.elapsed()),
                answer => panic!("{on_ec2:?}: {answer:?}"),
            }
            asks += 1;
        };
        assert_eq!(decided.is_some(), no.is_some(), "{on_ec2:?}");
        assert!(decided >= no, "{on_ec2:?}: {decided:?}");
        assert_eq!(asks == 0, on_ec2 == Some(false), "{on_ec2:?}");
    }
    // A role that is attached later is found.
    let mut discovery = Discovery::new(Options {
        on_ec2: Some(true),
        ..options(&imds)
    });
    assert!(matches!(
        runtime.block_on(discovery.ask()),
        Answer::Undecided { .. }
    ));
    drop(imds);
    // A sink that is demanded asks for a region alone.
    let nowhere = Imds::new().start();
    let mut demanded = Options {
        demanded: true,
        ..options(&nowhere)
    };
    nowhere.set_mode(Mode::Off(404));
    let mut discovery = Discovery::new(demanded.clone());
    for _ in 0..10 {
        match runtime.block_on(discovery.ask()) {
            Answer::Undecided { reason, .. } => assert!(reason.contains("no region"), "{reason}"),
            answer => panic!("{answer:?}"),
        }
    }
    demanded.region = Some(REGION.into());
    assert!(matches!(
        runtime.block_on(Discovery::new(demanded).ask()),
        Answer::Yes(_)
    ));
}
