//! Parses command line options into the API's options: `2` is two seconds, `00:01:30` is a time, `jpg` is JPEG. The
//! API's own rules check the values; an error names the flag.

use framelift_contract::options::{CropBody, OptionsBody, RangeBody, ResizeBody, ScenesBody, SelectBody};
use framelift_contract::problem::FieldError;
use framelift_domain::options::{format_duration, parse_duration};
use framelift_domain::{Format, Options, Place, Rational, Select};

use crate::args::{ImageArgs, SelectArgs};

/// Returns the options, or all errors. `format` is the image format that the output's name implies.
pub(crate) fn options(
    select: &SelectArgs,
    images: &ImageArgs,
    format: Option<Format>,
) -> Result<Options, Vec<String>> {
    let one = |message: String| vec![message];
    let rate = select.fps.as_deref().map(rate).transpose().map_err(one)?;
    let place = |flag: &str, text: &Option<String>| text.as_deref().map(|text| place(flag, text)).transpose();
    let (start, end) = (place("--from", &select.from).map_err(one)?, place("--to", &select.to).map_err(one)?);
    let body = OptionsBody {
        select: select_body(select, rate).map_err(one)?,
        range: (start.is_some() || end.is_some()).then_some(RangeBody { start, end }),
        tolerance: duration("--tolerance", &select.tolerance).map_err(one)?,
        format: images_format(images, format).map_err(one)?,
        quality: integer("--quality", &images.quality).map_err(one)?,
        stream: integer("--stream", &select.stream).map_err(one)?,
        crop: images.crop.as_deref().map(crop).transpose().map_err(one)?,
        resize: resize(images).map_err(one)?,
        storyboard: images.storyboard.then_some(true),
        plugins: None,
    };
    let mut options = body.check("").map_err(|errors| errors.iter().map(by_flag).collect::<Vec<_>>())?;
    if let (Some(rate), Select::Fps(asked)) = (rate, &mut options.select) {
        *asked = rate;
    }
    if options.range.is_empty() {
        return Err(one("--to: must lie after --from".to_owned()));
    }
    Ok(options)
}

fn select_body(args: &SelectArgs, rate: Option<Rational>) -> Result<Option<SelectBody>, String> {
    let body = SelectBody {
        every: duration("--every", &args.every)?,
        // The exact rate may not be a decimal. It is set afterwards.
        fps: rate.map(|_| 1.into()),
        count: integer("--count", &args.count)?,
        at: args
            .at
            .as_ref()
            .map(|places| places.iter().map(|text| place("--at", text)).collect())
            .transpose()?,
        keyframes: args.keyframes.then_some(true),
        scenes: args.scenes.as_deref().map(scenes).transpose()?,
        all: args.all.then_some(true),
    };
    Ok((body != SelectBody::default()).then_some(body))
}

/// `2`, `0.5`, `1/2` or `30000/1001` frames a second.
fn rate(text: &str) -> Result<Rational, String> {
    let (num, den) = text.split_once('/').unwrap_or((text, "1"));
    let decimal = |text: &str| Rational::parse_decimal(text.trim());
    let rate = decimal(num).zip(decimal(den)).and_then(|(num, den)| num.checked_mul(den.recip()?));
    match rate {
        Some(rate) if rate.is_positive() && rate <= Rational::whole(1000) => Ok(rate),
        Some(_) => Err("--fps: must be above 0 and at most 1000".to_owned()),
        None => Err(format!("--fps: {text:?} is no rate such as 2, 0.5 or 1/2")),
    }
}

/// A duration as the API writes it.
fn duration(flag: &str, text: &Option<String>) -> Result<Option<String>, String> {
    let Some(text) = text else { return Ok(None) };
    let duration = seconds(text);
    match parse_duration(&duration) {
        Ok(_) => Ok(Some(duration)),
        Err(_) => Err(format!("{flag}: {text:?} is no duration such as 2, 0.5, 250ms, 1m or 00:00:02")),
    }
}

