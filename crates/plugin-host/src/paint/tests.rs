//! What operations do to the samples of both layouts.

use framelift_domain::{Layout, Rational};
use framelift_media::filter::{Picture, Rgb};

use super::*;
use crate::bindings::framelift::plugin::frames::Corner;

const LAYOUTS: [Layout; 2] = [Layout::Rgb, Layout::Yuv420];

/// Odd on each side.
const AREA: Area = Area { x: 5, y: 3, width: 8, height: 7 };

/// A picture whose colours change little from one pixel to the next.
fn picture(layout: Layout, width: u8, height: u8) -> Picture {
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| [40 + 4 * x, 60 + 5 * y, 150]));
    let rgb = Rgb { width: width.into(), height: height.into(), bytes: pixels.collect() };
    Picture::of_rgb(&rgb, layout, 0, Rational::ZERO).unwrap()
}

fn whole(canvas: &Canvas<'_>) -> Area {
    Area { x: 0, y: 0, width: canvas.width(), height: canvas.height() }
}

/// The samples of each component, row by row.
fn samples(picture: &mut Picture) -> [Vec<Vec<u8>>; 3] {
    let mut canvas = picture.canvas().unwrap();
    [0, 1, 2].map(|index| {
        let whole = whole(&canvas);
        let mut component = canvas.component(index);
        let (area, step) = (whole.samples(component.shift), component.step);
        area.lines()
            .map(|line| component.row(line, 0, area.width).iter().step_by(step).copied().collect())
            .collect()
    })
}

/// Pixels of red, green and blue as various as can be.
fn noise(mut seed: u32) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    (0..AREA.width * AREA.height * 3).map(|_| next()).collect()
}

fn opaque(colour: [u8; 3]) -> Vec<u8> {
    let [red, green, blue] = colour;
    [red, green, blue, 255].repeat(AREA.width * AREA.height)
}

fn cover(canvas: &mut Canvas<'_>) {
    let size = (AREA.width, AREA.height);
    overlay(canvas, &opaque([250, 10, 90]), size, (AREA.x as i64, AREA.y as i64), 1.0);
}

fn line(text: &str) -> Line {
    Line {
        text: text.to_owned(),
        corner: Corner::Center,
        margin: 0,
        size: 11.0,
        colour: [255, 240, 0],
        opacity: 0.75,
    }
}

