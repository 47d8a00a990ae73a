-- People who have signed in. What their browser shows is kept as a keyed hash, whose key lies outside of this database, as with tokens.
CREATE TABLE sessions (
    id           TEXT   NOT NULL PRIMARY KEY, -- stands in the cookie, so that one row is read to check it
    hash         TEXT   NOT NULL,             -- of the secret that is good now, and of what follows up to expires_at
    hash_key     TEXT   NOT NULL,             -- names the key of the hash
    issuer       TEXT   NOT NULL,             -- the provider that knows the person
    subject      TEXT   NOT NULL,             -- as whom the provider knows the person
    name         TEXT   NOT NULL,             -- what the audit trail calls the person
    role         TEXT   NOT NULL,             -- viewer, support, provisioner, oncall, admin
    member_of    TEXT   NOT NULL,             -- JSON: those of the person's groups that give a role
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    rotated_at   BIGINT NOT NULL,             -- when the secret was last replaced
    last_used_at BIGINT NOT NULL,             -- to within a minute
    ended_at     BIGINT,
    ended_by     TEXT,
    ended_why    TEXT,                        -- log_out, log_out_everywhere, revoked, reused
    origin       TEXT   NOT NULL,             -- the address of the browser
    user_agent   TEXT   NOT NULL
);
CREATE INDEX sessions_by_person ON sessions (issuer, subject);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Secrets that were replaced: whoever shows one later than a moment after has a copy of the cookie.
CREATE TABLE session_secrets (
    session     TEXT   NOT NULL,
    hash        TEXT   NOT NULL,
    replaced_at BIGINT NOT NULL,
    PRIMARY KEY (session, hash)
);

-- Logins that were completed, by a hash of their state: none is completed twice. Kept for as long as one may take.
CREATE TABLE completed_logins (
    state TEXT   NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL
);
CREATE INDEX completed_logins_by_time ON completed_logins (at);
