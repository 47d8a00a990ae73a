//! A body that is not what the client says is refused and leaves nothing; checksums are kept and given back.

use std::time::Duration;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType};
use testkit::Error;

use crate::{BUCKET, bucket, get, keys, noise, ok, put, refusal};

#[tokio::test]
async fn the_sdks_default_checksum_is_kept() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    put(&client, "k", "hello").await?;
    let head = client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled).send().await;
    let head = ok("head", head)?;
    assert_eq!(head.checksum_crc32(), Some("NhCmhg=="));
    assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
    let silent = ok("head", client.head_object().bucket(BUCKET).key("k").send().await)?;
    assert_eq!(silent.checksum_crc32(), None, "only when asked for");
    Ok(())
}

#[tokio::test]
async fn each_algorithm_works_in_headers_and_in_trailers() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    let path = folder.path().join("body");
    std::fs::write(&path, noise(100_000)).map_err(|error| Error::new("write", error))?;
    let algorithms = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];
    for algorithm in algorithms {
        let mut seen = Vec::new();
        let bodies = [
            ByteStream::from(noise(100_000)),
            ByteStream::from_path(&path).await.map_err(|error| Error::new("open", error))?,
        ];
        for body in bodies {
            let sent = client.put_object().bucket(BUCKET).key("k").checksum_algorithm(algorithm.clone()).body(body);
            ok("put", sent.send().await)?;
            let head = client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled).send().await;
            let head = ok("head", head)?;
            let kept = match algorithm {
                ChecksumAlgorithm::Crc32 => head.checksum_crc32,
                ChecksumAlgorithm::Crc32C => head.checksum_crc32_c,
                ChecksumAlgorithm::Crc64Nvme => head.checksum_crc64_nvme,
                ChecksumAlgorithm::Sha1 => head.checksum_sha1,
                _ => head.checksum_sha256,
            };
            assert!(kept.is_some(), "{algorithm:?} was not kept");
            seen.push(kept);
            // The SDK checks what it reads against the stored checksum.
            assert_eq!(get(&client, "k").await?.len(), 100_000);
        }
        assert_eq!(seen[0], seen[1], "{algorithm:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_checksum_is_refused_and_nothing_stays() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    for size in [5, 3_000_000] {
        let upload = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from(noise(size)));
        let lies: [PutObjectFluentBuilder; 4] = [
            upload().content_md5("1B2M2Y8AsgTpgAmY7PhCfg=="),
            upload().checksum_crc32("AAAAAA=="),
            upload().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            upload().checksum_crc64_nvme("AAAAAAAAAAA="),
        ];
        for lie in lies {
            assert_eq!(refusal(lie.send().await), (400, "BadDigest".to_owned()));
            assert!(keys(&client).await?.is_empty());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_overwrite_leaves_the_old_object() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    put(&client, "k", "old").await?;
    let lie =
        client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"new")).checksum_crc32("AAAAAA==");
    assert_eq!(refusal(lie.send().await).1, "BadDigest");
    assert_eq!(get(&client, "k").await?, b"old");
    Ok(())
}

#[tokio::test]
async fn a_correct_md5_is_taken() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let sent = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"hello"));
    ok("put", sent.content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await)?;
    assert_eq!(get(&client, "k").await?, b"hello");
    Ok(())
}

/// A client that dies in the middle of its body leaves no object.
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() -> Result<(), Error> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (region, client) = bucket().await?;
    let config = aws_sdk_s3::presigning::PresigningConfig::expires_in(Duration::from_secs(60));
    let config = config.map_err(|error| Error::new("presign", error))?;
    let signed = ok("presign", client.put_object().bucket(BUCKET).key("half").presigned(config).await)?;
    let failed = |error: std::io::Error| Error::new("talk to the server", error);
    let address = region.s3_endpoint().trim_start_matches("http://");
    let mut connection = tokio::net::TcpStream::connect(address).await.map_err(failed)?;
    let path = signed.uri().strip_prefix(region.s3_endpoint()).expect("presigned for this endpoint");
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 5000000\r\n\r\n");
    connection.write_all(head.as_bytes()).await.map_err(failed)?;
    connection.write_all(&noise(2_500_000)).await.map_err(failed)?;
    connection.shutdown().await.map_err(failed)?;
    // It answers or hangs up, once it has seen the end of what came.
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), connection.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the server still waits for the rest");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(keys(&client).await?.is_empty());
    Ok(())
}

/// Over plain HTTP the SDK signs a streamed body piece by piece.
#[tokio::test]
async fn a_streamed_body_that_changes_on_the_way_is_refused() -> Result<(), Error> {
    let (region, client) = bucket().await?;
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    let path = folder.path().join("body");
    std::fs::write(&path, b"before MARK after").map_err(|error| Error::new("write", error))?;
    let send = |replacement: [u8; 4]| {
        let (region, path) = (&region, &path);
        async move {
            let way = Way::start(region, replacement).await?;
            let through = testkit::region::s3_client_at("us-east-1", &way.endpoint);
            let body = ByteStream::from_path(path).await.map_err(|error| Error::new("open", error))?;
            Ok::<_, Error>(through.put_object().bucket(BUCKET).key("k").body(body).send().await)
        }
    };
    ok("put", send(*b"MARK").await?)?;
    assert_eq!(refusal(send(*b"FAKE").await?), (403, "SignatureDoesNotMatch".to_owned()));
    assert_eq!(get(&client, "k").await?, b"before MARK after");
    Ok(())
}

/// A way to the server that changes MARK into something else.
struct Way {
    endpoint: String,
    _forwarding: tokio::task::JoinSet<()>,
}

impl Way {
    async fn start(region: &testkit::Region, replacement: [u8; 4]) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::new("lay a way to the server", error);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(failed)?);
        let address = region.s3_endpoint().trim_start_matches("http://").to_owned();
        let mut forwarding = tokio::task::JoinSet::new();
        forwarding.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if let Ok(far) = tokio::net::TcpStream::connect(&address).await {
                    forward(near, far, replacement).await;
                }
            }
        });
        Ok(Self { endpoint, _forwarding: forwarding })
    }
}

/// Carries bytes both ways until one side is done.
async fn forward(near: tokio::net::TcpStream, far: tokio::net::TcpStream, replacement: [u8; 4]) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = near_read.read(&mut buffer).await {
            let piece = &mut buffer[..count];
            if let Some(at) = piece.windows(4).position(|window| window == b"MARK") {
                piece[at..at + 4].copy_from_slice(&replacement);
            }
            if far_write.write_all(piece).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let _ = tokio::io::copy(&mut far_read, &mut near_write).await;
    };
    tokio::select! { () = there => {}, () = back => {} }
}
