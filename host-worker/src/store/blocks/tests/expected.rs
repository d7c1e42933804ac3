//! What is fetched when the reader above says what it will read.

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Reads all of `range` in small steps.
fn read(reader: &mut BlockReader<Model>, range: Range<u64>) {
    let (mut position, mut buf) = (range.start, vec![0; 32 << 10]);
    while position < range.end {
        let wanted = buf.len().min((range.end - position) as usize);
        let n = reader.read_at(position, &mut buf[..wanted]).unwrap();
        assert_eq!(&buf[..n], content(position..position + n as u64));
        position += n as u64;
    }
}

/// Groups of 150 KiB, each a MiB after the one before.
fn groups(count: u64) -> Vec<Range<u64>> {
    (1..=count).map(|i| i * MIB..i * MIB + 150 * KIB).collect()
}

#[test]
fn exactly_these_are_fetched_in_order_and_several_ahead() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    let groups = groups(40);
    reader.prefetch(&groups);
    assert_eq!(reader.fetch.fetched, groups[..8], "before the first read");
    for (i, group) in groups.iter().enumerate() {
        read(&mut reader, group.clone());
        let ahead = (i + 9).min(groups.len());
        assert_eq!(reader.fetch.fetched, groups[..ahead], "while group {i} is read");
    }
    assert_eq!(reader.held(), 150 * KIB, "what was read is not kept");
}

#[test]
fn a_long_range_comes_in_pieces_within_half_of_the_budget() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    reader.prefetch(std::slice::from_ref(&(MIB..20 * MIB)));
    for position in (MIB..20 * MIB).step_by(64 << 10) {
        read(&mut reader, position..position + 64 * KIB);
        assert!(reader.held() <= 8 * MIB, "{} at {position}", reader.held());
    }
    let pieces: Vec<_> = (0..10).map(|i| MIB + i * 2 * MIB..(3 * MIB + i * 2 * MIB).min(20 * MIB)).collect();
    assert_eq!(reader.fetch.fetched, pieces);
}

#[test]
fn neighbours_are_merged_and_nonsense_is_left_out() {
    let mut reader = reader(4 << 20, 16 << 20, Vec::new());
    reader.prefetch(&[
        0..1000,
        1000..2000,
        2000 + 64 * KIB - 1..70_000,
        70_000 + 64 * KIB..200_000,
        // Within the last one, empty, turned around, beyond the end.
        150_000..160_000,
        300_000..300_000,
        Range { start: 900_000, end: 800_000 },
        4 * MIB - 10..u64::MAX,
        5 * MIB..6 * MIB,
        // Back to the front: order is the reader's.
        600_000..600_001,
    ]);
    assert_eq!(
        reader.fetch.fetched,
        [0..70_000, 70_000 + 64 * KIB..200_000, 4 * MIB - 10..4 * MIB, 600_000..600_001]
    );
}

#[test]
fn a_new_hint_calls_off_what_it_does_not_name() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    // A demuxer has read the index, and more was fetched on the guess that it goes on.
    read(&mut reader, 0..300 * KIB);
    assert!(reader.extents.iter().any(|extent| extent.range.end > 2 * MIB));
    let groups = groups(12);
    reader.prefetch(&groups[4..]);
    let ready = |reader: &BlockReader<Model>| {
        let mut ranges: Vec<_> = reader.extents.iter().map(|extent| extent.range.clone()).collect();
        ranges.sort_by_key(|range| range.start);
        ranges
    };
    assert_eq!(ready(&reader)[..2], [0..256 * KIB, 256 * KIB..768 * KIB], "what has come stays");
    assert_eq!(ready(&reader)[2..], groups[4..], "what is on its way for nothing does not");

    // Another one keeps what both name, and does not fetch it again.
    let before = reader.fetch.fetched.len();
    reader.prefetch(&groups[8..]);
    assert_eq!(ready(&reader)[2..], groups[8..]);
    assert_eq!(reader.fetch.fetched.len(), before);

    // None: back to guesses, from small to large.
    reader.prefetch(&[]);
    assert_eq!(ready(&reader).len(), 2);
    let before = reader.fetch.fetched.len();
    read(&mut reader, 40 * MIB..41 * MIB);
    assert_eq!(reader.fetch.fetched[before], 40 * MIB..40 * MIB + 256 * KIB);
    assert!(reader.fetch.fetched.len() >= before + 4, "it is read ahead again");
}

#[test]
fn taking_no_hint_back_calls_nothing_off() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    read(&mut reader, 0..300 * KIB);
    let (held, fetched) = (reader.held(), reader.fetch.fetched.len());
    reader.prefetch(&[]);
    assert_eq!((reader.held(), reader.fetch.fetched.len()), (held, fetched));
}

#[test]
fn reads_beside_the_hint_work_and_do_not_disturb_it() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    let groups = groups(20);
    reader.prefetch(&groups);
    read(&mut reader, groups[0].clone());
    // A demuxer looks a little beyond the end of a group: nothing doubles from there.
    read(&mut reader, groups[0].end..groups[0].end + 12);
    assert_eq!(reader.fetch.fetched.last(), Some(&(groups[0].end..groups[0].end + 64 * KIB)));
    // A second stream far away is read on and on, and ahead, within the other half.
    for step in 0..160 {
        read(&mut reader, 30 * MIB + step * 64 * KIB..30 * MIB + (step + 1) * 64 * KIB);
        assert!(reader.held() <= 16 * MIB);
    }
    let others = |reader: &BlockReader<Model>| {
        reader
            .fetch
            .fetched
            .iter()
            .filter(|range| range.start < 25 * MIB && range.end % MIB == 150 * KIB)
            .count()
    };
    assert_eq!(others(&reader), 9, "no group was dropped and fetched again");
    for group in &groups[1..] {
        read(&mut reader, group.clone());
    }
    assert_eq!(others(&reader), 20);
    // One that was left behind can be read, too.
    read(&mut reader, groups[3].clone());
}

#[test]
fn skipped_ranges_are_dropped() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    let groups = groups(30);
    reader.prefetch(&groups);
    read(&mut reader, groups[6].start..groups[6].start + 10);
    assert_eq!(reader.extents.len(), 8);
    assert!(reader.extents.iter().all(|extent| extent.range.start >= groups[6].start));
}

#[test]
fn an_expected_fetch_that_fails_is_reported_and_may_be_tried_again() {
    let mut reader = reader(64 << 20, 16 << 20, vec![false, true, false]);
    let groups = groups(12);
    reader.prefetch(&groups);
    read(&mut reader, groups[0].clone());
    let error = reader.read_at(groups[1].start, &mut [0; 10]).unwrap_err();
    assert_eq!(error.to_string(), "injected");
    for group in &groups[1..] {
        read(&mut reader, group.clone());
    }
    let again = reader.fetch.fetched.iter().filter(|range| **range == groups[1]).count();
    assert_eq!((again, reader.fetch.fetched.len()), (2, 13), "only the one that failed");
}
