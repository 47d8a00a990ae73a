//! SDK clients: one HTTP client and one source of credentials for all, cached per region, endpoint and service.
//!
//! Reads of S3 may be retried inside the SDK. Writes and deletes may not: each attempt needs a fresh permit, so the movers
//! repeat those themselves and their clients try once. Nor may requests to DynamoDB: a throttled one is what the pacing learns
//! from, and the SDK's own waits would hide it. Writes and deletes are signed with the permit's time (`request_timestamp.rs`), reads with
//! the database's as last heard (`heard_time.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use tokio::sync::OnceCell;

use crate::addresses::{Addresses, StoreKind};
use crate::failure::without_credentials;
use crate::heard_time::{HeardTime, SignsReads};
use crate::host;
use crate::s3::Budget;
use crate::settings::Settings;
use crate::store_clocks::{ClockOf, Clocks, ReadsDates};

const READ_ATTEMPTS: u32 = 4;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
const STALLED_FOR: Duration = Duration::from_secs(20);
const S3_ATTEMPT_FACTOR: u32 = 6;

/// Where AWS credentials come from.
#[derive(Debug, Clone)]
pub enum CredentialsFrom {
    /// AWS's default chain: environment, profile, web identity, container or instance role.
    Environment,
    /// These, always.
    Fixed(Credentials),
    /// Whatever this gives, when asked.
    Provider(SharedCredentialsProvider),
}

/// Two clients of one store.
#[derive(Debug, Clone)]
pub(crate) struct Pair<C> {
    /// For reads; that of S3 retries transient failures by itself.
    pub(crate) reads: C,
    /// For writes and deletes: tries once.
    pub(crate) writes: C,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reads,
    Writes,
}

impl Purpose {
    fn retries(self) -> RetryConfig {
        let attempts = if self == Self::Reads { READ_ATTEMPTS } else { 1 };
        RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(FIRST_BACKOFF)
            .with_max_backoff(LONGEST_BACKOFF)
    }

    /// It counts by the clock that signs, which stands still for writes: those have their time-out alone.
    fn stalled_streams(self) -> StalledStreamProtectionConfig {
        match self {
            Self::Reads => StalledStreamProtectionConfig::enabled().grace_period(STALLED_FOR).build(),
            Self::Writes => StalledStreamProtectionConfig::disabled(),
        }
    }
}

/// How long after the last look credentials are believed to be there that don't say when they end.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// How long their source may take, as in the SDK.
const CREDENTIALS_WITHIN: Duration = Duration::from_secs(5);

/// Region, endpoint, where that is reached now, and whether anybody was trusted when the client was made.
type Address = (String, Option<String>, Option<String>, bool);

pub(crate) struct Clients {
    credentials: CredentialsFrom,
    connect_timeout: Duration,
    attempt_timeout: Duration,
    /// What is made while nobody can be trusted, and what is made once somebody can.
    config: [OnceCell<SdkConfig>; 2],
    /// Until when there are credentials, as far as is known.
    believed_until: Mutex<Option<SystemTime>>,
    dynamodb: Mutex<HashMap<Address, Pair<aws_sdk_dynamodb::Client>>>,
    s3: Mutex<HashMap<Address, Pair<aws_sdk_s3::Client>>>,
    addresses: Arc<Addresses>,
    budget: Arc<Budget>,
    clocks: Arc<Clocks>,
    signs_reads: SignsReads,
}

impl Clients {
    /// What the stores tell of their time goes to `clocks`.
    pub(crate) fn new(
        credentials: CredentialsFrom,
        settings: &Settings,
        clocks: Arc<Clocks>,
        time: &Arc<HeardTime>,
    ) -> Self {
        Self {
            credentials,
            connect_timeout: settings.connect_timeout,
            attempt_timeout: settings.attempt_timeout,
            config: Default::default(),
            believed_until: Mutex::default(),
            dynamodb: Mutex::default(),
            s3: Mutex::default(),
            addresses: Arc::default(),
            budget: Arc::new(Budget::of(settings)),
            clocks,
            signs_reads: SignsReads(Arc::clone(time)),
        }
    }

    /// Where stores are reached.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Clients with the same credentials that reach stores by addresses of their own, and what those tell of their time stays with them.
    pub(crate) fn with_addresses(&self, settings: &Settings, addresses: Addresses) -> Self {
        let SignsReads(time) = &self.signs_reads;
        let clients = Self::new(self.credentials.clone(), settings, Arc::default(), time);
        Self { addresses: Arc::new(addresses), ..clients }
    }

