//! The comparison itself: each selection by each strategy, and a table of all that differs.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

use framelift_contract::manifest::{Frame, Strategy};
use framelift_contract::options::OptionsBody;
use framelift_domain::{Checksum, Format, Options, Range, Rational, Select};

use crate::extracted::{Extracted, Rgb};
use crate::reference::Reference;

/// What is asked of every clip. Pictures are compared in PNG, which keeps colours, but for the
/// last ones.
const CASES: &[&str] = &[
    r#"{"select":{"every":"1s"}}"#,
    r#"{"select":{"every":"0.3s"},"range":{"start":"0.35s","end":"1.9s"}}"#,
    r##"{"select":{"every":"10ms"},"range":{"start":"#10","end":"#14"}}"##,
    r#"{"select":{"fps":7},"range":{"start":"25%","end":"75%"}}"#,
    r#"{"select":{"count":7}}"#,
    r##"{"select":{"count":3},"range":{"start":"#5","end":"1.5s"}}"##,
    r##"{"select":{"at":["1.5s","0.2s","#30","50%","0.2s","#0","33.3%","0s"]}}"##,
    r#"{"select":{"at":["1.2s","1.24s"]}}"#,
    r#"{"select":{"keyframes":true}}"#,
    r#"{"select":{"keyframes":true},"range":{"start":"0.5s","end":"90%"}}"#,
    r##"{"select":{"keyframes":true},"range":{"start":"#3","end":"#40"}}"##,
    r#"{"select":{"all":true}}"#,
    r##"{"select":{"all":true},"range":{"start":"0.5s","end":"#30"}}"##,
    r#"{"select":{"every":"0.7s"},"tolerance":"0.5s"}"#,
    r#"{"select":{"at":["0.3s","50%","1.9s"]},"tolerance":"50ms"}"#,
    r#"{"select":{"every":"0.5s"},"format":"jpeg","quality":98}"#,
];

/// The strategies that can be forced; what the planner chose is not done twice.
const FORCED: [Strategy; 4] = [Strategy::Sequential, Strategy::Seek, Strategy::Keyframes, Strategy::Parallel];

/// Levels by which a colour may be off on average: rounding and the interpolation of chroma.
const COLOURS_PNG: f64 = 1.0;
/// The same in JPEG, which rounds once more and halves chroma.
const COLOURS_JPEG: f64 = 3.5;
/// Levels by which neighbouring pictures of the corpus differ at least, so that a wrong frame is
/// never taken for a right one.
const APART: f64 = 4.0;

/// What differs in any of a test's clips, a row each.
#[derive(Clone, Default)]
pub(crate) struct Report(Rc<RefCell<Vec<String>>>);

impl Report {
    /// Panics with all of it.
    pub(crate) fn check(&self) {
        let rows = self.0.borrow();
        assert!(rows.is_empty(), "file | case | strategies | what differs\n{}", rows.join("\n"));
    }
}

/// A video, and what is known of it besides.
#[derive(Clone)]
pub(crate) struct Clip {
    pub(crate) path: PathBuf,
    report: Report,
    /// The numbers of the pictures that are shown; none where pictures are not numbered.
    shows: Option<Vec<usize>>,
    /// Whether colours can be compared; else it is only seen to that no other picture is nearer.
    colours: bool,
    /// Parts of warnings that may come.
    warnings: Vec<&'static str>,
    /// What is asked of it.
    cases: &'static [&'static str],
    /// Whether it is certain when its last frame ends, so that places can depend on it.
    ends: bool,
    /// The same video before it was damaged: only frames that came out of it unharmed count.
    whole: Option<PathBuf>,
}

impl Clip {
    /// A clip of numbered pictures.
    pub(crate) fn new(path: PathBuf, report: &Report, shows: Vec<usize>) -> Self {
        Self {
            path,
            report: report.clone(),
            shows: Some(shows),
            colours: true,
            warnings: Vec::new(),
            cases: CASES,
            ends: true,
            whole: None,
        }
    }

    /// Another file of which the same is known.
    pub(crate) fn at(&self, path: PathBuf) -> Self {
        Self { path, ..self.clone() }
    }

