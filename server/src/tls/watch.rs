//! Looks at the files again and again, because certificates are renewed while the server runs. Contents are compared: the time of a file
//! says nothing where links are swapped.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::in_use::{FilesRead, InUse};
use super::{Tls, TlsFiles};

/// How often the log is told that the certificate ends soon.
const TELL_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Texts that could not be used.
#[derive(Debug, Default)]
struct Refused {
    mark: Option<blake3::Hash>,
    told: bool,
}

impl Tls {
    /// Until `stop`.
    pub(crate) async fn watch(&self, stop: &CancellationToken) {
        let mut looks = tokio::time::interval(self.files.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut refused, mut told) = (Refused::default(), Instant::now());
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let files: TlsFiles = self.files.clone();
            // It fails only where the process ends.
            let Ok(read) = tokio::task::spawn_blocking(move || FilesRead::read(&files)).await else { continue };
            let replaced = self.consider(read, Timestamp::now(), &mut refused);
            if (replaced || told.elapsed() >= TELL_EVERY)
                && self.in_use().warn_of_its_end(&self.files, Timestamp::now())
            {
                told = Instant::now();
            }
        }
    }

    /// Whether what was read is used from now on.
    fn consider(&self, read: FilesRead, now: Timestamp, refused: &mut Refused) -> bool {
        let (mark, in_use) = (read.mark(), self.in_use());
        if mark == in_use.mark && !in_use.lost_an_authority(now) {
            *refused = Refused::default();
            return false;
        }
        match InUse::of(read, now) {
            Ok(next) => {
                info!("the files of --tls-cert, --tls-key and --tls-client-ca have changed and are in use");
                self.replace(next);
                *refused = Refused::default();
                true
            }
            Err(error) => {
                // Files are written one after the other: only what stays so until the next look is worth telling.
                if refused.mark != Some(mark) {
                    *refused = Refused { mark: Some(mark), told: false };
                } else if !refused.told {
                    refused.told = true;
                    warn!(%error, "changed files of TLS are not used, and those read before still are: correct the files");
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate for itself and its key.
    fn pair(until: i32) -> (String, String) {
        let mut params = CertificateParams::new(["realmctl.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    fn write(folder: &Path, certificate: &str, key: &str) {
        std::fs::write(folder.join("tls.crt"), certificate).expect("it is written");
        std::fs::write(folder.join("tls.key"), key).expect("it is written");
    }

    #[test]
    fn what_can_not_be_used_is_told_once_and_what_was_used_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new, old_age) = (pair(2100), pair(2101), pair(2021));
        write(folder.path(), &old.0, &old.1);
        let tls = Tls::open(TlsFiles::new(folder.path().join("tls.crt"), folder.path().join("tls.key"))).expect("good");
        let mut refused = Refused::default();
        let mut look = || {
            let replaced = tls.consider(FilesRead::read(&tls.files), Timestamp::now(), &mut refused);
            (replaced, refused.told)
        };
        let used = tls.in_use().mark;
        assert_eq!(look(), (false, false), "nothing has changed");
        for (certificate, key) in [(&new.0, &old.1), (&old_age.0, &old_age.1), (&new.0, &String::new())] {
            write(folder.path(), certificate, key);
            assert_eq!(look(), (false, false), "it may be being written");
            assert_eq!(look(), (false, true), "it stays so");
            assert_eq!(look(), (false, true));
            assert_eq!(tls.in_use().mark, used);
        }
        std::fs::remove_file(folder.path().join("tls.key")).expect("it was there");
        assert_eq!((look(), look()), ((false, false), (false, true)));
        write(folder.path(), &old.0, &old.1);
        assert_eq!(look(), (false, false), "it is as it was");
        write(folder.path(), &new.0, &new.1);
        assert_eq!(look(), (true, false));
        assert_ne!(tls.in_use().mark, used);
    }

    #[test]
    fn the_end_of_a_certificate_is_told_two_weeks_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = pair(2100);
        write(folder.path(), &certificate, &key);
        let files = TlsFiles::new(folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let in_use = InUse::of(FilesRead::read(&files), Timestamp::now()).expect("good");
        for (now, told) in
            [("2099-12-17T00:00:00Z", false), ("2099-12-19T00:00:00Z", true), ("2100-01-02T00:00:00Z", true)]
        {
            assert_eq!(in_use.warn_of_its_end(&files, now.parse().expect("a time")), told, "{now}");
        }
    }
}