    /// What may be held of objects' contents, by whatever uses these clients.
    pub(crate) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }

    pub(crate) async fn dynamodb(&self, region: &str, endpoint: Option<&str>) -> Pair<aws_sdk_dynamodb::Client> {
        let shared = self.config(region).await;
        let address = self.address(StoreKind::Dynamodb, region, endpoint);
        let reached = address.2.clone();
        let mut known = self.dynamodb.lock().expect("no holder of this lock panics");
        known
            .entry(address)
            .or_insert_with(|| {
                let of = ClockOf::dynamodb(region, endpoint);
                let client = |purpose: Purpose| {
                    let mut config = aws_sdk_dynamodb::config::Builder::from(shared)
                        .time_source(self.signs_reads.clone())
                        .region(Region::new(region.to_owned()))
                        .retry_config(RetryConfig::disabled())
                        .stalled_stream_protection(purpose.stalled_streams())
                        // A store's, or a proxy's, wrong date must not decide what time requests are signed with.
                        .disable_clock_skew_correction(true)
                        .interceptor(self.reads_dates(&of))
                        .timeout_config(self.timeouts(self.attempt_timeout));
                    config.set_endpoint_url(reached.clone());
                    aws_sdk_dynamodb::Client::from_conf(config.build())
                };
                Pair { reads: client(Purpose::Reads), writes: client(Purpose::Writes) }
            })
            .clone()
    }

    pub(crate) async fn s3(&self, region: &str, endpoint: Option<&str>) -> Pair<aws_sdk_s3::Client> {
        let shared = self.config(region).await;
        let address = self.address(StoreKind::S3, region, endpoint);
        let reached = address.2.clone();
        let mut known = self.s3.lock().expect("no holder of this lock panics");
        known
            .entry(address)
            .or_insert_with(|| {
                let of = ClockOf::s3(region, endpoint);
                let client = |purpose: Purpose| {
                    let mut config = aws_sdk_s3::config::Builder::from(shared)
                        .time_source(self.signs_reads.clone())
                        .region(Region::new(region.to_owned()))
                        .retry_config(purpose.retries())
                        .stalled_stream_protection(purpose.stalled_streams())
                        // A store's, or a proxy's, wrong date must not decide what time requests are signed with.
                        .disable_clock_skew_correction(true)
                        .interceptor(self.reads_dates(&of))
                        .timeout_config(self.timeouts(self.attempt_timeout * S3_ATTEMPT_FACTOR))
                        // Other providers rarely resolve `bucket.endpoint`.
                        .force_path_style(reached.is_some());
                    config.set_endpoint_url(reached.as_deref().map(base_of_buckets));
                    aws_sdk_s3::Client::from_conf(config.build())
                };
                Pair { reads: client(Purpose::Reads), writes: client(Purpose::Writes) }
            })
            .clone()
    }

    fn address(&self, kind: StoreKind, region: &str, endpoint: Option<&str>) -> Address {
        let reached = self.addresses.of(kind, region, endpoint).or_else(|| endpoint.map(str::to_owned));
        (region.to_owned(), endpoint.map(str::to_owned), reached, host::has_authorities())
    }

    /// Why there are no credentials for stores, such as those of this region; `None`: there are. Their source is asked again once those
    /// that it gave have ended, and at once if `anew`.
    pub(crate) async fn without_credentials(&self, region: &str, anew: bool) -> Option<String> {
        let believed = *self.believed_until.lock().expect("no holder of this lock panics");
        if !anew && believed.is_some_and(|until| SystemTime::now() < until) {
            return None;
        }
        let provider = self.config(region).await.credentials_provider()?;
        let given = tokio::time::timeout(CREDENTIALS_WITHIN, provider.provide_credentials()).await;
        let (until, why) = match given {
            Ok(Ok(given)) => (Some(given.expiry().unwrap_or_else(|| SystemTime::now() + BELIEVED_FOR)), None),
            Ok(Err(error)) => (None, Some(without_credentials(Some(&error), ""))),
            Err(_) => (None, Some(without_credentials(None, ""))),
        };
        *self.believed_until.lock().expect("no holder of this lock panics") = until;
        why
    }

    fn reads_dates(&self, of: &ClockOf) -> ReadsDates {
        ReadsDates { clocks: Arc::clone(&self.clocks), of: of.clone() }
    }

    fn timeouts(&self, attempt: Duration) -> TimeoutConfig {
        TimeoutConfig::builder().connect_timeout(self.connect_timeout).operation_attempt_timeout(attempt).build()
    }

    /// What the clients share. Of what the environment and profiles say, which could choose another store (see [`host`]), credentials
    /// count, and whether a store is too old for checksums: unless told so, they are computed and verified wherever there are some.
    /// Stalled-stream protection of reads has a grace period long enough for a busy machine; it does not count the time in which we do
    /// not read.
    async fn config(&self, region: &str) -> &SdkConfig {
        self.config[usize::from(host::has_authorities())]
            .get_or_init(async || {
                let http = http_client();
                let mut config = SdkConfig::builder();
                config.set_request_checksum_calculation(host::setting("AWS_REQUEST_CHECKSUM_CALCULATION"));
                config.set_response_checksum_validation(host::setting("AWS_RESPONSE_CHECKSUM_VALIDATION"));
                let config = config
                    .behavior_version(BehaviorVersion::latest())
                    .http_client(http.clone())
                    .app_name(AppName::new("realmctl").expect("letters only"))
                    .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
                    .time_source(SystemTimeSource::new())
                    .identity_cache(IdentityCache::lazy().build());
                let credentials = match &self.credentials {
                    CredentialsFrom::Fixed(credentials) => SharedCredentialsProvider::new(credentials.clone()),
                    CredentialsFrom::Provider(provider) => provider.clone(),
                    CredentialsFrom::Environment => {
                        // Asked for a token where credentials come from a role; naming a region keeps it from asking instance metadata.
                        let region = Region::new(region.to_owned());
                        let ask =
                            ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(http);
                        let chain = DefaultCredentialsChain::builder().region(region).configure(ask);
                        SharedCredentialsProvider::new(chain.build().await)
                    }
                };
                config.credentials_provider(credentials).build()
            })
            .await
    }
}

/// One for all. Without any authority it trusts nobody, and plain HTTP goes on.
fn http_client() -> SharedHttpClient {
    let trust = if host::has_authorities() { TrustStore::default() } else { TrustStore::empty() };
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .tls_context(TlsContext::builder().with_trust_store(trust).build().expect("a trust store alone is well formed"))
        .build_https()
}

/// The SDK writes a bucket's name right behind the endpoint's path.
fn base_of_buckets(endpoint: &str) -> String {
    let path =
        endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest).split_once('/').map_or("", |(_, path)| path);
    if path.is_empty() || path.ends_with('/') { endpoint.to_owned() } else { format!("{endpoint}/") }
}
