//! Component `videos`: creates, lists, shows, cancels, runs again and deletes videos; lists deliveries to webhooks.

mod cancel;
mod create;
mod delete;
mod get;
mod list;
mod replay_webhook;
mod run;
mod storage;
mod test_webhook;
mod webhook_deliveries;

use crate::http::{Router, component};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

component! {
    Service<'_, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    call: [
        create, list, get, delete, cancel, run, storage, webhook_deliveries, replay_webhook, test_webhook,
    ]
}
