//! What an operation works on: one part of a tenant's data at a place, or on its way from one place to another.

use std::time::SystemTime;

use crate::place::Place;
use crate::verification::Verification;

/// One part of a tenant's data at a place.
#[derive(Debug, Clone, Copy)]
pub struct PartAt<'a> {
    /// Where.
    pub place: &'a Place,
    /// Whose data.
    pub tenant: &'a str,
    /// Which part of it, below [`Place::parts`].
    pub part: u32,
    /// When the work it belongs to ends at the latest: items that the store may delete by itself before are not counted, for they
    /// may be there at one look and not at the next. Without an end, none are that it may ever delete.
    pub ends: Option<SystemTime>,
}

impl<'a> PartAt<'a> {
    /// This part of the tenant's data there.
    pub fn new(place: &'a Place, tenant: &'a str, part: u32) -> Self {
        Self { place, tenant, part, ends: None }
    }
}

/// One part of a tenant's data that is copied, and then verified.
#[derive(Debug, Clone, Copy)]
pub struct PartCopy<'a> {
    /// From where.
    pub from: &'a Place,
    /// To where.
    pub to: &'a Place,
    /// Whose data.
    pub tenant: &'a str,
    /// Which part of it.
    pub part: u32,
    /// How much of it is looked at again.
    pub verification: Verification,
    /// What every partition key of the tenant begins with, if the service's owner has stated it: then no other tenant's item can
    /// stand under such a key, and the target is not searched for one before each write.
    pub key_prefix: Option<&'a str>,
    /// As in [`PartAt::ends`]; the same for the copy and its verification.
    pub ends: Option<SystemTime>,
}

impl<'a> PartCopy<'a> {
    /// A copy that is verified in full, of items whose keys may begin with anything.
    pub fn new(from: &'a Place, to: &'a Place, tenant: &'a str, part: u32) -> Self {
        Self { from, to, tenant, part, verification: Verification::default(), key_prefix: None, ends: None }
    }

    /// What is copied.
    pub(crate) fn source(&self) -> PartAt<'a> {
        PartAt { ends: self.ends, ..PartAt::new(self.from, self.tenant, self.part) }
    }

    /// What the copy becomes.
    pub(crate) fn target(&self) -> PartAt<'a> {
        PartAt { ends: self.ends, ..PartAt::new(self.to, self.tenant, self.part) }
    }
}
