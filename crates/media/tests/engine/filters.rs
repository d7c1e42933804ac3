//! Filters between the decoder and the encoder: what they see, and what becomes of it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use framelift_contract::manifest::Strategy;
use framelift_domain::{FailureCode, Fit, Format, Layout, Options, Rational, Resize, Select};
use framelift_media::filter::{
    Answer, Canvas, Decided, FilterError, Finished, MAX_HELD, Origin, Picture, Shades, Verdict,
};
use framelift_media::{EngineLimits, ExtractError, FileSource, Filter};

use crate::clips::{Clips, HEIGHT, WIDTH, number};
use crate::run::{Extracted, run_filtered};

const GROUPS: &str =
    "-c:v libx264 -preset veryfast -crf 12 -bf 3 -x264-params keyint=10:min-keyint=10:scenecut=0";

/// What becomes of a picture, and of those before it.
type Said = Result<(Verdict, Decided), FilterError>;
type Step<'a> = Box<dyn FnMut(&mut Picture) -> Said + 'a>;

/// A filter made of closures.
struct By<'a> {
    name: &'static str,
    step: Step<'a>,
    end: Finished,
}

impl Filter for By<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin { version: "2".to_owned(), sha256: [0xab; 32].into() })
    }

    fn process(&mut self, mut picture: Picture) -> Result<Answer, FilterError> {
        let (verdict, decided) = (self.step)(&mut picture)?;
        Ok(Answer { picture, verdict, decided })
    }

    fn finish(&mut self) -> Result<Finished, FilterError> {
        Ok(self.end.clone())
    }
}

fn by<'a>(name: &'static str, step: impl FnMut(&mut Picture) -> Said + 'a) -> Box<dyn Filter + 'a> {
    Box::new(By { name, step: Box::new(step), end: Finished::default() })
}

fn keep() -> Said {
    Ok((Verdict::Keep(Vec::new()), Vec::new()))
}

fn filtered(path: &Path, options: &Options, filters: Vec<Box<dyn Filter + '_>>) -> Extracted {
    tried(path, options, None, filters).unwrap()
}

fn tried(
    path: &Path,
    options: &Options,
    strategy: Option<Strategy>,
    filters: Vec<Box<dyn Filter + '_>>,
) -> Result<Extracted, ExtractError> {
    let limits = EngineLimits { strategy, ..EngineLimits::default() };
    run_filtered(Box::new(FileSource::open(path).unwrap()), options, &limits, filters, &())
}

fn every(num: i128, den: i128) -> Options {
    Options { select: Select::Every(Rational::new(num, den).unwrap()), ..Options::default() }
}

fn shown(picture: &Picture) -> usize {
    let gray = picture.thumbnail((WIDTH as u32, HEIGHT as u32), Shades::Gray).unwrap();
    number(|x, y| gray[y * WIDTH + x], WIDTH, HEIGHT)
}

#[test]
fn a_filter_that_only_looks_sees_all_in_order_and_changes_nothing() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 60, GROUPS);
    let keyframes = Options { select: Select::Keyframes, ..Options::default() };
    let all = Options { select: Select::All, storyboard: true, ..Options::default() };
    for (options, strategy) in [
        (all, Strategy::Sequential),
        (every(1, 5), Strategy::Seek),
        (every(2, 25), Strategy::Parallel),
        (keyframes, Strategy::Keyframes),
    ] {
        let plain = tried(&mp4, &options, Some(strategy), Vec::new()).unwrap();
        assert_eq!(plain.manifest.plan.strategy, strategy);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let looks = by("looks", |picture| {
            seen.lock().unwrap().push((
                picture.index(),
                picture.time(),
                picture.is_keyframe(),
                shown(picture),
            ));
            keep()
        });
        let looked = tried(&mp4, &options, Some(strategy), vec![looks]).unwrap();
        assert_eq!(looked.manifest.frames, plain.manifest.frames, "{strategy:?}");
        assert_eq!(looked.manifest.plan, plain.manifest.plan);
        if options.storyboard {
            assert_eq!(looked.member("storyboard.jpg"), plain.member("storyboard.jpg"));
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen.len(), plain.manifest.frames.len());
        for (i, (frame, (index, time, keyframe, number))) in
            plain.manifest.frames.iter().zip(seen).enumerate()
        {
            assert_eq!((i as u64, &frame.time, frame.keyframe), (index, &time.to_string(), keyframe));
            assert_eq!(number, plain.image(i).number());
        }
    }
}

