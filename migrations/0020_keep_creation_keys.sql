-- A request to create a tenant that is repeated with the same key finds the tenant that the first one created; another request with it is
-- refused.

CREATE TABLE creation_keys (
    key    TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    host   TEXT NOT NULL,
    realm  TEXT NOT NULL
);
