//! The part of the pictures that a container shows, and colours of interlaced ones.

use std::path::{Path, PathBuf};

use framelift_domain::{Crop, FailureCode, Fit, Format, Options, Place, Resize, Select};
use framelift_media::ExtractError;

use crate::clips::Clips;
use crate::run::{Rgb, run};

fn png() -> Options {
    Options { select: Select::Count(1), format: Format::Png, ..Options::default() }
}

/// The mean difference between `image` and the part of `whole` from a place on.
fn difference(image: &Rgb, whole: &Rgb, left: usize, top: usize) -> f64 {
    let mut sum = 0;
    for y in 0..image.height {
        for x in 0..image.width {
            let (a, b) = (image.at(x, y), whole.at(left + x, top + y));
            sum += a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>();
        }
    }
    sum as f64 / image.pixels.len() as f64
}

/// Adds a box to the sample description of a video whose header comes last.
fn with_box(clips: &Clips, name: &str, plain: &Path, kind: &[u8; 4], content: &[u8]) -> PathBuf {
    clips.patch(name, plain, |bytes| {
        let (mut at, mut end) = (0, 0);
        for parent in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"] {
            at += bytes[at..].windows(4).position(|window| window == parent).unwrap() + 4;
            let length = u32::from_be_bytes(bytes[at - 8..at - 4].try_into().unwrap());
            end = at - 8 + length as usize;
            bytes[at - 8..at - 4].copy_from_slice(&(length + 8 + content.len() as u32).to_be_bytes());
        }
        let added = [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat();
        bytes.splice(end..end, added);
    })
}

fn clap(clips: &Clips, plain: &Path, (width, height): (i32, i32), (across, down): (i32, i32)) -> PathBuf {
    // Offsets in halves of a pixel.
    let numbers = [width, 1, height, 1, across, 2, down, 2];
    with_box(clips, "clap.mp4", plain, b"clap", &numbers.map(i32::to_be_bytes).concat())
}

/// Sets `PixelCrop…` in a video that was written as a live stream, without an index.
fn pixel_crop(clips: &Clips, plain: &Path, [left, top, right, bottom]: [u8; 4]) -> PathBuf {
    let elements = [
        [0x54, 0xcc, 0x81, left],
        [0x54, 0xbb, 0x81, top],
        [0x54, 0xdd, 0x81, right],
        [0x54, 0xaa, 0x81, bottom],
    ]
    .concat();
    clips.patch("crop.mkv", plain, |bytes| {
        // Lengthens the element whose length is at a place, in `room` bytes or as many as there
        // are, and gives where its content starts.
        let lengthen = |bytes: &mut Vec<u8>, at: usize, room: Option<usize>| {
            let length = bytes[at].leading_zeros() as usize + 1;
            let value =
                bytes[at..at + length].iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            let value = (value & !(1 << (7 * length))) + elements.len() as u64;
            let room = room.unwrap_or(length);
            let marked = (value | 1 << (7 * room)).to_be_bytes();
            bytes.splice(at..at + length, marked[8 - room..].iter().copied());
            at + room
        };
        // Not where the seek head names it.
        let named = |at: &usize| bytes[at - 3..*at] == [0x53, 0xab, 0x84];
        let found = (3..bytes.len()).filter(|at| bytes[*at..].starts_with(&[0x16, 0x54, 0xae, 0x6b]));
        let tracks = found.into_iter().find(|at| !named(at)).unwrap() + 4;
        let entry = lengthen(bytes, tracks, Some(8));
        assert_eq!(bytes[entry], 0xae);
        let parts = lengthen(bytes, entry + 1, None);
        let video = (parts..).find(|at| {
            bytes[*at] == 0xe0 && bytes[at + 1 + bytes[at + 1].leading_zeros() as usize + 1] == 0xb0
        });
        let content = lengthen(bytes, video.unwrap() + 1, None);
        bytes.splice(content..content, elements.iter().copied());
    })
}

