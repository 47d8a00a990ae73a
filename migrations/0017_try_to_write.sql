-- Rows that are written to see whether anything can be: with a full disk, or on a standby, reading still works.
CREATE TABLE write_trials (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL
);
