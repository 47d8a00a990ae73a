//! Making, listing, revoking and checking tokens.

use std::collections::BTreeSet;

use catalogue::tenant_id::TenantId;
use catalogue::tokens::{self, StoredToken};
use catalogue::topologies;
use serde_json::{Value, json};
use store::{Millis, StoreError, Tx};

use super::keys::{TokenKey, TokenKeys};
use super::role::Role;
use super::scope::{Scope, TENANTS_MAX};
use super::secret::TokenText;
use crate::actor::Actor;
use crate::audit_entries;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::timestamps::rfc3339;

/// The longest name.
const NAME_MAX: usize = 64;

/// What the audit trail calls realmctl itself, and those who are not known.
const OURS: [&str; 3] = ["realmctl", "anonymous", "unknown"];

/// How long a token is good for unless its maker says otherwise, and at most: 90 days, 5 years.
const GOOD_FOR: Millis = 90 * DAY;
const GOOD_FOR_MAX: Millis = 5 * 365 * DAY;
const DAY: Millis = 86_400_000;

/// Uses are noted this often.
const NOTE_USE_EVERY: Millis = 60_000;

/// Until when a token is good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expiry {
    /// 90 days from now.
    #[default]
    Default,
    /// Until then.
    At(Millis),
    /// Until it is revoked.
    Never,
}

/// A token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Whose it is to be.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// With which tenants.
    pub scope: Scope,
    /// Until when.
    pub expiry: Expiry,
}

/// A token that was made.
pub struct Created {
    /// As it is kept.
    pub token: StoredToken,
    /// What its bearer shows. Shown once, and never again.
    pub text: String,
}

/// Somebody who has shown a token that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token's id.
    pub token: String,
    /// Whose it is.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// With which tenants.
    pub scope: Scope,
    /// When its use ought to be noted; none if it was noted a moment ago.
    pub note_use_at: Option<Millis>,
}

/// Why a token is not good. Of one that was never made nothing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It was never made.
    Unknown,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// This process has not the key that it was hashed with.
    KeyMissing,
}

/// Makes a token, and shows it for the only time.
pub async fn create_token(
    deployment: &Deployment,
    keys: &TokenKeys,
    new: &NewToken,
    actor: &Actor,
) -> Result<Created, Refusal> {
    let key = newest(keys)?;
    let mut tx = deployment.store.begin().await?;
    let made = make_in(&mut tx, key, new, actor).await?;
    insert_in(deployment, &mut tx, &made.token, actor).await?;
    tx.commit().await?;
    Ok(made)
}

/// Makes a token that is good once somebody else has approved it: what is kept until then holds nothing of its secret.
pub(crate) async fn make_token(
    tx: &mut Tx,
    keys: &TokenKeys,
    new: &NewToken,
    actor: &Actor,
) -> Result<Created, Refusal> {
    make_in(tx, newest(keys)?, new, actor).await
}

fn newest(keys: &TokenKeys) -> Result<&TokenKey, Refusal> {
    keys.newest().ok_or_else(|| {
        let message = "this process has no key for tokens: start every server with --token-key-file FILE, where FILE has a line of \
                       random text (`head -c 32 /dev/urandom | base64 > token.key`)";
        Refusal::conflict("no_token_key", message)
    })
}

/// Makes a token that is not good yet.
async fn make_in(tx: &mut Tx, key: &TokenKey, new: &NewToken, actor: &Actor) -> Result<Created, Refusal> {
    check_name(&new.name)?;
    let random = TokenText::random();
    let text =
        random.ok_or_else(|| Refusal::conflict("no_randomness", "the system gave no random bytes: try again"))?;
    check_scope(tx, &new.scope).await?;
    let now = tx.now().await?;
    let expires_at = expires_at(new.expiry, now)?;
    let mut token = StoredToken {
        id: text.id.clone(),
        name: new.name.clone(),
        hash: String::new(),
        hash_key: key.name.clone(),
        role: new.role.as_str().to_owned(),
        scope: json!(new.scope).to_string(),
        created_at: now,
        created_by: actor.who.clone(),
        expires_at,
        revoked_at: None,
        revoked_by: None,
        last_used_at: None,
    };
    token.hash = hash_of(&token, key, &text.secret).to_hex().to_string();
    Ok(Created { token, text: text.reveal() })
}

