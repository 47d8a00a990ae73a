
-- Each is one row that many transactions change: the versions that are dead find room in its page.
ALTER TABLE realm_sizes SET (fillfactor = 10);
ALTER TABLE shard_sizes SET (fillfactor = 10);
ALTER TABLE site_sizes SET (fillfactor = 10);

CREATE FUNCTION site_of(location TEXT, tenant TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
    WHEN substr(location, 1, 3) = 's3|'
        AND 2 * length(location) - length(replace(location, '|' || tenant || '/', ''))
            - length(replace(location, '/' || tenant || '/', '')) = length(tenant) + 2
        AND position('/' || tenant || '/' IN replace(location, '/' || tenant || '/', '/')) = 0
    THEN replace(replace(location, '|' || tenant || '/', '|{tenant}/'), '/' || tenant || '/', '/{tenant}/')
    ELSE location END
$$;
INSERT INTO site_sizes (service, site, place, entries)
SELECT service, site_of(location, tenant) AS site, MIN(place), COUNT(*) FROM ledger WHERE state <> 'absent' GROUP BY service, site;

-- By whole statements where many rows may come or go, and always in the order of the keys, so that no two wait for each other.
CREATE FUNCTION add_to_realm(of TEXT, more BIGINT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO realm_sizes AS sizes (realm, tenants) VALUES (of, more)
    ON CONFLICT (realm) DO UPDATE SET tenants = sizes.tenants + excluded.tenants
$$;
CREATE FUNCTION tenants_added() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_realm(realm, tenants) FROM
        (SELECT realm, COUNT(*) AS tenants FROM rows WHERE status <> 'gone' GROUP BY realm ORDER BY realm) AS counted;
    RETURN NULL;
END $$;
CREATE FUNCTION tenants_deleted() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_realm(realm, -tenants) FROM
        (SELECT realm, COUNT(*) AS tenants FROM rows WHERE status <> 'gone' GROUP BY realm ORDER BY realm) AS counted;
    RETURN NULL;
END $$;
CREATE FUNCTION tenant_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_realm(realm, tenants) FROM
        (SELECT realm, SUM(one)::BIGINT AS tenants FROM
            (VALUES (OLD.realm, OLD.status, -1), (NEW.realm, NEW.status, 1)) AS versions (realm, status, one)
            WHERE status <> 'gone' GROUP BY realm ORDER BY realm) AS counted;
    RETURN NULL;
END $$;
CREATE TRIGGER tenants_added AFTER INSERT ON tenants
    REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION tenants_added();
CREATE TRIGGER tenants_deleted AFTER DELETE ON tenants
    REFERENCING OLD TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION tenants_deleted();
CREATE TRIGGER tenant_changed AFTER UPDATE ON tenants FOR EACH ROW
    WHEN (OLD.realm <> NEW.realm OR (OLD.status = 'gone') <> (NEW.status = 'gone')) EXECUTE FUNCTION tenant_changed();

CREATE FUNCTION add_to_shard(of TEXT, at TEXT, more BIGINT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO shard_sizes AS sizes (service, shard, tenants) VALUES (of, at, more)
    ON CONFLICT (service, shard) DO UPDATE SET tenants = sizes.tenants + excluded.tenants
$$;
CREATE FUNCTION placements_added() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_shard(service, shard, tenants) FROM
        (SELECT service, shard, COUNT(*) AS tenants FROM rows GROUP BY service, shard ORDER BY service, shard) AS counted;
    RETURN NULL;
END $$;
CREATE FUNCTION placements_deleted() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_shard(service, shard, -tenants) FROM
        (SELECT service, shard, COUNT(*) AS tenants FROM rows GROUP BY service, shard ORDER BY service, shard) AS counted;
    RETURN NULL;
END $$;
CREATE FUNCTION placement_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_shard(service, shard, one) FROM
        (SELECT service, shard, one FROM
            (VALUES (OLD.service, OLD.shard, -1), (NEW.service, NEW.shard, 1)) AS versions (service, shard, one)
            ORDER BY service, shard) AS counted;
    RETURN NULL;
END $$;
CREATE TRIGGER placements_added AFTER INSERT ON placements
    REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION placements_added();
CREATE TRIGGER placements_deleted AFTER DELETE ON placements
    REFERENCING OLD TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION placements_deleted();
CREATE TRIGGER placement_changed AFTER UPDATE ON placements FOR EACH ROW
    WHEN (OLD.service <> NEW.service OR OLD.shard <> NEW.shard) EXECUTE FUNCTION placement_changed();

CREATE FUNCTION add_to_site(of TEXT, at TEXT, sample TEXT, more BIGINT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO site_sizes AS sizes (service, site, place, entries) VALUES (of, at, sample, more)
    ON CONFLICT (service, site) DO UPDATE SET
        place = CASE WHEN sizes.entries = 0 THEN excluded.place ELSE sizes.place END, entries = sizes.entries + excluded.entries
$$;
CREATE FUNCTION ledger_added() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_site(service, site, place, entries) FROM
        (SELECT service, site_of(location, tenant) AS site, MIN(place) AS place, COUNT(*) AS entries FROM rows
            WHERE state <> 'absent' GROUP BY service, site ORDER BY service, site) AS counted;
    RETURN NULL;
END $$;
CREATE FUNCTION ledger_deleted() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_site(service, site, place, -entries) FROM
        (SELECT service, site_of(location, tenant) AS site, MIN(place) AS place, COUNT(*) AS entries FROM rows
            WHERE state <> 'absent' GROUP BY service, site ORDER BY service, site) AS counted;
    RETURN NULL;
END $$;
CREATE FUNCTION entry_changed() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    PERFORM add_to_site(NEW.service, site_of(NEW.location, NEW.tenant), NEW.place, CASE WHEN NEW.state = 'absent' THEN -1 ELSE 1 END);
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_added AFTER INSERT ON ledger
    REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_added();
CREATE TRIGGER ledger_deleted AFTER DELETE ON ledger
    REFERENCING OLD TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_deleted();
CREATE TRIGGER entry_changed AFTER UPDATE ON ledger FOR EACH ROW
    WHEN ((OLD.state = 'absent') <> (NEW.state = 'absent')) EXECUTE FUNCTION entry_changed();