    /// A video from elsewhere, of which less is asked.
    pub(crate) fn sample(path: PathBuf, report: &Report, cases: &'static [&'static str]) -> Self {
        Self { shows: None, cases, ..Self::new(path, report, Vec::new()) }
    }

    /// It shows the pictures of these numbers.
    pub(crate) fn shows(self, numbers: impl IntoIterator<Item = usize>) -> Self {
        Self { shows: Some(numbers.into_iter().collect()), ..self }
    }

    /// Its colours are changed on purpose, so that only the pictures' identity is compared.
    pub(crate) fn without_colours(self) -> Self {
        Self { colours: false, ..self }
    }

    /// A warning with this in it is right.
    pub(crate) fn may_warn(mut self, part: &'static str) -> Self {
        self.warnings.push(part);
        self
    }

    /// When its last frame ends is a matter of opinion.
    pub(crate) fn without_end(self) -> Self {
        Self { ends: false, ..self }
    }

    /// It is a damaged copy of `whole`.
    ///
    /// How long it lasts and how many frames it has is a matter of opinion.
    pub(crate) fn damaged(self, whole: &Self) -> Self {
        let whole = Some(whole.path.clone());
        Self { whole, shows: None, ends: false, ..self }.may_warn("")
    }

    /// Its pictures are numbered, and the numbers cannot be read.
    pub(crate) fn without_numbers(self) -> Self {
        Self { shows: None, ..self }
    }

    /// As [`Clip::check`], whatever of the pictures it shows.
    pub(crate) fn check_as_is(self) {
        self.without_numbers().check();
    }

    /// Compares all cases by all strategies, and reports everything that differs.
    pub(crate) fn check(self) {
        let depends = |case: &str| {
            (!self.ends && (case.contains("count") || case.contains('%')))
                || (self.whole.is_some() && case.contains('#'))
        };
        let names: Vec<&str> = self.cases.iter().copied().filter(|case| !depends(case)).collect();
        let cases: Vec<OptionsBody> = names.iter().map(|case| serde_json::from_str(case).unwrap()).collect();
        let mut comparison = Comparison::new(&self, &cases);
        comparison.check_reference();
        for (case, body) in cases.iter().enumerate() {
            let mut options = body.check("").unwrap();
            if body.format.is_none() {
                options.format = Format::Png;
            }
            let planned = comparison.run(case, names[case], &options, None);
            for strategy in FORCED.into_iter().filter(|strategy| Some(*strategy) != planned) {
                if strategy != Strategy::Keyframes || options.select == Select::Keyframes {
                    comparison.run(case, names[case], &options, Some(strategy));
                }
            }
        }
        comparison.report();
    }
}

struct Comparison<'a> {
    clip: &'a Clip,
    reference: Reference,
    /// For each frame of the reference, whether it came out of the whole video too.
    sound: Vec<bool>,
    pictures: HashMap<usize, Rgb>,
    /// What was found of an image, by its hash, that should show a frame.
    seen: HashMap<(Checksum, usize), Option<String>>,
    /// By case and by what differs: the strategies.
    problems: BTreeMap<(String, String), Vec<&'static str>>,
}

impl<'a> Comparison<'a> {
    fn new(clip: &'a Clip, cases: &[OptionsBody]) -> Self {
        let reference = Reference::of(&clip.path, cases);
        let frames = &reference.video.frames;
        let sound = match &clip.whole {
            None => vec![true; frames.len()],
            Some(whole) => {
                let whole = Reference::of(whole, &[]);
                let known =
                    |pts, hash: &str| whole.video.frames.iter().any(|f| f.pts == pts && f.hash == hash);
                frames.iter().map(|frame| !frame.damaged && known(frame.pts, &frame.hash)).collect()
            }
        };
        Self {
            clip,
            reference,
            sound,
            pictures: HashMap::new(),
            seen: HashMap::new(),
            problems: BTreeMap::new(),
        }
    }

    fn problem(&mut self, case: &str, strategy: Option<Strategy>, what: String) {
        let strategy = match strategy {
            None => "planned",
            Some(Strategy::Sequential) => "sequential",
            Some(Strategy::Seek) => "seek",
            Some(Strategy::Keyframes) => "keyframes",
            Some(Strategy::Parallel) => "parallel",
            Some(Strategy::Hardware) => "hardware",
        };
        self.problems.entry((case.to_owned(), what)).or_default().push(strategy);
    }

