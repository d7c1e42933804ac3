//! Ends a selection: when the video ends, or when nothing more is wanted.

use framelift_domain::Rational;

use super::{Bound, Requests, Selector, Times, TooMany, Wanted};
use crate::words::count;

impl Selector {
    /// Ends the selection with the video, whose last frame is on screen until `end`. Returns the requests that the
    /// held frame answers. Places beyond the end are clamped to it, with warnings.
    pub fn finish(&mut self, end: Rational) -> Result<Requests, TooMany> {
        let Some(held) = self.held.take() else {
            return Ok(Requests::new());
        };
        let start_beyond = match self.start {
            Bound::Time(start) => start >= end,
            Bound::Frame(n) => n >= self.seen,
            Bound::End => false,
        };
        match self.end {
            Bound::Time(to) if to > end && self.measured != Some(to) => {
                self.warn(format!("the range ends at {to} s, after the end of the video at {end} s"));
            }
            Bound::Frame(n) if n > self.seen => {
                self.warn(format!(
                    "the range ends at frame #{n}, but the video has {}",
                    count(self.seen, "frame")
                ));
            }
            _ => {}
        }
        let empty = self.is_empty();
        if start_beyond && !empty {
            self.start = Bound::Time(held.time);
            self.warn(format!(
                "the range starts beyond the end of the video at {end} s; its last frame stands in"
            ));
            if let Wanted::Times { times, listed: false, .. } = &mut self.wanted {
                // The requested time, if there is one, is kept in the record.
                let asked = times.asked();
                *times = Times::list(vec![asked.unwrap_or(held.time)]);
            }
        }
        let mut requests = self.close(held, end)?;
        let beyond = self.clamp(end, empty, start_beyond);
        for request in beyond {
            if self.given == self.most {
                return Err(TooMany);
            }
            self.given += 1;
            requests.push(Some(request.unwrap_or(held.time)));
        }
        self.settle();
        Ok(requests)
    }

    fn is_empty(&self) -> bool {
        match (self.start, self.end) {
            (Bound::Time(start), Bound::Time(to)) => start >= to,
            (Bound::Frame(from), Bound::Frame(to)) => from >= to,
            _ => false,
        }
    }

    /// Adds warnings about places that were skipped. Part of [`Selector::finish`]; for callers that stop
    /// before the end of the video.
    pub fn settle(&mut self) {
        if self.outside_range > 0 {
            let (lie, were) = if self.outside_range == 1 { ("lies", "was") } else { ("lie", "were") };
            self.warn(format!(
                "{} of the places {lie} outside the range and {were} left out",
                self.outside_range
            ));
        }
        if let Wanted::Each { most: Some(most), .. } = self.wanted
            && self.given >= most
        {
            let shots = count(most, "shot");
            self.warn(format!("the first {shots} were taken, as many as were asked for at most"));
        }
        if self.is_empty() {
            self.warn("the range is empty".to_owned());
        } else if self.given == 0 {
            self.warn("no frame of the video matches the selection".to_owned());
        }
    }

    /// Clamps the requests that are left at the end of the video to the last frame. It adds no warning for
    /// each if the whole range was reported already.
    fn clamp(&mut self, end: Rational, empty: bool, announced: bool) -> Vec<Option<Rational>> {
        let Wanted::Times { times, numbers, next, .. } = &mut self.wanted else {
            return Vec::new();
        };
        let mut beyond = Vec::new();
        let (mut count, mut first) = (0_u64, None);
        if times.is_finite() && !empty {
            while let Some(time) = times.asked() {
                times.advance();
                let inside = match self.end {
                    Bound::Time(to) if times.is_list() => time < to,
                    _ => true,
                };
                if !inside {
                    self.outside_range += 1;
                    continue;
                }
                beyond.push(Some(time));
                // 100 % is the end itself, and what is on screen there is the last frame.
                if self.measured != Some(time) {
                    count += 1;
                    first.get_or_insert_with(|| format!("{time} s"));
                }
            }
        }
        for n in numbers.drain(*next..) {
            beyond.push(None);
            count += 1;
            first.get_or_insert_with(|| format!("#{n}"));
        }
        *next = numbers.len();
        if let Some(first) = first.filter(|_| !announced) {
            let what = if count == 1 { "1 place lies".to_owned() } else { format!("{count} places lie") };
            self.warn(format!(
                "{what} beyond the end of the video at {end} s ({first}); its last frame stands in"
            ));
        }
        beyond
    }

    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The warnings for the owner, after [`Selector::finish`] or [`Selector::settle`].
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
