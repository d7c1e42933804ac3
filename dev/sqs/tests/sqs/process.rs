//! Starting, stopping, starting again, and clients that go away.

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use framelift_dev_sqs::{Options, SqsConfig, StartError, start};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Fixture, bodies, receive_count, support};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let queue = Fixture::new(&[(Attribute::VisibilityTimeout, "45")]).await;
    for body in ["held", "released", "waiting"] {
        queue.send(body, Some("group")).await;
    }
    let held = queue.receive(2).await;
    queue.change(&held[1], 0).await.unwrap();
    let before = queue.counts().await;
    assert_eq!(before, ["2", "1", "0"]);

    let queue = queue.restart().await;
    // The URL has the old port in it and is known all the same.
    assert_ne!(queue.url, queue.server.queue_url("jobs"));
    assert_eq!(queue.counts().await, before);
    let messages = queue.receive(10).await;
    assert_eq!(bodies(&messages), ["released", "waiting"]);
    assert_eq!(receive_count(&messages[0]), "2");
    // A receipt from before is still good.
    queue.delete(&held[0]).await;
    let attributes = queue.client.get_queue_attributes().queue_url(&queue.url);
    let attributes = attributes.attribute_names(Attribute::VisibilityTimeout);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    assert_eq!(attributes[&Attribute::VisibilityTimeout], "45");
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_nothing_along() {
    let queue = Fixture::new(&[]).await;
    let poll = queue.poll(20).await;
    poll.abort();
    queue.wait_for_waiting(0).await;
    queue.send("x", None).await;
    assert_eq!(queue.counts().await, ["1", "0", "0"]);
    assert_eq!(receive_count(&queue.receive_one().await), "1");
}

#[tokio::test]
async fn a_shutdown_ends_long_polls_with_an_empty_answer() {
    let queue = Fixture::new(&[]).await;
    let poll = queue.poll(20).await;
    queue.server.shutdown().await;
    assert_eq!(poll.await.unwrap(), Ok(vec![]));
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_the_shutdown_up() {
    let queue = Fixture::new(&[]).await;
    let mut stuck = TcpStream::connect(queue.server.addr()).await.unwrap();
    let half = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    stuck.write_all(half).await.unwrap();
    // The request is under way once the server asks for its body.
    let mut answer = [0; 12];
    stuck.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    let queue = queue.restart().await;
    assert_eq!(queue.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_deleted_queue_ends_its_long_polls() {
    let queue = Fixture::new(&[]).await;
    let poll = queue.poll(20).await;
    let delete = queue.client.delete_queue().queue_url(&queue.url);
    delete.send().await.unwrap();
    assert_eq!(poll.await.unwrap(), Err("AWS.SimpleQueueService.NonExistentQueue".to_owned()));
}

#[tokio::test]
async fn every_receiver_gets_its_message() {
    let queue = Fixture::new(&[]).await;
    let polls: Vec<_> = (0..8)
        .map(|_| {
            let (client, url) = (queue.client.clone(), queue.url.clone());
            tokio::spawn(super::receive(client, url, 1, 20))
        })
        .collect();
    queue.wait_for_waiting(8).await;
    for n in 0..8 {
        queue.send(&n.to_string(), None).await;
    }
    let mut seen = Vec::new();
    for poll in polls {
        seen.extend(poll.await.unwrap().unwrap());
    }
    let mut seen = bodies(&seen);
    seen.sort_unstable();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn what_is_in_use_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let server = support::start(&folder, Options::default()).await;
    let folder_in_use = start(support::config(&folder)).await.err().unwrap();
    assert!(matches!(folder_in_use, StartError::InUse { .. }));
    let other = tempfile::tempdir().unwrap();
    let port_in_use = start(SqsConfig { listen: server.addr(), ..support::config(&other) });
    let port_in_use = port_in_use.await.err().unwrap();
    assert!(matches!(port_in_use, StartError::Listen { .. }));
    server.shutdown().await;
    let again = start(support::config(&folder)).await.unwrap();
    again.shutdown().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = || support::config(&folder);
    for config in [
        SqsConfig { account_id: "1".to_owned(), ..good() },
        SqsConfig { region: String::new(), ..good() },
        SqsConfig { secret_access_key: String::new(), ..good() },
    ] {
        let error = start(config).await.err().unwrap();
        assert!(matches!(error, StartError::Config(_)), "{error}");
    }
    let shown = format!("{:?}", good());
    assert!(!shown.contains(support::SECRET), "{shown}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = start(SqsConfig { data_dir: file, ..good() });
    assert!(matches!(error.await, Err(StartError::Folder { .. })));
}
