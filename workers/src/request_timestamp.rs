//! Requests signed with the time of their permit and not with the time at which they are sent: the store itself refuses one
//! that was held back for too long, such as by a process that was paused between the permit and the request.
//!
//! The clients (`clients.rs`) do not correct their clock by the store's, or they would sign an old permit's request
//! as if it were new.

use std::time::SystemTime;

use aws_smithy_async::time::StaticTimeSource;

/// Signs one DynamoDB request with this time.
pub(crate) fn dynamodb(at: SystemTime) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::config::Builder::new().time_source(StaticTimeSource::new(at))
}

/// Signs one S3 request with this time.
pub(crate) fn s3(at: SystemTime) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::new().time_source(StaticTimeSource::new(at))
}