    /// The reference has to show what was put into the video, in pictures that differ enough.
    fn check_reference(&mut self) {
        let mut problem = |what| {
            self.problems.insert(("the reference itself".to_owned(), what), Vec::new());
        };
        let frames = &self.reference.video.frames;
        if self.sound.iter().filter(|sound| **sound).count() < 20 {
            problem("there are too few frames to compare".to_owned());
        }
        if !frames.iter().any(|frame| frame.key) {
            problem("there is no sync point".to_owned());
        }
        let Some(shows) = &self.clip.shows else { return };
        let numbers: Vec<_> = frames.iter().map(|frame| frame.number).collect();
        if numbers != shows.iter().copied().map(Some).collect::<Vec<_>>() {
            problem(format!("it shows {numbers:?}, not {shows:?}"));
        }
        for index in 1..frames.len() {
            self.load(index - 1);
            self.load(index);
            let apart = self.pictures[&(index - 1)].difference(&self.pictures[&index]);
            if apart.is_some_and(|apart| apart < APART) {
                let what = format!("#{index} looks like its predecessor");
                self.problems.insert(("the reference itself".to_owned(), what), Vec::new());
            }
        }
    }

    fn load(&mut self, index: usize) {
        let reference = &mut self.reference;
        self.pictures.entry(index).or_insert_with(|| reference.picture(index));
    }

    /// Returns the strategy that was taken, if it got so far.
    fn run(
        &mut self,
        case: usize,
        name: &str,
        options: &Options,
        strategy: Option<Strategy>,
    ) -> Option<Strategy> {
        let wanted = self.reference.video.wanted(case);
        let mut extracted = match Extracted::from(&self.clip.path, options, strategy) {
            Ok(extracted) => extracted,
            Err(error) => {
                self.problem(name, strategy, format!("it failed: {error}"));
                return None;
            }
        };
        if let Some((index, what)) = self.pair(&mut extracted, &wanted, options.tolerance) {
            self.problem(name, strategy, format!("{index}: {what}"));
        }
        self.check_rest(name, strategy, &extracted, options, wanted.is_empty());
        Some(extracted.manifest.plan.strategy)
    }

    /// Compares images with the frames that are wanted, and returns the first thing that differs.
    fn pair(
        &mut self,
        extracted: &mut Extracted,
        wanted: &[(usize, Option<Rational>)],
        tolerance: Rational,
    ) -> Option<(String, String)> {
        let frames = extracted.manifest.frames.clone();
        if self.clip.whole.is_none() && frames.len() != wanted.len() {
            let list = |list: Vec<i64>| format!("{list:?}");
            let given = list(frames.iter().map(|frame| frame.pts).collect());
            let right = list(wanted.iter().map(|(i, _)| self.reference.video.frames[*i].pts).collect());
            let counts = format!("{} images, not {}", frames.len(), wanted.len());
            return Some((counts, format!("{given}, not {right}")));
        }
        for (place, (index, requested)) in wanted.iter().enumerate() {
            if !self.sound[*index] {
                continue;
            }
            let given = match self.clip.whole {
                None => Some(place),
                // Others may be missing, or be there besides.
                Some(_) => self.find(&frames, *index, *requested, tolerance),
            };
            let Some(given) = given else {
                let pts = self.reference.video.frames[*index].pts;
                return Some((format!("pts {pts}"), "is missing".to_owned()));
            };
            if let Some(what) = self.image(extracted, given, *index, *requested, tolerance) {
                return Some((format!("image {}", given + 1), what));
            }
        }
        None
    }

    /// The image of a frame among those of a damaged video.
    fn find(
        &self,
        frames: &[Frame],
        index: usize,
        requested: Option<Rational>,
        tolerance: Rational,
    ) -> Option<usize> {
        let wanted = &self.reference.video.frames[index];
        frames.iter().position(|frame| match requested {
            Some(time) => {
                frame.requested.as_deref() == Some(&time.to_string())
                    && (frame.pts == wanted.pts || tolerance.is_positive())
            }
            None => frame.pts == wanted.pts,
        })
    }

