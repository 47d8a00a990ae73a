//! Buckets and their settings.

use aws_sdk_s3::types::{
    BucketVersioningStatus, Destination, ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter,
    ReplicationRuleStatus, VersioningConfiguration,
};
use testkit::Error;

use crate::{BUCKET, bucket, ok, put, refusal};

#[tokio::test]
async fn buckets_are_made_listed_and_dropped() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    ok("create", client.create_bucket().bucket("another.bucket-1").send().await)?;
    let listed = ok("list", client.list_buckets().send().await)?;
    let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["another.bucket-1", BUCKET]);
    assert_eq!(
        refusal(client.create_bucket().bucket(BUCKET).send().await),
        (409, "BucketAlreadyOwnedByYou".to_owned())
    );
    put(&client, "k", "x").await?;
    assert_eq!(refusal(client.delete_bucket().bucket(BUCKET).send().await), (409, "BucketNotEmpty".to_owned()));
    ok("drop", client.delete_bucket().bucket("another.bucket-1").send().await)?;
    ok("head", client.head_bucket().bucket(BUCKET).send().await)?;
    let gone = client.head_bucket().bucket("another.bucket-1").send().await;
    assert!(gone.is_err_and(|error| error.as_service_error().is_some_and(|known| known.is_not_found())));
    Ok(())
}

#[tokio::test]
async fn replication_is_not_found_until_it_is_set() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let read = || client.get_bucket_replication().bucket(BUCKET);
    assert_eq!(refusal(read().send().await), (404, "ReplicationConfigurationNotFoundError".to_owned()));
    let failed = |error| Error::new("build", error);
    let destination = Destination::builder().bucket("arn:aws:s3:::media-eu-west-1").build().map_err(failed)?;
    let rule = ReplicationRule::builder()
        .id("to-eu")
        .priority(1)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("acme/").build())
        .destination(destination)
        .build()
        .map_err(failed)?;
    let role = "arn:aws:iam::123456789012:role/replication";
    let wanted = ReplicationConfiguration::builder().role(role).rules(rule).build().map_err(failed)?;
    let set = || client.put_bucket_replication().bucket(BUCKET).replication_configuration(wanted.clone());
    assert_eq!(refusal(set().send().await), (400, "InvalidRequest".to_owned()), "it needs versioning");
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    ok("version", client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(versioning).send().await)?;
    ok("set", set().send().await)?;
    let found = ok("read", read().send().await)?;
    assert_eq!(found.replication_configuration(), Some(&wanted));
    ok("drop", client.delete_bucket_replication().bucket(BUCKET).send().await)?;
    assert_eq!(refusal(read().send().await).0, 404);
    Ok(())
}