#[test]
fn pictures_are_dropped_labelled_held_back_and_decided_on_later() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 40, GROUPS);
    for strategy in [Strategy::Sequential, Strategy::Parallel] {
        // Of each four one is kept, once the last of them was seen.
        let fourth = By {
            name: "fourth",
            step: Box::new(|picture| {
                let index = picture.index();
                let others = (index - index % 4..index).map(|index| (index, Verdict::Drop));
                match index % 4 {
                    3 => Ok((Verdict::Keep(vec![("of".to_owned(), index.to_string())]), others.collect())),
                    _ => Ok((Verdict::Hold, Vec::new())),
                }
            }),
            end: Finished { decided: Vec::new(), summary: Some("every fourth".to_owned()) },
        };
        let seen = Mutex::new(Vec::new());
        let not_11 = by("not-11", |picture| {
            seen.lock().unwrap().push(shown(picture));
            let verdict = match picture.index() {
                11 => Verdict::Drop,
                _ => Verdict::Keep(vec![("number".to_owned(), shown(picture).to_string())]),
            };
            Ok((verdict, Vec::new()))
        });
        // 38 pictures: two are still held back at the end, and nobody decides on them.
        let options = Options { select: Select::Count(38), ..Options::default() };
        let extracted = tried(&mp4, &options, Some(strategy), vec![Box::new(fourth), not_11]).unwrap();
        let plain = tried(&mp4, &options, Some(strategy), Vec::new()).unwrap().numbers();
        let passed = [3, 7, 11, 15, 19, 23, 27, 31, 35, 36, 37];
        assert_eq!(*seen.lock().unwrap(), passed.map(|index| plain[index]));
        let left: Vec<usize> = passed.into_iter().filter(|index| *index != 11).collect();
        assert_eq!(extracted.numbers(), left.iter().map(|index| plain[*index]).collect::<Vec<_>>());
        let manifest = &extracted.manifest;
        for (frame, index) in manifest.frames.iter().zip(&left) {
            assert_eq!(frame.labels["not-11"]["number"], plain[*index].to_string());
            let of = (*index < 36).then(|| index.to_string());
            assert_eq!(frame.labels.get("fourth").map(|labels| labels["of"].clone()), of);
        }
        let plugins: Vec<_> = manifest.plugins.iter().map(|it| (it.name.as_str(), it.dropped)).collect();
        assert_eq!(plugins, [("fourth", 27), ("not-11", 1)]);
        assert_eq!(manifest.plugins[0].summary.as_deref(), Some("every fourth"));
        assert_eq!(manifest.plugins[0].version.as_deref(), Some("2"));
        assert_eq!(manifest.plugins[0].sha256, Some([0xab; 32].into()));
        assert_eq!(extracted.outcome.frames, 10);
    }
}

/// A colour for each picture.
fn shades(index: u64) -> [u8; 3] {
    let shade = 40 + 60 * u8::try_from(index).unwrap();
    [shade, 200, 255 - shade]
}

/// Gives all pixels one colour.
fn paint(canvas: &mut Canvas<'_>, colour: [u8; 3]) {
    let [red, green, blue] = colour.map(f64::from);
    let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    let levels = match canvas.layout() {
        Layout::Rgb => [red, green, blue],
        Layout::Yuv420 => [luma, 128.0 + (blue - luma) / 1.772, 128.0 + (red - luma) / 1.402],
    };
    let (width, height) = (canvas.width(), canvas.height());
    for (index, level) in levels.into_iter().enumerate() {
        let mut component = canvas.component(index);
        let (shift, step) = (component.shift, component.step);
        let shared = |length: usize| length.div_ceil(1 << shift);
        for line in 0..shared(height) {
            let row = component.row(line, 0, shared(width)).iter_mut().step_by(step);
            row.for_each(|sample| *sample = level.round() as u8);
        }
    }
}

