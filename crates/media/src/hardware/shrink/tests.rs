//! That shrinking first gives the images that shrinking at once gives: with libswscale's average
//! over areas in the place of the GPU's, which is the same for halves and thirds.

use framelift_domain::{Fit, Format, Resize};

use super::super::tests::{info, software, video, with_input};
use super::*;
use crate::convert::{Converter, Image};
use crate::ffi::{Decoded, Packet};

const STAND_IN: Scaler = (c"scale", "flags=area+accurate_rnd+bitexact");

fn frame(number: usize) -> Frame {
    with_input(&video(), |mut input| {
        let mut decoder = software(&input, u64::MAX);
        let mut packet = Packet::new().unwrap();
        let mut seen = 0;
        while input.read(&mut packet).unwrap() {
            decoder.send(&packet, 7).unwrap();
            while let Decoded::Frame(frame) = decoder.receive().unwrap() {
                if seen == number {
                    return frame;
                }
                seen += 1;
            }
        }
        panic!("the sample has more frames than that");
    })
}

fn shrink(format: Format, width: Option<u32>, height: Option<u32>, fit: Fit) -> Shrink {
    let options = Options { format, resize: Some(Resize { width, height, fit }), ..Options::default() };
    Shrink::with(STAND_IN, &info(), &options, u64::MAX)
}

fn geometry_of(frame: &Frame, shrink: &Shrink) -> crate::geometry::Geometry {
    let view = View::of(frame, &shrink.stream, None, u64::MAX).unwrap();
    view.geometry(shrink.options.resize).unwrap().0
}

fn psnr(pairs: impl Iterator<Item = (u8, u8)>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (a, b) in pairs {
        sum += f64::from(a.abs_diff(b)).powi(2);
        count += 1.0;
    }
    10.0 * (255.0 * 255.0 / (sum / count).max(1e-6)).log10()
}

fn bytes<const N: usize>(image: &Image<'_, N>) -> Vec<u8> {
    image
        .planes
        .iter()
        .flat_map(|plane| (0..plane.height).flat_map(|line| plane.row(line).to_vec()))
        .collect()
}

#[test]
fn whole_factors_of_two_and_three_are_taken_out() {
    assert_eq!(steps((1920, 1080), (640, 360)), [(640, 360)]);
    assert_eq!(steps((1920, 1080), (480, 270)), [(960, 540), (480, 270)]);
    assert_eq!(steps((1920, 1080), (320, 180)), [(640, 360), (320, 180)]);
    // 5 = no factor; 10 = 2 · 5.
    assert_eq!(steps((1920, 1080), (384, 216)), []);
    assert_eq!(steps((1920, 1080), (192, 108)), [(960, 540)]);
    // Chroma of 135 lines would not halve.
    assert_eq!(steps((1920, 1080), (240, 135)), [(960, 540), (480, 270)]);
    // Only one side, or no whole factor.
    assert_eq!(steps((1920, 1080), (960, 1080)), []);
    assert_eq!(steps((1920, 1080), (500, 281)), []);
    assert_eq!(steps((1920, 1080), (1920, 1080)), []);
    assert_eq!(steps((1920, 1080), (3840, 2160)), []);
    assert_eq!(steps((4, 4), (0, 0)), [(2, 2)]);
}

#[test]
fn images_stay_the_same() {
    let frame_number = 100;
    for (format, width, stays) in [
        (Format::Jpeg, 640, 640),
        (Format::Jpeg, 320, 320),
        (Format::Jpeg, 160, 160),
        (Format::Webp, 160, 160),
        (Format::Avif, 320, 320),
        (Format::Png, 320, 640),
    ] {
        let mut shrink = shrink(format, Some(width), None, Fit::Contain);
        let whole = frame(frame_number);
        let geometry = geometry_of(&whole, &shrink);
        let small = shrink.run(frame(frame_number)).unwrap();
        assert_eq!((small.width(), small.height()), (stays, stays * 9 / 16));
        assert_eq!((small.label(), small.pts(), small.ticks()), (whole.label(), whole.pts(), whole.ticks()));
        let same = geometry_of(&small, &shrink);
        assert_eq!(same.size, geometry.size);

        let (mut one, mut other) = (Converter::default(), Converter::default());
        let light = shrink.stream.light;
        let (at_once, in_steps) = match format {
            Format::Jpeg | Format::Webp | Format::Avif => (
                bytes(&one.yuv(&whole, light, &geometry).unwrap()),
                bytes(&other.yuv(&small, light, &same).unwrap()),
            ),
            _ => (
                bytes(&one.rgb(&whole, light, &geometry).unwrap()),
                bytes(&other.rgb(&small, light, &same).unwrap()),
            ),
        };
        let psnr = psnr(at_once.into_iter().zip(in_steps));
        assert!(psnr >= 45.0, "{format:?} {width}: {psnr:.1} dB");
    }
}

#[test]
fn what_the_gpu_would_do_otherwise_is_left_to_the_cpu() {
    let whole = frame(0);
    let sizes = |shrink: &Shrink| shrink.sizes(&whole);
    assert_eq!(sizes(&shrink(Format::Jpeg, Some(320), None, Fit::Contain)), [(640, 360), (320, 180)]);
    let mut as_stored = shrink(Format::Jpeg, None, None, Fit::Contain);
    assert_eq!(sizes(&as_stored), []);
    as_stored.options.resize = None;
    assert_eq!(sizes(&as_stored), []);
    // Proportions that change, a factor that is no whole number, and larger images.
    assert_eq!(sizes(&shrink(Format::Jpeg, Some(640), Some(720), Fit::Fill)), []);
    assert_eq!(sizes(&shrink(Format::Jpeg, Some(500), None, Fit::Contain)), []);
    assert_eq!(sizes(&shrink(Format::Jpeg, Some(2560), None, Fit::Contain)), []);
    // Pixels that are not square: the sides shrink by different factors, here 2 · 2 and 2.
    let mut squeezed = shrink(Format::Jpeg, Some(320), Some(360), Fit::Fill);
    assert_eq!(sizes(&squeezed), [(640, 360)]);
    squeezed.options.format = Format::Png;
    assert_eq!(sizes(&squeezed), []);
}

#[test]
fn unsaid_colours_are_those_of_the_stored_size() {
    let mut shrink = shrink(Format::Jpeg, Some(320), None, Fit::Contain);
    let whole = frame(0);
    let before = Colours::of(whole.colours(), whole.height());
    let small = shrink.run(whole).unwrap();
    assert_eq!(Colours::of(small.colours(), small.height()), before);
}

#[test]
fn a_filter_that_is_not_there_is_an_error() {
    let mut shrink =
        Shrink { scaler: (c"no_such_filter", ""), ..shrink(Format::Jpeg, Some(320), None, Fit::Contain) };
    assert_eq!(shrink.run(frame(0)).err().unwrap(), "filter not found");
}
