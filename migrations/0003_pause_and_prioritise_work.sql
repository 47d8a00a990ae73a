-- Operators hold work back and order it. A row with `paused` other than 0 is not claimed; each bit is one reason: 1 the workflow
-- itself, 2 its tenant, 4 everything. `must_go_on`: the state keeps a tenant offline, so a pause passes it by.
-- Of what is due, higher priorities are claimed first. Finished rows are in none of the indexes that claiming uses.

ALTER TABLE workflows ADD COLUMN paused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN must_go_on BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN priority BIGINT NOT NULL DEFAULT 1; -- 0 low, 1 normal, 2 high
ALTER TABLE tasks ADD COLUMN paused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN priority BIGINT NOT NULL DEFAULT 1;

DROP INDEX workflows_due;
CREATE INDEX workflows_due ON workflows (priority, wake_at) WHERE wake_at IS NOT NULL AND paused = 0;
DROP INDEX tasks_due;
CREATE INDEX tasks_due ON tasks (priority, wake_at) WHERE wake_at IS NOT NULL AND paused = 0;

-- What is held back beyond single workflows: `all`, or `tenant:ID`. Work that starts meanwhile starts paused.
CREATE TABLE pauses (
    scope TEXT   NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL,
    who   TEXT   NOT NULL,
    why   TEXT   NOT NULL
);
