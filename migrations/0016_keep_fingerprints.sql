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
