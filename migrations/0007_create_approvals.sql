-- Actions that wait until another person approves them, and which those are.
CREATE TABLE approval_policy (
    id           BIGINT NOT NULL PRIMARY KEY, -- one row
    actions      TEXT   NOT NULL,             -- JSON: the names of the actions that need approval
    valid_for_ms BIGINT NOT NULL,             -- how long a request waits
    set_at       BIGINT NOT NULL,
    set_by       TEXT   NOT NULL
);

CREATE TABLE approvals (
    id           TEXT   NOT NULL PRIMARY KEY,
    action       TEXT   NOT NULL,
    tenant       TEXT,                        -- NULL: about more than one, or none
    content      TEXT   NOT NULL,             -- JSON: all that is carried out once it is approved
    hash         TEXT   NOT NULL,             -- of the content
    requested_by TEXT   NOT NULL,             -- the person, by the name of the token
    token        TEXT,                        -- has to be good still when it is approved
    who          TEXT   NOT NULL,             -- as the audit trail calls the caller
    origin       TEXT   NOT NULL,
    why          TEXT   NOT NULL,
    requested_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    state        TEXT   NOT NULL,             -- pending, approved, declined, withdrawn
    decided_by   TEXT,
    decided_why  TEXT,
    decided_at   BIGINT,
    outcome      TEXT                         -- JSON: what came of it
);
CREATE INDEX approvals_by_state ON approvals (state, id);
CREATE INDEX approvals_by_tenant ON approvals (tenant, id) WHERE tenant IS NOT NULL;
