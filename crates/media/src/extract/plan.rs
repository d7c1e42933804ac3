//! The planner: chooses the cheapest exact way to the wanted frames, and says why.
//!
//! It counts what each way would decode, from the container's index and the wanted times:
//!
//! | way | decodes | reads |
//! |---|---|---|
//! | sequential | from the start to the last wanted frame, on one decoder | all of that |
//! | parallel | the same, by groups of pictures, on several decoders | all of that |
//! | seek | from the sync point before each wanted frame to it, by groups as well | just that |
//! | keyframes | sync points | sync points; all where there is no index |
//!
//! Groups are faster than one decoder because they are independent: no thread waits for another's picture,
//! and nothing is decoded behind a group's last wanted frame. They are slower if most frames are wanted:
//! images of later groups would have to be held until the earlier ones are written. The choice depends on the
//! video and the options alone, not on the machine, so that the manifest is the same everywhere.

use framelift_contract::manifest::{Plan, Strategy};
use framelift_domain::{Format, Options, Place, Select};

use super::groups::GroupRange;
use super::in_flight::IMAGE_BYTES;
use super::index::Index;
use super::survey::Survey;
use crate::EngineLimits;
use crate::bitstream;
use crate::ffi::{Input, StreamInfo};
use crate::select::Selector;
use crate::words::count;

/// Images of one group of pictures that may be held until their turn, in bytes.
const MAX_HELD_BYTES: u64 = IMAGE_BYTES;

/// A plan, and what its engine needs to know.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// How the groups of pictures are visited; `None` for the sequential engine.
    pub(super) reach: Option<GroupRange>,
}

/// The cost of the wanted times, given an index.
#[derive(Debug)]
struct Cost {
    /// Wanted frames.
    wanted: u64,
    /// Groups that hold one.
    groups: usize,
    /// Packets that have to be decoded; `None` if the index does not list them.
    packets: Option<usize>,
}

/// Why the groups of pictures of a video cannot be decoded independently; `None` if they can.
pub(super) fn obstacle(options: &Options, info: &StreamInfo) -> Option<&'static str> {
    let numbered = |place: &Place| matches!(place, Place::Frame(n) if *n > 0);
    let range = [options.range.start, options.range.end].iter().any(numbered);
    let whole = if options.select == Select::Keyframes { info.whole_pictures } else { info.timed_pictures };
    match &options.select {
        Select::Scenes { .. } => Some("every frame is compared with the one before it"),
        Select::At(places) if places.iter().any(|place| matches!(place, Place::Frame(_))) => {
            Some("frames are wanted by their number, so all are counted")
        }
        _ if range => Some("the range is given by frame numbers, so all frames are counted"),
        _ if info.untimed => Some("packets do not say when their pictures are shown"),
        _ if info.palette => Some("a picture's colours come with packets before it"),
        _ if !bitstream::can_detect_access(&info.codec) => {
            Some("nothing in pictures of this codec tells whether decoding can start there")
        }
        _ if !whole => Some("in this container a packet need not be one picture with its own time"),
        _ => None,
    }
}

/// Why one decoder is better although there is no [`obstacle`].
pub(super) fn preference(options: &Options) -> Option<&'static str> {
    (options.select == Select::All).then_some("every frame is wanted")
}

/// The sequential way.
pub(super) fn sequential(reason: &str, decoder: &str) -> Plan {
    Plan { strategy: Strategy::Sequential, reason: reason.to_owned(), decoder: decoder.to_owned() }
}

