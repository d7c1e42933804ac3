//! Conditional writes and reads.

use aws_sdk_s3::primitives::ByteStream;

use crate::harness::{BUCKET, Fixture, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_creators_exactly_one_wins() {
    let s3 = Fixture::start().await;
    let writers = (0..20).map(|writer: u8| {
        let put = s3.client.put_object().bucket(BUCKET).key("key").if_none_match("*");
        let put = put.body(ByteStream::from(vec![writer; 1000]));
        tokio::spawn(async move { (writer, put.send().await) })
    });
    let mut winners = Vec::new();
    for task in writers.collect::<Vec<_>>() {
        let (writer, result) = task.await.unwrap();
        match result {
            Ok(_) => winners.push(writer),
            Err(error) => assert_eq!(code::<(), _, _>(Err(error)), "PreconditionFailed"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(s3.get("key").await, vec![winners[0]; 1000]);
    s3.finish(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn if_match_loses_no_update() {
    let s3 = Fixture::start().await;
    s3.put("counter", "0").await;
    let counters = (0..8).map(|_| {
        let client = s3.client.clone();
        tokio::spawn(async move {
            // Reads, adds one, writes if nobody else did; else again.
            loop {
                let got = client.get_object().bucket(BUCKET).key("counter").send().await.unwrap();
                let etag = got.e_tag().unwrap().to_owned();
                let body = got.body.collect().await.unwrap().to_vec();
                let count: u32 = String::from_utf8(body).unwrap().parse().unwrap();
                let put = client.put_object().bucket(BUCKET).key("counter").if_match(etag);
                let put = put.body(ByteStream::from((count + 1).to_string().into_bytes()));
                match put.send().await {
                    Ok(_) => return,
                    Err(error) => assert_eq!(code::<(), _, _>(Err(error)), "PreconditionFailed"),
                }
            }
        })
    });
    for task in counters.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(s3.get("counter").await, b"8");
    s3.finish(1).await;
}

#[tokio::test]
async fn conditions_of_writes() {
    let s3 = Fixture::start().await;
    let put =
        |key: &str| s3.client.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(b"new"));
    let other = "\"00000000000000000000000000000000\"";
    assert_eq!(code(put("none").if_match(other).send().await), "NoSuchKey");
    assert_eq!(code(put("none").if_match("*").send().await), "NoSuchKey");

    let etag = s3.put("key", "old").await;
    assert_eq!(code(put("key").if_match(other).send().await), "PreconditionFailed");
    assert_eq!(code(put("key").if_none_match("*").send().await), "PreconditionFailed");
    assert_eq!(s3.get("key").await, b"old");
    put("key").if_match(&etag).send().await.unwrap();
    assert_eq!(s3.get("key").await, b"new");

    let delete = || s3.client.delete_object().bucket(BUCKET).key("key");
    assert_eq!(code(delete().if_match(&etag).send().await), "PreconditionFailed");
    delete().if_match("*").send().await.unwrap();
    put("key").if_none_match("*").send().await.unwrap();
    s3.finish(1).await;
}

#[tokio::test]
async fn conditions_of_reads() {
    let s3 = Fixture::start().await;
    let etag = s3.put("key", "bytes").await;
    let other = "\"00000000000000000000000000000000\"";
    let get = || s3.client.get_object().bucket(BUCKET).key("key");
    get().if_match(&etag).send().await.unwrap();
    get().if_none_match(other).send().await.unwrap();
    assert_eq!(code(get().if_match(other).send().await), "PreconditionFailed");
    let unchanged = get().if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);

    let modified = get().send().await.unwrap().last_modified.unwrap();
    let since = |seconds: i64| aws_sdk_s3::primitives::DateTime::from_secs(modified.secs() + seconds);
    get().if_modified_since(since(-1)).send().await.unwrap();
    let unchanged = get().if_modified_since(since(0)).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);
    get().if_unmodified_since(since(0)).send().await.unwrap();
    let changed = get().if_unmodified_since(since(-1)).send().await;
    assert_eq!(code(changed), "PreconditionFailed");
    s3.finish(1).await;
}
