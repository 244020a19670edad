//! A metadata service that does as AWS documents it, and as broken ones do.
//!
//! ```ignore
//! let imds = Imds::new().role("writer").start();               // loopback, any port, tokens required
//! let imds = Imds::new().mode(Mode::Optional).hops(64).start();
//! let imds = Imds::new().start_in(&netns, "169.254.169.254:80");
//! command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.endpoint());
//! imds.asked();                                                  // ["PUT /latest/api/token 200", …]
//! imds.secrets();                                                // tokens and keys that went out so far
//! imds.rotate();                                                 // new credentials of the role
//! ```
//!
//! By hand, or beside a virtual machine: `cargo run -p harness --example imds_server -- 127.0.0.1:8080`.

// The standalone server and each subject of tests use a part of it.
#![allow(dead_code)]

mod contents;
mod wire;

pub use contents::{Authority, Identity, Role};

use contents::Contents;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

/// How the service behaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// HttpTokens=required: what carries no valid token is answered 401.
    Required,
    /// HttpTokens=optional: IMDSv1 answers.
    Optional,
    /// HttpEndpoint=disabled: everything is answered with this status (403 or 404).
    Off(u16),
    /// The PUT is answered with this status, everything without a token with 401.
    Refuses(u16),
    /// The PUT is answered with this status, everything without a token with 200.
    RefusesOptional(u16),
    /// Accepts connections and answers nothing.
    Silent,
    /// Resets every connection.
    Resets,
    /// 503, always.
    Throttles,
    /// 503 to so many PUTs and GETs that carry a token, then as [`Mode::Required`].
    ThrottlesFirst(usize),
    /// One byte every so many milliseconds.
    SlowBytes(u64),
    /// The token comes without the header that says how long it is valid.
    NoTtl,
    /// The token is this.
    OddToken(&'static [u8]),
    /// The PUT is answered with a body of so many bytes, announced or not.
    Huge { bytes: u64, announced: bool },
    /// Every item is answered with a body of so many bytes.
    HugeItems(u64),
    /// Every answer leads to this URL.
    Redirects(String),
    /// The PUT leads to this URL; what carries no token is answered 401.
    RedirectsPut(String),
    /// Tokens are given; what is asked for with one leads to this URL.
    RedirectsItems(String),
    /// A page of HTML and 200, whatever was asked: a captive portal.
    Portal,
    /// Every token is refused with 401, though just handed out.
    ForgetsTokens,
    /// Tokens are good for one request each.
    SingleUse,
    /// Bytes that are no HTTP.
    Garbage,
}

/// A service that is not started yet.
pub struct Builder {
    mode: Mode,
    hops: u32,
    contents: Contents,
}

/// A service that runs until it is dropped.
pub struct Imds {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mode: Mutex<Mode>,
    hops: u32,
    contents: Mutex<Contents>,
    /// Valid tokens with when they end, and whether they were used.
    tokens: Mutex<BTreeMap<String, (Instant, bool)>>,
    asked: Mutex<Vec<String>>,
    /// Tokens and keys that went out.
    secrets: Mutex<Vec<String>>,
    /// Requests that were throttled so far.
    throttled: Mutex<usize>,
    /// Connections that are kept without an answer.
    kept: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl Imds {
    /// A service with an identity and without a role, unless told otherwise.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Builder {
        Builder {
            mode: Mode::Required,
            hops: 1,
            contents: Contents::of(&Identity::default()),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For AWS_EC2_METADATA_SERVICE_ENDPOINT.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far, in order: `METHOD PATH STATUS`; 0 where nothing was answered.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.shared.asked).clone()
    }

    /// Every token, secret key and session token that went out so far.
    pub fn secrets(&self) -> Vec<String> {
        lock(&self.shared.secrets).clone()
    }

    /// Behaves differently from now on.
    pub fn set_mode(&self, mode: Mode) {
        *lock(&self.shared.mode) = mode;
    }