/// Chooses between the strategies by groups of pictures and the sequential one; `selector` has not seen a
/// frame yet.
pub(super) fn choose(
    input: &Input<'_>,
    survey: &Survey,
    selector: &Selector,
    options: &Options,
    limits: &EngineLimits,
    decoder: &str,
) -> Planned {
    let sequential = |reason: &str| Planned { plan: sequential(reason, decoder), reach: None };
    let groups = |strategy, reason: String, groups| Planned {
        plan: Plan { strategy, reason, decoder: decoder.to_owned() },
        reach: Some(GroupRange {
            jumps: strategy != Strategy::Parallel,
            keys_only: strategy == Strategy::Keyframes,
            groups,
        }),
    };
    let index = survey.index.as_ref();
    let all = index.map_or(0, Index::groups);
    if limits.strategy == Some(Strategy::Sequential) {
        return sequential("it was asked for");
    }
    if options.select == Select::Keyframes && limits.strategy.is_none_or(|asked| asked == Strategy::Keyframes)
    {
        let reason = "only sync points are wanted, and each decodes alone".to_owned();
        return groups(Strategy::Keyframes, reason, all);
    }
    let cost = index.and_then(|index| cost(input, survey, index, selector));
    match (limits.strategy, &cost) {
        (Some(Strategy::Parallel), cost) => {
            let touched = cost.as_ref().map_or(all, |cost| cost.groups);
            return groups(Strategy::Parallel, "it was asked for".to_owned(), touched);
        }
        (Some(Strategy::Seek), Some(cost)) => {
            return groups(Strategy::Seek, "it was asked for".to_owned(), cost.groups);
        }
        _ => {}
    }
    if cost.is_none() && input.info().has_index {
        return sequential("the container's index does not tell groups of pictures apart");
    }
    let Some(cost) = cost else {
        // Without an index the length of groups is unknown: those of broadcasts and live streams are short,
        // and the reader abandons this engine at a long one.
        return if images_held(options, selector, input, None) > MAX_HELD_BYTES {
            sequential("frames are wanted too densely for groups of pictures to be decoded side by side")
        } else {
            groups(
                Strategy::Parallel,
                "the container has no index, so all groups of pictures are read and decoded side by side"
                    .into(),
                0,
            )
        };
    };
    if cost.groups < 2 && all < 3 {
        return sequential("the wanted frames lie in one group of pictures");
    }
    if images_held(options, selector, input, Some(&cost)) > MAX_HELD_BYTES {
        return sequential("most frames are wanted, so one decoder feeds all encoders");
    }
    let of_groups = format!("{} of {}", cost.groups, count(all as u64, "group"));
    let saved = match cost.packets {
        Some(packets) => packets * 10 <= index.map_or(0, Index::packets) * 9,
        None => cost.groups * 10 <= all * 9,
    };
    if saved {
        let packets = cost.packets.map_or_else(String::new, |packets| {
            let all = index.map_or(0, Index::packets);
            format!(", and {packets} of {} lead to them", count(all as u64, "packet"))
        });
        return groups(
            Strategy::Seek,
            format!("{of_groups} of pictures hold wanted frames{packets}"),
            cost.groups,
        );
    }
    groups(
        Strategy::Parallel,
        format!("{of_groups} of pictures hold wanted frames and are decoded side by side"),
        cost.groups,
    )
}

/// The plan after the decoder's output did not match the packets.
pub(super) fn mismatched(plan: Plan) -> Plan {
    let reason = match plan.strategy {
        Strategy::Keyframes => "not every sync point decodes alone, so every frame was decoded",
        _ => "the groups of pictures do not all decode by themselves, so one decoder went through all",
    };
    Plan { strategy: Strategy::Sequential, reason: reason.to_owned(), ..plan }
}

fn cost(input: &Input<'_>, survey: &Survey, index: &Index, selector: &Selector) -> Option<Cost> {
    let timestamps = survey.timestamps(input, selector)?;
    let mut groups: Vec<usize> = timestamps.iter().map(|pts| index.group_at(*pts)).collect();
    groups.dedup();
    let packets = index.packets_to_all(input, &timestamps);
    let packets = packets.map(|packets| packets.iter().map(ExactSizeIterator::len).sum());
    let cost = Cost { wanted: timestamps.len() as u64, groups: groups.len(), packets };
    (selector.next_time().is_some() && cost.groups > 0).then_some(cost)
}

/// Estimates the bytes of images of one group of pictures that would wait for earlier groups, from typical
/// bytes per pixel.
fn images_held(options: &Options, selector: &Selector, input: &Input<'_>, cost: Option<&Cost>) -> u64 {
    let info = input.info();
    let per_group = match (cost, options.select.period()) {
        (Some(cost), _) => cost.wanted.div_ceil(cost.groups.max(1) as u64),
        // Groups of a stream without an index are assumed to last two seconds.
        (None, Some(period)) => (2.0 / period.to_f64()).ceil() as u64,
        (None, None) => match (selector.expected(None), info.claimed_duration) {
            (Some(wanted), Some(duration)) => {
                (2.0 * wanted as f64 / duration.to_f64().max(1.0)).ceil() as u64
            }
            _ => 1,
        },
    };
    per_group.saturating_mul(image_bytes(options, info))
}

/// Estimates the size of an image.
pub(super) fn image_bytes(options: &Options, info: &StreamInfo) -> u64 {
    let stored = u64::from(info.width) * u64::from(info.height);
    let asked = options.resize.and_then(|resize| {
        let (width, height) = (resize.width.map(u64::from), resize.height.map(u64::from));
        let other = |side: u64, from: u32, to: u32| side * u64::from(to) / u64::from(from.max(1));
        match (width, height) {
            (Some(width), Some(height)) => Some(width * height),
            (Some(width), None) => Some(width * other(width, info.width, info.height)),
            (None, Some(height)) => Some(height * other(height, info.height, info.width)),
            (None, None) => None,
        }
    });
    let kept = options.crop.map(|crop| u64::from(crop.width) * u64::from(crop.height));
    let pixels = asked.or(kept).unwrap_or(stored);
    match options.format {
        Format::Png => pixels * 2,
        Format::Jpeg => pixels / 6,
        Format::Webp | Format::Avif => pixels / 10,
    }
    .max(1)
}
