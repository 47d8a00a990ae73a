//! Checksums as S3 keeps them: one a part or object, computed while the bytes pass, of the whole object or of its
//! parts' checksums. It stores nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, ChecksumAlgorithm, ChecksumType};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// An algorithm S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What S3 computes when the client sends none (S3 User Guide, "Checking object integrity", since December 2024).
pub(super) const DEFAULT: Algorithm = Algorithm::Crc64Nvme;

/// The checksum of an object or a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) algorithm: Algorithm,
    /// Base64; with `-N` behind it when it is made of N parts' checksums.
    pub(super) value: String,
    pub(super) composite: bool,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => ChecksumAlgorithm::CRC32,
            Self::Crc32c => ChecksumAlgorithm::CRC32C,
            Self::Crc64Nvme => ChecksumAlgorithm::CRC64NVME,
            Self::Sha1 => ChecksumAlgorithm::SHA1,
            Self::Sha256 => ChecksumAlgorithm::SHA256,
        }
    }

    /// `x-amz-checksum-…` in small letters.
    pub(super) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    pub(super) fn named(name: &str) -> S3Result<Self> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported: {name}"))
    }

    /// The algorithm whose header name this is, if it is one.
    pub(super) fn of_header(header: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(header.trim()))
    }

    /// Whether parts' checksums are combined into the object's by default.
    pub(super) fn composite_by_default(self) -> bool {
        self != Self::Crc64Nvme
    }

    fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Self::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Self::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Self::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
        hasher
    }

    fn pick(self, checksum: Checksum) -> String {
        let value = match self {
            Self::Crc32 => checksum.checksum_crc32,
            Self::Crc32c => checksum.checksum_crc32c,
            Self::Crc64Nvme => checksum.checksum_crc64nvme,
            Self::Sha1 => checksum.checksum_sha1,
            Self::Sha256 => checksum.checksum_sha256,
        };
        value.unwrap_or_default()
    }
}

impl Stored {
    /// The object's checksum out of its parts', in order.
    pub(super) fn composite<'a>(algorithm: Algorithm, parts: impl Iterator<Item = &'a Stored>) -> S3Result<Self> {
        let mut running = Running::new(algorithm);
        let mut count = 0_usize;
        for part in parts {
            running.update(&STANDARD.decode(&part.value).map_err(S3Error::internal_error)?);
            count += 1;
        }
        let value = format!("{}-{count}", running.finish().checksum.value);
        Ok(Self { algorithm, value, composite: true })
    }

    /// The checksum of a whole out of those of its pieces and their lengths; `None` for an algorithm that must see the bytes, and
    /// for pieces that have another.
    pub(super) fn joined<'a>(
        algorithm: Algorithm,
        pieces: impl Iterator<Item = (&'a Stored, u64)>,
    ) -> S3Result<Option<Self>> {
        let (crc, width) = match algorithm {
            Algorithm::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
            Algorithm::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
            Algorithm::Crc64Nvme => (CrcAlgorithm::Crc64Nvme, 8),
            Algorithm::Sha1 | Algorithm::Sha256 => return Ok(None),
        };
        let mut whole = None;
        for (piece, length) in pieces {
            if piece.algorithm != algorithm {
                return Ok(None);
            }
            let bytes = STANDARD.decode(&piece.value).map_err(S3Error::internal_error)?;
            let next = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            whole = Some(whole.map_or(next, |before| checksum_combine(crc, before, next, length)));
        }
        let Some(whole) = whole else { return Ok(None) };
        let value = STANDARD.encode(&whole.to_be_bytes()[8 - width..]);
        Ok(Some(Self { algorithm, value, composite: false }))
    }

    pub(super) fn kind(&self) -> ChecksumType {
        ChecksumType::from_static(if self.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
    }

    pub(super) fn to_dto(&self) -> Checksum {
        let mut dto = Checksum::default();
        let value = Some(self.value.clone());
        match self.algorithm {
            Algorithm::Crc32 => dto.checksum_crc32 = value,
            Algorithm::Crc32c => dto.checksum_crc32c = value,
            Algorithm::Crc64Nvme => dto.checksum_crc64nvme = value,
            Algorithm::Sha1 => dto.checksum_sha1 = value,
            Algorithm::Sha256 => dto.checksum_sha256 = value,
        }
        dto.checksum_type = Some(self.kind());
        dto
    }
}

/// MD5 and one checksum of bytes as they pass.
pub(super) struct Running {
    algorithm: Algorithm,
    hasher: ChecksumHasher,
    md5: Md5,
}

/// The result of [`Running`].
pub(super) struct Sums {
    pub(super) md5: [u8; 16],
    pub(super) checksum: Stored,
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, hasher: algorithm.hasher(), md5: Md5::new() }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.md5.update(bytes);
    }

    pub(super) fn finish(self) -> Sums {
        let value = self.algorithm.pick(self.hasher.finalize());
        Sums { md5: self.md5.finalize(), checksum: Stored { algorithm: self.algorithm, value, composite: false } }
    }
}

/// Small letters, two a byte: how S3 writes an MD5 in an ETag.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// The other way round; `None` when it is not hexadecimal.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The checksums a request or a completed part carries, as (algorithm, base64).
macro_rules! given_checksums {
    ($input:expr) => {
        [
            ($crate::s3::checksums::Algorithm::Crc32, $input.checksum_crc32.clone()),
            ($crate::s3::checksums::Algorithm::Crc32c, $input.checksum_crc32c.clone()),
            ($crate::s3::checksums::Algorithm::Crc64Nvme, $input.checksum_crc64nvme.clone()),
            ($crate::s3::checksums::Algorithm::Sha1, $input.checksum_sha1.clone()),
            ($crate::s3::checksums::Algorithm::Sha256, $input.checksum_sha256.clone()),
        ]
        .into_iter()
        .filter_map(|(algorithm, value)| value.map(|value| (algorithm, value)))
        .collect::<Vec<_>>()
    };
}

/// Sets the checksum fields that every answer has.
macro_rules! set_checksums {
    ($output:expr, $stored:expr) => {{
        let dto = $stored.to_dto();
        $output.checksum_crc32 = dto.checksum_crc32;
        $output.checksum_crc32c = dto.checksum_crc32c;
        $output.checksum_crc64nvme = dto.checksum_crc64nvme;
        $output.checksum_sha1 = dto.checksum_sha1;
        $output.checksum_sha256 = dto.checksum_sha256;
    }};
}

pub(super) use {given_checksums, set_checksums};
