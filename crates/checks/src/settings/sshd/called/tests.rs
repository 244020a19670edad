//! What command lines start, and their words.

use super::*;

/// The words of every sshd that a line starts in a template, `?` where they cannot be told.
fn called(line: &str, is_sshd: &dyn Fn(&str) -> bool, environment: &Environment) -> Vec<String> {
    let budget = Budget::new(10_000);
    let budget = &budget;
    let finder = Finder { is_sshd, budget };
    let specified = |text: &str| systemd::specifiers(text, "sshd@.service");
    let found = finder.line(line, &specified, environment).into_iter();
    let found = found.map(|called| match called {
        Called::With(words) => words.join(" "),
        Called::Untold(_) => "?".to_owned(),
    });
    found.collect()
}

#[test]
fn programs_that_start_it() {
    let is_sshd = |word: &str| name(word) == "sshd" || word == "/usr/local/bin/foo";
    let behind = |line: &str| called(line, &is_sshd, &Environment::default());
    for (line, expected) in [
        ("-/usr/sbin/sshd -i", Some("-i")),
        ("@/usr/sbin/sshd sshd -D", Some("sshd -D")),
        ("/usr/bin/env A=b /usr/sbin/sshd -f /x", Some("-f /x")),
        (
            "/bin/sh -c 'exec /usr/sbin/sshd -D -f /x'",
            Some("-D -f /x"),
        ),
        ("/bin/sh /usr/sbin/sshd", None),
        ("/usr/bin/bash -lc \"exec /usr/sbin/sshd -D\"", Some("-D")),
        (
            "/usr/bin/bash -e -o pipefail -uc \"A=b /usr/sbin/sshd -D\"",
            Some("-D"),
        ),
        (
            "/usr/bin/zsh -c 'if true; then (/usr/sbin/sshd -D); fi'",
            Some("-D"),
        ),
        ("/usr/local/bin/foo -D", Some("-D")),
        ("/usr/bin/nice -n 1 /usr/local/bin/foo -D", Some("-D")),
        (
            "/bin/sh -c 'mkdir -p /run/sshd; /usr/sbin/sshd -D -f /x; true'",
            Some("-D -f /x"),
        ),
        ("/usr/bin/setsid /usr/sbin/sshd -D", Some("-D")),
        (
            "/usr/sbin/ip netns exec blue /usr/sbin/sshd -D -o Port=23",
            Some("-D -o Port=23"),
        ),
        ("/usr/bin/strace -f -o /t /usr/sbin/sshd -D", Some("-D")),
        ("/usr/bin/pkill -x /usr/sbin/sshd", None),
        ("/usr/bin/systemctl restart sshd", None),
        ("/usr/sbin/sshd -t", None),
        ("/usr/sbin/sshd -f /x -T", None),
        ("/usr/sbin/sshd -Df /t", Some("-Df /t")),
        ("/usr/sbin/sshd-keygen", None),
        (
            "/usr/bin/nice /bin/sh -c 'exec /usr/sbin/sshd -D'",
            Some("-D"),
        ),
        (
            "/usr/bin/env O=-4 /bin/sh -c 'exec /usr/sbin/sshd -D $$O'",
            Some("-D -4"),
        ),
        (
            "/bin/sh -c \"S=/usr/sbin/sshd; $$S -D -p 2226 -oPermitRootLogin=yes\"",
            Some("-D -p 2226 -oPermitRootLogin=yes"),
        ),
        (
            "/bin/sh -c 'exec /usr/sbin/sshd -D \"$$@\"' sh -4",
            Some("-D -4"),
        ),
        (
            "/bin/sh -c '. /etc/x; exec /usr/sbin/sshd -D $$O'",
            Some("?"),
        ),
        ("/bin/sh -c '. /etc/x; $$S -D'", Some("?")),
        ("/bin/sh -c '/usr/sbin/ss?d -D'", Some("?")),
        ("/bin/sh -c 'logger $$(date); echo $$HOME/sshd'", None),
        ("/bin/bash -lc 'exec /usr/sbin/sshd -D $$O'", Some("?")),
        ("/usr/sbin/modprobe %i", None),
        ("/bin/sh -c '/usr/sbin/ifup %i'", None),
        ("/usr/sbin/%i -D", Some("?")),
        ("/usr/sbin/sshd -D -o%m", Some("?")),
        ("/usr/sbin/%p -D -o%%m", Some("-D -o%m")),
        (
            "/bin/sh -c 'exec /bin/sh -c \"$$0\"' '/usr/sbin/sshd -D'",
            Some("-D"),
        ),
    ] {
        let found = behind(line);
        assert_eq!(found.first().map(String::as_str), expected, "{line}");
    }
}

