//! Multipart uploads: create, upload or copy a part, complete, abort. Their listings are in `listing`.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Range, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::Embedded;
use super::attributes::{attributes_of, tags_of_header};
use super::buckets;
use super::checksums::{self, Algorithm, Stored, given_checksums, hex, set_checksums, unhex};
use super::conditions::Conditions;
use super::contents::{self, Draft};
use super::copies::sums;
use super::intake::{self, Claims};
use super::store::{now_ms, timestamp};
use super::uploads::{self, Part, Plan, Upload};
use super::versions::{self, Body};

/// Every part but the last has at least 5 MiB, and numbers end at 10,000 (S3 User Guide, "Multipart upload limits").
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
const LAST_PART_NUMBER: i32 = 10_000;

impl Embedded {
    pub(super) fn create_upload(&self, input: &CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
        let attributes = attributes_of!(input);
        let tags = tags_of_header(input.tagging.as_deref())?;
        let plan = plan(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
        let upload_id = self.store.write(|transaction| {
            buckets::existing(transaction, &input.bucket)?;
            uploads::create(transaction, (&input.bucket, &input.key), &attributes, plan, &tags)
        })?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(upload_id),
            checksum_algorithm: plan.chosen.then(|| ChecksumAlgorithm::from_static(plan.algorithm.name())),
            checksum_type: plan.chosen.then(|| kind(plan.composite)),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn put_part(&self, mut request: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
        let body = request.input.body.take();
        let input = &request.input;
        check_number(input.part_number)?;
        let named = input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str);
        let claims = Claims::new(&request, input.content_md5.clone(), given_checksums!(input), named)?;
        let find = |connection: &rusqlite::Connection| {
            buckets::existing(connection, &input.bucket)?;
            uploads::existing(connection, &input.bucket, &input.key, &input.upload_id)
        };
        let upload = self.store.read(find)?;
        check_algorithm(upload.plan, claims.algorithm())?;
        let received = intake::receive(&self.store, body, claims).await?;
        let (etag, checksum) = (hex(&received.md5), received.checksum.clone());
        self.store.write(|transaction| {
            find(transaction)?;
            let part = Part {
                number: input.part_number,
                content: received.place(transaction)?,
                size: received.size,
                etag: etag.clone(),
                checksum: checksum.clone(),
                modified_ms: now_ms(),
            };
            uploads::put_part(transaction, &input.upload_id, &part)
        })?;
        received.keep();
        let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..UploadPartOutput::default() };
        set_checksums!(output, checksum);
        Ok(output)
    }

    pub(super) fn copy_part(&self, input: &UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
        check_number(input.part_number)?;
        let find = |connection: &rusqlite::Connection| {
            buckets::existing(connection, &input.bucket)?;
            uploads::existing(connection, &input.bucket, &input.key, &input.upload_id)
        };
        let upload = self.store.read(find)?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        let range = input.copy_source_range.as_deref().map(copy_range).transpose()?;
        let (source, draft) = self.borrow_source(&input.copy_source, &conditions, range.as_ref())?;
        let size = range.map_or(source.body.size, |range| range.end - range.start);
        let sums = sums(&self.store, draft.content(), size, upload.plan.algorithm)?;
        let part = Part {
            number: input.part_number,
            content: draft.content(),
            size,
            etag: hex(&sums.md5),
            checksum: sums.checksum,
            modified_ms: now_ms(),
        };
        self.store.write(|transaction| {
            find(transaction)?;
            uploads::put_part(transaction, &input.upload_id, &part)
        })?;
        draft.keep();
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(part.etag)),
            last_modified: Some(timestamp(part.modified_ms)),
            ..CopyPartResult::default()
        };
        set_checksums!(result, part.checksum);
        Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
    }

    pub(super) fn complete(&self, input: &CompleteMultipartUploadInput) -> S3Result<CompleteMultipartUploadOutput> {
        let named = input.multipart_upload.as_ref().and_then(|list| list.parts.as_deref()).unwrap_or_default();
        let (upload, parts) = self.store.read(|connection| {
            buckets::existing(connection, &input.bucket)?;
            let upload = uploads::existing(connection, &input.bucket, &input.key, &input.upload_id)?;
            let stored = uploads::parts(connection, &upload.id, 0, usize::from(u16::MAX))?;
            Ok((upload.clone(), chosen_parts(&upload, named, &stored)?))
        })?;
        let draft = Draft::new(&self.store)?;
        let size = self.join(&parts, &draft)?;
        let checksum = self.object_checksum(upload.plan, &parts, &draft, size)?;
        check_claims(input, &checksum, size)?;
        let body = Body {
            content: draft.content(),
            size,
            etag: multipart_etag(&parts),
            attributes: upload.attributes,
            checksum: Some(checksum.clone()),
        };
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            ..Conditions::default()
        };
        let written = self.store.write(|transaction| {
            // Whoever completed or aborted it meanwhile was first.
            uploads::existing(transaction, &input.bucket, &input.key, &input.upload_id)?;
            conditions.check_write(versions::latest(transaction, &input.bucket, &input.key)?.as_ref())?;
            uploads::remove(transaction, &input.upload_id)?;
            let versioning = buckets::existing(transaction, &input.bucket)?.versioning;
            versions::write(transaction, (&input.bucket, versioning), &input.key, Some(&body), &upload.tags)
        })?;
        draft.keep();
        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            e_tag: Some(ETag::Strong(body.etag)),
            version_id: written.version_id,
            checksum_type: Some(checksum.kind()),
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksums!(output, checksum);
        Ok(output)
    }

    pub(super) fn abort(&self, input: &AbortMultipartUploadInput) -> S3Result<AbortMultipartUploadOutput> {
        self.store.write(|transaction| {
            buckets::existing(transaction, &input.bucket)?;
            uploads::existing(transaction, &input.bucket, &input.key, &input.upload_id)?;
            uploads::remove(transaction, &input.upload_id)
        })?;
        Ok(AbortMultipartUploadOutput::default())
    }

    /// Lines the parts up in one content; returns its length.
    fn join(&self, parts: &[Part], draft: &Draft) -> S3Result<u64> {
        self.store.write(|transaction| {
            let mut size = 0;
            for part in parts {
                contents::share(transaction, part.content, &(0..part.size), draft.content(), size)?;
                size += part.size;
            }
            Ok(size)
        })
    }

    fn object_checksum(&self, plan: Plan, parts: &[Part], draft: &Draft, size: u64) -> S3Result<Stored> {
        if plan.composite {
            return Stored::composite(plan.algorithm, parts.iter().map(|part| &part.checksum));
        }
        // Reading an object of gigabytes would keep the whole region waiting.
        let pieces = parts.iter().map(|part| (&part.checksum, part.size));
        match Stored::joined(plan.algorithm, pieces)? {
            Some(joined) => Ok(joined),
            None => Ok(sums(&self.store, draft.content(), size, plan.algorithm)?.checksum),
        }
    }
}

