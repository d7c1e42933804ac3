//! Tenants' plugins: uploading, checking and pinning them.
//!
//! A user's plugins are one value ([`crate::store::plugins`]), in which each step is one change. An object is stored
//! between `begin` and `stored`, and removed before its version is, so that after a crash the sweep finds the object by
//! the version.
//!
//! A retired version that was ready is kept for `RETENTION_GRACE_S`, so that a request that has pinned it can create
//! its record, and then until no unfinished video uses it.

mod check;
mod recover;

use std::collections::BTreeMap;

use framelift_contract::object_key;
use framelift_contract::plugin::{PluginInUse, PluginState, builtin};
use framelift_contract::problem::FieldError;
use framelift_domain::{
    Checksum, CorrelationId, Options, PluginCode, PluginId, PluginPin, PluginRef, UserId, VideoId,
};
use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::keys;
use crate::store::listing::PLUGINS;
use crate::store::plugins::{PluginLimit, Plugins, Version, VersionState};
use crate::store::update::{UpdateError, Updated};

pub use check::{CHECK_LEASE_S, Checked};

/// How long the upload of a component may take, in seconds.
const UPLOAD_S: u32 = 900;
/// How long a retired version is kept at least, in seconds.
const RETENTION_GRACE_S: u32 = 3600;
/// Records that are read concurrently.
const CONCURRENT_READS: usize = 16;

/// The outcome of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// A new version is to be checked.
    New,
    /// The newest version of the name has the same component.
    Same,
}

/// The versions of a deleted plugin that unfinished videos use.
pub type InUse = Vec<PluginInUse>;

