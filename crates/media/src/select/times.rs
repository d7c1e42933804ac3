//! Rising sequences of wanted times; evenly spaced ones are computed, not stored.

use framelift_domain::Rational;

const NANO: i128 = 1_000_000_000;

/// Wanted times, rising; those before `next` are done.
#[derive(Clone, Debug)]
pub struct Times {
    kind: Kind,
    next: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    /// first + k·period, for ever or for k < count.
    Even {
        first: Option<Rational>,
        period: Rational,
        count: Option<u64>,
    },
    List(Vec<Rational>),
    /// Requested times that are served at other moments: the moments, rising, each with its requested time.
    Aimed(Vec<(Rational, Rational)>),
}

/// `a·b`, to the nearest nanosecond where the exact fraction does not fit.
pub(super) fn product(a: Rational, b: Rational) -> Option<Rational> {
    let (num, den) = (i128::from(a.num()) * i128::from(b.num()), i128::from(a.den()) * i128::from(b.den()));
    fraction(num, den)
}

fn fraction(num: i128, den: i128) -> Option<Rational> {
    Rational::new(num, den).or_else(|| {
        let (whole, rest) = (num.div_euclid(den), num.rem_euclid(den));
        // `rest < den`: if the scaled value would not fit, it is divided first.
        let nanos = match rest.checked_mul(NANO) {
            Some(scaled) => scaled / den,
            None => rest / (den / NANO),
        };
        Rational::new(whole.checked_mul(NANO)?.checked_add(nanos)?, NANO)
    })
}

impl Times {
    /// `first`, `first + period`, … for ever; an unknown first is given by [`Times::start_at`].
    pub fn periodic(first: Option<Rational>, period: Rational) -> Self {
        Self { kind: Kind::Even { first, period, count: None }, next: 0 }
    }

    /// The middles of `count` equal slices of `start..end`; none if that is empty.
    pub fn slices(start: Rational, end: Rational, count: u32) -> Self {
        let slice = end.checked_sub(start).filter(|width| width.is_positive()).and_then(|width| {
            fraction(width.num().into(), i128::from(width.den()) * i128::from(count.max(1)))
        });
        let first = slice.and_then(|slice| {
            let half = fraction(slice.num().into(), i128::from(slice.den()) * 2)?;
            add(start, half)
        });
        match (slice, first) {
            (Some(period), Some(first)) => {
                Self { kind: Kind::Even { first: Some(first), period, count: Some(count.into()) }, next: 0 }
            }
            _ => Self::list(Vec::new()),
        }
    }

    /// The given times in any order.
    pub fn list(mut times: Vec<Rational>) -> Self {
        times.sort_unstable();
        Self { kind: Kind::List(times), next: 0 }
    }

    /// Replaces these times by the moments that `aim` returns; unbounded times only up to `end`.
    pub fn aimed(&self, end: Rational, aim: impl Fn(Rational) -> Rational) -> Self {
        let last = if self.is_finite() { None } else { Some(end) };
        let asked = (self.next..).map_while(|k| self.nth(k));
        let asked = asked.take_while(|time| last.is_none_or(|last| *time < last));
        let mut times: Vec<_> = asked.map(|time| (aim(time), time)).collect();
        times.sort_unstable();
        Self { kind: Kind::Aimed(times), next: 0 }
    }

    /// The requested time of [`Times::peek`].
    pub fn asked(&self) -> Option<Rational> {
        match &self.kind {
            Kind::Aimed(times) => Some(times.get(usize::try_from(self.next).ok()?)?.1),
            _ => self.peek(),
        }
    }

    /// Postpones the next aimed time to `later`.
    pub fn delay(&mut self, later: Rational) {
        if let Kind::Aimed(times) = &mut self.kind {
            let next = usize::try_from(self.next).unwrap_or(usize::MAX).min(times.len());
            times[next..]
                .iter_mut()
                .take_while(|(target, _)| *target < later)
                .for_each(|time| time.0 = later);
        }
    }

    /// Sets the first time of an even spacing that was unknown.
    pub fn start_at(&mut self, time: Rational) {
        if let Kind::Even { first: first @ None, .. } = &mut self.kind {
            *first = Some(time);
        }
    }

