//! The ids of events in the stream of all videos: what the reader has read, by positions in the list of videos.

use std::fmt;
use std::ops::Range;

/// Maximum of ranges of a bookmark. Further ranges are joined, with the gaps between them.
const MAX_RANGES: usize = 20;

/// How far a reader has read. It still needs the videos at the open positions, and from `end` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bookmark {
    /// The position after the newest video that the reader may know.
    pub(super) end: u64,
    /// Ranges of positions before `end` of videos whose end the reader may not know, in order and with gaps between them.
    pub(super) open: Vec<Range<u64>>,
}

impl Bookmark {
    /// A bookmark with these open positions, in any order. If there are too many ranges, the gaps between some are open, too.
    pub(super) fn new(end: u64, open: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut ranges: Vec<Range<u64>> = open.into_iter().filter(|range| !range.is_empty()).collect();
        ranges.sort_by_key(|range| range.start);
        let mut open: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match open.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => open.push(range),
            }
        }
        while open.len() > MAX_RANGES {
            let gaps = open.windows(2).map(|pair| pair[1].start - pair[0].end);
            let narrowest = gaps.enumerate().min_by_key(|(_, gap)| *gap).map_or(0, |(n, _)| n);
            open[narrowest].end = open[narrowest + 1].end;
            open.remove(narrowest + 1);
        }
        Self { end, open }
    }

    /// Parses the id of an event; none if it is not in the form in which a bookmark is displayed.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (end, ranges) = id.split_once(':')?;
        let mut bookmark = Self { end: end.parse().ok()?, open: Vec::new() };
        for range in ranges.split_terminator(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
            bookmark.open.push(range);
        }
        // Ranges that are not in order, or not joined, were not written here.
        (bookmark.to_string() == id && bookmark == Self::new(bookmark.end, bookmark.open.clone()))
            .then_some(bookmark)
    }
}

/// Such as `412:3,398-405`.
impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.end)?;
        for (n, Range { start, end }) in self.open.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match end.saturating_sub(1) {
                last if last == *start => write!(f, "{comma}{start}")?,
                last => write!(f, "{comma}{start}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Takes the lowest positions out of ranges that are in order.
pub(super) fn take_lowest(ranges: &mut Vec<Range<u64>>, most: usize) -> Vec<u64> {
    let lowest: Vec<u64> = ranges.iter().cloned().flatten().take(most).collect();
    if let Some(last) = lowest.last() {
        ranges.retain_mut(|range| {
            range.start = range.start.max(last + 1);
            !range.is_empty()
        });
    }
    lowest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(positions: &[u64]) -> Vec<Range<u64>> {
        positions.iter().map(|n| *n..n + 1).collect()
    }

    #[test]
    fn a_bookmark_is_read_as_it_was_written() {
        for (open, id) in [(&[][..], "412:"), (&[3], "412:3"), (&[400, 3, 398, 399, 399], "412:3,398-400")] {
            let bookmark = Bookmark::new(412, single(open));
            assert_eq!(bookmark.to_string(), id);
            assert_eq!(Bookmark::parse(id), Some(bookmark));
        }
        let too_many = (1..=21).map(|n| n.to_string() + "0").collect::<Vec<_>>().join(",");
        for bad in [
            "",
            "0",
            "1764305000000",
            ":",
            "5:1,",
            "5:,1",
            "5:2,1",
            "5:1,2",
            "5:2-1",
            "5:1-1",
            "5:x",
            "+5:",
            "05:",
            "5:18446744073709551615",
            "99999999999999999999:",
            "5:1;2",
            &format!("999:{too_many}"),
        ] {
            assert_eq!(Bookmark::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_lowest_positions_are_taken_out_of_their_ranges() {
        let mut ranges = vec![2..4, 7..9, 20..21];
        assert_eq!(take_lowest(&mut ranges, 3), [2, 3, 7]);
        assert_eq!(ranges, [8..9, 20..21]);
        assert_eq!(take_lowest(&mut ranges, 3), [8, 20]);
        assert_eq!(take_lowest(&mut ranges, 3), [] as [u64; 0]);
    }

    proptest! {
        #[test]
        fn no_position_is_lost_however_many_there_are(positions in proptest::collection::vec(0_u64..5000, 0..200)) {
            let bookmark = Bookmark::new(5000, single(&positions));
            prop_assert!(bookmark.open.len() <= MAX_RANGES && bookmark.to_string().len() < 300);
            for position in positions {
                prop_assert!(bookmark.open.iter().any(|range| range.contains(&position)));
            }
            prop_assert_eq!(Bookmark::parse(&bookmark.to_string()), Some(bookmark));
        }

        #[test]
        fn no_id_is_too_much(id in "[0-9:,-]{0,60}") {
            if let Some(bookmark) = Bookmark::parse(&id) {
                prop_assert_eq!(bookmark.to_string(), id);
            }
        }
    }
}
