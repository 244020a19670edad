//! Listeners against the profile's list.

use super::checks::LISTENING_ALLOWLIST;
use super::listeners::Listener;
use super::{Listening, shown};
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};

/// Whether one entry of the list lets a listener be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// It names a program, and the listener's cannot be seen.
    Perhaps,
}

/// Judges the check, one finding a socket outside of the list.
pub(super) fn judge(context: &Context<'_>, listening: &Listening, emit: &mut dyn FnMut(Finding)) {
    let check = &LISTENING_ALLOWLIST;
    let mut say = |verdict, message: String, observed: Value| {
        emit(
            context
                .finding(check, verdict, "listeners", message)
                .evidence(Value::Null, observed),
        );
    };
    let listeners = match listening {
        None => {
            let why = "what listens can only be seen on the running host";
            return say(Verdict::NotApplicable, why.into(), Value::Null);
        }
        Some(Err(why)) => return say(Verdict::Unknown, why.clone(), Value::Null),
        Some(Ok(listeners)) => listeners,
    };
    let all = Value::Array(listeners.iter().map(shown).collect());
    let Some(_) = context.demand(check) else {
        let message = format!(
            "the profile lists no sockets; {} listen to the network",
            listeners.len()
        );
        return say(Verdict::NotApplicable, message, json!({ "listeners": all }));
    };
    let list = context.demanded_texts(check);
    if let Some(bad) = list
        .iter()
        .find(|entry| AllowedListener::parse(entry).is_none())
    {
        let message = format!(
            "the profile's entry \"{bad}\" is not PROTO/PORT, PROTO/FIRST-LAST or PROTO/* with @PROGRAM at most"
        );
        return say(Verdict::Unknown, message, Value::Null);
    }
    let entries: Vec<AllowedListener<'_>> = list
        .iter()
        .filter_map(|entry| AllowedListener::parse(entry))
        .collect();
    let mut held = true;
    for listener in listeners {
        let matches = entries.iter().map(|entry| entry.matches(listener));
        let (verdict, words) = match matches.max_by_key(|found| match found {
            Match::Yes => 2,
            Match::Perhaps => 1,
            Match::No => 0,
        }) {
            Some(Match::Yes) => continue,
            Some(Match::Perhaps) => (
                Verdict::Unknown,
                "is listed for a program, and which one listens cannot be seen",
            ),
            _ => (Verdict::Fail, "is not in the profile's list"),
        };
        held = false;
        let message = format!(
            "{} listens on {}, which {words}",
            listener.who(),
            listener.name()
        );
        emit(
            context
                .finding(check, verdict, listener.name(), message)
                .evidence(json!({ "allowed": list }), shown(listener))
                .remediation(check.remedy.unwrap_or_default()),
        );
    }
    if held {
        let message = format!("{} sockets listen, all of them listed", listeners.len());
        emit(
            context
                .finding(check, Verdict::Pass, "listeners", message)
                .evidence(json!({ "allowed": list }), json!({ "listeners": all })),
        );
    }
}

/// `PROTO/PORT`, `PROTO/FIRST-LAST` or `PROTO/*`, perhaps with `@PROGRAM`.
struct AllowedListener<'a> {
    protocol: &'a str,
    first: u16,
    last: u16,
    program: Option<&'a str>,
}

impl AllowedListener<'_> {
    fn parse(text: &str) -> Option<AllowedListener<'_>> {
        let (socket, program) = match text.split_once('@') {
            Some((socket, program)) => (socket, Some(program)),
            None => (text, None),
        };
        let (protocol, ports) = socket.split_once('/')?;
        let (first, last) = match ports.split_once('-') {
            _ if ports == "*" => (0, u16::MAX),
            Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
            None => {
                let port = ports.parse().ok()?;
                (port, port)
            }
        };
        let sound = matches!(protocol, "tcp" | "udp") && first <= last && program != Some("");
        sound.then_some(AllowedListener {
            protocol,
            first,
            last,
            program,
        })
    }

    fn matches(&self, listener: &Listener) -> Match {
        if self.protocol != listener.protocol || !(self.first..=self.last).contains(&listener.port)
        {
            return Match::No;
        }
        match (self.program, &listener.program) {
            (None, _) => Match::Yes,
            (Some(wanted), Some(program)) if wanted == program => Match::Yes,
            (Some(_), Some(_)) => Match::No,
            (Some(_), None) => Match::Perhaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let listener = |program: Option<&str>| Listener {
            protocol: "tcp",
            port: 22,
            program: program.map(str::to_owned),
            addresses: Vec::new(),
        };
        for (entry, seen, unseen) in [
            ("tcp/22", Match::Yes, Match::Yes),
            ("tcp/*", Match::Yes, Match::Yes),
            ("tcp/20-22", Match::Yes, Match::Yes),
            ("udp/22", Match::No, Match::No),
            ("tcp/222", Match::No, Match::No),
            ("tcp/22@sshd", Match::Yes, Match::Perhaps),
            ("tcp/22@nc", Match::No, Match::Perhaps),
        ] {
            let parsed = AllowedListener::parse(entry).expect(entry);
            assert_eq!(parsed.matches(&listener(Some("sshd"))), seen, "{entry}");
            assert_eq!(parsed.matches(&listener(None)), unseen, "{entry}");
        }
        for bad in [
            "22",
            "tcp",
            "tcp/",
            "sctp/1",
            "tcp/9-1",
            "tcp/70000",
            "tcp/1@",
            "",
        ] {
            assert!(AllowedListener::parse(bad).is_none(), "{bad}");
        }
    }
}
