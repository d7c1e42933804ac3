//! Component `downloads`: hands out URLs of videos' archives.

mod download;

use crate::http::{Router, component};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

component! {
    Service<'_, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    call: [download]
}
