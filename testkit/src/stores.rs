//! The two sides of a move, on either of two implementations of DynamoDB and S3 that share nothing: the embedded regions, and the ministack that
//! `testkit/with-ministack` runs the tests under. A mover that passes on one only may share its mistakes.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_credential_types::Credentials;

use crate::region::{credentials, dynamodb_client_as, s3_client_as};
use crate::{Error, Ports, Region, RequestAge, Storage};

/// Set by `testkit/with-ministack`: the server's URL.
pub const VARIABLE: &str = "REALMCTL_TEST_MINISTACK";

/// Which implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// A region of its own for each side.
    Embedded,
    /// Two regions of an account of its own.
    Ministack,
}

/// One side: a region with a DynamoDB and an S3.
#[derive(Debug)]
pub struct Side {
    /// The region's name.
    pub region: String,
    /// Endpoint of the DynamoDB.
    pub dynamodb: String,
    /// Endpoint of the S3.
    pub s3: String,
    /// What both accept.
    pub credentials: Credentials,
    /// Stopped when the side is dropped.
    _embedded: Option<Region>,
}

impl Stores {
    /// Two sides without tables or buckets, in `us-east-1` and `eu-west-1`.
    ///
    /// # Errors
    /// No port to listen on; no ministack.
    pub fn sides(self) -> Result<(Side, Side), Error> {
        self.sides_accepting(RequestAge::AWS)
    }

    /// The same, accepting requests of this age where that can be chosen.
    ///
    /// # Errors
    /// No port to listen on; no ministack.
    pub fn sides_accepting(self, age: RequestAge) -> Result<(Side, Side), Error> {
        let (source, target) = ("us-east-1", "eu-west-1");
        match self {
            Self::Embedded => Ok((Side::embedded(source, age)?, Side::embedded(target, age)?)),
            Self::Ministack => {
                let url = std::env::var(VARIABLE).map_err(|_| {
                    Error::plain(format!(
                        "run the tests through `make test` or testkit/with-ministack, or set {VARIABLE}"
                    ))
                })?;
                let credentials = unused_account();
                let side = |region: &str| Side {
                    region: region.to_owned(),
                    dynamodb: url.clone(),
                    s3: url.clone(),
                    credentials: credentials.clone(),
                    _embedded: None,
                };
                Ok((side(source), side(target)))
            }
        }
    }
}

impl Side {
    fn embedded(name: &str, age: RequestAge) -> Result<Self, Error> {
        let region = Region::start_accepting(name, Storage::Memory, Ports::Any, age)?;
        Ok(Self {
            region: name.to_owned(),
            dynamodb: region.dynamodb_endpoint().to_owned(),
            s3: region.s3_endpoint().to_owned(),
            credentials: credentials(),
            _embedded: Some(region),
        })
    }

    /// A name for a bucket that nobody else's is: names of buckets are shared by all users of an S3.
    #[must_use]
    pub fn bucket(&self, name: &str) -> String {
        format!("{name}-{}-{}", self.region, self.credentials.access_key_id().to_lowercase())
    }

    /// A plain AWS SDK client for its DynamoDB.
    #[must_use]
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        dynamodb_client_as(self.credentials.clone(), &self.region, &self.dynamodb)
    }

    /// A plain AWS SDK client for its S3, path style.
    #[must_use]
    pub fn s3_client(&self) -> aws_sdk_s3::Client {
        s3_client_as(self.credentials.clone(), &self.region, &self.s3)
    }
}

/// An access key of twelve digits is an account to ministack, with tables and buckets of its own.
fn unused_account() -> Credentials {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let account = format!("{:07}{:05}", std::process::id() % 10_000_000, NEXT.fetch_add(1, Ordering::Relaxed));
    Credentials::new(account, crate::credentials::SECRET_KEY, None, None, "testkit")
}

/// A test on both implementations: `on_both_stores!(what_it_shows, body)` calls `async fn body(stores: Stores)` twice.
#[macro_export]
macro_rules! on_both_stores {
    ($(#[$doc:meta])* $name:ident, $body:ident) => {
        $(#[$doc])*
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn embedded() {
                super::$body($crate::stores::Stores::Embedded).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn ministack() {
                super::$body($crate::stores::Stores::Ministack).await;
            }
        }
    };
}
