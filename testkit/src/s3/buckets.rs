//! Buckets: their rows, versioning and replication settings. Replication is only remembered, never carried out.

use rusqlite::{Connection, OptionalExtension, Row, params};
use s3s::dto::{
    Bucket as BucketDto, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
    DeleteBucketInput, DeleteBucketOutput, DeleteBucketReplicationInput, DeleteBucketReplicationOutput,
    GetBucketLocationInput, GetBucketLocationOutput, GetBucketReplicationInput, GetBucketReplicationOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput,
    ListBucketsOutput, PutBucketReplicationInput, PutBucketReplicationOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput, ReplicationConfiguration,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::Embedded;
use super::store::{Outcome, now_ms, timestamp};

/// A bucket's row.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    name: String,
    created_ms: i64,
    pub(super) versioning: Versioning,
    replication: Option<String>,
}

/// The three states of a bucket's versioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

impl Versioning {
    fn stored(text: Option<&str>) -> Self {
        match text {
            Some(BucketVersioningStatus::ENABLED) => Self::Enabled,
            Some(_) => Self::Suspended,
            None => Self::Never,
        }
    }
}

/// The bucket, or `NoSuchBucket`.
pub(super) fn existing(connection: &Connection, name: &str) -> Outcome<Bucket> {
    let select = "SELECT name, created_ms, versioning, replication FROM buckets WHERE name = ?1";
    let found = connection.prepare_cached(select)?.query_row([name], read_row).optional()?;
    Ok(found.ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))?)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    let versioning: Option<String> = row.get(2)?;
    Ok(Bucket {
        name: row.get(0)?,
        created_ms: row.get(1)?,
        versioning: Versioning::stored(versioning.as_deref()),
        replication: row.get(3)?,
    })
}

fn set(connection: &Connection, bucket: &str, column: &str, value: Option<&str>) -> Outcome<()> {
    existing(connection, bucket)?;
    connection.execute(&format!("UPDATE buckets SET {column} = ?2 WHERE name = ?1"), params![bucket, value])?;
    Ok(())
}

impl Embedded {
    pub(super) fn make_bucket(&self, input: &CreateBucketInput) -> S3Result<CreateBucketOutput> {
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(s3_error!(NotImplemented, "object lock is not part of the embedded S3"));
        }
        let insert = "INSERT OR IGNORE INTO buckets (name, created_ms) VALUES (?1, ?2)";
        let made = self.store.write(|transaction| Ok(transaction.execute(insert, params![input.bucket, now_ms()])?))?;
        if made == 0 {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        Ok(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) })
    }

    pub(super) fn drop_bucket(&self, input: &DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
        let used = "SELECT EXISTS (SELECT 1 FROM versions WHERE bucket = ?1)
                    OR EXISTS (SELECT 1 FROM uploads WHERE bucket = ?1)";
        self.store.write(|transaction| {
            existing(transaction, &input.bucket)?;
            if transaction.query_row(used, [&input.bucket], |row| row.get(0))? {
                return Err(S3Error::new(S3ErrorCode::BucketNotEmpty).into());
            }
            transaction.execute("DELETE FROM buckets WHERE name = ?1", [&input.bucket])?;
            Ok(())
        })?;
        Ok(DeleteBucketOutput::default())
    }

    pub(super) fn see_bucket(&self, input: &HeadBucketInput) -> S3Result<HeadBucketOutput> {
        self.store.read(|connection| existing(connection, &input.bucket))?;
        Ok(HeadBucketOutput { bucket_region: Some(self.region.clone()), ..HeadBucketOutput::default() })
    }

    pub(super) fn locate_bucket(&self, input: &GetBucketLocationInput) -> S3Result<GetBucketLocationOutput> {
        self.store.read(|connection| existing(connection, &input.bucket))?;
        // For us-east-1 the constraint is null (S3 API Reference, GetBucketLocation).
        let named = self.region != "us-east-1";
        let location_constraint = named.then(|| BucketLocationConstraint::from(self.region.clone()));
        Ok(GetBucketLocationOutput { location_constraint })
    }

    pub(super) fn all_buckets(&self, _input: &ListBucketsInput) -> S3Result<ListBucketsOutput> {
        let buckets: Vec<Bucket> = self.store.read(|connection| {
            let select = "SELECT name, created_ms, versioning, replication FROM buckets ORDER BY name";
            Ok(connection.prepare_cached(select)?.query_map([], read_row)?.collect::<Result<_, _>>()?)
        })?;
        let shown = buckets.into_iter().map(|bucket| BucketDto {
            name: Some(bucket.name),
            creation_date: Some(timestamp(bucket.created_ms)),
            bucket_region: Some(self.region.clone()),
        });
        Ok(ListBucketsOutput { buckets: Some(shown.collect()), ..ListBucketsOutput::default() })
    }

    pub(super) fn versioning(&self, input: &GetBucketVersioningInput) -> S3Result<GetBucketVersioningOutput> {
        let bucket = self.store.read(|connection| existing(connection, &input.bucket))?;
        let status = match bucket.versioning {
            Versioning::Never => None,
            Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
        };
        Ok(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
    }

    pub(super) fn set_versioning(&self, input: &PutBucketVersioningInput) -> S3Result<PutBucketVersioningOutput> {
        let status = input.versioning_configuration.status.as_ref().map(BucketVersioningStatus::as_str);
        if !matches!(status, Some(BucketVersioningStatus::ENABLED | BucketVersioningStatus::SUSPENDED)) {
            return Err(s3_error!(MalformedXML));
        }
        self.store.write(|transaction| set(transaction, &input.bucket, "versioning", status))?;
        Ok(PutBucketVersioningOutput::default())
    }

    pub(super) fn replication(&self, input: &GetBucketReplicationInput) -> S3Result<GetBucketReplicationOutput> {
        let bucket = self.store.read(|connection| existing(connection, &input.bucket))?;
        let stored = bucket.replication.ok_or_else(|| s3_error!(ReplicationConfigurationNotFoundError))?;
        let configuration: ReplicationConfiguration = serde_json::from_str(&stored).map_err(S3Error::internal_error)?;
        Ok(GetBucketReplicationOutput { replication_configuration: Some(configuration) })
    }

    pub(super) fn set_replication(&self, input: &PutBucketReplicationInput) -> S3Result<PutBucketReplicationOutput> {
        let text = serde_json::to_string(&input.replication_configuration).map_err(S3Error::internal_error)?;
        self.store.write(|transaction| {
            if existing(transaction, &input.bucket)?.versioning != Versioning::Enabled {
                let message = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
                return Err(s3_error!(InvalidRequest, "{message}").into());
            }
            set(transaction, &input.bucket, "replication", Some(&text))
        })?;
        Ok(PutBucketReplicationOutput::default())
    }

    pub(super) fn drop_replication(
        &self,
        input: &DeleteBucketReplicationInput,
    ) -> S3Result<DeleteBucketReplicationOutput> {
        self.store.write(|transaction| set(transaction, &input.bucket, "replication", None))?;
        Ok(DeleteBucketReplicationOutput::default())
    }
}
