//! Where a pass over objects stands: the key up to which everything is done, and the large objects beyond it that are begun. It is the
//! cursor of the checkpoint, from which a restarted task goes on in the middle of an object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use crate::checkpointed_pass::Listed;
use crate::error::WorkError;
use crate::progress::Tally;
use crate::s3::hash_tree::Hashing;

/// A cursor as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Cursor {
    /// Everything up to this key, relative to the prefix, is done.
    after: Option<String>,
    /// Large objects beyond, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    large: BTreeMap<String, Large>,
}

/// How far a large object is. Stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Large {
    /// Which object, as it was when it was begun: see [`Opened::fingerprint`](super::object::Opened).
    pub(super) fingerprint: String,
    pub(super) part_size: u64,
    /// The upload that it is written by, if it is written.
    pub(super) upload: Option<String>,
    pub(super) hashing: Hashing,
    /// Set once it is written, while an earlier key is not.
    pub(super) counted: Option<Counted>,
}

/// One object, counted. Stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) tally: Tally,
    /// What a listing would have to show again.
    pub(super) listed: Listed,
}

/// The pass as those who work for it see it.
#[derive(Default)]
pub(super) struct Underway {
    after: Mutex<Option<String>>,
    large: Mutex<BTreeMap<String, Large>>,
    news: Notify,
    failure: Mutex<Option<WorkError>>,
    stopped: AtomicBool,
}

impl Underway {
    /// Goes on from a cursor; a key alone is one as well.
    pub(super) fn at(cursor: Option<&Value>) -> Result<Self, WorkError> {
        let cursor = match cursor {
            None => Cursor::default(),
            Some(Value::String(key)) => Cursor { after: Some(key.clone()), ..Cursor::default() },
            Some(other) => Cursor::deserialize(other).map_err(|error| {
                // The tally up to it would be counted twice.
                WorkError::permanent("checkpoint_invalid", "the cursor of a pass over objects can't be read")
                    .because(error)
            })?,
        };
        Ok(Self { after: Mutex::new(cursor.after), large: Mutex::new(cursor.large), ..Self::default() })
    }

    pub(super) fn after(&self) -> Option<String> {
        self.after.lock().expect("no holder of this lock panics").clone()
    }

    /// The cursor.
    pub(super) fn to_cursor(&self) -> Value {
        let large = self.large.lock().expect("no holder of this lock panics").clone();
        match (self.after(), large.is_empty()) {
            (Some(key), true) => Value::String(key),
            (after, _) => serde_json::to_value(Cursor { after, large }).expect("a cursor is plain data with text keys"),
        }
    }

    /// Everything up to `key` is done.
    pub(super) fn reached(&self, key: String) {
        self.large.lock().expect("no holder of this lock panics").retain(|begun, _| *begun > key);
        *self.after.lock().expect("no holder of this lock panics") = Some(key);
    }

    /// The uploads that are gone on with.
    pub(super) fn uploads(&self) -> BTreeSet<String> {
        let large = self.large.lock().expect("no holder of this lock panics");
        large.values().filter(|large| large.counted.is_none()).filter_map(|large| large.upload.clone()).collect()
    }

    /// How far an object is, if it is begun.
    pub(super) fn of(&self, key: &str) -> Option<Large> {
        self.large.lock().expect("no holder of this lock panics").get(key).cloned()
    }

    /// An object is begun, or further.
    pub(super) fn set(&self, key: &str, large: Large) {
        self.large.lock().expect("no holder of this lock panics").insert(key.to_owned(), large);
        self.news.notify_one();
    }

    /// A part of an object that is begun is done.
    pub(super) fn part(&self, key: &str, number: u64, part: [u8; 32]) {
        if let Some(large) = self.large.lock().expect("no holder of this lock panics").get_mut(key) {
            large.hashing.add(number, part);
        }
        self.news.notify_one();
    }

    /// The object has changed, or is gone: the copy of it starts over.
    pub(super) fn forget(&self, key: &str) {
        self.large.lock().expect("no holder of this lock panics").remove(key);
        self.news.notify_one();
    }

    /// An object has failed for good: nothing new is begun, and what is on its way is waited for. The first failure counts; what
    /// is given back stands for it.
    pub(super) fn fail(&self, why: WorkError) -> WorkError {
        self.failure.lock().expect("no holder of this lock panics").get_or_insert(why);
        self.stopped.store(true, Ordering::Relaxed);
        WorkError::retryable("stopped", "the copy of another object has failed")
    }

    pub(super) fn failure(&self) -> Option<WorkError> {
        self.failure.lock().expect("no holder of this lock panics").take()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Until there is something to note about a large object.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use crate::golden::as_stored;
    use crate::s3::copy_cursor::*;

    /// P10: one object in the middle, with its first and its last part, and one that is whole.
    #[test]
    fn a_cursor_in_the_middle_of_large_objects_is_read_as_it_was_stored() {
        let cursor: Cursor = as_stored("cursor_of_large_objects");
        assert_eq!(cursor.after.as_deref(), Some("a.png"));
        let (begun, whole) = (&cursor.large["b.bin"], &cursor.large["c.bin"]);
        assert_eq!((begun.part_size, begun.upload.as_deref()), (8 << 20, Some("upload-1")));
        assert_eq!((begun.hashing.missing(), begun.counted), (vec![1], None));
        assert_eq!(whole.counted.map(|counted| counted.tally.bytes), Some(9));
    }

    #[test]
    fn a_cursor_reads_back_and_one_of_an_older_version_is_read() {
        let old = Underway::at(Some(&Value::String("a".to_owned()))).unwrap();
        assert_eq!((old.after().as_deref(), old.to_cursor()), (Some("a"), Value::String("a".to_owned())));

        let large = |upload: &str| Large {
            fingerprint: "f".to_owned(),
            part_size: 8 << 20,
            upload: Some(upload.to_owned()),
            hashing: Hashing::of(3),
            counted: None,
        };
        for (key, upload) in [("b", "1"), ("c", "2"), ("d", "3")] {
            old.set(key, large(upload));
        }
        old.part("c", 1, [7; 32]);
        old.part("nobody's", 1, [7; 32]);
        old.set("d", Large { counted: Some(Counted::default()), ..large("3") });
        old.reached("b".to_owned());
        let read = Underway::at(Some(&old.to_cursor())).unwrap();
        assert_eq!((read.after(), read.of("b")), (Some("b".to_owned()), None));
        assert!(read.of("c").unwrap().hashing.has(1));
        assert_eq!(read.uploads(), BTreeSet::from(["2".to_owned()]));
        assert!(read.of("d").unwrap().counted.is_some());
        read.forget("c");
        assert_eq!(read.of("c"), None);
        assert_eq!(Underway::at(None).unwrap().after(), None);
        assert_eq!(Underway::at(Some(&serde_json::json!(7))).err().map(|e| e.code), Some("checkpoint_invalid"));
    }
}
