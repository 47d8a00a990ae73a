-- Durable workflows, their history and their tasks. Times are milliseconds since the Unix epoch; JSON is text.
-- One text serves SQLite and Postgres; what only one of them needs stands in a file of its own.
--
-- A step rewrites its workflow's row. Where no indexed column changes, Postgres touches no index (a "HOT" update); so nothing that
-- changes from step to step is indexed.

CREATE TABLE workflows (
    id            TEXT   NOT NULL PRIMARY KEY,
    kind          TEXT   NOT NULL,
    subject       TEXT   NOT NULL,            -- the tenant
    start_key     TEXT   UNIQUE,              -- a second start with the same key finds the first
    request       TEXT   NOT NULL,            -- digest of what was asked, to tell "again" from "another"
    state         TEXT   NOT NULL,            -- the state's name; `data` holds it whole
    data          TEXT   NOT NULL,
    steps         BIGINT NOT NULL DEFAULT 0,  -- history rows so far
    attempt       BIGINT NOT NULL DEFAULT 0,  -- failed attempts at this state
    error         TEXT,                       -- the last failure of this state
    wake_at       BIGINT,                     -- NULL once finished
    fence         BIGINT NOT NULL DEFAULT 0,  -- grows with every claim and every external transition
    lease_owner   TEXT,
    lease_until   BIGINT NOT NULL DEFAULT 0,
    priority      BIGINT NOT NULL DEFAULT 1,  -- 0 low, 1 normal, 2 high: of what is due, higher ones are claimed first
    paused        BIGINT NOT NULL DEFAULT 0,  -- not claimed unless 0; each bit is a reason: 1 the workflow itself, 2 its tenant, 4 everything
    keeps_offline BIGINT NOT NULL DEFAULT 0,  -- the state keeps a tenant offline: claimed first, and no pause holds it
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    finished_at   BIGINT,
    ended_as      TEXT                        -- the final state's name, NULL while the workflow runs: lists by state use it
);
CREATE INDEX workflows_due ON workflows (priority, wake_at) WHERE wake_at IS NOT NULL AND paused = 0;
CREATE INDEX workflows_offline ON workflows (wake_at) WHERE keeps_offline = 1 AND wake_at IS NOT NULL AND paused = 0;
CREATE INDEX workflows_paused ON workflows (id) WHERE paused <> 0 AND wake_at IS NOT NULL;
CREATE INDEX workflows_by_subject ON workflows (subject, kind, id);
CREATE INDEX workflows_by_kind ON workflows (kind, id);
CREATE INDEX workflows_by_end ON workflows (kind, ended_as, id);
CREATE INDEX workflows_ended ON workflows (finished_at) WHERE finished_at IS NOT NULL;

-- A request that is the same as what is running already gets that workflow, and its key stays with it: repeated after the
-- workflow has ended, it starts nothing anew.
CREATE TABLE start_keys (
    start_key   TEXT NOT NULL PRIMARY KEY,
    workflow_id TEXT NOT NULL REFERENCES workflows (id)
);
CREATE INDEX start_keys_of_workflow ON start_keys (workflow_id);

-- No foreign key: each insert would look its workflow up once more, and only a step that holds the workflow's row writes here.
CREATE TABLE history (
    workflow_id TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    from_state  TEXT   NOT NULL,
    to_state    TEXT   NOT NULL,
    fence       BIGINT NOT NULL,
    note        TEXT   NOT NULL,
    PRIMARY KEY (workflow_id, seq)
);

CREATE TABLE tasks (
    id            TEXT   NOT NULL PRIMARY KEY,
    workflow_id   TEXT   NOT NULL REFERENCES workflows (id),
    kind          TEXT   NOT NULL,
    target        TEXT   NOT NULL,            -- the location it works on
    input         TEXT   NOT NULL,
    status        TEXT   NOT NULL,            -- open, done, failed; erased when called off
    checkpoint    TEXT,                       -- erased when the task ends
    progress      TEXT   NOT NULL,
    furthest      BIGINT NOT NULL DEFAULT 0,  -- the most that was ever done, in the handler's own measure
    result        TEXT,
    attempt       BIGINT NOT NULL DEFAULT 0,  -- failed attempts since the last progress
    error         TEXT,
    wake_at       BIGINT,                     -- NULL once ended
    fence         BIGINT NOT NULL DEFAULT 0,
    lease_owner   TEXT,
    lease_until   BIGINT NOT NULL DEFAULT 0,
    priority      BIGINT NOT NULL DEFAULT 1,  -- as in `workflows`, and so are the next two
    paused        BIGINT NOT NULL DEFAULT 0,
    keeps_offline BIGINT NOT NULL DEFAULT 0,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);
CREATE INDEX tasks_due ON tasks (priority, wake_at) WHERE wake_at IS NOT NULL AND paused = 0;
CREATE INDEX tasks_offline ON tasks (wake_at) WHERE keeps_offline = 1 AND wake_at IS NOT NULL AND paused = 0;
CREATE INDEX tasks_paused ON tasks (workflow_id) WHERE paused <> 0;
CREATE INDEX tasks_by_workflow ON tasks (workflow_id, id);

-- Requests that may still take effect: a row for each task that was taken over, or erased, while somebody held its lease. Deleted
-- when that process says that it has stopped, is proved dead, or when no store accepts a request of its any more.
CREATE TABLE in_doubt_requests (
    task    TEXT   NOT NULL,
    fence   BIGINT NOT NULL,            -- under which it was held
    kind    TEXT   NOT NULL,
    subject TEXT   NOT NULL,            -- the tenant
    target  TEXT   NOT NULL,            -- the location
    owner   TEXT   NOT NULL,            -- the process
    since   BIGINT NOT NULL,            -- since when it gets no permits
    PRIMARY KEY (task, fence)
);
CREATE INDEX in_doubt_requests_by_target ON in_doubt_requests (subject, target);

-- What is held back beyond single workflows: `all`, or `tenant:ID`. Work that starts meanwhile starts paused.
CREATE TABLE pauses (
    scope TEXT   NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL,
    who   TEXT   NOT NULL,
    why   TEXT   NOT NULL
);

-- Processes that run work, as they say themselves with each heartbeat, by the database's clock.
CREATE TABLE runners (
    owner       TEXT   NOT NULL PRIMARY KEY, -- the name under which it holds leases
    task_kinds  TEXT   NOT NULL,             -- JSON: which tasks it runs; none if it leaves data work to others
    heard_until BIGINT NOT NULL,             -- from then on it is taken for dead, until it says otherwise
    unfit       TEXT                         -- what it lacks for data work, with what to do about it; NULL if nothing
);
