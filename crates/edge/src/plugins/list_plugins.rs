//! `GET /plugins`: the caller's own plugins, and those that come with the service.

use bytes::Bytes;
use framelift_contract::plugin::{PluginList, builtin};
use framelift_contract::problem::ProblemCode as Code;
use futures::future::try_join_all;
use http::{Response, StatusCode};

use super::{built_in, described, own};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/plugins");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "listPlugins", "plugins", Auth::User, "The plugins that options may name")
        .about("The caller's own by their names, then those that come with the service.")
        .answers(
            StatusCode::OK,
            "The plugins.",
            typed(&PluginList { items: vec![examples::plugin(), examples::built_in()] }),
        )
        .or(&[Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn list_plugins(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let jobs = self.jobs();
        let plugins = jobs.plugins(user).await?;
        let names = plugins.names().into_iter().map(async |name| {
            let schema = match described(&plugins, name) {
                Some(id) => jobs.plugin_schema(id).await?,
                None => None,
            };
            Ok::<_, Failure>(own(&plugins, name, schema))
        });
        let own = try_join_all(names).await?.into_iter().flatten();
        let items = own.chain(builtin::ALL.iter().map(built_in)).collect();
        json(StatusCode::OK, &PluginList { items })
    }
}
