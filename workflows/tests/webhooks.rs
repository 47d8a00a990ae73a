//! Webhooks are told every event, in order, at least once, whatever happens to processes and receivers; on SQLite and on Postgres. The
//! receiver is the testkit's, which checks signatures with code of its own.

use std::sync::Arc;
use std::time::Duration;

use catalogue::audit::{self, AuditEntry};
use catalogue::audit_chain;
use catalogue::topology::WebhookSpec;
use catalogue::webhook_deliveries::{self, Delivery};
use serde_json::{Value, json};
use store::{Store, StoreUrl};
use tempfile::TempDir;
use testkit::hook_service::SECRET;
use testkit::webhook_receiver::{Answer, Told, WebhookReceiver};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use workers::{CredentialsFrom, HookSecrets, Movers, Settings};
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::timing::Timing;
use workflows::webhook_settings::{Pace, Webhooks};
use workflows::webhooks::{Endpoint, list_webhooks, replay_delivery, run};

macro_rules! on_both_databases {
    ($($name:ident: $body:ident),+ $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$body(super::Catalogue::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$body(super::Catalogue::postgres().await).await;
            }
        })+
    };
}

on_both_databases! {
    events_come_in_order_signed_and_once_from_two_processes: in_order,
    a_process_killed_between_sending_and_recording_is_followed: killed,
    a_receiver_that_was_down_is_told_later: down_then_up,
    what_is_given_up_can_be_replayed: given_up,
    a_redirect_is_not_followed: redirected,
    a_dead_receiver_delays_no_other: slow_and_fast,
    a_new_webhook_begins_at_the_end_and_hears_what_it_asked_for: from_the_end,
}

struct Catalogue {
    url: StoreUrl,
    _folder: TempDir,
}

impl Catalogue {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("realmctl.db").display());
        Self { url: url.parse().expect("a URL"), _folder: folder }
    }

    async fn postgres() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = testkit::postgres::fresh_database().await.expect("a fresh database").url;
        Self { url: url.parse().expect("a URL"), _folder: folder }
    }

    /// A process with these webhooks.
    async fn process(&self, webhooks: &[(&str, &WebhookReceiver, &[&str])]) -> Deployment {
        let store = Store::open(&self.url).await.expect("the store opens");
        let nobody = CredentialsFrom::Fixed(testkit::region::credentials());
        let movers = Movers::new(nobody, Settings::default());
        let spec = |(name, receiver, events): &(&str, &WebhookReceiver, &[&str])| WebhookSpec {
            name: (*name).to_owned(),
            url: receiver.url(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            secret: None,
        };
        let pace = Pace {
            look_every: Duration::from_millis(20),
            lease: Duration::from_secs(2),
            first_retry: Duration::from_millis(20),
            longest_retry: Duration::from_millis(100),
            give_up_after: Duration::from_mins(5),
        };
        let secrets = HookSecrets::parse(&format!("default={SECRET}")).expect("a secret");
        let webhooks = Webhooks { all: webhooks.iter().map(spec).collect(), secrets, pace };
        let deployment = Deployment::new(store, movers, Timing::default()).with_webhooks(webhooks);
        // All are of this process of the operating system.
        Deployment { owner: deployment.ids.next(), ..deployment }
    }
}

/// Notes that the webhooks are there, so that what follows is told.
async fn register(deployment: &Deployment) {
    for spec in &deployment.webhooks.all {
        Endpoint::new(deployment.clone(), spec.clone()).register().await.expect("registered");
    }
}

/// The loops of a process, which can be stopped, or lost.
struct Telling {
    stop: watch::Sender<bool>,
    loops: JoinHandle<()>,
}

fn start(deployment: &Deployment) -> Telling {
    let (stop, stops) = watch::channel(false);
    Telling { stop, loops: tokio::spawn(run(deployment.clone(), stops)) }
}

impl Telling {
    async fn stop(self) {
        self.stop.send_replace(true);
        self.loops.await.expect("nobody panics");
    }

    /// As by `kill -9`: whatever it was at, it does not go on, and releases nothing.
    async fn kill(self) {
        self.loops.abort();
        assert!(self.loops.await.is_err_and(|error| error.is_cancelled()));
    }
}

