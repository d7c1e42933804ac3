//! The video's own timeline: container timestamps in, exact seconds from the first shown
//! frame out. Pure: no FFmpeg.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use framelift_domain::Rational;

/// The most starts of stretches that are kept for the warning.
const MAX_RESTARTS: usize = 1000;

/// The place of a shown frame on the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The container's timestamp, or a derived one if it has none.
    pub pts: i64,
    /// Seconds from the first shown frame.
    pub time: Rational,
    /// Seconds from the first shown frame to where the frame ends, if no other follows.
    pub end: Rational,
}

/// Places shown frames, which come in presentation order, on the timeline.
#[derive(Clone, Debug)]
pub struct Timeline {
    time_base: Rational,
    /// Ticks of a frame of unknown duration; at least 1.
    frame_ticks: i64,
    zero: Option<i64>,
    /// Added to timestamps of the current stretch of the clock.
    shift: i64,
    last: i64,
    last_ticks: i64,
    /// The stretch of the clock that the last frame belongs to.
    stretch: u32,
    /// The starts of all stretches but the first.
    restarts: Vec<Rational>,
    disordered: u64,
}

impl Timeline {
    /// A timeline in units of `time_base` seconds for a video of about `frame_rate` frames a
    /// second.
    pub fn new(time_base: Rational, frame_rate: Option<Rational>) -> Self {
        let frame_ticks = frame_rate
            .and_then(|rate| rate.checked_mul(time_base))
            .and_then(Rational::recip)
            .map_or(1, |ticks| (ticks.num() + ticks.den() / 2) / ticks.den());
        Self {
            time_base,
            frame_ticks: frame_ticks.max(1),
            zero: None,
            shift: 0,
            last: 0,
            last_ticks: 0,
            stretch: 0,
            restarts: Vec::new(),
            disordered: 0,
        }
    }

    /// The next shown frame, whose timestamp is of the given stretch of the clock. The first frame of a new
    /// stretch follows the last one of the stretch before it. A frame without a timestamp follows its
    /// predecessor, and one whose timestamp lies before its predecessor's takes its place.
    ///
    /// `None` for a timestamp that cannot be expressed in seconds: the frame is skipped.
    pub fn place(&mut self, pts: Option<i64>, ticks: i64, stretch: u32) -> Option<Placed> {
        let follows = self.last.checked_add(self.last_ticks)?;
        let restarts = self.zero.is_some() && stretch > self.stretch;
        let shift = match pts {
            Some(pts) if restarts => follows.checked_sub(pts)?,
            _ => self.shift,
        };
        let mut at = match pts {
            Some(pts) => pts.checked_add(shift)?,
            None if self.zero.is_some() => follows,
            None => 0,
        };
        let late = self.zero.is_some() && at < self.last;
        if late {
            at = self.last;
        }
        let ticks = if ticks > 0 { ticks } else { self.frame_ticks };
        let zero = *self.zero.get_or_insert(at);
        let start = at.checked_sub(zero)?;
        let placed = Placed {
            pts: pts.unwrap_or(at),
            time: self.seconds(start)?,
            end: self.seconds(start.checked_add(ticks)?)?,
        };
        if restarts && self.restarts.len() < MAX_RESTARTS {
            self.restarts.push(placed.time);
        }
        self.disordered += u64::from(late);
        (self.last, self.last_ticks, self.shift) = (at, ticks, shift);
        self.stretch = self.stretch.max(stretch);
        Some(placed)
    }

    /// Sets the first shown frame's timestamp, if not every frame will be placed.
    pub fn start_at(&mut self, pts: i64) {
        if self.zero.is_none() {
            (self.zero, self.last) = (Some(pts), pts);
        }
    }

    /// Seconds from the first shown frame to a container timestamp; `None` before the first
    /// frame is known.
    pub fn seconds_at(&self, pts: i64) -> Option<Rational> {
        self.seconds(pts.checked_add(self.shift)?.checked_sub(self.zero?)?)
    }

    /// The last container timestamp that is not after `time`; `None` before the first frame is
    /// known, and once the clock has started anew.
    pub fn timestamp_at(&self, time: Rational) -> Option<i64> {
        let ticks = i128::from(time.num()).checked_mul(self.time_base.den().into())?;
        let per = i128::from(time.den()).checked_mul(self.time_base.num().into())?;
        let ticks = i64::try_from(ticks.div_euclid(per)).ok()?;
        self.zero?.checked_add(ticks).filter(|_| self.restarts.is_empty())
    }

    /// Ticks of a frame of unknown duration.
    pub fn usual_ticks(&self) -> i64 {
        self.frame_ticks
    }

    /// The times at which the clock restarted: those of the first frames of the later stretches, as many as
    /// were kept.
    pub fn restarts(&self) -> &[Rational] {
        &self.restarts
    }

    /// How many frames had an earlier timestamp than the frame shown before them.
    pub fn disordered(&self) -> u64 {
        self.disordered
    }

    fn seconds(&self, ticks: i64) -> Option<Rational> {
        self.time_base.checked_mul(Rational::whole(ticks))
    }
}

/// What the packets alone tell about a video: where it starts and ends, and when the n-th frame is shown.
///
/// Packets come in decoding order. Pictures are reordered by at most 16 places in every codec that is read
/// here, so a heap of a few dozen timestamps gives presentation order in fixed memory.
#[derive(Debug, Default)]
pub struct PacketScan {
    start: Option<i64>,
    end: Option<i64>,
    count: u64,
    /// The frame numbers whose timestamps are wanted, rising, with what was found.
    numbers: Vec<(u64, Option<i64>)>,
    waiting: BinaryHeap<Reverse<i64>>,
    shown: u64,
}

impl PacketScan {
    const REORDER: usize = 64;

