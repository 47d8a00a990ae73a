//! What fronts know of an embedded DynamoDB's tables and items, asked of the database itself instead of over HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::actions::batch_get_item::{BatchGetItemRequest, KeysAndAttributes};
use dynoxide::{Database, Item};

use crate::fault_proxies::schema::Schema;

/// The tables of one region. What a table is made of is remembered until [`Self::forget`].
#[derive(Clone)]
pub(crate) struct Tables {
    database: Database,
    schemas: Arc<Mutex<HashMap<String, Arc<Schema>>>>,
}

impl Tables {
    pub(crate) fn of(database: Database) -> Self {
        Self { database, schemas: Arc::default() }
    }

    /// After an operation on tables.
    pub(crate) fn forget(&self) {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the table is made of; `None` when there is none of this name.
    pub(crate) fn schema(&self, table: &str) -> Option<Arc<Schema>> {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = schemas.get(table) {
            return Some(known.clone());
        }
        let found = Arc::new(Schema::of(&self.database, table)?);
        schemas.insert(table.to_owned(), found.clone());
        Some(found)
    }

    /// The items with these keys, asked of the embedded database itself; `None` when it refuses.
    pub(crate) fn look_up(&self, table: &str, keys: Vec<Item>) -> Option<Vec<Item>> {
        let keys = KeysAndAttributes { keys, consistent_read: Some(true), ..KeysAndAttributes::default() };
        let request = BatchGetItemRequest {
            request_items: HashMap::from([(table.to_owned(), keys)]),
            ..BatchGetItemRequest::default()
        };
        self.database.batch_get_item(request).ok()?.responses.remove(table)
    }
}