/// From now on the token is good.
pub(crate) async fn insert_in(
    deployment: &Deployment,
    tx: &mut Tx,
    token: &StoredToken,
    actor: &Actor,
) -> Result<(), Refusal> {
    if let Some(other) = tokens::find_by_name(tx, &token.name).await? {
        let message = format!(
            "there is a token {} already (id {}): revoke it first, or choose another name",
            other.name, other.id
        );
        return Err(Refusal::conflict("token_name_taken", message));
    }
    tokens::insert(tx, token).await?;
    let change = (Value::Null, shown(token, &scope_of(token)?));
    Ok(audit_entries::changed(tx, deployment.ids.as_ref(), "token.create", change, actor).await?)
}

/// From now on the token with this id or name is refused, everywhere.
pub async fn revoke_token(
    deployment: &Deployment,
    id_or_name: &str,
    actor: &Actor,
) -> Result<(StoredToken, Scope), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let found = match tokens::find(&mut tx, id_or_name).await? {
        Some(found) => Some(found),
        None => tokens::find_by_name(&mut tx, id_or_name).await?,
    };
    let Some(found) = found else {
        let message = format!("there is no token {id_or_name}; `realmctl token list` lists them");
        return Err(Refusal::not_found("unknown_token", message));
    };
    let (now, scope) = (tx.now().await?, scope_of(&found)?);
    if !tokens::revoke(&mut tx, &found.id, now, &actor.who).await? {
        // It was already; by somebody else, if that was a moment ago.
        let found = tokens::find(&mut tx, &found.id).await?.unwrap_or(found);
        return Ok((found, scope));
    }
    let revoked = StoredToken { revoked_at: Some(now), revoked_by: Some(actor.who.clone()), ..found.clone() };
    let change = (shown(&found, &scope), shown(&revoked, &scope));
    audit_entries::changed(&mut tx, deployment.ids.as_ref(), "token.revoke", change, actor).await?;
    tx.commit().await?;
    Ok((revoked, scope))
}

/// Tokens, the newest first, from the one that was made before that with the id `after`; all of them, or those that are good now.
pub async fn list_tokens(
    tx: &mut Tx,
    only_good: bool,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<(StoredToken, Scope)>, StoreError> {
    let good_at = if only_good { Some(tx.now().await?) } else { None };
    let found = tokens::list(tx, good_at, after, limit).await?;
    found.into_iter().map(|token| scope_of(&token).map(|scope| (token, scope))).collect()
}

/// Whose token this is, if it is good.
pub async fn check_token(
    tx: &mut Tx,
    keys: &TokenKeys,
    text: &str,
) -> Result<Result<Bearer, TokenRefusal>, StoreError> {
    let Some(shown) = TokenText::parse(text) else { return Ok(Err(TokenRefusal::Unknown)) };
    let Some(token) = tokens::find(tx, &shown.id).await? else { return Ok(Err(TokenRefusal::Unknown)) };
    let Some(key) = keys.find(&token.hash_key) else { return Ok(Err(TokenRefusal::KeyMissing)) };
    let kept = blake3::Hash::from_hex(&token.hash)
        .map_err(|error| StoreError::Corrupt(format!("hash of token {}: {error}", token.id)))?;
    // `blake3::Hash` compares in constant time (its documentation, "impl PartialEq for Hash").
    if hash_of(&token, key, &shown.secret) != kept {
        return Ok(Err(TokenRefusal::Unknown));
    }
    if token.revoked_at.is_some() {
        return Ok(Err(TokenRefusal::Revoked));
    }
    let now = tx.now().await?;
    if token.expires_at.is_some_and(|end| end <= now) {
        return Ok(Err(TokenRefusal::Expired));
    }
    let role = Role::find(&token.role);
    let role = role.ok_or_else(|| StoreError::Corrupt(format!("role {} of token {}", token.role, token.id)))?;
    let noted_lately = token.last_used_at.is_some_and(|last| now - last < NOTE_USE_EVERY);
    let note_use_at = (!noted_lately).then_some(now);
    let scope = scope_of(&token)?;
    Ok(Ok(Bearer { token: token.id, name: token.name, role, scope, note_use_at }))
}

/// Whether a token that was good still is.
pub async fn is_still_good(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let Some(token) = tokens::find(tx, id).await? else { return Ok(false) };
    let now = tx.now().await?;
    Ok(token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now))
}

