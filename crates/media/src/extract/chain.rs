//! The chain of a job's filters: takes pictures and returns those that pass, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use framelift_contract::manifest::{Labels, Plugin};
use framelift_domain::Layout;

use super::ordered::Place;
use crate::ExtractError;
use crate::filter::{
    Answer, Converters, Decided, Filter, FilterError, Finished, Label, MAX_HELD, Picture, Verdict,
};
use crate::view::Viewed;

/// The most labels that a filter may give a picture, and the most bytes of a label.
const MAX_LABELS: usize = 32;
const MAX_LABEL_BYTES: usize = 1024;
/// The most bytes of pictures that may wait at one filter, if there are more than two: a part of the memory
/// budget for all pictures.
const MAX_WAITING_BYTES: u64 = 96 << 20;
/// The most bytes of a summary.
const MAX_SUMMARY_BYTES: usize = 64 << 10;

/// A picture between filters, and its place in the archive.
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) picture: Picture,
    pub(super) labels: Labels,
}

/// The filters, each with the pictures that wait at it.
pub(super) struct Chain<'f> {
    links: Vec<Link<'f>>,
    /// The number of pictures pushed so far.
    entered: u64,
    /// The layout that the images' encoder takes.
    layout: Layout,
    converters: Arc<Mutex<Converters>>,
}

struct Link<'f> {
    filter: Box<dyn Filter + 'f>,
    /// Pictures in presentation order, beginning with the oldest undecided one, for which the others wait.
    waiting: VecDeque<(Item, Verdict)>,
    dropped: u64,
    summary: Option<String>,
}

impl<'f> Chain<'f> {
    pub(super) fn new(filters: Vec<Box<dyn Filter + 'f>>, layout: Layout) -> Self {
        let link = |filter| Link { filter, waiting: VecDeque::new(), dropped: 0, summary: None };
        let links = filters.into_iter().map(link).collect();
        Self { links, entered: 0, layout, converters: Arc::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Passes the next picture to the filters. Returns the pictures that have now passed all of them.
    pub(super) fn push(&mut self, place: Place, viewed: Viewed) -> Result<Vec<Item>, ExtractError> {
        let about = (place.placed.time, place.keyframe);
        let picture = Picture::new(viewed, self.layout, self.entered, about, &self.converters);
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
            let finished = link.filter.finish().and_then(|finished| link.end(finished));
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
        link.show(item).map_err(|error| error.of(link.filter.name()))?;
        self.release(at, out)
    }

    /// Passes on the pictures that a filter has decided on, up to the first undecided one.
    fn release(&mut self, at: usize, out: &mut Vec<Item>) -> Result<(), ExtractError> {
        while let Some(link) = self.links.get_mut(at) {
            let Some((item, verdict)) = link.waiting.pop_front_if(|(_, verdict)| *verdict != Verdict::Hold)
            else {
                break;
            };
            match verdict {
                Verdict::Keep(labels) => {
                    let item = item.labelled(link.filter.name(), labels);
                    self.pass(at + 1, item, out)?;
                }
                Verdict::Drop | Verdict::Hold => link.dropped += 1,
            }
        }
        Ok(())
    }
}

impl Link<'_> {
    fn show(&mut self, item: Item) -> Result<(), FilterError> {
        let Item { place, picture, labels } = item;
        let index = picture.index();
        let Answer { picture, verdict, decided } = self.filter.process(picture)?;
        if picture.index() != index {
            return Err(FilterError("gave another picture back".to_owned()));
        }
        check(&verdict)?;
        self.decide(decided)?;
        self.waiting.push_back((Item { place, picture, labels }, verdict));
        let held = self.waiting.iter().filter(|(_, verdict)| *verdict == Verdict::Hold).count();
        if held > MAX_HELD {
            return Err(FilterError(format!("held back more than {MAX_HELD} pictures")));
        }
        // Pictures that wait behind a held one take memory, too.
        let bytes: u64 = self.waiting.iter().map(|(item, _)| item.picture.viewed.bytes()).sum();
        if held > 0 && self.waiting.len() > 2 && bytes > MAX_WAITING_BYTES {
            let most = MAX_WAITING_BYTES >> 20;
            return Err(FilterError(format!("held back pictures of more than {most} MiB")));
        }
        Ok(())
    }

    fn decide(&mut self, decided: Decided) -> Result<(), FilterError> {
        for (index, verdict) in decided {
            check(&verdict)?;
            let mut held = self.waiting.iter_mut().filter(|(_, verdict)| *verdict == Verdict::Hold);
            match held.find(|(item, _)| item.picture.index() == index) {
                Some((_, undecided)) => *undecided = verdict,
                None => {
                    return Err(FilterError(format!(
                        "decided on picture {index}, which it does not hold back"
                    )));
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, finished: Finished) -> Result<(), FilterError> {
        self.decide(finished.decided)?;
        if finished.summary.as_ref().is_some_and(|summary| summary.len() > MAX_SUMMARY_BYTES) {
            return Err(FilterError(format!("gave a summary of more than {MAX_SUMMARY_BYTES} bytes")));
        }
        self.summary = finished.summary;
        for (_, verdict) in self.waiting.iter_mut().filter(|(_, verdict)| *verdict == Verdict::Hold) {
            *verdict = Verdict::Keep(Vec::new());
        }
        Ok(())
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

fn check(verdict: &Verdict) -> Result<(), FilterError> {
    let Verdict::Keep(labels) = verdict else { return Ok(()) };
    if labels.len() > MAX_LABELS {
        return Err(FilterError(format!("gave a picture more than {MAX_LABELS} labels")));
    }
    if labels.iter().any(|(about, says)| about.len() + says.len() > MAX_LABEL_BYTES) {
        return Err(FilterError(format!("gave a picture a label of more than {MAX_LABEL_BYTES} bytes")));
    }
    Ok(())
}
