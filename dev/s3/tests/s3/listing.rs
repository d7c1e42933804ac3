//! ListObjectsV2.

use aws_sdk_s3::types::EncodingType;

use crate::harness::{BUCKET, Fixture, code};

/// Keys and common prefixes, page by page.
async fn walk(
    s3: &Fixture,
    prefix: &str,
    delimiter: Option<&str>,
    page: i32,
) -> (Vec<String>, Vec<String>, usize) {
    let (mut keys, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut token = None;
    loop {
        let list = s3.client.list_objects_v2().bucket(BUCKET).prefix(prefix).max_keys(page);
        let list = list.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token);
        let got = list.send().await.unwrap();
        pages += 1;
        let count = got.contents().len() + got.common_prefixes().len();
        assert_eq!(got.key_count(), i32::try_from(count).ok());
        assert!(count <= usize::try_from(page).unwrap());
        keys.extend(got.contents().iter().map(|object| object.key().unwrap().to_owned()));
        prefixes.extend(got.common_prefixes().iter().map(|common| common.prefix().unwrap().to_owned()));
        token = got.next_continuation_token().map(str::to_owned);
        assert_eq!(got.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return (keys, prefixes, pages);
        }
    }
}

#[tokio::test]
async fn pages_prefixes_and_delimiters() {
    let s3 = Fixture::start().await;
    let mut all = vec!["a", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "b/1", "c", "é/1", "😀"];
    for key in &all {
        s3.put(key, *key).await;
    }
    // S3 orders keys by their bytes.
    all.sort_unstable();
    for page in [1, 2, 3, 10, 1000] {
        let (keys, prefixes, _) = walk(&s3, "", None, page).await;
        assert_eq!(keys, all, "pages of {page}");
        assert_eq!(prefixes, Vec::<String>::new());

        let (keys, prefixes, _) = walk(&s3, "", Some("/"), page).await;
        assert_eq!(keys, ["a", "a0", "c", "😀"], "pages of {page}");
        assert_eq!(prefixes, ["a/", "b/", "é/"], "pages of {page}");

        let (keys, prefixes, _) = walk(&s3, "a/", Some("/"), page).await;
        assert_eq!(keys, ["a/1", "a/2"]);
        assert_eq!(prefixes, ["a/b/"]);

        let (keys, _, _) = walk(&s3, "a/b", None, page).await;
        assert_eq!(keys, ["a/b/1", "a/b/2"]);
    }
    let (_, _, pages) = walk(&s3, "", None, 10).await;
    assert_eq!(pages, 1, "no empty last page");
    let (keys, prefixes, _) = walk(&s3, "nothing", Some("/"), 10).await;
    assert_eq!((keys.len(), prefixes.len()), (0, 0));

    let list = || s3.client.list_objects_v2().bucket(BUCKET);
    let behind = list().start_after("a/b/2").send().await.unwrap();
    assert_eq!(behind.contents()[0].key(), Some("a0"));
    assert_eq!(behind.contents()[0].size(), Some(2));
    assert!(behind.contents()[0].e_tag().is_some());
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
    assert_eq!(code(list().continuation_token("not a token").send().await), "InvalidArgument");
    assert_eq!(code(list().max_keys(-1).send().await), "InvalidArgument");

    let encoded = list().prefix("é").encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(encoded.contents()[0].key(), Some("%C3%A9/1"));
    s3.finish(all.len()).await;
}

#[tokio::test]
async fn a_common_prefix_of_thousands_is_one_entry() {
    let s3 = Fixture::start().await;
    // More rows than the server fetches at a time, through copies, which cost no bytes.
    s3.put("frames/0", "x").await;
    for at in 1..1100 {
        let copy = s3.client.copy_object().bucket(BUCKET).key(format!("frames/{at}"));
        copy.copy_source(format!("{BUCKET}/frames/0")).send().await.unwrap();
    }
    s3.put("z", "x").await;
    let (keys, prefixes, _) = walk(&s3, "", Some("/"), 1000).await;
    assert_eq!((keys, prefixes), (vec!["z".to_owned()], vec!["frames/".to_owned()]));
    let (keys, _, pages) = walk(&s3, "", None, 1000).await;
    assert_eq!((keys.len(), pages), (1101, 2));
    s3.finish(2).await;
}
