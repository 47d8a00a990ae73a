-- Work that keeps a tenant offline is claimed first and has room of its own, and no tenant goes offline while no process is there
-- that would run its tasks.

ALTER TABLE tasks ADD COLUMN must_go_on BIGINT NOT NULL DEFAULT 0; -- as in `workflows`
UPDATE tasks SET must_go_on = 1 WHERE wake_at IS NOT NULL
    AND workflow_id IN (SELECT id FROM workflows WHERE must_go_on = 1);
CREATE INDEX workflows_offline ON workflows (wake_at) WHERE must_go_on = 1 AND wake_at IS NOT NULL AND paused = 0;
CREATE INDEX tasks_offline ON tasks (wake_at) WHERE must_go_on = 1 AND wake_at IS NOT NULL AND paused = 0;

-- Processes that run work, as they say themselves with each heartbeat, by the database's clock.
CREATE TABLE runners (
    owner       TEXT   NOT NULL PRIMARY KEY, -- the name under which it holds leases
    task_kinds  TEXT   NOT NULL,             -- JSON: which tasks it runs; none if it leaves data work to others
    heard_until BIGINT NOT NULL              -- from then on it is taken for dead, until it says otherwise
);
