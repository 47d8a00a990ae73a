//! The sessions of people who have signed in: beginning, checking, rotating and ending them.
//!
//! A session's cookie is `rcs_ID_SECRET`. The secret is replaced every so often while it is used; the one before stays good for a moment,
//! for requests that were under way. Whoever shows one later than that has a copy of the cookie, or is the person whose copy is used
//! by somebody else: the whole session ends.

use std::time::Duration;

use catalogue::sessions::{self, Ended, StoredSession};
use serde_json::{Value, json};
use store::{Millis, StoreError, Tx};
use tracing::warn;

use super::keys::{TokenKey, TokenKeys};
use super::role::Role;
use super::secret::{is_hex, random_hex};
use crate::actor::Actor;
use crate::audit_entries;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::timestamps::rfc3339;

const PREFIX: &str = "rcs_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// Uses are noted this often.
const NOTE_USE_EVERY: Millis = 60_000;

/// Sessions that are over are listed for this long: 7 days.
const LISTED_FOR: Millis = 7 * 86_400_000;

/// Completed logins are remembered for this long, which is longer than one may take.
const LOGINS_REMEMBERED_FOR: Millis = 60 * 60_000;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// From signing in to the end, however much it is used.
    pub lifetime: Duration,
    /// Without being used.
    pub idle: Duration,
    /// The secret is replaced after this long.
    pub rotate_every: Duration,
    /// The one before stays good for this long.
    pub overlap: Duration,
}

impl Default for SessionTimes {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(12 * 60 * 60),
            idle: Duration::from_secs(60 * 60),
            rotate_every: Duration::from_secs(15 * 60),
            overlap: Duration::from_secs(30),
        }
    }
}

/// Somebody whom a provider has vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The provider.
    pub issuer: String,
    /// As whom it knows the person.
    pub subject: String,
    /// What the audit trail calls the person.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// The groups that give the role.
    pub member_of: Vec<String>,
    /// The address of the browser.
    pub origin: String,
    /// The browser, as it says.
    pub user_agent: String,
}

/// A session that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// As it is kept.
    pub session: StoredSession,
    /// What the person may do.
    pub role: Role,
    /// The groups that gave the role.
    pub member_of: Vec<String>,
    /// When its use ought to be noted; none if it was noted a moment ago.
    pub note_use_at: Option<Millis>,
    /// Its secret ought to be replaced.
    pub to_rotate: bool,
}

/// Why a session is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionRefusal {
    /// There is none.
    Unknown,
    /// It has lasted for long enough, or was not used for too long.
    Expired,
    /// Somebody has ended it.
    Ended,
    /// A secret was shown that was replaced before: somebody has a copy. It has to be ended.
    Reused(Box<StoredSession>),
    /// This process has not the key that it was hashed with.
    KeyMissing,
}

/// The text of a session's cookie.
struct SessionText {
    id: String,
    secret: String,
}

