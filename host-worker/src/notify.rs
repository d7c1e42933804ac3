//! Notifies owners of the end of their videos, over every channel that they and the configuration enable.

mod email;
mod text;

use std::sync::Arc;
use std::time::Duration;

use framelift_contract::account::{Contact, WebhookContact};
use framelift_contract::message::NoticeKind;
use framelift_contract::report::Notice;
use framelift_contract::webhook::{ClaimedDelivery, DeliveryOutcome, EventData, WebhookEvent};
use framelift_domain::{CorrelationId, EventId, UserId, VideoId};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::config::{Links, Smtp};
use crate::health::Metrics;
use crate::report::{ControlClient, ReportError, Trace, kind_name};
use crate::retry::retry;
use crate::webhook::{self, Outcome, WebhookSender};

pub(crate) use email::{Email, EmailError};

/// Why a notice was not sent, or not reported as sent. It will be sent again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    /// Control could not be reached.
    #[error(transparent)]
    Control(#[from] ReportError),
    /// The mail server could not be reached.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// As many events are being sent to webhooks as may be at once.
    #[error("too many webhooks are called at once")]
    Busy,
    /// The worker stops.
    #[error("the worker stops")]
    Stopping,
}

/// Sends notices.
#[derive(Debug)]
pub(crate) struct Notifier {
    control: ControlClient,
    metrics: Arc<Metrics>,
    email: Option<Email>,
    webhooks: WebhookSender,
    /// How long one notice is retried before its message is left to its visibility timeout.
    retry_timeout: Duration,
}

impl Notifier {
    /// The channels that the configuration names.
    pub(crate) fn new(
        control: ControlClient,
        metrics: Arc<Metrics>,
        smtp: &Smtp,
        webhooks: WebhookSender,
        links: &Links,
        retry_timeout: Duration,
    ) -> Result<Self, EmailError> {
        let email = Email::new(smtp, links)?;
        if email.is_none() {
            tracing::warn!("no mail server is configured: no e-mail is sent");
        }
        Ok(Self { control, metrics, email, webhooks, retry_timeout })
    }

