//! `POST /internal/plugins/{id}/claim`: a worker claims the check of a plugin.

use bytes::Bytes;
use framelift_contract::object_key;
use framelift_contract::plugin::{ClaimPluginRequest, PluginCheck};
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::rules::CLAIM_ID;
use framelift_domain::{PluginId, UserId};
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::plugins::CHECK_LEASE_S;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;
use crate::store::plugins::{Version, VersionState};

pub(super) const ROUTE: Route = Route::post("/internal/plugins/{id}/claim");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "claimPlugin", "Take the check of a plugin")
        .json(typed(&ClaimPluginRequest {
            user_id: examples::user(),
            worker_id: examples::worker(),
            claim_id: "m-1".into(),
        }))
        .answers(StatusCode::OK, "The plugin and a lease on its check.", typed(&examples::plugin_check()))
        .or(&[Code::PluginNotFound, Code::LeaseHeld, Code::JobFinished, Code::JobNotReady])
}

/// The version that the path's `{id}` names; 404 if it cannot be one.
pub(super) fn plugin_id(incoming: &Incoming) -> Result<PluginId, Failure> {
    let unknown = |_| Failure::new(Code::PluginNotFound, "there is no plugin with this id");
    incoming.param("id").parse().map_err(unknown)
}

/// A check as the worker gets it; none for a version that is not being checked.
fn check(user: UserId, version: Version) -> Option<PluginCheck> {
    let object_key = object_key::plugin(user, version.id);
    let VersionState::Checking { sha256, attempts, lease: Some(lease), .. } = version.state else {
        return None;
    };
    Some(PluginCheck {
        plugin_id: version.id,
        user_id: user,
        correlation_id: version.correlation_id,
        name: version.name,
        version: version.version,
        object_key,
        sha256,
        size_bytes: version.size_bytes,
        attempt: attempts,
        lease_expires_at: lease.until,
        lease_s: CHECK_LEASE_S,
    })
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn claim_plugin(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = plugin_id(incoming)?;
        let request: ClaimPluginRequest = incoming.json()?;
        if let Some(error) = CLAIM_ID.error("/claim_id", &request.claim_id) {
            return Err(Failure::validation(vec![error]));
        }
        let (user, worker) = (request.user_id, &request.worker_id);
        let version = self.jobs().claim_plugin(user, id, worker, &request.claim_id).await?;
        let check = check(user, version);
        json(
            StatusCode::OK,
            &check.ok_or_else(|| Failure::internal("a claimed plugin is not being checked"))?,
        )
    }
}
