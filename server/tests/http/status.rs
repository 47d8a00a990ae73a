//! `/v1/status`, `/v1/workers` and `/v1/ids`.

use reqwest::StatusCode;
use serde_json::json;
use server::api::{Attention, IdsView, StatusView, WorkView, WorkersView};
use store::{Tx, sql};

use crate::harness::Api;

async fn status(api: &Api) -> StatusView {
    api.get("/v1/status").await.expect(StatusCode::OK).json()
}

fn codes(status: &StatusView) -> Vec<&str> {
    status.attention.iter().map(|Attention { code, .. }| code.as_str()).collect()
}

async fn write(api: &Api, change: impl AsyncFnOnce(&mut Tx)) {
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    change(&mut tx).await;
    tx.commit().await.expect("committed");
}

/// As if a process had said that it is there.
async fn is_there(api: &Api, owner: &str, task_kinds: &str, unfit: Option<&str>) {
    write(api, async |tx: &mut Tx| {
        sql("INSERT INTO runners (owner, task_kinds, unfit, heard_until) VALUES ($1, $2, $3, $4)")
            .bind(owner)
            .bind(task_kinds)
            .bind(unfit)
            .bind(i64::MAX)
            .execute(tx)
            .await
            .expect("written");
    })
    .await;
}

#[tokio::test]
async fn what_needs_a_person_is_told_with_a_command_and_nothing_else() {
    let api = Api::with_tenants(&["acme", "beta"]).await;
    assert_eq!(codes(&status(&api).await), ["no_worker"], "nobody runs here");
    is_there(&api, "host/1", r#"["copy","verify","remove"]"#, None).await;
    assert_eq!(status(&api).await.attention, []);

    let started = api.schedule_move("acme").await;
    let work = WorkView { kind: "move".to_owned(), state: "scheduled".to_owned(), count: 1, failing: 0 };
    let quiet = status(&api).await;
    assert_eq!((&quiet.work, &quiet.attention[..]), (&vec![work], &[][..]), "a scheduled move needs nobody");

    write(&api, async |tx: &mut Tx| {
        let failing = sql("UPDATE workflows SET attempt = 2 WHERE id = $1").bind(&started.id);
        failing.execute(tx).await.expect("written");
        let offline = sql("UPDATE tenants SET status = 'moving', lease_until = 1 WHERE id = 'acme'");
        offline.execute(tx).await.expect("written");
        let failed = sql("INSERT INTO workflows (id, kind, subject, request, state, data, created_at, updated_at, finished_at, ended_as) \
                          VALUES ('r', 'removal', 'beta', '', 'failed', '{}', 1, 1, 1, 'failed')");
        failed.execute(tx).await.expect("written");
    })
    .await;
    is_there(&api, "host/2", "[]", Some("no files are left")).await;
    api.post("/v1/pause", &json!({ "reason": "incident" })).await.expect(StatusCode::OK);
    let loud = status(&api).await;
    assert_eq!(codes(&loud), ["lapsed", "failed_removals", "unfit", "retrying", "paused"]);
    assert!(loud.attention.iter().all(|wants| wants.can_do.starts_with("realmctl ")), "{loud:?}");
    assert!(loud.attention[2].text.contains("host/2 takes no data work: no files are left"), "{loud:?}");
    assert_eq!((loud.work[0].failing, loud.offline.len()), (1, 1));
    assert_eq!(loud.attention[0].can_do, "realmctl explain acme");
}

#[tokio::test]
async fn processes_are_listed_with_what_they_run_and_what_they_lack() {
    let api = Api::new().await;
    assert_eq!(api.get("/v1/workers").await.expect(StatusCode::OK).json::<WorkersView>().items, []);
    is_there(&api, "b/1", r#"["copy"]"#, None).await;
    is_there(&api, "a/1", "[]", Some("no authority")).await;
    let found: WorkersView = api.get("/v1/workers").await.expect(StatusCode::OK).json();
    let told: Vec<_> =
        found.items.iter().map(|worker| (worker.name.as_str(), worker.tasks.len(), worker.unfit.as_deref())).collect();
    assert_eq!(told, [("a/1", 0, Some("no authority")), ("b/1", 1, None)]);
}

#[tokio::test]
async fn an_id_is_found_by_its_beginning() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    for length in [8, 18, 36] {
        let path = format!("/v1/ids/{}", &started.id[..length].to_uppercase());
        let found: IdsView = api.get(&path).await.expect(StatusCode::OK).json();
        let told: Vec<_> =
            found.items.iter().map(|found| (found.id.as_str(), found.kind.as_str(), found.tenant.as_str())).collect();
        assert_eq!(told, [(started.id.as_str(), "move", "acme")], "{length}");
    }
    let none: IdsView = api.get("/v1/ids/ffffffff").await.expect(StatusCode::OK).json();
    assert_eq!(none.items, []);
    for bad in ["0199f3a", "acme-corp", "0199f3a1%25"] {
        api.get(&format!("/v1/ids/{bad}")).await.problem(StatusCode::BAD_REQUEST, "invalid_id");
    }
}

#[tokio::test]
async fn what_an_id_begins_may_be_more_than_is_named_and_of_one_kind() {
    let api = Api::with_tenants(&["acme"]).await;
    write(&api, async |tx: &mut Tx| {
        for number in 10..23 {
            let kind = if number < 21 { "removal" } else { "move" };
            let insert =
                sql("INSERT INTO workflows (id, kind, subject, request, state, data, created_at, updated_at) \
                              VALUES ($1, $2, 'acme', '', 'waiting', '{}', 1, 1)");
            insert.bind(format!("0199f3a1-{number}")).bind(kind).execute(tx).await.expect("written");
        }
    })
    .await;
    let find = async |query: &str| -> IdsView {
        api.get(&format!("/v1/ids/0199f3a1{query}")).await.expect(StatusCode::OK).json()
    };
    let all = find("").await;
    assert_eq!((all.items.len(), all.more), (10, true));
    let moves = find("?kind=move").await;
    let told: Vec<_> = moves.items.iter().map(|found| found.id.as_str()).collect();
    assert_eq!((told, moves.more), (vec!["0199f3a1-21", "0199f3a1-22"], false), "the others do not hide them");
}
