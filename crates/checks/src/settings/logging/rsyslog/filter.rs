//! Whom filters and legacy actions name.

use super::parse::Filter;
use super::selector::Messages;

/// HOST of the legacy actions `:omrelp:HOST:PORT` and `:omgssapi:HOST`.
pub(super) fn by_module(action: &str) -> Option<String> {
    let (module, rest) = action.strip_prefix(':')?.split_once(':')?;
    let sends = matches!(module, "omrelp" | "omgssapi");
    let host = rest.split([';', ' ', '\t']).next().unwrap_or_default();
    (sends && !host.is_empty()).then(|| host.to_owned())
}

/// Whether what the host itself logs is taken by the address that it came from (rsyslog's `fromhost-ip`): its own
/// messages have that of the loopback.
pub(super) fn of_own(name: &str, operation: &str, value: &str) -> Filter {
    if name.trim_start_matches('$') != "fromhost-ip" {
        return Filter::Some;
    }
    let (negated, operation) = match operation.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, operation),
    };
    let own = "127.0.0.1";
    let fits = match operation {
        "isequal" | "==" => own == value,
        "=" => return of_own(name, if negated { "!==" } else { "==" }, value),
        "startswith" => own.starts_with(value),
        "contains" => own.contains(value),
        _ => return Filter::Some,
    };
    Filter::Takes(match fits != negated {
        true => Messages::ALL,
        false => Messages::NONE,
    })
}

/// What an expression takes that has only a number, one selector, or the address of the sender in it.
pub(super) fn filter(expression: &str) -> Filter {
    let bare = expression
        .trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .trim();
    if let Ok(number) = bare.parse::<i64>() {
        return Filter::Takes(if number == 0 {
            Messages::NONE
        } else {
            Messages::ALL
        });
    }
    if let Some(rest) = bare.strip_prefix("$fromhost-ip") {
        let rest = rest.trim_start();
        let end = rest.find(['"', '\'']).unwrap_or(rest.len());
        let (operation, value) = rest.split_at(end);
        let value = value.trim();
        let inner = value
            .get(1..value.len().saturating_sub(1))
            .unwrap_or_default();
        let operation = operation.trim().to_ascii_lowercase();
        return match inner.contains(['"', '\'']) {
            false => of_own("fromhost-ip", &operation, inner),
            true => Filter::Some,
        };
    }
    let selector = bare
        .strip_prefix("prifilt")
        .map(|rest| rest.trim_start_matches([' ', '(']));
    let selector = selector.and_then(|rest| rest.strip_prefix(['"', '\'']));
    let selector = selector.and_then(|rest| rest.strip_suffix(['"', '\'']));
    match selector
        .filter(|selector| !selector.contains(['"', '\'']))
        .and_then(Messages::selected)
    {
        Some(taken) => Filter::Takes(taken),
        None => Filter::Some,
    }
}

/// HOST of `@HOST`, `@@(OPTIONS)HOST:PORT;TEMPLATE`.
pub(super) fn host(action: &str) -> String {
    let host = action.strip_prefix('@').unwrap_or(action);
    let host = host.strip_prefix('@').unwrap_or(host);
    let host = match host.strip_prefix('(') {
        Some(options) => options.split_once(')').map_or("", |(_, host)| host),
        None => host,
    };
    host.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}
