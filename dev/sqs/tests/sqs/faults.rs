//! Faults on demand.

use std::time::Duration;

use framelift_dev_faults::{Fault, Rule};

use super::{Fixture, bodies, receive_count};

#[tokio::test]
async fn every_nth_request_fails_without_effect() {
    let queue = Fixture::new(&[]).await;
    for (fault, code) in [(Fault::SLOW_DOWN, "ServiceUnavailable"), (Fault::INTERNAL_ERROR, "InternalError")]
    {
        queue.faults.add(Rule::new(fault).every(2));
        queue.send("x", None).await;
        let failed = queue.try_receive(10, 0).await;
        assert_eq!(failed, Err(code.to_owned()));
        let message = queue.receive_one().await;
        assert_eq!(receive_count(&message), "1");
        queue.faults.clear();
        queue.delete(&message).await;
    }
}

#[tokio::test]
async fn a_cut_answer_has_its_effect() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    queue.faults.add(Rule::new(Fault::Truncate { after: 0 }));
    let cut = queue.try_receive(1, 0).await;
    assert_eq!(cut, Err("no answer".to_owned()));
    queue.faults.clear();
    assert_eq!(queue.counts().await, ["0", "1", "0"]);
}

#[tokio::test]
async fn a_reset_request_has_no_effect_and_a_stalled_one_no_answer() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    queue.faults.add(Rule::new(Fault::Reset).on("ReceiveMessage", "").times(1));
    queue.faults.add(Rule::new(Fault::Stall).on("ReceiveMessage", "").times(1));
    assert_eq!(queue.try_receive(1, 0).await, Err("no answer".to_owned()));
    let stalled = tokio::spawn(super::receive(queue.client.clone(), queue.url.clone(), 1, 0));
    while queue.faults.injected() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(receive_count(&queue.receive_one().await), "1");
    assert!(!stalled.is_finished());
    stalled.abort();
}

#[tokio::test]
async fn a_message_is_delivered_twice() {
    let queue = Fixture::new(&[]).await;
    queue.faults.add(Rule::new(Fault::Duplicate));
    queue.send("x", None).await;
    let first = queue.receive_one().await;
    let second = queue.receive_one().await;
    assert_eq!(first.message_id(), second.message_id());
    assert_eq!(first.body(), second.body());
    // No third time, and each is done for itself.
    assert!(queue.receive(10).await.is_empty());
    queue.delete(&first).await;
    assert_eq!(queue.counts().await, ["0", "1", "0"]);
    queue.delete(&second).await;
    assert_eq!(queue.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn an_answer_is_late() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    queue.faults.add(Rule::new(Fault::Delay(Duration::from_secs(5))));
    let (client, url) = (queue.client.clone(), queue.url.clone());
    let late = tokio::spawn(super::receive(client, url, 1, 0));
    queue.wait_for_waiting(1).await;
    assert!(!late.is_finished());
    queue.clock.advance(Duration::from_secs(5));
    assert_eq!(bodies(&late.await.unwrap().unwrap()), ["x"]);
}

#[tokio::test]
async fn messages_are_lost_and_overtaken_on_demand() {
    let queue = Fixture::new(&[]).await;
    for body in ["keep", "first", "second"] {
        queue.send(body, None).await;
    }
    let name = queue.url.rsplit_once('/').unwrap().1;
    assert_eq!(queue.server.lose_message(name, "keep").await.unwrap().as_deref(), Some("first"));
    assert!(queue.server.delay_message(name, Duration::from_secs(60)).await.unwrap());
    assert_eq!(bodies(&queue.receive(10).await), ["second"]);
    assert_eq!(queue.server.lose_message(name, "keep").await.unwrap(), None, "received ones stay");
}
