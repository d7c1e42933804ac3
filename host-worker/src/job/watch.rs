//! Progress of an attempt: written by the engine's threads, read by the runtime.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use framelift_contract::video::Progress;
use framelift_domain::video::Stage;
use framelift_media::{Control, Source, Stage as EngineStage};
use tracing::Span;

use super::stop::Stopper;

const UNKNOWN: u64 = u64::MAX;

/// The phase of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Looking at the upload, before the engine runs.
    Reading,
    /// The engine opens and measures the video.
    Opening,
    /// The engine extracts.
    Extracting,
    /// The engine finishes the archive.
    Finishing,
    /// The rest of the archive is stored.
    Storing,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Reading, Self::Opening, Self::Extracting, Self::Finishing, Self::Storing];

    /// Its name in progress reports.
    pub(super) const fn stage(self) -> Stage {
        match self {
            Self::Reading | Self::Opening => Stage::Reading,
            Self::Extracting => Stage::Extracting,
            Self::Finishing | Self::Storing => Stage::Storing,
        }
    }

    /// A span for as long as it lasts.
    fn span(self, attempt: &Span) -> Span {
        match self {
            Self::Reading => tracing::info_span!(parent: attempt, "reading"),
            Self::Opening => tracing::info_span!(parent: attempt, "opening"),
            Self::Extracting => tracing::info_span!(parent: attempt, "extracting"),
            Self::Finishing => tracing::info_span!(parent: attempt, "finishing"),
            Self::Storing => tracing::info_span!(parent: attempt, "storing"),
        }
    }

    /// Whether the engine must make progress in this phase.
    pub(super) const fn is_engine(self) -> bool {
        matches!(self, Self::Opening | Self::Extracting | Self::Finishing)
    }
}

/// The progress of an attempt, and whether it must stop.
#[derive(Debug)]
pub(super) struct Watch {
    stopper: Arc<Stopper>,
    made: Instant,
    phase: AtomicU8,
    /// The attempt's span, and within it that of the phase.
    spans: Mutex<(Span, Span)>,
    /// Thousandths.
    permille: AtomicU32,
    frames_done: AtomicU64,
    frames_expected: AtomicU64,
    /// Bytes received from the store, counted by the store; more than the engine asked for, because of
    /// read-ahead.
    bytes_read: Arc<AtomicU64>,
    /// Bytes that the engine asked for.
    bytes_asked_for: AtomicU64,
    /// Milliseconds of video that the engine decoded.
    decoded_ms: AtomicU64,
    /// Microseconds that the engine's reads have waited for the store.
    waited: AtomicU64,
    /// Microseconds from `made` to the start of a read that waits now; 0 while none does.
    waits_since: AtomicU64,
}

