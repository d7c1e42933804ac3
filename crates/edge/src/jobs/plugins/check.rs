//! Checks of plugins by workers: leased claims, and reports.

use framelift_contract::message::{Message, PluginMessage};
use framelift_contract::webhook::{EventData, EventType, PluginEvent};
use framelift_domain::video::Lane;
use framelift_domain::{PluginId, UserId, WorkerId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::plugins::{CheckLease, Plugins, Version, VersionState};
use crate::store::{Stored, keys};

/// The lease of a worker for a check, in seconds. It is not renewed, and covers a worker's longest check: 240 s of
/// processor time at a quarter of a processor, a minute for the component and two for the report.
pub const CHECK_LEASE_S: u32 = 1200;
/// Maximum of checks that end without a verdict.
const MAX_ATTEMPTS: u32 = 5;
/// Maximum of bytes of a configuration's schema.
const MAX_SCHEMA_BYTES: usize = 8 << 10;

/// How a check ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Checked {
    /// The plugin can be used. Holds the schema of its configuration.
    Ready(Option<Map<String, Value>>),
    /// The plugin cannot be used, with the reason.
    Rejected(String),
    /// The worker released the check, with the reason.
    Released(String),
}

/// The schema of a plugin's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ConfigSchema(pub(super) Map<String, Value>);