/// Behind a starter the program is named once: what is not known of its arguments says nothing of an sshd.
#[test]
fn arguments_that_cannot_be_told() {
    let is_sshd = |word: &str| name(word) == "sshd";
    for (line, expected) in [
        ("/usr/bin/env docker-compose -p %i up", None),
        ("/usr/bin/env node_exporter --name %H", None),
        ("/usr/bin/env A=/x/%i B=c /usr/bin/foo %i", None),
        ("/usr/bin/env -i PATH=/bin /usr/bin/foo %i", None),
        ("/usr/bin/nice -n 19 /usr/sbin/e2scrub %I", None),
        ("/usr/bin/nice -19 /usr/sbin/e2scrub -x %I", None),
        ("/usr/bin/timeout 60 /usr/bin/fetch %i", None),
        ("/usr/bin/timeout --signal=KILL 1.5h fetch %i", None),
        ("/usr/bin/timeout -k 5 60 nice -n 1 fetch %i", None),
        ("/usr/bin/setsid -- foo %i", None),
        (
            "/bin/sh -c 'exec /usr/bin/java $$(cat /etc/o) -jar x'",
            None,
        ),
        ("/bin/sh -c 'exec backup --date $$(date +%%F)'", None),
        ("/bin/sh -c 'exec foo --pid $$$$'", None),
        ("/usr/bin/env /usr/sbin/%i -D", Some("?")),
        ("/usr/bin/env -u LANG A=b %i -D", Some("?")),
        ("/usr/bin/nice -n 19 %i", Some("?")),
        ("/usr/bin/timeout 60 %i", Some("?")),
        ("/usr/bin/taskset ff %i", Some("?")),
        ("/usr/bin/taskset -c 0-3,5 %i", Some("?")),
        ("/usr/bin/env nice -n 5 /usr/bin/taskset ff %i", Some("?")),
        ("/bin/sh -c 'exec $$(cat /etc/o) -D'", Some("?")),
        ("/bin/sh -c 'exec 2>&1 > /x $$(cat /etc/o) -D'", Some("?")),
        ("/usr/bin/env foo %i /usr/sbin/sshd -D", Some("-D")),
        (
            "/usr/bin/env foo %i /bin/sh -c '/usr/sbin/sshd -D'",
            Some("-D"),
        ),
    ] {
        let found = called(line, &is_sshd, &Environment::default());
        assert_eq!(found.first().map(String::as_str), expected, "{line}");
    }
}

#[test]
fn words_of_a_command() {
    let mut environment = Environment::default();
    environment.set("A", "-o \"Port 22\" -4");
    environment.set("EMPTY", "");
    let budget = Budget::new(1_000);
    let finder = Finder {
        is_sshd: &|_| false,
        budget: &budget,
    };
    for (line, expected) in [
        ("/sshd -D $EMPTY", &["/sshd", "-D"][..]),
        ("/sshd $A $B", &["/sshd", "-o", "Port 22", "-4"]),
        ("/sshd -x${A}y", &["/sshd", "-x-o \"Port 22\" -4y"]),
        (
            "/sshd -o \"AuthorizedKeysCommand /x %u\" $$A",
            &["/sshd", "-o", "AuthorizedKeysCommand /x %u", "$A"],
        ),
        (":/sshd $A $$A", &[":/sshd", "$A", "$$A"]),
        ("/x/$A", &["/x/$A"]),
        (
            "/usr/sbin/ssh\\x64 -oPermit\\u0052ootLogin=yes",
            &["/usr/sbin/sshd", "-oPermitRootLogin=yes"],
        ),
        ("'a b'c \"d\\\"e\" ''", &["a bc", "d\"e", ""]),
    ] {
        let command = systemd::commands(line).concat();
        let found = expanded(command, &environment, finder.budget);
        assert_eq!(found.expect("it is short"), expected, "{line}");
    }
}
