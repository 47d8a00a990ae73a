//! What the processes keep their catalogue in: a Postgres pair, perhaps behind a PgBouncer, or a SQLite file on a disk that fills.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use testkit::Error;
use testkit::postgres::{Pair, Pooler, Pooling};

use crate::options::{Options, StoreKind};

/// The catalogue of a run.
pub(crate) enum Catalogue {
    Postgres { pair: Box<Pair>, pooler: Option<Pooler> },
    Sqlite { file: PathBuf },
}

impl Catalogue {
    /// Makes one in `folder`.
    pub(crate) async fn start(options: &Options, folder: &Path) -> Result<Self, Error> {
        let pooling = match options.store {
            StoreKind::Sqlite => return Ok(Self::Sqlite { file: folder.join("realmctl.db") }),
            StoreKind::Postgres => None,
            StoreKind::PostgresSessionPooler => Some(Pooling::Session),
            StoreKind::PostgresTransactionPooler => Some(Pooling::Transaction),
        };
        let pair = Pair::start(folder).await?;
        let pooler = match pooling {
            Some(pooling) => Some(Pooler::start(&pair, pooling, folder).await?),
            None => None,
        };
        Ok(Self::Postgres { pair: Box::new(pair), pooler })
    }

    /// Where processes connect, through a proxy of their own; a file is opened.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Postgres { pair, pooler } => Some(pooler.as_ref().map_or_else(|| pair.primary(), Pooler::address)),
            Self::Sqlite { .. } => None,
        }
    }

    /// The store's URL for a process with a proxy at this port.
    pub(crate) fn url_at(&self, port: u16) -> String {
        match self {
            Self::Postgres { pair, .. } => pair.url_at(port),
            Self::Sqlite { file } => format!("sqlite:{}", file.display()),
        }
    }
}
