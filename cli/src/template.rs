//! Templates of file names with placeholders: `out/{stem}_{n:06}_{time:.3}.{ext}`.

use std::path::PathBuf;

use framelift_domain::Rational;

use crate::videos::Video;

/// The placeholders.
const PLACEHOLDERS: &str = "{stem}, {name}, {dir}, {n}, {n:06}, {time}, {time:.3} and {ext}";
/// The default number of decimals of a time.
const DECIMALS: u32 = 3;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The video's file name without its extension.
    Stem,
    /// The video's file name.
    Name,
    /// The folders between the one on the command line and the video.
    Dir,
    /// The image's number, from 1.
    Number {
        width: usize,
    },
    /// Seconds at which the frame is shown.
    Time {
        width: usize,
        decimals: u32,
    },
    /// The image format's extension.
    Ext,
}

/// The values of the placeholders for one image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a> {
    pub(crate) number: u64,
    pub(crate) time: Rational,
    pub(crate) extension: &'a str,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = behind;
                continue;
            }
            let place = rest.split_once('}').filter(|_| brace == "{");
            let Some((place, behind)) = place else {
                return Err(format!(
                    "{text:?} has a brace without its counterpart; write {brace}{brace} for one"
                ));
            };
            rest = behind;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let piece = Piece::parse(place);
            pieces.push(piece.ok_or_else(|| format!("{{{place}}} is unknown; there are {PLACEHOLDERS}"))?);
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Whether the template gives each image of a video a different name.
    pub(crate) fn is_unique_per_image(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Number { .. } | Piece::Time { .. }))
    }

    /// Whether the template gives each video a different name.
    pub(crate) fn is_unique_per_video(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Stem | Piece::Name | Piece::Dir))
    }

    pub(crate) fn has_extension(&self) -> bool {
        self.0.contains(&Piece::Ext)
    }

    /// The path for a video. The values of placeholders cannot lead to a parent folder or to the root.
    pub(crate) fn path(&self, video: &Video) -> PathBuf {
        let text = self.render(video, None);
        let root = matches!(self.0.first(), Some(Piece::Text(text)) if text.starts_with('/'));
        let parts = text.split('/').filter(|part| !part.is_empty());
        root.then_some("/").into_iter().chain(parts).collect()
    }

    /// The name of an image.
    pub(crate) fn image(&self, video: &Video, image: Image<'_>) -> String {
        self.render(video, Some(image))
    }

    fn render(&self, video: &Video, image: Option<Image<'_>>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match (piece, image) {
                (Piece::Text(plain), _) => text.push_str(plain),
                (Piece::Stem, _) => text.push_str(&video.stem()),
                (Piece::Name, _) => text.push_str(&video.file_name()),
                (Piece::Dir, _) => text.push_str(&video.folder.to_string_lossy()),
                (Piece::Number { width }, Some(image)) => {
                    text.push_str(&format!("{:0width$}", image.number));
                }
                (Piece::Time { width, decimals }, Some(image)) => {
                    text.push_str(&format!("{:0>width$}", decimal(image.time, *decimals)));
                }
                (Piece::Ext, Some(image)) => text.push_str(image.extension),
                (_, None) => {}
            }
        }
        text
    }
}

impl Piece {
    fn parse(place: &str) -> Option<Self> {
        let (name, how) = place.split_once(':').unwrap_or((place, ""));
        let (width, decimals) = how.split_once('.').unwrap_or((how, ""));
        // The format of Rust and Python. A width always pads with zeros.
        let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse().ok() };
        let width = number(width).filter(|width| *width <= 32)?;
        match name {
            "n" if !how.contains('.') => Some(Self::Number { width }),
            "time" if decimals.is_empty() && !how.contains('.') => {
                Some(Self::Time { width, decimals: DECIMALS })
            }
            "time" => Some(Self::Time { width, decimals: decimals.parse().ok().filter(|n| *n <= 9)? }),
            _ if place.contains(':') => None,
            "stem" => Some(Self::Stem),
            "name" => Some(Self::Name),
            "dir" => Some(Self::Dir),
            "ext" => Some(Self::Ext),
            _ => None,
        }
    }
}

/// Rounded to `places` decimals, 9 at most.
fn decimal(time: Rational, places: u32) -> String {
    let (num, den) = (i128::from(time.num()), i128::from(time.den()));
    let scale = 10_i128.pow(places);
    let scaled = (num * scale * 2 + den).div_euclid(den * 2);
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, rest) = (scaled.abs() / scale, scaled.abs() % scale);
    match places {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest:0width$}", width = places as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn image(template: &str, video: &str, number: u64, time: (i128, i128)) -> String {
        let time = Rational::new(time.0, time.1).unwrap();
        let image = Image { number, time, extension: "jpg" };
        Template::parse(template).unwrap().image(&Video::file(video), image)
    }

    #[test]
    fn places_are_filled_in() {
        assert_eq!(
            image("{stem}_{n:06}_{time:.3}.{ext}", "a/clip.b.mp4", 7, (1001, 30)),
            "clip.b_000007_33.367.jpg"
        );
        assert_eq!(
            image("{name} {n} {time} {{x}}", "clip.mp4", 1_234_567, (1, 3)),
            "clip.mp4 1234567 0.333 {x}"
        );
        assert_eq!(image("{n:2}{time:08.1}|{time:.0}", "c", 123, (7, 2)), "123000003.5|4");
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (template, said) in [
            ("{frame}", "{frame} is unknown"),
            ("{n:x}", "{n:x} is unknown"),
            ("{n:.3}", "{n:.3} is unknown"),
            ("{time:.10}", "{time:.10} is unknown"),
            ("{stem:3}", "{stem:3} is unknown"),
            ("a{", "a brace without its counterpart"),
            ("a}b", "a brace without its counterpart"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(said), "{template}: {error}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        let path = |template: &str, video: &Video| Template::parse(template).unwrap().path(video);
        assert_eq!(path("out/{stem}/x", &Video::file("/v/...mp4")), Path::new("out/__/x"));
        assert_eq!(path("{dir}/{stem}.zip", &Video::file("/v/a.mp4")), Path::new("a.zip"));
        assert_eq!(
            path("/o/{dir}/{name}.zip", &Video::below("/v", "b/c/a.mp4")),
            Path::new("/o/b/c/a.mp4.zip")
        );
        assert_eq!(path("../{stem}.zip", &Video::file("a.mp4")), Path::new("../a.zip"));
    }
}
