//! What happens to received messages whose answer does not leave.

use jiff::Timestamp;

use super::*;
use crate::{ManualClock, wire::ReceiveMessage};

async fn service(folder: &tempfile::TempDir) -> Service {
    let naming = Naming { region: "eu-central-1".to_owned(), account_id: "000000000000".to_owned() };
    let (db, _thread) = Db::open(folder.path(), naming.clone()).unwrap();
    let service = Service {
        db,
        clock: Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)),
        naming,
        credentials: Credentials {
            access_key_id: "key".to_owned(),
            secret_access_key: "secret".to_owned(),
            region: "eu-central-1".to_owned(),
        },
        limits: Limits::default(),
        faults: Faults::default(),
        signals: Arc::default(),
        stopping: CancellationToken::new(),
    };
    for (operation, body) in [
        ("CreateQueue", r#"{"QueueName":"jobs"}"#),
        ("SendMessage", r#"{"QueueUrl":"/000000000000/jobs","MessageBody":"x"}"#),
    ] {
        let answer = service.answer(operation, body.as_bytes(), "http://here");
        assert!(answer.await.is_ok());
    }
    service
}

async fn receive(service: &Service, wait: u8) -> Answer {
    let body =
        format!(r#"{{"QueueUrl":"/000000000000/jobs","AttributeNames":["All"],"WaitTimeSeconds":{wait}}}"#);
    let request: ReceiveMessage = parse(body.as_bytes()).ok().unwrap();
    service.receive_message(request).await.ok().unwrap()
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[tokio::test]
async fn an_answer_that_is_dropped_gives_its_messages_back() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder).await;
    for _ in 0..3 {
        let answer = receive(&service, 0).await;
        assert!(text(&answer).contains(r#""ApproximateReceiveCount":"1""#));
        drop(answer);
    }
    // A receiver that waits gets it at once.
    let answer = receive(&service, 0).await;
    let (second, ()) = tokio::join!(receive(&service, 20), async {
        service.signals.waiting().wait_for(|n| *n == 1).await.unwrap();
        drop(answer);
    });
    assert!(text(&second).contains(r#""Body":"x""#));
}

#[tokio::test]
async fn an_answer_that_is_handed_over_keeps_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder).await;
    receive(&service, 0).await.lease.unwrap().hand_over();
    assert_eq!(text(&receive(&service, 0).await), "{}");
}

#[tokio::test]
async fn a_receive_nobody_waits_for_any_more_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder).await;
    // The store's thread is kept busy, so that the receive is given up before its turn.
    let (go, block) = std::sync::mpsc::channel::<()>();
    service.db.run_unattended(move |_| block.recv().unwrap());
    {
        let mut receiving = std::pin::pin!(receive(&service, 0));
        assert!(poll_once(receiving.as_mut()).await.is_none());
    }
    go.send(()).unwrap();
    // Waits, since the receive is taken back after its turn.
    let answer = receive(&service, 20).await;
    assert!(text(&answer).contains(r#""ApproximateReceiveCount":"1""#));
}

/// Polls once.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
