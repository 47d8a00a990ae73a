//! Services with hooks, against the sample service: data arrives whole, passing failures pass, lost answers and crashes are made up
//! for, and what is late is refused.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::time::Duration;

use common::*;
use testkit::HookService;
use testkit::hook_service::{Fault, SECRET};
use workers::error::{Treatment, WorkError};
use workers::late_writes::Known;
use workers::ledger_permit::EntryState;
use workers::place::Place;
use workers::progress::Tally;
use workers::{Change, CredentialsFrom, Depth, HookSecrets, Movers, Settings};

const AGE: Duration = Duration::from_secs(300);

struct World {
    service: HookService,
    us: Place,
    eu: Place,
    movers: Movers,
}

fn world() -> World {
    let service = HookService::start(AGE).unwrap();
    service.fill("us-east-1", "acme", 60);
    service.fill("us-east-1", "acme-eu", 7);
    let (us, eu) = (place(&service, "us-east-1"), place(&service, "eu-west-1"));
    World { service, us, eu, movers: movers_with(SECRET) }
}

fn place(service: &HookService, region: &str) -> Place {
    let longest = Duration::from_secs(60);
    Place::Hooks { region: region.to_owned(), url: service.url(), secret: None, longest }
}

fn movers_with(secret: &str) -> Movers {
    patient_movers(secret, Duration::from_secs(60))
}

fn patient_movers(secret: &str, attempt_timeout: Duration) -> Movers {
    let hook_secrets = HookSecrets::parse(&format!("default={secret}")).unwrap();
    let settings = Settings { hook_secrets, attempt_timeout, attempts: 4, ..settings() };
    Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), settings)
}

impl World {
    async fn copy(&self, generation: i64) -> Result<Tally, WorkError> {
        let ledger = Allows::writes();
        let permits = ledger.permits().of_generation(generation);
        self.movers.copy(acme(&self.us, &self.eu), &permits, &Kept::all(), None).await
    }

    async fn remove(&self, at: &Place, generation: i64) -> Result<Tally, WorkError> {
        let ledger = Allows::removal();
        let permits = ledger.permits().of_generation(generation);
        self.movers.remove(acme_at(at), &permits, &Kept::all(), None).await
    }

    async fn roll_back(&self, generation: i64) -> Result<(), WorkError> {
        let ledger = Allows::removal();
        self.movers.roll_back(&self.eu, "acme", &ledger.permits().of_generation(generation)).await
    }

    async fn commit(&self, generation: i64) -> Result<(), WorkError> {
        let ledger = Allows::live();
        self.movers.commit(&self.eu, "acme", &ledger.permits().of_generation(generation)).await
    }