/// The state of a version on the wire, and why it was rejected.
pub fn state(version: &Version) -> (PluginState, Option<&str>) {
    match &version.state {
        VersionState::Uploading { .. } | VersionState::Checking { .. } => (PluginState::Checking, None),
        VersionState::Ready { .. } => (PluginState::Ready, None),
        VersionState::Rejected { reason, .. } => (PluginState::Rejected, Some(reason)),
    }
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// All of a user's plugins.
    pub async fn plugins(&self, user: UserId) -> Result<Plugins> {
        Ok(self.store.plugins(user).await?)
    }

    /// Changes a user's plugins after adding the user to the list [`PLUGINS`].
    async fn change_plugins<R>(
        &self,
        user: UserId,
        change: impl FnMut(Plugins) -> Result<(Plugins, bool, R)>,
    ) -> Result<Updated<Plugins, R>> {
        Ok(self.store.update_member(PLUGINS, user, &keys::plugins(user), change).await?)
    }

    /// Reserves a version for a component of at most `most_bytes`, which is then to be stored under
    /// [`object_key::plugin`].
    pub async fn begin_plugin(
        &self,
        user: UserId,
        name: &str,
        most_bytes: u64,
        correlation_id: &CorrelationId,
    ) -> Result<PluginId> {
        let now = self.now();
        let mut random = [0; 10];
        self.ambient.fill_random(&mut random);
        let id = PluginId::new(u64::try_from(now.unix_ms()).unwrap_or(0), random);
        let new = Version {
            id,
            name: name.to_owned(),
            version: 0,
            created_at: now,
            correlation_id: correlation_id.clone(),
            size_bytes: most_bytes,
            state: VersionState::Uploading { until: now.plus_s(UPLOAD_S) },
            retired_at: None,
        };
        self.change_plugins(user, |mut plugins| {
            if plugins.version(id).is_none() {
                plugins.begin(new.clone(), self.limits).map_err(|why| self.plugin_limit(why))?;
            }
            Ok((plugins, true, ()))
        })
        .await?;
        Ok(id)
    }

    /// Records that the component is in the object store, and queues its check. Removes the version again if the newest
    /// version of the name has the same component.
    pub async fn plugin_stored(
        &self,
        user: UserId,
        id: PluginId,
        sha256: Checksum,
        size_bytes: u64,
    ) -> Result<Uploaded> {
        let now = self.now();
        let stored = self.change_plugins(user, |mut plugins| {
            let before = plugins.clone();
            let is = plugins.stored(id, sha256, size_bytes, now).ok_or(JobError::UploadIncomplete)?;
            Ok((plugins.clone(), plugins != before, is))
        });
        let stored = stored.await?;
        if stored.output != id {
            self.remove_version(user, id).await?;
            return Ok(Uploaded::Same);
        }
        if let Some(version) = stored.value.version(id) {
            self.send_check(user, version, 0).await?;
        }
        Ok(Uploaded::New)
    }

    /// Removes a version whose upload failed.
    pub async fn plugin_not_stored(&self, user: UserId, id: PluginId) -> Result<()> {
        let plugins = self.store.plugins(user).await?;
        if plugins.version(id).is_some_and(|version| version.sha256().is_some()) {
            return Ok(());
        }
        self.remove_version(user, id).await
    }

    /// Deletes a plugin. Returns the versions that unfinished videos still use; those are kept until the videos have
    /// ended.
    pub async fn delete_plugin(&self, user: UserId, name: &str) -> Result<InUse> {
        let now = self.now();
        if self.store.plugins(user).await?.newest(name).is_none() {
            return Err(JobError::PluginNotFound);
        }
        let retired = self.change_plugins(user, |mut plugins| {
            if plugins.newest(name).is_none() {
                return Err(JobError::PluginNotFound);
            }
            let of_name = |version: &Version| version.name == name && version.sha256().is_some();
            let ids: Vec<PluginId> =
                plugins.versions.iter().filter(|it| of_name(it)).map(|version| version.id).collect();
            plugins.retire(now, of_name);
            Ok((plugins, true, ids))
        });
        let retired = retired.await?;
        let uses = self.plugin_uses(user).await?;
        let in_use = retired.value.versions.iter().filter(|version| retired.output.contains(&version.id));
        let in_use = in_use.filter_map(|version| {
            Some(PluginInUse { version: version.version, videos: *uses.get(&version.id)? })
        });
        Ok(in_use.collect())
    }

    /// The number of a user's unfinished videos that use each version.
    async fn plugin_uses(&self, user: UserId) -> Result<BTreeMap<PluginId, u32>> {
        let slots = self.store.slots(user).await?;
        let awaiting = slots.awaiting.iter().map(|(id, _)| *id);
        let in_flight = slots.in_flight.iter().map(|slot| slot.id);
        let ids: Vec<VideoId> = awaiting.chain(slots.waiting.iter().copied()).chain(in_flight).collect();
        let mut rows = stream::iter(ids).map(|id| self.store.video(id)).buffer_unordered(CONCURRENT_READS);
        let mut uses = BTreeMap::new();
        while let Some(row) = rows.next().await {
            // A video that is being created is not counted yet, but its version is too new to be removed.
            let Some(row) = row? else { continue };
            for id in row.video.options.plugins.iter().filter_map(uploaded) {
                *uses.entry(id).or_default() += 1;
            }
        }
        Ok(uses)
    }

    /// Pins the plugins of the options to their current versions, and checks the configurations of built-in ones. A
    /// name refers to the user's own plugin first, then to a built-in one.
    pub async fn pin(&self, user: UserId, options: &Options) -> Result<Options> {
        if options.plugins.is_empty() {
            return Ok(options.clone());
        }
        let plugins = self.store.plugins(user).await?;
        let mut errors = Vec::new();
        let mut pinned = options.clone();
        for (n, plugin) in pinned.plugins.iter_mut().enumerate() {
            plugin.pin = pin(plugin, &plugins, &format!("/plugins/{n}"), &mut errors);
        }
        if errors.is_empty() { Ok(pinned) } else { Err(JobError::PluginsRefused(errors)) }
    }

    /// Removes a version's object, then the version.
    async fn remove_version(&self, user: UserId, id: PluginId) -> Result<()> {
        self.objects.remove(&object_key::plugin(user, id)).await?;
        self.store.forget(&keys::plugin_schema(id)).await?;
        let key = keys::plugins(user);
        let removed = self.store.update(&key, |mut plugins: Plugins| {
            let changed = plugins.remove(id);
            Ok::<_, JobError>((plugins, changed, ()))
        });
        match removed.await {
            Ok(_) | Err(UpdateError::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn plugin_limit(&self, why: PluginLimit) -> JobError {
        let limits = self.limits;
        match why {
            PluginLimit::AccountClosed => JobError::AccountClosed,
            PluginLimit::Plugins => {
                JobError::PluginQuotaExceeded(format!("at most {} plugins", limits.max_plugins_per_user))
            }
            PluginLimit::Bytes { used } => {
                let limit = limits.max_plugin_bytes_per_user;
                JobError::PluginQuotaExceeded(format!("{used} of {limit} bytes"))
            }
            PluginLimit::Versions => JobError::PluginQuotaExceeded(
                "no room for another version until unfinished videos need fewer of the old ones".to_owned(),
            ),
        }
    }
}

/// The uploaded version that a job's plugin is pinned to.
fn uploaded(plugin: &PluginRef) -> Option<PluginId> {
    match &plugin.pin.as_ref()?.code {
        PluginCode::Uploaded { id, .. } => Some(*id),
        PluginCode::BuiltIn { .. } => None,
    }
}

/// The code that a plugin's name refers to. If there is none, adds the reason to `errors`. The configuration of a built-in
/// plugin becomes the one that its component reads.
fn pin(
    plugin: &mut PluginRef,
    plugins: &Plugins,
    pointer: &str,
    errors: &mut Vec<FieldError>,
) -> Option<PluginPin> {
    let mut refuse = |detail: String| {
        errors.push(FieldError::new(format!("{pointer}/name"), detail));
        None
    };
    if let Some(ready) = plugins.ready(&plugin.name)
        && let Some(sha256) = ready.sha256()
    {
        let (id, size_bytes) = (ready.id, ready.size_bytes);
        let code = PluginCode::Uploaded { id, sha256, size_bytes };
        return Some(PluginPin { version: ready.version, code });
    }
    if let Some(newest) = plugins.newest(&plugin.name) {
        return match state(newest) {
            (_, Some(reason)) => refuse(format!("was rejected: {reason}")),
            _ => refuse("is being checked: try again in a minute".to_owned()),
        };
    }
    let Some(built_in) = builtin::find(&plugin.name) else {
        return refuse("is no plugin of this account, and none that comes with the service".to_owned());
    };
    let config = serde_json::from_str(&plugin.config).unwrap_or_default();
    match built_in.check(&config, &format!("{pointer}/config")) {
        Ok(config) => plugin.config = Value::Object(config).to_string(),
        Err(wrong) => {
            errors.extend(wrong);
            return None;
        }
    }
    let code = PluginCode::BuiltIn { sha256: Some(built_in.sha256) };
    Some(PluginPin { version: built_in.version, code })
}
