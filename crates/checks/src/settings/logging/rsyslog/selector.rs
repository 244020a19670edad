//! Selectors of rsyslog.conf(5): which facilities and severities `auth,mail.*;cron.none` takes.

/// Facilities of RFC 5424, and one for what has none.
const FACILITIES: usize = 25;
const NAMES: [(&str, usize); 24] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("security", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("ntp", 12),
    ("audit", 13),
    ("clock", 15),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];
const SEVERITIES: [(&str, u32); 11] = [
    ("emerg", 0),
    ("panic", 0),
    ("alert", 1),
    ("crit", 2),
    ("err", 3),
    ("error", 3),
    ("warning", 4),
    ("warn", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
];

/// A set of messages: of each facility the severities, bit 0 the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Messages([u8; FACILITIES]);

impl Messages {
    pub(super) const ALL: Messages = Messages([0xff; FACILITIES]);
    pub(super) const NONE: Messages = Messages([0; FACILITIES]);

    pub(super) fn is_empty(self) -> bool {
        self == Messages::NONE
    }

    fn zip(self, other: Messages, with: impl Fn(u8, u8) -> u8) -> Messages {
        let mut both = self;
        for (a, b) in both.0.iter_mut().zip(other.0) {
            *a = with(*a, b);
        }
        both
    }

    pub(super) fn and(self, other: Messages) -> Messages {
        self.zip(other, |a, b| a & b)
    }

    pub(super) fn or(self, other: Messages) -> Messages {
        self.zip(other, |a, b| a | b)
    }

    pub(super) fn without(self, other: Messages) -> Messages {
        self.zip(other, |a, b| a & !b)
    }

    /// What a selector takes; `None` for one that rsyslogd refuses.
    pub(super) fn selected(selector: &str) -> Option<Messages> {
        let mut taken = Messages::NONE;
        let selector = selector.to_ascii_lowercase();
        for part in selector.split(';').filter(|part| !part.is_empty()) {
            let (facilities, priority) = part.rsplit_once('.')?;
            let (negated, priority) = match priority.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, priority),
            };
            // `none` clears, and negated sets.
            let (bits, sets) = match priority {
                "*" => (0xff, !negated),
                "none" => (0xff, negated),
                priority => {
                    let (exact, name) = match priority.strip_prefix('=') {
                        Some(name) => (true, name),
                        None => (false, priority),
                    };
                    let level = number(name, 7).or_else(|| find(&SEVERITIES, name))?;
                    let bits = if exact {
                        1 << level
                    } else {
                        (0..=level).fold(0, |bits, level| bits | 1 << level)
                    };
                    (u8::try_from(bits).unwrap_or(0xff), !negated)
                }
            };
            for facility in facilities.split(',') {
                let which = match facility {
                    "*" => 0..FACILITIES,
                    name => {
                        let at = number(name, 23)
                            .map_or_else(|| find(&NAMES, name), |n| usize::try_from(n).ok())?;
                        at..at.checked_add(1)?
                    }
                };
                for severities in taken.0.get_mut(which)? {
                    match sets {
                        true => *severities |= bits,
                        false => *severities &= !bits,
                    }
                }
            }
        }
        Some(taken)
    }
}

fn number(text: &str, most: u32) -> Option<u32> {
    text.parse().ok().filter(|number| *number <= most)
}

fn find<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}
