//! Multipart uploads.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};

use crate::harness::{BUCKET, Fixture, bytes, code};

const MIB: usize = 1024 * 1024;

async fn create(s3: &Fixture, key: &str) -> String {
    let create = s3.client.create_multipart_upload().bucket(BUCKET).key(key);
    let created = create.content_type("video/mp4").metadata("a", "b").send().await;
    created.unwrap().upload_id.unwrap()
}

async fn part(s3: &Fixture, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let part = s3.client.upload_part().bucket(BUCKET).key(key).upload_id(id);
    let part = part.part_number(number).body(ByteStream::from(body)).send().await.unwrap();
    CompletedPart::builder().part_number(number).e_tag(part.e_tag.unwrap()).build()
}

type Complete =
    aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;

fn complete(s3: &Fixture, key: &str, id: &str, parts: &[&CompletedPart]) -> Complete {
    let parts = parts.iter().map(|part| (*part).clone()).collect();
    let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.client.complete_multipart_upload().bucket(BUCKET).key(key);
    complete.upload_id(id).multipart_upload(upload)
}

#[tokio::test]
async fn three_parts_make_an_object() {
    let s3 = Fixture::start().await;
    let id = create(&s3, "key").await;
    let bodies = [bytes(5 * MIB, 1), bytes(6 * MIB, 2), bytes(1000, 3)];
    // In any order, and one of them twice.
    let third = part(&s3, "key", &id, 7, bodies[2].clone()).await;
    let first = part(&s3, "key", &id, 1, bodies[0].clone()).await;
    part(&s3, "key", &id, 3, bytes(100, 9)).await;
    let second = part(&s3, "key", &id, 3, bodies[1].clone()).await;
    // One that is not named in the end.
    part(&s3, "key", &id, 9, bytes(100, 9)).await;
    assert_eq!(s3.blobs(), 4);
    let missing = s3.client.get_object().bucket(BUCKET).key("key").send().await;
    assert_eq!(code(missing), "NoSuchKey");

    let done = complete(&s3, "key", &id, &[&first, &second, &third]).send().await.unwrap();
    let etag = done.e_tag().unwrap();
    assert!(etag.ends_with("-3\""), "{etag}");
    let whole = bodies.concat();
    assert_eq!(s3.get("key").await, whole);
    let head = s3.client.head_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(etag));
    assert_eq!(head.content_type(), Some("video/mp4"));
    assert_eq!(head.metadata().unwrap().get("a").unwrap(), "b");

    // A range over the seams.
    let (from, to) = (5 * MIB - 10, 11 * MIB + 10);
    let range = s3.client.get_object().bucket(BUCKET).key("key").range(format!("bytes={from}-{}", to - 1));
    let range = range.send().await.unwrap().body.collect().await.unwrap().to_vec();
    assert!(range == whole[from..to]);
    let one = s3.client.get_object().bucket(BUCKET).key("key").part_number(2).send().await.unwrap();
    assert_eq!(one.parts_count(), Some(3));
    assert!(one.body.collect().await.unwrap().to_vec() == bodies[1]);

    // A copy is an object written at once.
    let copy = s3.client.copy_object().bucket(BUCKET).key("copy").copy_source(format!("{BUCKET}/key"));
    let copied = copy.send().await.unwrap().copy_object_result.unwrap().e_tag.unwrap();
    assert_eq!(copied.len(), 34, "{copied}");
    s3.client.delete_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert!(s3.get("copy").await == whole);
    s3.finish(3).await;
}

/// The composite ETag against one that was computed elsewhere.
#[tokio::test]
async fn the_composite_etag_is_that_of_s3() {
    let s3 = Fixture::start().await;
    let id = create(&s3, "key").await;
    let only = part(&s3, "key", &id, 1, b"hello".to_vec()).await;
    let done = complete(&s3, "key", &id, &[&only]).send().await.unwrap();
    // md5(unhex("5d41402abc4b2a76b9719d911017c592"))
    assert_eq!(done.e_tag(), Some("\"62109206880d38a4010a98e11243924a-1\""));
    s3.finish(1).await;
}

#[tokio::test]
async fn what_cannot_be_completed_is_refused_and_stays_open() {
    let s3 = Fixture::start().await;
    let id = create(&s3, "key").await;
    let small = part(&s3, "key", &id, 1, bytes(100, 1)).await;
    let last = part(&s3, "key", &id, 2, bytes(100, 2)).await;
    let never = CompletedPart::builder().part_number(3).e_tag(last.e_tag().unwrap()).build();
    let stale = CompletedPart::builder().part_number(2).e_tag(small.e_tag().unwrap()).build();

    let refused =
        async |id: &str, parts: &[&CompletedPart]| code(complete(&s3, "key", id, parts).send().await);
    assert_eq!(refused(&id, &[&small, &last]).await, "EntityTooSmall");
    assert_eq!(refused(&id, &[&last, &small]).await, "InvalidPartOrder");
    assert_eq!(refused(&id, &[&last, &last]).await, "InvalidPartOrder");
    assert_eq!(refused(&id, &[&last, &never]).await, "InvalidPart");
    assert_eq!(refused(&id, &[&stale]).await, "InvalidPart");
    assert_eq!(refused(&id, &[]).await, "MalformedXML");
    assert_eq!(refused("no-such-upload", &[&last]).await, "NoSuchUpload");
    let size = complete(&s3, "key", &id, &[&last]).mpu_object_size(99);
    assert_eq!(code(size.send().await), "InvalidRequest");
    let elsewhere = complete(&s3, "another-key", &id, &[&last]);
    assert_eq!(code(elsewhere.send().await), "NoSuchUpload");

    s3.put("key", "in the way").await;
    let created = complete(&s3, "key", &id, &[&last]).if_none_match("*");
    assert_eq!(code(created.send().await), "PreconditionFailed");
    assert_eq!(s3.get("key").await, b"in the way");

    complete(&s3, "key", &id, &[&last]).mpu_object_size(100).send().await.unwrap();
    assert_eq!(s3.get("key").await, bytes(100, 2));
    assert_eq!(refused(&id, &[&last]).await, "NoSuchUpload");
    s3.finish(1).await;
}

