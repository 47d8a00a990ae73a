-- Who may still have requests in flight: a row for each task that was taken over, or erased, while somebody held its lease. Deleted
-- when that process says that it has stopped, is proved dead, or when no store accepts a request of its any more.

CREATE TABLE stragglers (
    task    TEXT   NOT NULL,
    fence   BIGINT NOT NULL,            -- under which it was held
    kind    TEXT   NOT NULL,
    subject TEXT   NOT NULL,            -- the tenant
    target  TEXT   NOT NULL,            -- the location
    owner   TEXT   NOT NULL,            -- the process
    since   BIGINT NOT NULL,            -- since when it gets no permits
    PRIMARY KEY (task, fence)
);
CREATE INDEX stragglers_by_target ON stragglers (subject, target);
