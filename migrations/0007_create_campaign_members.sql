-- The tenants of a campaign, and what became of each. The campaign itself is a workflow.

CREATE TABLE campaign_members (
    campaign   TEXT   NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    tenant     TEXT   NOT NULL,
    state      TEXT   NOT NULL,            -- waiting, running, done, retreated, failed, skipped, cancelled
    attempts   BIGINT NOT NULL DEFAULT 0,  -- moves started so far: more than one only if none of them went offline
    move       TEXT,                       -- the latest move; it may have been pruned
    code       TEXT,                       -- why it is not done: a stable code, and words
    reason     TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (campaign, tenant)
);
CREATE INDEX campaign_members_by_state ON campaign_members (campaign, state, tenant);
