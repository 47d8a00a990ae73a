//! The stored form of a checkpoint of each operation.

use serde_json::json;

use crate::checkpointed_pass::{Listed, Operation, Stage, State, VERSION};
use crate::golden::{as_stored, as_stored_before};

const OPERATIONS: [(Operation, &str); 6] = [
    (Operation::Copy, "checkpoint_copy"),
    (Operation::Digest, "checkpoint_digest"),
    (Operation::Verify, "checkpoint_verify"),
    (Operation::Compare, "checkpoint_compare"),
    (Operation::Leave, "checkpoint_leave"),
    (Operation::Remove, "checkpoint_remove"),
];

#[test]
fn a_checkpoint_of_every_operation_is_read_as_it_was_stored() {
    for (operation, name) in OPERATIONS {
        let read: State = as_stored(name);
        assert_eq!((read.version, read.operation, read.stage, read.round), (VERSION, operation, Stage::Checking, 2));
        let cursor = json!({ "pk": { "S": "acme/project-7" }, "sk": { "N": "12" }, "tenant_shard": { "S": "acme#3" } });
        assert_eq!(read.cursor, Some(cursor), "{name}");
        let counts = (read.tally.items, read.previous.map(|previous| previous.bytes), read.done.objects);
        assert_eq!(counts, (3, Some(9 * 1_024), 0), "{name}");
        assert_eq!(read.tally.digest.to_string(), "03".repeat(32), "{name}");
        assert_eq!((read.listed.keys, read.previous_listed.map(|listed| listed.keys)), (4, Some(10)), "{name}");
    }
}

#[test]
fn checkpoints_of_a_first_pass_and_of_a_bucket_are_read_as_they_were_stored() {
    let first: State = as_stored("checkpoint_first_pass");
    assert_eq!((first.stage, first.cursor, first.previous), (Stage::Working, None, None));
    let bucket: State = as_stored("checkpoint_of_a_bucket");
    assert_eq!(bucket.cursor, Some(json!("media/a.png")));
}

/// Before versions kept what an index had listed.
#[test]
fn an_older_checkpoint_is_read() {
    let older: State = as_stored_before("checkpoint_older");
    assert_eq!((older.tally.items, older.listed, older.previous_listed), (3, Listed::default(), None));
}
