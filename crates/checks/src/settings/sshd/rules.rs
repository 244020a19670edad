//! What each check demands of effective values: small functions over values that are already read.
#![expect(clippy::indexing_slicing, reason = "each rule has a keyword")]

use super::checks::*;
use super::effective::Effective;
use crate::settings::context::Context;
use agent_core::finding::Check;

/// A check that is judged on values.
pub(super) struct Rule {
    pub(super) check: &'static Check,
    /// The keywords it looks at, the one that is named first.
    pub(super) keywords: &'static [&'static str],
    judge: Judge,
    /// Only connections of root, and of whoever has its number, can weaken it.
    pub(super) of_root: bool,
    /// Whether a Match block can weaken it.
    pub(super) per_connection: bool,
}

enum Judge {
    /// The value is this word.
    Word(&'static str),
    /// The value is the demanded word, else this one.
    Demanded(&'static str),
    /// The value is the demanded word; without a demand nothing is judged.
    OnDemand,
    /// A number from the first to the demanded one, else the second.
    Range(i64, i64),
    /// Something of its own.
    Own(fn(&Context<'_>, &Effective<'_>) -> Judged),
}

/// What a rule says.
pub(super) enum Judged {
    /// As demanded.
    Good,
    /// Not as demanded.
    Bad,
    /// The profile demands nothing.
    NoDemand,
}

impl Judged {
    fn of(holds: bool) -> Judged {
        if holds { Judged::Good } else { Judged::Bad }
    }
}

const fn rule(check: &'static Check, keywords: &'static [&'static str], judge: Judge) -> Rule {
    Rule {
        check,
        keywords,
        judge,
        of_root: false,
        per_connection: true,
    }
}

/// All rules over values.
pub(super) static RULES: [Rule; 29] = [
    Rule {
        check: &PERMIT_ROOT_LOGIN,
        keywords: &["permitrootlogin"],
        judge: Judge::Own(root_login),
        of_root: true,
        per_connection: true,
    },
    rule(
        &PERMIT_EMPTY_PASSWORDS,
        &["permitemptypasswords"],
        Judge::Word("no"),
    ),
    rule(
        &PASSWORD_AUTHENTICATION,
        &[
            "passwordauthentication",
            "kbdinteractiveauthentication",
            "authenticationmethods",
        ],
        Judge::Own(passwords),
    ),
    rule(&MAX_AUTH_TRIES, &["maxauthtries"], Judge::Range(1, 4)),
    rule(&LOGIN_GRACE_TIME, &["logingracetime"], Judge::Range(1, 60)),
    rule(&MAX_SESSIONS, &["maxsessions"], Judge::Range(0, 10)),
    rule(&MAX_STARTUPS, &["maxstartups"], Judge::Own(startups)),
    rule(
        &HOSTBASED_AUTHENTICATION,
        &["hostbasedauthentication"],
        Judge::Word("no"),
    ),
    rule(&IGNORE_RHOSTS, &["ignorerhosts"], Judge::Word("yes")),
    rule(
        &IGNORE_USER_KNOWN_HOSTS,
        &["ignoreuserknownhosts"],
        Judge::Word("yes"),
    ),
    rule(
        &PERMIT_USER_ENVIRONMENT,
        &["permituserenvironment"],
        Judge::Word("no"),
    ),
    rule(
        &X11_FORWARDING,
        &["x11forwarding", "disableforwarding"],
        Judge::Own(x11),
    ),
    rule(&X11_USE_LOCALHOST, &["x11uselocalhost"], Judge::Word("yes")),
    rule(
        &ALLOW_TCP_FORWARDING,
        &["allowtcpforwarding", "disableforwarding"],
        Judge::Own(tcp),
    ),
    rule(
        &DISABLE_FORWARDING,
        &["disableforwarding", "x11forwarding", "allowagentforwarding"],
        Judge::Own(disabled),
    ),
    rule(
        &CLIENT_ALIVE_INTERVAL,
        &["clientaliveinterval"],
        Judge::Own(alive_interval),
    ),
    rule(
        &CLIENT_ALIVE_COUNT_MAX,
        &["clientalivecountmax"],
        Judge::Own(alive_count),
    ),
    Rule {
        per_connection: false,
        ..rule(
            &LIMIT_USER_ACCESS,
            &["allowusers", "allowgroups", "denyusers", "denygroups"],
            Judge::Own(limited),
        )
    },
    rule(&ALLOW_GROUPS, &["allowgroups"], Judge::Own(groups)),
    rule(&LOG_LEVEL, &["loglevel"], Judge::Own(level)),
    rule(&USE_PAM, &["usepam"], Judge::Word("yes")),
    rule(&STRICT_MODES, &["strictmodes"], Judge::Word("yes")),
    rule(&BANNER, &["banner"], Judge::OnDemand),
    rule(&PRINT_LAST_LOG, &["printlastlog"], Judge::Word("yes")),
    // `yes` has meant `delayed` since OpenSSH 7.4.
    rule(
        &COMPRESSION,
        &["compression"],
        Judge::Own(|_, values| Judged::of(matches!(values.value("compression"), "yes" | "no"))),
    ),
    rule(
        &GSSAPI_AUTHENTICATION,
        &["gssapiauthentication"],
        Judge::Word("no"),
    ),
    rule(
        &KERBEROS_AUTHENTICATION,
        &["kerberosauthentication"],
        Judge::Word("no"),
    ),
    rule(
        &PUBKEY_AUTHENTICATION,
        &["pubkeyauthentication"],
        Judge::Demanded("yes"),
    ),
    rule(
        &WEAK_CRYPTO,
        &["ciphers", "macs", "kexalgorithms", "hostkeyalgorithms"],
        Judge::Own(|_, values| Judged::of(weak(values).is_empty())),
    ),
];

impl Rule {
    /// Judges the values.
    pub(super) fn judge(&self, context: &Context<'_>, values: &Effective<'_>) -> Judged {
        let value = values.value(self.keywords[0]);
        match self.judge {
            Judge::Word(word) => Judged::of(value == word),
            Judge::Demanded(word) => Judged::of(value == context.demanded_text(self.check, word)),
            Judge::OnDemand => match context.demand(self.check).and_then(toml::Value::as_str) {
                Some(word) => Judged::of(value == word),
                None => Judged::NoDemand,
            },
            Judge::Range(least, most) => {
                let most = context.demanded_number(self.check, most);
                Judged::of(number(value).is_some_and(|n| (least..=most).contains(&n)))
            }
            Judge::Own(judge) => judge(context, values),
        }
    }

    /// The keywords whose values, in a configuration that is not as demanded, are not.
    pub(super) fn to_blame(
        &self,
        context: &Context<'_>,
        values: &Effective<'_>,
    ) -> Vec<&'static str> {
        let blamed = |bad: &dyn Fn(&&str) -> bool| -> Vec<&'static str> {
            self.keywords
                .iter()
                .copied()
                .filter(|keyword| bad(keyword))
                .collect()
        };
        let blamed = match self.check.id {
            "sshd.password_authentication" => blamed(&|keyword| {
                *keyword != "authenticationmethods" && values.value(keyword) != "no"
            }),
            "sshd.weak_crypto" => blamed(&|keyword| !weak_of(values, keyword).is_empty()),
            "sshd.limit_user_access" => self.keywords.to_vec(),
            "sshd.disable_forwarding" => {
                let demand = context.demand(self.check).and_then(toml::Value::as_str);
                match demand == Some(values.value("disableforwarding")) {
                    true => blamed(&|keyword| {
                        *keyword != "disableforwarding" && values.value(keyword) == "yes"
                    }),
                    false => vec!["disableforwarding"],
                }
            }
            _ => vec![self.keywords[0]],
        };
        match blamed.is_empty() {
            true => self.keywords.to_vec(),
            false => blamed,
        }
    }

    /// Whether a line that stands, and no default alone, makes the value good.
    pub(super) fn stands(&self, values: &Effective<'_>) -> bool {
        let written = |keyword: &str| {
            self.keywords
                .iter()
                .any(|own| *own == keyword && !values.is_default(own))
        };
        match self.check.id {
            // Each line closes it alone.
            "sshd.x11_forwarding" | "sshd.allow_tcp_forwarding" => {
                written(self.keywords[0])
                    || written("disableforwarding") && values.value("disableforwarding") == "yes"
            }
            "sshd.limit_user_access" | "sshd.password_authentication" => {
                self.keywords.iter().any(|keyword| written(keyword))
            }
            _ => written(self.keywords[0]),
        }
    }

    /// What is demanded, in a word or two.
    pub(super) fn expected(&self, context: &Context<'_>) -> String {
        let demanded = context
            .demand(self.check)
            .map(|demand| match demand.as_str() {
                Some(text) => text.to_owned(),
                None => demand.to_string(),
            });
        match (&self.judge, demanded) {
            (Judge::Range(least, most), demanded) => {
                format!(
                    "{least} to {}",
                    demanded.unwrap_or_else(|| most.to_string())
                )
            }
            (_, Some(demanded)) => demanded,
            (Judge::Word(word) | Judge::Demanded(word), None) => (*word).to_owned(),
            (Judge::OnDemand | Judge::Own(_), None) => match self.check.id {
                "sshd.permit_root_login" | "sshd.x11_forwarding" | "sshd.allow_tcp_forwarding" => {
                    "no".into()
                }
                "sshd.max_startups" => "10:30:60".into(),
                "sshd.log_level" => "INFO or VERBOSE".into(),
                _ => self.check.demand.into(),
            },
        }
    }

    /// What is, as a person reads it.
    pub(super) fn observed(&self, values: &Effective<'_>) -> String {
        match self.check.id {
            "sshd.weak_crypto" => match weak(values).as_slice() {
                [] => "none".into(),
                weak => weak.join(","),
            },
            "sshd.password_authentication" => format!(
                "PasswordAuthentication {}, KbdInteractiveAuthentication {}, AuthenticationMethods {}",
                values.value("passwordauthentication"),
                values.value("kbdinteractiveauthentication"),
                values.values("authenticationmethods").join(" "),
            ),
            "sshd.x11_forwarding" | "sshd.disable_forwarding"
                if values.value("disableforwarding") == "yes" && !values.disables_all() =>
            {
                format!(
                    "{} (DisableForwarding of this OpenSSH leaves X11 and agent forwarding as they are)",
                    values.value(self.keywords[0])
                )
            }
            "sshd.limit_user_access" => {
                match self.keywords.iter().find(|k| !values.values(k).is_empty()) {
                    Some(keyword) => format!("{keyword} {}", values.values(keyword).join(" ")),
                    None => "none".into(),
                }
            }
            _ => match values.values(self.keywords[0]).as_slice() {
                [] => "none".into(),
                // The word that the manual page uses.
                ["without-password"] => "prohibit-password".into(),
                several => several.join(" "),
            },
        }
    }
}

fn number(value: &str) -> Option<i64> {
    value.parse().ok()
}

fn root_login(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let good: &[&str] = match context.demanded_text(&PERMIT_ROOT_LOGIN, "no") {
        "prohibit-password" => &["no", "without-password", "forced-commands-only"],
        "forced-commands-only" => &["no", "forced-commands-only"],
        _ => &["no"],
    };
    Judged::of(good.contains(&values.value("permitrootlogin")))
}

fn passwords(_: &Context<'_>, values: &Effective<'_>) -> Judged {
    let methods = values.values("authenticationmethods");
    let always_a_key = methods != ["any"]
        && methods.iter().all(|list| {
            list.split(',')
                .any(|m| m.split(':').next() == Some("publickey"))
        });
    let closed = values.value("passwordauthentication") == "no"
        && values.value("kbdinteractiveauthentication") == "no";
    Judged::of(closed || always_a_key)
}

fn startups(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let three = |text: &str| -> Option<[i64; 3]> {
        let numbers: Vec<i64> = text.split(':').map(number).collect::<Option<_>>()?;
        numbers.try_into().ok()
    };
    // A demand of another form cannot be met: it shows as a deviation that names it.
    let demanded = three(context.demanded_text(&MAX_STARTUPS, "10:30:60"));
    Judged::of(match (three(values.value("maxstartups")), demanded) {
        (Some([start, rate, full]), Some([most_start, least_rate, most_full])) => {
            start <= most_start && rate >= least_rate && full <= most_full
        }
        _ => false,
    })
}

fn x11(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let disabled = values.value("disableforwarding") == "yes" && values.disables_all();
    let off = values.value("x11forwarding") == "no" || disabled;
    Judged::of(off || context.demanded_text(&X11_FORWARDING, "no") == "yes")
}

/// DisableForwarding, which before OpenSSH 10.0 left X11 and agent forwarding on (CVE-2025-32728).
fn disabled(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let demand = context.demand(&DISABLE_FORWARDING);
    let Some(word) = demand.and_then(toml::Value::as_str) else {
        return Judged::NoDemand;
    };
    let left_on = word == "yes"
        && !values.disables_all()
        && ["x11forwarding", "allowagentforwarding"]
            .iter()
            .any(|keyword| values.value(keyword) == "yes");
    Judged::of(values.value("disableforwarding") == word && !left_on)
}

fn tcp(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let value = values.value("allowtcpforwarding");
    let demanded = context.demanded_text(&ALLOW_TCP_FORWARDING, "no");
    Judged::of(
        value == "no"
            || value == demanded
            || demanded == "yes"
            || values.value("disableforwarding") == "yes",
    )
}

fn alive_interval(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    match context
        .demand(&CLIENT_ALIVE_INTERVAL)
        .and_then(toml::Value::as_integer)
    {
        Some(most) => Judged::of(
            number(values.value("clientaliveinterval")).is_some_and(|n| (1..=most).contains(&n)),
        ),
        None => Judged::NoDemand,
    }
}

fn alive_count(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    match context
        .demand(&CLIENT_ALIVE_COUNT_MAX)
        .and_then(toml::Value::as_integer)
    {
        Some(wanted) => Judged::of(number(values.value("clientalivecountmax")) == Some(wanted)),
        None => Judged::NoDemand,
    }
}

fn limited(_: &Context<'_>, values: &Effective<'_>) -> Judged {
    let keywords = ["allowusers", "allowgroups", "denyusers", "denygroups"];
    Judged::of(
        keywords
            .iter()
            .any(|keyword| !values.values(keyword).is_empty()),
    )
}

fn groups(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let demanded = context.demanded_texts(&ALLOW_GROUPS);
    if context.demand(&ALLOW_GROUPS).is_none() {
        return Judged::NoDemand;
    }
    let named = values.values("allowgroups");
    Judged::of(!named.is_empty() && named.iter().all(|name| demanded.contains(name)))
}

fn level(context: &Context<'_>, values: &Effective<'_>) -> Judged {
    let value = values.value("loglevel");
    Judged::of(
        match context.demand(&LOG_LEVEL).and_then(toml::Value::as_str) {
            Some(demanded) => value == demanded,
            None => matches!(value, "INFO" | "VERBOSE"),
        },
    )
}

/// The weak names among the algorithms in force.
fn weak(values: &Effective<'_>) -> Vec<String> {
    ["ciphers", "macs", "kexalgorithms", "hostkeyalgorithms"]
        .iter()
        .flat_map(|keyword| weak_of(values, keyword))
        .collect()
}

/// Those of one keyword.
fn weak_of(values: &Effective<'_>, keyword: &str) -> Vec<String> {
    let bad = |name: &&str| {
        ["cbc", "3des", "arcfour", "md5", "sha1-96", "group1-"]
            .iter()
            .any(|part| name.contains(part))
    };
    let names = values.value(keyword).split(',');
    names.filter(bad).map(str::to_owned).collect()
}
