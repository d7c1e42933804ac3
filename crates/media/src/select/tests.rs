//! The selector against a plain model that sees the whole video at once.

use super::*;
use proptest::prelude::*;

fn r(num: i128, den: i128) -> Rational {
    Rational::new(num, den).unwrap()
}

fn options(select: Select, start: &str, end: &str) -> Options {
    let range = Range { start: start.parse().unwrap(), end: end.parse().unwrap() };
    Options { select, range, ..Options::default() }
}

fn places(texts: &[&str]) -> Select {
    Select::At(texts.iter().map(|text| text.parse().unwrap()).collect())
}

/// A video of `times` that ends at `end`, all sync points where the index divides by 3.
#[derive(Debug)]
struct Video {
    times: Vec<Rational>,
    end: Rational,
}

impl Video {
    /// 10 frames, half a second each.
    fn steady() -> Self {
        Self { times: (0..10).map(|i| r(i, 2)).collect(), end: r(5, 1) }
    }

    fn measured(&self, options: &Options) -> Option<Measured> {
        let frames = needs(options)?.into_iter().map(|n| (n, self.times.get(n as usize).copied())).collect();
        Some(Measured { duration: self.end, frames })
    }

    /// (frame index, request) in the order given, with the warnings.
    fn select(&self, options: &Options, skip: bool) -> (Vec<(usize, Option<Rational>)>, Vec<String>) {
        let mut selector = Selector::new(options, self.measured(options).as_ref(), 1_000_000);
        let (mut given, mut held) = (Vec::new(), None);
        for (i, &time) in self.times.iter().enumerate() {
            let next = self.times.get(i + 1);
            if skip && i > 0 && i % 3 != 0 && !selector.counts_frames() {
                // A picture that nothing refers to and nobody wants is never seen.
                if let Some(&next) = next
                    && !selector.may_want(time, next)
                {
                    continue;
                }
            }
            let requests = selector.push(time, i % 3 == 0).unwrap();
            given.extend(requests.into_iter().map(|request| (held.unwrap(), request)));
            held = Some(i);
            if selector.is_done() {
                selector.settle();
                return (given, selector.take_warnings());
            }
        }
        let requests = selector.finish(self.end).unwrap();
        given.extend(requests.into_iter().map(|request| (held.unwrap(), request)));
        (given, selector.take_warnings())
    }

    fn indexes(&self, options: &Options) -> Vec<usize> {
        self.select(options, false).0.into_iter().map(|(i, _)| i).collect()
    }

    fn on_screen(&self, time: Rational) -> usize {
        self.times.partition_point(|start| *start <= time).saturating_sub(1)
    }
}

#[test]
fn each_way_to_select() {
    let video = Video::steady();
    let given = |select, start, end| video.indexes(&options(select, start, end));
    assert_eq!(given(Select::Every(r(1, 1)), "0s", "100%"), [0, 2, 4, 6, 8]);
    assert_eq!(given(Select::Fps(r(1, 2)), "0s", "100%"), [0, 4, 8]);
    assert_eq!(given(Select::Every(r(1, 4)), "4s", "100%"), [8, 8, 9, 9]);
    assert_eq!(given(Select::Every(r(1, 1)), "0.7s", "2.7s"), [1, 3]);
    assert_eq!(given(Select::Every(r(1, 1)), "#3", "#8"), [3, 5, 7]);
    assert_eq!(given(Select::Every(r(1, 1)), "50%", "90%"), [5, 7]);
    assert_eq!(given(Select::Count(5), "0s", "100%"), [1, 3, 5, 7, 9]);
    assert_eq!(given(Select::Count(2), "1s", "3s"), [3, 5]);
    assert_eq!(given(Select::Count(1), "#2", "#4"), [3]);
    assert_eq!(given(Select::Keyframes, "0s", "100%"), [0, 3, 6, 9]);
    assert_eq!(given(Select::Keyframes, "1s", "4.5s"), [3, 6]);
    assert_eq!(given(Select::All, "1.2s", "2.5s"), [3, 4]);
    assert_eq!(given(Select::All, "#2", "#4"), [2, 3]);
}

#[test]
fn places_come_in_time_order_and_as_often_as_asked() {
    let video = Video::steady();
    let (given, warnings) =
        video.select(&options(places(&["4s", "#1", "0.6s", "50%", "0.6s"]), "0s", "100%"), false);
    let expected = [(1, r(1, 2)), (1, r(3, 5)), (1, r(3, 5)), (5, r(5, 2)), (8, r(4, 1))]
        .map(|(i, time)| (i, Some(time)));
    assert_eq!(given, expected);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_lies_beyond_the_end_is_clamped_and_said() {
    let video = Video::steady();
    let select = |select, start, end| video.select(&options(select, start, end), false);
    let (given, warnings) = select(places(&["9s", "#99", "1s"]), "0s", "100%");
    assert_eq!(given, [(2, Some(r(1, 1))), (9, Some(r(9, 1))), (9, Some(r(9, 2)))]);
    assert!(warnings[0].contains("2 places lie beyond the end of the video at 5 s"), "{warnings:?}");

    let (given, warnings) = select(places(&["100%"]), "0s", "100%");
    assert_eq!((given, warnings), (vec![(9, Some(r(5, 1)))], vec![]), "the end itself is no place beyond it");

    for select_what in [Select::Every(r(1, 1)), Select::Count(3), Select::All] {
        let (given, warnings) = select(select_what, "7s", "100%");
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].0, 9);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("starts beyond the end"), "{warnings:?}");
    }
    let (given, warnings) = select(Select::All, "4s", "8s");
    assert_eq!(given.len(), 2);
    assert!(warnings[0].contains("the range ends at 8 s"), "{warnings:?}");
}

