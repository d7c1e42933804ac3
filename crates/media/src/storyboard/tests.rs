//! Which pictures are kept, where they stand, and what the cues say.

use super::*;

fn thumb(width: usize, height: usize, luma: u8) -> Thumb {
    let chroma = width.div_ceil(2) * height.div_ceil(2);
    Thumb {
        size: [width, height],
        planes: [vec![luma; width * height], vec![luma; chroma], vec![luma; chroma]],
    }
}

fn at(ms: i128) -> Rational {
    Rational::new(ms, 1000).unwrap()
}

#[test]
fn cues_run_from_frame_to_frame() {
    let mut storyboard = Storyboard::new();
    for (index, time) in
        [at(0), at(40), Rational::new(1001, 30).unwrap(), at(3_600_000)].into_iter().enumerate()
    {
        storyboard.push(time, thumb(160, 90, index as u8));
    }
    let (sheet, cues) = storyboard.finish(at(3_600_500), SHEET).unwrap();
    assert_eq!(sheet.size, [640, 90]);
    insta::assert_snapshot!(cues, @r"
    WEBVTT

    00:00:00.000 --> 00:00:00.040
    storyboard.jpg#xywh=0,0,160,90

    00:00:00.040 --> 00:00:33.367
    storyboard.jpg#xywh=160,0,160,90

    00:00:33.367 --> 01:00:00.000
    storyboard.jpg#xywh=320,0,160,90

    01:00:00.000 --> 01:00:00.500
    storyboard.jpg#xywh=480,0,160,90
    ");
}

#[test]
fn pictures_stand_in_rows_whatever_their_size() {
    let mut storyboard = Storyboard::new();
    // Twelve of odd and changing size: two rows of ten.
    for index in 0..12 {
        let (width, height) = if index == 11 { (89, 160) } else { (159, 5) };
        storyboard.push(at(index), thumb(width, height, 10 + index as u8));
    }
    let (sheet, cues) = storyboard.finish(at(12), SHEET).unwrap();
    assert_eq!(sheet.size, [1600, 320]);
    assert!(cues.ends_with("00:00:00.011 --> 00:00:00.012\nstoryboard.jpg#xywh=160,160,89,160\n"), "{cues}");
    for (index, x, y) in [(0, 0, 0), (1, 160, 0), (9, 1440 + 158, 4), (10, 0, 160), (11, 160 + 88, 319)] {
        assert_eq!(sheet.planes[0][y * 1600 + x], 10 + index, "{index}");
        assert_eq!(sheet.planes[2][y / 2 * 800 + x / 2], 10 + index, "{index}");
    }
    assert_eq!(sheet.planes[0][159], 0, "beside a narrower picture");
    sheet.planes();
}

#[test]
fn of_many_frames_an_even_part_is_kept() {
    for frames in [1, 399, 400, 401, 800, 801, 5000, 100_000] {
        let mut storyboard = Storyboard::new();
        for index in 0..frames {
            storyboard.push(at(index), thumb(2, 2, 0));
        }
        let times: Vec<_> = storyboard.kept.iter().map(|(time, _)| milliseconds(*time)).collect();
        let stride = storyboard.stride as u64;
        assert!(
            times.len() <= MAX_THUMBS && (frames < 400 || times.len() >= MAX_THUMBS / 2),
            "{frames}: {}",
            times.len()
        );
        let even: Vec<_> = (0..times.len() as u64).map(|n| n * stride).collect();
        assert_eq!(times, even, "{frames}");
        assert!(frames as u64 - times[times.len() - 1] <= stride, "{frames}: the end is missing");
        let (sheet, cues) = storyboard.finish(at(frames), SHEET).unwrap();
        assert!(sheet.size[0] <= 20 && sheet.size[1] <= 80);
        assert_eq!(cues.matches(" --> ").count(), times.len());
    }
}

#[test]
fn cues_that_would_not_last_are_left_out() {
    let mut storyboard = Storyboard::new();
    assert!(storyboard.finish(at(5), SHEET).is_none());
    for num in [10_000, 10_001, 10_002, 20_000] {
        storyboard.push(Rational::new(num, 10_000).unwrap(), thumb(2, 2, 0));
    }
    let (_, cues) = storyboard.finish(at(0), SHEET).unwrap();
    assert_eq!(cues.matches(" --> ").count(), 1, "{cues}");
    assert!(cues.contains("00:00:01.000 --> 00:00:02.000\nstoryboard.jpg#xywh=4,0,2,2\n"), "{cues}");
}