#[test]
fn samples_that_are_read_and_not_changed_are_those_of_the_image() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 3, GROUPS);
    let turned = clips.remake("turned.mp4", "", &mp4, "-c copy -metadata:s:v rotate=90");
    for format in [Format::Png, Format::Jpeg, Format::Webp, Format::Avif] {
        for (path, resize) in [(&mp4, None), (&turned, None), (&turned, Some((33, 21)))] {
            let resize = resize.map(|(width, height)| Resize {
                width: Some(width),
                height: Some(height),
                fit: Fit::Cover,
            });
            let options = Options { select: Select::All, format, resize, ..Options::default() };
            let reads = by("reads", |picture| {
                let size = (picture.width() as usize, picture.height() as usize);
                let canvas = picture.canvas().unwrap();
                assert_eq!(
                    (canvas.layout(), canvas.width(), canvas.height()),
                    (format.layout(), size.0, size.1)
                );
                keep()
            });
            let read = filtered(path, &options, vec![reads]);
            let plain = filtered(path, &options, Vec::new());
            assert_eq!(read.manifest.frames, plain.manifest.frames, "{format:?} {resize:?}");
        }
    }
}

#[test]
fn the_image_around_a_change_stays_bit_by_bit_what_it_was() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 2, GROUPS);
    let options = Options { select: Select::All, ..Options::default() };
    // From an odd column and line, 20 by 11 pixels.
    let fills = by("fills", |picture| {
        let mut canvas = picture.canvas().unwrap();
        for (index, (x, y, width, height)) in [(0, (17, 19, 20, 11)), (1, (8, 9, 11, 6)), (2, (8, 9, 11, 6))]
        {
            let mut component = canvas.component(index);
            (y..y + height).for_each(|line| component.row(line, x, width).fill(16));
        }
        keep()
    });
    let filled = filtered(&mp4, &options, vec![fills]);
    let plain = filtered(&mp4, &options, Vec::new());
    for index in 0..2 {
        let (filled, plain) = (filled.image(index), plain.image(index));
        // JPEG's blocks are 16 by 16 pixels, and a decoder smooths chroma over one more.
        let near = |x: usize, y: usize| (15..49).contains(&x) && (15..33).contains(&y);
        let places = (0..filled.height).flat_map(|y| (0..filled.width).map(move |x| (x, y)));
        let changed: Vec<_> = places.filter(|(x, y)| filled.at(*x, *y) != plain.at(*x, *y)).collect();
        assert!(changed.len() > 200 && changed.iter().all(|(x, y)| near(*x, *y)), "{changed:?}");
    }
}

