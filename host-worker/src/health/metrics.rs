//! The worker's numbers, in the OpenMetrics text that Prometheus reads.

use std::fmt::Write as _;

use framelift_contract::report::SweepAnswer;
use framelift_domain::video::Lane;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
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

/// The outcome of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NoticeLabels {
    /// `email`, `webhook`.
    pub channel: &'static str,
    /// `sent`, `rejected`, `put_off`; of webhooks also `failed`, `gone`.
    pub outcome: &'static str,
}

/// Where a message came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LaneLabels {
    /// `main`, `short`.
    lane: &'static str,
}

impl From<Lane> for LaneLabels {
    fn from(lane: Lane) -> Self {
        let lane = match lane {
            Lane::Main => "main",
            Lane::Short => "short",
        };
        Self { lane }
    }
}

/// Why a message was deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeferReason {
    /// Another worker holds the job.
    LeaseHeld,
    /// The job was not handed to the queue yet.
    NotReady,
    /// Control did not answer, or refused.
    Control,
    /// Control refuses this worker's credential.
    Credential,
    /// The notice could not be sent.
    Notice,
    /// The worker stops.
    Shutdown,
}

impl EncodeLabelValue for DeferReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::LeaseHeld => "lease-held",
            Self::NotReady => "not-ready",
            Self::Control => "control",
            Self::Credential => "credential",
            Self::Notice => "notice",
            Self::Shutdown => "shutdown",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DeferLabels {
    reason: DeferReason,
}

/// The outcome of a message in the dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeadLetter {
    /// Its job has used up its attempts and failed.
    Failed,
    /// Its job was hardly tried and got a new message.
    Released,
    /// Its job was finished already; the notice that was due was sent.
    Finished,
    /// Its video no longer exists.
    Gone,
    /// It could not be processed yet.
    Deferred,
    /// It is not a job and stays for people to look at.
    Kept,
}

