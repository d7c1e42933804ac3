//! The worker's numbers, in the OpenMetrics text that Prometheus reads.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct JobLabels {
    /// `completed`, `failed`, `released`, `lost`, `unreported`.
    pub outcome: &'static str,
    /// The failure's code, or empty.
    pub code: &'static str,
}

/// A part of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StageLabels {
    /// `reading`, `extracting`, `storing`, `reporting`.
    pub stage: &'static str,
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NoticeLabels {
    /// `email`.
    pub channel: &'static str,
    /// `sent`, `rejected`, `put_off`.
    pub outcome: &'static str,
}

/// Every number; cheap to clone, all clones count together.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Jobs, by how they ended.
    pub jobs: Family<JobLabels, Counter>,
    /// Jobs that run now.
    pub in_flight: Gauge,
    /// How long the stages of jobs take.
    pub stages: Family<StageLabels, Histogram>,
    /// Images written.
    pub frames: Counter,
    /// Bytes read of uploads.
    pub bytes_read: Counter,
    /// Bytes of archives stored.
    pub bytes_written: Counter,
    /// Ranges that had to be read again.
    pub read_retries: Counter,
    /// Receives that failed.
    pub receive_errors: Counter,
    /// Messages received.
    pub messages: Counter,
    /// Messages that were not understood.
    pub messages_rejected: Counter,
    /// Notices, by channel and what became of them.
    pub notices: Family<NoticeLabels, Counter>,
    /// Videos that may run at once.
    pub permits: Gauge,
    /// Permits taken, by jobs and by receives that wait for one.
    pub permits_used: Gauge,
    /// Engines that did not stop when told to.
    pub engines_abandoned: Gauge,
    /// Kinds of video that a GPU decodes here.
    pub gpu_codecs: Gauge,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new(worker_id: &str) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("framelift_worker"),
            jobs: Family::default(),
            in_flight: Gauge::default(),
            stages: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.05, 2.5, 12))),
            frames: Counter::default(),
            bytes_read: Counter::default(),
            bytes_written: Counter::default(),
            read_retries: Counter::default(),
            receive_errors: Counter::default(),
            messages: Counter::default(),
            messages_rejected: Counter::default(),
            notices: Family::default(),
            permits: Gauge::default(),
            permits_used: Gauge::default(),
            engines_abandoned: Gauge::default(),
            gpu_codecs: Gauge::default(),
        };
        metrics.register(worker_id);
        metrics
    }

    fn register(&mut self, worker_id: &str) {
        let build = Info::new(vec![
            ("engine".to_owned(), framelift_contract::ENGINE.to_owned()),
            ("worker_id".to_owned(), worker_id.to_owned()),
        ]);
        let r = &mut self.registry;
        r.register("build", "What this worker is", build);
        r.register("jobs", "Jobs, by how they ended", self.jobs.clone());
        r.register("jobs_in_flight", "Jobs that run now", self.in_flight.clone());
        r.register_with_unit(
            "stage_duration",
            "How long the stages of jobs take",
            Unit::Seconds,
            self.stages.clone(),
        );
        r.register("frames", "Images written", self.frames.clone());
        r.register_with_unit("read", "Bytes read of uploads", Unit::Bytes, self.bytes_read.clone());
        r.register_with_unit("written", "Bytes of archives stored", Unit::Bytes, self.bytes_written.clone());
        r.register("read_retries", "Ranges that had to be read again", self.read_retries.clone());
        r.register("queue_receive_errors", "Receives that failed", self.receive_errors.clone());
        r.register("messages", "Messages received", self.messages.clone());
        r.register("messages_rejected", "Messages that were not understood", self.messages_rejected.clone());
        r.register("notices", "Notices, by channel and what became of them", self.notices.clone());
        r.register("permits", "Videos that may run at once", self.permits.clone());
        r.register("permits_used", "Permits taken", self.permits_used.clone());
        r.register(
            "engines_abandoned",
            "Engines that did not stop when told to",
            self.engines_abandoned.clone(),
        );
        r.register("gpu_codecs", "Kinds of video that a GPU decodes here", self.gpu_codecs.clone());
    }

    /// Counts a job's end.
    pub(crate) fn job_ended(&self, outcome: &'static str, code: &'static str) {
        self.jobs.get_or_create(&JobLabels { outcome, code }).inc();
    }

    /// Notes how long a stage took.
    pub(crate) fn stage_took(&self, stage: &'static str, duration: std::time::Duration) {
        self.stages.get_or_create(&StageLabels { stage }).observe(duration.as_secs_f64());
    }

    /// Counts a notice.
    pub(crate) fn notice(&self, channel: &'static str, outcome: &'static str) {
        self.notices.get_or_create(&NoticeLabels { channel, outcome }).inc();
    }

    /// The page.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_names_that_dashboards_use() {
        let metrics = Metrics::new("w-1");
        metrics.job_ended("failed", "corrupt-input");
        metrics.frames.inc_by(3);
        metrics.stage_took("storing", std::time::Duration::from_secs(1));
        let page = metrics.text();
        for line in [
            "framelift_worker_jobs_total{outcome=\"failed\",code=\"corrupt-input\"} 1",
            "framelift_worker_frames_total 3",
            "framelift_worker_stage_duration_seconds_count{stage=\"storing\"} 1",
            "framelift_worker_read_bytes_total 0",
            "framelift_worker_build_info{",
            "worker_id=\"w-1\"",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
