//! How the metadata service is set up: the table of what it answers and what that means.

use super::checks::{IMDS_ENDPOINT, IMDS_HOP_LIMIT, IMDS_V1_DISABLED, IMDS_V2_TOKEN};
use super::client::{Answer, Handed, UNREACHABLE};
use super::hops::Hops;
use super::overrides::Overrides;
use super::snapshot::Seen;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};

/// What findings about the service call it.
pub(super) const SUBJECT: &str = "metadata service";

/// Whether the service is switched off: both requests are refused, as one that does not exist or is forbidden.
pub(super) fn switched_off(seen: &Seen) -> bool {
    let refused = |answer: &Answer| matches!(answer, Answer::Status(403 | 404));
    matches!(&seen.token, Handed::Not(answer) if refused(answer))
        && seen.v1.as_ref().is_some_and(refused)
}

/// Verdict and sentence of `imds_v1_disabled`, by the answers to a GET without a token and to the PUT.
fn v1(get: &Answer, off: bool) -> (Verdict, String) {
    match get.status() {
        Some(401) => (Verdict::Pass, "a request without a token is refused".into()),
        Some(200..=299) => (
            Verdict::Fail,
            "IMDSv1 answers: a request without a token gets what it asks for".into(),
        ),
        Some(403 | 404) if off => (
            Verdict::NotApplicable,
            "the metadata service is switched off".into(),
        ),
        _ => (
            Verdict::Unknown,
            format!("the metadata service {}", get.reason()),
        ),
    }
}

/// The same of `imds_v2_token`.
fn v2(get: Option<&Answer>, token: &Handed, off: bool) -> (Verdict, String) {
    let untold = || format!("no token: {}", token.reason());
    match token {
        Handed::Token(seconds) => (
            Verdict::Pass,
            format!("a token for {seconds} seconds was given"),
        ),
        Handed::Odd(_) => (Verdict::Fail, untold()),
        Handed::Not(_) if off => (
            Verdict::NotApplicable,
            "the metadata service is switched off".into(),
        ),
        Handed::Not(Answer::Status(status @ (400..=428 | 430..=499))) => {
            match get.and_then(Answer::status) {
                Some(200..=299 | 401) => (
                    Verdict::Fail,
                    format!("the service answers, and refuses a token with {status}"),
                ),
                _ => (Verdict::Unknown, untold()),
            }
        }
        Handed::NoTtl | Handed::Not(_) => (Verdict::Unknown, untold()),
    }
}

/// `imds_v1_disabled` and `imds_v2_token`.
pub(super) fn tokens(context: &Context<'_>, seen: &Seen, emit: &mut dyn FnMut(Finding)) {
    let off = switched_off(seen);
    let get = seen.v1.as_ref();
    let status = |answer: &Answer| answer.status();
    if let Some(get) = get {
        let (verdict, message) = v1(get, off);
        emit(
            context
                .finding(&IMDS_V1_DISABLED, verdict, SUBJECT, message)
                .evidence(json!({ "status": 401 }), json!({ "status": status(get) })),
        );
    }
    let (verdict, message) = v2(get, &seen.token, off);
    let observed = match &seen.token {
        Handed::Token(seconds) => json!({ "status": 200, "ttl": seconds }),
        Handed::NoTtl | Handed::Odd(_) => json!({ "status": 200, "ttl": null }),
        Handed::Not(answer) => json!({ "status": status(answer), "ttl": null }),
    };
    emit(
        context
            .finding(&IMDS_V2_TOKEN, verdict, SUBJECT, message)
            .evidence(json!({ "status": 200, "ttl": "1..21600" }), observed),
    );
}

/// How many hops the answer with the token may be able to go.
pub(super) fn most_hops(context: &Context<'_>) -> u8 {
    const DEFAULT: u8 = 2;
    let demanded = context.demanded_number(&IMDS_HOP_LIMIT, DEFAULT.into());
    u8::try_from(demanded).unwrap_or(DEFAULT)
}

/// `imds_hop_limit`.
pub(super) fn hop_limit(context: &Context<'_>, seen: &Seen) -> Finding {
    let most = most_hops(context);
    let say =
        |verdict, message: String| context.finding(&IMDS_HOP_LIMIT, verdict, SUBJECT, message);
    let at_most = format!("at most {most}");
    let (verdict, message, observed) = match &seen.hops {
        Some(Hops::Told {
            status: 200,
            beyond: false,
        }) => (
            Verdict::Pass,
            format!("the token can travel {at_most} hops"),
            at_most.clone(),
        ),
        Some(Hops::Told {
            status: 200,
            beyond: true,
        }) => (
            Verdict::Fail,
            format!("the token can travel more than the {most} hops that are demanded at most"),
            format!("more than {most}"),
        ),
        Some(Hops::Told { status, .. }) => {
            return say(
                Verdict::Unknown,
                format!("the request that was to be measured was answered {status}"),
            );
        }
        Some(Hops::Untold(why)) => return say(Verdict::Unknown, (*why).into()),
        None if switched_off(seen) => {
            return say(
                Verdict::NotApplicable,
                "the metadata service is switched off".into(),
            );
        }
        None => {
            return say(
                Verdict::Unknown,
                format!(
                    "no token whose way could be measured: {}",
                    seen.token.reason()
                ),
            );
        }
    };
    say(verdict, message).evidence(json!({ "hops": at_most }), json!({ "hops": observed }))
}