#[test]
fn what_a_filter_makes_of_a_picture_is_written_whatever_its_size() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 3, GROUPS);
    for format in [Format::Png, Format::Jpeg, Format::Webp, Format::Avif] {
        for size in [(64, 48), (33, 21)] {
            // A filter in front sees the picture, one behind it what came out.
            let front = by("front", |picture| {
                assert_eq!((picture.width(), picture.height()), (96, 56));
                let rgb = picture.rgb().unwrap();
                assert_eq!(rgb.bytes.len(), 96 * 56 * 3);
                keep()
            });
            let paints = by("paints", |picture| {
                assert!(picture.resize((0, 48)).is_err());
                assert!(picture.crop((90, 0), (7, 48)).is_err());
                picture.resize((size.0 as u32, size.1 as u32)).unwrap();
                let colour = shades(picture.index());
                paint(&mut picture.canvas().unwrap(), colour);
                keep()
            });
            let behind = by("behind", |picture| {
                assert_eq!((picture.width() as usize, picture.height() as usize), size);
                let colour = shades(picture.index());
                let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 2;
                let same = |pixel: &[u8]| pixel.iter().zip(&colour).all(near);
                let rgb = picture.rgb().unwrap().bytes;
                assert!(rgb.len() == size.0 * size.1 * 3 && rgb.chunks(3).all(same), "{:?}", &rgb[..3]);
                let small = picture.thumbnail((4, 4), Shades::Rgb).unwrap();
                assert!(small.chunks(3).all(same), "{small:?}");
                keep()
            });
            let resize = Some(Resize { width: Some(96), height: None, fit: Fit::Contain });
            let options =
                Options { select: Select::All, format, resize, storyboard: true, ..Options::default() };
            let extracted = filtered(&mp4, &options, vec![front, paints, behind]);
            for index in 0..3 {
                let image = extracted.image(index);
                assert_eq!((image.width, image.height), size);
                let pixel = image.at(size.0 / 2, size.1 / 2);
                let expected = shades(index as u64);
                let most = if format == Format::Png { 0 } else { 12 };
                let far = pixel.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(far <= Some(most), "{format:?}: {pixel:?} for {expected:?}");
            }
        }
    }
}

#[test]
fn a_thumbnail_shows_the_asked_part_upright() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 1, GROUPS);
    let turned = clips.remake("turned.mp4", "", &mp4, "-c copy -metadata:s:v rotate=90");
    for (width, height, fit) in [(40, 80, Fit::Cover), (80, 40, Fit::Cover), (30, 30, Fit::Fill)] {
        let resize = Some(Resize { width: Some(width), height: Some(height), fit });
        let options = Options { select: Select::All, format: Format::Png, resize, ..Options::default() };
        for path in [&mp4, &turned] {
            let mut same = None;
            let looks = by("looks", |picture| {
                let whole = picture.rgb().unwrap().bytes;
                let copy = picture.thumbnail((width, height), Shades::Rgb).unwrap();
                assert_eq!(picture.thumbnail((9, 7), Shades::Gray).unwrap().len(), 63);
                assert!(picture.thumbnail((0, 7), Shades::Gray).is_err());
                assert!(picture.thumbnail((9, 5000), Shades::Gray).is_err());
                same = Some(whole == copy);
                keep()
            });
            filtered(path, &options, vec![looks]);
            assert_eq!(same, Some(true));
        }
    }
}

#[test]
fn a_filter_that_fails_or_holds_back_too_much_ends_the_extraction_by_name() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 100, GROUPS);
    let message = |strategy, step: fn(&mut Picture) -> Said| {
        let all = Options { select: Select::All, ..Options::default() };
        match tried(&mp4, &all, Some(strategy), vec![by("mine", step)]) {
            Err(ExtractError::Failed(failure)) => {
                assert_eq!(failure.code, FailureCode::PluginFailed);
                failure.message
            }
            Err(error) => panic!("{error}"),
            Ok(extracted) => panic!("{} frames", extracted.outcome.frames),
        }
    };
    for strategy in [Strategy::Sequential, Strategy::Parallel] {
        let said = message(strategy, |picture| match picture.index() {
            7 => Err(FilterError("a 7 is no good".to_owned())),
            _ => keep(),
        });
        assert_eq!(said, "the plugin mine: a 7 is no good");
        let said = message(strategy, |_| Ok((Verdict::Hold, Vec::new())));
        assert_eq!(said, format!("the plugin mine: held back more than {MAX_HELD} pictures"));
        let said = message(strategy, |_| Ok((Verdict::Drop, vec![(3, Verdict::Drop)])));
        assert_eq!(said, "the plugin mine: decided on picture 3, which it does not hold back");
        let said = message(strategy, |_| Ok((Verdict::Keep(vec![Default::default(); 33]), Vec::new())));
        assert_eq!(said, "the plugin mine: gave a picture more than 32 labels");
        let said = message(strategy, |_| {
            Ok((Verdict::Keep(vec![("a".repeat(1000), "b".repeat(1000))]), Vec::new()))
        });
        assert_eq!(said, "the plugin mine: gave a picture a label of more than 1024 bytes");
    }
}

