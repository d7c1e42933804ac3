//! Sends wanted frames from the decoding stage to the encoders, and copies them from the GPU where one
//! decodes.

use std::sync::mpsc::sync_channel;

use super::{DecodeEnd, HeldFrame, Problem, Stage};
use crate::ExtractError;
use crate::extract::encode_stage::{Job, Work};
use crate::extract::ordered::{Ordered, OutputPosition};
use crate::ffi::{Frame, Input};
use crate::select::Requests;

impl Stage<'_, '_> {
    /// Ends this stage, and leaves the remaining frames to another decoder.
    pub(super) fn into_abandoned(self, input: Input<'_>) -> DecodeEnd {
        let Self { abandoned, held, copier, decoder, .. } = self;
        // Frees the GPU's memory for other jobs.
        drop((held, copier));
        decoder.close();
        let problem = abandoned.unwrap_or(Problem::Damage);
        DecodeEnd::Abandoned { problem, source: input.into_source() }
    }

    /// Abandons this decoder because of `problem`; the first problem is kept.
    pub(super) fn abandon(&mut self, problem: Problem) {
        self.abandoned.get_or_insert(problem);
    }

    /// Abandons a GPU's decoder because of its driver's message or, without one, `otherwise`.
    pub(super) fn abandon_gpu(&mut self, otherwise: impl ToString) {
        let driver_message =
            self.decoder.driver_message().map_or_else(|| otherwise.to_string(), str::to_owned);
        self.abandon(Problem::Gpu(driver_message));
    }

    /// Sends a wanted frame to the encoders; one on a GPU is copied to main memory first.
    pub(super) fn send(&mut self, held: HeldFrame, requests: Requests) -> Result<(), ExtractError> {
        let wanted = OutputPosition { requests, placed: held.placed, keyframe: held.keyframe };
        // After a lost batch no later frame may be sent.
        if self.abandoned.is_some() {
            return Ok(());
        }
        match &mut self.copier {
            None => self.deliver(held.frame, wanted),
            Some(copier) => {
                let ready = copier.push(held.frame, wanted);
                self.deliver_all(ready)
            }
        }
    }

    /// Waits for the frames that are still being copied from the GPU, and sends them on.
    pub(super) fn drain(&mut self) -> Result<(), ExtractError> {
        match self.copier.take() {
            Some(copier) if self.abandoned.is_none() => self.deliver_all(copier.finish()),
            _ => Ok(()),
        }
    }

    fn deliver_all(
        &mut self,
        ready: Result<Vec<(Frame, OutputPosition)>, String>,
    ) -> Result<(), ExtractError> {
        match ready {
            Ok(ready) => ready.into_iter().try_for_each(|(frame, wanted)| self.deliver(frame, wanted)),
            Err(problem) => {
                self.abandon(Problem::Gpu(problem));
                Ok(())
            }
        }
    }

    fn deliver(&mut self, frame: Frame, place: OutputPosition) -> Result<(), ExtractError> {
        self.wanted += 1;
        if self.wanted <= self.outputs.sent_before {
            return Ok(());
        }
        let (reply, content) = sync_channel(1);
        let ordered = Ordered { place, content, permit: None };
        // The stage that closed the channel returns its own error.
        let gone = |_| ExtractError::internal("a later stage has stopped");
        self.outputs.order.send(ordered).map_err(|_| gone(()))?;
        self.outputs.jobs.send(Job { work: Work::Decoded(frame), reply }).map_err(|_| gone(()))
    }
}
