//! The machine that this process runs on: what of it all requests need, and what is not its business.

use std::error::Error;
use std::fs::File;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, getrlimit};
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

/// So many files must be free for a process that is to claim work: about the connections of one task.
const FREE_FILES: u64 = 32;

/// The code of what failed because no certificate authority is known here.
pub(crate) const NO_AUTHORITIES: &str = "no_certificate_authorities";

/// The code of what failed because this process, or the machine, has as many files open as it may.
pub(crate) const NO_FILES: &str = "too_many_open_files";

/// Whether any certificate authority is known, as last looked up.
static AUTHORITIES: LazyLock<AtomicBool> = LazyLock::new(|| AtomicBool::new(any_authority()));

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

/// Whether this machine knows any certificate authority, as far as is known: see `look_for_authorities`.
pub fn has_authorities() -> bool {
    AUTHORITIES.load(Ordering::SeqCst)
}

/// The same; if none was known, looks anew.
pub(crate) fn look_for_authorities() -> bool {
    if !has_authorities() {
        AUTHORITIES.store(any_authority(), Ordering::SeqCst);
    }
    has_authorities()
}

fn any_authority() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// What this machine lacks, if it does.
pub(crate) fn without_authorities() -> WorkError {
    let message = "no certificate authority is known on this machine by which anything could be trusted: install them (the package \
                   ca-certificates), or see that the file that SSL_CERT_FILE names is there and has some";
    WorkError::unfit(NO_AUTHORITIES, message)
}

/// Whether this process can open some more files. Counted, and one opened: to take as many as are wanted would keep others from them.
pub(crate) fn has_free_files() -> bool {
    let open = std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    let allowed = getrlimit(Resource::Nofile).current;
    if let (Ok(open), Some(allowed)) = (&open, allowed)
        && (*open as u64).saturating_add(FREE_FILES) > allowed
    {
        return false;
    }
    let refused = open.err().or_else(|| File::open("/dev/null").err()).and_then(|error| error.raw_os_error());
    refused.is_none_or(|code| !NO_MORE_FILES.contains(&code))
}

/// What this process, or the machine, has no more of.
pub(crate) fn without_files() -> WorkError {
    let message = "this process can't open another file or connection: raise its limit (ulimit -n, LimitNOFILE)";
    WorkError::retryable(NO_FILES, message)
}

/// The failure of this machine behind an error, if that is what it comes from. It may pass, as others close theirs.
pub(crate) fn of_this_machine(error: &(dyn Error + 'static)) -> Option<WorkError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let system = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        if system.is_some_and(|code| NO_MORE_FILES.contains(&code)) {
            return Some(without_files());
        }
        next = error.source();
    }
    None
}
