//! Which amendments count, and in which order: those for all hosts of the image first, then the host's own. Pure.
//!
//! Along a chain the later one wins. Where two follow the same one, both may be what somebody wanted, so neither counts,
//! and nothing that hangs on them.

use super::{Amendment, Refused};
use agent_core::escape;
use std::collections::HashSet;

/// The digest that the next of that kind comes after; `None` where it is the first. `used`: those that count, in order.
pub fn last(used: &[Amendment], portable: bool) -> Option<String> {
    let mut used = used.iter().rev();
    let last = used.find(|amendment| amendment.header.is_portable() == portable)?;
    Some(escape::hex(&last.sha256))
}

/// Amendments sorted out.
#[derive(Debug, Default)]
pub struct Chain {
    /// Those that count, in order.
    pub used: Vec<Amendment>,
    /// Those that count for nothing.
    pub refused: Vec<Refused>,
}

impl Chain {
    /// Sorts out amendments of the manifest with that digest, on the host with that
    /// [`binding`](agent_core::host::Host::binding).
    pub fn of(found: Vec<Amendment>, manifest: &str, host: Option<&str>) -> Chain {
        let mut chain = Chain::default();
        let mut portable = Vec::new();
        let mut own = Vec::new();
        let mut met = HashSet::new();
        for amendment in found {
            let header = &amendment.header;
            if header.manifest != manifest {
                let why = format!("it amends another manifest ({})", header.manifest);
                chain.refuse(&amendment, why);
            } else if !met.insert(amendment.sha256) {
                // The same under a second name says nothing new.
            } else {
                match (header.host.as_deref(), host) {
                    (None, _) => portable.push(amendment),
                    (Some(its), Some(host)) if its == host => own.push(amendment),
                    (Some(its), Some(host)) => {
                        let why = format!("it belongs to host {its}, this is {host}");
                        chain.refuse(&amendment, why);
                    }
                    (Some(its), None) => {
                        let why = format!(
                            "it belongs to host {its}, and this one has neither an instance id nor a machine id"
                        );
                        chain.refuse(&amendment, why);
                    }
                }
            }
        }
        chain.follow(portable);
        chain.follow(own);
        chain
    }

    /// Takes those that follow one another from the first one on.
    fn follow(&mut self, mut left: Vec<Amendment>) {
        let before: Vec<String> = self.used.iter().map(|a| escape::hex(&a.sha256)).collect();
        let mut last: Option<String> = None;
        loop {
            let comes_next = |amendment: &Amendment| match (&amendment.header.after, &last) {
                (Some(after), Some(last)) => after == last,
                // A host's own chain begins by itself, or behind one that all hosts have.
                (Some(after), None) => before.contains(after),
                (after, last) => after.is_none() && last.is_none(),
            };
            let (mut next, others) = left.into_iter().partition::<Vec<_>, _>(comes_next);
            left = others;
            match next.len() {
                0 => break,
                1 => {
                    last = next.first().map(|only| escape::hex(&only.sha256));
                    self.used.append(&mut next);
                }
                count => {
                    for amendment in next {
                        let why = format!(
                            "the chain forks here: {count} amendments follow {}, so none of them counts",
                            last.as_deref().unwrap_or("the manifest")
                        );
                        self.refuse(&amendment, why);
                    }
                    break;
                }
            }
        }
        for amendment in left {
            let why = match &amendment.header.after {
                Some(after) => {
                    format!("the amendment before it ({after}) is missing or counts for nothing")
                }
                None => "it is the first of a chain that has another first".into(),
            };
            self.refuse(&amendment, why);
        }
    }

    fn refuse(&mut self, amendment: &Amendment, why: String) {
        self.refused.push(Refused {
            path: amendment.path.clone(),
            why,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::Header;
    use super::*;

    /// `NAME:AFTER` with digests made of the names; a capital name belongs to host `h`.
    fn amendments(all: &[&str]) -> Vec<Amendment> {
        let digest = |name: &str| [name.as_bytes()[0]; 32];
        let one = |text: &&str| {
            let (name, after) = text.split_once(':').expect("NAME:AFTER");
            let own = name.starts_with(char::is_uppercase);
            Amendment {
                path: name.into(),
                sha256: digest(name),
                header: Header {
                    manifest: "m".into(),
                    after: (!after.is_empty()).then(|| escape::hex(&digest(after))),
                    host: own.then(|| "h".into()),
                    ..Header::default()
                },
                entries: Vec::new(),
                signer: None,
            }
        };
        all.iter().map(one).collect()
    }

    fn names(chain: &Chain) -> (String, String) {
        let used = chain.used.iter().map(|a| a.path.display().to_string());
        let mut refused: Vec<String> =
            (chain.refused.iter().map(|r| r.path.display().to_string())).collect();
        refused.sort();
        (used.collect(), refused.concat())
    }

    #[test]
    fn those_count_that_follow_one_another() {
        let cases: [(&[&str], &str, &str); 9] = [
            (&[], "", ""),
            (&["b:a", "a:", "c:b"], "abc", ""),
            (&["B:A", "A:", "a:"], "aAB", ""),
            // The host's own may name the one of the image that it was made behind.
            (&["A:a", "a:", "b:a"], "abA", ""),
            (&["a:", "b:a", "c:a", "d:c"], "a", "bcd"),
            (&["a:", "b:", "c:a", "A:"], "A", "abc"),
            (&["a:", "c:b"], "a", "c"),
            (&["A:", "B:A", "C:A"], "A", "BC"),
            (&["a:A", "A:"], "A", "a"),
        ];
        for (given, used, refused) in cases {
            let chain = Chain::of(amendments(given), "m", Some("h"));
            assert_eq!(names(&chain), (used.into(), refused.into()), "{given:?}");
        }
    }

    #[test]
    fn another_manifest_or_host_counts_for_nothing() {
        let all = amendments(&["a:", "A:"]);
        let chain = Chain::of(all.clone(), "n", Some("h"));
        assert_eq!(names(&chain), (String::new(), "Aa".into()));
        for host in [Some("other"), None] {
            let chain = Chain::of(all.clone(), "m", host);
            assert_eq!(names(&chain), ("a".into(), "A".into()));
        }
        let twice = [all.clone(), all].concat();
        let chain = Chain::of(twice, "m", Some("h"));
        assert_eq!(names(&chain), ("aA".into(), String::new()));
        assert_eq!(last(&chain.used, true), Some(escape::hex(&[b'a'; 32])));
    }
}