#[test]
fn the_clean_aperture_of_an_mp4_is_cut_out() {
    let clips = Clips::new();
    let source = Path::new("testsrc2=size=192x112:rate=5:duration=0.4");
    let plain = clips.remake("plain.mp4", "-f lavfi", source, "-c:v libx264 -qp 4 -pix_fmt yuv420p");
    let whole = run(&plain, &png()).unwrap().image(0);
    // Even and odd places, in the middle and off it.
    for ((width, height), offset, (left, top)) in [
        ((160, 96), (0, 0), (16, 8)),
        ((161, 97), (1, 1), (16, 8)),
        ((158, 94), (0, 0), (17, 9)),
        ((160, 96), (-30, 14), (1, 15)),
    ] {
        let path = clap(&clips, &plain, (width, height), offset);
        let extracted = run(&path, &png()).unwrap();
        let image = extracted.image(0);
        assert_eq!((image.width, image.height), (width as usize, height as usize));
        let difference = difference(&image, &whole, left, top);
        assert!(difference < 1.0, "{width}x{height} {offset:?}: {difference}");
        assert_eq!((extracted.manifest.source.width, extracted.manifest.source.height), (192, 112));
        // All formats, and scaled.
        for format in [Format::Jpeg, Format::Webp, Format::Avif] {
            let lossy = run(&path, &Options { format, quality: 95, ..png() }).unwrap().image(0);
            assert_eq!((lossy.width, lossy.height), (image.width, image.height));
            let difference = crate::cropping::difference(&lossy, &whole, left, top);
            assert!(difference < 12.0, "{format:?} {width}x{height} {offset:?}: {difference}");
        }
        let resize = Some(Resize { width: Some(80), height: None, fit: Fit::Contain });
        let small = run(&path, &Options { resize, ..png() }).unwrap().image(0);
        let high = (80.0 * f64::from(height) / f64::from(width)).round() as usize;
        assert_eq!((small.width, small.height), (80, high));
    }
    // Outside of the picture: not to be taken at its word.
    let image = run(&clap(&clips, &plain, (160, 96), (60, 0)), &png()).unwrap().image(0);
    assert_eq!((image.width, image.height), (192, 112));
    // Cut first, then turned.
    let turned = clips.remake("turned.mp4", "", &plain, "-c copy -metadata:s:v rotate=90");
    let upright = run(&turned, &png()).unwrap().image(0);
    let image = run(&clap(&clips, &turned, (160, 96), (32, 0)), &png()).unwrap().image(0);
    assert_eq!((image.width, image.height), (96, 160));
    let places = (0..2).map(|end| difference(&image, &upright, 8, end * 32));
    assert!(places.fold(f64::MAX, f64::min) < 1.0);
}

#[test]
fn matroskas_cropping_is_cut_off() {
    let clips = Clips::new();
    let source = Path::new("testsrc2=size=192x112:rate=5:duration=0.4");
    for (codec, format) in
        [("libx264 -qp 4", "yuv420p"), ("ffv1", "yuv420p10le"), ("ffv1", "yuv422p"), ("ffv1", "bgr0")]
    {
        let arguments = format!("-c:v {codec} -pix_fmt {format} -live 1 -write_crc32 0");
        let plain = clips.remake("plain.mkv", "-f lavfi", source, &arguments);
        let whole = run(&plain, &png()).unwrap().image(0);
        for [left, top, right, bottom] in [[16, 8, 16, 8], [17, 3, 16, 2], [0, 0, 1, 1]] {
            let path = pixel_crop(&clips, &plain, [left, top, right, bottom]);
            let image = run(&path, &png()).unwrap().image(0);
            let (width, height) = (192 - usize::from(left + right), 112 - usize::from(top + bottom));
            assert_eq!((image.width, image.height), (width, height), "{format}");
            let difference = difference(&image, &whole, left.into(), top.into());
            assert!(difference < 1.0, "{format} {left} {top}: {difference}");
        }
    }
}

fn failure(result: Result<crate::run::Extracted, ExtractError>) -> (FailureCode, String) {
    match result {
        Err(ExtractError::Failed(failure)) => (failure.code, failure.message),
        other => panic!("{:?}", other.map(|extracted| extracted.outcome)),
    }
}

