//! One attempt at a job: reads the upload, writes the archive, and returns the outcome.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framelift_contract::frame_index;
use framelift_contract::report::Job;
use framelift_domain::{Failure, FailureCode, Options};
use framelift_media::{ExtractError, Output, Request, Zip};
use framelift_plugin_host::{PluginRun, Record};
use framelift_sandbox::{Crash, RunError};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Span;
use tracing::field::Empty;

use super::JobContext;
use super::index::{Indexed, Notes};
use super::permit::Permit;
use super::plugins::NotRunnable;
use super::stop::{Stop, Stopper};
use super::supervise::Supervisor;
use super::watch::{Phase, TimedSource, Watch};
use crate::ambient;
use crate::report::{Archive, Trace};
use crate::store::{Opened, S3Source, StoreError};

/// How long aborting a failed upload may take before the attempt is reported.
const ABORT_TIMEOUT: Duration = Duration::from_secs(30);

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The archive is stored and waits to be published.
    Completed(Archive),
    /// There will be no archive.
    Failed(Failure),
    /// The job is released for another attempt; the reason.
    Released(String),
    /// The job is released because it needs what another version of the worker has; the reason.
    NotOurs(String),
    /// Another attempt has taken over, or the job has ended.
    Superseded,
    /// Control refuses this worker's credential.
    Unauthorised,
}

impl Outcome {
    fn failed(code: FailureCode, message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(code, message))
    }

    fn of_stop(stop: Stop, stuck_after: Duration, size_bytes: u64) -> Self {
        match stop {
            Stop::Superseded => Self::Superseded,
            Stop::Unauthorised => Self::Unauthorised,
            Stop::Shutdown => Self::Released("the worker shuts down".into()),
            Stop::Deadline => {
                Self::failed(FailureCode::TimedOut, "the video was not done within the time for one job")
            }
            Stop::Stuck => Self::failed(
                FailureCode::TimedOut,
                format!("the decoder made no progress for {} s", stuck_after.as_secs()),
            ),
            Stop::SlowStart => Self::failed(
                FailureCode::TimedOut,
                format!(
                    "the video could not be opened and measured within {} s, the time for its {size_bytes} bytes",
                    framelift_media::preparation_budget(size_bytes).as_secs()
                ),
            ),
        }
    }

    fn of_source(error: &StoreError) -> Self {
        match error {
            // Trying again cannot bring it back.
            StoreError::NotFound => {
                Self::failed(FailureCode::Internal, "the upload is not in the store any more")
            }
            error => Self::Released(format!("the upload could not be read: {error}")),
        }
    }

    fn of_extract(error: ExtractError) -> Self {
        match error {
            ExtractError::Failed(failure) => Self::Failed(failure),
            ExtractError::Source(error) => match store_error(&error) {
                Some(error) => Self::of_source(error),
                None => Self::Released(format!("the upload could not be read: {error}")),
            },
            ExtractError::Sink(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Self::failed(FailureCode::LimitExceeded, "the archive is larger than an upload can be")
            }
            ExtractError::Sink(error) => Self::Released(format!("the archive could not be stored: {error}")),
            ExtractError::Cancelled => Self::Released("the engine was stopped".into()),
            ExtractError::Unsupported(option) => {
                Self::failed(FailureCode::Internal, format!("this version cannot do {option} yet"))
            }
        }
    }
}

fn store_error(error: &io::Error) -> Option<&StoreError> {
    error.get_ref()?.downcast_ref()
}

/// How one process of a decoder ended.
enum DecoderEnd {
    Ended(Outcome),
    Crashed(Crash),
}

/// The parts of a running attempt.
struct Attempt<'a> {
    context: &'a JobContext,
    job: &'a Job,
    watch: Arc<Watch>,
    stopper: Arc<Stopper>,
}

