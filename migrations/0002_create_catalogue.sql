-- The system of record: which tenant lives in which realm, on which shard of each service, and where its data may be.

CREATE TABLE topologies (
    version    BIGINT NOT NULL PRIMARY KEY,
    hash       TEXT   NOT NULL,
    document   TEXT   NOT NULL,
    applied_at BIGINT NOT NULL,
    applied_by TEXT   NOT NULL
);

CREATE TABLE tenants (
    id          TEXT   NOT NULL PRIMARY KEY,
    host        TEXT   UNIQUE,              -- NULL once gone: the host is free again, the id never is
    realm       TEXT   NOT NULL,
    created_in  TEXT   NOT NULL,            -- the realm asked for at creation, to tell "again" from "another"
    status      TEXT   NOT NULL,            -- provisioning, online, moving, closed, gone
    epoch       BIGINT NOT NULL,            -- grows exactly when placement or status changes
    active_move TEXT   REFERENCES workflows (id), -- the one workflow that may change the placement
    lease_until BIGINT,                     -- while moving: when the offline mark lapses
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX tenants_offline ON tenants (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX tenants_by_realm ON tenants (realm, id);
CREATE INDEX tenants_by_active_move ON tenants (active_move) WHERE active_move IS NOT NULL;

-- A request to create a tenant that is repeated with the same key finds the tenant that the first one created; another request with it is
-- refused.
CREATE TABLE creation_keys (
    key    TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    host   TEXT NOT NULL,
    realm  TEXT NOT NULL
);

CREATE TABLE placements (
    tenant  TEXT NOT NULL REFERENCES tenants (id),
    service TEXT NOT NULL,
    shard   TEXT NOT NULL,
    PRIMARY KEY (tenant, service)
);

-- Written before the first byte. The location is stored whole; `location` is its physical key.
CREATE TABLE ledger (
    tenant     TEXT   NOT NULL REFERENCES tenants (id),
    service    TEXT   NOT NULL,
    location   TEXT   NOT NULL,
    place      TEXT   NOT NULL,
    state      TEXT   NOT NULL,             -- absent, adding, live, removing
    generation BIGINT NOT NULL,             -- grows each time absent becomes adding
    position   BIGINT NOT NULL,             -- order within the placement; 0 is the primary
    workflow   TEXT   REFERENCES workflows (id), -- who is adding or removing
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, service, location)
);
CREATE INDEX ledger_by_workflow ON ledger (workflow) WHERE workflow IS NOT NULL;

-- Kept for ever: entries hold codes of errors and no message, which may quote a key of a tenant's data.
CREATE TABLE audit (
    id       TEXT   NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    who      TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    tenant   TEXT,
    why      TEXT   NOT NULL,
    before   TEXT   NOT NULL,
    after    TEXT   NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);

-- Rows that exist to be locked. `changes`: sequence numbers come from one locked row, so that a reader can't skip a change
-- that commits late. `topology`: held by whoever applies a topology or relies on it staying in force. `capacity`: by whoever grants
-- capacity or changes a limit.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('changes', 0), ('topology', 0), ('capacity', 0);

CREATE TABLE changes (
    seq    BIGINT NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    tenant TEXT   NOT NULL,
    epoch  BIGINT NOT NULL,
    kind   TEXT   NOT NULL
);

-- Each of the three limits is stated or NULL.
CREATE TABLE limits (
    scope       TEXT   NOT NULL PRIMARY KEY, -- `overall`, `region:NAME`, `table:KEY`
    slots       BIGINT,                      -- data tasks at a time; 0 admits nothing new
    write_units BIGINT,                      -- a second, by all processes together
    read_units  BIGINT,                      -- likewise
    at          BIGINT NOT NULL,
    who         TEXT   NOT NULL,
    why         TEXT   NOT NULL
);

-- One row for each scope that a workflow's data work falls under. Deleted in the transaction that ends that work. Who waits is found
-- in its turn, and what is granted without looking at those who wait.
CREATE TABLE reservations (
    workflow_id TEXT   NOT NULL REFERENCES workflows (id),
    scope       TEXT   NOT NULL,
    weight      BIGINT NOT NULL,            -- its data tasks there
    asked_at    BIGINT NOT NULL,            -- first come, first served
    granted_at  BIGINT,                     -- NULL while it waits
    PRIMARY KEY (workflow_id, scope)
);
CREATE INDEX reservations_granted ON reservations (scope) WHERE granted_at IS NOT NULL;
CREATE INDEX reservations_waiting ON reservations (scope, asked_at, workflow_id) WHERE granted_at IS NULL;

-- The tenants of a campaign, and what became of each. The campaign itself is a workflow.
CREATE TABLE campaign_members (
    campaign   TEXT   NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    tenant     TEXT   NOT NULL,
    state      TEXT   NOT NULL,            -- waiting, running, done, rolled_back, failed, skipped, cancelled
    attempts   BIGINT NOT NULL DEFAULT 0,  -- moves started so far: more than one only if none of them went offline
    move       TEXT,                       -- the latest move; it may have been pruned
    code       TEXT,                       -- why it is not done: a stable code, and words
    reason     TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (campaign, tenant)
);
CREATE INDEX campaign_members_by_state ON campaign_members (campaign, state, tenant);

-- What a part of a location held, without keys, until the location has been emptied; written chunk by chunk with the checkpoints of
-- the task that reads or deletes it. No reference to workflows: a checkpoint locks its task and must not wait for the workflow's row.
CREATE TABLE fingerprints (
    workflow_id TEXT   NOT NULL,   -- the move that read it, then the removal that compares with it
    name        TEXT   NOT NULL,   -- copied ..., verified, seen, found, strays, not accepted, doomed, deleted
    part        BIGINT NOT NULL,
    pass        BIGINT NOT NULL,
    chunk       BIGINT NOT NULL,
    marks       TEXT   NOT NULL,
    PRIMARY KEY (workflow_id, name, part, pass, chunk)
);

-- Which items were written to a location after a move had left it. Keys of tenants: erased when the removal goes on.
CREATE TABLE late_writes (
    workflow_id TEXT   NOT NULL,   -- the removal
    part        BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    kind        TEXT   NOT NULL,   -- added, changed, deleted
    key         TEXT   NOT NULL,   -- JSON
    certain     BIGINT NOT NULL,
    PRIMARY KEY (workflow_id, part, number)
);
CREATE INDEX late_writes_by_kind ON late_writes (workflow_id, kind, part, number);

-- Rows that are written to see whether anything can be: with a full disk, or on a standby, reading still works.
CREATE TABLE write_trials (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL
);