impl SessionText {
    fn random() -> Result<Self, Refusal> {
        let made = random_hex(ID_BYTES).zip(random_hex(SECRET_BYTES)).map(|(id, secret)| Self { id, secret });
        made.ok_or_else(|| Refusal::conflict("no_randomness", "the system gave no random bytes: try again"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let ours = is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES);
        ours.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }
}

/// Begins a session for somebody who has completed the login `state` just now, and gives the cookie's text: the only time.
///
/// A login that was completed already is refused.
pub async fn begin_session(
    deployment: &Deployment,
    keys: &TokenKeys,
    person: &Person,
    state: &str,
    times: SessionTimes,
) -> Result<String, Refusal> {
    let Some(key) = keys.newest() else {
        return Err(Refusal::conflict(
            "no_token_key",
            "this server has no key for sessions: start it with --token-key-file",
        ));
    };
    let text = SessionText::random()?;
    let mut tx = deployment.store.begin().await?;
    let now = tx.now().await?;
    if !sessions::complete_login(&mut tx, &hash_of_state(key, state), now).await? {
        return Err(Refusal::conflict("login_replayed", "this login was completed already: begin a new one"));
    }
    let mut session = StoredSession {
        id: text.id.clone(),
        hash: String::new(),
        hash_key: key.name.clone(),
        issuer: person.issuer.clone(),
        subject: person.subject.clone(),
        name: person.name.clone(),
        role: person.role.as_str().to_owned(),
        member_of: json!(person.member_of).to_string(),
        created_at: now,
        expires_at: now + millis(times.lifetime),
        rotated_at: now,
        last_used_at: now,
        ended_at: None,
        ended_by: None,
        ended_why: None,
        origin: person.origin.clone(),
        user_agent: person.user_agent.clone(),
    };
    session.hash = hash_of(&session, key, &text.secret).to_hex().to_string();
    sessions::insert(&mut tx, &session).await?;
    let actor = Actor { who: person.name.clone(), why: String::new(), origin: person.origin.clone() };
    let change = (Value::Null, shown(&session));
    audit_entries::changed(&mut tx, deployment.ids.as_ref(), "session.begin", change, &actor).await?;
    tx.commit().await?;
    // Apart, so that logins at the same time never wait for each other's rows. What is left is forgotten with the next login.
    if let Err(error) = forget(deployment, now).await {
        warn!(error = error.chain(), "sessions that are over could not be forgotten; the next login tries again");
    }
    Ok(text.reveal())
}

async fn forget(deployment: &Deployment, now: Millis) -> Result<(), StoreError> {
    let mut tx = deployment.store.begin().await?;
    sessions::forget(&mut tx, now - LOGINS_REMEMBERED_FOR, now - LISTED_FOR).await?;
    tx.commit().await
}

/// Whether the login `state` was completed already.
pub async fn is_login_completed(tx: &mut Tx, keys: &TokenKeys, state: &str) -> Result<bool, StoreError> {
    // Another server may have hashed it with another of the keys.
    for key in keys.all() {
        if sessions::is_login_completed(tx, &hash_of_state(key, state)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whose session this cookie is of, if it is good.
pub async fn check_session(
    tx: &mut Tx,
    keys: &TokenKeys,
    text: &str,
    times: SessionTimes,
) -> Result<Result<Visitor, SessionRefusal>, StoreError> {
    let Some(given) = SessionText::parse(text) else { return Ok(Err(SessionRefusal::Unknown)) };
    let Some(session) = sessions::find(tx, &given.id).await? else { return Ok(Err(SessionRefusal::Unknown)) };
    let Some(key) = keys.find(&session.hash_key) else { return Ok(Err(SessionRefusal::KeyMissing)) };
    let kept = blake3::Hash::from_hex(&session.hash)
        .map_err(|error| StoreError::Corrupt(format!("hash of session {}: {error}", session.id)))?;
    let hash = hash_of(&session, key, &given.secret);
    let now = tx.now().await?;
    // `blake3::Hash` compares in constant time (its documentation, "impl PartialEq for Hash").
    let is_newest = hash == kept;
    if !is_newest {
        // Nobody who does not know the key can choose what a hash begins with, so that looking one up tells nothing.
        let Some(replaced_at) = sessions::replaced_at(tx, &session.id, hash.to_hex().as_str()).await? else {
            return Ok(Err(SessionRefusal::Unknown));
        };
        if session.ended_at.is_none() && now - replaced_at > millis(times.overlap) && session.expires_at > now {
            return Ok(Err(SessionRefusal::Reused(Box::new(session))));
        }
    }
    if session.ended_at.is_some() {
        return Ok(Err(SessionRefusal::Ended));
    }
    if session.expires_at <= now || now - session.last_used_at > millis(times.idle) {
        return Ok(Err(SessionRefusal::Expired));
    }
    let corrupt = |what: &str| StoreError::Corrupt(format!("{what} of session {}", session.id));
    let role = Role::find(&session.role).ok_or_else(|| corrupt("role"))?;
    let member_of = serde_json::from_str(&session.member_of).map_err(|_| corrupt("groups"))?;
    let note_use_at = (now - session.last_used_at >= NOTE_USE_EVERY).then_some(now);
    let to_rotate = is_newest && now - session.rotated_at >= millis(times.rotate_every);
    Ok(Ok(Visitor { session, role, member_of, note_use_at, to_rotate }))
}

/// Replaces the secret and gives the new cookie's text. None: another request was first, and its answer has the new one.
pub async fn rotate_session(
    deployment: &Deployment,
    keys: &TokenKeys,
    session: &StoredSession,
) -> Result<Option<String>, Refusal> {
    let Some(key) = keys.find(&session.hash_key) else { return Ok(None) };
    let text = SessionText { id: session.id.clone(), ..SessionText::random()? };
    let hash = hash_of(session, key, &text.secret).to_hex();
    let mut tx = deployment.store.begin().await?;
    let now = tx.now().await?;
    let rotated = sessions::rotate(&mut tx, &session.id, &session.hash, hash.as_str(), now).await?;
    tx.commit().await?;
    Ok(rotated.then(|| text.reveal()))
}

/// Ends a session that somebody has a copy of.
pub async fn end_reused(deployment: &Deployment, session: &StoredSession, origin: String) -> Result<(), StoreError> {
    let actor = Actor { who: session.name.clone(), why: "reused".to_owned(), origin };
    let mut tx = deployment.store.begin().await?;
    end(&mut tx, deployment, session, "reused", &actor).await?;
    tx.commit().await
}

/// Ends this session, or all of the person. How many were ended.
pub async fn log_out(
    deployment: &Deployment,
    session: &StoredSession,
    everywhere: bool,
    actor: &Actor,
) -> Result<usize, StoreError> {
    let mut tx = deployment.store.begin().await?;
    let (sessions, why) = if everywhere {
        (sessions::of_person(&mut tx, &session.issuer, &session.subject).await?, "log_out_everywhere")
    } else {
        (vec![session.clone()], "log_out")
    };
    let mut ended = 0;
    for session in &sessions {
        ended += usize::from(end(&mut tx, deployment, session, why, actor).await?);
    }
    tx.commit().await?;
    Ok(ended)
}

/// Ends the session with this id, or all sessions of whoever is called so. Gives those that this has ended.
pub async fn revoke_sessions(
    deployment: &Deployment,
    which: &str,
    actor: &Actor,
) -> Result<Vec<StoredSession>, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let found = match sessions::find(&mut tx, which).await? {
        Some(found) => vec![found],
        None => sessions::of_anybody_called(&mut tx, which).await?,
    };
    if found.is_empty() {
        let message = format!("{which} is no session, and nobody with a session; `realmctl sessions list` lists them");
        return Err(Refusal::not_found("unknown_session", message));
    }
    let mut ended = Vec::new();
    for session in found {
        if end(&mut tx, deployment, &session, "revoked", actor).await? {
            ended.push(sessions::find(&mut tx, &session.id).await?.unwrap_or(session));
        }
    }
    tx.commit().await?;
    Ok(ended)
}

/// Whether a session that was good still is. For how long it was not used does not count: something of it is in use.
pub async fn is_session_still_good(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let Some(session) = sessions::find(tx, id).await? else { return Ok(false) };
    Ok(session.ended_at.is_none() && session.expires_at > tx.now().await?)
}

/// What a page of ours adds to a change, and a page of somebody else can't know. Good for as long as the session.
pub fn change_token(keys: &TokenKeys, session: &StoredSession) -> Option<String> {
    let key = keys.find(&session.hash_key)?;
    Some(key.hash("change token", &[&session.id, &session.created_at.to_string()]).to_hex().to_string())
}

/// Whether this is the token for changes of the session, compared in constant time.
pub fn is_change_token(keys: &TokenKeys, session: &StoredSession, given: &str) -> bool {
    let expected = change_token(keys, session).and_then(|token| blake3::Hash::from_hex(token).ok());
    expected.is_some_and(|expected| blake3::Hash::from_hex(given).is_ok_and(|given| given == expected))
}

async fn end(
    tx: &mut Tx,
    deployment: &Deployment,
    session: &StoredSession,
    why: &str,
    actor: &Actor,
) -> Result<bool, StoreError> {
    let at = tx.now().await?;
    if !sessions::end(tx, &session.id, Ended { at, by: &actor.who, why }).await? {
        return Ok(false);
    }
    let mut after = shown(session);
    after["endedAt"] = json!(rfc3339(at));
    after["endedWhy"] = json!(why);
    let change = (shown(session), after);
    audit_entries::changed(tx, deployment.ids.as_ref(), "session.end", change, actor).await?;
    Ok(true)
}

/// Over all that the person may do, and for how long: who can write to the database can't give a session other rights.
fn hash_of(session: &StoredSession, key: &TokenKey, secret: &str) -> blake3::Hash {
    let (created_at, expires_at) = (session.created_at.to_string(), session.expires_at.to_string());
    let StoredSession { id, issuer, subject, name, role, member_of, .. } = session;
    key.hash(secret, &["session", id, issuer, subject, name, role, member_of, &created_at, &expires_at])
}

fn hash_of_state(key: &TokenKey, state: &str) -> String {
    key.hash("login state", &[state]).to_hex().to_string()
}

/// Nothing of its secret.
fn shown(session: &StoredSession) -> Value {
    json!({
        "session": session.id,
        "name": session.name,
        "subject": session.subject,
        "issuer": session.issuer,
        "role": session.role,
        "groups": serde_json::from_str::<Value>(&session.member_of).unwrap_or(Value::Null),
        "expiresAt": rfc3339(session.expires_at),
    })
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4)
}
