//! What is looked at when a process starts: whether the Postgres server, the database and the role are fit to keep the catalogue. What
//! is wrong is said with what to change.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use tracing::warn;

use crate::error::StoreError;
use crate::migrate;

/// One row about the server, the database and the role. Nothing is prepared: a pooler may be in between.
const ABOUT: &str = "SELECT current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    current_user::text AS role, current_database()::text AS database, current_schema()::text AS schema,
    has_schema_privilege(coalesce(current_schema(), 'pg_catalog'), 'CREATE') AS may_create,
    to_regclass('_sqlx_migrations') IS NOT NULL AS migrated,
    (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')) AS owns,
    (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
    (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
    current_setting('max_connections')::int AS server_limit";

/// One connection more than the pool has: the one that hears announcements.
const LISTENER: u32 = 1;

/// What matters later on.
#[derive(Debug)]
pub(crate) struct Server {
    role: String,
    /// The lowest limit on connections that concerns the role.
    limit: u32,
    /// Whether the role may create tables where they belong.
    pub(crate) may_create: bool,
}

/// Checks all that would go wrong only later.
pub(crate) async fn check(connection: &mut PgConnection) -> Result<Server, StoreError> {
    let row = sqlx::raw_sql(ABOUT).fetch_one(connection).await?;
    let text = |name: &str| row.try_get::<String, _>(name);
    let (encoding, role, database) = (text("encoding")?, text("role")?, text("database")?);
    let migrated: bool = row.try_get("migrated")?;
    if encoding != "UTF8" && migrated {
        warn!(
            encoding,
            "the database can't keep every name: what it can't write is refused; move it to one with the encoding UTF8"
        );
    } else if encoding != "UTF8" {
        return Err(StoreError::Unfit(format!(
            "the database {database} has the encoding {encoding}, in which not every name can be written: make another one with CREATE \
             DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    if row.try_get("standby")? {
        return Err(StoreError::Unfit(
            "the server is a standby, which takes no writes: name the address of the primary".to_owned(),
        ));
    }
    let Some(schema) = row.try_get::<Option<String>, _>("schema")? else {
        return Err(StoreError::Unfit(format!(
            "the search_path of the role {role} names no schema that there is in the database {database}: create one, or change it with \
             ALTER ROLE … SET search_path"
        )));
    };
    let may_create: bool = row.try_get("may_create")?;
    if !may_create && !migrated {
        return Err(StoreError::Unfit(format!(
            "the role {role} may not create tables in the schema {schema} of the database {database}: GRANT CREATE ON SCHEMA {schema} TO \
             {role}"
        )));
    }
    for setting in ["fsync", "full_page_writes"] {
        if text(setting)? == "off" {
            warn!(setting, "the server has this switched off: a power failure can destroy the catalogue");
        }
    }
    // Not every role that may create tables is to own them.
    let may_create = may_create && row.try_get::<Option<bool>, _>("owns")?.unwrap_or(true);
    Ok(Server { role, limit: lowest_limit(&row)?, may_create })
}

/// Checks that the role may use the tables, which another one may own.
pub(crate) async fn check_tables(connection: &mut PgConnection) -> Result<(), StoreError> {
    let may = |right| format!("has_table_privilege(name, '{right}')");
    let may_all = ["SELECT", "INSERT", "UPDATE", "DELETE"].map(may).join(" AND ");
    let names = migrate::tables().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    // All of it is this program's own text. What a later migration has dropped is not there.
    let closed = sqlx::AssertSqlSafe(format!(
        "SELECT string_agg(name, ', ') AS tables FROM unnest(ARRAY[{names}]) AS name WHERE to_regclass(name) IS NOT NULL AND NOT ({may_all})"
    ));
    let row = sqlx::raw_sql(closed).fetch_one(connection).await?;
    match row.try_get::<Option<String>, _>("tables")? {
        Some(tables) => Err(StoreError::Unfit(format!(
            "its role may not read and write these tables: {tables}. GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … TO it, \
             or name the role that owns them"
        ))),
        None => Ok(()),
    }
}

fn lowest_limit(row: &PgRow) -> Result<u32, sqlx::Error> {
    let limits = ["role_limit", "database_limit", "server_limit"].map(|name| row.try_get::<Option<i32>, _>(name));
    let mut lowest = u32::MAX;
    for limit in limits {
        // -1 is none.
        if let Some(limit) = limit?.and_then(|limit| u32::try_from(limit).ok()) {
            lowest = lowest.min(limit);
        }
    }
    Ok(lowest)
}

impl Server {
    /// How many connections the pool may have, of those that were asked for.
    pub(crate) fn room_for(&self, asked: u32) -> u32 {
        let room = self.limit.saturating_sub(LISTENER).max(1);
        if asked > room {
            let (role, limit) = (&self.role, self.limit);
            warn!(
                role,
                limit,
                connections = room,
                "fewer connections are allowed than this process was to use; others of the deployment need some, too"
            );
        }
        asked.min(room)
    }
}
