//! The workers: how many there are at each moment, by the rules of `infra/kubernetes`, and what they cost.

/// Jobs of one pod at once (`FRAMELIFT_WORKER_CONCURRENCY`), each with two processors.
pub(crate) const PERMITS_PER_POD: u64 = 2;
/// Pods of a node of 16 processors.
pub(crate) const PODS_PER_NODE: u64 = 4;
/// From the decision to add a pod to its first job, if a node has to be started. An assumption.
const NODE_MS: u64 = 180_000;
/// How often KEDA polls the queue (`pollingInterval`).
pub(crate) const POLL_MS: u64 = 15_000;
const SCALE_UP_MS: u64 = 30_000;
/// The fleet shrinks only if fewer pods were wanted for this long (`stabilizationWindowSeconds`).
const STABILIZATION_MS: u64 = 600_000;
const SCALE_DOWN_MS: u64 = 60_000;

/// Limits of the fleet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) min_pods: u64,
    /// `maxReplicaCount`.
    pub(crate) max_pods: u64,
}

impl Fleet {
    #[cfg(test)]
    pub(crate) const fn max_permits(self) -> u64 {
        self.max_pods * PERMITS_PER_POD
    }
}

/// The autoscaler's state.
#[derive(Debug)]
pub(crate) struct Scaler {
    fleet: Fleet,
    /// Pods that are wanted.
    target: u64,
    /// Pods that work.
    pub(crate) pods: u64,
    /// Pods that come, with when.
    coming: Vec<(u64, u64)>,
    /// What was wanted lately, with when.
    wanted: Vec<(u64, u64)>,
    raised_at: u64,
    lowered_at: u64,
}

impl Scaler {
    /// A fleet that has what it needs.
    pub(crate) fn new(fleet: Fleet, pods: u64) -> Self {
        let pods = pods.clamp(fleet.min_pods, fleet.max_pods);
        Self {
            fleet,
            target: pods,
            pods,
            coming: Vec::new(),
            wanted: Vec::new(),
            raised_at: 0,
            lowered_at: 0,
        }
    }

    /// Looks at the queue; afterwards `pods` is how many may work.
    pub(crate) fn look(&mut self, now: u64, messages: u64) {
        let arrived: u64 = self.coming.iter().filter(|(at, _)| *at <= now).map(|(_, pods)| pods).sum();
        self.coming.retain(|(at, _)| *at > now);
        self.pods = (self.pods + arrived).min(self.fleet.max_pods);

        let wanted = messages.div_ceil(PERMITS_PER_POD).clamp(self.fleet.min_pods, self.fleet.max_pods);
        self.wanted.retain(|(at, _)| at + STABILIZATION_MS > now);
        self.wanted.push((now, wanted));
        if wanted > self.target && now >= self.raised_at + SCALE_UP_MS {
            // 300 % or 20 pods in 30 s, whichever is more.
            let raised = wanted.min((self.target * 4).max(self.target + 20));
            self.coming.push((now + NODE_MS, raised - self.target));
            (self.target, self.raised_at) = (raised, now);
        }
        let believed = self.wanted.iter().map(|(_, wanted)| *wanted).max().unwrap_or(wanted);
        if believed < self.target && now >= self.lowered_at + SCALE_DOWN_MS {
            // A tenth in a minute.
            let lowered = believed.max(self.target - self.target.div_ceil(10));
            self.pods -= (self.target - lowered).min(self.pods);
            (self.target, self.lowered_at) = (lowered, now);
        }
    }

    /// Spot instances with half of the pods are reclaimed. Instances of other types replace them.
    pub(crate) fn lose_half(&mut self, now: u64) {
        let lost = self.pods / 2;
        self.pods -= lost;
        self.coming.push((now + 2 * NODE_MS, lost));
    }
}
