//! What items were before they were last changed.

use std::collections::BTreeMap;
use std::time::Duration;

use dynoxide::Item;

/// A table's name and an item's key as one text.
pub(super) type Address = (String, String);

/// Changes, by item.
#[derive(Debug, Default)]
pub(super) struct History(BTreeMap<Address, Changes>);

#[derive(Debug, Default)]
struct Changes {
    /// When the item stopped being what (`None`: it was not there), oldest first.
    was: Vec<(Duration, Option<Item>)>,
    /// What it is.
    is: Option<Item>,
}

impl History {
    /// At `now` the item changed.
    pub(super) fn changed(&mut self, now: Duration, address: Address, old: Option<Item>, new: Option<Item>) {
        let changes = self.0.entry(address).or_default();
        changes.was.push((now, old));
        changes.is = new;
    }

    /// Forgets what changed at `then` or before.
    pub(super) fn forget(&mut self, then: Duration) {
        self.0.retain(|_, changes| {
            changes.was.retain(|(at, _)| *at > then);
            !changes.was.is_empty()
        });
    }

    /// What the item was (`None` inside: it was not there), if it has changed.
    pub(super) fn before(&self, address: &Address) -> Option<Option<&Item>> {
        let (_, old) = self.0.get(address)?.was.first()?;
        Some(old.as_ref())
    }

    /// All items of a table that were there and have changed: what they were and are.
    pub(super) fn of_table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (&'a Item, Option<&'a Item>)> {
        self.0.iter().filter(move |((name, _), _)| name == table).filter_map(|(_, changes)| {
            let (_, old) = changes.was.first()?;
            Some((old.as_ref()?, changes.is.as_ref()))
        })
    }
}
