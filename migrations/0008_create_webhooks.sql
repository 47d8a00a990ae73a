-- Who is told what happens to tenants and moves. Where and with which secret stands in the operator's file alone; here is how far each has
-- been told.
CREATE TABLE webhooks (
    name          TEXT   NOT NULL PRIMARY KEY,
    url           TEXT   NOT NULL,            -- as it is shown
    events        TEXT   NOT NULL,            -- JSON: the types that it is told of; an empty list is all
    after_seq     BIGINT NOT NULL,            -- deliveries were made of the sealed entries of the audit trail up to this one
    delivered_seq BIGINT,                     -- the newest entry that it was told of
    fence         BIGINT NOT NULL,
    holder        TEXT,                       -- the process that tells it now
    lease_until   BIGINT,
    seen_at       BIGINT NOT NULL             -- when a process last had it in its file
);

-- One row an event and webhook, kept for a while once it has ended.
CREATE TABLE webhook_deliveries (
    id          TEXT   NOT NULL PRIMARY KEY,
    webhook     TEXT   NOT NULL,
    seq         BIGINT NOT NULL,              -- of the entry of the audit trail
    part        BIGINT NOT NULL,              -- which event of that entry
    event       TEXT   NOT NULL,
    tenant      TEXT,
    body        TEXT   NOT NULL,
    state       TEXT   NOT NULL,              -- pending, delivered, failed
    attempts    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    give_up_at  BIGINT NOT NULL,
    http_status BIGINT,                       -- of the last attempt, if there was an answer
    error       TEXT,                         -- the code of the last attempt, if it failed
    finished_at BIGINT
);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (webhook, seq, part);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (webhook, state, seq, part);
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;
