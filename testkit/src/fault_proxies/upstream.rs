//! A region's DynamoDB as a front sees it that knows tables and items: the way there, and the database itself.

use crate::Error;
use crate::fault_proxies::forward::{Forward, Reply, Whole, operation};
use crate::fault_proxies::tables::Tables;
use crate::region::Region;

/// What is behind.
#[derive(Clone)]
pub(crate) struct Behind {
    forward: Forward,
    pub(crate) tables: Tables,
}

impl Behind {
    /// The region's, where `url` leads to it.
    pub(crate) fn at(region: &Region, url: &str) -> Result<Self, Error> {
        Ok(Self { forward: Forward::to(url)?, tables: Tables::of(region.database()) })
    }

    /// The answer of what is behind. After an operation on tables, they are asked about anew.
    pub(crate) async fn pass(&self, request: Whole) -> Reply {
        let changes_tables = ["CreateTable", "UpdateTable", "DeleteTable"].contains(&operation(request.headers()));
        let reply = self.forward.pass(request).await;
        if changes_tables {
            self.tables.forget();
        }
        reply
    }
}
