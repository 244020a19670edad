//! The harness's own metadata service, asked by curl: what the agent is tested against does as AWS documents.

use base64ct::{Base64, Encoding};
use harness::imds::{Authority, Identity, Imds, Mode};
use std::process::Command;

/// Status and body of a request.
fn curl(imds: &Imds, path: &str, arguments: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(arguments)
        .arg(format!("{}{path}", imds.endpoint()))
        .output()
        .expect("curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.to_owned(), body.to_owned())
}

const PUT: [&str; 4] = [
    "-X",
    "PUT",
    "-H",
    "X-aws-ec2-metadata-token-ttl-seconds: 60",
];

fn token(imds: &Imds) -> String {
    let (status, token) = curl(imds, "/latest/api/token", &PUT);
    assert_eq!(status, "200");
    format!("X-aws-ec2-metadata-token: {token}")
}

#[test]
fn tokens_as_documented() {
    let imds = Imds::new().start();
    let ttl = |seconds: &str| format!("X-aws-ec2-metadata-token-ttl-seconds: {seconds}");
    for (path, headers, status) in [
        ("/latest/api/token", vec![ttl("1")], "200"),
        ("/latest/api/token", vec![ttl("21600")], "200"),
        ("/latest/api/token", vec![ttl("0")], "400"),
        ("/latest/api/token", vec![ttl("21601")], "400"),
        ("/latest/api/token", vec![ttl("soon")], "400"),
        ("/latest/api/token", vec![], "400"),
        (
            "/latest/api/token",
            vec![ttl("60"), "X-Forwarded-For: 10.0.0.1".into()],
            "403",
        ),
        ("/2021-01-03/api/token", vec![ttl("60")], "403"),
    ] {
        let mut arguments = vec!["-X", "PUT"];
        for header in &headers {
            arguments.extend(["-H", header]);
        }
        assert_eq!(
            curl(&imds, path, &arguments).0,
            status,
            "{path} {headers:?}"
        );
    }
    let item = "/latest/meta-data/instance-id";
    let good = token(&imds);
    for (header, status) in [
        (good.as_str(), "200"),
        ("X-aws-ec2-metadata-token: AQAEnobodys", "401"),
        ("X-Nothing: 1", "401"),
    ] {
        assert_eq!(curl(&imds, item, &["-H", header]).0, status, "{header}");
    }
    imds.forget_tokens();
    assert_eq!(curl(&imds, item, &["-H", &good]).0, "401");
    imds.set_mode(Mode::Optional);
    assert_eq!(curl(&imds, item, &[]).0, "200");
    assert_eq!(curl(&imds, item, &["-H", &good]).0, "401");
    let asked = imds.asked();
    assert_eq!(asked.last().expect("some"), &format!("GET {item} 401"));
    assert_eq!(asked.len(), 15);
}

#[test]
fn items_lists_and_credentials() {
    let imds = Imds::new()
        .role("writer")
        .tags(&[("backup", "daily")])
        .start();
    let token = token(&imds);
    let get = |path: &str| curl(&imds, path, &["-H", &token]);
    for (path, text) in [
        ("/latest/meta-data/instance-id", "i-0123456789abcdef0"),
        ("/2021-07-15/meta-data/placement/region", "eu-central-1"),
        ("/latest/meta-data/placement/", "availability-zone\nregion"),
        ("/latest/meta-data/tags/instance", "backup"),
        ("/latest/meta-data/iam/security-credentials/", "writer"),
    ] {
        assert_eq!(get(path), ("200".into(), text.into()), "{path}");
    }
    assert_eq!(get("/latest/meta-data/nothing").0, "404");
    assert!(get("/latest/meta-data/").1.contains("iam/"));

    let role = "/latest/meta-data/iam/security-credentials/writer";
    let before = get(role).1;
    imds.rotate();
    let after = get(role).1;
    let member = |text: &str, name: &str| -> String {
        let object: serde_json::Value = serde_json::from_str(text).expect("JSON");
        object[name].as_str().expect("a text").to_owned()
    };
    assert_ne!(
        member(&before, "AccessKeyId"),
        member(&after, "AccessKeyId")
    );
    assert!(member(&after, "AccessKeyId").starts_with("ASIA"));
    for secret in ["SecretAccessKey", "Token"] {
        assert!(imds.secrets().contains(&member(&before, secret)));
        assert!(imds.secrets().contains(&member(&after, secret)));
    }
}

#[test]
fn the_signature_is_one_that_openssl_verifies() {
    let authority = Authority::new();
    let imds = Imds::new().signed_by(&authority).start();
    let token = token(&imds);
    let get = |path: &str| curl(&imds, path, &["-H", &token]).1;
    let document = get("/latest/dynamic/instance-identity/document");
    assert_eq!(document, Identity::default().document());
    let encoded: String = get("/latest/dynamic/instance-identity/rsa2048")
        .split_whitespace()
        .collect();
    // Indefinite length, as AWS's own.
    assert_eq!(
        Base64::decode_vec(&encoded).expect("base64")[..2],
        [0x30, 0x80]
    );

    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path().join("rsa2048");
    std::fs::write(
        &place,
        format!("-----BEGIN PKCS7-----\n{encoded}\n-----END PKCS7-----\n"),
    )
    .expect("a file");
    // As the EC2 user guide verifies it.
    let output = Command::new("openssl")
        .args("smime -verify -noverify -inform PEM -in".split(' '))
        .arg(&place)
        .arg("-certfile")
        .arg(authority.certificate())
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), document);
}
