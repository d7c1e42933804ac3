//! Selects the wanted frames. Pure: frame times in, requests out, no FFmpeg.
//!
//! Frames come one by one in presentation order. Which requests a frame answers is known when the next one
//! comes, because only then is it known how long it was on screen; so the caller holds one frame back.

mod end;
mod times;

use framelift_domain::{Options, Place, Range, Rational, Select};

pub use times::Times;

/// The requests that one frame answers: the requested times, or one `None` where frames are requested and not
/// times. A frame that is requested twice has two.
pub type Requests = Vec<Option<Rational>>;

/// The limit on images is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more images than the limit are asked for")]
pub struct TooMany;

/// One end of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Time(Rational),
    Frame(u64),
    /// The end of the video, which is not known yet.
    End,
}

/// Measurements of the whole video that some selections need before the first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Seconds from the first shown frame to the end of the last.
    pub duration: Rational,
    /// The times of the frames that [`needs`] named; `None` if there is no such frame.
    pub frames: Vec<(u64, Option<Rational>)>,
}

/// Whether [`Selector::new`] needs a [`Measured`] video, and with which frame numbers.
pub fn needs(options: &Options) -> Option<Vec<u64>> {
    let hundred = Place::Percent(Rational::whole(100));
    let percent = |place: &Place| matches!(place, Place::Percent(p) if *p != Rational::ZERO);
    let Range { start, end } = options.range;
    let counted = matches!(options.select, Select::Count(_));
    let by_percent = matches!(&options.select, Select::At(places) if places.iter().any(percent));
    if !counted && !by_percent && !percent(&start) && (end == hundred || !percent(&end)) {
        return None;
    }
    let number = |place| match place {
        Place::Frame(n) if counted => Some(n),
        _ => None,
    };
    Some([start, end].into_iter().filter_map(number).collect())
}

#[derive(Clone, Debug)]
enum Wanted {
    Times {
        times: Times,
        /// Frame numbers of `at`, rising; those before `next` are done.
        numbers: Vec<u64>,
        next: usize,
        /// Whether places outside the range are possible (`at`).
        listed: bool,
    },
    Each {
        /// Whether only marked frames are wanted: sync points, or first frames of shots.
        marked_only: bool,
        /// The most frames to select.
        most: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug)]
struct HeldFrame {
    index: u64,
    time: Rational,
    marked: bool,
}

/// Selects frames one by one.
#[derive(Clone, Debug)]
pub struct Selector {
    wanted: Wanted,
    start: Bound,
    end: Bound,
    /// The duration, if it was measured. A place equal to it means the end and is not beyond it.
    measured: Option<Rational>,
    tolerance: Rational,
    seen: u64,
    held: Option<HeldFrame>,
    given: u64,
    most: u64,
    outside_range: u64,
    warnings: Vec<String>,
}

impl Selector {
    /// A selector of at most `most` images. `measured` is required exactly where [`needs`] says so; without it,
    /// places that depend on it count as 0.
    pub fn new(options: &Options, measured: Option<&Measured>, most: u64) -> Self {
        let duration = measured.map(|measured| measured.duration);
        let part = |percent: Rational| {
            let share = percent.checked_mul(Rational::new(1, 100).unwrap_or(Rational::ZERO));
            let whole = duration.unwrap_or(Rational::ZERO);
            share.and_then(|share| times::product(whole, share)).unwrap_or(Rational::ZERO)
        };
        let bound = |place| match place {
            Place::Time(time) => Bound::Time(time),
            Place::Percent(percent) if percent == Rational::whole(100) => Bound::End,
            Place::Percent(percent) => Bound::Time(part(percent)),
            Place::Frame(n) => Bound::Frame(n),
        };
        let start = match bound(options.range.start) {
            Bound::Frame(0) => Bound::Time(Rational::ZERO),
            Bound::End => Bound::Time(duration.unwrap_or(Rational::ZERO)),
            start => start,
        };
        let mut selector = Self {
            wanted: Wanted::each(),
            start,
            end: bound(options.range.end),
            measured: duration,
            tolerance: Rational::ZERO,
            seen: 0,
            held: None,
            given: 0,
            most,
            outside_range: 0,
            warnings: Vec::new(),
        };
        selector.wanted = match &options.select {
            Select::All => Wanted::each(),
            Select::Keyframes => Wanted::Each { marked_only: true, most: None },
            Select::Scenes { max, .. } => Wanted::Each { marked_only: true, most: Some((*max).into()) },
            Select::Count(count) => selector.slices(*count, measured),
            Select::At(places) => {
                let (mut listed, mut numbers) = (Vec::new(), Vec::new());
                for place in places {
                    match *place {
                        Place::Time(time) => listed.push(time),
                        Place::Percent(percent) => listed.push(part(percent)),
                        Place::Frame(n) => numbers.push(n),
                    }
                }
                numbers.sort_unstable();
                Wanted::Times { times: Times::list(listed), numbers, next: 0, listed: true }
            }
            select @ (Select::Every(_) | Select::Fps(_)) => {
                let first = match selector.start {
                    Bound::Time(time) => Some(time),
                    _ => None,
                };
                let period = select.period().unwrap_or(Rational::whole(1));
                Wanted::at(Times::periodic(first, period))
            }
        };
        selector
    }

