//! The sweep of plugins: removes abandoned uploads and unused versions, and repeats or ends checks without a result.

use framelift_domain::{PluginId, Time, UserId};
use serde_json::json;

use super::check::exhausted;
use super::{JobError, Jobs, RETENTION_GRACE_S, Result};
use crate::http::{Level, log};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::keys;
use crate::store::listing::PLUGINS;
use crate::store::plugins::{Plugins, Version, VersionState};
use crate::store::update::UpdateError;

/// How long after its upload a version without a result of its check is rejected, in seconds.
const MAX_CHECK_S: u32 = 24 * 3600;

/// The next step for a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Remove its object, then the version.
    Removal,
    /// The same, unless an unfinished video uses it.
    RemovalUnlessUsed,
    /// Send another message for its check.
    Message,
    /// Reject it.
    Rejection,
    /// Notify the owner of its rejection.
    Notice,
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Does the next step for each version of a user's plugins.
    pub(in crate::jobs) async fn recover_plugins(&self, user: UserId, epoch: u64) -> Result<()> {
        let plugins = self.store.plugins(user).await?;
        let mut uses = None;
        // A version that fails does not block the others.
        let mut outcome = Ok(());
        for version in &plugins.versions {
            let Some(due) = self.due(version, plugins.closed) else { continue };
            if due == Due::RemovalUnlessUsed {
                if uses.is_none() {
                    uses = Some(self.plugin_uses(user).await?);
                }
                if uses.as_ref().is_some_and(|uses| uses.contains_key(&version.id)) {
                    continue;
                }
            }
            outcome = outcome.and(self.recover_version(user, version, due).await);
        }
        outcome?;
        Ok(self.store.leave_if_idle::<Plugins>(PLUGINS, user, &keys::plugins(user), epoch).await?)
    }

    fn due(&self, version: &Version, closed: bool) -> Option<Due> {
        let now = self.now();
        if closed {
            return Some(Due::Removal);
        }
        match &version.state {
            VersionState::Uploading { until } if version.retired_at.is_some() || *until <= now => {
                Some(Due::Removal)
            }
            VersionState::Uploading { .. } => None,
            VersionState::Ready { .. } => {
                let retired_at = version.retired_at?;
                (retired_at.plus_s(RETENTION_GRACE_S) <= now).then_some(Due::RemovalUnlessUsed)
            }
            VersionState::Rejected { notice_due: true, .. } => Some(Due::Notice),
            // No job can be pinned to it.
            _ if version.retired_at.is_some() => Some(Due::Removal),
            VersionState::Rejected { .. } => None,
            VersionState::Checking { .. } if version.created_at.plus_s(MAX_CHECK_S) <= now => {
                Some(Due::Rejection)
            }
            VersionState::Checking { lease, since, .. } => {
                let waits_since = lease.as_ref().map_or(*since, |lease| lease.until.max(*since));
                (waits_since.plus_s(self.limits.resend_after_s) <= now).then_some(Due::Message)
            }
        }
    }

    async fn recover_version(&self, user: UserId, version: &Version, due: Due) -> Result<()> {
        match due {
            Due::Removal | Due::RemovalUnlessUsed => self.remove_unchanged(user, version).await,
            Due::Message => {
                let noted = self.update_checking(user, version.id, |state, now| {
                    if let VersionState::Checking { since, .. } = state {
                        *since = now;
                    }
                });
                if noted.await? { self.send_check(user, version, 0).await } else { Ok(()) }
            }
            Due::Rejection => {
                let now = self.now();
                let key = keys::plugins(user);
                let rejected = self.store.update(&key, |mut plugins: Plugins| {
                    let changed = plugins.checked(version.id, Some(&exhausted(None)), now);
                    Ok::<_, JobError>((plugins, changed, ()))
                });
                match rejected.await?.value.version(version.id) {
                    Some(version) => self.publish_rejection(user, version).await,
                    None => Ok(()),
                }
            }
            Due::Notice => self.publish_rejection(user, version).await,
        }
    }

    /// Removes a version, unless it has changed since it was read. An expired upload is retired first, so that it
    /// cannot become a version while its object is removed.
    async fn remove_unchanged(&self, user: UserId, version: &Version) -> Result<()> {
        let now = self.now();
        let key = keys::plugins(user);
        let retired = self.store.update(&key, |mut plugins: Plugins| {
            let same = plugins.version(version.id).is_some_and(|it| it.state == version.state);
            let changed = same && plugins.retire(now, |it| it.id == version.id);
            Ok::<_, JobError>((plugins, changed, same))
        });
        if retired.await?.output { self.remove_version(user, version.id).await } else { Ok(()) }
    }

    /// Changes the state of a version that is being checked. Returns whether it still was.
    async fn update_checking(
        &self,
        user: UserId,
        id: PluginId,
        change: impl Fn(&mut VersionState, Time),
    ) -> Result<bool> {
        let now = self.now();
        let key = keys::plugins(user);
        let changed = self.store.update(&key, |mut plugins: Plugins| {
            let version = plugins.version_mut(id);
            let checking = version.filter(|it| matches!(it.state, VersionState::Checking { .. }));
            let found = checking.map(|version| change(&mut version.state, now)).is_some();
            Ok::<_, JobError>((plugins, found, found))
        });
        Ok(changed.await?.output)
    }

    /// Closes the plugins of a deleted account: refuses uploads, and deletes all objects, now or with the next
    /// sweeps.
    pub(in crate::jobs) async fn close_plugins(&self, user: UserId) -> Result<()> {
        let key = keys::plugins(user);
        let close = |mut plugins: Plugins| {
            let changed = !std::mem::replace(&mut plugins.closed, true);
            Ok::<_, JobError>((plugins, changed, ()))
        };
        let closed = match self.store.get::<Plugins>(&key).await? {
            Some(plugins) if !plugins.versions.is_empty() => self.change_plugins(user, close).await?.value,
            _ => loop {
                match self.store.update(&key, close).await {
                    Ok(updated) => break updated.value,
                    Err(UpdateError::Missing) => {
                        self.store.create(&key, &Plugins::default()).await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            },
        };
        for version in &closed.versions {
            if let Err(error) = self.remove_version(user, version.id).await {
                let fields = [("plugin.id", json!(version.id)), ("cause", json!(error.to_string()))];
                let message = "a plugin is left for a later sweep";
                log(Level::Warn, message, Some(&version.correlation_id), &fields);
            }
        }
        if closed.listed.listed {
            self.store.leave_if_idle::<Plugins>(PLUGINS, user, &key, 0).await?;
        }
        Ok(())
    }
}