    /// A scan that also finds the timestamps of the frames `numbers`.
    pub fn new(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self { numbers: numbers.into_iter().map(|n| (n, None)).collect(), ..Self::default() }
    }

    /// A shown packet; `at` is its presentation timestamp, or the decoding one where the
    /// container has no other.
    pub fn push(&mut self, at: i64, ticks: i64) {
        self.count += 1;
        self.start = Some(self.start.map_or(at, |start| start.min(at)));
        let end = at.saturating_add(ticks.max(0));
        self.end = Some(self.end.map_or(end, |so_far| so_far.max(end)));
        if !self.numbers.is_empty() {
            self.waiting.push(Reverse(at));
            if self.waiting.len() > Self::REORDER {
                self.show();
            }
        }
    }

    fn show(&mut self) {
        if let Some(Reverse(at)) = self.waiting.pop() {
            if let Some(wanted) = self.numbers.iter_mut().find(|(n, _)| *n == self.shown) {
                wanted.1 = Some(at);
            }
            self.shown += 1;
        }
    }

    /// The end of the scan.
    pub fn finish(mut self) -> Scanned {
        while !self.waiting.is_empty() {
            self.show();
        }
        Scanned {
            start: self.start.unwrap_or(0),
            end: self.end.unwrap_or(0),
            count: self.count,
            numbers: self.numbers,
        }
    }
}

/// What a [`PacketScan`] found, in the container's timestamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The earliest timestamp.
    pub start: i64,
    /// Where the last packet ends.
    pub end: i64,
    /// Packets of shown frames.
    pub count: u64,
    numbers: Vec<(u64, Option<i64>)>,
}

impl Scanned {
    /// The requested frame numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.numbers.iter().map(|(n, _)| *n)
    }

    /// When frame `number` is shown; `None` if the video has fewer frames, or it was not requested.
    pub fn frame(&self, number: u64) -> Option<i64> {
        self.numbers.iter().find(|(n, _)| *n == number).and_then(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn r(num: i128, den: i128) -> Rational {
        Rational::new(num, den).unwrap()
    }

    #[test]
    fn time_starts_at_the_first_shown_frame() {
        let mut timeline = Timeline::new(r(1, 30000), Some(r(30000, 1001)));
        assert_eq!(
            timeline.place(Some(-2002), 1001, 0),
            Some(Placed { pts: -2002, time: r(0, 1), end: r(1001, 30000) })
        );
        let second = timeline.place(Some(-1001), 0, 0).unwrap();
        assert_eq!((second.time, second.end), (r(1001, 30000), r(2002, 30000)));
    }

    #[test]
    fn frames_without_timestamps_follow_each_other() {
        let mut timeline = Timeline::new(r(1, 25), Some(r(25, 1)));
        let times: Vec<_> = (0..3).map(|_| timeline.place(None, 0, 0).unwrap().time).collect();
        assert_eq!(times, [r(0, 1), r(1, 25), r(2, 25)]);
    }

    #[test]
    fn disorder_is_flattened_and_counted() {
        let mut timeline = Timeline::new(r(1, 10), Some(r(10, 1)));
        timeline.place(Some(1000), 1, 0).unwrap();
        assert_eq!(timeline.place(Some(998), 1, 0).unwrap().time, r(0, 1));
        assert_eq!(timeline.place(Some(1001), 1, 0).unwrap().time, r(1, 10));
        assert_eq!(timeline.disordered(), 1);
        assert_eq!(timeline.restarts(), []);
    }

    #[test]
    fn a_new_stretch_follows_the_one_before_it() {
        let mut timeline = Timeline::new(r(1, 10), Some(r(10, 1)));
        timeline.place(Some(1000), 1, 0).unwrap();
        timeline.place(Some(1001), 2, 0).unwrap();
        assert_eq!(timeline.timestamp_at(r(1, 10)), Some(1001));
        assert_eq!(timeline.place(Some(5), 1, 1).unwrap(), Placed { pts: 5, time: r(3, 10), end: r(4, 10) });
        assert_eq!(timeline.place(Some(7), 1, 1).unwrap().time, r(5, 10));
        // Also where it seems to go on later.
        assert_eq!(timeline.place(Some(900), 1, 2).unwrap().time, r(6, 10));
        assert_eq!(timeline.restarts(), [r(3, 10), r(6, 10)]);
        assert_eq!((timeline.disordered(), timeline.timestamp_at(r(1, 10))), (0, None));
    }

    #[test]
    fn absurd_timestamps_are_refused() {
        let mut timeline = Timeline::new(r(1, 1), None);
        timeline.place(Some(i64::MIN + 1), 1, 0).unwrap();
        assert_eq!(timeline.place(Some(i64::MAX), i64::MAX, 0), None);
    }

    proptest! {
        #[test]
        fn a_scan_finds_the_nth_frame(
            gaps in proptest::collection::vec(1i64..50, 1..300),
            wanted in proptest::collection::vec(0u64..320, 1..5),
            depth in 1usize..16,
        ) {
            let mut at = -100;
            let shown: Vec<i64> = gaps.iter().map(|gap| { at += gap; at }).collect();
            let mut coded = shown.clone();
            for group in coded.chunks_mut(depth) {
                group.reverse();
            }
            let mut scan = PacketScan::new(wanted.clone());
            for &at in &coded {
                scan.push(at, 7);
            }
            let found = scan.finish();
            prop_assert_eq!(found.start, shown[0]);
            prop_assert_eq!(found.end, shown[shown.len() - 1] + 7);
            prop_assert_eq!(found.count, shown.len() as u64);
            for n in wanted {
                prop_assert_eq!(found.frame(n), shown.get(n as usize).copied());
            }
        }
    }
}
