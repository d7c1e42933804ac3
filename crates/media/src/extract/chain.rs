//! The chain of a job's filters: takes pictures and returns those that pass, in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use framelift_contract::manifest::{Labels, Plugin};
use framelift_domain::Format;

use super::ordered::OutputPosition;
use crate::ExtractError;
use crate::filter::{
    Answer, Converters, Decided, Filter, FilterError, Finished, Label, MAX_HELD, Picture, Verdict,
    check_labels,
};
use crate::view::Viewed;

/// The most bytes of labels that the filters of a video may give, all together: they are in memory until the manifest
/// is written.
const MAX_ALL_LABEL_BYTES: usize = 16 << 20;
/// The most bytes of pictures that may wait at one filter, if there are more than two: a part of the memory
/// budget for all pictures.
const MAX_WAITING_BYTES: u64 = 96 << 20;
/// The bytes that a waiting picture counts as at least, so that small ones do not become too many.
const MIN_WAITING_BYTES: u64 = 32 << 10;
/// The most bytes of a summary.
const MAX_SUMMARY_BYTES: usize = 64 << 10;

/// A picture between filters, and its place in the archive.
pub(super) struct Item {
    pub(super) place: OutputPosition,
    pub(super) picture: Picture,
    pub(super) labels: Labels,
}

/// The filters, each with the pictures that wait at it.
pub(super) struct Chain<'f> {
    links: Vec<Link<'f>>,
    /// The number of pictures pushed so far.
    entered: u64,
    /// The format of the images.
    format: Format,
    converters: Arc<Mutex<Converters>>,
    label_bytes: LabelBytes,
}

/// The bytes of the labels that a video's filters have given.
#[derive(Default)]
struct LabelBytes(usize);

/// A picture that is held back, or waits behind one that is.
struct Waiting {
    item: Item,
    /// The labels with which it is kept; `None` while the filter has not decided.
    kept: Option<Vec<Label>>,
}

struct Link<'f> {
    filter: Box<dyn Filter + 'f>,
    /// The name of its labels: the filter's, with a number from the second one of that name on.
    label_name: String,
    /// The most pixels of a side that the images' format takes.
    max_side: u32,
    /// Pictures in presentation order, beginning with the oldest undecided one, for which the others wait.
    waiting: VecDeque<Waiting>,
    dropped: u64,
    summary: Option<String>,
}

impl<'f> Chain<'f> {
    pub(super) fn new(filters: Vec<Box<dyn Filter + 'f>>, format: Format) -> Self {
        let mut times = BTreeMap::new();
        let link = |filter: Box<dyn Filter + 'f>| {
            let name = filter.name().to_owned();
            let times = times.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
            let label_name = if *times == 1 { name } else { format!("{name}#{times}") };
            let max_side = format.max_side();
            Link { filter, label_name, max_side, waiting: VecDeque::new(), dropped: 0, summary: None }
        };
        let links = filters.into_iter().map(link).collect();
        Self { links, entered: 0, format, converters: Arc::default(), label_bytes: LabelBytes::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Passes the next picture to the filters. Returns the pictures that have now passed all of them.
    pub(super) fn push(&mut self, place: OutputPosition, viewed: Viewed) -> Result<Vec<Item>, ExtractError> {
        let about = (place.placed.time, place.keyframe);
        let picture = Picture::new(viewed, self.format.layout(), self.entered, about, &self.converters);
        self.entered += 1;
        let mut out = Vec::new();
        self.pass(0, Item { place, picture, labels: Labels::new() }, &mut out)?;
        Ok(out)
    }

    /// Tells the filters that no picture follows. Returns the pictures that they still held.
    pub(super) fn finish(&mut self) -> Result<Vec<Item>, ExtractError> {
        let mut out = Vec::new();
        for at in 0..self.links.len() {
            let link = &mut self.links[at];
            let label_bytes = &mut self.label_bytes;
            let finished = link.filter.finish().and_then(|finished| link.end(finished, label_bytes));
            finished.map_err(|error| error.of(link.filter.name()))?;
            self.release(at, &mut out)?;
        }
        Ok(out)
    }

    /// The filters' entries in the manifest.
    pub(super) fn records(&self) -> Vec<Plugin> {
        let record = |link: &Link<'_>| {
            let origin = link.filter.origin();
            Plugin {
                name: link.filter.name().to_owned(),
                version: origin.as_ref().map(|origin| origin.version.clone()),
                sha256: origin.map(|origin| origin.sha256),
                dropped: link.dropped,
                summary: link.summary.clone(),
            }
        };
        self.links.iter().map(record).collect()
    }

    /// Passes a picture to one filter, and what it lets through to the filters behind it.
    fn pass(&mut self, at: usize, item: Item, out: &mut Vec<Item>) -> Result<(), ExtractError> {
        let Some(link) = self.links.get_mut(at) else {
            out.push(item);
            return Ok(());
        };
        link.show(item, &mut self.label_bytes).map_err(|error| error.of(link.filter.name()))?;
        self.release(at, out)
    }

