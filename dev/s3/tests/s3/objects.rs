//! Objects: writing, reading, ranges, checksums, copies, deletion, buckets.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier};

use crate::harness::{BUCKET, Fixture, bytes, client, client_in, code};

#[tokio::test]
async fn round_trip_keeps_bytes_and_attributes() {
    let s3 = Fixture::start().await;
    // More than one write and one read of the server, with a rest.
    let body = bytes(3 * 1024 * 1024 + 17, 0);
    let put = s3
        .client
        .put_object()
        .bucket(BUCKET)
        .key("a/video.mp4")
        .content_type("video/mp4")
        .content_disposition("inline")
        .cache_control("no-store")
        .metadata("owner", "Zoë")
        .metadata("title", "plain")
        .body(ByteStream::from(body.clone()))
        .send()
        .await
        .unwrap();
    // The SDK sends a CRC-32 behind the body, and the server says that it saw it.
    assert!(put.checksum_crc32.is_some());

    let got = s3
        .client
        .get_object()
        .bucket(BUCKET)
        .key("a/video.mp4")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("video/mp4"));
    assert_eq!(got.content_disposition(), Some("inline"));
    assert_eq!(got.cache_control(), Some("no-store"));
    assert_eq!(got.content_encoding(), None);
    // A header holds ASCII only, so that S3 answers other text in the form of RFC 2047.
    assert_eq!(got.metadata().unwrap()["owner"], "=?UTF-8?B?Wm/Dqw==?=");
    assert_eq!(got.metadata().unwrap()["title"], "plain");
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.checksum_crc32, put.checksum_crc32);
    let got_metadata = got.metadata.clone();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), body);

    let head = s3.client.head_object().bucket(BUCKET).key("a/video.mp4");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_length(), Some(3 * 1024 * 1024 + 17));
    assert_eq!(head.content_type(), Some("video/mp4"));
    assert_eq!(head.metadata(), got_metadata.as_ref());
    assert!(head.last_modified().is_some());
    s3.finish(1).await;
}

#[tokio::test]
async fn etag_is_the_md5() {
    let s3 = Fixture::start().await;
    assert_eq!(s3.put("hello", "hello").await, "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(s3.put("empty", "").await, "\"d41d8cd98f00b204e9800998ecf8427e\"");
    assert_eq!(s3.get("empty").await, b"");
    s3.finish(2).await;
}

#[tokio::test]
async fn overwriting_removes_the_old_bytes() {
    let s3 = Fixture::start().await;
    s3.put("key", "one").await;
    s3.put("key", "two").await;
    assert_eq!(s3.get("key").await, b"two");
    s3.finish(1).await;
}

#[tokio::test]
async fn reading_goes_on_while_the_object_is_replaced() {
    let s3 = Fixture::start().await;
    let old = bytes(8 * 1024 * 1024, 1);
    s3.put("key", old.clone()).await;
    let mut reading = s3.client.get_object().bucket(BUCKET).key("key").send().await.unwrap();
    let first = reading.body.next().await.unwrap().unwrap();
    s3.put("key", "new").await;
    let rest = reading.body.collect().await.unwrap().to_vec();
    assert_eq!([first.to_vec(), rest].concat(), old);
    assert_eq!(s3.get("key").await, b"new");
    s3.finish(1).await;
}

#[tokio::test]
async fn ranges() {
    let s3 = Fixture::start().await;
    let body = bytes(1000, 0);
    s3.put("key", body.clone()).await;
    let cases = [
        ("bytes=0-9", 0..10),
        ("bytes=990-", 990..1000),
        ("bytes=990-5000", 990..1000),
        ("bytes=-5", 995..1000),
        ("bytes=-5000", 0..1000),
        ("bytes=999-999", 999..1000),
    ];
    for (range, expected) in cases {
        let got = s3.client.get_object().bucket(BUCKET).key("key").range(range);
        let got = got.send().await.unwrap();
        let content_range = format!("bytes {}-{}/1000", expected.start, expected.end - 1);
        assert_eq!(got.content_range(), Some(content_range.as_str()), "{range}");
        assert_eq!(got.content_length(), i64::try_from(expected.len()).ok());
        let read = got.body.collect().await.unwrap().to_vec();
        assert_eq!(read, body[expected], "{range}");
    }
    for range in ["bytes=1000-", "bytes=-0"] {
        let got = s3.client.get_object().bucket(BUCKET).key("key").range(range);
        assert_eq!(code(got.send().await), "InvalidRange", "{range}");
    }
    s3.put("empty", "").await;
    let got = s3.client.get_object().bucket(BUCKET).key("empty").range("bytes=0-0");
    assert_eq!(code(got.send().await), "InvalidRange");
    s3.finish(2).await;
}

