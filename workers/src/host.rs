//! The machine that this process runs on: what of it all requests need, and what is not its business.

use std::error::Error;
use std::str::FromStr;
use std::sync::LazyLock;

use tracing::warn;

use crate::error::WorkError;

/// Settings of AWS's SDKs that choose the store, or how it is spoken to. The topology alone does that: none of them has an effect. All
/// names that begin so.
const NOT_OURS: [&str; 7] = [
    "AWS_ENDPOINT_URL",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_S3_",
    "AWS_DISABLE_REQUEST_COMPRESSION",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
];

/// The error of the operating system for a process, or a machine, that has as many files open as it may.
const NO_MORE_FILES: [i32; 2] = [23, 24];

/// Variables of this process's environment that are there and have no effect, in order.
pub fn settings_without_effect() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut found: Vec<String> = names.filter(|name| NOT_OURS.iter().any(|begin| name.starts_with(begin))).collect();
    found.sort();
    found
}

/// What a variable says, if it is set to something that is known.
pub(crate) fn setting<T: FromStr>(name: &str) -> Option<T> {
    let said = std::env::var(name).ok()?;
    let known = said.parse().ok();
    if known.is_none() {
        warn!(name, said, "this value of a variable is not known, and is left out");
    }
    known
}

/// Whether this machine knows any certificate authority, looked up once.
pub fn has_authorities() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| !rustls_native_certs::load_native_certs().certs.is_empty());
    *FOUND
}

/// What this machine lacks, if it does.
pub(crate) fn without_authorities() -> WorkError {
    let message = "no certificate authority is known on this machine by which anything could be trusted: install them (the package \
                   ca-certificates), or see that the file that SSL_CERT_FILE names is there and has some; then start this process again";
    WorkError::unfit("no_certificate_authorities", message)
}

/// The failure of this machine behind an error, if that is what it comes from. It may pass, as others close theirs.
pub(crate) fn of_this_machine(error: &(dyn Error + 'static)) -> Option<WorkError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let system = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        if system.is_some_and(|code| NO_MORE_FILES.contains(&code)) {
            let message =
                "this process can't open another file or connection: raise its limit (ulimit -n, LimitNOFILE)";
            return Some(WorkError::retryable("too_many_open_files", message));
        }
        next = error.source();
    }
    None
}