#[test]
fn a_plugin_that_a_job_uses_twice_labels_twice() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 10, GROUPS);
    let labelling = |value: &'static str| {
        by("same", move |_| Ok((Verdict::Keep(vec![("a".to_owned(), value.to_owned())]), Vec::new())))
    };
    let options = Options { select: Select::Count(2), ..Options::default() };
    let extracted = filtered(&mp4, &options, vec![labelling("one"), labelling("two")]);
    for frame in &extracted.manifest.frames {
        assert_eq!((&*frame.labels["same"]["a"], &*frame.labels["same#2"]["a"]), ("one", "two"));
    }
}

#[test]
fn a_picture_must_not_become_larger_than_the_format_takes() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 10, GROUPS);
    let larger = || {
        by("larger", |picture| {
            picture.resize((16_384, 2)).map_err(|error| FilterError(error.to_string()))?;
            keep()
        })
    };
    let options = |format| Options { select: Select::Count(1), format, ..Options::default() };
    assert_eq!(filtered(&mp4, &options(Format::Png), vec![larger()]).outcome.frames, 1);
    let Err(ExtractError::Failed(failure)) = tried(&mp4, &options(Format::Webp), None, vec![larger()]) else {
        panic!("the picture is taken")
    };
    assert_eq!(
        (failure.code, &*failure.message),
        (
            FailureCode::PluginFailed,
            "the plugin larger: made a picture with a side of 16384 pixels, where the images' format takes 16383"
        )
    );
}

#[test]
fn what_is_dropped_behind_a_picture_that_is_held_back_takes_no_memory() {
    let clips = Clips::new();
    let small = clips.make("small.mp4", 66, GROUPS);
    let full_hd = clips.remake("hd.mp4", "", &small, "-vf scale=1920:1080 -c:v libx264 -preset ultrafast");
    let options = Options { select: Select::All, ..Options::default() };
    for strategy in [Strategy::Sequential, Strategy::Parallel] {
        // Of each window of 64 the first is the best, and is decided on with the next window's first.
        let best = by("best", |picture| {
            let index = picture.index();
            match (index % 64, index.checked_sub(64)) {
                (0, Some(before)) => Ok((Verdict::Hold, vec![(before, Verdict::Keep(Vec::new()))])),
                (0, None) => Ok((Verdict::Hold, Vec::new())),
                _ => Ok((Verdict::Drop, Vec::new())),
            }
        });
        let extracted = tried(&full_hd, &options, Some(strategy), vec![best]).unwrap();
        assert_eq!((extracted.outcome.frames, extracted.manifest.plugins[0].dropped), (2, 64));
        // Each is held back until the next one is, and then dropped.
        let rising = by("rising", |picture| {
            let before = picture.index().checked_sub(1).map(|before| (before, Verdict::Drop));
            Ok((Verdict::Hold, before.into_iter().collect()))
        });
        let extracted = tried(&full_hd, &options, Some(strategy), vec![rising]).unwrap();
        assert_eq!((extracted.outcome.frames, extracted.manifest.plugins[0].dropped), (1, 65));
    }
}

#[test]
fn pictures_that_wait_count_as_the_images_that_they_become() {
    let clips = Clips::new();
    let small = clips.make("small.mp4", 40, GROUPS);
    let full_hd = clips.remake("hd.mp4", "", &small, "-vf scale=1920:1080 -c:v libx264 -preset ultrafast");
    let resize = Some(Resize { width: Some(320), height: None, fit: Fit::Contain });
    let smaller = Options { select: Select::All, resize, ..Options::default() };
    let holds = || by("holds", |_| Ok((Verdict::Hold, Vec::new())));
    let held = filtered(&full_hd, &smaller, vec![holds()]);
    assert_eq!(held.manifest.frames, filtered(&full_hd, &smaller, Vec::new()).manifest.frames);
    // What is kept waits behind what is held back, and takes as much.
    let behind = || {
        by("behind", |picture| match picture.index() {
            0 => Ok((Verdict::Hold, Vec::new())),
            _ => keep(),
        })
    };
    let larger = Options { select: Select::All, ..Options::default() };
    for filter in [holds(), behind()] {
        match tried(&full_hd, &larger, None, vec![filter]) {
            Err(ExtractError::Failed(failure)) => {
                assert_eq!(failure.code, FailureCode::PluginFailed);
                assert!(failure.message.contains("held back pictures of more than 96 MiB"), "{failure:?}");
            }
            other => panic!("{:?}", other.map(|extracted| extracted.outcome.frames)),
        }
    }
}