/// A place in the video as the API writes it.
fn place(flag: &str, text: &str) -> Result<String, String> {
    let place = seconds(text);
    match place.parse::<Place>() {
        Ok(_) => Ok(place),
        Err(_) => Err(format!(
            "{flag}: {text:?} is no time such as 2, 250ms or 00:00:02, no percentage up to 100%, and no frame \
             number such as #300"
        )),
    }
}

/// Converts a number of seconds or `[HH:]MM:SS[.fff]` to the API's form of a time. Other texts are returned
/// unchanged.
fn seconds(text: &str) -> String {
    let text = text.trim();
    if Rational::parse_decimal(text).is_some() {
        return format!("{text}s");
    }
    clock(text).map_or_else(|| text.to_owned(), format_duration)
}

fn clock(text: &str) -> Option<Rational> {
    let parts: Vec<_> = text.split(':').map(Rational::parse_decimal).collect::<Option<_>>()?;
    let (seconds, leading) = parts.split_last()?;
    let sixty = Rational::whole(60);
    let whole = leading.iter().all(|part| part.den() == 1);
    let minutes_fit = leading.iter().skip(1).all(|part| *part < sixty);
    if !(1..=2).contains(&leading.len()) || !whole || !minutes_fit || *seconds >= sixty {
        return None;
    }
    let add = |sum: Rational, part: &Rational| sum.checked_mul(sixty)?.checked_add(*part);
    parts.iter().try_fold(Rational::ZERO, add)
}

fn integer(flag: &str, text: &Option<String>) -> Result<Option<i64>, String> {
    let number = |text: &String| text.parse().map_err(|_| format!("{flag}: {text:?} is not a whole number"));
    text.as_ref().map(number).transpose()
}

/// `THRESHOLD[,MAX]`.
fn scenes(text: &str) -> Result<ScenesBody, String> {
    let (threshold, max) = match text.split_once(',') {
        Some((threshold, max)) => (threshold, Some(max)),
        None => (text, None),
    };
    let wrong = |text: &str, what: &str| format!("--scenes: {text:?} is not {what}");
    Ok(ScenesBody {
        threshold: Some(threshold.parse().map_err(|_| wrong(threshold, "a number"))?),
        max: max.map(|max| max.parse().map_err(|_| wrong(max, "a whole number"))).transpose()?,
    })
}

fn images_format(images: &ImageArgs, named: Option<Format>) -> Result<Option<String>, String> {
    let asked = images.format.as_ref().map(|format| match format.to_ascii_lowercase() {
        jpg if jpg == "jpg" => "jpeg".to_owned(),
        other => other,
    });
    match (asked, named) {
        (Some(asked), Some(named)) if asked != named.as_str() => {
            Err(format!("--format: the output's name asks for {}, not for {asked}", named.as_str()))
        }
        (asked, named) => Ok(asked.or_else(|| named.map(|format| format.as_str().to_owned()))),
    }
}

/// `X:Y:WIDTHxHEIGHT`.
fn crop(text: &str) -> Result<CropBody, String> {
    let body = || {
        let (x, rest) = text.split_once(':')?;
        let (y, size) = rest.split_once(':')?;
        let (width, height) = size.split_once(['x', 'X', '×'])?;
        let number = |text: &str| text.parse().ok();
        Some(CropBody { x: number(x)?, y: number(y)?, width: number(width)?, height: number(height)? })
    };
    body().ok_or_else(|| format!("--crop: {text:?} is not X:Y:WIDTHxHEIGHT, such as 0:140:1920x800"))
}

fn resize(images: &ImageArgs) -> Result<Option<ResizeBody>, String> {
    let (mut width, mut height) = (integer("--width", &images.width)?, integer("--height", &images.height)?);
    if let Some(size) = &images.size {
        let side = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
        let sides = size.split_once(['x', 'X', '×']).map(|(width, height)| (side(width), side(height)));
        (width, height) = match sides {
            Some((Ok(width), Ok(height))) if width.is_some() || height.is_some() => (width, height),
            _ => return Err(format!("--size: {size:?} is no size such as 336x336, 1280x or x720")),
        };
    }
    if width.is_none() && height.is_none() {
        return match images.fit {
            Some(_) => Err("--fit: needs --size, --width or --height".to_owned()),
            None => Ok(None),
        };
    }
    Ok(Some(ResizeBody { width, height, fit: images.fit.clone() }))
}

