//! Two addresses may lead to one store, whatever they led to when the move began: what is emptied by the one name would be what the tenant
//! lives in by the other. And an address may lead to a store that is none of ours.

use std::collections::BTreeMap;

use catalogue::location::Location;
use workers::Movers;
use workers::error::WorkError;

use crate::places::place_of;

/// The code of what would be done to one place by two names.
pub(crate) const SAME_STORE: &str = "same_store";

/// The code of a table that is not the one that was left.
pub(crate) const ANOTHER_TABLE: &str = "another_table";

/// Stands for the id of a table whose store gives none.
pub(crate) const NO_TABLE_ID: &str = "none";

/// Asks the store whether what is left still is the table that it was found to be.
///
/// # Errors
/// `another_table`, or why the store could not be asked.
pub(crate) async fn check_is_itself(
    movers: &Movers,
    (service, tenant): (&str, &str),
    left: &Location,
    removal: &str,
) -> Result<(), WorkError> {
    let Some(was) = &left.table_id else { return Ok(()) };
    match movers.table_id(&place_of(left), tenant).await? {
        Some(is) if is == *was => Ok(()),
        is => {
            let accepting = |table: &str| {
                format!(
                    ". If it was recreated on purpose, and the tenant's data in it is to be deleted: `realmctl removals replay {removal} \
                     --accept-table {table}`"
                )
            };
            let (is, accept) = match &is {
                Some(is) => (format!("{is} now"), accepting(is)),
                None => ("not told any more".to_owned(), accepting(NO_TABLE_ID)),
            };
            let message = format!(
                "service {service}: the table at {} is another one than the move worked with (its TableId was {was} and is {is}): nothing \
                 is deleted. If its address leads to the wrong store (its endpoint, its name in DNS, a proxy), correct that and run \
                 `realmctl removals replay {removal}`{accept}",
                left.name
            );
            Err(WorkError::permanent(ANOTHER_TABLE, message))
        }
    }
}

/// Asks the stores whether what is left is a place of its own, beside all where the service's data of the tenant is `kept`.
///
/// # Errors
/// `same_store`, or why a store could not be asked.
pub(crate) async fn check_apart(
    movers: &Movers,
    (service, tenant): (&str, &str),
    left: &Location,
    kept: impl Iterator<Item = &Location>,
) -> Result<(), WorkError> {
    let key = left.key();
    let kept: BTreeMap<String, &Location> = kept.map(|at| (at.key(), at)).filter(|(at, _)| *at != key).collect();
    for (other, at) in kept {
        if movers.is_one_place(&place_of(left), &place_of(at), tenant).await? {
            let message = format!(
                "service {service}: the address of {}, which is to be emptied, leads to where the tenant's data lives ({}), by another name \
                 ({key} and {other}): nothing is deleted. Correct where it leads (its endpoint, its name in DNS, a proxy), then replay the \
                 removal",
                left.name, at.name
            );
            return Err(WorkError::permanent(SAME_STORE, message));
        }
    }
    Ok(())
}