#[tokio::test]
async fn a_wrong_checksum_keeps_the_old_object() {
    let s3 = Fixture::start().await;
    s3.put("key", "old").await;
    let put = || s3.client.put_object().bucket(BUCKET).key("key").body(ByteStream::from_static(b"new"));
    // The checksums of other bytes.
    assert_eq!(code(put().checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc32_c("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await), "BadDigest");
    assert_eq!(code(put().checksum_sha1("AAAAAAAAAAAAAAAAAAAAAAAAAAA=").send().await), "BadDigest");
    assert_eq!(
        code(put().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").send().await),
        "BadDigest"
    );
    assert_eq!(code(put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await), "BadDigest");
    // Not checksums at all.
    assert_eq!(code(put().content_md5("nonsense").send().await), "InvalidDigest");
    assert_eq!(code(put().checksum_crc32("nonsense").send().await), "InvalidRequest");

    assert_eq!(s3.get("key").await, b"old");
    s3.finish(1).await;
}

#[tokio::test]
async fn every_checksum_algorithm_is_verified_and_kept() {
    let s3 = Fixture::start().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = s3.client.put_object().bucket(BUCKET).key("key");
        let put = put.checksum_algorithm(algorithm.clone()).body(ByteStream::from(bytes(100_000, 3)));
        put.send().await.unwrap();
        let head = s3.client.head_object().bucket(BUCKET).key("key");
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        let kept = match algorithm {
            ChecksumAlgorithm::Crc32 => head.checksum_crc32,
            ChecksumAlgorithm::Crc32C => head.checksum_crc32_c,
            ChecksumAlgorithm::Crc64Nvme => head.checksum_crc64_nvme,
            ChecksumAlgorithm::Sha1 => head.checksum_sha1,
            _ => head.checksum_sha256,
        };
        assert!(kept.is_some(), "{algorithm}");
        // The SDK verifies what it reads against it.
        assert_eq!(s3.get("key").await, bytes(100_000, 3));
    }
    s3.finish(1).await;
}

#[tokio::test]
async fn unusual_keys_are_just_names() {
    let s3 = Fixture::start().await;
    let long = "k".repeat(1000);
    let keys = [
        long.as_str(),
        "../../../etc/passwd",
        "a/../b",
        "..",
        "./x",
        "a//b",
        "ключ/日本語/😀.mp4",
        "with space+plus&amp;%41?q=1#f",
        "trailing/",
        "'\"<>\\",
    ];
    for key in keys {
        s3.put(key, key).await;
    }
    for key in keys {
        assert_eq!(s3.get(key).await, key.as_bytes(), "{key}");
    }
    let listed = s3.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let mut listed: Vec<&str> = listed.contents().iter().map(|object| object.key().unwrap()).collect();
    listed.sort_unstable();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    // Nothing was written outside of the server's own folders.
    let mut names: Vec<_> = crate::harness::files(s3.dir())
        .into_iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("index.sqlite"))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["blobs", "lock", "tmp"]);

    let put = s3.client.put_object().bucket(BUCKET).key("k".repeat(1025));
    assert_eq!(code(put.send().await), "KeyTooLongError");
    s3.finish(keys.len()).await;
}

#[tokio::test]
async fn missing_things_have_their_codes() {
    let s3 = Fixture::start().await;
    let c = &s3.client;
    assert_eq!(code(c.get_object().bucket(BUCKET).key("none").send().await), "NoSuchKey");
    assert_eq!(code(c.get_object().bucket("nowhere").key("none").send().await), "NoSuchBucket");
    assert_eq!(code(c.put_object().bucket("nowhere").key("k").send().await), "NoSuchBucket");
    assert_eq!(code(c.list_objects_v2().bucket("nowhere").send().await), "NoSuchBucket");
    let head = c.head_object().bucket(BUCKET).key("none").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    // Deleting what is not there is no error.
    c.delete_object().bucket(BUCKET).key("none").send().await.unwrap();
    s3.finish(0).await;
}

#[tokio::test]
async fn deleting_one_and_many() {
    let s3 = Fixture::start().await;
    for key in ["a", "b", "c", "d"] {
        s3.put(key, key).await;
    }
    s3.client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(code(s3.client.get_object().bucket(BUCKET).key("a").send().await), "NoSuchKey");

    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let stale = ObjectIdentifier::builder().key("d").e_tag("\"00000000000000000000000000000000\"");
    let delete = Delete::builder()
        .objects(named("b"))
        .objects(named("c"))
        .objects(named("never"))
        .objects(stale.build().unwrap())
        .build()
        .unwrap();
    let answer = s3.client.delete_objects().bucket(BUCKET).delete(delete);
    let answer = answer.send().await.unwrap();
    let deleted: Vec<_> = answer.deleted().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(deleted, ["b", "c", "never"]);
    assert_eq!(answer.errors().len(), 1);
    assert_eq!(answer.errors()[0].code(), Some("PreconditionFailed"));
    assert_eq!(s3.blobs(), 1);
    s3.finish(1).await;
}

#[tokio::test]
async fn copies_share_bytes_and_outlive_their_source() {
    let s3 = Fixture::start().await;
    let put = s3.client.put_object().bucket(BUCKET).key("source/ü b").content_type("text/x");
    put.body(ByteStream::from_static(b"bytes")).send().await.unwrap();
    let copy = |key: &str| {
        let copy = s3.client.copy_object().bucket(BUCKET).key(key);
        copy.copy_source(format!("{BUCKET}/source/%C3%BC%20b"))
    };
    let copied = copy("copy").send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some("\"4b3a6218bb3e3a7303e8a171a60fcf92\""));
    assert_eq!(s3.blobs(), 1);
    let replaced = copy("replaced").metadata_directive(MetadataDirective::Replace);
    replaced.content_type("text/y").send().await.unwrap();

    s3.client.delete_object().bucket(BUCKET).key("source/ü b").send().await.unwrap();
    assert_eq!(s3.get("copy").await, b"bytes");
    let head = |key: &'static str| s3.client.head_object().bucket(BUCKET).key(key).send();
    assert_eq!(head("copy").await.unwrap().content_type(), Some("text/x"));
    assert_eq!(head("replaced").await.unwrap().content_type(), Some("text/y"));

    assert_eq!(code(copy("again").send().await), "NoSuchKey");
    let itself = s3.client.copy_object().bucket(BUCKET).key("copy").copy_source(format!("{BUCKET}/copy"));
    assert_eq!(code(itself.clone().send().await), "InvalidRequest");
    itself.metadata_directive(MetadataDirective::Replace).send().await.unwrap();
    assert_eq!(s3.get("copy").await, b"bytes");
    let unwanted = s3.client.copy_object().bucket(BUCKET).key("x").copy_source(format!("{BUCKET}/copy"));
    let unwanted = unwanted.copy_source_if_match("\"00000000000000000000000000000000\"");
    assert_eq!(code(unwanted.send().await), "PreconditionFailed");

    for key in ["copy", "replaced"] {
        s3.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    s3.finish(0).await;
}

#[tokio::test]
async fn buckets() {
    let s3 = Fixture::start().await;
    let c = &s3.client;
    c.create_bucket().bucket("second").send().await.unwrap();
    assert_eq!(code(c.create_bucket().bucket("second").send().await), "BucketAlreadyOwnedByYou");
    assert_eq!(code(c.create_bucket().bucket("No_Good").send().await), "InvalidBucketName");
    c.head_bucket().bucket("second").send().await.unwrap();
    let listed = c.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["second", BUCKET]);
    c.get_bucket_location().bucket("second").send().await.unwrap();

    c.put_object().bucket("second").key("k").send().await.unwrap();
    assert_eq!(code(c.delete_bucket().bucket("second").send().await), "BucketNotEmpty");
    c.delete_object().bucket("second").key("k").send().await.unwrap();
    c.delete_bucket().bucket("second").send().await.unwrap();
    let head = c.head_bucket().bucket("second").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    s3.finish(0).await;
}

#[tokio::test]
async fn only_the_right_key_and_region_may_call() {
    let s3 = Fixture::start().await;
    let forger = client(&s3.endpoint(), "another-secret");
    assert_eq!(code(forger.list_buckets().send().await), "SignatureDoesNotMatch");
    let abroad = client_in(
        &s3.endpoint(),
        crate::harness::SECRET,
        "eu-west-1",
        aws_sdk_s3::config::retry::RetryConfig::disabled(),
    );
    assert_eq!(code(abroad.list_buckets().send().await), "AuthorizationHeaderMalformed");
    let anonymous = s3.http.get(format!("{}/{BUCKET}/key", s3.endpoint())).send().await.unwrap();
    assert_eq!(anonymous.status(), 403);
    assert_eq!(crate::harness::tag(&anonymous.text().await.unwrap(), "Code"), "AccessDenied");
    s3.finish(0).await;
}