    /// Whether the first time is still unknown.
    pub fn is_waiting(&self) -> bool {
        matches!(self.kind, Kind::Even { first: None, .. })
    }

    /// Whether these are times from a list.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_) | Kind::Aimed(_))
    }

    /// Whether there is a last one.
    pub fn is_finite(&self) -> bool {
        !matches!(self.kind, Kind::Even { count: None, .. })
    }

    fn nth(&self, k: u64) -> Option<Rational> {
        match &self.kind {
            Kind::List(times) => times.get(usize::try_from(k).ok()?).copied(),
            Kind::Aimed(times) => times.get(usize::try_from(k).ok()?).map(|(target, _)| *target),
            Kind::Even { count: Some(count), .. } if k >= *count => None,
            Kind::Even { first, period, .. } => {
                let steps = fraction(i128::from(period.num()).checked_mul(k.into())?, period.den().into())?;
                add((*first)?, steps)
            }
        }
    }

    /// The next time; none when all are done or the first is unknown.
    pub fn peek(&self) -> Option<Rational> {
        self.nth(self.next)
    }

    /// Marks the next time as done.
    pub fn advance(&mut self) {
        self.next += 1;
    }

    /// The last time of all, where there is one.
    pub fn last(&self) -> Option<Rational> {
        match &self.kind {
            Kind::List(times) => times.last().copied(),
            Kind::Aimed(times) => times.last().map(|(target, _)| *target),
            Kind::Even { count, .. } => self.nth(count.as_ref()?.checked_sub(1)?),
        }
    }

    /// Whether an open time lies in `from..until`.
    pub fn any_in(&self, from: Rational, until: Rational) -> bool {
        let mut k = self.next.max(self.before(from));
        // `before` may be one too low where times are rounded.
        while let Some(time) = self.nth(k) {
            if time >= from {
                return time < until;
            }
            k += 1;
        }
        false
    }

    /// Whether a frame on screen in `from..until` may serve an open aimed time, with frames up to `tolerance`
    /// off.
    pub fn any_aimed(&self, from: Rational, until: Rational, tolerance: Rational) -> bool {
        let Kind::Aimed(times) = &self.kind else { return self.any_in(from, until) };
        let next = usize::try_from(self.next).unwrap_or(usize::MAX).min(times.len());
        let looked_for = times[next..].iter().take_while(|(target, _)| *target < until);
        let mut last = looked_for.map(|(_, asked)| asked.checked_add(tolerance));
        last.any(|last| last.is_none_or(|last| last >= from))
    }

    /// How many times lie before `end`; `None` if that is unknown.
    pub fn count_before(&self, end: Option<Rational>) -> Option<u64> {
        match (&self.kind, end) {
            (Kind::List(times), _) => Some(times.len() as u64),
            (Kind::Aimed(times), _) => Some(times.len() as u64),
            (Kind::Even { count: Some(count), .. }, _) => Some(*count),
            (Kind::Even { first: None, .. }, _) | (_, None) => None,
            (_, Some(end)) => Some(self.before(end)),
        }
    }

    /// The number of times before `at`, or one less.
    fn before(&self, at: Rational) -> u64 {
        match &self.kind {
            Kind::List(times) => times.partition_point(|time| *time < at) as u64,
            Kind::Aimed(times) => times.partition_point(|(target, _)| *target < at) as u64,
            Kind::Even { first, period, count } => {
                let away = first.and_then(|first| at.checked_sub(first)).filter(|away| away.is_positive());
                let (Some(away), true) = (away, period.is_positive()) else { return 0 };
                let num = i128::from(away.num()) * i128::from(period.den());
                let den = i128::from(away.den()) * i128::from(period.num());
                let steps = num / den + i128::from(num % den != 0);
                let rounded = u64::try_from(steps).unwrap_or(u64::MAX);
                rounded.min(count.unwrap_or(u64::MAX))
            }
        }
    }
}

/// `a + b`, to the nearest nanosecond where the exact sum does not fit.
fn add(a: Rational, b: Rational) -> Option<Rational> {
    a.checked_add(b).or_else(|| {
        let nanos = |r: Rational| i128::from(r.num()).checked_mul(NANO).map(|n| n / i128::from(r.den()));
        Rational::new(nanos(a)?.checked_add(nanos(b)?)?, NANO)
    })
}
