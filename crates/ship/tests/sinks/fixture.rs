//! A sink, the front that it sends to, and somebody who hands it parcels until all are settled, without sleeping.

use agent_core::finding::Severity;
use agent_outbox::parcel::Parcel;
use agent_ship::cloudwatch::{CloudWatchSink, Options};
use agent_ship::{Sent, Trouble, classify::Class};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use harness::front::{Front, Key, now};
use harness::moto;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

pub(super) const STREAM: &str = "i-0123456789abcdef0";

/// Hands out the credentials that it holds, and counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Vault(Arc<Mutex<(Vec<Credentials>, usize)>>);

impl Vault {
    /// The next ones to hand out; the last are handed out for ever.
    pub(super) fn fill(&self, keys: &[Key]) {
        let mut state = self.0.lock().expect("whole");
        let credentials =
            |key: &Key| Credentials::new(&key.id, &key.secret, key.token.clone(), None, "tests");
        state.0 = keys.iter().rev().map(credentials).collect();
    }

    pub(super) fn asked(&self) -> usize {
        self.0.lock().expect("whole").1
    }
}

impl ProvideCredentials for Vault {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let mut state = self.0.lock().expect("whole");
        state.1 += 1;
        let next = match state.0.len() {
            1 => state.0[0].clone(),
            _ => state.0.pop().expect("filled"),
        };
        future::ProvideCredentials::ready(Ok(next))
    }
}

/// A key that no other test has.
pub(super) fn key(name: &str, expired: bool) -> Key {
    Key {
        id: format!("ASIA{}", name.to_uppercase()),
        secret: format!("secret of {name}, told to nobody"),
        token: Some(format!("token//of+{name}==, told to nobody either")),
        expired,
    }
}

/// See the head of the file.
pub(super) struct Fixture {
    pub(super) front: Front,
    pub(super) vault: Vault,
    pub(super) group: String,
    pub(super) sink: CloudWatchSink,
    pub(super) runtime: Runtime,
    /// Keys that the sink accepted, in the order in which it did.
    pub(super) accepted: Vec<u64>,
    pub(super) refused: BTreeMap<u64, String>,
    /// One for each send.
    pub(super) sends: Vec<Sent>,
}

impl Fixture {
    /// A group without a stream, and a sink that doesn't hold back.
    pub(super) fn new() -> Fixture {
        Fixture::with(|_| {})
    }

    /// The same with other options.
    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Fixture {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let group = format!("/tests/{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let front = Front::new(moto::moto());
        moto::create_group(&group);
        let vault = Vault::default();
        let good = key("first", false);
        vault.fill(std::slice::from_ref(&good));
        front.keys(|keys| keys.push(good));
        let mut options = Options::new(&group, STREAM).expect("good names");
        options.endpoint = Some(front.url());
        options.region = Some(moto::REGION.to_owned());
        options.spread = Duration::ZERO;
        options.seed = 7;
        options.credentials = Some(SharedCredentialsProvider::new(vault.clone()));
        change(&mut options);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let sink = runtime.block_on(async {
            let region = options.region.clone().unwrap_or_default();
            CloudWatchSink::new(&options, aws_config::Region::new(region)).await
        });
        Fixture {
            front,
            vault,
            group,
            sink,
            runtime,
            accepted: Vec::new(),
            refused: BTreeMap::new(),
            sends: Vec::new(),
        }
    }

    /// One send of what is not settled yet; whether something is left.
    pub(super) fn send(&mut self, parcels: &[Parcel]) -> bool {
        let settled: BTreeSet<u64> = self
            .accepted
            .iter()
            .chain(self.refused.keys())
            .copied()
            .collect();
        let left: Vec<Parcel> = parcels
            .iter()
            .filter(|p| !settled.contains(&p.key))
            .cloned()
            .collect();
        let sent = self.runtime.block_on(self.sink.send(&left, now()));
        let delivery = &sent.delivery;
        let told: Vec<u64> = delivery
            .accepted
            .iter()
            .chain(delivery.refused.iter().map(|(key, _)| key))
            .copied()
            .collect();
        let offered: BTreeSet<u64> = left.iter().map(|parcel| parcel.key).collect();
        assert_eq!(
            told.iter().collect::<BTreeSet<_>>().len(),
            told.len(),
            "settled twice: {sent:?}"
        );
        assert!(
            told.iter().all(|key| offered.contains(key)),
            "never offered: {sent:?}"
        );
        assert_eq!(sent.again.is_none(), told.len() == left.len(), "{sent:?}");
        assert!(
            sent.again
                .is_none_or(|again| again <= Duration::from_secs(300)),
            "{sent:?}"
        );
        assert!(
            sent.again.is_none() || sent.trouble.is_some(),
            "waits without saying why: {sent:?}"
        );
        if let Some(trouble) = &sent.trouble {
            assert!(
                !trouble.text.contains("told to nobody") && !trouble.text.contains('\n'),
                "{trouble:?}"
            );
        }
        self.accepted.extend(&delivery.accepted);
        self.refused.extend(delivery.refused.iter().cloned());
        let more = told.len() < left.len();
        self.sends.push(sent);
        self.front.tick();
        more
    }

    /// Sends until all are settled.
    pub(super) fn deliver(&mut self, parcels: &[Parcel]) {
        for _ in 0..200 {
            if !self.send(parcels) {
                return;
            }
        }
        panic!("never settled: {:#?}", self.sends.last());
    }

    /// The troubles that were told of, in the order of the sends.
    pub(super) fn troubles(&self) -> Vec<Trouble> {
        self.sends
            .iter()
            .filter_map(|sent| sent.trouble.clone())
            .collect()
    }

    pub(super) fn classes(&self) -> Vec<Class> {
        self.troubles()
            .iter()
            .map(|trouble| trouble.class)
            .collect()
    }

    /// How often each message is stored.
    pub(super) fn stored(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (_, message) in moto::stored(&self.group, STREAM) {
            *counts.entry(message).or_default() += 1;
        }
        counts
    }

    /// Panics unless exactly these are stored, byte for byte; none of them twice, unless `repeats`.
    pub(super) fn holds(&self, parcels: &[Parcel], repeats: bool) {
        let stored = self.stored();
        let expected: BTreeSet<String> = parcels.iter().map(text).collect();
        assert_eq!(stored.keys().cloned().collect::<BTreeSet<_>>(), expected);
        let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
        assert!(repeats || twice.is_empty(), "stored twice: {twice:?}");
        assert_eq!(self.front.violations(), [""; 0]);
    }
}

pub(super) fn text(parcel: &Parcel) -> String {
    String::from_utf8(parcel.bytes.to_vec()).expect("UTF-8")
}

/// Parcels of about an event's size, a second apart, the newest a minute old.
pub(super) fn parcels(count: u64) -> Vec<Parcel> {
    spaced(count, 1000)
}

/// The same, `step` milliseconds apart.
pub(super) fn spaced(count: u64, step: i64) -> Vec<Parcel> {
    let newest = now() - 60_000;
    (0..count)
        .map(|n| {
            let behind = i64::try_from(count - 1 - n).expect("small") * step;
            let filler = "größe ".repeat(usize::try_from(n % 40).expect("small"));
            let text =
                format!(r#"{{"metadata":{{"uid":"{n:08}","sequence":{n}}},"message":"{filler}"}}"#);
            Parcel {
                key: n + 1,
                time: newest - behind,
                severity: Severity::Low,
                bytes: text.as_bytes().into(),
            }
        })
        .collect()
}
