-- How much is in use, counted with every change, so that nobody has to count a million rows while others wait: by each database's
-- own triggers, whatever process writes. Nobody else writes these tables. A row that has come down to 0
-- stays. Whoever changes several of them in one transaction does so in this order: tenants, then placements, then the ledger.

CREATE TABLE realm_sizes (
    realm   TEXT   NOT NULL PRIMARY KEY,
    tenants BIGINT NOT NULL             -- those that are not gone
);
INSERT INTO realm_sizes (realm, tenants) SELECT realm, COUNT(*) FROM tenants WHERE status <> 'gone' GROUP BY realm;

CREATE TABLE shard_sizes (
    service TEXT   NOT NULL,
    shard   TEXT   NOT NULL,
    tenants BIGINT NOT NULL,            -- placed there
    PRIMARY KEY (service, shard)
);
INSERT INTO shard_sizes (service, shard, tenants) SELECT service, shard, COUNT(*) FROM placements GROUP BY service, shard;

-- A site is a location for any tenant: in a key of S3, the one segment that is the tenant's id becomes `{tenant}`. Where several are,
-- it can't be told which one stands for the tenant, and the key stays as it is.
CREATE TABLE site_sizes (
    service TEXT   NOT NULL,
    site    TEXT   NOT NULL,
    place   TEXT   NOT NULL,            -- of one of the entries
    entries BIGINT NOT NULL,            -- those that are not absent
    PRIMARY KEY (service, site)
);