impl JobContext {
    /// Makes the attempt; returns how it ended, and how many milliseconds of video were decoded. It does not publish
    /// the archive, and leaves nothing in the store if it fails.
    pub(super) async fn attempt(&self, job: &Job, trace: &Trace, permit: Permit) -> (Outcome, u64) {
        let options = match job.options.check("") {
            Ok(options) => options,
            Err(_) => {
                return (Outcome::failed(FailureCode::Internal, "the job's options are not valid"), 0);
            }
        };
        let stopper = Arc::new(Stopper::default());
        let watch = Arc::new(Watch::new(stopper.clone()));
        let left_ms = u64::try_from(job.deadline.ms_since(ambient::now())).unwrap_or(0);
        let supervisor = Supervisor {
            control: self.control.clone(),
            job: job.clone(),
            trace: trace.clone(),
            watch: watch.clone(),
            stopper: stopper.clone(),
            release: self.release.clone(),
            deadline: Duration::from_millis(left_ms),
            stuck_after: self.settings.stuck_after,
            progress: self.settings.progress,
        };
        // The lease is renewed until the archive is stored or the attempt ends otherwise.
        let _supervised = AbortOnDropHandle::new(tokio::spawn(supervisor.run()));
        let attempt = Attempt { context: self, job, watch: watch.clone(), stopper: stopper.clone() };
        let outcome = attempt.make(options, permit).await;
        watch.end();
        let outcome = match (stopper.reason(), outcome) {
            (_, done @ Outcome::Completed(_)) => done,
            // Any error after the stop is a consequence of it.
            (Some(stop), _) => Outcome::of_stop(stop, self.settings.stuck_after, job.size_bytes),
            (None, outcome) => outcome,
        };
        (outcome, watch.decoded_ms())
    }
}