    fn image(
        &mut self,
        extracted: &mut Extracted,
        given: usize,
        index: usize,
        requested: Option<Rational>,
        tolerance: Rational,
    ) -> Option<String> {
        let record = extracted.manifest.frames[given].clone();
        let frames = &self.reference.video.frames;
        if record.requested != requested.map(|time| time.to_string()) {
            return Some(format!("asked for at {:?}, not {requested:?}", record.requested));
        }
        // Within the tolerance any frame is right, but it must be one of the video's.
        let index = match requested.filter(|_| tolerance.is_positive() && record.pts != frames[index].pts) {
            None => index,
            Some(time) => {
                let off = |at: Rational| at.checked_sub(time).unwrap().to_f64().abs();
                let found = frames.iter().position(|frame| frame.pts == record.pts);
                match found.filter(|index| off(frames[*index].time()) <= tolerance.to_f64()) {
                    Some(index) => index,
                    None => {
                        return Some(format!("pts {} is not within {tolerance} s of {time} s", record.pts));
                    }
                }
            }
        };
        let frame = &self.reference.video.frames[index];
        let right = (frame.pts, frame.time().to_string(), frame.key, frame.size);
        let size = [record.width as usize, record.height as usize];
        let got = (record.pts, record.time.clone(), record.keyframe, size);
        if got != right {
            return Some(format!("(pts, time, sync point, size) is {got:?}, not {right:?}"));
        }
        let key = (record.sha256, index);
        if let Some(known) = self.seen.get(&key) {
            return known.clone();
        }
        let bytes = extracted.image(given);
        let found = self.look(&Rgb::decode(&bytes), index, record.file.ends_with("jpg"));
        self.seen.insert(key, found.clone());
        found
    }

    /// What is wrong with a picture that should be that of frame `index`.
    fn look(&mut self, image: &Rgb, index: usize, jpeg: bool) -> Option<String> {
        self.load(index);
        let Some(off) = image.difference(&self.pictures[&index]) else {
            return Some(format!("{} by {} pixels", image.width, image.height));
        };
        let most = if jpeg { COLOURS_JPEG } else { COLOURS_PNG };
        if self.clip.colours && off <= most {
            return None;
        }
        let all = 0..self.reference.video.frames.len();
        let (nearest, least) = all
            .filter_map(|other| {
                self.load(other);
                let picture = &self.pictures[&other];
                let off =
                    if self.clip.colours { image.difference(picture) } else { image.unlikeness(picture) };
                Some((other, off?))
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        if nearest != index {
            return Some(format!("the picture of #{nearest} (off by {least:.2}), not #{index} ({off:.2})"));
        }
        let format = &self.reference.video.frames[index].format;
        self.clip.colours.then(|| format!("#{index} in {format} is off by {off:.2} levels"))
    }

    fn check_rest(
        &mut self,
        case: &str,
        strategy: Option<Strategy>,
        extracted: &Extracted,
        options: &Options,
        nothing: bool,
    ) {
        let manifest = &extracted.manifest;
        let nothing =
            nothing.then_some(["no frame of the video matches the selection", "the range is empty"]);
        let unexpected: Vec<_> = manifest
            .warnings
            .iter()
            .filter(|warning| {
                !self.clip.warnings.iter().chain(nothing.iter().flatten()).any(|part| warning.contains(part))
            })
            .collect();
        if !unexpected.is_empty() {
            self.problem(case, strategy, format!("it warns: {unexpected:?}"));
        }
        if manifest.source.time_base != self.reference.video.time_base() {
            self.problem(case, strategy, format!("the time base is {}", manifest.source.time_base));
        }
        // Elsewhere the video need not have been read to its end.
        let measured = self.clip.ends
            && options.range == Range::default()
            && matches!(options.select, Select::All | Select::Count(_));
        let duration = self.reference.video.duration().to_string();
        if measured && manifest.source.duration != duration {
            let given = manifest.source.duration.clone();
            self.problem(case, strategy, format!("the duration is {given} s, not {duration} s"));
        }
    }

    fn report(self) {
        let name = self.clip.path.file_name().unwrap_or_default().to_string_lossy();
        let rows = self
            .problems
            .iter()
            .map(|((case, what), strategies)| format!("{name} | {case} | {} | {what}", strategies.join(" ")));
        self.clip.report.0.borrow_mut().extend(rows);
    }
}