    /// From now on this stands at `path`, as `meta-data/tags/instance/backup`; `None`: nothing.
    pub fn set(&self, path: &str, text: Option<&str>) {
        lock(&self.shared.contents).set(path, text);
    }

    /// The role has new credentials; the old ones keep their time.
    pub fn rotate(&self) {
        lock(&self.shared.contents).rotate();
    }

    /// Every token that is out is refused from now on.
    pub fn forget_tokens(&self) {
        lock(&self.shared.tokens).clear();
    }
}

impl Drop for Imds {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; in a namespace that is out of reach it ends with the process.
        drop(TcpStream::connect_timeout(
            &self.address,
            std::time::Duration::from_millis(200),
        ));
        lock(&self.shared.kept).clear();
    }
}

impl Builder {
    /// How it behaves.
    pub fn mode(mut self, mode: Mode) -> Builder {
        self.mode = mode;
        self
    }

    /// HttpPutResponseHopLimit: the IP TTL, or IPv6 hop limit, of answers to the PUT.
    pub fn hops(mut self, hops: u32) -> Builder {
        self.hops = hops;
        self
    }

    /// The instance it speaks of. Call it before what changes a part of its contents.
    pub fn identity(mut self, identity: &Identity) -> Builder {
        self.contents = Contents::of(identity);
        self
    }

    /// The document, signed by this authority.
    pub fn signed_by(mut self, authority: &Authority) -> Builder {
        let signature = authority.sign(self.contents.document().as_bytes());
        self.contents
            .set("dynamic/instance-identity/rsa2048", Some(&signature));
        self
    }

    /// An instance role of that name, with credentials for six hours.
    pub fn role(self, name: &str) -> Builder {
        self.role_for(name, 6 * 3600)
    }

    /// The same, with credentials for so many seconds; they are replaced when half of it is over.
    pub fn role_for(mut self, name: &str, seconds: i64) -> Builder {
        self.contents.role = Some(Role::new(name, seconds));
        self
    }

    /// This text at `path`, as `meta-data/placement/region` or `user-data`; `None`: nothing.
    pub fn set(mut self, path: &str, text: Option<&str>) -> Builder {
        self.contents.set(path, text);
        self
    }

    /// Tags in metadata allowed, with these.
    pub fn tags(mut self, tags: &[(&str, &str)]) -> Builder {
        for (key, value) in tags {
            self.contents
                .set(&format!("meta-data/tags/instance/{key}"), Some(value));
        }
        self
    }

    /// Listens on loopback, on any port.
    pub fn start(self) -> Imds {
        self.start_on("127.0.0.1:0")
    }

    /// Listens there.
    pub fn start_on(self, address: &str) -> Imds {
        self.serve(TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}")))
    }

    /// Listens there in the network namespace that `ip netns add` made under that name.
    pub fn start_in(self, namespace: &str, address: &str) -> Imds {
        let place = Path::new("/run/netns").join(namespace);
        let listener = thread::scope(|scope| {
            // A thread of its own: the others stay where they are.
            let bound = scope.spawn(|| {
                let file = File::open(&place).expect("the namespace is there");
                let kind = rustix::thread::LinkNameSpaceType::Network;
                rustix::thread::move_into_link_name_space(file.as_fd(), Some(kind))
                    .expect("root may enter it");
                TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"))
            });
            bound.join().expect("bound")
        });
        self.serve(listener)
    }

    fn serve(self, listener: TcpListener) -> Imds {
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            mode: Mutex::new(self.mode),
            hops: self.hops,
            contents: Mutex::new(self.contents),
            tokens: Mutex::default(),
            asked: Mutex::default(),
            secrets: Mutex::default(),
            throttled: Mutex::new(0),
            kept: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let served = Arc::clone(&served);
                if let Ok(stream) = stream {
                    thread::spawn(move || wire::answer(&served, stream));
                }
            }
        });
        Imds { address, shared }
    }
}

/// A test that failed while it held the lock has said so already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
