-- Durable workflows, their history and their tasks. Times are milliseconds since the Unix epoch; JSON is text.
-- One text serves SQLite and Postgres.

CREATE TABLE workflows (
    id          TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    subject     TEXT   NOT NULL,            -- the tenant
    start_key   TEXT   UNIQUE,              -- a second start with the same key finds the first
    request     TEXT   NOT NULL,            -- digest of what was asked, to tell "again" from "another"
    state       TEXT   NOT NULL,            -- the state's name; `data` holds it whole
    data        TEXT   NOT NULL,
    steps       BIGINT NOT NULL DEFAULT 0,  -- history rows so far
    attempt     BIGINT NOT NULL DEFAULT 0,  -- failed attempts at this state
    error       TEXT,                       -- the last failure of this state
    wake_at     BIGINT,                     -- NULL once finished
    fence       BIGINT NOT NULL DEFAULT 0,  -- grows with every claim and every intervention
    lease_owner TEXT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX workflows_due ON workflows (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX workflows_by_subject ON workflows (subject, kind, id);
CREATE INDEX workflows_by_kind ON workflows (kind, id);
CREATE INDEX workflows_by_state ON workflows (kind, state, id);

CREATE TABLE history (
    workflow_id TEXT   NOT NULL REFERENCES workflows (id),
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    from_state  TEXT   NOT NULL,
    to_state    TEXT   NOT NULL,
    fence       BIGINT NOT NULL,
    note        TEXT   NOT NULL,
    PRIMARY KEY (workflow_id, seq)
);

CREATE TABLE tasks (
    id          TEXT   NOT NULL PRIMARY KEY,
    workflow_id TEXT   NOT NULL REFERENCES workflows (id),
    kind        TEXT   NOT NULL,
    target      TEXT   NOT NULL,            -- the location it works on
    input       TEXT   NOT NULL,
    status      TEXT   NOT NULL,            -- open, done, failed; erased when called off
    checkpoint  TEXT,                       -- erased when the task ends
    progress    TEXT   NOT NULL,
    furthest    BIGINT NOT NULL DEFAULT 0,  -- the most that was ever done, in the handler's own measure
    result      TEXT,
    attempt     BIGINT NOT NULL DEFAULT 0,  -- failed attempts since the last progress
    error       TEXT,
    wake_at     BIGINT,                     -- NULL once ended
    fence       BIGINT NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX tasks_due ON tasks (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX tasks_by_workflow ON tasks (workflow_id, id);