    /// Passes on the pictures that a filter has decided on, up to the first undecided one.
    fn release(&mut self, at: usize, out: &mut Vec<Item>) -> Result<(), ExtractError> {
        while let Some(link) = self.links.get_mut(at) {
            let Some(Waiting { item, kept }) = link.waiting.pop_front_if(|first| first.kept.is_some()) else {
                break;
            };
            let item = item.labelled(&link.label_name, kept.unwrap_or_default());
            self.pass(at + 1, item, out)?;
        }
        Ok(())
    }
}

impl Link<'_> {
    fn show(&mut self, item: Item, label_bytes: &mut LabelBytes) -> Result<(), FilterError> {
        let Item { place, picture, labels } = item;
        let (index, before) = (picture.index(), longest_side(&picture));
        let Answer { picture, verdict, decided } = self.filter.process(picture)?;
        if picture.index() != index {
            return Err(FilterError("gave another picture back".to_owned()));
        }
        let side = longest_side(&picture);
        if side > self.max_side.max(before) {
            let most = self.max_side;
            return Err(FilterError(format!(
                "made a picture with a side of {side} pixels, where the images' format takes {most}"
            )));
        }
        self.decide(decided, label_bytes)?;
        let kept = match verdict {
            Verdict::Drop => {
                self.dropped += 1;
                return Ok(());
            }
            Verdict::Keep(labels) => Some(label_bytes.count(labels)?),
            Verdict::Hold => None,
        };
        self.waiting.push_back(Waiting { item: Item { place, picture, labels }, kept });
        self.check_waiting()
    }

    /// Bounds the pictures that are held back, and those that wait behind them.
    fn check_waiting(&mut self) -> Result<(), FilterError> {
        let held = self.waiting.iter().filter(|waiting| waiting.kept.is_none()).count();
        if held > MAX_HELD {
            return Err(FilterError(format!("held back more than {MAX_HELD} pictures")));
        }
        let bytes = |waiting: &VecDeque<Waiting>| -> u64 {
            waiting.iter().map(|waiting| waiting.item.picture.bytes().max(MIN_WAITING_BYTES)).sum()
        };
        if held == 0 || self.waiting.len() <= 2 || bytes(&self.waiting) <= MAX_WAITING_BYTES {
            return Ok(());
        }
        // Images may be smaller than the pictures that they are made of.
        let shrunk = self.waiting.iter_mut().try_for_each(|waiting| waiting.item.picture.shrink());
        shrunk.map_err(|error| FilterError(error.to_string()))?;
        if bytes(&self.waiting) > MAX_WAITING_BYTES {
            return Err(FilterError(format!(
                "held back pictures of more than {} MiB, with those that wait behind them: it has to decide sooner, or \
                 the job to ask for smaller images",
                MAX_WAITING_BYTES >> 20
            )));
        }
        Ok(())
    }

    fn decide(&mut self, decided: Decided, label_bytes: &mut LabelBytes) -> Result<(), FilterError> {
        for (index, verdict) in decided {
            let found = self.waiting.binary_search_by_key(&index, |waiting| waiting.item.picture.index());
            let held = found.ok().filter(|at| self.waiting[*at].kept.is_none());
            let Some(at) = held else {
                return Err(FilterError(format!("decided on picture {index}, which it does not hold back")));
            };
            match verdict {
                Verdict::Keep(labels) => self.waiting[at].kept = Some(label_bytes.count(labels)?),
                Verdict::Drop => {
                    self.waiting.remove(at);
                    self.dropped += 1;
                }
                Verdict::Hold => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, finished: Finished, label_bytes: &mut LabelBytes) -> Result<(), FilterError> {
        self.decide(finished.decided, label_bytes)?;
        if finished.summary.as_ref().is_some_and(|summary| summary.len() > MAX_SUMMARY_BYTES) {
            return Err(FilterError(format!("gave a summary of more than {MAX_SUMMARY_BYTES} bytes")));
        }
        self.summary = finished.summary;
        for waiting in &mut self.waiting {
            waiting.kept.get_or_insert_default();
        }
        Ok(())
    }
}

fn longest_side(picture: &Picture) -> u32 {
    picture.width().max(picture.height())
}

impl LabelBytes {
    /// Checks and counts the labels of a picture.
    fn count(&mut self, labels: Vec<Label>) -> Result<Vec<Label>, FilterError> {
        check_labels(&labels)?;
        self.0 += labels.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        if self.0 > MAX_ALL_LABEL_BYTES {
            let most = MAX_ALL_LABEL_BYTES >> 20;
            return Err(FilterError(format!(
                "gave the video's frames labels of more than {most} MiB, with those of the other plugins"
            )));
        }
        Ok(labels)
    }
}

impl Item {
    fn labelled(mut self, filter: &str, labels: Vec<Label>) -> Self {
        if !labels.is_empty() {
            self.labels.entry(filter.to_owned()).or_default().extend(labels);
        }
        self
    }
}