impl Attempt<'_> {
    async fn make(&self, options: Options, permit: Permit) -> Outcome {
        let reading = Instant::now();
        // Deleting leftovers must not delay this attempt.
        tokio::select! {
            () = self.clean_up() => {}
            () = self.stopper.token.cancelled() => return Outcome::Released("cancelled".into()),
        }
        let opened = match self.context.store.open(&self.job.source_key, &self.stopper.token).await {
            Ok(opened) if opened.size == self.job.size_bytes => opened,
            Ok(opened) => {
                tracing::error!(
                    expected = self.job.size_bytes,
                    found = opened.size,
                    "the upload's size differs"
                );
                return Outcome::failed(FailureCode::Internal, "the upload changed after it was handed over");
            }
            Err(error) => return Outcome::of_source(&error),
        };
        self.context.metrics.stage_took("reading", reading.elapsed());
        let plugins = match self.context.plugins(self.job, &self.stopper.token).await {
            Ok(plugins) => plugins,
            Err(NotRunnable::Failed(failure)) => return Outcome::Failed(failure),
            Err(NotRunnable::Later(reason)) => return Outcome::Released(reason),
            Err(NotRunnable::Missing(reason)) => return Outcome::NotOurs(reason),
        };
        self.extract(options, plugins, opened, permit).await
    }

    /// Removes archives and multipart uploads that earlier attempts left when they died. What
    /// cannot be removed now is removed with the video.
    async fn clean_up(&self) {
        let job = self.job;
        if job.attempt <= 1 {
            return;
        }
        match self.context.store.remove_leftovers(&job.result_prefix, job.attempt).await {
            Ok(removed) if removed.objects + removed.uploads > 0 => {
                tracing::info!(
                    objects = removed.objects,
                    uploads = removed.uploads,
                    "leftovers of earlier attempts were removed"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error, "leftovers of earlier attempts were not removed"),
        }
    }

    /// Extracts, and retries once if the decoder crashed: a second crash is the video's fault.
    async fn extract(
        &self,
        options: Options,
        plugins: Vec<PluginRun>,
        opened: Opened,
        permit: Permit,
    ) -> Outcome {
        let first = match self.extract_once(&options, &plugins, &opened).await {
            DecoderEnd::Ended(outcome) => return outcome,
            DecoderEnd::Crashed(crash) => crash,
        };
        if !first.may_be_chance() || self.stopper.reason().is_some() {
            return Outcome::Failed(first.failure());
        }
        let outcome = match self.extract_once(&options, &plugins, &opened).await {
            DecoderEnd::Ended(outcome) => outcome,
            DecoderEnd::Crashed(second) => {
                let Failure { code, message, .. } = second.failure();
                let again =
                    if second.reason == first.reason { ", twice" } else { "; before that, it had crashed" };
                Outcome::failed(code, format!("{message}{again}"))
            }
        };
        drop(permit);
        outcome
    }

    async fn extract_once(&self, options: &Options, plugins: &[PluginRun], opened: &Opened) -> DecoderEnd {
        let (context, job) = (self.context, self.job);
        let (mut sink, upload) =
            context.store.upload(&job.result_key, context.settings.part_size, &self.stopper.token);
        let file_name = job.file_name.clone();
        let source = S3Source::new(
            context.store.clone(),
            opened.clone(),
            context.settings.read_buffer,
            context.metrics.clone(),
            self.watch.bytes_read_counter(),
            Handle::current(),
            self.stopper.token.clone(),
        );
        let source = Box::new(TimedSource::new(source, self.watch.clone()));
        let (sandbox, options, plugins, limits, watch, span) = (
            context.sandbox.clone(),
            options.clone(),
            plugins.to_vec(),
            context.settings.limits.clone(),
            self.watch.clone(),
            Span::current(),
        );
        self.watch.enter(Phase::Opening);
        let extracting = Instant::now();
        // This returns when the attempt is stopped, whatever the decoder does.
        let ended = tokio::task::spawn_blocking(move || {
            span.in_scope(|| {
                let mut notes = Notes::default();
                let (options, limits, control) = (&options, &limits, &*watch);
                let output = Output::new(Indexed::new(Zip::new(&mut sink), &mut notes));
                let request = Request { source, file_name, options, limits, output, control };
                let runs: Vec<Span> = plugins.iter().map(plugin_span).collect();
                let extracted = sandbox.extract(request, &plugins)?;
                runs.into_iter().zip(&extracted.plugins).for_each(|(run, record)| end_span(&run, record));
                sink.finish().map_err(ExtractError::Sink)?;
                Ok((extracted.outcome, notes.index(options.format)))
            })
        })
        .await;
        context.metrics.stage_took("extracting", extracting.elapsed());
        self.watch.enter(Phase::Storing);
        let storing = Instant::now();
        let abort_timeout = match self.stopper.reason() {
            Some(Stop::Shutdown) => context.settings.stop_timeout,
            _ => ABORT_TIMEOUT,
        };
        let upload = tokio::time::timeout(abort_timeout, upload.stored());
        DecoderEnd::Ended(match ended {
            Ok(Ok((outcome, index))) => {
                tracing::info!(event = "FramesExtracted", frames = outcome.frames, bytes_read = self.watch.bytes_read(), bytes_asked_for = outcome.bytes_read, strategy = ?outcome.plan.strategy, "the frames are extracted");
                // Parts are still being sent, and each is retried for a limited time.
                let outcome = self.stored(outcome, index, upload.into_inner().await).await;
                context.metrics.stage_took("storing", storing.elapsed());
                outcome
            }
            Ok(Err(RunError::Extract(error))) => match (error, upload.await) {
                // The engine only saw a closed pipe; the upload has the reason.
                (ExtractError::Sink(_), Ok(Err(error))) if error != StoreError::Cancelled => {
                    Outcome::Released(format!("the archive could not be stored: {error}"))
                }
                (error, _) => Outcome::of_extract(error),
            },
            Ok(Err(RunError::Crashed(crash))) => {
                context.metrics.decoder_crashes.inc();
                tracing::error!(kind = ?crash.kind, reason = crash.reason, stderr = crash.stderr, "the decoder's process did not end well");
                let _ = upload.await;
                return DecoderEnd::Crashed(crash);
            }
            Ok(Err(RunError::Start(error))) => {
                let _ = upload.await;
                Outcome::Released(error.to_string())
            }
            Err(error) => {
                tracing::error!(error = %error, "the thread of a decoder ended");
                let _ = upload.await;
                Outcome::failed(FailureCode::Internal, "the worker's side of the decoder crashed")
            }
        })
    }

    /// Stores the index, too, and returns what can be published.
    async fn stored(
        &self,
        outcome: framelift_media::Outcome,
        index: Option<Vec<u8>>,
        stored: Result<u64, StoreError>,
    ) -> Outcome {
        match stored {
            Ok(size) if size == outcome.archive_bytes => {
                let Some(sha256) = outcome.archive_sha256 else {
                    return Outcome::failed(
                        FailureCode::Internal,
                        "the engine gave no checksum of the archive",
                    );
                };
                tracing::info!(event = "ZipGenerated", size_bytes = size, "the archive is stored");
                let indexed = match self.store_index(index).await {
                    Ok(indexed) => indexed,
                    Err(error) => {
                        return Outcome::Released(format!("the index could not be stored: {error}"));
                    }
                };
                self.context.metrics.frames.inc_by(outcome.frames);
                self.context.metrics.bytes_written.inc_by(size);
                Outcome::Completed(Archive {
                    size_bytes: size,
                    frames: outcome.frames,
                    sha256,
                    bytes_read: self.watch.bytes_read(),
                    decoded_ms: self.watch.decoded_ms(),
                    warnings: bounded(outcome.warnings),
                    indexed,
                })
            }
            Ok(size) => Outcome::Released(format!(
                "the archive has {} bytes, and {size} are stored",
                outcome.archive_bytes
            )),
            Err(error) => Outcome::Released(format!("the archive could not be stored: {error}")),
        }
    }

    /// Stores the index of the archive's frames. Returns false if there is none or none is wanted.
    async fn store_index(&self, index: Option<Vec<u8>>) -> Result<bool, StoreError> {
        let (Some(key), Some(index)) = (&self.job.index_key, index) else { return Ok(false) };
        self.context.store.put(key, frame_index::CONTENT_TYPE, index.into(), &self.stopper.token).await?;
        Ok(true)
    }
}

