//! Component `plugins`: tenants' own frame plugins, and those that come with the service.

mod delete_plugin;
mod get_plugin;
mod list_plugins;
mod put_plugin;

use framelift_contract::plugin::builtin::BuiltIn;
use framelift_contract::plugin::{PluginResponse, PluginState};
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::rules::PLUGIN_NAME;
use framelift_domain::PluginId;
use serde_json::{Map, Value};

use crate::http::{Failure, Incoming, Router, component};
use crate::jobs::plugins;
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;
use crate::store::plugins::Plugins;

component! {
    Service<'_, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    stream: [put_plugin];
    call: [list_plugins, get_plugin, delete_plugin]
}

/// The problems of a call on one of the caller's plugins.
const OWN_PLUGIN: &[Code] = &[Code::PluginNotFound, Code::Unavailable];

/// The plugin that the path names; 404 for what cannot be a name.
fn name(incoming: &Incoming) -> Result<&str, Failure> {
    Some(incoming.param("name")).filter(|name| PLUGIN_NAME.allows(name)).ok_or_else(unknown)
}

fn unknown() -> Failure {
    Failure::new(Code::PluginNotFound, "there is no plugin of this name")
}

/// One of the caller's plugins; none if there is none with that name.
fn own(plugins: &Plugins, name: &str, config_schema: Option<Map<String, Value>>) -> Option<PluginResponse> {
    let newest = plugins.newest(name)?;
    let (state, reason) = plugins::state(newest);
    Some(PluginResponse {
        name: name.to_owned(),
        built_in: false,
        version: newest.version,
        ready_version: plugins.ready(name).map(|ready| ready.version),
        sha256: newest.sha256(),
        size_bytes: Some(newest.size_bytes),
        state,
        reason: reason.map(str::to_owned),
        config_schema,
        created_at: Some(newest.created_at),
    })
}

/// The version whose schema is shown: the ready one.
fn described(plugins: &Plugins, name: &str) -> Option<PluginId> {
    plugins.ready(name).map(|ready| ready.id)
}

/// A plugin that comes with the service.
fn built_in(plugin: &BuiltIn) -> PluginResponse {
    PluginResponse {
        name: plugin.name.clone(),
        built_in: true,
        version: plugin.version,
        ready_version: Some(plugin.version),
        sha256: Some(plugin.sha256),
        size_bytes: Some(plugin.size_bytes),
        state: PluginState::Ready,
        reason: None,
        config_schema: Some(plugin.config_schema.clone()),
        created_at: None,
    }
}
