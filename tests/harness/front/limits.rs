//! What PutLogEvents refuses and moto takes, in the service's words.

use serde_json::{Value, json};

/// How the service judges a batch at the moment.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How far the service's clock is ahead of ours, in milliseconds.
    pub ahead: i64,
    /// The group keeps events for so long, in milliseconds.
    pub retention: Option<i64>,
    /// A batch with a message that holds one of these words is an invalid parameter.
    pub poison: Vec<&'static str>,
    /// A request with a longer body is answered by a page without JSON.
    pub longest_body: Option<usize>,
    /// Calls of each operation in a second.
    pub rate: Option<usize>,
    /// Nobody may do anything.
    pub denied: bool,
}

const DAY: i64 = 86_400_000;

/// The whole batch refused: what is wrong with it.
pub(super) fn refusal(request: &Value) -> Option<String> {
    let events = request["logEvents"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let name = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    let (group, stream) = (name("logGroupName"), name("logStreamName"));
    let times: Vec<i64> = events
        .iter()
        .filter_map(|event| event["timestamp"].as_i64())
        .collect();
    let lengths: Vec<usize> = events
        .iter()
        .filter_map(|event| Some(event["message"].as_str()?.len()))
        .collect();
    let total: usize = lengths.iter().map(|length| length + 26).sum();
    let extremes = times.iter().min().zip(times.iter().max());
    let problems = [
        (!(1..=512).contains(&stream.len()) || stream.contains([':', '*']), "Invalid log stream name".to_owned()),
        (!(1..=512).contains(&group.len()), "Invalid log group name".to_owned()),
        (times.len() != events.len() || lengths.len() != events.len(), "Missing member".to_owned()),
        (!(1..=10_000).contains(&events.len()), format!("{} log events", events.len())),
        (lengths.contains(&0), "Log event message must not be empty".to_owned()),
        (lengths.iter().any(|length| length + 26 > 1_048_576), "Log event too large".to_owned()),
        (times.iter().any(|time| *time < 0), "Negative timestamp".to_owned()),
        (total > 1_048_576, format!("Upload too large: {total} bytes exceeds limit of 1048576")),
        (!times.is_sorted(), "Log events in a single PutLogEvents request must be in chronological order.".to_owned()),
        (
            extremes.is_some_and(|(first, last)| last - first > DAY),
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.".to_owned(),
        ),
    ];
    problems
        .into_iter()
        .find(|(is, _)| *is)
        .map(|(_, text)| text)
}

/// Splits a batch into what is stored and what `rejectedLogEventsInfo` names, by the documented index rules.
pub(super) fn by_time(events: &[Value], rules: &Rules, clock: i64) -> (Vec<Value>, Value) {
    let time = |event: &Value| event["timestamp"].as_i64().unwrap_or_default();
    let before = |limit: i64| {
        events
            .iter()
            .take_while(|event| time(event) < limit)
            .count()
    };
    let too_old = before(clock - 14 * DAY);
    let expired = rules.retention.map_or(0, |kept| before(clock - kept));
    let too_new = before(clock + 2 * 3_600_000 + 1);
    let mut info = json!({});
    // Exclusive: the first that is not too old.
    if too_old > 0 {
        info["tooOldLogEventEndIndex"] = too_old.into();
    }
    if expired > too_old {
        info["expiredLogEventEndIndex"] = expired.into();
    }
    // Inclusive: the first that is too new.
    if too_new < events.len() {
        info["tooNewLogEventStartIndex"] = too_new.into();
    }
    (
        events[too_old.max(expired).min(too_new)..too_new].to_vec(),
        info,
    )
}

#[test]
fn the_front_knows_the_limits() {
    let batch = |events: &[(i64, &str)]| {
        let events: Vec<Value> = events
            .iter()
            .map(|(t, m)| json!({"timestamp": t, "message": m}))
            .collect();
        json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events})
    };
    let half = "x".repeat(524_288 - 26);
    let more = format!("{half}x");
    for (events, refused) in [
        (&[][..], true),
        (&[(1, "x")], false),
        (&[(1, "")], true),
        (&[(-1, "x")], true),
        (&[(1, half.as_str()), (1, &half)], false),
        (&[(1, half.as_str()), (1, &more)], true),
        (&[(1, "x"), (1 + DAY, "x")], false),
        (&[(1, "x"), (2 + DAY, "x")], true),
        (&[(2, "x"), (1, "x")], true),
        (&[(1, "x"); 10_001], true),
    ] {
        assert_eq!(refusal(&batch(events)).is_some(), refused);
    }
    let events: Vec<Value> = [-15 * DAY, -5 * DAY, 0, 3 * 3_600_000]
        .map(|t| json!({"timestamp": 100 * DAY + t}))
        .to_vec();
    let rules = Rules {
        retention: Some(DAY),
        ..Rules::default()
    };
    let (stored, info) = by_time(&events, &rules, 100 * DAY);
    assert_eq!(stored, [events[2].clone()]);
    assert_eq!(
        info,
        json!({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3})
    );
}
