-- The audit trail as a chain: each entry gets a number and a digest over itself and the digest before it, soon after it was committed and
-- not in its own transaction, so that changes are still made in parallel.
ALTER TABLE audit ADD COLUMN seq BIGINT;      -- NULL until it is sealed
ALTER TABLE audit ADD COLUMN digest TEXT;
CREATE UNIQUE INDEX audit_by_seq ON audit (seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unsealed ON audit (id) WHERE seq IS NULL;

-- One row, held by whoever seals: the end of the chain.
CREATE TABLE audit_head (
    id     BIGINT NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL,
    digest TEXT   NOT NULL,
    at     BIGINT NOT NULL
);
INSERT INTO audit_head (id, seq, digest, at) VALUES (1, 0, '', 0);
