//! Fills regions: tables, buckets, and tenants' items and objects, the awkward ones included.
//!
//! All of it is a pure function of its arguments, so that a test can ask again for what it seeded. It goes over the
//! wire with the plain SDK, except for large numbers of items.

mod external_writers;
mod items;
mod objects;
mod random;
mod stores;

pub use external_writers::{
    delete_item, delete_object, edit_item, replicate_bucket, replicate_bucket_to, stop_replicating, write_item,
    write_object,
};
pub use items::{BULK_ITEMS, belongs_to, import_items, index_value, item, put_items, seed_items};
pub use objects::{
    MULTIPART_BYTES, Seeded, object, put_multipart_object, put_objects, seed_multipart_object, seed_objects,
};
pub use stores::{Index, create_bucket, create_table, create_table_with_index, create_table_with_keys};
