//! Each test that asks gets a database of its own.

use sqlx::{Connection, PgConnection};
use testkit::Error;
use testkit::postgres::{VARIABLE, fresh_database};

#[tokio::test]
async fn databases_are_separate_and_usable() -> Result<(), Error> {
    if std::env::var_os(VARIABLE).is_none() {
        let error = fresh_database().await.expect_err("there is no server to make one in");
        assert!(error.to_string().contains("make test") && error.to_string().contains(VARIABLE), "{error}");
        return Ok(());
    }
    let (one, two) = (fresh_database().await?, fresh_database().await?);
    assert_ne!(one, two);
    for database in [one, two] {
        let failed = |error| Error::new("use the database", error);
        let mut connection = PgConnection::connect(&database.url).await.map_err(failed)?;
        // It would fail the second time if both were the same.
        sqlx::raw_sql("CREATE TABLE mine (id int)").execute(&mut connection).await.map_err(failed)?;
    }
    Ok(())
}