async fn happens(deployment: &Deployment, action: &str, tenant: &str, after: Value) {
    let mut tx = deployment.store.begin().await.expect("the store");
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tx.now().await.expect("the time"),
        who: "sam".to_owned(),
        origin: String::new(),
        action: action.to_owned(),
        tenant: Some(tenant.to_owned()),
        why: "a secret reason".to_owned(),
        before: Value::Null,
        after,
    };
    audit::append(&mut tx, &entry).await.expect("written");
    audit_chain::seal(&mut tx, 100).await.expect("sealed");
    tx.commit().await.expect("committed");
}

async fn moves_go_offline(deployment: &Deployment, count: usize) {
    for number in 0..count {
        happens(deployment, "tenant.offline", &format!("t{number}"), json!({ "move": number.to_string() })).await;
    }
}

/// Waits until the condition holds, bounded.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), waiting).await.is_ok(), "in a minute not: {what}");
}

async fn deliveries(deployment: &Deployment) -> Vec<Delivery> {
    let mut tx = deployment.store.read().await.expect("the store");
    let mut found = webhook_deliveries::list(&mut tx, (None, None), None, 1_000).await.expect("deliveries");
    tx.rollback().await.expect("the store");
    found.sort_by_key(|delivery| (delivery.seq, delivery.part));
    found
}

async fn all_are(deployment: &Deployment, state: &str, count: usize) -> bool {
    let found = deliveries(deployment).await;
    found.len() == count && found.iter().all(|delivery| delivery.state == state)
}

