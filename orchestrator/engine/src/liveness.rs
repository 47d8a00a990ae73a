//! Proof that a process is dead. Each process holds an OS lock on a file of its own, named by its owner name, in a folder of
//! its host; the kernel lets go of the lock when the process dies, however it dies. Whoever can take the lock has the proof.
//! Without one (another host, a missing file, a process that only hangs) nothing is known.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Knows of some processes that they are dead.
pub trait Liveness: Send + Sync + 'static {
    /// Whether the process of that owner name is proved dead. `false` proves nothing.
    fn is_dead(&self, owner: &str) -> bool;
}

/// Knows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProof;

impl Liveness for NoProof {
    fn is_dead(&self, _: &str) -> bool {
        false
    }
}

/// This process's lock, and the sight of those of other processes of this host.
#[derive(Debug)]
pub struct HostLocks {
    folder: PathBuf,
    owner: String,
    /// Locked until this process ends.
    _held: File,
}

impl HostLocks {
    /// Takes a lock of its own in `folder`, which is made, for this user alone, if it is missing.
    ///
    /// # Errors
    /// A folder that can't be used, or that another user owns: who could put a file there could fake a proof.
    pub fn take(folder: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let owner = format!("{}/{}/{}/{}", hostname(), boot_id()?, std::process::id(), Uuid::now_v7().simple());
        let held = OpenOptions::new().write(true).create_new(true).open(file_of(folder, &owner))?;
        let seen = std::fs::symlink_metadata(folder)?;
        if seen.uid() != held.metadata()?.uid() || seen.mode() & 0o022 != 0 {
            let message = format!("{} must belong to this user alone (mode 0700)", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        held.lock()?;
        Ok(Self { folder: folder.to_owned(), owner, _held: held })
    }

    /// What this process is called: host, boot of the host, process id and a random part.
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

impl Liveness for HostLocks {
    fn is_dead(&self, owner: &str) -> bool {
        let here = |name: &str| name.rsplitn(3, '/').nth(2).map(str::to_owned);
        if owner == self.owner || here(owner) != here(&self.owner) {
            return false;
        }
        let Ok(file) = File::open(file_of(&self.folder, owner)) else { return false };
        // Shared, so that two that look at once do not take each other for the process itself.
        match file.try_lock_shared() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        }
    }
}

impl Drop for HostLocks {
    fn drop(&mut self) {
        // It ended in order and let go of all its work; a file that stays does no harm.
        drop(std::fs::remove_file(file_of(&self.folder, &self.owner)));
    }
}

/// How on-call finds the holder of a lease: host and process id. For a process without a lock of its own.
pub fn process_name() -> String {
    format!("{}/{}", hostname(), std::process::id())
}

/// The name of a process as people say it: host and process id, of a name that may tell its lock besides.
pub fn host_and_process(owner: &str) -> String {
    match owner.split('/').collect::<Vec<_>>().as_slice() {
        [host, _boot, process, _run] => format!("{host}/{process}"),
        _ => owner.to_owned(),
    }
}

fn file_of(folder: &Path, owner: &str) -> PathBuf {
    folder.join(format!("{}.lock", owner.replace('/', "_")))
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    name.map_or_else(|_| "unknown-host".to_owned(), |name| name.trim().replace('/', "-"))
}

fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_no_proof_and_a_lock_let_go_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("owners");
        let one = HostLocks::take(&at).expect("a lock");
        let two = HostLocks::take(&at).expect("another lock");
        assert_ne!(one.owner(), two.owner());
        assert!(!two.is_dead(one.owner()) && !one.is_dead(two.owner()) && !one.is_dead(one.owner()));
        // A process that is killed leaves its file, unlocked.
        let HostLocks { owner, folder: at, .. } = &one;
        let (owner, at) = (owner.clone(), at.clone());
        drop(one);
        assert!(!two.is_dead(&owner), "a missing file proves nothing");
        File::create(file_of(&at, &owner)).expect("a file");
        assert!(two.is_dead(&owner));
        let elsewhere = owner.split_once('/').map(|(_, rest)| format!("another-host/{rest}")).expect("a host");
        File::create(file_of(&at, &elsewhere)).expect("a file");
        assert!(!two.is_dead(&elsewhere), "a file of another host proves nothing");
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("owners");
        DirBuilder::new().mode(0o777).create(&at).expect("a folder");
        std::fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("its mode is set");
        let refused = HostLocks::take(&at).expect_err("others could fake a proof");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
