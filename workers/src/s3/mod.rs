//! Moving a tenant's objects between S3 buckets, under the tenant's prefix.
//!
//! An object is its contents, its content headers, its user metadata and its tags. Old versions, object locks, ACLs, storage
//! classes and encryption settings are not carried over: the target bucket's own apply.

mod bucket;
mod budget;
mod differing_keys;
mod copy;
mod copying;
mod split_points;
mod deleting;
mod encoding;
mod inspect;
mod multipart_copy;
mod late;
mod part_layout;
mod dropped_replica;
mod list;
mod locks;
mod measure;
mod object;
mod read;
mod remove;
mod copy_strategy;
mod identity;
mod key_range;
mod hash_tree;
mod copy_cursor;
mod uploads;
mod full_read_digest;
mod write;

pub(crate) use self::bucket::Bucket;
pub(crate) use self::budget::Budget;
pub(crate) use self::copy::{copy_pass, digest_pass};
pub(crate) use self::inspect::inspect;
pub(crate) use self::late::late_writes;
pub(crate) use self::measure::{measure, measure_and_look};
pub(crate) use self::remove::remove;
pub(crate) use crate::s3::differing_keys::differing_keys;
pub(crate) use crate::s3::dropped_replica::lasting_differences;
pub(crate) use crate::s3::identity::is_same;
pub(crate) use crate::s3::key_range::Share;
pub use crate::s3::split_points::Cuts;
