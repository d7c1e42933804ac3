//! All versions of a user's plugins in one value, so that concurrent writers keep the version numbers unique and the
//! limits.

use std::collections::BTreeSet;

use framelift_domain::{Checksum, CorrelationId, Limits, PluginId, Time, UserId, WorkerId};
use serde::{Deserialize, Serialize};

use super::listing::{Member, Membership};
use super::{Store, StoreError, Stored, keys};
use crate::ports::{Ambient, Kv};

/// Maximum of versions of one user, including those that only earlier jobs need.
pub const MAX_VERSIONS: usize = 36;
/// Maximum of bytes of the reason of a rejection, as JSON.
const MAX_REASON_BYTES: usize = 256;

/// A user's plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugins {
    /// Whether the user is in the list [`PLUGINS`](super::listing::PLUGINS).
    pub listed: Membership,
    /// Whether the account is deleted, so that uploads are refused.
    #[serde(default)]
    pub closed: bool,
    /// The number of the newest version of all plugins.
    pub last_version: u32,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The id, which is part of the object's key.
    pub id: PluginId,
    /// The plugin's name.
    pub name: String,
    /// Its number.
    pub version: u32,
    /// When its upload began.
    pub created_at: Time,
    /// The correlation id of the upload.
    pub correlation_id: CorrelationId,
    /// Bytes of the component. During the upload, the maximum that it may have.
    pub size_bytes: u64,
    /// The state.
    pub state: VersionState,
    /// Since when the plugin's name refers to another version, or to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
}

/// The state of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum VersionState {
    /// The component is being uploaded.
    Uploading {
        /// When the upload expires.
        until: Time,
    },
    /// The component awaits its check, or a worker checks it.
    Checking {
        /// SHA-256 of the component.
        sha256: Checksum,
        /// Number of checks that were claimed.
        attempts: u32,
        /// Since when it awaits a worker.
        since: Time,
        /// The lease of the worker that checks it.
        lease: Option<CheckLease>,
    },
    /// The plugin can be used.
    Ready {
        /// SHA-256 of the component.
        sha256: Checksum,
    },
    /// The plugin cannot be used.
    Rejected {
        /// SHA-256 of the component.
        sha256: Checksum,
        /// Why.
        reason: String,
        /// Whether the owner is still to be notified.
        #[serde(rename = "untold", default, skip_serializing_if = "std::ops::Not::not")]
        notice_due: bool,
    },
}

/// A worker's lease of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckLease {
    /// The worker that holds the lease.
    pub worker: WorkerId,
    /// Distinguishes a repeated claim from another claim of the same worker.
    pub claim_id: String,
    /// The end of the lease.
    pub until: Time,
}

/// Why an upload of a plugin is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginLimit {
    /// The user has the maximum of plugins.
    Plugins,
    /// The user's plugins would have more bytes than allowed.
    Bytes {
        /// Bytes of the existing plugins.
        used: u64,
    },
    /// Too many old versions are still kept.
    Versions,
    /// The account is deleted.
    AccountClosed,
}

impl Stored for Plugins {
    const TAGS: &'static [&'static str] = &["name"];
}

impl Member for Plugins {
    fn membership(&mut self) -> &mut Membership {
        &mut self.listed
    }

    fn is_idle(&self) -> bool {
        let settled = |version: &Version| {
            let checked = matches!(
                version.state,
                VersionState::Ready { .. } | VersionState::Rejected { notice_due: false, .. }
            );
            checked && version.retired_at.is_none() && !self.closed
        };
        self.versions.iter().all(settled)
    }
}

impl Version {
    /// SHA-256 of the component; none while it is being uploaded.
    pub fn sha256(&self) -> Option<Checksum> {
        match self.state {
            VersionState::Uploading { .. } => None,
            VersionState::Checking { sha256, .. }
            | VersionState::Ready { sha256 }
            | VersionState::Rejected { sha256, .. } => Some(sha256),
        }
    }

    /// Whether it can be used.
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, VersionState::Ready { .. })
    }

    /// Whether the plugin's name refers to this version, or will once it is ready.
    const fn is_current(&self) -> bool {
        self.retired_at.is_none() && !matches!(self.state, VersionState::Uploading { .. })
    }
}

