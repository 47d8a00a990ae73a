//! Moving a tenant's items between DynamoDB tables, one index value (`{tenant}#{n}`) at a time.
//!
//! The index supplies keys and nothing else, because it lies: it is late, and it lists items that are gone or belong to
//! another tenant by now. Contents always come from the base table, read consistently.

mod canonical;
mod rate_controller;
mod differing_keys;
mod copy;
mod digest;
mod expiry;
mod inspect;
mod keys;
mod late;
mod dropped_replica;
mod measure;
mod pacing;
mod read;
mod remove;
mod identity;
mod sample;
mod sdk;
mod table_description_cache;
mod size;
mod table;
mod values;
mod write;

pub(crate) use self::copy::copy_pass;
pub(crate) use self::digest::{digest_pass, keys_pass, look_pass};
pub(crate) use self::inspect::inspect;
pub(crate) use self::keys::in_words;
pub(crate) use self::late::{late_writes, stray_writes};
pub(crate) use self::measure::measure;
pub(crate) use self::remove::remove;
pub(crate) use self::sample::{count, differing_sample};
pub(crate) use self::table::{Part, Table};
pub(crate) use self::values::{check_values, remove_strays};
pub(crate) use crate::dynamodb::differing_keys::{differing_keys, lacking_keys};
pub(crate) use crate::dynamodb::dropped_replica::lasting_differences;
pub(crate) use crate::dynamodb::identity::is_same;
pub(crate) use crate::dynamodb::table_description_cache::{Described, DescriptionCache};
pub(crate) use crate::tables::Item;
