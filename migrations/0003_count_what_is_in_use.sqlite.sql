
ALTER TABLE ledger ADD COLUMN site TEXT GENERATED ALWAYS AS (CASE
    WHEN substr(location, 1, 3) = 's3|'
        AND 2 * length(location) - length(replace(location, '|' || tenant || '/', ''))
            - length(replace(location, '/' || tenant || '/', '')) = length(tenant) + 2
        AND instr(replace(location, '/' || tenant || '/', '/'), '/' || tenant || '/') = 0
    THEN replace(replace(location, '|' || tenant || '/', '|{tenant}/'), '/' || tenant || '/', '/{tenant}/')
    ELSE location END) VIRTUAL;
INSERT INTO site_sizes (service, site, place, entries)
SELECT service, site, MIN(place), COUNT(*) FROM ledger WHERE state <> 'absent' GROUP BY service, site;

CREATE TRIGGER tenant_added AFTER INSERT ON tenants WHEN NEW.status <> 'gone' BEGIN
    INSERT INTO realm_sizes (realm, tenants) VALUES (NEW.realm, 1)
    ON CONFLICT (realm) DO UPDATE SET tenants = tenants + 1;
END;
CREATE TRIGGER tenant_changed AFTER UPDATE OF realm, status ON tenants
WHEN OLD.realm <> NEW.realm OR (OLD.status = 'gone') <> (NEW.status = 'gone') BEGIN
    UPDATE realm_sizes SET tenants = tenants - 1 WHERE realm = OLD.realm AND OLD.status <> 'gone';
    INSERT INTO realm_sizes (realm, tenants) SELECT NEW.realm, 1 WHERE NEW.status <> 'gone'
    ON CONFLICT (realm) DO UPDATE SET tenants = tenants + 1;
END;
CREATE TRIGGER tenant_deleted AFTER DELETE ON tenants WHEN OLD.status <> 'gone' BEGIN
    UPDATE realm_sizes SET tenants = tenants - 1 WHERE realm = OLD.realm;
END;

CREATE TRIGGER placement_added AFTER INSERT ON placements BEGIN
    INSERT INTO shard_sizes (service, shard, tenants) VALUES (NEW.service, NEW.shard, 1)
    ON CONFLICT (service, shard) DO UPDATE SET tenants = tenants + 1;
END;
CREATE TRIGGER placement_changed AFTER UPDATE ON placements
WHEN OLD.service <> NEW.service OR OLD.shard <> NEW.shard BEGIN
    UPDATE shard_sizes SET tenants = tenants - 1 WHERE service = OLD.service AND shard = OLD.shard;
    INSERT INTO shard_sizes (service, shard, tenants) VALUES (NEW.service, NEW.shard, 1)
    ON CONFLICT (service, shard) DO UPDATE SET tenants = tenants + 1;
END;
CREATE TRIGGER placement_deleted AFTER DELETE ON placements BEGIN
    UPDATE shard_sizes SET tenants = tenants - 1 WHERE service = OLD.service AND shard = OLD.shard;
END;

CREATE TRIGGER entry_added AFTER INSERT ON ledger WHEN NEW.state <> 'absent' BEGIN
    INSERT INTO site_sizes (service, site, place, entries) VALUES (NEW.service, NEW.site, NEW.place, 1)
    ON CONFLICT (service, site) DO UPDATE
    SET place = CASE WHEN entries = 0 THEN excluded.place ELSE place END, entries = entries + 1;
END;
CREATE TRIGGER entry_filled AFTER UPDATE OF state ON ledger WHEN OLD.state = 'absent' AND NEW.state <> 'absent' BEGIN
    INSERT INTO site_sizes (service, site, place, entries) VALUES (NEW.service, NEW.site, NEW.place, 1)
    ON CONFLICT (service, site) DO UPDATE
    SET place = CASE WHEN entries = 0 THEN excluded.place ELSE place END, entries = entries + 1;
END;
CREATE TRIGGER entry_emptied AFTER UPDATE OF state ON ledger WHEN OLD.state <> 'absent' AND NEW.state = 'absent' BEGIN
    UPDATE site_sizes SET entries = entries - 1 WHERE service = OLD.service AND site = OLD.site;
END;
CREATE TRIGGER entry_deleted AFTER DELETE ON ledger WHEN OLD.state <> 'absent' BEGIN
    UPDATE site_sizes SET entries = entries - 1 WHERE service = OLD.service AND site = OLD.site;
END;