/// The message of an error, with the flag of the value.
fn by_flag(error: &FieldError) -> String {
    format!("{}: {}", flag(&error.pointer), error.detail)
}

/// The flag for a pointer into the options, or the pointer itself if there is none.
pub(crate) fn flag(pointer: &str) -> &str {
    const FLAGS: [(&str, &str); 16] = [
        ("/select/every", "--every"),
        ("/select/fps", "--fps"),
        ("/select/count", "--count"),
        ("/select/at", "--at"),
        ("/select/scenes", "--scenes"),
        ("/range/start", "--from"),
        ("/range/end", "--to"),
        ("/tolerance", "--tolerance"),
        ("/format", "--format"),
        ("/quality", "--quality"),
        ("/stream", "--stream"),
        ("/crop", "--crop"),
        ("/resize/width", "the width"),
        ("/resize/height", "the height"),
        ("/resize/fit", "--fit"),
        ("/plugins", "--plugin"),
    ];
    let option = pointer.strip_prefix("/options").unwrap_or(pointer);
    FLAGS.iter().find(|(start, _)| option.starts_with(start)).map_or(pointer, |(_, flag)| flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_forms_of_times_are_parsed() {
        for (text, time) in [
            ("2", "2s"),
            ("0.5", "0.5s"),
            ("250ms", "250ms"),
            ("00:00:02", "2s"),
            ("1:02:03.25", "3723.25s"),
            ("90:00", "5400s"),
            ("50%", "50%"),
            ("#3", "#3"),
            // Refused by the caller.
            ("00:61:00", "00:61:00"),
            ("1:2:3:4", "1:2:3:4"),
            ("1:60", "1:60"),
            ("soon", "soon"),
        ] {
            assert_eq!(seconds(text), time, "{text}");
        }
    }

    #[test]
    fn rates_are_exact() {
        for (text, num, den) in [("1/2", 1, 2), ("30000/1001", 30_000, 1001), ("0.5", 1, 2), ("1/3", 1, 3)] {
            assert_eq!(rate(text), Ok(Rational::new(num, den).unwrap()), "{text}");
            let args = SelectArgs { fps: Some(text.to_owned()), ..SelectArgs::default() };
            let options = options(&args, &ImageArgs::default(), None).unwrap();
            assert_eq!(options.select, Select::Fps(Rational::new(num, den).unwrap()), "{text}");
        }
        for bad in ["0", "1/0", "0/1", "1001", "-1", "x", "1/2/3", ""] {
            assert!(rate(bad).unwrap_err().starts_with("--fps: "), "{bad}");
        }
    }

    #[test]
    fn parts_of_pictures_are_read() {
        let body = CropBody { x: 0, y: 140, width: 1920, height: 800 };
        for text in ["0:140:1920x800", "0:140:1920X800", "0:140:1920×800"] {
            assert_eq!(crop(text), Ok(body.clone()), "{text}");
        }
        for bad in ["", "0:140", "1920x800", "0:140:1920", "0x140:1920:800", "0:140:1920x800x1", "a:0:1x1"] {
            assert!(crop(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read() {
        let resize = |size: &str| resize(&ImageArgs { size: Some(size.to_owned()), ..ImageArgs::default() });
        let body = |width, height| Ok(Some(ResizeBody { width, height, fit: None }));
        assert_eq!(resize("336x336"), body(Some(336), Some(336)));
        assert_eq!(resize("1280x"), body(Some(1280), None));
        assert_eq!(resize("x720"), body(None, Some(720)));
        for bad in ["336", "x", "axb", "1x2x3", "-1x"] {
            assert!(resize(bad).is_err() || bad == "-1x", "{bad}");
        }
    }
}
