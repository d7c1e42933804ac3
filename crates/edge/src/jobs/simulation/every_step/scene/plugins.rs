//! Calls about plugins, their preparation, and the worker that checks plugins.

use framelift_contract::message::PluginMessage;
use framelift_contract::object_key;
use framelift_domain::video::Lane;
use framelift_domain::{Options, PluginId, PluginRef, VideoId};
use futures::executor::block_on;

use super::{Call, Scene, worker};
use crate::jobs::plugins::Checked;
use crate::jobs::{JobError, Jobs, NewVideo, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::Store;
use crate::store::plugins::VersionState;

const NAME: &str = "mine";
const AA: [u8; 32] = [0xaa; 32];
const BB: [u8; 32] = [0xbb; 32];

/// The result of a check with the most steps: the plugin has a configuration schema.
fn ready() -> Checked {
    Checked::Ready(Some(serde_json::Map::new()))
}

impl Scene {
    async fn put_plugin<K: Kv, Q: Queue, O: Objects, A: Ambient>(
        &self,
        jobs: &Jobs<'_, K, Q, O, A>,
        sha256: [u8; 32],
    ) -> Result<PluginId> {
        let id = jobs.begin_plugin(self.user, NAME, 10, &"c".parse().unwrap()).await?;
        self.objects.put(object_key::plugin(self.user, id));
        jobs.plugin_stored(self.user, id, sha256.into(), 10).await?;
        Ok(id)
    }

    fn new_plugin(&mut self, sha256: [u8; 32]) -> PluginId {
        let id = block_on(self.put_plugin(&self.jobs(), sha256)).unwrap();
        self.plugin = Some(id);
        id
    }

    /// Takes the messages about plugins, whose checks are short.
    pub(super) fn receive_checks(&self) -> Vec<PluginMessage> {
        let taken = self.queue.take_plugins().into_iter().map(|(lane, message, _)| {
            assert_eq!(lane, Lane::Short, "{message:?}");
            message
        });
        taken.collect()
    }

    /// A worker takes the message and the check.
    fn claimed_check(&mut self, sha256: [u8; 32]) -> PluginId {
        let id = self.new_plugin(sha256);
        self.held_checks = self.receive_checks();
        block_on(self.jobs().claim_plugin(self.user, id, &worker(), "m")).unwrap();
        id
    }

    fn ready_plugin(&mut self, sha256: [u8; 32]) -> PluginId {
        let id = self.claimed_check(sha256);
        block_on(self.jobs().plugin_checked(self.user, id, (1, &worker()), ready())).unwrap();
        self.held_checks.clear();
        id
    }

    fn with_plugin() -> NewVideo {
        let options = Options { plugins: vec![PluginRef::new(NAME, "{}")], ..Options::default() };
        NewVideo { options, ..Self::new_video() }
    }

    /// Makes the state that a call about plugins needs.
    pub(super) fn prepare_plugins(&mut self, call: Call) -> VideoId {
        let nobody = VideoId::new(0, [0; 10]);
        match call {
            Call::ReplacePlugin | Call::CreateWithPlugin => drop(self.ready_plugin(AA)),
            Call::CheckPlugin => {
                self.ready_plugin(AA);
                self.claimed_check(BB);
            }
            Call::ReleasePlugin | Call::RejectPlugin => drop(self.claimed_check(AA)),
            Call::SweepPluginRejection => {
                self.new_plugin(AA);
                self.queue.take_plugins();
                self.advance_s(25 * 3600);
            }
            Call::DeletePlugin => {
                self.ready_plugin(AA);
                let video = block_on(self.jobs().create(self.user, Self::with_plugin(), None)).unwrap();
                self.objects.put(object_key::upload(self.user, video.id));
                self.new_plugin(BB);
            }
            Call::CloseWithPlugins => {
                self.ready_plugin(AA);
                self.new_plugin(BB);
                let id = self.uploaded();
                self.claimed(id);
            }
            Call::SweepPluginUpload => {
                let (jobs, correlation_id) = (self.jobs(), "c".parse().unwrap());
                let id = block_on(jobs.begin_plugin(self.user, NAME, 10, &correlation_id)).unwrap();
                self.objects.begin(object_key::plugin(self.user, id), "m".to_owned());
                self.advance_s(1000);
            }
            Call::SweepPluginMessage => {
                self.new_plugin(AA);
                self.queue.take_plugins();
                self.advance_s(self.limits.resend_after_s + 1);
            }
            Call::SweepPluginRemoval => {
                self.ready_plugin(AA);
                self.ready_plugin(BB);
                self.advance_s(3601);
            }
            _ => {}
        }
        nobody
    }

    pub(super) async fn call_plugins<K: Kv, Q: Queue, O: Objects, A: Ambient>(
        &self,
        call: Call,
        jobs: &Jobs<'_, K, Q, O, A>,
    ) -> Result<()> {
        let (user, worker) = (self.user, worker());
        let id = self.plugin.unwrap_or(PluginId::new(0, [0; 10]));
        match call {
            Call::PutPlugin => self.put_plugin(jobs, AA).await.map(drop),
            Call::ReplacePlugin => self.put_plugin(jobs, BB).await.map(drop),
            Call::CheckPlugin => jobs.plugin_checked(user, id, (1, &worker), ready()).await.map(drop),
            Call::RejectPlugin => {
                let rejected = Checked::Rejected("it imports a socket".to_owned());
                jobs.plugin_checked(user, id, (1, &worker), rejected).await.map(drop)
            }
            Call::ReleasePlugin => {
                let released = Checked::Released("not now".to_owned());
                jobs.plugin_checked(user, id, (1, &worker), released).await.map(drop)
            }
            Call::DeletePlugin => {
                let in_use = jobs.delete_plugin(user, NAME).await?;
                assert_eq!(in_use.len(), 1, "{in_use:?}");
                Ok(())
            }
            Call::CreateWithPlugin => jobs.create(user, Self::with_plugin(), None).await.map(drop),
            _ => unreachable!("{call:?} is no call about plugins"),
        }
    }

    /// Handles one message about a plugin. Returns whether it may be deleted.
    pub(super) fn check_plugin(&self, message: &PluginMessage) -> bool {
        let (user, id, worker) = (message.user_id, message.plugin_id, "v".parse().unwrap());
        match block_on(self.jobs().claim_plugin(user, id, &worker, "again")) {
            Ok(version) => {
                assert!(self.objects.contains(&object_key::plugin(user, id)), "the component is gone");
                let VersionState::Checking { attempts, .. } = version.state else { panic!("{version:?}") };
                block_on(self.jobs().plugin_checked(user, id, (attempts, &worker), ready())).unwrap();
                true
            }
            Err(JobError::JobFinished | JobError::PluginNotFound) => true,
            Err(JobError::LeaseHeld { .. } | JobError::JobNotReady) => false,
            Err(error) => panic!("a claim failed with {error:?}"),
        }
    }

    /// Checks, after the faults, that no version is being checked and that each has its component.
    pub(in super::super) fn plugins_settled(&self) -> std::result::Result<(), String> {
        let plugins = block_on(Store::new(&self.kv, &self.clock).plugins(self.user)).unwrap();
        for version in &plugins.versions {
            if !self.objects.contains(&object_key::plugin(self.user, version.id)) {
                return Err(format!("{version:?} has no component"));
            }
            if !version.is_ready()
                && !matches!(version.state, VersionState::Rejected { notice_due: false, .. })
            {
                return Err(format!("{version:?} is not settled"));
            }
            let notified = self.received.borrow().contains_key(&version.id.into());
            if notified == version.is_ready() {
                return Err(format!("{version:?}: notified: {notified}"));
            }
        }
        if plugins.closed && !plugins.versions.is_empty() {
            return Err(format!("a closed account has {plugins:?}"));
        }
        Ok(())
    }

    /// Deletes the plugin, if there is one.
    pub(in super::super) fn delete_plugins(&self) {
        match block_on(self.jobs().delete_plugin(self.user, NAME)) {
            Ok(_) | Err(JobError::PluginNotFound) => {}
            Err(error) => panic!("a deletion failed with {error:?}"),
        }
    }
}
