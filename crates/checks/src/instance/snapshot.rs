//! What the metadata service is asked, and what it said: no judgement.

use super::client::{Answer, Client, Handed, Item};
use super::endpoint::{self, Endpoint, Environment, Platform};
use super::hops::{self, Hops};
use agent_core::bounds;
use agent_core::config;
use agent_core::os::root::Root;
use tokio::time::Instant;

/// What is asked beyond the identity, which every report and every event carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Whether IMDSv1 answers: one GET without a token.
    pub v1: bool,
    /// Whether the token can go further than so many hops: a PUT.
    pub hops: Option<u8>,
    /// Whether the IPv6 endpoint answers: a PUT there.
    pub ipv6: bool,
    /// Whether there is a role.
    pub role: bool,
    /// The value of this tag.
    pub tag: Option<String>,
}

/// What the service said.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) v1: Option<Answer>,
    pub(super) token: Handed,
    pub(super) hops: Option<Hops>,
    pub(super) ipv6: Option<Handed>,
    pub(super) document: Item,
    pub(super) signature: Item,
    pub(super) role: Option<Item>,
    /// The value of the tag, and the list of tags where there is no such tag.
    pub(super) tag: Option<(Item, Option<Item>)>,
}

/// A look at the instance.
#[derive(Clone, Debug)]
pub struct ImdsSnapshot {
    pub(super) platform: Platform,
    pub(super) service: Service,
}

#[derive(Clone, Debug)]
pub(super) enum Service {
    /// There is no instance to judge: the text says why.
    NoInstance(&'static str),
    /// It could not be asked: the text says why.
    Unasked(String),
    Asked(Box<Seen>),
}

/// The metadata service of this host, to be asked now and again; its token is kept and renewed.
///
/// To be made anew once the [`Host`](agent_core::host::Host) is stale: the token belongs to the instance that was.
#[derive(Debug)]
pub struct Metadata {
    platform: Platform,
    reach: Reach,
}

#[derive(Debug)]
enum Reach {
    Nowhere(&'static str),
    Unusable(String),
    Ready(Box<Client>),
}

impl Metadata {
    /// Decides where to ask, and whether there is anybody to ask: by DMI alone, without a packet sent.
    pub fn new(root: &Root, environment: &Environment, config: &config::Instance) -> Metadata {
        if !root.is_live() {
            return Metadata {
                platform: Platform::Elsewhere,
                reach: Reach::Nowhere("this tree is not the running host"),
            };
        }
        let platform = Platform::read(root);
        if platform == Platform::Elsewhere && !endpoint::is_assigned(environment, config) {
            return Metadata {
                platform,
                reach: Reach::Nowhere("this is not an EC2 instance"),
            };
        }
        let disabled = environment.disabled.as_deref();
        let reach = match Endpoint::choose(environment, config) {
            _ if disabled.is_some_and(|word| word.eq_ignore_ascii_case("true")) => Reach::Unusable(
                "AWS_EC2_METADATA_DISABLED forbids to ask the metadata service".into(),
            ),
            Err(why) => Reach::Unusable(why),
            Ok(endpoint) => match Client::new(endpoint) {
                Ok(client) => Reach::Ready(Box::new(client)),
                Err(why) => Reach::Unusable(why),
            },
        };
        Metadata { platform, reach }
    }

    /// Whether asking takes requests. Where it does not, [`Metadata::ask`] is done at once.
    pub fn is_reachable(&self) -> bool {
        matches!(self.reach, Reach::Ready(_))
    }

    /// Asks. Ends within five seconds, whatever the service does; needs a runtime of tokio with time and I/O.
    pub async fn ask(&mut self, questions: &Questions) -> ImdsSnapshot {
        let service = match &mut self.reach {
            Reach::Nowhere(why) => Service::NoInstance(why),
            Reach::Unusable(why) => Service::Unasked(why.clone()),
            Reach::Ready(client) => Service::Asked(Box::new(ask(client, questions).await)),
        };
        ImdsSnapshot {
            platform: self.platform.clone(),
            service,
        }
    }

    /// The same for who has no runtime: makes one where there is something to wait for.
    pub fn ask_and_wait(&mut self, questions: &Questions) -> ImdsSnapshot {
        let unasked = |platform: &Platform, why: String| ImdsSnapshot {
            platform: platform.clone(),
            service: Service::Unasked(why),
        };
        match &self.reach {
            Reach::Nowhere(why) => ImdsSnapshot {
                platform: self.platform.clone(),
                service: Service::NoInstance(why),
            },
            Reach::Unusable(why) => unasked(&self.platform, why.clone()),
            Reach::Ready(_) => {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                match runtime {
                    Ok(runtime) => {
                        let snapshot = runtime.block_on(self.ask(questions));
                        // A name that is still being looked up keeps nobody waiting.
                        runtime.shutdown_background();
                        snapshot
                    }
                    Err(error) => unasked(&self.platform, format!("no runtime: {error}")),
                }
            }
        }
    }
}

/// One request after the other: the service takes few connections at a time.
async fn ask(client: &mut Client, questions: &Questions) -> Seen {
    let now = Instant::now();
    let end = now.checked_add(bounds::METADATA).unwrap_or(now);
    let v1 = match questions.v1 {
        true => Some(client.without_token(end).await),
        false => None,
    };
    let token = client.ask_for_token(end).await;
    let untold = || Item::Untold("gave no token".into());
    let mut seen = Seen {
        v1,
        token,
        hops: None,
        ipv6: None,
        document: untold(),
        signature: untold(),
        role: questions.role.then(untold),
        tag: questions.tag.as_ref().map(|_| (untold(), None)),
    };
    if let Handed::Token(_) = seen.token {
        seen.document = client
            .get("/latest/dynamic/instance-identity/document", end)
            .await;
        seen.signature = client
            .get("/latest/dynamic/instance-identity/rsa2048", end)
            .await;
        if questions.role {
            seen.role = Some(client.get("/latest/meta-data/iam/info", end).await);
        }
        if let Some(tag) = &questions.tag {
            const TAGS: &str = "/latest/meta-data/tags/instance";
            let value = client.get(&format!("{TAGS}/{tag}"), end).await;
            let list = match value {
                Item::Absent => Some(client.get(TAGS, end).await),
                Item::There(_) | Item::Untold(_) => None,
            };
            seen.tag = Some((value, list));
        }
    }
    // What refuses tokens may be switched off, or refuse tokens alone: a request without one tells.
    if seen.v1.is_none() && matches!(seen.token, Handed::Not(Answer::Status(403 | 404))) {
        seen.v1 = Some(client.without_token(end).await);
    }
    if questions.ipv6
        && let Some(Ok(mut other)) = Endpoint::ipv6().map(Client::new)
    {
        seen.ipv6 = Some(other.ask_for_token(end).await);
    }
    // Last, since it may have to wait for what is sent again.
    if let (Handed::Token(_), Some(most)) = (&seen.token, questions.hops) {
        seen.hops = Some(hops::measure(client.endpoint(), most, end).await);
    }
    seen
}
