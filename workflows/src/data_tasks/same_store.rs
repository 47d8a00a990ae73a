//! Two addresses may lead to one store, whatever they led to when the move began: what is emptied by the one name would be what the tenant
//! lives in by the other.

use std::collections::BTreeMap;

use catalogue::location::Location;
use workers::Movers;
use workers::error::WorkError;

use super::places::place_of;

/// The code of what would be done to one place by two names.
pub(crate) const SAME_STORE: &str = "same_store";

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