/// Over all that its bearer may do: who can write to the database can't give a token other rights.
fn hash_of(token: &StoredToken, key: &TokenKey, secret: &str) -> blake3::Hash {
    let expires_at = token.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    key.hash(secret, &[&token.id, &token.name, &token.role, &token.scope, &expires_at])
}

fn scope_of(token: &StoredToken) -> Result<Scope, StoreError> {
    serde_json::from_str(&token.scope)
        .map_err(|error| StoreError::Corrupt(format!("scope of token {}: {error}", token.id)))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if TokenText::is_id(name) {
        let message = "a token's name must not look like the id of one, which has 16 hexadecimal digits";
        return Err(Refusal::invalid("invalid_token_name", message));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if OURS.contains(&name) {
        return Err(Refusal::invalid("invalid_token_name", format!("{name} is what the audit trail calls others")));
    }
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_MAX && name.bytes().all(plain) {
        return Ok(());
    }
    let message = format!(
        "a token's name is 1 to {NAME_MAX} letters, digits, `-`, `_`, `.` and `@`, beginning with a letter or digit: who uses it"
    );
    Err(Refusal::invalid("invalid_token_name", message))
}

fn expires_at(expiry: Expiry, now: Millis) -> Result<Option<Millis>, Refusal> {
    match expiry {
        Expiry::Default => Ok(Some(now + GOOD_FOR)),
        Expiry::Never => Ok(None),
        Expiry::At(at) if at > now && at <= now + GOOD_FOR_MAX => Ok(Some(at)),
        Expiry::At(_) => {
            let message = "a token expires at a time in the next five years, or never";
            Err(Refusal::invalid("invalid_expiry", message))
        }
    }
}

/// A scope that nothing is in would look like a token that does not work.
async fn check_scope(tx: &mut Tx, scope: &Scope) -> Result<(), Refusal> {
    match scope {
        Scope::All => Ok(()),
        Scope::Realm(realm) => {
            let topology = topologies::current(tx).await?.map(|stored| stored.topology).unwrap_or_default();
            if topology.realms.contains_key(realm) {
                return Ok(());
            }
            let message = format!("there is no realm {realm}: `realmctl topology show` lists them");
            Err(Refusal::not_found("unknown_realm", message))
        }
        // They may be created later, by this token.
        Scope::Tenants(tenants) => check_tenants(tenants),
    }
}

fn check_tenants(tenants: &BTreeSet<String>) -> Result<(), Refusal> {
    let wrong = |message: String| Err(Refusal::invalid("invalid_scope", message));
    if tenants.is_empty() || tenants.len() > TENANTS_MAX {
        return wrong(format!("a scope names 1 to {TENANTS_MAX} tenants"));
    }
    match tenants.iter().find(|id| id.parse::<TenantId>().is_err()) {
        Some(id) => wrong(format!("{id:?} is no tenant's id")),
        None => Ok(()),
    }
}

/// Nothing of its secret.
fn shown(token: &StoredToken, scope: &Scope) -> Value {
    json!({
        "token": token.id,
        "name": token.name,
        "role": token.role,
        "scope": scope,
        "expiresAt": token.expires_at.map(rfc3339),
        "revokedAt": token.revoked_at.map(rfc3339),
    })
}
