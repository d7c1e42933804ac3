//! Frame plugins: the bodies of the API's calls, and of the calls between workers and `control`.

pub mod builtin;
mod schema;

use framelift_domain::{Checksum, CorrelationId, PluginCode, PluginId, PluginRef, Time, UserId, WorkerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::object_key;

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// It awaits its check, or a worker checks it.
    Checking,
    /// It can be used.
    Ready,
    /// It cannot be used.
    Rejected,
}

/// A plugin: its newest version, and the one that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginResponse {
    /// The name by which options refer to it.
    pub name: String,
    /// Whether it comes with the service; an uploaded plugin of the same name replaces it.
    pub built_in: bool,
    /// The newest version. The version numbers of an account increase, and none is used twice.
    pub version: u32,
    /// The version that new videos get: the newest one that is ready. Null while there is none.
    pub ready_version: Option<u32>,
    /// SHA-256 of the newest version's component in hexadecimal; null while it is uploaded.
    #[schema(value_type = Option<String>)]
    pub sha256: Option<Checksum>,
    /// Bytes of the newest version's component.
    pub size_bytes: Option<u64>,
    /// The state of the newest version.
    pub state: PluginState,
    /// Why it was rejected; null in the other states.
    pub reason: Option<String>,
    /// JSON Schema of the configuration; null if the plugin has none.
    #[schema(value_type = Option<Object>)]
    pub config_schema: Option<Map<String, Value>>,
    /// When the newest version was uploaded; null for one that comes with the service.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Time>,
}

/// `GET /plugins`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginList {
    /// The caller's own by their names, then those that come with the service.
    pub items: Vec<PluginResponse>,
}

/// `DELETE /plugins/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedPluginResponse {
    /// The name of the deleted plugin.
    pub name: String,
    /// The versions that unfinished videos still use. Each is deleted after the last of these has ended.
    pub in_use: Vec<PluginInUse>,
}

/// A version that unfinished videos run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginInUse {
    /// Its number.
    pub version: u32,
    /// How many videos run it.
    pub videos: u32,
}

/// The code of one plugin of a job, pinned when the job was created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobPlugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its configuration.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// Where its code is.
    pub code: JobPluginCode,
}

/// Where a plugin's code is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobPluginCode {
    /// It comes with the worker, under the plugin's name.
    BuiltIn {
        /// The component's SHA-256 in hexadecimal; absent for jobs of before it was pinned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        sha256: Option<Checksum>,
    },
    /// It is in the object store.
    Uploaded {
        /// The uploaded version.
        #[schema(value_type = String)]
        plugin_id: PluginId,
        /// The component's key.
        object_key: String,
        /// The component's SHA-256 in hexadecimal.
        #[schema(value_type = String)]
        sha256: Checksum,
        /// The component's bytes.
        size_bytes: u64,
    },
}

impl JobPlugin {
    /// A plugin of a job of that user; none before it is pinned.
    pub fn of(user: UserId, plugin: &PluginRef) -> Option<Self> {
        let pin = plugin.pin.as_ref()?;
        let code = match &pin.code {
            PluginCode::BuiltIn { sha256 } => JobPluginCode::BuiltIn { sha256: *sha256 },
            PluginCode::Uploaded { id, sha256, size_bytes } => JobPluginCode::Uploaded {
                plugin_id: *id,
                object_key: object_key::plugin(user, *id),
                sha256: *sha256,
                size_bytes: *size_bytes,
            },
        };
        Some(Self {
            name: plugin.name.clone(),
            version: pin.version,
            config: serde_json::from_str(&plugin.config).unwrap_or_default(),
            code,
        })
    }
}

/// `POST /internal/plugins/{id}/claim`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimPluginRequest {
    /// The plugin's owner, as the message says.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The worker that claims.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// New for each received message: a repeated claim, after a lost answer, gets the same lease.
    pub claim_id: String,
}

/// A plugin to check, and a lease on it, which is not renewed: a check that takes longer has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginCheck {
    /// The uploaded version.
    #[schema(value_type = String)]
    pub plugin_id: PluginId,
    /// Its owner.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The correlation id of the request that caused the check.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// The plugin's name.
    pub name: String,
    /// The version's number.
    pub version: u32,
    /// The component's key.
    pub object_key: String,
    /// The component's SHA-256 in hexadecimal.
    #[schema(value_type = String)]
    pub sha256: Checksum,
    /// The component's bytes.
    pub size_bytes: u64,
    /// This attempt, from 1.
    pub attempt: u32,
    /// The lease's end.
    #[schema(value_type = String, format = DateTime)]
    pub lease_expires_at: Time,
    /// The lease's length in seconds.
    pub lease_s: u32,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// The plugin can be used.
    Ready,
    /// The plugin cannot be used.
    Rejected,
    /// The check is released, because the fault is not the plugin's. `control` sends a new message for it.
    Released,
}

/// `POST /internal/plugins/{id}/report`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginReport {
    /// The plugin's owner.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The attempt of the claim.
    pub attempt: u32,
    /// The worker that reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// The outcome.
    pub outcome: CheckOutcome,
    /// Why it was rejected or released, for the plugin's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// JSON Schema of the configuration, where the plugin brings one, of at most 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub config_schema: Option<Map<String, Value>>,
}

/// The answer to a report about a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginReportAnswer {
    /// The plugin's state now.
    pub state: PluginState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_before_built_in_plugins_were_pinned_are_read() {
        let before = r#"{"kind":"built_in"}"#;
        let code: JobPluginCode = serde_json::from_str(before).unwrap();
        assert_eq!(code, JobPluginCode::BuiltIn { sha256: None });
        assert_eq!(serde_json::to_string(&code).unwrap(), before);
    }
}