fn tenants(told: &[Told]) -> Vec<String> {
    told.iter().map(|told| told.body["tenant"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn in_order(catalogue: Catalogue) {
    let receiver = WebhookReceiver::start(SECRET).await.expect("a receiver");
    let processes =
        [catalogue.process(&[("a", &receiver, &[])]).await, catalogue.process(&[("a", &receiver, &[])]).await];
    register(&processes[0]).await;
    let telling = processes.each_ref().map(start);
    moves_go_offline(&processes[0], 30).await;
    until("all are delivered", || all_are(&processes[0], "delivered", 30)).await;
    for telling in telling {
        telling.stop().await;
    }
    let told = receiver.told();
    assert_eq!(tenants(&told), (0..30).map(|number| format!("t{number}")).collect::<Vec<_>>(), "each once, in order");
    assert!(told.windows(2).all(|two| two[0].seq < two[1].seq && two[0].delivery != two[1].delivery));
    for told in &told {
        assert!(told.is_genuine, "{told:?}");
        assert_eq!((&told.body["id"], &told.body["type"]), (&json!(told.id), &json!("tenant.offline")));
        assert_eq!((told.event.as_str(), &told.body["seq"]), ("tenant.offline", &json!(told.seq)));
        assert!(!told.body.to_string().contains("secret reason"), "{}", told.body);
    }
    let mut tx = processes[0].store.read().await.expect("the store");
    let view = list_webhooks(&mut tx).await.expect("webhooks").remove(0);
    assert_eq!((view.lag_entries, view.pending, view.failed, view.last_error), (0, 0, 0, None));
    assert_eq!(view.delivered_seq, told.last().map(|told| told.seq));
}

async fn killed(catalogue: Catalogue) {
    let receiver = WebhookReceiver::start(SECRET).await.expect("a receiver");
    let first = catalogue.process(&[("a", &receiver, &[])]).await;
    register(&first).await;
    receiver.answer_next([Answer::Status(204), Answer::Silence]);
    moves_go_offline(&first, 3).await;
    let telling = start(&first);
    until("the second is sent", || async { receiver.told().len() == 2 }).await;
    telling.kill().await;
    // While its lease lasts, nobody sends; then the other goes on.
    let second = catalogue.process(&[("a", &receiver, &[])]).await;
    let telling = start(&second);
    until("all are delivered", || all_are(&second, "delivered", 3)).await;
    telling.stop().await;
    let told = receiver.told();
    assert_eq!(tenants(&told), ["t0", "t1", "t1", "t2"]);
    assert_eq!(told[1].id, told[2].id, "what came twice has the same id");
    assert_ne!(told[1].delivery, told[2].delivery);
    assert!(told.iter().all(|told| told.is_genuine));
}

async fn down_then_up(catalogue: Catalogue) {
    let receiver = WebhookReceiver::start(SECRET).await.expect("a receiver");
    let process = catalogue.process(&[("a", &receiver, &[])]).await;
    register(&process).await;
    receiver.answer_always(Some(Answer::Status(503)));
    moves_go_offline(&process, 3).await;
    let telling = start(&process);
    until("it was tried a few times", || async { receiver.told().len() >= 4 }).await;
    assert!(tenants(&receiver.told()).iter().all(|tenant| tenant == "t0"), "the first holds back the others");
    let waiting = deliveries(&process).await;
    assert_eq!(waiting.iter().filter(|delivery| delivery.state == "pending").count(), 3, "{waiting:?}");
    receiver.answer_always(None);
    until("all are delivered", || all_are(&process, "delivered", 3)).await;
    telling.stop().await;
    let mut tenants = tenants(&receiver.told());
    tenants.dedup();
    assert_eq!(tenants, ["t0", "t1", "t2"]);
}

async fn given_up(catalogue: Catalogue) {
    let receiver = WebhookReceiver::start(SECRET).await.expect("a receiver");
    let process = catalogue.process(&[("a", &receiver, &[])]).await;
    register(&process).await;
    receiver.answer_next([Answer::Status(410)]);
    moves_go_offline(&process, 2).await;
    let telling = start(&process);
    until("the second is delivered", || async {
        deliveries(&process).await.iter().map(|delivery| delivery.state.as_str()).eq(["failed", "delivered"])
    })
    .await;
    let failed = deliveries(&process).await.remove(0);
    assert_eq!((failed.http_status, failed.error.as_deref(), failed.attempts), (Some(410), Some("webhook_gone"), 1));
    let actor = Actor::new("kim".to_owned(), "repaired");
    let (_, replayed) = replay_delivery(&process, &failed.id, &actor).await.expect("replayed");
    assert!(replayed);
    until("it is delivered", || all_are(&process, "delivered", 2)).await;
    telling.stop().await;
    let told = receiver.told();
    assert_eq!(tenants(&told), ["t0", "t1", "t0"]);
    assert_eq!((&told[0].id, &told[0].body), (&told[2].id, &told[2].body));
    let unknown = replay_delivery(&process, "nothing", &actor).await.expect_err("there is none");
    assert_eq!(unknown.code(), "unknown_delivery");
    let mut tx = process.store.read().await.expect("the store");
    let newest = audit::list(&mut tx, None, None, 1).await.expect("entries").remove(0);
    assert_eq!((newest.action.as_str(), newest.who.as_str()), ("webhook.replay", "kim"));
}

async fn redirected(catalogue: Catalogue) {
    let receiver = WebhookReceiver::start(SECRET).await.expect("a receiver");
    let process = catalogue.process(&[("a", &receiver, &[])]).await;
    register(&process).await;
    receiver.answer_always(Some(Answer::Status(307)));
    moves_go_offline(&process, 1).await;
    let mut endpoint = Endpoint::new(process.clone(), process.webhooks.all[0].clone());
    endpoint.pass(|| true).await.expect("a pass");
    assert_eq!(receiver.told().len(), 1, "it was asked once, and not where it led to");
    let waiting = deliveries(&process).await.remove(0);
    assert_eq!((waiting.state.as_str(), waiting.error.as_deref()), ("pending", Some("webhook_redirected")));
}

async fn slow_and_fast(catalogue: Catalogue) {
    let (slow, fast) = (WebhookReceiver::start(SECRET).await, WebhookReceiver::start(SECRET).await);
    let (slow, fast) = (slow.expect("a receiver"), fast.expect("a receiver"));
    slow.answer_always(Some(Answer::Silence));
    let process = catalogue.process(&[("slow", &slow, &[]), ("fast", &fast, &[])]).await;
    register(&process).await;
    moves_go_offline(&process, 20).await;
    let telling = start(&process);
    until("the fast one was told all", || async { fast.told().len() == 20 }).await;
    assert_eq!(slow.told().len(), 1, "its first attempt has not ended");
    telling.kill().await;
}

async fn from_the_end(catalogue: Catalogue) {
    let receiver = Arc::new(WebhookReceiver::start(SECRET).await.expect("a receiver"));
    let process = catalogue.process(&[("a", &receiver, &["move.failed"])]).await;
    moves_go_offline(&process, 2).await;
    happens(&process, "move.failed", "before", json!({ "move": "0", "state": "failed", "code": "throttled" })).await;
    register(&process).await;
    happens(&process, "move.failed", "after", json!({ "move": "1", "state": "failed", "code": "throttled" })).await;
    moves_go_offline(&process, 2).await;
    let telling = start(&process);
    until("it is delivered", || all_are(&process, "delivered", 1)).await;
    telling.stop().await;
    let told = receiver.told();
    assert_eq!(tenants(&told), ["after"]);
    assert_eq!((told[0].event.as_str(), &told[0].body["code"]), ("move.failed", &json!("throttled")));
}
