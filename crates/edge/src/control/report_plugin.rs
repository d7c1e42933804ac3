//! `POST /internal/plugins/{id}/report`: a worker reports the result of a plugin's check.

use bytes::Bytes;
use framelift_contract::plugin::{CheckOutcome, PluginReport, PluginReportAnswer, PluginState};
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::rules::MAX_REASON;
use http::{Response, StatusCode};
use serde_json::json as value;

use super::claim_plugin::plugin_id;
use crate::http::{Failure, Incoming, Level, Route, json, log};
use crate::jobs::plugins::{Checked, state};
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/plugins/{id}/report");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "reportPlugin", "Say how the check of a plugin ended; may be repeated")
        .json(typed(&PluginReport {
            user_id: examples::user(),
            attempt: 1,
            worker_id: examples::worker(),
            outcome: CheckOutcome::Rejected,
            reason: Some("it imports wasi:sockets/tcp".into()),
            config_schema: None,
        }))
        .answers(
            StatusCode::OK,
            "The plugin's state now.",
            typed(&PluginReportAnswer { state: PluginState::Rejected }),
        )
        .or(&[Code::PluginNotFound, Code::StaleAttempt, Code::JobFinished])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn report_plugin(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = plugin_id(incoming)?;
        let report: PluginReport = incoming.json()?;
        let reason = report.reason.unwrap_or_default();
        if reason.chars().count() > MAX_REASON {
            return Err(Failure::field("/reason", format!("must have at most {MAX_REASON} characters")));
        }
        let checked = match report.outcome {
            CheckOutcome::Ready => Checked::Ready(report.config_schema),
            CheckOutcome::Rejected => Checked::Rejected(reason),
            CheckOutcome::Released => Checked::Released(reason),
        };
        let (user, by) = (report.user_id, (report.attempt, &report.worker_id));
        let version = self.jobs().plugin_checked(user, id, by, checked).await?;
        let (state, reason) = state(&version);
        let name = match state {
            PluginState::Ready => "PluginReady",
            PluginState::Rejected => "PluginRejected",
            PluginState::Checking => "PluginCheckReleased",
        };
        let fields = [
            ("event", value!(name)),
            ("plugin.id", value!(id)),
            ("plugin.name", value!(version.name)),
            ("user.id", value!(user)),
            ("reason", value!(reason)),
        ];
        log(Level::Info, name, Some(&version.correlation_id), &fields);
        json(StatusCode::OK, &PluginReportAnswer { state })
    }
}
