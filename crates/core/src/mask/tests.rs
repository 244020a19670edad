use super::*;

fn masked(line: &str) -> String {
    Masker::default().line(line)
}

const ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const HEXA: &[u8] = b"0123456789abcdef";
const BASE64: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/// As random as needs be, and the same in every run.
fn random(seed: &mut u64, of: &[u8], length: usize) -> String {
    let mut next = || {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        of[usize::try_from(*seed >> 33).expect("fits") % of.len()]
    };
    (0..length).map(|_| char::from(next())).collect()
}

/// Beginning, what follows it, and how much: the forms of gitleaks' rules that have one.
const FORMS: [(&str, &[u8], usize); 66] = [
    ("AKIA", UPPER, 16),
    ("ASIA", UPPER, 16),
    ("ABIA", UPPER, 16),
    ("ACCA", UPPER, 16),
    ("AGE-SECRET-KEY-1", UPPER, 58),
    ("AIza", ALNUM, 35),
    ("CLOJARS_", LOWER, 60),
    ("EAAA", ALNUM, 60),
    ("EAACEdEose0cBA", ALNUM, 40),
    ("FLWSECK_TEST-", HEXA, 32),
    ("GOCSPX-", ALNUM, 28),
    ("HRKU-AA", ALNUM, 58),
    ("NRAK-", UPPER, 27),
    ("NRII-", ALNUM, 32),
    ("NRJS-", HEXA, 19),
    ("PMAK-", HEXA, 24),
    ("SG.", ALNUM, 66),
    ("dckr_pat_", ALNUM, 27),
    ("doo_v1_", HEXA, 64),
    ("dop_v1_", HEXA, 64),
    ("dor_v1_", HEXA, 64),
    ("dp.pt.", ALNUM, 43),
    ("eyJhbGciOiJIUzI1NiJ9.eyJ", ALNUM, 60),
    ("ghp_", ALNUM, 36),
    ("gho_", ALNUM, 36),
    ("ghr_", ALNUM, 36),
    ("ghs_", ALNUM, 36),
    ("ghu_", ALNUM, 36),
    ("github_pat_", ALNUM, 82),
    ("glagent-", ALNUM, 50),
    ("glc_", ALNUM, 40),
    ("glcbt-1_", ALNUM, 20),
    ("gldt-", ALNUM, 20),
    ("glpat-", ALNUM, 20),
    ("glptt-", HEXA, 40),
    ("glrt-", ALNUM, 20),
    ("glsa_", ALNUM, 41),
    ("glsoat-", ALNUM, 20),
    ("hvb.", ALNUM, 140),
    ("hvs.", ALNUM, 92),
    ("key-", HEXA, 32),
    ("lin_api_", ALNUM, 40),
    ("npm_", ALNUM, 36),
    ("pul-", HEXA, 40),
    ("pypi-AgEIcHlwaS5vcmc", ALNUM, 60),
    ("rk_live_", ALNUM, 24),
    ("rubygems_", HEXA, 48),
    ("secret_", ALNUM, 43),
    ("shpat_", HEXA, 32),
    ("shpca_", HEXA, 32),
    ("shppa_", HEXA, 32),
    ("shpss_", HEXA, 32),
    ("sk-", ALNUM, 48),
    ("sk-ant-api03-", ALNUM, 93),
    ("sk_live_", ALNUM, 24),
    ("sk_test_", ALNUM, 24),
    ("sq0atp-", ALNUM, 22),
    ("sq0csp-", ALNUM, 43),
    ("tfp_", ALNUM, 44),
    ("whsec_", ALNUM, 32),
    ("xapp-1-A012B34C5-", ALNUM, 60),
    ("xoxb-123456789012-123456789012-", ALNUM, 24),
    ("xoxe.xoxb-1-", ALNUM, 160),
    ("xoxp-123456789012-", ALNUM, 32),
    ("xoxs-123-", ALNUM, 20),
    ("ya29.", ALNUM, 60),
];