/// `imds_endpoint`.
pub(super) fn endpoint(context: &Context<'_>, seen: Option<&Seen>, found: &Overrides) -> Finding {
    let overrides = &found.found;
    let demand = context.demand(&IMDS_ENDPOINT).and_then(toml::Value::as_str);
    let say = |verdict, message: String| context.finding(&IMDS_ENDPOINT, verdict, SUBJECT, message);
    let evidence = |finding: Finding, ipv6: Value| {
        let listed: Vec<String> = overrides
            .iter()
            .map(|one| format!("{}: {}", one.place, one.host))
            .collect();
        finding.evidence(
            json!({ "overrides": [], "unread": 0, "ipv6": demand }),
            json!({ "overrides": listed, "unread": found.unread, "ipv6": ipv6 }),
        )
    };
    if let Some((first, others)) = overrides.split_first() {
        let more = match others.len() {
            0 => String::new(),
            count => format!(", and {count} places more do"),
        };
        let message = format!("{} leads programs to {}{more}", first.place, first.host);
        let finding = say(Verdict::Fail, message);
        let finding = match &first.location {
            Some(location) => finding.location(location.clone()),
            None => finding,
        };
        return evidence(finding, Value::Null);
    }
    let nothing = match found.unread {
        0 => "nothing leads programs elsewhere".to_owned(),
        // What their units say has been read.
        count => format!(
            "nothing that could be read leads programs elsewhere; the environments of {count} running services could not"
        ),
    };
    let (verdict, message, ipv6) = match (demand, seen.and_then(|seen| seen.ipv6.as_ref())) {
        (None, _) => match &found.unlisted {
            Some(why) => (
                Verdict::Unknown,
                format!("the environments of running services cannot be read: {why}"),
                Value::Null,
            ),
            None => (Verdict::Pass, nothing, Value::Null),
        },
        (Some(demand), Some(answer)) => {
            let on = match answer {
                Handed::Token(_) => Some(true),
                Handed::Not(Answer::Status(403 | 404)) => Some(false),
                // Without a route there, or with nobody who listens, nothing answers this host.
                Handed::Not(Answer::Nothing(UNREACHABLE)) => Some(false),
                Handed::NoTtl | Handed::Odd(_) | Handed::Not(_) => None,
            };
            match on {
                None => (
                    Verdict::Unknown,
                    format!(
                        "the IPv6 endpoint leaves open whether it is on: {}",
                        answer.reason()
                    ),
                    Value::Null,
                ),
                Some(on) => {
                    let word = if on { "on" } else { "off" };
                    let verdict = match word == demand {
                        true => Verdict::Pass,
                        false => Verdict::Fail,
                    };
                    let message = format!("{nothing}; the IPv6 endpoint is {word}");
                    (verdict, message, json!(word))
                }
            }
        }
        (Some(_), None) => (
            Verdict::Unknown,
            "the IPv6 endpoint was not asked".into(),
            Value::Null,
        ),
    };
    evidence(say(verdict, message), ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Fail, NotApplicable as Na, Pass, Unknown};

    #[test]
    fn what_the_answers_mean() {
        let status = Answer::Status;
        let not = |code| Handed::Not(Answer::Status(code));
        let silent = Answer::Nothing("did not answer in time");
        let token = Handed::Token(21600);
        for (get, put, v1_verdict, v2_verdict) in [
            (status(401), token.clone(), Pass, Pass),
            (status(200), token.clone(), Fail, Pass),
            (status(403), not(403), Na, Na),
            (status(404), not(404), Na, Na),
            (status(404), not(403), Na, Na),
            (status(401), not(400), Pass, Fail),
            (status(401), not(403), Pass, Fail),
            (status(401), not(404), Pass, Fail),
            (status(401), not(405), Pass, Fail),
            (status(200), not(405), Fail, Fail),
            (status(403), not(405), Unknown, Unknown),
            (status(403), token.clone(), Unknown, Pass),
            (status(503), not(503), Unknown, Unknown),
            (status(401), not(503), Pass, Unknown),
            (status(401), not(429), Pass, Unknown),
            (
                silent.clone(),
                Handed::Not(silent.clone()),
                Unknown,
                Unknown,
            ),
            (silent.clone(), not(403), Unknown, Unknown),
            (silent, token, Unknown, Pass),
            (status(401), Handed::NoTtl, Pass, Unknown),
            (status(401), Handed::Odd("of no bytes"), Pass, Fail),
            (
                Answer::TooLarge(200),
                Handed::Odd("of more than 64 KiB"),
                Fail,
                Fail,
            ),
            (
                Answer::Redirect,
                Handed::Not(Answer::Redirect),
                Unknown,
                Unknown,
            ),
        ] {
            let seen = Seen {
                v1: Some(get.clone()),
                token: put.clone(),
                hops: None,
                ipv6: None,
                document: super::super::client::Item::Absent,
                signature: super::super::client::Item::Absent,
                role: None,
                tag: None,
            };
            let off = switched_off(&seen);
            let told = (v1(&get, off).0, v2(Some(&get), &put, off).0);
            assert_eq!(told, (v1_verdict, v2_verdict), "{get:?} {put:?}");
        }
    }
}
