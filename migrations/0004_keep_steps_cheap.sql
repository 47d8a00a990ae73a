-- A step rewrites its workflow's row. Where no indexed column changes, Postgres touches no index (a "HOT" update); so nothing that
-- changes from step to step is indexed. `ended_as` is the final state's name, NULL while the workflow runs: lists by state use it.
-- History rows lose their foreign key: each insert would look its workflow up once more, and only a step that holds the
-- workflow's row writes them.

ALTER TABLE workflows ADD COLUMN ended_as TEXT;
UPDATE workflows SET ended_as = state WHERE wake_at IS NULL;
DROP INDEX workflows_by_state;
CREATE INDEX workflows_by_end ON workflows (kind, ended_as, id);
CREATE INDEX workflows_ended ON workflows (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE history_of_steps (
    workflow_id TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    from_state  TEXT   NOT NULL,
    to_state    TEXT   NOT NULL,
    fence       BIGINT NOT NULL,
    note        TEXT   NOT NULL,
    PRIMARY KEY (workflow_id, seq)
);
INSERT INTO history_of_steps SELECT workflow_id, seq, at, from_state, to_state, fence, note FROM history;
DROP TABLE history;
ALTER TABLE history_of_steps RENAME TO history;

-- Whether anything still names a workflow: asked, by us and by the foreign keys, before it is forgotten.
CREATE INDEX cells_by_workflow ON cells (workflow) WHERE workflow IS NOT NULL;
CREATE INDEX tenants_by_mover ON tenants (mover) WHERE mover IS NOT NULL;
