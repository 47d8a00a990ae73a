-- Answers to changes that were asked for with an Idempotency-Key: the same request again gets the same answer, another one is refused.
CREATE TABLE answers (
    caller       TEXT   NOT NULL,             -- whose key it is: the name of a token; empty for callers without one of their own
    key          TEXT   NOT NULL,
    request      TEXT   NOT NULL,             -- method and path
    digest       TEXT   NOT NULL,             -- of the whole request
    at           BIGINT NOT NULL,             -- when it was last taken on
    status       BIGINT,                      -- NULL: not answered yet
    location     TEXT,
    body         TEXT,
    PRIMARY KEY (caller, key)
);
CREATE INDEX answers_by_time ON answers (at);
