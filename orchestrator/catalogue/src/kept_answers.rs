//! Answers to changes that were asked for with an idempotency key. A request is taken on before it is carried out, and its answer is kept
//! afterwards: whoever is killed in between leaves a claim that lapses, and the repeated request is carried out again.

use store::{Millis, StoreError, Tx, sql};

/// Rows forgotten at a time.
const FORGET: i64 = 20;

/// A request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// Whose key it is.
    pub caller: String,
    /// The key.
    pub key: String,
    /// Method and path.
    pub request: String,
    /// Stands for the whole request.
    pub digest: String,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: i64,
    /// Where what was made is.
    pub location: Option<String>,
    /// The body.
    pub body: String,
}

/// What a request with a key finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it is taken on, at this time, and is to be carried out.
    TakenOn(Millis),
    /// The answer of the first one.
    Answer(Answer),
    /// The first one is being carried out.
    InProgress,
    /// Another request, made then.
    Other(String, Millis),
}

/// Takes the request on, unless it was already. A claim older than `lapses_after` is somebody's who is gone.
pub async fn take_on(tx: &mut Tx, keyed: &Keyed, lapses_after: Millis) -> Result<Found, StoreError> {
    let now = tx.now().await?;
    let insert = sql("INSERT INTO answers (caller, key, request, digest, at) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT (caller, key) DO NOTHING");
    let Keyed { caller, key, request, digest } = keyed;
    if insert.bind(caller).bind(key).bind(request).bind(digest).bind(now).execute(tx).await? > 0 {
        return Ok(Found::TakenOn(now));
    }
    let find = sql("SELECT request, digest, at, status, location, body FROM answers WHERE caller = $1 AND key = $2");
    let Some(row) = find.bind(caller).bind(key).for_update().fetch_optional(tx).await? else {
        // It was given back just now.
        return Ok(Found::InProgress);
    };
    let at = row.int("at")?;
    if row.text("digest")? != *digest {
        return Ok(Found::Other(row.text("request")?, at));
    }
    if let Some(status) = row.opt_int("status")? {
        let body = row.opt_text("body")?.unwrap_or_default();
        return Ok(Found::Answer(Answer { status, location: row.opt_text("location")?, body }));
    }
    if now - at < lapses_after {
        return Ok(Found::InProgress);
    }
    // Later than any claim before, so that it is told from them.
    let mine = now.max(at + 1);
    let update = sql("UPDATE answers SET at = $3 WHERE caller = $1 AND key = $2");
    update.bind(caller).bind(key).bind(mine).execute(tx).await?;
    Ok(Found::TakenOn(mine))
}

/// Keeps the answer of what was taken on at `taken_on`. `false`: somebody else has taken it on since.
pub async fn keep(tx: &mut Tx, keyed: &Keyed, taken_on: Millis, answer: &Answer) -> Result<bool, StoreError> {
    let update = sql("UPDATE answers SET status = $4, location = $5, body = $6 \
                      WHERE caller = $1 AND key = $2 AND at = $3 AND status IS NULL");
    let update = update.bind(&keyed.caller).bind(&keyed.key).bind(taken_on);
    let update = update.bind(answer.status).bind(answer.location.clone()).bind(&answer.body);
    Ok(update.execute(tx).await? > 0)
}

/// Gives back what was taken on at `taken_on`, because it was refused: nothing was changed.
pub async fn give_back(tx: &mut Tx, keyed: &Keyed, taken_on: Millis) -> Result<(), StoreError> {
    let delete = sql("DELETE FROM answers WHERE caller = $1 AND key = $2 AND at = $3 AND status IS NULL");
    delete.bind(&keyed.caller).bind(&keyed.key).bind(taken_on).execute(tx).await.map(drop)
}

/// Forgets some that were taken on before `before`.
pub async fn forget(tx: &mut Tx, before: Millis) -> Result<u64, StoreError> {
    let delete = sql("DELETE FROM answers WHERE at < $1 AND (caller, key) IN \
                      (SELECT caller, key FROM answers WHERE at < $1 ORDER BY at LIMIT $2)");
    delete.bind(before).bind(FORGET).execute(tx).await
}