#[test]
fn tokens_of_every_maker_are_masked_wherever_they_stand() {
    let mut seed = 1;
    let places = [
        "@",
        "value = @",
        "Environment=X=@ Y=1",
        "\"x\": \"@\",",
        "curl -H 'X-Thing: @' https://example.com/",
        "* * * * * root run --with=@ > /dev/null",
        "# @",
    ];
    for (begin, of, length) in FORMS {
        for place in places {
            let secret = random(&mut seed, of, length);
            let line = place.replace('@', &format!("{begin}{secret}"));
            let shown = masked(&line);
            assert!(!shown.contains(&secret[..8]), "{begin}: {line} → {shown}");
            assert!(shown.contains(MASK), "{begin}: {shown}");
        }
    }
}

#[test]
fn values_of_names_that_say_so_are_masked() {
    for line in [
        "password = hunter2",
        "PASSWORD=hunter2",
        "Environment=DB_PASSWORD=hunter2 LANG=C",
        "Environment=\"API_KEY=hunter2\"",
        "  db-password: 'hunter2'",
        "\"clientSecret\": \"hunter2\",",
        "mysql --password hunter2 -u root",
        "mysql --password=hunter2",
        "rocommunity hunter2",
        "psk=\"hunter2\"",
        "Authorization: Basic hunter2 hunter2",
        "ExecStart=/usr/bin/x --auth-token hunter2",
        "machine x login me passwd hunter2",
        "url = postgres://me:hunter2@db.example.com/x",
        "https://hunter2hunter2hunter2@git.example.com/x",
        "connection_string = hunter2",
        "root:$6$hunter2$abcdefgh:19000:0:99999:7:::",
        "hash = $argon2id$v=19$m=65536$hunter2",
        "userPassword: {SSHA}hunter2",
    ] {
        let shown = masked(line);
        assert!(!shown.contains("hunter2"), "{line} → {shown}");
    }
}

#[test]
fn keys_are_masked_to_their_end() {
    let mut masker = Masker::default();
    for line in [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "b3BlbnNzaC1rZXk",
        "AAAA",
        "-----END OPENSSH PRIVATE KEY-----",
    ] {
        assert_eq!(masker.line(line), MASK);
    }
    assert_eq!(
        masker.line("net.ipv4.ip_forward = 1"),
        "net.ipv4.ip_forward = 1"
    );
}

#[test]
fn random_words_are_masked() {
    let mut seed = 7;
    for (of, length) in [
        (ALNUM, 40),
        (BASE64, 40),
        (BASE64, 64),
        (HEXA, 32),
        (HEXA, 64),
        (ALNUM, 24),
    ] {
        for _ in 0..200 {
            let secret = random(&mut seed, of, length);
            let shown = masked(&format!("x {secret} y"));
            assert_eq!(shown, format!("x {MASK} y"), "{secret}");
        }
    }
}

/// What a mask hides that is no secret hides a change: configurations of a stock system stay readable.
#[test]
fn configurations_stay_readable() {
    for line in [
        "net.ipv4.conf.all.rp_filter = 1",
        "kernel.core_pattern = |/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h",
        "127.0.0.1 localhost localhost.localdomain localhost4 localhost4.localdomain4",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334 ip6-host",
        "17 * * * * root cd / && run-parts --report /etc/cron.hourly",
        "ExecStart=/usr/lib/x86_64-linux-gnu/systemd/system-generators/systemd-fstab-generator --x",
        "WantedBy=multi-user.target",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "SystemCallFilter=@system-service",
        "Description=Daily Cleanup of Temporary Directories",
        "Documentation=man:systemd-tmpfiles-clean.service(8) https://www.freedesktop.org/wiki/Software/systemd/",
        "hosts:          files mymachines myhostname resolve [!UNAVAIL=return] dns",
        "passwd:         files systemd",
        "PasswordAuthentication no",
        "auth required pam_unix.so",
        "ConditionPathExists=/var/lib/AmazonCloudWatchAgentConfigurationDirectory",
        "PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin",
    ] {
        assert_eq!(masked(line), line);
    }
}
