//! What a video really shows and when, from the `ffprobe` and `ffmpeg` programs.

use std::path::Path;
use std::process::Command;

use framelift_domain::Rational;

use crate::clips::{ffmpeg, number};

/// Every shown frame of a video.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) frames: Vec<Frame>,
    /// Seconds from the first shown frame to the end of the last.
    pub(crate) duration: Rational,
    pub(crate) time_base: Rational,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) pts: i64,
    /// Seconds from the first shown frame.
    pub(crate) time: Rational,
    pub(crate) key: bool,
    /// The number in its pixels.
    pub(crate) number: usize,
}

fn ffprobe(path: &Path, arguments: &[&str]) -> Vec<Vec<(String, String)>> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "compact=p=0"])
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success());
    let pair = |field: &str| field.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split('|').filter_map(pair).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .collect()
}

fn field<'a>(line: &'a [(String, String)], name: &str) -> Option<&'a str> {
    line.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| *value != "N/A")
}

impl Truth {
    /// Decodes the whole of `path`, whose pictures are `width` by `height`.
    pub(crate) fn of(path: &Path, (width, height): (usize, usize)) -> Self {
        let streams =
            ffprobe(path, &["-show_entries", "stream=time_base,r_frame_rate,start_pts,duration_ts"]);
        let (num, den) = field(&streams[0], "time_base").unwrap().split_once('/').unwrap();
        let time_base = Rational::new(num.parse().unwrap(), den.parse().unwrap()).unwrap();
        // A frame of which nothing says how long it lasts: one of the stream's frame rate.
        let (rate, per) = field(&streams[0], "r_frame_rate").unwrap().split_once('/').unwrap();
        let usual = Rational::new(per.parse().unwrap(), rate.parse().unwrap())
            .and_then(|period| period.checked_mul(time_base.recip()?))
            .map(|ticks| (ticks.to_f64() + 0.5) as i64)
            .unwrap();
        // Sync points are those that the container marks; parsers add some of the codec's.
        let marks = path.extension().is_some_and(|extension| extension == "mp4");
        let parsing: &[&str] = if marks { &["-fflags", "noparse"] } else { &[] };
        let packets = ffprobe(path, &[parsing, &["-show_entries", "packet=pts,dts,flags"]].concat());
        let keys: Vec<i64> = packets
            .iter()
            .filter(|line| field(line, "flags").is_some_and(|flags| flags.starts_with('K')))
            .filter_map(|line| field(line, "pts")?.parse().ok())
            .collect();
        // Where packets have no presentation time, the codec's own mark has to do.
        let unmatched = packets.iter().any(|line| field(line, "pts").is_none());
        let lines = ffprobe(path, &["-show_entries", "frame=best_effort_timestamp,pkt_duration,key_frame"]);
        let numbers = numbers(path, width, height);
        assert_eq!(
            lines.len(),
            numbers.len(),
            "ffprobe and ffmpeg agree on the frames of {}",
            path.display()
        );

        let seconds = |ticks: i64| time_base.checked_mul(Rational::whole(ticks)).unwrap();
        let mut frames = Vec::<Frame>::new();
        let (mut zero, mut end) = (None, 0);
        for (line, number) in lines.iter().zip(numbers) {
            let pts = field(line, "best_effort_timestamp").map_or(end, |pts| pts.parse().unwrap());
            let zero = *zero.get_or_insert(pts);
            let ticks: i64 = field(line, "pkt_duration").map_or(usual, |ticks| ticks.parse().unwrap());
            end = pts + ticks;
            let key = keys.contains(&pts) || (unmatched && field(line, "key_frame") == Some("1"));
            frames.push(Frame { pts, time: seconds(pts - zero), key, number });
        }
        let last = &lines[lines.len() - 1];
        if let (None, Some(start), Some(ticks)) =
            (field(last, "pkt_duration"), field(&streams[0], "start_pts"), field(&streams[0], "duration_ts"))
        {
            end = start.parse::<i64>().unwrap() + ticks.parse::<i64>().unwrap();
        }
        let duration = seconds(end - frames[0].pts);
        Self { frames, duration, time_base }
    }

    /// The frame on screen at `time`.
    pub(crate) fn at(&self, time: Rational) -> &Frame {
        let after = self.frames.partition_point(|frame| frame.time <= time);
        &self.frames[after - 1]
    }
}

fn numbers(path: &Path, width: usize, height: usize) -> Vec<usize> {
    let output = ffmpeg()
        .arg("-i")
        .arg(path)
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    output
        .stdout
        .chunks_exact(width * height)
        .map(|luma| number(|x, y| luma[y * width + x], width, height))
        .collect()
}
