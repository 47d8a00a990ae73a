-- Limits on how many data tasks the admitted work may have, and who has reserved how many of them. Rows that are held back
-- are found without looking at all others.

CREATE TABLE limits (
    scope TEXT   NOT NULL PRIMARY KEY,      -- `overall`, `region:NAME`, `table:KEY`
    slots BIGINT NOT NULL,                  -- data tasks at a time; 0 admits nothing new
    at    BIGINT NOT NULL,
    who   TEXT   NOT NULL,
    why   TEXT   NOT NULL
);

-- One row for each scope that a workflow's data work falls under. Deleted in the transaction that ends that work.
CREATE TABLE reservations (
    workflow_id TEXT   NOT NULL REFERENCES workflows (id),
    scope       TEXT   NOT NULL,
    weight      BIGINT NOT NULL,            -- its data tasks there
    asked_at    BIGINT NOT NULL,            -- first come, first served
    granted_at  BIGINT,                     -- NULL while it waits
    PRIMARY KEY (workflow_id, scope)
);
CREATE INDEX reservations_by_scope ON reservations (scope);

-- Locked by whoever grants capacity or changes a limit.
INSERT INTO counters (name, value) VALUES ('capacity', 0);

CREATE INDEX tasks_paused ON tasks (workflow_id) WHERE paused <> 0;
CREATE INDEX workflows_paused ON workflows (id) WHERE paused <> 0 AND wake_at IS NOT NULL;

-- Moves that were under way when the column came: their tenants are offline.
UPDATE workflows SET must_go_on = 1
WHERE kind = 'move' AND state IN ('drain', 'add_data', 'verify', 'commit', 're_online') AND wake_at IS NOT NULL;
