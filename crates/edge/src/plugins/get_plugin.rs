//! `GET /plugins/{name}`: one plugin, the caller's own before one that comes with the service.

use bytes::Bytes;
use framelift_contract::plugin::builtin;
use http::{Response, StatusCode};

use super::{OWN_PLUGIN, built_in, described, name, own, unknown};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/plugins/{name}");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getPlugin", "plugins", Auth::User, "One plugin")
        .answers(StatusCode::OK, "The plugin.", typed(&examples::plugin()))
        .or(OWN_PLUGIN)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn get_plugin(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let (name, jobs) = (name(incoming)?, self.jobs());
        let plugins = jobs.plugins(user).await?;
        let schema = match described(&plugins, name) {
            Some(id) => jobs.plugin_schema(id).await?,
            None => None,
        };
        let plugin = own(&plugins, name, schema).or_else(|| builtin::find(name).map(built_in));
        json(StatusCode::OK, &plugin.ok_or_else(unknown)?)
    }
}