fn plan(algorithm: Option<&ChecksumAlgorithm>, kind: Option<&ChecksumType>) -> S3Result<Plan> {
    let named = algorithm.map(|name| Algorithm::named(name.as_str())).transpose()?;
    let algorithm = named.unwrap_or(checksums::DEFAULT);
    let composite = match kind.map(ChecksumType::as_str) {
        Some(ChecksumType::COMPOSITE) => true,
        Some(_) => false,
        None => algorithm.composite_by_default(),
    };
    let possible = match algorithm {
        Algorithm::Crc64Nvme => !composite,
        Algorithm::Sha1 | Algorithm::Sha256 => composite,
        Algorithm::Crc32 | Algorithm::Crc32c => true,
    };
    if !possible {
        return Err(s3_error!(InvalidRequest, "The checksum type can't be used with {}", algorithm.name()));
    }
    Ok(Plan { algorithm, composite, chosen: named.is_some() })
}

fn kind(composite: bool) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=LAST_PART_NUMBER).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}

fn check_algorithm(plan: Plan, given: Option<Algorithm>) -> S3Result<()> {
    if !plan.chosen || given == Some(plan.algorithm) {
        return Ok(());
    }
    let (expected, actual) = (plan.algorithm.name(), given.map_or("null", Algorithm::name));
    let message = format!("expected checksum Type: {expected}, actual checksum Type: {actual}").to_ascii_lowercase();
    Err(s3_error!(InvalidRequest, "Checksum Type mismatch occurred, {message}"))
}

/// The `x-amz-copy-source-range` header: `bytes=first-last`, both given (S3 API Reference, UploadPartCopy).
fn copy_range(header: &str) -> S3Result<std::ops::Range<u64>> {
    match Range::parse(header) {
        Ok(Range::Int { first, last: Some(last) }) => Ok(first..last + 1),
        _ => Err(s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last")),
    }
}

/// The parts the client names, if they are what it thinks they are.
fn chosen_parts(upload: &Upload, named: &[CompletedPart], stored: &[Part]) -> S3Result<Vec<Part>> {
    if named.is_empty() {
        return Err(s3_error!(MalformedXML));
    }
    let mut chosen: Vec<Part> = Vec::with_capacity(named.len());
    for name in named {
        let number = name.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
        if chosen.last().is_some_and(|earlier| earlier.number >= number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let part = stored.binary_search_by_key(&number, |part| part.number).ok().map(|at| &stored[at]);
        let part = part.filter(|part| name.e_tag.as_ref().map(ETag::value) == Some(part.etag.as_str()));
        let part = part.ok_or_else(|| s3_error!(InvalidPart))?;
        let given = given_checksums!(name);
        if upload.plan.chosen && upload.plan.composite && given.is_empty() {
            let algorithm = upload.plan.algorithm.name().to_ascii_lowercase();
            return Err(s3_error!(
                InvalidRequest,
                "The upload was created using a {algorithm} checksum. The complete request must include the checksum \
                 for each part. It was missing for part {number} in the request."
            ));
        }
        let differs = |(algorithm, value)| algorithm != part.checksum.algorithm || value != part.checksum.value;
        if given.into_iter().any(differs) {
            return Err(s3_error!(InvalidPart));
        }
        chosen.push(part.clone());
    }
    let all_but_last = &chosen[..chosen.len() - 1];
    if all_but_last.iter().any(|part| part.size < SMALLEST_PART) {
        return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
    }
    Ok(chosen)
}

/// What the completing request says of the whole object.
fn check_claims(input: &CompleteMultipartUploadInput, checksum: &Stored, size: u64) -> S3Result<()> {
    if input.mpu_object_size.is_some_and(|claimed| u64::try_from(claimed) != Ok(size)) {
        return Err(s3_error!(InvalidRequest, "The object size does not match the x-amz-mp-object-size header"));
    }
    let given = given_checksums!(input);
    let differs = |(algorithm, value)| algorithm != checksum.algorithm || value != checksum.value;
    if given.into_iter().any(differs) {
        return Err(s3_error!(BadDigest, "The checksum you specified did not match the calculated checksum."));
    }
    Ok(())
}

/// The MD5 of the parts' MD5s, and how many they were.
fn multipart_etag(parts: &[Part]) -> String {
    use s3s::crypto::{Checksum as _, Md5};
    let sums: Vec<u8> = parts.iter().flat_map(|part| unhex(&part.etag).unwrap_or_default()).collect();
    format!("{}-{}", hex(&Md5::checksum(&sums)), parts.len())
}