#[test]
fn what_lies_around_an_area_keeps_its_samples() {
    type Operation = fn(&mut Canvas<'_>);
    let operations: [Operation; 4] = [
        |canvas| fill(canvas, AREA, [200, 0, 30]),
        |canvas| blur(canvas, AREA, 4.0),
        |canvas| write(canvas, AREA, &noise(1)),
        cover,
    ];
    for layout in LAYOUTS {
        for (width, height) in [(32, 20), (33, 21), (13, 10)] {
            for (operation, paint) in operations.iter().enumerate() {
                let mut picture = picture(layout, width, height);
                let before = samples(&mut picture);
                paint(&mut picture.canvas().unwrap());
                let after = samples(&mut picture);
                for index in 0..3 {
                    let area = AREA.samples(picture.canvas().unwrap().component(index).shift);
                    let mut changed = 0;
                    for (y, (before, after)) in before[index].iter().zip(&after[index]).enumerate() {
                        for (x, (before, after)) in before.iter().zip(after).enumerate() {
                            let inside =
                                area.lines().contains(&y) && (area.x..area.x + area.width).contains(&x);
                            assert!(inside || before == after, "{layout:?} {operation} {index}: {x},{y}");
                            changed += usize::from(before != after);
                        }
                    }
                    assert!(changed > 0 || operation == 1, "{layout:?} {operation} {index}");
                }
            }
        }
    }
}

#[test]
fn what_is_covered_leaves_no_trace_at_odd_edges_either() {
    type Operation = fn(&mut Canvas<'_>);
    let operations: [Operation; 3] =
        [|canvas| fill(canvas, AREA, [0, 0, 0]), |canvas| write(canvas, AREA, &[77; 8 * 7 * 3]), cover];
    for layout in LAYOUTS {
        for (operation, paint) in operations.iter().enumerate() {
            let [one, other] = [1, 2].map(|seed| {
                let mut picture = picture(layout, 33, 21);
                write(&mut picture.canvas().unwrap(), AREA, &noise(seed));
                let before = samples(&mut picture);
                paint(&mut picture.canvas().unwrap());
                (before, samples(&mut picture))
            });
            assert_ne!(one.0, other.0);
            assert_eq!(one.1, other.1, "{layout:?} {operation}");
        }
    }
}

#[test]
fn pixels_are_read_as_they_were_written() {
    for layout in LAYOUTS {
        let mut picture = picture(layout, 33, 21);
        let mut canvas = picture.canvas().unwrap();
        for colour in [[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 99]] {
            write(&mut canvas, AREA, &colour.repeat(AREA.width * AREA.height));
            let read = read(&mut canvas, AREA);
            let most = if layout == Layout::Rgb { 0 } else { 2 };
            let near = |pixel: &[u8]| pixel.iter().zip(&colour).all(|(a, b)| a.abs_diff(*b) <= most);
            assert!(read.len() == 8 * 7 * 3 && read.chunks(3).all(near), "{layout:?} {colour:?}: {read:?}");
        }
    }
}

#[test]
fn colours_are_those_of_jpeg() {
    for (rgb, ycbcr) in [
        ([255, 255, 255], [255, 128, 128]),
        ([0, 0, 0], [0, 128, 128]),
        ([255, 0, 0], [76, 85, 255]),
        ([0, 255, 0], [150, 44, 21]),
        ([0, 0, 255], [29, 255, 107]),
    ] {
        assert_eq!(to_ycbcr(rgb), ycbcr);
        assert!(to_rgb(ycbcr).iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 1), "{:?}", to_rgb(ycbcr));
    }
}

#[test]
fn without_colours_luma_stays_what_it_was() {
    for layout in LAYOUTS {
        let mut picture = picture(layout, 33, 21);
        let before = samples(&mut picture);
        grayscale(&mut picture.canvas().unwrap());
        let [first, second, third] = samples(&mut picture);
        match layout {
            Layout::Yuv420 => {
                assert_eq!(first, before[0]);
                assert!(second.iter().chain(&third).flatten().all(|chroma| *chroma == 128));
            }
            Layout::Rgb => {
                assert_eq!(first[7][9], to_ycbcr([40 + 4 * 9, 60 + 5 * 7, 150])[0]);
                assert!(first == second && second == third);
            }
        }
    }
}

#[test]
fn a_part_keeps_its_pixels_wherever_it_begins() {
    for layout in LAYOUTS {
        for (x, y, width, height) in [(4, 6, 10, 8), (5, 7, 11, 9), (4, 7, 29, 14), (32, 20, 1, 1)] {
            let mut picture = picture(layout, 33, 21);
            let area = Area { x, y, width, height };
            let expected = read(&mut picture.canvas().unwrap(), area);
            picture.crop((x as u32, y as u32), (width as u32, height as u32)).unwrap();
            let mut canvas = picture.canvas().unwrap();
            let whole = whole(&canvas);
            assert_eq!((whole.width, whole.height), (width, height));
            let got = read(&mut canvas, whole);
            let far = got.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            // A column is 4 levels from the next one, and they share chroma.
            let most = if layout == Layout::Rgb || (x % 2, y % 2) == (0, 0) { 0 } else { 10 };
            assert!(far <= Some(most), "{layout:?} {area:?}: {far:?}");
        }
    }
}

#[test]
fn a_line_that_is_kept_looks_as_it_did_and_another_one_is_drawn() {
    for layout in LAYOUTS {
        let mut lettering = Lettering::default();
        let mut draw = |text: &str, width: u8| {
            let mut one = picture(layout, width, 21);
            lettering.draw(&mut one.canvas().unwrap(), line(text), || Ok(())).unwrap();
            let mut new = picture(layout, width, 21);
            Lettering::default().draw(&mut new.canvas().unwrap(), line(text), || Ok(())).unwrap();
            let drawn = samples(&mut one);
            assert_eq!(drawn, samples(&mut new));
            drawn
        };
        let first = draw("ab", 33);
        assert_ne!(first, samples(&mut picture(layout, 33, 21)));
        assert_eq!(draw("ab", 33), first);
        assert_ne!(draw("cd", 33), first);
        assert_ne!(draw("ab", 31), first);
        assert_eq!(draw("", 33), samples(&mut picture(layout, 33, 21)));
        // Wider than the frame: it is cut off.
        assert_ne!(draw("abcdefghijklm", 33), first);
    }
}