/// The part of the first picture, scaled to `size`, that the ffmpeg program's own filter cuts out.
fn cut_by_ffmpeg(clips: &Clips, path: &Path, size: &str, crop: Crop) -> Rgb {
    let Crop { x, y, width, height } = crop;
    let rgb = format!("scale={size}:flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24");
    let arguments = format!("-frames:v 1 -vf {rgb},crop={width}:{height}:{x}:{y}");
    let reference = clips.remake("reference.png", "", path, &arguments);
    Rgb::decode(Format::Png, &std::fs::read(reference).unwrap())
}

#[test]
fn the_part_that_is_asked_for_is_what_another_program_cuts_out() {
    let clips = Clips::new();
    let source = Path::new("testsrc2=size=192x112:rate=5:duration=0.4");
    let x264 = "-c:v libx264 -qp 4 -pix_fmt yuv420p";
    let plain = clips.remake("plain.mp4", "-f lavfi", source, x264);
    let mut videos = vec![("upright", plain.clone(), "iw:ih")];
    for degrees in [90, 180, 270] {
        let arguments = format!("-c copy -metadata:s:v rotate={degrees}");
        videos.push(("turned", clips.remake(&format!("{degrees}.mp4"), "", &plain, &arguments), "iw:ih"));
    }
    let wide = format!("{x264} -vf setsar=2/1");
    let deep = "-c:v ffv1 -pix_fmt yuv422p10le";
    videos.push(("wide pixels", clips.remake("wide.mp4", "-f lavfi", source, &wide), "384:112"));
    videos.push(("10 bits", clips.remake("deep.mkv", "-f lavfi", source, deep), "iw:ih"));
    let first = Options { select: Select::At(vec![Place::Frame(0)]), ..png() };
    for (name, path, size) in &videos {
        let whole = run(path, &first).unwrap().image(0);
        for (x, y, width, height) in [(0, 0, 100, 80), (16, 8, 64, 64), (17, 31, 33, 45), (50, 60, 1, 1)] {
            let crop = Crop { x, y, width, height };
            let options = Options { crop: Some(crop), ..first.clone() };
            let image = run(path, &options).unwrap().image(0);
            let reference = cut_by_ffmpeg(&clips, path, size, crop);
            assert_eq!((image.width, image.height), (reference.width, reference.height), "{name} {crop}");
            // Programs differ in how they spread chroma; within this one, every pixel is in its place.
            let (by_another, by_itself) =
                (difference(&image, &reference, 0, 0), difference(&image, &whole, x as usize, y as usize));
            // Half a pixel off, where pixels are wide; and this test's picture has sharp edges.
            let limits = if *name == "wide pixels" { (10.0, 10.0) } else { (6.0, 1.0) };
            assert!(
                by_another < limits.0 && by_itself < limits.1,
                "{name} {crop}: {by_another}, {by_itself}"
            );
            // It is cut before it is resized, and then fitted.
            let resize = Some(Resize { width: Some(40), height: Some(20), fit: Fit::Fill });
            let small = run(path, &Options { resize, ..options }).unwrap();
            assert_eq!((small.image(0).width, small.image(0).height), (40, 20), "{name} {crop}");
            let asked = small.manifest.options.crop.unwrap();
            assert_eq!((asked.x, asked.height), (i64::from(x), i64::from(height)));
        }
    }
    // On top of what the container cuts off.
    let crop = Crop { x: 5, y: 6, width: 50, height: 40 };
    let clean = clap(&clips, &plain, (160, 96), (0, 0));
    let image = run(&clean, &Options { crop: Some(crop), ..png() }).unwrap().image(0);
    let whole = run(&plain, &png()).unwrap().image(0);
    assert!(difference(&image, &whole, 16 + 5, 8 + 6) < 1.0);
}

#[test]
fn a_part_beyond_the_picture_is_refused() {
    let clips = Clips::new();
    let source = Path::new("testsrc2=size=192x112:rate=5:duration=0.4");
    let plain = clips.remake("plain.mp4", "-f lavfi", source, "-c:v libx264 -pix_fmt yuv420p");
    let turned = clips.remake("turned.mp4", "", &plain, "-c copy -metadata:s:v rotate=90");
    for (path, size, x, y) in
        [(&plain, "192x112", 1, 0), (&plain, "192x112", 0, 1), (&turned, "112x192", 0, 0)]
    {
        let crop = Some(Crop { x, y, width: 192, height: 112 });
        let (code, message) = failure(run(path, &Options { crop, ..png() }));
        assert_eq!(code, FailureCode::LimitExceeded);
        let shown = format!("{x}:{y}:192x112 reaches beyond the picture, which is shown with {size} pixels");
        assert!(message.contains(&shown), "{message}");
    }
}