impl Plugins {
    /// The version of that id.
    pub fn version(&self, id: PluginId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The version of that id, to change it.
    pub fn version_mut(&mut self, id: PluginId) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.id == id)
    }

    /// The names of the plugins, sorted.
    pub fn names(&self) -> BTreeSet<&str> {
        self.current().map(|version| version.name.as_str()).collect()
    }

    fn current(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.is_current())
    }

    /// The newest version of a name.
    pub fn newest(&self, name: &str) -> Option<&Version> {
        self.current().filter(|version| version.name == name).max_by_key(|version| version.version)
    }

    /// The version of a name that new jobs use.
    pub fn ready(&self, name: &str) -> Option<&Version> {
        let ready = self.current().filter(|version| version.name == name && version.is_ready());
        ready.max_by_key(|version| version.version)
    }

    /// Bytes of the versions that names refer to, including uploads in progress.
    pub fn used_bytes(&self) -> u64 {
        let kept = self.versions.iter().filter(|version| version.retired_at.is_none());
        kept.fold(0, |sum, version| sum.saturating_add(version.size_bytes))
    }

    /// Begins the upload of a version. Returns its number.
    pub fn begin(&mut self, new: Version, limits: &Limits) -> Result<u32, PluginLimit> {
        if self.closed {
            return Err(PluginLimit::AccountClosed);
        }
        let kept = || self.versions.iter().filter(|version| version.retired_at.is_none());
        let mut names: BTreeSet<&str> = kept().map(|version| version.name.as_str()).collect();
        names.insert(&new.name);
        if names.len() > limits.max_plugins_per_user as usize {
            return Err(PluginLimit::Plugins);
        }
        let used = self.used_bytes();
        if used.saturating_add(new.size_bytes) > limits.max_plugin_bytes_per_user {
            return Err(PluginLimit::Bytes { used });
        }
        if self.versions.len() >= MAX_VERSIONS {
            return Err(PluginLimit::Versions);
        }
        self.last_version = self.last_version.saturating_add(1);
        self.versions.push(Version { version: self.last_version, ..new });
        Ok(self.last_version)
    }

    /// Records that the component is stored, which makes it due for a check, and retires older versions of the name
    /// that cannot be used. Returns the version's id; if the newest version of the name has the same component, returns
    /// the id of that one. None if the upload has expired.
    pub fn stored(&mut self, id: PluginId, sha256: Checksum, size_bytes: u64, now: Time) -> Option<PluginId> {
        let known = self.version(id)?;
        match known.state {
            VersionState::Uploading { .. } if known.retired_at.is_none() => {}
            VersionState::Uploading { .. } => return None,
            _ => return Some(id),
        }
        let name = known.name.clone();
        let same = self.newest(&name).filter(|newest| {
            newest.sha256() == Some(sha256) && !matches!(newest.state, VersionState::Rejected { .. })
        });
        if let Some(same) = same.map(|same| same.id) {
            self.retire(now, |version| version.id == id);
            return Some(same);
        }
        let version = self.version_mut(id)?;
        version.state = VersionState::Checking { sha256, attempts: 0, since: now, lease: None };
        version.size_bytes = size_bytes;
        self.make_room(&name, now);
        Some(id)
    }

    /// Retires the versions of a name but the newest one and the newest ready one.
    fn make_room(&mut self, name: &str, now: Time) {
        let (newest, ready) = (self.newest(name).map(|it| it.id), self.ready(name).map(|it| it.id));
        self.retire(now, |version| {
            version.name == name && version.is_current() && ![newest, ready].contains(&Some(version.id))
        });
    }

    /// Records the result of a check. Returns whether anything changed.
    pub fn checked(&mut self, id: PluginId, rejected: Option<&str>, now: Time) -> bool {
        let Some(version) = self.version_mut(id) else { return false };
        let VersionState::Checking { sha256, .. } = version.state else { return false };
        version.state = match rejected {
            None => VersionState::Ready { sha256 },
            Some(reason) => VersionState::Rejected { sha256, reason: bounded(reason), notice_due: true },
        };
        let name = version.name.clone();
        self.make_room(&name, now);
        true
    }

    /// Records that the notice of a rejection is queued. Returns whether anything changed.
    pub fn mark_notified(&mut self, id: PluginId) -> bool {
        match self.version_mut(id).map(|version| &mut version.state) {
            Some(VersionState::Rejected { notice_due, .. }) => std::mem::take(notice_due),
            _ => false,
        }
    }

    /// Retires versions, so that no name refers to them. Returns whether anything changed.
    pub fn retire(&mut self, now: Time, mut which: impl FnMut(&Version) -> bool) -> bool {
        let mut changed = false;
        for version in &mut self.versions {
            if version.retired_at.is_none() && which(version) {
                version.retired_at = Some(now);
                changed = true;
            }
        }
        changed
    }

    /// Removes a version whose object is deleted. Returns whether anything changed.
    pub fn remove(&mut self, id: PluginId) -> bool {
        let before = self.versions.len();
        self.versions.retain(|version| version.id != id);
        self.versions.len() < before
    }
}