impl EncodeLabelValue for DeadLetter {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Failed => "failed",
            Self::Released => "given-back",
            Self::Finished => "finished",
            Self::Gone => "gone",
            Self::Deferred => "put-off",
            Self::Kept => "kept",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DeadLetterLabels {
    outcome: DeadLetter,
}

/// What a sweep put right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SweepLabels {
    /// `expired-uploads`, `resent`, `lapsed-leases`, `expired-results`.
    what: &'static str,
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
    /// Messages received, by the lane of the queue that they came from.
    pub messages: Family<LaneLabels, Counter>,
    /// Messages that were not understood.
    pub messages_rejected: Counter,
    /// Deferred messages, by reason.
    pub messages_deferred: Family<DeferLabels, Counter>,
    /// Messages received from the dead-letter queue, by outcome.
    pub dead_letters: Family<DeadLetterLabels, Counter>,
    /// What the sweeps that this worker called put right.
    pub sweep: Family<SweepLabels, Counter>,
    /// Sweeps that could not be called.
    pub sweep_errors: Counter,
    /// Consecutive jobs that were released for reasons of the worker's own.
    pub own_failures: Gauge,
    /// Times that the worker took itself out of service because of them.
    pub out_of_service: Counter,
    /// Notices, by channel and outcome.
    pub notices: Family<NoticeLabels, Counter>,
    /// Videos that may run at once.
    pub permits: Gauge,
    /// Permits taken, by jobs and by receives that wait for one.
    pub permits_used: Gauge,
    /// Crashes of decoder processes.
    pub decoder_crashes: Counter,
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
            messages: Family::default(),
            messages_rejected: Counter::default(),
            messages_deferred: Family::default(),
            dead_letters: Family::default(),
            sweep: Family::default(),
            sweep_errors: Counter::default(),
            own_failures: Gauge::default(),
            out_of_service: Counter::default(),
            notices: Family::default(),
            permits: Gauge::default(),
            permits_used: Gauge::default(),
            decoder_crashes: Counter::default(),
            gpu_codecs: Gauge::default(),
        };
        // Both lanes are there from the start, so that the first message of each is seen as an increase.
        for lane in [Lane::Main, Lane::Short] {
            metrics.messages.get_or_create(&lane.into()).inc_by(0);
        }
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
        r.register("messages", "Messages received, by the lane of their queue", self.messages.clone());
        r.register("messages_rejected", "Messages that were not understood", self.messages_rejected.clone());
        let deferred = self.messages_deferred.clone();
        r.register("messages_put_off", "Deferred messages, by reason", deferred);
        let dead_letters = self.dead_letters.clone();
        r.register("dead_letters", "Dead letters received, by what became of them", dead_letters);
        r.register("sweep", "What the sweeps that this worker called put right", self.sweep.clone());
        r.register("sweep_errors", "Sweeps that could not be called", self.sweep_errors.clone());
        let own_failures = self.own_failures.clone();
        r.register(
            "own_failures_in_a_row",
            "Jobs released in a row because this worker could not work",
            own_failures,
        );
        let out_of_service = self.out_of_service.clone();
        r.register("out_of_service", "Times that the worker took itself out of service", out_of_service);
        r.register("notices", "Notices, by channel and what became of them", self.notices.clone());
        r.register("permits", "Videos that may run at once", self.permits.clone());
        r.register("permits_used", "Permits taken", self.permits_used.clone());
        r.register(
            "decoder_crashes",
            "Processes of decoders that did not end well",
            self.decoder_crashes.clone(),
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

    /// Counts a message from a lane's queue.
    pub(crate) fn message_received(&self, lane: Lane) {
        self.messages.get_or_create(&lane.into()).inc();
    }

    /// Counts a deferred message.
    pub(crate) fn message_deferred(&self, reason: DeferReason) {
        self.messages_deferred.get_or_create(&DeferLabels { reason }).inc();
    }

    /// Counts a message from the dead-letter queue.
    pub(crate) fn dead_letter(&self, outcome: DeadLetter) {
        self.dead_letters.get_or_create(&DeadLetterLabels { outcome }).inc();
    }

    /// Counts what a sweep put right.
    pub(crate) fn swept(&self, done: &SweepAnswer) {
        for (what, count) in [
            ("expired-uploads", done.expired_uploads),
            ("resent", done.resent),
            ("lapsed-leases", done.lapsed_leases),
            ("expired-results", done.expired_results),
        ] {
            self.sweep.get_or_create(&SweepLabels { what }).inc_by(u64::from(count));
        }
    }

    /// Counts a notice.
    pub(crate) fn notice(&self, channel: &'static str, outcome: &'static str) {
        self.notices.get_or_create(&NoticeLabels { channel, outcome }).inc();
    }

    /// The metrics as text.
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
        metrics.message_received(Lane::Short);
        metrics.message_deferred(DeferReason::LeaseHeld);
        metrics.dead_letter(DeadLetter::Released);
        metrics.swept(&SweepAnswer { resent: 2, ..SweepAnswer::default() });
        let page = metrics.text();
        for line in [
            "framelift_worker_jobs_total{outcome=\"failed\",code=\"corrupt-input\"} 1",
            "framelift_worker_frames_total 3",
            "framelift_worker_stage_duration_seconds_count{stage=\"storing\"} 1",
            "framelift_worker_read_bytes_total 0",
            "framelift_worker_messages_total{lane=\"main\"} 0",
            "framelift_worker_messages_total{lane=\"short\"} 1",
            "framelift_worker_messages_put_off_total{reason=\"lease-held\"} 1",
            "framelift_worker_dead_letters_total{outcome=\"given-back\"} 1",
            "framelift_worker_sweep_total{what=\"resent\"} 2",
            "framelift_worker_own_failures_in_a_row 0",
            "framelift_worker_out_of_service_total 0",
            "framelift_worker_build_info{",
            "worker_id=\"w-1\"",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
