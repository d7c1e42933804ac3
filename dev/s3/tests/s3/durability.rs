//! What is still there after a stop, and what is not.

use framelift_dev_faults::Faults;
use framelift_dev_s3::{Error, start};

use crate::harness::{BUCKET, Fixture, bytes, config, files};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let mut s3 = Fixture::start().await;
    let etag = s3.put("key", "bytes").await;
    let create = s3.client.create_multipart_upload().bucket(BUCKET).key("open").send().await.unwrap();
    let id = create.upload_id.unwrap();
    let part = s3.client.upload_part().bucket(BUCKET).key("open").upload_id(&id).part_number(1);
    part.body(bytes(100, 0).into()).send().await.unwrap();

    s3.restart(|_| {}).await;
    assert_eq!(s3.get("key").await, b"bytes");
    let head = s3.client.head_object().bucket(BUCKET).key("key").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()));
    let parts = s3.client.list_parts().bucket(BUCKET).key("open").upload_id(&id).send().await.unwrap();
    assert_eq!(parts.parts().len(), 1);
    s3.client.abort_multipart_upload().bucket(BUCKET).key("open").upload_id(&id).send().await.unwrap();
    s3.finish(1).await;
}

#[tokio::test]
async fn files_that_a_crash_left_are_removed_at_start() {
    let mut s3 = Fixture::start().await;
    s3.put("key", "bytes").await;
    s3.restart(|dir| {
        // A write that did not end, and one that ended and was not yet in the index.
        std::fs::write(dir.join("tmp").join("unfinished"), b"half").unwrap();
        std::fs::write(dir.join("blobs").join("not-in-the-index"), b"whole").unwrap();
    })
    .await;
    assert_eq!(files(&s3.dir().join("tmp")).len(), 0);
    assert_eq!(s3.blobs(), 1);
    assert_eq!(s3.get("key").await, b"bytes");
    s3.finish(1).await;
}

#[tokio::test]
async fn a_folder_has_one_server() {
    let s3 = Fixture::start().await;
    let second = start(config(s3.dir(), Faults::default())).await;
    assert!(matches!(second.unwrap_err(), Error::InUse { .. }));
    s3.finish(0).await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let s3 = Fixture::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut taken = config(dir.path(), Faults::default());
    taken.listen = s3.addr();
    assert!(matches!(start(taken).await.unwrap_err(), Error::Listen { .. }));

    let mut named = config(dir.path(), Faults::default());
    named.buckets.push("Not A Bucket".to_owned());
    assert!(matches!(start(named).await.unwrap_err(), Error::BucketName(_)));

    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let unusable = config(&file, Faults::default());
    assert!(matches!(start(unusable).await.unwrap_err(), Error::DataDir { .. }));

    let newer = dir.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    let index = rusqlite::Connection::open(newer.join("index.sqlite")).unwrap();
    index.pragma_update(None, "user_version", 99).unwrap();
    drop(index);
    let error = start(config(&newer, Faults::default())).await.unwrap_err();
    assert!(matches!(error, Error::IndexVersion { found: 99, .. }));
    s3.finish(0).await;
}
