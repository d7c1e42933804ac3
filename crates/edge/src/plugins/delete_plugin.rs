//! `DELETE /plugins/{name}`: deletes a plugin of the caller's; versions that videos still run go after them.

use bytes::Bytes;
use framelift_contract::plugin::{DeletedPluginResponse, PluginInUse};
use http::{Response, StatusCode};

use super::{OWN_PLUGIN, name};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::delete("/plugins/{name}");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "deletePlugin", "plugins", Auth::User, "Delete a plugin")
        .about(
            "From now on its name means a plugin that comes with the service, or nothing. Videos that were \
             accepted before still run it: `in_use` says which versions they keep. The code of the others is \
             removed within two hours.",
        )
        .answers(
            StatusCode::OK,
            "It is deleted.",
            typed(&DeletedPluginResponse {
                name: "my-plugin".into(),
                in_use: vec![PluginInUse { version: 2, videos: 4 }],
            }),
        )
        .or(OWN_PLUGIN)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn delete_plugin(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let name = name(incoming)?.to_owned();
        let in_use = self.jobs().delete_plugin(user, &name).await?;
        json(StatusCode::OK, &DeletedPluginResponse { name, in_use })
    }
}
