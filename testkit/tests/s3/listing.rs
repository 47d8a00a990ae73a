//! ListObjectsV2: order, prefixes, delimiters, pages.

use std::collections::BTreeSet;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use futures::{StreamExt, TryStreamExt, stream};
use testkit::Error;

use crate::{BUCKET, bucket, ok, put, refusal};

fn names(page: &ListObjectsV2Output) -> Vec<&str> {
    page.contents().iter().filter_map(|object| object.key()).collect()
}

fn prefixes(page: &ListObjectsV2Output) -> Vec<&str> {
    page.common_prefixes().iter().filter_map(|common| common.prefix()).collect()
}

#[tokio::test]
async fn a_prefix_selects_and_start_after_skips() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    for key in ["a", "a/1", "a/2", "a/2/x", "a0", "ab", "b/1", "ä/1"] {
        put(&client, key, "x").await?;
    }
    let list = || client.list_objects_v2().bucket(BUCKET);
    assert_eq!(names(&ok("list", list().prefix("a/").send().await)?), ["a/1", "a/2", "a/2/x"]);
    assert_eq!(names(&ok("list", list().prefix("ä").send().await)?), ["ä/1"]);
    assert_eq!(names(&ok("list", list().start_after("a/2").send().await)?), ["a/2/x", "a0", "ab", "b/1", "ä/1"]);
    assert_eq!(names(&ok("list", list().prefix("a/").start_after("a/1").send().await)?), ["a/2", "a/2/x"]);
    assert_eq!(names(&ok("list", list().prefix("none").send().await)?), Vec::<&str>::new());
    let all = ok("list", list().send().await)?;
    assert_eq!((all.key_count(), all.is_truncated(), all.name()), (Some(8), Some(false), Some(BUCKET)));
    Ok(())
}

#[tokio::test]
async fn a_delimiter_folds_keys() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    for key in ["a", "dir", "dir/", "dir/1", "dir/2/x", "dir0", "other//x", "z/1"] {
        put(&client, key, "x").await?;
    }
    let list = || client.list_objects_v2().bucket(BUCKET).delimiter("/");
    let top = ok("list", list().send().await)?;
    assert_eq!((names(&top), prefixes(&top)), (vec!["a", "dir", "dir0"], vec!["dir/", "other/", "z/"]));
    let inner = ok("list", list().prefix("dir/").send().await)?;
    assert_eq!((names(&inner), prefixes(&inner)), (vec!["dir/", "dir/1"], vec!["dir/2/"]));
    let odd = ok("list", list().prefix("other/").send().await)?;
    assert_eq!((names(&odd), prefixes(&odd)), (vec![], vec!["other//"]));
    let by_text = ok("list", client.list_objects_v2().bucket(BUCKET).delimiter("ir").send().await)?;
    assert_eq!(prefixes(&by_text), ["dir"]);
    Ok(())
}

#[tokio::test]
async fn pages_of_any_size_cover_everything_once() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let keys = ["a", "a/1", "a/2", "b", "b//1", "b/1", "c/1", "c/2", "d", "é"];
    for key in keys {
        put(&client, key, "x").await?;
    }
    for size in 1..=11 {
        for delimiter in [None, Some("/".to_owned())] {
            let list = client.list_objects_v2().bucket(BUCKET).max_keys(size).set_delimiter(delimiter.clone());
            let pages: Vec<_> = list
                .into_paginator()
                .send()
                .collect::<Result<_, _>>()
                .await
                .map_err(|error| Error::new("list", error))?;
            let mut seen: Vec<&str> =
                pages.iter().flat_map(|page| names(page).into_iter().chain(prefixes(page))).collect();
            let longest = pages.iter().map(|page| page.contents().len() + page.common_prefixes().len()).max();
            assert!(longest.is_some_and(|longest| longest <= usize::try_from(size).unwrap_or(0)));
            seen.sort_unstable();
            let wanted = if delimiter.is_some() { vec!["a", "a/", "b", "b/", "c/", "d", "é"] } else { keys.to_vec() };
            assert_eq!(seen, wanted, "pages of {size}, {delimiter:?}");
        }
    }
    let nothing = ok("list", client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await)?;
    assert_eq!((names(&nothing).len(), nothing.is_truncated()), (0, Some(false)));
    Ok(())
}

#[tokio::test]
async fn a_page_holds_a_thousand() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let keys: Vec<String> = (0..2_100).map(|number| format!("folder/{number:05}")).collect();
    let puts = stream::iter(&keys).map(|key| put(&client, key, "x"));
    puts.buffer_unordered(16).try_collect::<Vec<_>>().await?;
    put(&client, "z", "x").await?;
    let mut pages = client.list_objects_v2().bucket(BUCKET).into_paginator().send();
    let mut sizes = Vec::new();
    let mut seen = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = ok("list", page)?;
        sizes.push(page.contents().len());
        seen.extend(names(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(sizes, [1000, 1000, 101]);
    assert!(keys.iter().all(|key| seen.contains(key)));
    let folded = ok("list", client.list_objects_v2().bucket(BUCKET).delimiter("/").send().await)?;
    assert_eq!((names(&folded), prefixes(&folded)), (vec!["z"], vec!["folder/"]));
    Ok(())
}

#[tokio::test]
async fn names_can_be_asked_for_url_encoded() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    put(&client, "a b/c+d\u{1}é", "x").await?;
    let listed = client.list_objects_v2().bucket(BUCKET).prefix("a b/").encoding_type(EncodingType::Url).send().await;
    let listed = ok("list", listed)?;
    assert_eq!(names(&listed), ["a+b/c%2Bd%01%C3%A9"]);
    assert_eq!(listed.prefix(), Some("a+b/"));
    Ok(())
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused() -> Result<(), Error> {
    let (_region, client) = bucket().await?;
    let refused = client.list_objects_v2().bucket(BUCKET).continuation_token("nonsense").send().await;
    assert_eq!(refusal(refused), (400, "InvalidArgument".to_owned()));
    let missing = client.list_objects_v2().bucket("no-such-bucket").send().await;
    assert_eq!(refusal(missing), (404, "NoSuchBucket".to_owned()));
    Ok(())
}