#[tokio::test]
async fn abort_leaves_nothing() {
    let s3 = Fixture::start().await;
    let id = create(&s3, "key").await;
    part(&s3, "key", &id, 1, bytes(100, 1)).await;
    part(&s3, "key", &id, 2, bytes(100, 2)).await;
    assert_eq!(s3.blobs(), 2);
    let abort = || s3.client.abort_multipart_upload().bucket(BUCKET).key("key").upload_id(&id);
    abort().send().await.unwrap();
    assert_eq!(s3.blobs(), 0);
    assert_eq!(code(abort().send().await), "NoSuchUpload");
    let late = s3.client.upload_part().bucket(BUCKET).key("key").upload_id(&id).part_number(3);
    assert_eq!(code(late.body(ByteStream::from_static(b"x")).send().await), "NoSuchUpload");
    for number in [0, 10_001] {
        let part = s3.client.upload_part().bucket(BUCKET).key("key").upload_id(&id).part_number(number);
        assert_eq!(code(part.send().await), "InvalidArgument", "{number}");
    }
    s3.finish(0).await;
}

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let s3 = Fixture::start().await;
    let id = create(&s3, "key").await;
    for number in [5, 1, 3] {
        part(&s3, "key", &id, number, bytes(100, 1)).await;
    }
    let list = || s3.client.list_parts().bucket(BUCKET).key("key").upload_id(&id);
    let numbers = |parts: &[aws_sdk_s3::types::Part]| {
        parts.iter().map(|part| part.part_number().unwrap()).collect::<Vec<_>>()
    };
    let first = list().max_parts(2).send().await.unwrap();
    assert_eq!(numbers(first.parts()), [1, 3]);
    assert_eq!(first.is_truncated(), Some(true));
    assert_eq!(first.parts()[0].size(), Some(100));
    let rest = list().part_number_marker(first.next_part_number_marker().unwrap());
    let rest = rest.send().await.unwrap();
    assert_eq!(numbers(rest.parts()), [5]);
    assert_eq!(rest.is_truncated(), Some(false));
    s3.client.abort_multipart_upload().bucket(BUCKET).key("key").upload_id(&id).send().await.unwrap();
    assert_eq!(code(list().send().await), "NoSuchUpload");
    s3.finish(0).await;
}

#[tokio::test]
async fn uploads_are_listed_by_prefix_and_in_pages() {
    let s3 = Fixture::start().await;
    let mut started = Vec::new();
    for key in ["a/1", "a/1", "a/2", "b/1"] {
        started.push((key.to_owned(), create(&s3, key).await));
    }
    // Of one key, the earlier first.
    let list = |prefix: &str| s3.client.list_multipart_uploads().bucket(BUCKET).prefix(prefix);
    let named = |uploads: &[aws_sdk_s3::types::MultipartUpload]| {
        let name = |upload: &aws_sdk_s3::types::MultipartUpload| {
            (upload.key.clone().unwrap(), upload.upload_id.clone().unwrap())
        };
        uploads.iter().map(name).collect::<Vec<_>>()
    };
    for page in [1, 2, 3, 4, 1000] {
        let (mut seen, mut key, mut id) = (Vec::new(), None, None);
        loop {
            let list = list("").max_uploads(page).set_key_marker(key).set_upload_id_marker(id);
            let got = list.send().await.unwrap();
            seen.extend(named(got.uploads()));
            if got.is_truncated() != Some(true) {
                break;
            }
            (key, id) = (got.next_key_marker.clone(), got.next_upload_id_marker.clone());
        }
        assert_eq!(seen, started, "pages of {page}");
    }
    assert_eq!(named(list("a/").send().await.unwrap().uploads()), started[..3]);
    let behind = list("").key_marker("a/1").send().await.unwrap();
    assert_eq!(named(behind.uploads()), started[2..]);
    for (key, id) in started {
        s3.client.abort_multipart_upload().bucket(BUCKET).key(key).upload_id(id).send().await.unwrap();
    }
    s3.finish(0).await;
}

#[tokio::test]
async fn a_checksum_asked_for_at_the_start_is_needed_to_the_end() {
    let s3 = Fixture::start().await;
    let create = s3.client.create_multipart_upload().bucket(BUCKET).key("key");
    let create = create.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    let id = create.upload_id.unwrap();
    let part = || {
        s3.client
            .upload_part()
            .bucket(BUCKET)
            .key("key")
            .upload_id(&id)
            .part_number(1)
            .body(ByteStream::from_static(b"hello"))
    };
    assert_eq!(code(part().checksum_algorithm(ChecksumAlgorithm::Crc32).send().await), "InvalidRequest");
    let stored = part().checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    let sum = stored.checksum_sha256().unwrap();
    assert_eq!(sum, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");

    let named = CompletedPart::builder().part_number(1).e_tag(stored.e_tag().unwrap());
    assert_eq!(code(complete(&s3, "key", &id, &[&named.clone().build()]).send().await), "InvalidRequest");
    let wrong = named.clone().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").build();
    assert_eq!(code(complete(&s3, "key", &id, &[&wrong]).send().await), "InvalidPart");
    let right = named.checksum_sha256(sum).build();
    let done = complete(&s3, "key", &id, &[&right]).send().await.unwrap();
    assert!(done.checksum_sha256().unwrap().ends_with("-1"));
    s3.finish(1).await;
}
