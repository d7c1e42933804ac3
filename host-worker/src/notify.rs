//! Tells owners how their videos ended, over every channel that they and the configuration want.

mod email;
mod text;

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::account::Contact;
use framelift_contract::message::NoticeKind;
use framelift_contract::report::Notice;
use framelift_domain::VideoId;
use tokio_util::sync::CancellationToken;

use crate::config::{Links, Smtp};
use crate::health::Metrics;
use crate::report::{ControlClient, ReportError, Trace, kind_name};
use crate::retry::retry;

pub(crate) use email::{Email, EmailError};

/// A notice that is not out, or that control does not know to be out. It is sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    /// Control could not be asked or told.
    #[error(transparent)]
    Control(#[from] ReportError),
    /// The mail server could not be reached.
    #[error(transparent)]
    Email(#[from] EmailError),
}

/// A way to reach an owner. Webhooks will be another.
#[derive(Debug)]
enum Channel {
    Email(Email),
}

/// Sends notices.
#[derive(Debug)]
pub(crate) struct Notifier {
    control: ControlClient,
    metrics: Arc<Metrics>,
    channels: Vec<Channel>,
    /// How long one notice is tried before its message is left to come back.
    patience: Duration,
}

impl Notifier {
    /// The channels that the configuration names.
    pub(crate) fn new(
        control: ControlClient,
        metrics: Arc<Metrics>,
        smtp: &Smtp,
        links: &Links,
        patience: Duration,
    ) -> Result<Self, EmailError> {
        let email = Email::new(smtp, links)?;
        if email.is_none() {
            tracing::warn!("no mail server is configured: nobody is told by e-mail");
        }
        Ok(Self { control, metrics, channels: email.into_iter().map(Channel::Email).collect(), patience })
    }

    /// Sends a notice and reports it as sent. At least once: what fails half-way is sent again,
    /// under the same message id.
    pub(crate) async fn deliver(
        &self,
        notice: &Notice,
        attempt: u32,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        let contact =
            retry("contact", self.patience, cancel, || self.control.contact(notice.user_id, trace)).await?;
        match contact {
            Some(contact) => self.send(notice, &contact, cancel).await?,
            None => tracing::info!("the account is gone: nobody is to be told"),
        }
        let told = retry("notified", self.patience, cancel, || {
            self.control.notified(notice.video_id, attempt, trace)
        });
        match told.await {
            Ok(_) => Ok(()),
            // Another worker has reported it, or the video is gone: no notice is left to send.
            Err(ReportError::JobFinished | ReportError::StaleAttempt | ReportError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the pending notice of a finished video, if there is one.
    pub(crate) async fn deliver_pending(
        &self,
        video: VideoId,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        match retry("notice", self.patience, cancel, || self.control.notice(video, trace)).await? {
            // Attempt 0: this is not the attempt that ended the job.
            Some(notice) => self.deliver(&notice, 0, trace, cancel).await,
            None => Ok(()),
        }
    }

    async fn send(
        &self,
        notice: &Notice,
        contact: &Contact,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        for channel in &self.channels {
            match channel {
                Channel::Email(email) => {
                    let address = match notice.kind {
                        NoticeKind::Failed => &contact.email,
                        NoticeKind::Completed => &contact.completion_email,
                    };
                    let Some(address) = address else { continue };
                    let sent = email.send(notice, &contact.name, address, self.patience, cancel).await;
                    let outcome = match &sent {
                        Ok(()) => "sent",
                        Err(EmailError::Rejected(_)) => "rejected",
                        Err(_) => "put_off",
                    };
                    self.metrics.notice("email", outcome);
                    match sent {
                        Ok(()) => tracing::info!(kind = kind_name(notice.kind), "an e-mail was sent"),
                        // Sending it again would be refused again: the owner sees the state in the API.
                        Err(EmailError::Rejected(reason)) => {
                            tracing::error!(reason, "the mail server rejects an e-mail for good");
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(())
    }
}