#[test]
fn a_second_description_does_not_squeeze_the_first() {
    let clips = Clips::new();
    let source = Path::new("testsrc2=size=320x240:rate=5:duration=0.4");
    let plain = clips.remake("plain.mp4", "-f lavfi", source, "-c:v libx264 -pix_fmt yuv420p");
    let two = clips.patch("two.mp4", &plain, |bytes| {
        let (mut at, mut entry) = (0, 0..0);
        let boxes = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"];
        let mut lengths = Vec::new();
        for parent in boxes {
            at += bytes[at..].windows(4).position(|window| window == parent).unwrap() + 4;
            let length = u32::from_be_bytes(bytes[at - 8..at - 4].try_into().unwrap());
            lengths.push((at - 8, length));
            entry = at - 8..at - 8 + length as usize;
        }
        let mut copy = bytes[entry.clone()].to_vec();
        copy[32..34].copy_from_slice(&192_u16.to_be_bytes());
        copy[34..36].copy_from_slice(&112_u16.to_be_bytes());
        for (at, length) in &lengths[..6] {
            bytes[*at..at + 4].copy_from_slice(&(length + copy.len() as u32).to_be_bytes());
        }
        bytes[entry.start - 1] = 2;
        bytes.splice(entry.end..entry.end, copy);
    });
    let image = run(&two, &png()).unwrap().image(0);
    assert_eq!((image.width, image.height), (320, 240));
}

/// Lines of red and of blue by turns, as two fields of one colour each, in 4:2:0.
fn fields(clips: &Clips, (width, height): (usize, usize)) -> PathBuf {
    let row = |line: usize, red: u8, blue: u8| if line.is_multiple_of(2) { red } else { blue };
    let mut bytes: Vec<u8> = (0..height).flat_map(|line| vec![row(line, 81, 41); width]).collect();
    for (red, blue) in [(90, 240), (240, 110)] {
        bytes.extend((0..height.div_ceil(2)).flat_map(|line| vec![row(line, red, blue); width.div_ceil(2)]));
    }
    let path = clips.path("fields.yuv");
    std::fs::write(&path, bytes.repeat(5)).unwrap();
    path
}

#[test]
fn the_fields_of_an_interlaced_picture_keep_their_colours() {
    let clips = Clips::new();
    for size in [(192, 112), (192, 90)] {
        let raw = fields(&clips, size);
        let input = format!("-f rawvideo -pix_fmt yuv420p -s {}x{} -r 25", size.0, size.1);
        let cases = [
            ("a.mkv", "-vf setfield=tff -c:v ffv1"),
            ("a.mp4", "-vf setfield=tff -c:v libx264 -qp 1 -flags +ildct+ilme -x264-params tff=1"),
            ("a.ts", "-vf setfield=tff -c:v mpeg2video -q:v 1 -flags +ildct+ilme"),
        ];
        // x264 has no interlaced pictures of this height.
        for (name, arguments) in cases.into_iter().filter(|(name, _)| size.1 != 90 || *name != "a.mp4") {
            let path = clips.remake(name, &input, &raw, arguments);
            let image = run(&path, &png()).unwrap().image(0);
            for line in 2..image.height - 2 {
                let [r, g, b] = image.at(96, line);
                let right =
                    if line % 2 == 0 { r > 245 && g < 12 && b < 12 } else { r < 12 && g < 12 && b > 245 };
                assert!(right, "{name} {size:?}, line {line}: {:?}", [r, g, b]);
            }
        }
        // A progressive picture's lines share their chroma, whatever it shows.
        let path = clips.remake("p.mkv", &input, &raw, "-vf setfield=prog -c:v ffv1");
        let image = run(&path, &png()).unwrap().image(0);
        let [r, _, b] = image.at(96, 29);
        assert!(r > 100 && b < 100, "{:?}", image.at(96, 29));
    }
}
