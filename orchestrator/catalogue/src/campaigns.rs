//! The tenants of a campaign, and what became of each.

use store::{Millis, Row, StoreError, Tx, sql};

/// A tenant of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The tenant.
    pub tenant: String,
    /// What became of it.
    pub state: MemberState,
    /// Moves started for it so far.
    pub attempts: i64,
    /// The latest of them.
    pub move_id: Option<String>,
    /// Why it is not done, as a stable code.
    pub code: Option<String>,
    /// Why it is not done, in words.
    pub reason: Option<String>,
    /// When that was recorded.
    pub updated_at: Millis,
}

/// What became of a tenant of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Its turn has not come.
    Waiting,
    /// Its move is going on.
    Running,
    /// Moved.
    Done,
    /// Its move went offline and back: the tenant is online where it was.
    RolledBack,
    /// Its move failed before it was offline.
    Failed,
    /// It can't be moved; nothing was started.
    Skipped,
    /// It, or its move, was cancelled.
    Cancelled,
}

impl MemberState {
    /// All states.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Running, Self::Done, Self::RolledBack, Self::Failed, Self::Skipped, Self::Cancelled];

    /// The stored and shown name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl TryFrom<String> for MemberState {
    type Error = StoreError;

    fn try_from(name: String) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == name);
        found.ok_or_else(|| StoreError::Corrupt(format!("campaign member state {name}")))
    }
}

/// How many tenants of a campaign are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; MemberState::ALL.len()]);

impl Counts {
    /// How many are in this state.
    pub fn of(&self, state: MemberState) -> u64 {
        self.0[state as usize]
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.tenant, m.state, m.attempts, m.move, m.code, m.reason, m.updated_at FROM campaign_members m ",
            $rest
        )
    };
}

/// Adds a tenant.
pub async fn add(tx: &mut Tx, campaign: &str, tenant: &str, now: Millis) -> Result<(), StoreError> {
    sql("INSERT INTO campaign_members (campaign, tenant, state, updated_at) VALUES ($1, $2, 'waiting', $3)")
        .bind(campaign)
        .bind(tenant)
        .bind(now)
        .execute(tx)
        .await
        .map(drop)
}

/// Adds the tenants that are in a realm now, in the order of their ids, at most `limit`; returns how many.
pub async fn add_of_realm(
    tx: &mut Tx,
    campaign: &str,
    realm: &str,
    limit: i64,
    now: Millis,
) -> Result<u64, StoreError> {
    sql("INSERT INTO campaign_members (campaign, tenant, state, updated_at) SELECT $1, id, 'waiting', $4 FROM tenants \
         WHERE realm = $2 AND status <> 'gone' ORDER BY id LIMIT $3")
    .bind(campaign)
    .bind(realm)
    .bind(limit)
    .bind(now)
    .execute(tx)
    .await
}

/// Tenants in the order of their ids, after `after`; optionally in one state.
pub async fn members(
    tx: &mut Tx,
    campaign: &str,
    state: Option<MemberState>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let rows =
        sql(select!("WHERE m.campaign = $1 AND m.tenant > $3 {given AND m.state = $2} ORDER BY m.tenant LIMIT $4"))
            .bind(campaign)
            .bind(state.map(MemberState::as_str))
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(tx)
            .await?;
    rows.iter().map(Member::try_from).collect()
}

/// The tenant whose turn is next.
pub async fn next_waiting(tx: &mut Tx, campaign: &str) -> Result<Option<Member>, StoreError> {
    let row = sql(select!("WHERE m.campaign = $1 AND m.state = 'waiting' ORDER BY m.tenant LIMIT 1")).bind(campaign);
    row.fetch_optional(tx).await?.as_ref().map(Member::try_from).transpose()
}

/// Running tenants whose move has ended, or is not there any more. Reads the moves without locking them.
pub async fn ended(tx: &mut Tx, campaign: &str, limit: i64) -> Result<Vec<Member>, StoreError> {
    let rows = sql(select!(
        "LEFT JOIN workflows w ON w.id = m.move WHERE m.campaign = $1 AND m.state = 'running' \
         AND (w.id IS NULL OR w.finished_at IS NOT NULL) ORDER BY m.tenant LIMIT $2"
    ))
    .bind(campaign)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter().map(Member::try_from).collect()
}

/// Records what became of a tenant. The campaign's workflow must be locked.
pub async fn record(tx: &mut Tx, campaign: &str, member: &Member) -> Result<(), StoreError> {
    sql("UPDATE campaign_members SET state = $3, attempts = $4, move = $5, code = $6, reason = $7, updated_at = $8 \
         WHERE campaign = $1 AND tenant = $2")
    .bind(campaign)
    .bind(&member.tenant)
    .bind(member.state.as_str())
    .bind(member.attempts)
    .bind(member.move_id.clone())
    .bind(member.code.clone())
    .bind(member.reason.clone())
    .bind(member.updated_at)
    .execute_one(tx, || StoreError::Corrupt(format!("{} is not of the campaign", member.tenant)))
    .await
}

/// Cancels all whose turn has not come; returns how many. The campaign's workflow must be locked.
pub async fn cancel_waiting(tx: &mut Tx, campaign: &str, now: Millis) -> Result<u64, StoreError> {
    sql("UPDATE campaign_members SET state = 'cancelled', updated_at = $2 WHERE campaign = $1 AND state = 'waiting'")
        .bind(campaign)
        .bind(now)
        .execute(tx)
        .await
}

/// How many tenants are in each state.
pub async fn counts(tx: &mut Tx, campaign: &str) -> Result<Counts, StoreError> {
    let rows = sql("SELECT state, COUNT(*) AS members FROM campaign_members WHERE campaign = $1 GROUP BY state")
        .bind(campaign)
        .fetch_all(tx)
        .await?;
    let mut counts = Counts::default();
    for row in &rows {
        counts.0[MemberState::try_from(row.text("state")?)? as usize] = row.int("members")?.unsigned_abs();
    }
    Ok(counts)
}

impl TryFrom<&Row> for Member {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: row.text("tenant")?,
            state: MemberState::try_from(row.text("state")?)?,
            attempts: row.int("attempts")?,
            move_id: row.opt_text("move")?,
            code: row.opt_text("code")?,
            reason: row.opt_text("reason")?,
            updated_at: row.int("updated_at")?,
        })
    }
}