/// Truncates a reason to the bytes that it may have.
fn bounded(reason: &str) -> String {
    let mut bytes = 0;
    let fits = |character: &char| {
        // As JSON, where a control character takes six bytes.
        bytes += if character.is_control() { 6 } else { character.len_utf8().max(2) };
        bytes <= MAX_REASON_BYTES
    };
    let kept: String = reason.chars().take_while(fits).collect();
    if kept.len() < reason.len() { format!("{kept}…") } else { kept }
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// A user's plugins, empty if there never was one.
    pub async fn plugins(&self, user: UserId) -> Result<Plugins, StoreError> {
        Ok(self.get(&keys::plugins(user)).await?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::value::{Envelope, MAX_VALUE_BYTES};

    fn new(n: u8, name: &str, size_bytes: u64) -> Version {
        let at = Time::from_unix_ms(1_700_000_000_000 + i64::from(n));
        Version {
            id: PluginId::new(u64::from(n), [n; 10]),
            name: name.to_owned(),
            version: 0,
            created_at: at,
            correlation_id: "c".repeat(64).parse().unwrap(),
            size_bytes,
            state: VersionState::Uploading { until: at.plus_s(60) },
            retired_at: None,
        }
    }

    fn add(plugins: &mut Plugins, n: u8, name: &str) -> PluginId {
        let (version, limits) = (new(n, name, 1), Limits::default());
        let (id, now) = (version.id, version.created_at);
        plugins.begin(version, &limits).unwrap();
        plugins.stored(id, [n; 32].into(), 1, now).unwrap()
    }

    fn later(n: u8) -> Time {
        Time::from_unix_ms(1_800_000_000_000 + i64::from(n))
    }

    #[test]
    fn the_largest_value_fits() {
        let limits = Limits { max_plugins_per_user: 100, ..Limits::default() };
        let mut plugins = Plugins::default();
        for n in 0..MAX_VERSIONS as u8 {
            let version = new(n, &format!("{n:064}"), 1);
            let id = version.id;
            plugins.begin(version, &limits).unwrap();
            plugins.stored(id, [0xab; 32].into(), 1, later(n)).unwrap();
            plugins.checked(id, Some(&"\u{1}\"é".repeat(400)), later(n));
            plugins.retire(later(n), |version| version.id == id);
        }
        let one_more = new(99, "x", 1);
        assert_eq!(plugins.begin(one_more, &limits), Err(PluginLimit::Versions));
        let mut envelope = Envelope::new("plugins/x", &plugins).unwrap();
        envelope.ops = vec!["0123456789abcdef.0".into(); 16];
        assert!(envelope.write("plugins/x").unwrap().len() < MAX_VALUE_BYTES - (2 << 10));
    }

    #[test]
    fn a_name_refers_to_the_newest_ready_version() {
        let mut plugins = Plugins::default();
        let first = add(&mut plugins, 1, "a");
        assert!(plugins.ready("a").is_none() && plugins.newest("a").unwrap().id == first);
        plugins.checked(first, None, later(1));
        let second = add(&mut plugins, 2, "a");
        assert_eq!((plugins.ready("a").unwrap().id, plugins.newest("a").unwrap().id), (first, second));
        // A rejected version does not replace the ready one, and the next upload retires it.
        plugins.checked(second, Some("no"), later(2));
        assert_eq!(plugins.ready("a").unwrap().id, first);
        let third = add(&mut plugins, 3, "a");
        assert!(plugins.version(second).unwrap().retired_at.is_some());
        plugins.checked(third, None, later(3));
        assert_eq!(plugins.ready("a").unwrap().version, 3);
        assert!(plugins.version(first).unwrap().retired_at.is_some());
        assert!(!plugins.is_idle());
        assert!(plugins.remove(first) && plugins.remove(second) && !plugins.remove(second));
        assert!(plugins.is_idle());
        // The same component again is the same version.
        let again = new(4, "a", 1);
        let id = again.id;
        plugins.begin(again, &Limits::default()).unwrap();
        assert_eq!(plugins.stored(id, [3; 32].into(), 1, later(4)), Some(third));
        assert!(plugins.version(id).unwrap().retired_at.is_some());
        // An older version that is checked late does not replace a newer one.
        let (fifth, sixth) = (add(&mut plugins, 5, "b"), add(&mut plugins, 6, "b"));
        plugins.checked(sixth, None, later(6));
        plugins.checked(fifth, None, later(7));
        assert_eq!(plugins.ready("b").unwrap().id, sixth);
    }

    #[test]
    fn the_number_and_the_bytes_of_plugins_are_limited() {
        let limits = Limits { max_plugins_per_user: 2, max_plugin_bytes_per_user: 10, ..Limits::default() };
        let mut plugins = Plugins::default();
        assert_eq!(plugins.begin(new(1, "a", 4), &limits), Ok(1));
        assert_eq!(plugins.begin(new(2, "b", 4), &limits), Ok(2));
        assert_eq!(plugins.begin(new(3, "c", 1), &limits), Err(PluginLimit::Plugins));
        assert_eq!(plugins.begin(new(3, "a", 3), &limits), Err(PluginLimit::Bytes { used: 8 }));
        assert_eq!(plugins.begin(new(3, "a", 2), &limits), Ok(3));
        plugins.closed = true;
        assert_eq!(plugins.begin(new(4, "a", 0), &limits), Err(PluginLimit::AccountClosed));
    }
}
