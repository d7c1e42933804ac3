//! Delays, visibility, retention and long polls by the clock.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Attribute;

use super::{Fixture, System, bodies, receive_count};

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_queue_and_a_message_have_their_delays() {
    let queue = Fixture::new(&[(Attribute::DelaySeconds, "60")]).await;
    queue.send("queue's", None).await;
    for delay in [0, 900] {
        let send = queue.client.send_message().queue_url(&queue.url);
        let send = send.message_body("own").delay_seconds(delay);
        send.send().await.unwrap();
    }
    assert_eq!(queue.counts().await, ["1", "0", "2"]);
    let own = queue.receive_one().await;
    assert_eq!(own.body(), Some("own"));
    queue.delete(&own).await;
    queue.clock.advance(seconds(59));
    assert!(queue.receive(10).await.is_empty());
    queue.clock.advance(seconds(1));
    let late = queue.receive_one().await;
    assert_eq!(late.body(), Some("queue's"));
    queue.delete(&late).await;
    queue.clock.advance(seconds(839));
    assert!(queue.receive(10).await.is_empty());
    queue.clock.advance(seconds(1));
    assert_eq!(bodies(&queue.receive(10).await), ["own"]);
}

#[tokio::test]
async fn visibility_ends_at_its_time_and_is_extended() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    let first = queue.receive_one().await;
    queue.clock.advance(seconds(29));
    queue.change(&first, 60).await.unwrap();
    queue.clock.advance(seconds(59));
    assert!(queue.receive(1).await.is_empty());
    queue.clock.advance(seconds(1));
    let second = queue.receive_one().await;
    assert_eq!(receive_count(&second), "2");
    let time = |name| second.attributes().unwrap()[&name].parse::<i64>().unwrap();
    assert_eq!(time(System::ApproximateFirstReceiveTimestamp), time(System::SentTimestamp));
}

#[tokio::test]
async fn a_message_stays_hidden_for_twelve_hours_in_all() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    let message = queue.receive_one().await;
    queue.change(&message, 12 * 3600).await.unwrap();
    queue.clock.advance(HOUR);
    let refused = queue.change(&message, 11 * 3600 + 1).await;
    assert_eq!(refused, Err("InvalidParameterValue".to_owned()));
    queue.change(&message, 11 * 3600).await.unwrap();
    queue.clock.advance(HOUR * 11);
    // A new receive, new twelve hours.
    let message = queue.receive_one().await;
    queue.change(&message, 12 * 3600).await.unwrap();
}

#[tokio::test]
async fn only_a_message_in_flight_can_be_changed() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    let first = queue.receive_one().await;
    queue.clock.advance(seconds(30));
    let not_in_flight = Err("AWS.SimpleQueueService.MessageNotInflight".to_owned());
    assert_eq!(queue.change(&first, 5).await, not_in_flight);
    let second = queue.receive_one().await;
    assert_eq!(queue.change(&first, 5).await, not_in_flight);
    queue.change(&second, 5).await.unwrap();
    queue.delete(&second).await;
    let gone = Err("InvalidParameterValue".to_owned());
    assert_eq!(queue.change(&second, 5).await, gone);
}

#[tokio::test]
async fn an_old_receipt_deletes_nothing_and_the_latest_always() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    let first = queue.receive_one().await;
    queue.clock.advance(seconds(30));
    let second = queue.receive_one().await;
    queue.delete(&first).await;
    assert_eq!(queue.counts().await, ["0", "1", "0"]);
    queue.clock.advance(seconds(30));
    queue.delete(&second).await;
    assert_eq!(queue.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_message_past_its_retention_is_gone() {
    let queue = Fixture::new(&[(Attribute::MessageRetentionPeriod, "60")]).await;
    queue.send("old", None).await;
    queue.clock.advance(seconds(30));
    queue.send("new", None).await;
    queue.clock.advance(seconds(30));
    assert_eq!(queue.counts().await, ["1", "0", "0"]);
    assert_eq!(bodies(&queue.receive(10).await), ["new"]);
    queue.clock.advance(seconds(30));
    assert_eq!(queue.counts().await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_long_poll_ends_at_its_time() {
    let queue = Fixture::new(&[]).await;
    let poll = queue.poll(20).await;
    queue.clock.advance(seconds(19));
    assert!(!poll.is_finished());
    queue.clock.advance(seconds(1));
    assert_eq!(poll.await.unwrap(), Ok(vec![]));
    queue.wait_for_waiting(0).await;
}

#[tokio::test]
async fn a_queue_has_its_own_wait() {
    let queue = Fixture::new(&[(Attribute::ReceiveMessageWaitTimeSeconds, "5")]).await;
    let (client, url) = (queue.client.clone(), queue.url.clone());
    let poll = tokio::spawn(async move { client.receive_message().queue_url(url).send().await });
    queue.wait_for_waiting(1).await;
    queue.clock.advance(seconds(5));
    assert!(poll.await.unwrap().unwrap().messages.is_none());
}

#[tokio::test]
async fn a_long_poll_wakes_for_whatever_becomes_visible() {
    let queue = Fixture::new(&[]).await;
    queue.send("x", None).await;
    // A visibility timeout that ends.
    let held = queue.receive_one().await;
    let poll = queue.poll(20).await;
    queue.change(&held, 10).await.unwrap();
    queue.clock.advance(seconds(10));
    let held = poll.await.unwrap().unwrap().remove(0);
    // A message that is released.
    let poll = queue.poll(20).await;
    queue.change(&held, 0).await.unwrap();
    let held = poll.await.unwrap().unwrap().remove(0);
    queue.delete(&held).await;
    // A delay that ends.
    let send = queue.client.send_message().queue_url(&queue.url);
    let send = send.message_body("later").delay_seconds(7);
    send.send().await.unwrap();
    let poll = queue.poll(20).await;
    queue.clock.advance(seconds(7));
    assert_eq!(bodies(&poll.await.unwrap().unwrap()), ["later"]);
}

#[tokio::test]
async fn a_long_poll_on_the_dead_letter_queue_wakes_for_a_moved_message() {
    let dead = Fixture::new(&[]).await;
    let source = dead
        .client
        .create_queue()
        .queue_name("source")
        .attributes(Attribute::VisibilityTimeout, "0")
        .attributes(
            Attribute::RedrivePolicy,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:jobs","maxReceiveCount":1}"#,
        )
        .send()
        .await
        .unwrap();
    let source = source.queue_url.unwrap();
    let send = dead.client.send_message().queue_url(&source);
    send.message_body("poison").send().await.unwrap();
    let receive = || super::receive(dead.client.clone(), source.clone(), 1, 0);
    assert_eq!(receive().await.unwrap().len(), 1);
    let poll = dead.poll(20).await;
    assert_eq!(receive().await.unwrap().len(), 0);
    let moved = poll.await.unwrap().unwrap().remove(0);
    assert_eq!(moved.body(), Some("poison"));
    assert_eq!(
        moved.attributes().unwrap()[&System::DeadLetterQueueSourceArn],
        "arn:aws:sqs:eu-central-1:000000000000:source"
    );
}
