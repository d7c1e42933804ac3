//! The cache against plain bytes, under random reads, hints, budgets and failures.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// Bytes whose fetches fail where the list says so, with a list of what was fetched.
struct Model {
    size: u64,
    fetched: Vec<Range<u64>>,
    failures: Vec<bool>,
}

impl Fetch for Model {
    type Pending = Range<u64>;

    fn start(&mut self, range: Range<u64>) -> Self::Pending {
        assert!(range.start < range.end && range.end <= self.size, "{range:?}");
        self.fetched.push(range.clone());
        range
    }

    fn finish(&mut self, range: Range<u64>) -> io::Result<Bytes> {
        if self.failures.pop() == Some(true) {
            return Err(io::Error::other("injected"));
        }
        Ok(Bytes::from_static(content(range)))
    }
}

/// What is there: up to 64 MiB that repeat after 251 * 256 bytes, no power of two.
fn content(range: Range<u64>) -> &'static [u8] {
    static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let once: Vec<u8> = (0..251 * 256).map(|i| (i * 31 + i / 251) as u8).collect();
        once.repeat((64 << 20) / once.len() + 1)
    });
    &CONTENT[range.start as usize..range.end as usize]
}

fn reader(size: usize, budget: u64, failures: Vec<bool>) -> BlockReader<Model> {
    let size = size as u64;
    BlockReader::new(Model { size, fetched: Vec::new(), failures }, size, budget)
}

#[derive(Clone, Debug)]
enum Read {
    At(usize),
    On,
    /// Before it, these ranges are expected; the read is at the start of the first.
    Prefetch(Vec<Range<u64>>),
}

/// What demuxers do: jumps, reads that go on, and hints that are right, wrong and senseless.
fn reads() -> impl Strategy<Value = Vec<(Read, usize)>> {
    let range = (0u64..3_200_000, 0u64..400_000, any::<bool>())
        .prop_map(|(start, length, ahead)| if ahead { start..start + length } else { start + length..start });
    let read = prop_oneof![
        2 => (0usize..3_100_000).prop_map(Read::At),
        4 => Just(Read::On),
        1 => proptest::collection::vec(range, 0..6).prop_map(Read::Prefetch),
    ];
    proptest::collection::vec((read, 1usize..200_000), 1..60)
}

proptest! {
    #[test]
    fn reads_what_is_there(
        size in 1usize..3_000_000,
        budget in 8u64..1_500_000,
        failures in proptest::collection::vec(proptest::bool::weighted(0.2), 0..20),
        reads in reads(),
    ) {
        let mut reader = reader(size, budget, failures);
        let mut position = 0_usize;
        for (read, length) in reads {
            match read {
                Read::At(offset) => position = offset,
                Read::On => {}
                Read::Prefetch(ranges) => {
                    reader.prefetch(&ranges);
                    position = ranges.first().map_or(position, |range| range.start as usize);
                }
            }
            let mut buf = vec![0; length];
            match reader.read_at(position as u64, &mut buf) {
                Ok(n) => {
                    prop_assert_eq!(n == 0, position >= size);
                    prop_assert!(n <= length);
                    if n > 0 {
                        prop_assert_eq!(&buf[..n], content(position as u64..(position + n) as u64));
                    }
                    position += n;
                }
                Err(error) => prop_assert_eq!(error.to_string(), "injected"),
            }
            prop_assert!(reader.held() <= budget, "{} of {}", reader.held(), budget);
            let mut ranges: Vec<_> = reader.extents.iter().map(|extent| extent.range.clone()).collect();
            ranges.sort_by_key(|range| range.start);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{ranges:?}");
        }
    }
}

#[test]
fn reading_on_fetches_each_byte_once_and_ahead() {
    let size = 16 << 20;
    let mut reader = reader(size, 16 << 20, Vec::new());
    let (mut buf, mut position) = (vec![0; 32 << 10], 0);
    while let n @ 1.. = reader.read_at(position, &mut buf).unwrap() {
        position += n as u64;
        if position == 320 << 10 {
            assert_eq!(reader.fetch.fetched.len(), 4, "one jump, one continued, two ahead");
        }
    }
    assert_eq!(position, size as u64);
    let fetched = &reader.fetch.fetched;
    assert_eq!(fetched.iter().map(|range| range.end - range.start).sum::<u64>(), size as u64);
    assert_eq!(fetched.iter().map(|range| range.end - range.start).max(), Some(2 << 20));
    assert!(fetched.len() < 14, "{fetched:?}");
}

#[test]
fn a_jump_fetches_little() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    let mut buf = [0; 100];
    for offset in [0, 60 << 20, 30 << 20] {
        reader.read_at(offset, &mut buf).unwrap();
    }
    assert_eq!(reader.fetch.fetched.iter().map(|range| range.end - range.start).max(), Some(256 << 10));
    assert_eq!(reader.fetch.fetched.len(), 3);
}

#[test]
fn two_streams_far_apart_are_both_read_ahead() {
    let mut reader = reader(64 << 20, 16 << 20, Vec::new());
    let mut buf = vec![0; 64 << 10];
    for step in 0..32_u64 {
        reader.read_at(step * (64 << 10), &mut buf).unwrap();
        reader.read_at((32 << 20) + step * (64 << 10), &mut buf).unwrap();
    }
    let fetched = &reader.fetch.fetched;
    assert!(fetched.len() < 16, "64 reads in few fetches: {fetched:?}");
}

#[test]
fn a_range_of_another_length_is_an_error_and_is_not_kept() {
    struct Short;
    impl Fetch for Short {
        type Pending = ();
        fn start(&mut self, _: Range<u64>) {}
        fn finish(&mut self, (): ()) -> io::Result<Bytes> {
            Ok(Bytes::from_static(b"short"))
        }
    }
    let mut reader = BlockReader::new(Short, 1000, 1 << 20);
    for _ in 0..2 {
        let error = reader.read_at(0, &mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

mod expected;