    fn slices(&mut self, count: u32, measured: Option<&Measured>) -> Wanted {
        let none = Measured { duration: Rational::ZERO, frames: Vec::new() };
        let measured = measured.unwrap_or(&none);
        let duration = measured.duration;
        let resolve = |bound| match bound {
            Bound::Time(time) => Some(time),
            Bound::End => Some(duration),
            Bound::Frame(n) => measured.frames.iter().find(|(m, _)| *m == n).and_then(|(_, time)| *time),
        };
        let start = resolve(self.start).unwrap_or(duration);
        if start >= duration {
            // Clamped to the last frame, with its warning, when the video ends.
            return Wanted::at(Times::list(vec![start]));
        }
        let end = resolve(self.end).map_or(duration, |end| end.min(duration));
        self.start = Bound::Time(start);
        if matches!(self.end, Bound::Frame(_)) {
            self.end = Bound::Time(end);
        }
        Wanted::at(Times::slices(start, end, count))
    }

    /// Allows a frame that is at most `tolerance` seconds off in place of the one on screen at a wanted time.
    /// `aim` returns, for each such time, the moment within the tolerance at which to look. `end` is the video's
    /// end.
    pub fn aim(&mut self, tolerance: Rational, end: Rational, aim: impl Fn(Rational) -> Rational) {
        let end = match self.end {
            Bound::Time(to) => to.min(end),
            _ => end,
        };
        if let Wanted::Times { times, .. } = &mut self.wanted {
            *times = times.aimed(end, aim);
            self.tolerance = tolerance;
        }
    }

    /// The next moment at which a frame is wanted, or from which on every frame is; `None` for frame numbers,
    /// and at the end.
    pub fn next_time(&self) -> Option<Rational> {
        match (&self.wanted, self.start) {
            (Wanted::Times { times, numbers, next, .. }, _) if *next == numbers.len() => times.peek(),
            (Wanted::Each { .. }, Bound::Time(start)) if self.seen == 0 => Some(start),
            _ => None,
        }
    }

    /// The remaining wanted times; up to `end` if they have no last one.
    pub fn times_before(&self, end: Rational) -> impl Iterator<Item = Rational> {
        let end = match self.end {
            Bound::Time(to) => to.min(end),
            _ => end,
        };
        let mut times = match &self.wanted {
            Wanted::Times { times, .. } => Some(times.clone()),
            Wanted::Each { .. } => None,
        };
        std::iter::from_fn(move || {
            let times = times.as_mut()?;
            let time = times.peek().filter(|time| times.is_list() || *time < end)?;
            times.advance();
            Some(time)
        })
    }

    /// Takes the next frame in presentation order, and whether it is marked (a sync point or, for `scenes`, the
    /// first of a shot). Returns the requests that the frame before it answers.
    pub fn push(&mut self, time: Rational, marked: bool) -> Result<Requests, TooMany> {
        let index = self.seen;
        self.seen += 1;
        if self.start == Bound::Frame(index)
            && let Wanted::Times { times, .. } = &mut self.wanted
        {
            times.start_at(time);
        }
        if self.end == Bound::Frame(index) {
            // Numbers of `at` are still compared by time from here on: the same thing.
            self.end = Bound::Time(time);
        }
        let requests = match self.held {
            Some(held) => self.close(held, time)?,
            None => Requests::new(),
        };
        self.held = Some(HeldFrame { index, time, marked });
        Ok(requests)
    }

    fn after_start(&self, time: Rational, index: u64) -> bool {
        match self.start {
            Bound::Time(start) => time >= start,
            Bound::Frame(n) => index >= n,
            Bound::End => false,
        }
    }

    fn before_end(&self, time: Rational) -> bool {
        match self.end {
            Bound::Time(end) => time < end,
            // Until that frame comes, all frames are before the range.
            Bound::Frame(_) | Bound::End => true,
        }
    }

