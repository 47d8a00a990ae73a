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
    mover       TEXT   REFERENCES workflows (id), -- the one workflow that may change the placement
    lease_until BIGINT,                     -- while moving: when the offline mark lapses
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX tenants_offline ON tenants (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX tenants_by_realm ON tenants (realm, id);

CREATE TABLE placements (
    tenant  TEXT NOT NULL REFERENCES tenants (id),
    service TEXT NOT NULL,
    shard   TEXT NOT NULL,
    PRIMARY KEY (tenant, service)
);
CREATE INDEX placements_by_shard ON placements (service, shard);

-- The ledger: written before the first byte. The location is stored whole; `location` is its physical key.
CREATE TABLE cells (
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
CREATE INDEX cells_in_use ON cells (service, location) WHERE state <> 'absent';

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
-- that commits late. `topology`: held by whoever applies a topology or relies on it staying in force.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('changes', 0), ('topology', 0);

CREATE TABLE changes (
    seq    BIGINT NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    tenant TEXT   NOT NULL,
    epoch  BIGINT NOT NULL,
    kind   TEXT   NOT NULL
);
