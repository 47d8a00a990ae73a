-- A request that is the same as what is running already gets that workflow, and its key stays with it: repeated after the
-- workflow has ended, it starts nothing anew.

CREATE TABLE start_keys (
    start_key   TEXT NOT NULL PRIMARY KEY,
    workflow_id TEXT NOT NULL REFERENCES workflows (id)
);

CREATE INDEX start_keys_of_workflow ON start_keys (workflow_id);