#[test]
fn places_outside_the_range_and_empty_ranges_are_said() {
    let video = Video::steady();
    let (given, warnings) = video.select(&options(places(&["0s", "2s", "#8", "4s"]), "1s", "3s"), false);
    assert_eq!(given, [(4, Some(r(2, 1)))]);
    assert!(warnings.iter().any(|warning| warning.contains("3 of the places")), "{warnings:?}");
    for select in [Select::Every(r(1, 1)), Select::Count(3), Select::All, Select::Keyframes] {
        let (given, warnings) = video.select(&options(select, "90%", "1s"), false);
        assert!(given.is_empty());
        assert!(warnings.contains(&"the range is empty".to_owned()), "{warnings:?}");
    }
}

#[test]
fn more_than_the_limit_is_refused() {
    let mut selector = Selector::new(&options(Select::Every(r(1, 1000)), "0s", "100%"), None, 50);
    selector.push(Rational::ZERO, true).unwrap();
    assert_eq!(selector.push(r(1, 1), false), Err(TooMany));
}

#[test]
fn nothing_is_read_after_the_last_wanted_frame() {
    let mut selector = Selector::new(&options(places(&["0.6s"]), "0s", "100%"), None, 50);
    selector.push(Rational::ZERO, true).unwrap();
    selector.push(r(1, 2), false).unwrap();
    assert!(!selector.is_done());
    assert_eq!(selector.push(r(1, 1), false).unwrap(), [Some(r(3, 5))]);
    assert!(selector.is_done());
}

fn video() -> impl Strategy<Value = Video> {
    (proptest::collection::vec(1i64..200, 1..60), 1i64..200).prop_map(|(gaps, last)| {
        let mut at = 0;
        let times: Vec<i64> = std::iter::once(0)
            .chain(gaps.into_iter().map(|gap| {
                at += gap;
                at
            }))
            .collect();
        let end = times[times.len() - 1] + last;
        let seconds = |ticks: i64| r(i128::from(ticks) * 1001, 30_000);
        Video { times: times.into_iter().map(seconds).collect(), end: seconds(end) }
    })
}

proptest! {
    #[test]
    fn every_gives_what_is_on_screen(video in video(), millis in 1i128..3000, from in 0i128..4000, skip: bool) {
        let period = r(millis, 1000);
        let start = r(from, 1000);
        prop_assume!(start < video.end);
        let (given, _) = video.select(&options(Select::Every(period), &format!("{start}s"), "100%"), skip);
        let mut expected = Vec::new();
        let mut time = start;
        while time < video.end {
            expected.push((video.on_screen(time), Some(time)));
            time = time.checked_add(period).unwrap();
        }
        prop_assert_eq!(given, expected);
    }

    #[test]
    fn count_gives_the_middles(video in video(), count in 1u32..200, skip: bool) {
        let (given, warnings) = video.select(&options(Select::Count(count), "0s", "100%"), skip);
        let expected: Vec<_> = (0..i128::from(count)).map(|k| {
            let time = video.end.checked_mul(r(2 * k + 1, 2 * i128::from(count))).unwrap();
            (video.on_screen(time), Some(time))
        }).collect();
        prop_assert_eq!(given, expected);
        prop_assert!(warnings.is_empty());
    }

    #[test]
    fn at_gives_what_is_on_screen(
        video in video(),
        millis in proptest::collection::vec(0i128..40_000, 0..20),
        numbers in proptest::collection::vec(0u64..80, 0..5),
        skip: bool,
    ) {
        let times = millis.iter().map(|ms| Place::Time(r(*ms, 1000)));
        let places: Vec<_> = times.chain(numbers.iter().map(|n| Place::Frame(*n))).collect();
        prop_assume!(!places.is_empty());
        let (mut given, _) = video.select(&options(Select::At(places), "0s", "100%"), skip);
        let last = video.times.len() - 1;
        let mut expected: Vec<_> = millis.iter().map(|ms| (video.on_screen(r(*ms, 1000)), Some(r(*ms, 1000)))).collect();
        expected.extend(numbers.iter().map(|n| {
            let index = (*n as usize).min(last);
            (index, Some(video.times[index]))
        }));
        prop_assert!(given.is_sorted_by_key(|(i, _)| *i));
        given.sort();
        expected.sort();
        prop_assert_eq!(given, expected);
    }
}