/// A span for as long as a plugin is at work on the video.
fn plugin_span(PluginRun { name, version, .. }: &PluginRun) -> Span {
    tracing::info_span!(
        "plugin run",
        otel.name = "running a plugin",
        plugin = name,
        version,
        frames = Empty,
        busy_ms = Empty,
        longest_call_ms = Empty,
        memory_bytes = Empty,
    )
}

/// Adds what the plugin has used, and ends its span.
fn end_span(run: &Span, Record { usage, .. }: &Record) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    run.record("frames", usage.frames);
    run.record("busy_ms", milliseconds(usage.time));
    run.record("longest_call_ms", milliseconds(usage.longest));
    run.record("memory_bytes", usage.memory_bytes);
}

/// At most 100 warnings of 500 characters.
fn bounded(warnings: Vec<String>) -> Vec<String> {
    warnings.into_iter().take(100).map(|text| text.chars().take(500).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_videos_own_faults_fail_it() {
        let failed = |outcome| matches!(outcome, Outcome::Failed(_));
        let source = |error| Outcome::of_extract(ExtractError::Source(io::Error::other(error)));
        assert!(failed(source(StoreError::NotFound)));
        assert!(!failed(source(StoreError::Changed)));
        assert!(!failed(source(StoreError::Unavailable("503".into()))));
        assert!(!failed(Outcome::of_extract(ExtractError::Sink(io::Error::other("x")))));
        assert!(!failed(Outcome::of_extract(ExtractError::Cancelled)));
        let corrupt = Failure::new(FailureCode::CorruptInput, "x");
        assert!(failed(Outcome::of_extract(ExtractError::Failed(corrupt))));
        for (stop, fails) in [
            (Stop::Deadline, true),
            (Stop::Stuck, true),
            (Stop::SlowStart, true),
            (Stop::Shutdown, false),
            (Stop::Superseded, false),
            (Stop::Unauthorised, false),
        ] {
            assert_eq!(failed(Outcome::of_stop(stop, Duration::from_secs(1), 1)), fails, "{stop:?}");
        }
    }

    #[test]
    fn warnings_are_bounded() {
        let many = bounded(vec!["é".repeat(600); 200]);
        assert_eq!((many.len(), many[0].chars().count()), (100, 500));
    }
}
