//! Moving a tenant's items between DynamoDB tables, one index value (`{tenant}#{n}`) at a time.
//!
//! The index supplies keys and nothing else, because it lies: it is late, and it lists items that are gone or belong to
//! another tenant by now. Contents always come from the base table, read consistently.

mod canonical;
mod ceiling;
mod compare;
mod copy;
mod digest;
mod inspect;
mod keys;
mod measure;
mod pacing;
mod read;
mod remove;
mod sample;
mod sdk;
mod shared;
mod size;
mod table;
mod write;

pub(crate) use self::compare::{differing_keys, unlike};
pub(crate) use self::copy::copy_pass;
pub(crate) use self::digest::{digest_pass, keys_pass};
pub(crate) use self::inspect::{check_shard_count, inspect};
pub(crate) use self::measure::measure;
pub(crate) use self::remove::remove;
pub(crate) use self::sample::{count, differing_sample};
pub(crate) use self::shared::{Described, Shared};
pub(crate) use self::table::{Part, Table};
pub(crate) use crate::tables::Item;
