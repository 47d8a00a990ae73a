-- Who may ask for what. A token is shown once; what is kept is a keyed hash of its secret, whose key lies outside of this database.
CREATE TABLE tokens (
    id           TEXT   NOT NULL PRIMARY KEY, -- stands in the token itself, so that one row is read to check it
    name         TEXT   NOT NULL,             -- whose it is: what the audit trail calls its bearer
    hash         TEXT   NOT NULL,
    hash_key     TEXT   NOT NULL,             -- names the key of the hash
    role         TEXT   NOT NULL,             -- viewer, support, provisioner, oncall, admin
    scope        TEXT   NOT NULL,             -- JSON: everything, a realm, or a list of tenants
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    expires_at   BIGINT,                      -- NULL: never
    revoked_at   BIGINT,
    revoked_by   TEXT,
    last_used_at BIGINT                       -- to within a minute
);
-- Names may be used again once revoked.
CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at IS NULL;

-- From where a change was asked for: the address of the client, as this server saw it; empty for what realmctl does by itself.
ALTER TABLE audit ADD COLUMN origin TEXT NOT NULL DEFAULT '';
