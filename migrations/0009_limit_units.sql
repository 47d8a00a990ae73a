-- A limit may also be on the write and read units a second that the movers ask of tables: each of the three is stated or NULL.

CREATE TABLE limits_on_units (
    scope       TEXT   NOT NULL PRIMARY KEY, -- `overall`, `region:NAME`, `table:KEY`
    slots       BIGINT,                      -- data tasks at a time; 0 admits nothing new
    write_units BIGINT,                      -- a second, by all processes together
    read_units  BIGINT,                      -- likewise
    at          BIGINT NOT NULL,
    who         TEXT   NOT NULL,
    why         TEXT   NOT NULL
);
INSERT INTO limits_on_units (scope, slots, at, who, why) SELECT scope, slots, at, who, why FROM limits;
DROP TABLE limits;
ALTER TABLE limits_on_units RENAME TO limits;