    /// Sends a notice and reports it as sent. Delivery is at least once: after a failure half-way it is sent
    /// again, with the same message id.
    pub(crate) async fn deliver(
        &self,
        notice: &Notice,
        attempt: u32,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        let contact =
            retry("contact", self.retry_timeout, cancel, || self.control.contact(notice.user_id, trace))
                .await?;
        match &contact {
            Some(contact) => self.send(notice, contact, cancel).await?,
            None => tracing::info!("the account is gone: no notice is sent"),
        }
        let webhook = contact.is_some_and(|contact| contact.webhook.is_some());
        let told = retry("notified", self.retry_timeout, cancel, || {
            self.control.notified(notice.video_id, attempt, webhook, trace)
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
        match retry("notice", self.retry_timeout, cancel, || self.control.notice(video, trace)).await? {
            // Attempt 0: this is not the attempt that ended the job.
            Some(notice) => self.deliver(&notice, 0, trace, cancel).await,
            None => Ok(()),
        }
    }

    /// Mails a link to the owner of an account, if it is still valid. Delivery is at least once, with the
    /// same message id and link. Without a mail server or a public URL it is not sent.
    pub(crate) async fn deliver_account_mail(
        &self,
        user: UserId,
        kind: NoticeKind,
        link: EventId,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        let Some(public_url) = self.email.as_ref().and_then(Email::public_url) else {
            tracing::error!(
                kind = kind_name(kind),
                "no link is mailed: [smtp] or [links] public_url is not set"
            );
            return Ok(());
        };
        let ask = || self.control.account_mail(user, kind, link, trace);
        let Some(mail) = retry("mail", self.retry_timeout, cancel, ask).await? else { return Ok(()) };
        let Some(text) = text::with_link(kind, &mail, public_url, &trace.correlation_id) else {
            return Ok(());
        };
        let id = format!("{link}.{}", kind_name(kind));
        self.mail(&text, &id, &trace.correlation_id, &mail.email, cancel).await
    }

    /// Sends an event to its owner's webhook, if it is due, and reports the outcome.
    pub(crate) async fn deliver_event(
        &self,
        event: EventId,
        user: UserId,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        let Some(_permit) = self.webhooks.permit(user) else {
            self.metrics.notice("webhook", "put_off");
            return Err(NotifyError::Busy);
        };
        let claim = || self.control.claim_delivery(event, trace);
        let Some(delivery) = retry("delivery", self.retry_timeout, cancel, claim).await? else {
            return Ok(());
        };
        let contact = || self.control.contact(delivery.user_id, trace);
        let contact = retry("contact", self.retry_timeout, cancel, contact).await?;
        if delivery.attempt == 1
            && let Some(address) = contact.as_ref().and_then(|contact| contact.email.as_ref())
            && let Some(mail) = rejection(&delivery, contact.as_ref())
        {
            let id = format!("{}.plugin-rejected", delivery.id);
            self.mail(&mail, &id, &delivery.correlation_id, address, cancel).await?;
        }
        let (outcome, status, error) = match contact.as_ref().and_then(|contact| contact.webhook.as_ref()) {
            None => (DeliveryOutcome::GiveUp, None, Some("no webhook is set".to_owned())),
            Some(webhook) => {
                let span = tracing::info_span!("webhook", otel.kind = "client", event_id = %delivery.id);
                let sent = tokio::select! {
                    sent = self.webhooks.send(webhook, &delivery).instrument(span) => sent,
                    () = cancel.cancelled() => return Err(NotifyError::Stopping),
                };
                self.note_attempt(&sent, &delivery);
                match sent {
                    Outcome::Delivered(status) => (DeliveryOutcome::Delivered, Some(status.as_u16()), None),
                    Outcome::Failed(status, error) => {
                        (DeliveryOutcome::Retry, status.map(|status| status.as_u16()), Some(error))
                    }
                    Outcome::Gone => {
                        self.turn_off(&delivery, webhook, contact.as_ref(), trace, cancel).await?;
                        let why = "the receiver is gone (410): the webhook is turned off".to_owned();
                        (DeliveryOutcome::GiveUp, Some(410), Some(why))
                    }
                }
            }
        };
        let report = retry("report of a delivery", self.retry_timeout, cancel, || {
            self.control.report_delivery(&delivery, outcome, status, error.clone(), trace)
        });
        match report.await {
            // It was pushed out of the log meanwhile.
            Ok(()) | Err(ReportError::JobFinished | ReportError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn note_attempt(&self, sent: &Outcome, delivery: &ClaimedDelivery) {
        let (event, attempt) = (delivery.event.as_str(), delivery.attempt);
        match sent {
            Outcome::Delivered(_) => {
                self.metrics.notice("webhook", "sent");
                tracing::info!(event_id = %delivery.id, event, attempt, "an event was delivered");
            }
            Outcome::Failed(_, error) => {
                self.metrics.notice("webhook", "failed");
                tracing::info!(event_id = %delivery.id, event, attempt, error, "an event was not delivered");
            }
            Outcome::Gone => self.metrics.notice("webhook", "gone"),
        }
    }

    /// Tells the owner that the webhook is turned off, and turns it off.
    async fn turn_off(
        &self,
        delivery: &ClaimedDelivery,
        webhook: &WebhookContact,
        contact: Option<&Contact>,
        trace: &Trace,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        if let Some(contact) = contact
            && let Some(address) = &contact.email
        {
            let mail =
                text::webhook_off(&contact.name, &webhook::shown(&webhook.url), &delivery.correlation_id);
            let id = format!("{}.webhook-off", delivery.id);
            self.mail(&mail, &id, &delivery.correlation_id, address, cancel).await?;
        }
        let gone = || self.control.webhook_gone(delivery.user_id, &webhook.url, trace);
        Ok(retry("webhook-gone", self.retry_timeout, cancel, gone).await?)
    }

    async fn send(
        &self,
        notice: &Notice,
        contact: &Contact,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        let address = match notice.kind {
            NoticeKind::Failed | NoticeKind::Expired => &contact.email,
            NoticeKind::Completed => &contact.completion_email,
            NoticeKind::Webhook | NoticeKind::PasswordReset | NoticeKind::EmailVerification => &None,
        };
        let (Some(address), Some(email)) = (address, &self.email) else { return Ok(()) };
        let mail = text::compose_text(notice, &contact.name, email.public_url());
        let id = format!("{}.{}", notice.video_id, kind_name(notice.kind));
        self.mail(&mail, &id, &notice.correlation_id, address, cancel).await
    }

    /// Sends an e-mail. A permanent rejection is logged and not retried.
    async fn mail(
        &self,
        mail: &text::MailText,
        id: &str,
        correlation_id: &CorrelationId,
        address: &str,
        cancel: &CancellationToken,
    ) -> Result<(), NotifyError> {
        let Some(email) = &self.email else { return Ok(()) };
        let span = tracing::info_span!("email", otel.kind = "client", notice = id);
        let send = email.send(mail, id, correlation_id, address, self.retry_timeout, cancel);
        let sent = send.instrument(span).await;
        let outcome = match &sent {
            Ok(()) => "sent",
            Err(EmailError::Rejected(_)) => "rejected",
            Err(_) => "put_off",
        };
        self.metrics.notice("email", outcome);
        match sent {
            Ok(()) => tracing::info!(notice = id, "an e-mail was sent"),
            // The owner sees the state in the API.
            Err(EmailError::Rejected(reason)) => {
                tracing::error!(reason, "the mail server rejects an e-mail for good");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Returns the e-mail that goes with the event that a plugin was rejected; `None` for other events. A video's
/// e-mail is sent before its event, independently of a webhook; for a plugin there is only the event.
fn rejection(delivery: &ClaimedDelivery, contact: Option<&Contact>) -> Option<text::MailText> {
    let event: WebhookEvent = serde_json::from_str(&delivery.payload).ok()?;
    let EventData::Plugin(plugin) = event.data else { return None };
    Some(text::plugin_rejected(&contact?.name, &plugin, &delivery.correlation_id))
}
