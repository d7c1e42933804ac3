//! Component `control`: what workers and other components call, and the health of the app.

mod claim;
mod claim_delivery;
mod claim_plugin;
mod close;
mod complete_job;
mod deliveries;
mod fail;
mod health;
mod notice;
mod notification;
mod notified;
mod progress;
mod ready;
mod report_delivery;
mod report_plugin;
mod sweep;
mod usage;

use framelift_contract::problem::ProblemCode as Code;

use crate::http::{Router, component};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

component! {
    Service<'_, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    alone: [health];
    call: [
        claim, progress, complete_job, fail, notified, notice, sweep, close, notification, ready,
        claim_plugin, report_plugin, usage, claim_delivery, report_delivery,
    ]
}

/// The problems that a worker's report may be answered with.
const REPORT: &[Code] = &[Code::VideoNotFound, Code::StaleAttempt, Code::JobFinished];
