//! Who comes first, and how many may be in flight.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use framelift_dev_sqs::Limits;

use super::{Fixture, bodies};

#[tokio::test]
async fn the_oldest_message_comes_first() {
    let queue = Fixture::new(&[]).await;
    for body in ["1", "2", "3"] {
        queue.send(body, None).await;
    }
    assert_eq!(bodies(&queue.receive(2).await), ["1", "2"]);
    assert_eq!(bodies(&queue.receive(2).await), ["3"]);
}

#[tokio::test]
async fn a_busy_group_does_not_hold_the_others_up() {
    let queue = Fixture::new(&[]).await;
    for n in 0..30 {
        queue.send(&format!("busy {n}"), Some("busy")).await;
    }
    queue.send("quiet 0", Some("quiet")).await;
    queue.send("quiet 1", Some("quiet")).await;
    let first = queue.receive(1).await;
    assert_eq!(bodies(&first), ["busy 0"]);
    // The quiet group has nothing in flight, then both have one, then the oldest is next.
    assert_eq!(bodies(&queue.receive(4).await), ["quiet 0", "busy 1", "quiet 1", "busy 2"]);
    assert_eq!(bodies(&queue.receive(2).await), ["busy 3", "busy 4"]);
    // What is done does not count any more.
    queue.delete(&first[0]).await;
    queue.send("third", Some("third")).await;
    assert_eq!(bodies(&queue.receive(2).await), ["third", "busy 5"]);
}

#[tokio::test]
async fn exhausted_messages_make_way_in_the_same_answer() {
    let queue = Fixture::new(&[(Attribute::VisibilityTimeout, "0")]).await;
    let dead = queue.client.create_queue().queue_name("dead");
    let dead = dead.send().await.unwrap().queue_url.unwrap();
    for n in 0..25 {
        queue.send(&format!("poison {n}"), Some("a")).await;
    }
    for _ in 0..3 {
        queue.receive(10).await;
    }
    for _ in 0..15 {
        let messages = queue.receive(10).await;
        assert_eq!(messages.len(), 10);
    }
    queue
        .client
        .set_queue_attributes()
        .queue_url(&queue.url)
        .attributes(
            Attribute::RedrivePolicy,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead","maxReceiveCount":5}"#,
        )
        .send()
        .await
        .unwrap();
    queue.send("good", Some("b")).await;
    // The first ten have been received too often, the others never, being younger.
    let messages = queue.receive(10).await;
    assert_eq!(bodies(&messages)[..2], ["good", "poison 10"]);
    assert_eq!(messages.len(), 10);
    let moved = super::receive(queue.client.clone(), dead, 10, 0).await;
    assert_eq!(moved.unwrap().len(), 10);
}

#[tokio::test]
async fn a_full_queue_says_so_and_goes_on_when_there_is_room() {
    let queue = Fixture::with_limits(Limits { in_flight: 3 }, &[]).await;
    for n in 0..5 {
        queue.send(&n.to_string(), None).await;
    }
    let held = queue.receive(10).await;
    assert_eq!(bodies(&held), ["0", "1", "2"]);
    assert_eq!(queue.try_receive(1, 0).await, Err("OverLimit".to_owned()));
    // A long poll waits for room instead.
    let poll = queue.poll(20).await;
    queue.delete(&held[0]).await;
    assert_eq!(bodies(&poll.await.unwrap().unwrap()), ["3"]);
    // And without a wait, an empty queue with room left is no error.
    queue.clock.advance(Duration::from_secs(30));
    let all = queue.receive(10).await;
    assert_eq!(bodies(&all), ["1", "2", "3"]);
    queue.delete(&all[0]).await;
    let last = queue.receive(10).await;
    assert_eq!(bodies(&last), ["4"]);
    queue.delete(&last[0]).await;
    assert!(queue.receive(10).await.is_empty());
}
