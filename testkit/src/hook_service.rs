//! A small service that keeps its tenants' data itself and takes part in moves by hooks: what `docs/hooks.md` asks of one, written
//! from that page alone. It keeps everything in memory, works a bit further at each `/status`, and does as badly as tests want.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::Error;
use crate::region::clock::ServerClock;
use crate::region::listen;
use crate::region::serving::{Server, dated_front};

mod answers;
mod faults;
mod front;
mod places;
mod received;
mod reply;
mod signature;

pub use faults::Fault;
pub(crate) use front::Front;

use faults::Faults;
use places::Places;
pub(crate) use received::Received;
use reply::Reply;

/// The secret of the sample service. Known to everyone: it protects nothing.
pub const SECRET: &str = "testkit-hook-secret-for-loopback-only";

/// Where below its address it takes the calls.
const PATH: &str = "/realm-moves";

/// Whether a request is signed with this secret, and no older than this.
pub(crate) fn is_genuine(request: &Received, secret: &str, age: Duration) -> bool {
    signature::refusal(request, secret, age).is_none()
}

/// One tenant's data in one region.
pub type Pages = BTreeMap<String, String>;

/// A call that was answered, or lost on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The last part of the path.
    pub hook: String,
    /// The tenant.
    pub tenant: String,
    /// The region.
    pub region: String,
    /// The generation, if one was named.
    pub generation: Option<i64>,
    /// The HTTP status, also of an answer that got lost.
    pub status: u16,
}

/// A running service. Dropping it stops it.
#[derive(Debug)]
pub struct HookService {
    server: Server,
    shared: Arc<Shared>,
}

/// What the service's connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    age: Duration,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    places: Places,
    faults: Faults,
    calls: Vec<Call>,
    held: Vec<Received>,
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no holder of this lock panics")
    }
}

impl HookService {
    /// Starts one that accepts requests signed at most `age` ago.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(age: Duration) -> Result<Self, Error> {
        let listener: TcpListener = listen(0)?;
        let shared = Arc::new(Shared { age, inside: Mutex::default() });
        let server = dated_front("hooks", listener, Front(Arc::clone(&shared)), ServerClock::of_age(age))?;
        Ok(Self { server, shared })
    }

    /// Where it takes the calls.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.server.endpoint())
    }

    /// The service `name` of a topology file, with one shard in each of these regions.
    #[must_use]
    pub fn in_topology(&self, name: &str, regions: &[&str]) -> String {
        let mut yaml = format!("  {name}:\n    store: {{ hooks: {{ url: \"{}\" }} }}\n    shards:\n", self.url());
        for region in regions {
            let shard = format!("      - {{ shard: {name}-{region}, dataRegions: [{region}] }}");
            writeln!(yaml, "{shard}").expect("a String takes everything");
        }
        yaml
    }

    /// Writes a page, as the service's own users do.
    pub fn write(&self, region: &str, tenant: &str, key: &str, text: &str) {
        self.shared.inside().places.at(region, tenant).data.insert(key.to_owned(), text.to_owned());
    }

    /// Writes `count` pages.
    pub fn fill(&self, region: &str, tenant: &str, count: usize) {
        for number in 0..count {
            self.write(
                region,
                tenant,
                &format!("page-{number:04}"),
                &format!("{tenant} wrote \u{201c}{number}\u{201d}"),
            );
        }
    }

    /// What it holds of a tenant in a region.
    #[must_use]
    pub fn pages(&self, region: &str, tenant: &str) -> Pages {
        self.shared.inside().places.at(region, tenant).data.clone()
    }

    /// How many pages it adds or removes at each `/status`; all at once unless this says otherwise.
    pub fn work_by(&self, pages: usize) {
        self.shared.inside().places.pages_at_a_time = pages;
    }

    /// Answers the next `times` calls of `hook` so.
    pub fn next(&self, hook: &str, fault: Fault, times: usize) {
        self.shared.inside().faults.add(hook, fault, times);
    }

    /// How many faults have not been met yet.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.shared.inside().faults.left()
    }

    /// The calls of `hook` so far.
    #[must_use]
    pub fn calls(&self, hook: &str) -> Vec<Call> {
        self.shared.inside().calls.iter().filter(|call| call.hook == hook).cloned().collect()
    }

    /// How many calls are held up by [`Fault::Hold`] or [`Fault::Gateway`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.inside().held.len()
    }

    /// Lets the held calls arrive, as late as it is now: what each is answered, which nobody waits for any more.
    #[must_use]
    pub fn release(&self) -> Vec<(u16, String)> {
        let held = std::mem::take(&mut self.shared.inside().held);
        let answer = |received: &Received| {
            let Reply { status, body } = self.shared.answer(received);
            (status, body.to_string())
        };
        held.iter().map(answer).collect()
    }
}
