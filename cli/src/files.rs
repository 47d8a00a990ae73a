//! Files that a person has written.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file's text, without the mark with which some editors begin UTF-8.
pub(crate) fn read_text(file: &Path) -> std::io::Result<String> {
    Ok(without_mark(std::fs::read_to_string(file)?))
}

/// The same of a file with a secret. That others can read it is told in the log and no more: a secret that is mounted into a container
/// is readable by everybody there.
pub(crate) fn read_secret(file: &Path) -> std::io::Result<String> {
    warn_of_readers(file);
    let mut text = String::new();
    // A device that never ends must not fill the memory.
    File::open(file)?.take(SECRET_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_MAX {
        return Err(std::io::Error::new(
            ErrorKind::FileTooLarge,
            "the file is longer than 1 MiB, which no secrets are",
        ));
    }
    Ok(without_mark(text))
}

/// Far more than secrets need.
const SECRET_MAX: u64 = 1 << 20;

/// Warns if others than its owner and group can read the file.
pub(crate) fn warn_of_readers(file: &Path) {
    let is_open = std::fs::metadata(file).is_ok_and(|found| found.mode() & OTHERS != 0);
    if is_open {
        tracing::warn!(
            file = %file.display(),
            "every user of this machine can read this secret: take that away with `chmod o= FILE`"
        );
    }
}

/// Bits of a file's mode that let others do anything with it.
const OTHERS: u32 = 0o007;

/// A text without the byte order mark that it may begin with.
pub(crate) fn without_mark(text: String) -> String {
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_some_editors_is_not_part_of_the_text() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("tenants.txt");
        for written in ["acme\n", "\u{feff}acme\n"] {
            std::fs::write(&file, written).expect("it is written");
            assert_eq!(read_text(&file).expect("it is read"), "acme\n");
        }
        std::fs::write(&file, [0xff, 0xfe, b'a', 0]).expect("it is written");
        assert_eq!(read_text(&file).expect_err("it is no UTF-8").kind(), std::io::ErrorKind::InvalidData);
    }
}