impl Stored for ConfigSchema {}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// The schema of a version's configuration.
    pub async fn plugin_schema(&self, id: PluginId) -> Result<Option<Map<String, Value>>> {
        let schema: Option<ConfigSchema> = self.store.get(&keys::plugin_schema(id)).await?;
        Ok(schema.map(|schema| schema.0))
    }

    /// Asks a worker to check a version.
    pub(super) async fn send_check(&self, user: UserId, version: &Version, delay_s: u32) -> Result<()> {
        let message = PluginMessage {
            version: 1,
            plugin_id: version.id,
            user_id: user,
            correlation_id: version.correlation_id.clone(),
        };
        Ok(self.queue.send(Lane::Short, &Message::Plugin(message), delay_s).await?)
    }

    /// Assigns a check to a worker: makes the next attempt, with a lease. A repeated call with the same claim id
    /// returns the same attempt while the lease lasts.
    pub async fn claim_plugin(
        &self,
        user: UserId,
        id: PluginId,
        worker: &WorkerId,
        claim_id: &str,
    ) -> Result<Version> {
        let now = self.now();
        if self.store.plugins(user).await?.version(id).is_none() {
            return Err(JobError::PluginNotFound);
        }
        let claimed = self.change_plugins(user, |mut plugins| {
            let version = plugins.version_mut(id).ok_or(JobError::PluginNotFound)?;
            if version.retired_at.is_some() {
                return Err(JobError::JobFinished);
            }
            let VersionState::Checking { attempts, lease, .. } = &mut version.state else {
                return match version.state {
                    VersionState::Uploading { .. } => Err(JobError::JobNotReady),
                    _ => Err(JobError::JobFinished),
                };
            };
            if let Some(held) = lease.as_ref().filter(|held| now < held.until) {
                if held.worker == *worker && held.claim_id == claim_id {
                    return Ok((plugins, false, ()));
                }
                let ms = held.until.ms_since(now).clamp(1, i64::from(CHECK_LEASE_S) * 1000);
                let retry_after_s = u32::try_from(ms).unwrap_or(1).div_ceil(1000);
                return Err(JobError::LeaseHeld { retry_after_s });
            }
            if *attempts >= MAX_ATTEMPTS {
                plugins.checked(id, Some(&exhausted(None)), now);
                return Ok((plugins, true, ()));
            }
            *attempts += 1;
            let until = now.plus_s(CHECK_LEASE_S);
            *lease = Some(CheckLease { worker: worker.clone(), claim_id: claim_id.to_owned(), until });
            Ok((plugins, true, ()))
        });
        let plugins = claimed.await?.value;
        match plugins.version(id) {
            Some(version) if matches!(version.state, VersionState::Checking { .. }) => Ok(version.clone()),
            Some(version) => {
                self.publish_rejection(user, version).await?;
                Err(JobError::JobFinished)
            }
            None => Err(JobError::JobFinished),
        }
    }

    /// Publishes the event of a rejection, unless that was done before.
    pub(super) async fn publish_rejection(&self, user: UserId, version: &Version) -> Result<()> {
        let VersionState::Rejected { reason, notice_due: true, .. } = &version.state else { return Ok(()) };
        let data = EventData::Plugin(PluginEvent { plugin: version.name.clone(), reason: reason.clone() });
        let (id, correlation_id) = (version.id, &version.correlation_id);
        match self.publish_event(user, id.into(), EventType::PluginRejected, correlation_id, data).await {
            Ok(_) | Err(JobError::AccountClosed) => {}
            Err(error) => return Err(error),
        }
        let key = keys::plugins(user);
        let told = self.store.update(&key, |mut plugins: Plugins| {
            let changed = plugins.mark_notified(id);
            Ok::<_, JobError>((plugins, changed, ()))
        });
        told.await?;
        Ok(())
    }

    /// Records the result of an attempt's check. May be repeated. A check that was released too often rejects the
    /// plugin.
    pub async fn plugin_checked(
        &self,
        user: UserId,
        id: PluginId,
        (attempt, worker): (u32, &WorkerId),
        checked: Checked,
    ) -> Result<Version> {
        let now = self.now();
        if self.store.plugins(user).await?.version(id).is_none() {
            return Err(JobError::PluginNotFound);
        }
        if let Checked::Ready(Some(schema)) = &checked {
            // The schema is stored before the version becomes ready, so that a ready version has its schema.
            let bytes = serde_json::to_vec(schema).map_or(usize::MAX, |bytes| bytes.len());
            if bytes <= MAX_SCHEMA_BYTES {
                self.store.set_plain(&keys::plugin_schema(id), &ConfigSchema(schema.clone())).await?;
            }
        }
        let delay_s = self.delay_s(attempt);
        let reported = self.change_plugins(user, |mut plugins| {
            let version = plugins.version_mut(id).ok_or(JobError::PluginNotFound)?;
            let VersionState::Checking { attempts, lease, since, .. } = &mut version.state else {
                // The report is repeated because its answer was lost.
                return match (&version.state, &checked) {
                    (VersionState::Ready { .. }, Checked::Ready(_))
                    | (VersionState::Rejected { .. }, Checked::Rejected(_) | Checked::Released(_)) => {
                        Ok((plugins, false, false))
                    }
                    _ => Err(JobError::JobFinished),
                };
            };
            if attempt == *attempts && lease.is_none() && matches!(checked, Checked::Released(_)) {
                return Ok((plugins, false, true));
            }
            let held = lease.as_ref().is_some_and(|held| held.worker == *worker);
            if attempt != *attempts || !held {
                return Err(JobError::StaleCheck);
            }
            match &checked {
                Checked::Ready(_) => plugins.checked(id, None, now),
                Checked::Rejected(reason) => plugins.checked(id, Some(reason), now),
                Checked::Released(reason) if *attempts >= MAX_ATTEMPTS => {
                    plugins.checked(id, Some(&exhausted(Some(reason))), now)
                }
                Checked::Released(_) => {
                    (*lease, *since) = (None, now.plus_s(delay_s));
                    return Ok((plugins, true, true));
                }
            };
            Ok((plugins, true, false))
        });
        let reported = reported.await?;
        let version = reported.value.version(id).ok_or(JobError::PluginNotFound)?;
        if reported.output {
            self.send_check(user, version, delay_s).await?;
        }
        self.publish_rejection(user, version).await?;
        Ok(version.clone())
    }
}

/// The reason for rejecting a plugin of which no check ended with a verdict.
pub(super) fn exhausted(last: Option<&str>) -> String {
    let gave_up = format!("no check came to an end in {MAX_ATTEMPTS} attempts");
    last.map_or(gave_up.clone(), |last| format!("{gave_up}: {last}"))
}
