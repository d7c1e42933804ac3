//! Key-value stores as a guest sees them.

use std::collections::BTreeSet;

use framelift_edge_host::HostConfig;

use crate::support::{Fixture, Host, client, empty, fixture, is};

#[tokio::test(flavor = "multi_thread")]
async fn values_are_written_read_and_deleted() {
    let host = fixture().serve().await;
    let path = "/kv/default/key";
    assert_eq!(host.get_text(path).await, is(404, "no such key"));
    assert_eq!(host.answer(host.put(path, "value")).await.0, 204);
    assert_eq!(host.get_text(path).await, is(200, "value"));
    let head = |path: &str| host.client.head(format!("{}{path}", host.base));
    assert_eq!(host.answer(head(path)).await.0, 200);
    assert_eq!(host.answer(head("/kv/default/other")).await.0, 404);
    assert_eq!(host.answer(host.put("/kv/default/another", "")).await.0, 204);
    assert_eq!(host.get_text("/kv/default").await, is(200, "another\nkey"));
    let delete = host.client.delete(format!("{}{path}", host.base));
    assert_eq!(host.answer(delete).await.0, 204);
    assert_eq!(host.get_text("/kv/default").await, is(200, "another"));
    let request = host.post("/many/default").body("key\nanother\nkey");
    let expected = "key is missing\nanother=\nkey is missing\n";
    assert_eq!(host.answer(request).await, is(200, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_outlive_the_host() {
    let first = fixture();
    let data = first.folder.path().join("data");
    let config = HostConfig { data: Some(data.clone()), ..first.config() };
    let host = first.serve_with(config.clone()).await;
    assert_eq!(host.answer(host.put("/kv/default/key", "value")).await.0, 204);
    let Host { server, fixture, .. } = host;
    let refused = framelift_edge_host::serve(config.clone()).await.unwrap_err().to_string();
    assert!(refused.ends_with("kv.sqlite: another process uses it"), "{refused}");
    server.shutdown().await;
    assert!(data.join("kv.sqlite").is_file());
    let host = framelift_edge_host::serve(config).await.unwrap();
    let url = format!("http://{}/kv/default/key", host.addr);
    assert_eq!(client().get(url).send().await.unwrap().text().await.unwrap(), "value");
    drop(fixture);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_granted_is_denied() {
    let host = empty()
        .route("/a/...", "main")
        .route("/b/...", "other")
        .component("main", "key_value_stores = [\"default\", \"second\"]")
        .component("other", "key_value_stores = [\"second\"]")
        .serve()
        .await;
    assert_eq!(host.answer(host.put("/a/kv/default/key", "1")).await.0, 204);
    assert_eq!(host.answer(host.put("/a/kv/second/key", "2")).await.0, 204);
    assert_eq!(host.get_text("/b/kv/second/key").await, is(200, "2"));
    for path in ["/b/kv/default/key", "/b/kv/nowhere/key"] {
        let (status, text) = host.get_text(path).await;
        assert_eq!(status, 403);
        assert!(text.contains("AccessDenied"), "{text}");
    }
    // `wasi:keyvalue` says the same; this guest gives up on it.
    assert_eq!(host.answer(host.post("/b/increment/default/n")).await.0, 500);
    assert_eq!(host.answer(host.post("/b/increment/second/n")).await, is(200, "1"));
}

async fn add_in_parallel(host: &Host, writers: u32, each: u32) {
    let writers = (0..writers).map(|writer| async move {
        for n in 0..each {
            let path = format!("/add/default/list/w{writer}n{n}");
            let (status, text) = host.answer(host.post(&path)).await;
            assert_eq!(status, 200, "{text}");
        }
    });
    futures::future::join_all(writers).await;
}

/// Writers that meet swap often, and an instance has only 256 swaps in its life.
async fn few_requests_an_instance(fixture: Fixture) -> Host {
    let config = HostConfig { max_instance_reuse_count: 4, ..fixture.config() };
    fixture.serve_with(config).await
}

async fn list(host: &Host) -> (usize, usize) {
    let (_, list) = host.get_text("/kv/default/list").await;
    let ids: Vec<&str> = list.split(',').collect();
    (ids.len(), ids.iter().collect::<BTreeSet<_>>().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_loses_no_write_of_twenty_writers() {
    let host = few_requests_an_instance(fixture()).await;
    add_in_parallel(&host, 20, 10).await;
    assert_eq!(list(&host).await, (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_twenty_creators_wins() {
    let host = fixture().serve().await;
    for key in ["a", "b", "c"] {
        let path = format!("/create/default/{key}");
        let creators = (0..20).map(|n| host.answer(host.post(&path).body(n.to_string())));
        let answers = futures::future::join_all(creators).await;
        let won = answers.iter().filter(|(status, _)| *status == 201).count();
        assert_eq!(won, 1, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn increments_add_up() {
    let host = fixture().serve().await;
    let requests = (0..100).map(|_| host.answer(host.post("/increment/default/n")));
    let sums: BTreeSet<String> = futures::future::join_all(requests)
        .await
        .into_iter()
        .map(|(status, sum)| {
            assert_eq!(status, 200, "{sum}");
            sum
        })
        .collect();
    assert_eq!(sums.len(), 100);
    assert!(sums.contains("100"));
    let raw = host.get("/kv/default/n").send().await.unwrap();
    assert_eq!(raw.bytes().await.unwrap(), 100_i64.to_le_bytes().as_slice());
    assert_eq!(host.answer(host.put("/kv/default/text", "twelve")).await.0, 204);
    let (status, text) = host.answer(host.post("/increment/default/text")).await;
    assert_eq!(status, 500);
    assert!(text.contains("is not a number"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_knows_its_own_writes_is_right_under_all_quirks() {
    let fixture = fixture();
    let config = HostConfig {
        quirks: "all".parse().unwrap(),
        quirk_seed: 3,
        max_instance_reuse_count: 8,
        ..fixture.config()
    };
    let host = fixture.serve_with(config).await;
    // The key is there before, for creating it is not exact here.
    assert_eq!(host.answer(host.put("/kv/default/list", "first")).await.0, 204);
    add_in_parallel(&host, 10, 10).await;
    assert_eq!(list(&host).await, (101, 101));
    // A conflict is told although the write landed: a second look finds the value.
    let mut lied = false;
    for n in 0..60 {
        let path = format!("/create/default/key{n}");
        let (status, text) = host.answer(host.post(&path).body("mine")).await;
        lied |= status == 409 && text == "mine";
    }
    assert!(lied);
    let request = host.post("/many/default").body("key0\nnothing");
    assert_eq!(host.answer(request).await, is(200, "key0=mine\n"));
}

/// As under Spin, which does not release what a swap has used. Stores that are closed and swaps that are
/// not made count no longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_swaps_256_times_in_its_life() {
    let host = fixture().serve().await;
    let (status, text) = host.answer(host.post("/swaps/default/key/1000")).await;
    assert_eq!(status, 500);
    assert!(text.starts_with("257: ") && text.contains("too many compare_and_swaps opened"), "{text}");
    assert_eq!(host.get_text("/kv/default/key").await, is(200, "256"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_holds_256_open_stores() {
    let host = fixture().serve().await;
    let (status, text) = host.answer(host.post("/holds/default/1000")).await;
    assert_eq!(status, 500);
    assert!(text.starts_with("257: ") && text.contains("StoreTableFull"), "{text}");
}