    /// The requests that `held` answers if it is on screen until `until`.
    fn close(&mut self, held: HeldFrame, until: Rational) -> Result<Requests, TooMany> {
        let mut requests = Requests::new();
        let mut wanted = std::mem::replace(&mut self.wanted, Wanted::each());
        let mut room = self.most - self.given;
        let mut add = |request| {
            room = room.checked_sub(1).ok_or(TooMany)?;
            requests.push(request);
            Ok(())
        };
        let result = match &mut wanted {
            Wanted::Each { marked_only, most } => {
                let inside = self.after_start(held.time, held.index) && self.before_end(held.time);
                let full = most.is_some_and(|most| self.given >= most);
                if inside && !full && (held.marked || !*marked_only) { add(None) } else { Ok(()) }
            }
            Wanted::Times { times, numbers, next, .. } => (|| {
                while numbers.get(*next).is_some_and(|n| *n == held.index) {
                    *next += 1;
                    if self.after_start(held.time, held.index) && self.before_end(held.time) {
                        add(Some(held.time))?;
                    } else {
                        self.outside_range += 1;
                    }
                }
                while let Some(time) = times.peek().filter(|time| *time < until) {
                    if !self.before_end(time) && !times.is_list() {
                        break;
                    }
                    let asked = times.asked().unwrap_or(time);
                    if self.is_too_early(held.time, asked, until) {
                        times.delay(until);
                        continue;
                    }
                    times.advance();
                    if self.after_start(asked, held.index) && self.before_end(asked) {
                        add(Some(asked))?;
                    } else {
                        self.outside_range += 1;
                    }
                }
                Ok(())
            })(),
        };
        self.wanted = wanted;
        result?;
        self.given += requests.len() as u64;
        Ok(requests)
    }

    /// Whether a frame is earlier than the tolerance allows and the next one, at `next`, is not. The frame on
    /// screen at the wanted time itself is always allowed.
    fn is_too_early(&self, time: Rational, asked: Rational, next: Rational) -> bool {
        let from = asked.checked_sub(self.tolerance);
        let to = asked.checked_add(self.tolerance);
        self.tolerance.is_positive()
            && from.is_some_and(|from| time < from)
            && to.is_some_and(|to| next <= to)
    }

    /// Whether no further frame, the held one included, can be wanted.
    pub fn is_done(&self) -> bool {
        match &self.wanted {
            Wanted::Each { most, .. } => {
                most.is_some_and(|most| self.given >= most)
                    || self.held.is_some_and(|held| !self.before_end(held.time))
            }
            Wanted::Times { times, numbers, next, .. } => {
                *next == numbers.len()
                    && !times.is_waiting()
                    && times.peek().is_none_or(|time| !times.is_list() && !self.before_end(time))
            }
        }
    }

    /// Whether a frame that is on screen from `from` until `until` may be wanted. Only if certainly not, it
    /// returns false, and the frame need not be decoded.
    pub fn may_want(&self, from: Rational, until: Rational) -> bool {
        match &self.wanted {
            Wanted::Times { times, numbers, next, .. } if *next == numbers.len() && !times.is_waiting() => {
                matches!(self.end, Bound::Frame(_)) || times.any_aimed(from, until, self.tolerance)
            }
            _ => true,
        }
    }

    /// Whether frames are selected by number, so that none may be skipped.
    pub fn counts_frames(&self) -> bool {
        let numbered = matches!(&self.wanted, Wanted::Times { numbers, .. } if !numbers.is_empty());
        numbered || [self.start, self.end].iter().any(|bound| matches!(bound, Bound::Frame(_)))
    }

    /// The end of the wanted part, if it is known: for progress.
    pub fn ends_at(&self) -> Option<Rational> {
        match (&self.wanted, self.end) {
            (Wanted::Times { times, .. }, _) if times.last().is_some() => times.last(),
            (_, Bound::Time(end)) => Some(end),
            _ => None,
        }
    }

    /// How many images are expected of a video that lasts `duration`.
    pub fn expected(&self, duration: Option<Rational>) -> Option<u64> {
        match &self.wanted {
            Wanted::Each { .. } => None,
            Wanted::Times { times, numbers, .. } => {
                let end = match (self.end, duration) {
                    (Bound::Time(end), Some(duration)) => Some(end.min(duration)),
                    (Bound::Time(end), None) => Some(end),
                    (_, duration) => duration,
                };
                Some(times.count_before(end)?.saturating_add(numbers.len() as u64))
            }
        }
    }
}

impl Wanted {
    fn each() -> Self {
        Self::Each { marked_only: false, most: None }
    }

    fn at(times: Times) -> Self {
        Self::Times { times, numbers: Vec::new(), next: 0, listed: false }
    }
}

#[cfg(test)]
mod tests;
