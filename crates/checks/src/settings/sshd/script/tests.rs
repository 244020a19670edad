//! Scripts and the commands that a shell makes of them.

use super::*;

/// The commands of a script, `?` for what cannot be told.
fn commands(text: &str) -> String {
    commands_with(text, &["sh", "-x", "a b"])
}

fn commands_with(text: &str, operands: &[&str]) -> String {
    let operands = operands.iter().map(|word| (*word).to_owned());
    let mut environment = Environment::default();
    environment.set("O", "-o A=b");
    let budget = Budget::new(1_000);
    let mut shell = Shell {
        environment,
        operands: Some(operands.collect()),
        budget: &budget,
        conditional: false,
        open: 0,
    };
    let mut found = Vec::new();
    shell.run(text, 0, &mut |words, _| found.push(words.join("|")));
    found.join(" ; ").replace(UNTOLD, "?")
}

#[test]
fn what_a_shell_makes_of_words() {
    for (text, expected) in [
        ("exec sshd -D $O", "exec|sshd|-D|-o|A=b"),
        ("sshd \"$O\" '$O' \\$O", "sshd|-o A=b|$O|$O"),
        ("S=/x/sshd; $S -D", "/x/sshd|-D"),
        ("S=/x; S=$S/sshd\n${S} ${N:-a}$N", "/x/sshd|a"),
        ("O=$O; sshd $O", "sshd|-o|A=b"),
        ("export O=; sshd $O -D", "sshd|-D"),
        ("false && O=; sshd $O", "false ; sshd|?"),
        ("if a; then O=c; fi; sshd $O", "a ; sshd|?"),
        ("(O=c); O=c & sshd $O", "sshd|?"),
        ("O=c && sshd $O", "sshd|c"),
        ("O=c sshd $O", "sshd|-o|A=b"),
        (". /etc/x; sshd $O", "sshd|?"),
        ("sshd $(b c) `d`", "b|c ; d ; sshd|?|?"),
        ("sshd \"$@\" $1 $0", "sshd|-x|a b|-x|sh"),
        ("set -e; sshd $1; set -- x; sshd $1", "sshd|-x ; sshd|?"),
        ("read O; sshd $O $HOME $'x'", "sshd|?|?|?"),
        ("sshd >/x 2>&1 # $O; b", "sshd|>/x|2>&1"),
        ("eval \"sshd \\$O\"", "sshd|-o|A=b"),
        ("/x/ss?d -D; { a*; }", "/x/ss?d|-D ; a?"),
        ("IFS=,; sshd $O", "sshd|?"),
        ("case $O in a) b;; *) c;; esac", "b ; c ; esac"),
    ] {
        assert_eq!(commands(text), expected, "{text}");
    }
    assert_eq!(commands(&"eval ".repeat(20)), "?");
    assert_eq!(
        commands(
            "A=xxxxxxxxxx; A=$A$A; A=$A$A; A=$A$A; A=$A$A; A=$A$A; A=$A$A; A=$A$A; A=$A$A; a $A"
        ),
        ""
    );
}

/// Even a word of no bytes is held: the command at which the budget ends is none.
#[test]
fn words_cost_more_than_their_bytes() {
    let (few, many) = ([""; 6], [""; 20]);
    for (text, operands, expected) in [
        ("a \"$@\" b", &few[..], "a||||||b"),
        ("a \"$@\" b", &many, ""),
        ("a $@ $@ $@ $@ b", &few, ""),
        (
            "a $*; b $*; c $*; d $*; e",
            &few,
            "a||||| ; b||||| ; c|||||",
        ),
        ("O='a a a a a a a a a a a a a a a a'; b $O c", &few, ""),
        (
            "O='a a a a'; b $O $O; c $O $O; d",
            &few,
            "b|a|a|a|a|a|a|a|a",
        ),
        ("O='             '; a $O b", &few, "a|b"),
    ] {
        assert_eq!(commands_with(text, operands), expected, "{text}");
    }
}
