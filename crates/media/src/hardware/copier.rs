//! Copies wanted pictures back from the GPU in batches, on a separate thread, while the decoder continues.
//! Pictures come out in the order in which they went in.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::Shrink;
use crate::ffi::Frame;

/// The number of pictures in a batch.
const BATCH: usize = 3;
/// Surfaces that the engine holds in addition to the codec's references: a batch being copied, one being
/// filled, the last picture and the next one. Drivers give a decoder 32 at most, of which H.264 may need 16
/// and FFmpeg takes 5.
pub(crate) const SURFACES: u32 = 2 * BATCH as u32 + 2;

type Batch<T> = Vec<(Frame, T)>;

/// Copies pictures, each with a value that belongs to it.
pub(crate) struct Copier<T> {
    filling: Batch<T>,
    /// `None` once the last batch was handed over.
    to: Option<SyncSender<Batch<T>>>,
    back: Receiver<Result<Batch<T>, String>>,
    under_way: bool,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Copier<T> {
    /// Starts the thread, which ends with the copier.
    pub(crate) fn new(mut shrink: Shrink) -> Result<Self, String> {
        let (to, batches) = sync_channel::<Batch<T>>(1);
        let (done, back) = sync_channel(1);
        let work = move || {
            // The receiver is gone if the extraction is being stopped.
            while let Ok(batch) = batches.recv()
                && done.send(copy(batch, &mut shrink)).is_ok()
            {}
        };
        let thread = thread::Builder::new().name("from-gpu".to_owned()).spawn(work);
        let thread = thread.map_err(|error| format!("no thread for copying: {error}"))?;
        Ok(Self {
            filling: Vec::with_capacity(BATCH),
            to: Some(to),
            back,
            under_way: false,
            thread: Some(thread),
        })
    }

    /// Adds a picture, and returns those that have been copied.
    pub(crate) fn push(&mut self, frame: Frame, of: T) -> Result<Batch<T>, String> {
        self.filling.push((frame, of));
        if self.filling.len() < BATCH {
            return match self.under_way.then(|| self.back.try_recv()) {
                Some(Ok(batch)) => {
                    self.under_way = false;
                    batch
                }
                _ => Ok(Vec::new()),
            };
        }
        let ready = self.wait();
        self.hand_over();
        ready
    }

    /// Returns the remaining pictures.
    pub(crate) fn finish(mut self) -> Result<Batch<T>, String> {
        let mut ready = self.wait()?;
        self.hand_over();
        ready.extend(self.wait()?);
        Ok(ready)
    }

    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.filling);
        // If the thread has ended, the next wait says so.
        self.under_way = !batch.is_empty();
        if let (true, Some(to)) = (self.under_way, &self.to) {
            let _ = to.send(batch);
        }
    }

    fn wait(&mut self) -> Result<Batch<T>, String> {
        if !std::mem::take(&mut self.under_way) {
            return Ok(Vec::new());
        }
        let ended = |_: RecvError| Err("the thread that copies has ended".to_owned());
        self.back.recv().unwrap_or_else(ended)
    }
}

impl<T> Drop for Copier<T> {
    fn drop(&mut self) {
        self.to = None;
        // One result at most lies in the channel, so the thread does not wait for room.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn copy<T>(batch: Batch<T>, shrink: &mut Shrink) -> Result<Batch<T>, String> {
    // The GPU downscales the whole batch while the first picture of it is copied.
    let batch: Result<Batch<T>, String> = batch
        .into_iter()
        .map(|(frame, of)| Ok((if frame.is_on_gpu() { shrink.run(frame)? } else { frame }, of)))
        .collect();
    batch?
        .into_iter()
        .map(|(frame, of)| Ok((if frame.is_on_gpu() { frame.download()? } else { frame }, of)))
        .collect()
}