#[test]
fn the_labels_of_a_video_have_a_limit_together() {
    let clips = Clips::new();
    let mp4 = clips.make("a.mp4", 260, GROUPS);
    let all = Options { select: Select::All, ..Options::default() };
    // 32 KiB by each of two filters: the 257th picture is too much.
    let labels = || vec![("a".to_owned(), "b".repeat(1023)); 32];
    let labelling = |name| by(name, move |_| Ok((Verdict::Keep(labels()), Vec::new())));
    match tried(&mp4, &all, None, vec![labelling("one"), labelling("two")]) {
        Err(ExtractError::Failed(failure)) => assert_eq!(
            failure.message,
            "the plugin one: gave the video's frames labels of more than 16 MiB, with those of the other plugins"
        ),
        other => panic!("{:?}", other.map(|extracted| extracted.outcome.frames)),
    }
    // Labels of decisions on earlier pictures are held to the same.
    let late = by("late", move |picture| {
        let before = picture.index().checked_sub(1).map(|before| (before, Verdict::Keep(labels())));
        Ok((Verdict::Hold, before.into_iter().collect()))
    });
    let other = labelling("other");
    let Err(ExtractError::Failed(failure)) = tried(&mp4, &all, None, vec![late, other]) else {
        panic!("the labels are taken")
    };
    assert!(failure.message.starts_with("the plugin late: gave the video's frames labels"), "{failure:?}");
}

#[test]
fn what_one_engine_leaves_to_the_other_is_seen_once() {
    let clips = Clips::new();
    let ts = clips.make("a.ts", 100, GROUPS);
    // Groups of pictures cannot be taken one by one behind the garbage.
    let damaged = clips.patch("b.ts", &ts, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 600].fill(0xa5);
    });
    let seen = Mutex::new(Vec::new());
    let looks = by("looks", |picture| {
        seen.lock().unwrap().push((picture.index(), picture.time()));
        // Some are held back while the engines change.
        let held = picture.index().checked_sub(1).map(|index| (index, Verdict::Keep(Vec::new())));
        Ok((Verdict::Hold, held.into_iter().collect()))
    });
    let options = every(2, 25);
    let extracted = tried(&damaged, &options, Some(Strategy::Parallel), vec![looks]).unwrap();
    let plain = tried(&damaged, &options, Some(Strategy::Parallel), Vec::new()).unwrap();
    let plan = &plain.manifest.plan;
    assert_eq!(plan.strategy, Strategy::Sequential, "{}", plan.reason);
    assert!(plan.reason.ends_with("so one decoder went through all"), "{}", plan.reason);
    assert_eq!(extracted.manifest.plan, *plan);
    assert_eq!(extracted.manifest.frames, plain.manifest.frames);
    let seen = seen.into_inner().unwrap();
    let distinct = |frames: &[framelift_contract::manifest::Frame]| {
        let mut times: Vec<_> = frames.iter().map(|frame| frame.time.clone()).collect();
        times.dedup();
        times
    };
    assert_eq!(
        seen.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        (0..seen.len() as u64).collect::<Vec<_>>()
    );
    assert_eq!(
        seen.iter().map(|(_, time)| time.to_string()).collect::<Vec<_>>(),
        distinct(&plain.manifest.frames)
    );
}
