//! Moving a tenant's objects between S3 buckets, under the tenant's prefix.
//!
//! An object is its contents, its content headers, its user metadata and its tags. Old versions, object locks, ACLs, storage
//! classes and encryption settings are not carried over: the target bucket's own apply.

mod bucket;
mod budget;
mod compare;
mod copy;
mod copying;
mod cuts;
mod deleting;
mod encoding;
mod inspect;
mod large;
mod late;
mod layout;
mod leaving;
mod list;
mod locks;
mod measure;
mod object;
mod read;
mod remove;
mod route;
mod same;
mod share;
mod tree;
mod underway;
mod uploads;
mod whole;
mod write;

pub(crate) use self::bucket::Bucket;
pub(crate) use self::budget::Budget;
pub(crate) use self::compare::differing_keys;
pub(crate) use self::copy::{copy_pass, digest_pass};
pub use self::cuts::Cuts;
pub(crate) use self::inspect::inspect;
pub(crate) use self::late::late_writes;
pub(crate) use self::leaving::lasting_differences;
pub(crate) use self::measure::{measure, measure_and_look};
pub(crate) use self::remove::remove;
pub(crate) use self::same::is_same;
pub(crate) use self::share::Share;