    /// The target holds what the source holds.
    fn is_whole(&self) {
        assert_eq!(self.service.pages("eu-west-1", "acme").len(), 60);
        assert_eq!(self.service.pages("eu-west-1", "acme"), self.service.pages("us-east-1", "acme"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_copied_verified_committed_and_removed() {
    let world = world();
    world.service.work_by(25);
    let inspected = world.movers.inspect(&world.eu, "acme").await.unwrap();
    assert!(inspected.empty && inspected.schema.is_none() && inspected.replicates_to.is_empty());
    assert!(!world.movers.inspect(&world.us, "acme").await.unwrap().empty);
    let found = world.movers.survey(&world.us, "acme", Depth::Listed).await.unwrap();
    assert_eq!(found.size.items, 60);
    world.movers.schedule(&world.eu, "acme", Change::Add, Some(&world.us)).await.unwrap();

    let ledger = Allows::writes();
    let kept = Kept::all();
    let permits = ledger.permits().of_generation(1);
    let copied = world.movers.copy(acme(&world.us, &world.eu), &permits, &kept, None).await.unwrap();
    world.is_whole();
    assert_eq!(copied.items, 60);
    assert!(kept.resumes().len() > 2, "it tells how far it is");
    let verified = world.movers.verify(acme(&world.us, &world.eu), &copied, &Kept::all()).await.unwrap();
    assert_eq!(verified.tally, Some(copied));
    world.commit(1).await.unwrap();

    let known = Known::from(copied);
    let compared = world.movers.compare(acme_at(&world.us), Some(&world.eu), &known, &Kept::all(), None).await;
    assert_eq!(compared.unwrap().seen, copied);
    assert_eq!(world.remove(&world.us, 0).await.unwrap().items, 60);
    assert!(world.service.pages("us-east-1", "acme").is_empty());
    assert_eq!(world.service.pages("us-east-1", "acme-eu").len(), 7, "the neighbour is untouched");
    assert_eq!(world.service.pages("eu-west-1", "acme").len(), 60);
    assert_eq!(world.service.calls("start").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_failures_and_lost_answers_are_made_up_for() {
    let world = world();
    world.service.work_by(30);
    for fault in [Fault::Cut, Fault::Status(502), Fault::Status(429), Fault::Nonsense] {
        world.service.next("status", fault, 1);
    }
    for fault in [Fault::Status(503), Fault::LoseAnswer] {
        world.service.next("start", fault, 1);
    }
    world.service.next("verify", Fault::Later, 2);
    let copied = world.copy(1).await.unwrap();
    world.is_whole();
    assert_eq!((copied.items, world.service.faults_left()), (60, 0));
    world.service.next("commit", Fault::LoseAnswer, 1);
    world.commit(1).await.unwrap();
    world.service.next("remove", Fault::LoseAnswer, 1);
    world.service.next("status", Fault::Status(504), 2);
    world.remove(&world.us, 0).await.unwrap();
    assert!(world.service.pages("us-east-1", "acme").is_empty());
    assert_eq!(world.service.faults_left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_do_not_pass_are_retryable_and_refusals_are_not() {
    let world = world();
    world.service.next("status", Fault::Status(502), 100);
    let error = world.copy(1).await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Retryable, "gateway_error"), "{error}");
    assert!(world.service.faults_left() > 50, "bounded here: the task's own retries go on");

    let world = self::world();
    world.service.next("start", Fault::Refuse("a legal hold".to_owned()), 1);
    let error = world.copy(1).await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Permanent, "hook_refused"));
    assert!(error.message.contains("refuses /start: a legal hold"), "{error}");

    world.service.next("schedule", Fault::Refuse("not on Fridays".to_owned()), 1);
    let error = world.movers.schedule(&world.eu, "acme", Change::Add, Some(&world.us)).await.unwrap_err();
    assert!(error.treatment == Treatment::Permanent && error.message.contains("not on Fridays"), "{error}");

    let world = self::world();
    world.service.work_by(1);
    let ledger = Allows::writes();
    let permits = ledger.permits().of_generation(1);
    world.service.next("status", Fault::Status(500), 1);
    let kept = Kept::until(3);
    world.movers.copy(acme(&world.us, &world.eu), &permits, &kept, None).await.unwrap_err();
    world.service.next("status", Fault::Break("the disk is full".to_owned()), 1);
    let error = world.copy(1).await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Permanent, "hook_failed"));
    assert!(error.message.contains("the disk is full"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed() {
    let world = world();
    world.service.next("start", Fault::Status(307), 1);
    assert_eq!(world.copy(1).await.unwrap_err().code, "hook_redirected");
    assert_eq!(world.service.calls("commit"), [], "where the redirect led to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_resumes_by_asking() {
    let world = world();
    world.service.work_by(10);
    let ledger = Allows::writes();
    let permits = ledger.permits().of_generation(1);
    let kept = Kept::until(3);
    let lost = world.movers.copy(acme(&world.us, &world.eu), &permits, &kept, None).await.unwrap_err();
    assert_eq!(lost.treatment, Treatment::LostLease);
    assert!(world.service.pages("eu-west-1", "acme").len() < 60);
    let resume = kept.resumes().last().cloned();
    world.movers.copy(acme(&world.us, &world.eu), &permits, &Kept::all(), resume).await.unwrap();
    world.is_whole();
    assert_eq!(world.service.calls("start").len(), 1, "it went on where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_silent_is_asked_again() {
    let world = world();
    world.service.next("verify", Fault::Silence, 1);
    // Once: whoever is that impatient may have to ask several times on a busy machine.
    let movers = patient_movers(SECRET, Duration::from_millis(700));
    let digested = movers.digest(acme_at(&world.us), &Kept::all(), None).await.unwrap();
    assert_eq!((digested.items, world.service.faults_left()), (60, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_duration_is_kept_across_crashes() {
    let world = world();
    world.service.work_by(0);
    let ledger = Allows::writes();
    let permits = ledger.permits().of_generation(1);
    let resume = Some(serde_json::json!({ "sinceMs": 1_700_000_000_000_u64 }));
    let error = world.movers.copy(acme(&world.us, &world.eu), &permits, &Kept::all(), resume).await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Permanent, "hook_too_long"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_is_refused_by_generation_or_phase() {
    let world = world();
    world.service.next("start", Fault::Hold, 1);
    let ledger = Allows::writes();
    let permits = ledger.permits().of_generation(1);
    let kept = Kept::all();
    tokio::select! {
        copied = world.movers.copy(acme(&world.us, &world.eu), &permits, &kept, None) => panic!("{copied:?}"),
        () = until(|| world.service.held() == 1) => {}
    }
    world.roll_back(1).await.unwrap();
    world.remove(&world.eu, 1).await.unwrap();
    let (status, body) = world.service.release().remove(0);
    assert!(status == 409 && body.contains("this generation is removed"), "{status} {body}");
    assert!(world.service.pages("eu-west-1", "acme").is_empty());

    world.copy(2).await.unwrap();
    world.commit(2).await.unwrap();
    let error = world.remove(&world.eu, 1).await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Permanent, "hook_stale_generation"), "{error}");
    assert_eq!(world.roll_back(2).await.unwrap_err().code, "hook_refused", "what is live is not rolled back");
    world.is_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_held_up_for_too_long_is_refused_by_its_age() {
    let age = Duration::from_millis(300);
    let service = HookService::start(age).unwrap();
    service.fill("us-east-1", "acme", 3);
    let (us, eu) = (place(&service, "us-east-1"), place(&service, "eu-west-1"));
    service.next("start", Fault::Hold, 1);
    let (movers, ledger, kept) = (movers_with(SECRET), Allows::writes(), Kept::all());
    let permits = ledger.permits().of_generation(1);
    tokio::select! {
        copied = movers.copy(acme(&us, &eu), &permits, &kept, None) => panic!("{copied:?}"),
        () = until(|| service.held() == 1) => {}
    }
    let held = std::time::Instant::now();
    until(|| held.elapsed() > age * 4).await;
    let (status, body) = service.release().remove(0);
    assert!(status == 401 && body.contains("request_too_old"), "{status} {body}");
    assert!(service.pages("eu-west-1", "acme").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_secret_is_told_and_never_shown() {
    let world = world();
    let wrong = movers_with("another-secret-altogether");
    let error = wrong.inspect(&world.eu, "acme").await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Permanent, "hook_signature_refused"));
    assert!(error.message.contains("--hook-secret-file") && !format!("{error:?}").contains("altogether"), "{error}");
    let none = movers();
    let error = none.inspect(&world.eu, "acme").await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::Unfit, "hook_secret_missing"));
    assert!(error.message.contains("no secret `default`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_for_without_its_permit() {
    let world = world();
    for state in [EntryState::Absent, EntryState::Live, EntryState::Removing] {
        let ledger = Allows::for_readings(state, u32::MAX);
        let permits = ledger.permits().of_generation(1);
        let error = world.movers.copy(acme(&world.us, &world.eu), &permits, &Kept::all(), None).await;
        assert_eq!(error.unwrap_err().treatment, Treatment::LostLease, "{state:?}");
        let error = world.movers.provision(&world.eu, "acme", &permits).await.unwrap_err();
        assert_eq!(error.treatment, Treatment::LostLease, "{state:?}");
    }
    let ledger = Allows::writes();
    let permits = ledger.permits().of_generation(1);
    let error = world.movers.remove(acme_at(&world.us), &permits, &Kept::all(), None).await.unwrap_err();
    assert_eq!(error.treatment, Treatment::LostLease);
    assert_eq!(world.movers.commit(&world.eu, "acme", &permits).await.unwrap_err().treatment, Treatment::LostLease);
    assert_eq!(world.movers.roll_back(&world.eu, "acme", &permits).await.unwrap_err().treatment, Treatment::LostLease);
    for hook in ["start", "commit", "rollback", "remove", "provision"] {
        assert_eq!(world.service.calls(hook), [], "{hook}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_found() {
    let world = world();
    let copied = world.copy(1).await.unwrap();
    world.service.write("us-east-1", "acme", "page-0003", "changed, with as many letters");
    let error = world.movers.verify(acme(&world.us, &world.eu), &Tally { items: 61, ..copied }, &Kept::all()).await;
    let error = error.unwrap_err();
    assert_eq!(error.code, "verify_mismatch");
    let known = Known::from(copied);
    let late = world.movers.compare(acme_at(&world.us), Some(&world.eu), &known, &Kept::all(), None).await;
    assert_eq!(late.unwrap().late.changed, 1, "told by the digest alone");
    let begun = Known { begun: true, ..known.clone() };
    let begun = world.movers.compare(acme_at(&world.us), Some(&world.eu), &begun, &Kept::all(), None).await;
    assert_eq!(begun.unwrap().late.total(), 0, "what the removal has deleted makes it differ");
    world.service.write("eu-west-1", "acme", "page-0003", "changed, with as many letters");
    let same = world.movers.compare(acme_at(&world.us), Some(&world.eu), &known, &Kept::all(), None).await;
    let same = same.unwrap();
    assert_eq!((same.seen.items, same.late.total()), (60, 0), "the live copy has it too");
}

/// Waits for a condition, bounded.
async fn until(done: impl Fn() -> bool) {
    let reached = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !done() {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
}