impl Watch {
    pub(super) fn new(stopper: Arc<Stopper>) -> Self {
        Self {
            stopper,
            made: Instant::now(),
            phase: AtomicU8::new(Phase::Reading as u8),
            spans: Mutex::new((Span::current(), Phase::Reading.span(&Span::current()))),
            permille: AtomicU32::new(0),
            frames_done: AtomicU64::new(0),
            frames_expected: AtomicU64::new(UNKNOWN),
            bytes_read: Arc::default(),
            bytes_asked_for: AtomicU64::new(0),
            decoded_ms: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            waits_since: AtomicU64::new(0),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        if self.phase.swap(phase as u8, Relaxed) == phase as u8 {
            return;
        }
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.1 = phase.span(&spans.0);
    }

    /// Ends the last phase's span.
    pub(super) fn end(&self) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).1 = Span::none();
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed)).min(Phase::ALL.len() - 1)]
    }

    /// Thousandths of the job that are done.
    pub(super) fn permille(&self) -> u32 {
        self.permille.load(Relaxed)
    }

    /// Bytes that the engine has asked for.
    pub(super) fn bytes_asked_for(&self) -> u64 {
        self.bytes_asked_for.load(Relaxed)
    }

    /// Milliseconds of video that were decoded; of a decoder that crashed and was started again, the larger
    /// number.
    pub(super) fn decoded_ms(&self) -> u64 {
        self.decoded_ms.load(Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long the engine's reads have waited for the store, the present one included.
    pub(super) fn waited(&self) -> Duration {
        let since = self.waits_since.load(Relaxed);
        let present = if since == 0 { 0 } else { self.now().saturating_sub(since) };
        Duration::from_micros(self.waited.load(Relaxed).saturating_add(present))
    }

    pub(super) fn frames_done(&self) -> u64 {
        self.frames_done.load(Relaxed)
    }

    /// Bytes that came from the store so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    /// The counter to which the store adds them.
    pub(super) fn bytes_read_counter(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    pub(super) fn report(&self) -> Progress {
        Progress {
            stage: self.phase().stage(),
            // 100 is for a job that is done.
            percent: (self.permille() / 10).min(99) as u8,
            frames_done: self.frames_done(),
            frames_expected: Some(self.frames_expected.load(Relaxed)).filter(|n| *n != UNKNOWN),
            bytes_read: self.bytes_read(),
        }
    }
}

impl Control for Watch {
    fn progress(&self, progress: &framelift_media::Progress) -> bool {
        self.enter(match progress.stage {
            EngineStage::Opening | EngineStage::Indexing => Phase::Opening,
            EngineStage::Extracting => Phase::Extracting,
            EngineStage::Finishing => Phase::Finishing,
        });
        self.permille.store((progress.percent.clamp(0.0, 100.0) * 10.0).round() as u32, Relaxed);
        self.bytes_asked_for.fetch_max(progress.bytes_read, Relaxed);
        self.decoded_ms.fetch_max(progress.decoded_ms, Relaxed);
        self.frames_done.fetch_max(progress.frames_done, Relaxed);
        self.frames_expected.store(progress.frames_expected.unwrap_or(UNKNOWN), Relaxed);
        // This check takes no lock, unlike the token's.
        self.stopper.reason().is_none()
    }
}

/// A source that counts how long its reads wait for the store: that time is not the video's fault.
pub(super) struct TimedSource<S> {
    source: S,
    watch: Arc<Watch>,
}

impl<S> TimedSource<S> {
    pub(super) fn new(source: S, watch: Arc<Watch>) -> Self {
        Self { source, watch }
    }
}

impl<S: Source> Source for TimedSource<S> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let began = self.watch.now().max(1);
        self.watch.waits_since.store(began, Relaxed);
        let result = self.source.read_at(offset, buf);
        self.watch.waits_since.store(0, Relaxed);
        self.watch.waited.fetch_add(self.watch.now().saturating_sub(began), Relaxed);
        result
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        self.source.prefetch(ranges);
    }
}

#[cfg(test)]
mod tests {
    use super::super::stop::Stop;
    use super::*;

    #[test]
    fn the_engine_is_told_to_stop() {
        let stopper = Arc::new(Stopper::default());
        let watch = Watch::new(stopper.clone());
        let progress = framelift_media::Progress {
            stage: EngineStage::Extracting,
            percent: 100.0,
            frames_done: 3,
            frames_expected: Some(4),
            bytes_read: 5,
            decoded_ms: 6,
        };
        assert!(watch.progress(&progress));
        let report = watch.report();
        assert_eq!((report.stage, report.percent, report.frames_expected), (Stage::Extracting, 99, Some(4)));
        stopper.stop(Stop::Superseded);
        assert!(!watch.progress(&progress));
        assert_eq!((watch.permille(), watch.bytes_asked_for(), watch.decoded_ms()), (1000, 5, 6));
    }

    #[test]
    fn waits_for_the_store_are_known_while_they_last() {
        struct Slow(Arc<Watch>);
        impl Source for Slow {
            fn size(&self) -> u64 {
                1
            }
            fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
                while self.0.waited() < Duration::from_millis(5) {
                    std::thread::yield_now();
                }
                Ok(0)
            }
        }
        let watch = Arc::new(Watch::new(Arc::default()));
        assert_eq!(watch.waited(), Duration::ZERO);
        TimedSource::new(Slow(watch.clone()), watch.clone()).read_at(0, &mut []).unwrap();
        let waited = watch.waited();
        assert!(waited >= Duration::from_millis(5));
        assert_eq!(watch.waited(), waited);
    }
}
