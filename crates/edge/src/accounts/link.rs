//! Links in e-mails: who may request one, and how long it is valid.
//!
//! A link has an id (UUIDv7), whose timestamp determines its expiry. The account keeps the id of the newest link of
//! each purpose; the token in the mail is derived from it when a worker asks. So a call that requests a link does the
//! same work whether or not there is an account.

use bytes::Bytes;
use framelift_contract::account::AccountMail;
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::ProblemCode;
use framelift_contract::report::NotificationRequest;
use framelift_domain::{EventId, Time, UserId};
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::Accounts;
use super::attempts::Counter;
use super::record::Profile;
use super::secret::Purpose;
use crate::http::{CORRELATION_HEADER, Failure, Incoming};
use crate::ports::{Ambient, Http, Kv, Unavailable};

/// How long a link to reset the password is valid, in seconds.
pub(super) const RESET_TTL_S: u32 = 3600;
/// How long a link to confirm the address is valid, in seconds.
pub(super) const VERIFY_TTL_S: u32 = 24 * 3600;
/// Maximum of reset mails to one address that clients of one network may request in 15 minutes.
const MAX_RESETS_PER_ADDRESS_AND_NETWORK: u32 = 3;
/// Maximum of reset mails to one address, from all networks, in 15 minutes.
const MAX_RESETS_PER_ADDRESS: u32 = 10;
/// Maximum of reset mails that clients of one network may request, to all addresses, in 15 minutes.
const MAX_RESETS_PER_NETWORK: u32 = 30;
/// Maximum of verification mails that the owner of an account may request in 15 minutes.
const MAX_VERIFICATIONS_PER_ACCOUNT: u32 = 5;

/// The failure of a request with an invalid link.
pub(super) fn invalid_link() -> Failure {
    Failure::new(
        ProblemCode::InvalidToken,
        "the link was used, is too old, or a newer one was sent: ask for another",
    )
}

/// When a link was made.
fn made_at(link: EventId) -> Time {
    Time::from_unix_ms(i64::try_from(link.unix_ms()).unwrap_or(i64::MAX))
}

impl Purpose {
    /// The purpose of the link in a notice of that kind; none if the notice has no link.
    pub(super) const fn of(kind: NoticeKind) -> Option<Self> {
        match kind {
            NoticeKind::PasswordReset => Some(Self::ResetPassword),
            NoticeKind::EmailVerification => Some(Self::VerifyEmail),
            _ => None,
        }
    }

    /// Whether a link of this purpose is not too old.
    pub(super) fn is_fresh(self, link: EventId, now: Time) -> bool {
        made_at(link).plus_s(self.ttl_s()) > now
    }

    const fn ttl_s(self) -> u32 {
        match self {
            Self::ResetPassword => RESET_TTL_S,
            Self::VerifyEmail => VERIFY_TTL_S,
        }
    }
}

impl Profile {
    const fn link(&self, purpose: Purpose) -> Option<EventId> {
        match purpose {
            Purpose::ResetPassword => self.reset_link,
            Purpose::VerifyEmail => self.verification_link,
        }
    }

    /// Whether a link has not expired and was not superseded by a newer link, a new password or a confirmed
    /// address.
    fn accepts(&self, purpose: Purpose, link: EventId, now: Time) -> bool {
        let made = made_at(link);
        let done_at = match purpose {
            Purpose::ResetPassword => self.password_set_at,
            Purpose::VerifyEmail => self.email_verified_at,
        };
        purpose.is_fresh(link, now)
            && done_at.is_none_or(|done_at| done_at < made)
            && self.link(purpose).is_none_or(|newest| newest <= link)
    }

    /// Whether it is the link that was mailed last, and is valid.
    pub(super) fn is_current(&self, purpose: Purpose, link: EventId, now: Time) -> bool {
        self.link(purpose) == Some(link) && self.accepts(purpose, link, now)
    }

    /// Records that a link is mailed. Returns false if it is invalid.
    pub(super) fn set_mailed_link(&mut self, purpose: Purpose, link: EventId, now: Time) -> bool {
        let accepts = self.accepts(purpose, link, now);
        match purpose {
            _ if !accepts => {}
            Purpose::ResetPassword => self.reset_link = Some(link),
            Purpose::VerifyEmail => self.verification_link = Some(link),
        }
        accepts
    }
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// The content of a mail with a link.
    pub(super) fn link_mail(
        &self,
        profile: Profile,
        purpose: Purpose,
        user: UserId,
        link: EventId,
    ) -> AccountMail {
        AccountMail {
            name: profile.name,
            email: profile.email,
            token: self.config.secrets.seal_link(purpose, user, link),
            expires_at: made_at(link).plus_s(purpose.ttl_s()),
        }
    }

    /// Asks `control` to queue a mail with a new link to a user, who need not exist.
    pub(super) async fn queue_link_mail(
        &self,
        user: UserId,
        kind: NoticeKind,
        incoming: &Incoming,
    ) -> Result<(), Unavailable> {
        let broken = |detail: String| Unavailable { what: "control", detail };
        let purpose = Purpose::of(kind).ok_or_else(|| broken("the notice has no link".to_owned()))?;
        let link = self.config.secrets.link_id(purpose, user, self.ambient.now());
        let notice = NotificationRequest { user_id: user, kind, video_id: link.into() };
        let body = serde_json::to_vec(&notice).map_err(|error| broken(error.to_string()))?;
        let request = Request::post("http://control.spin.internal/notification")
            .header(AUTHORIZATION, self.config.worker_token.authorization())
            .header(CONTENT_TYPE, "application/json")
            .header(CORRELATION_HEADER, incoming.correlation_id().as_str())
            .body(Bytes::from(body))
            .map_err(|error| broken(error.to_string()))?;
        let status = self.http.send(request).await?.status();
        if status.is_success() { Ok(()) } else { Err(broken(format!("notification answered {status}"))) }
    }

    /// Counts a reset mail that an anonymous client requests. 429 if there were too many.
    pub(super) async fn count_reset_mail(&self, account: &str, network: &str) -> Result<(), Failure> {
        let counter = |account: &str, kind: &str, id: &str, limit: u32| {
            Counter::new(self.config.secrets.counter(account, kind, id), limit)
        };
        self.count_mail(&[
            counter("", "resets-of", network, MAX_RESETS_PER_NETWORK),
            counter(account, "reset-by", network, MAX_RESETS_PER_ADDRESS_AND_NETWORK),
            counter(account, "reset", "", MAX_RESETS_PER_ADDRESS),
        ])
        .await
    }

    /// Counts a verification mail that the owner of an account requests. 429 if there were too many.
    pub(super) async fn count_verification_mail(&self, user: UserId) -> Result<(), Failure> {
        let name = self.config.secrets.counter("", "verification", &user.to_string());
        self.count_mail(&[Counter::new(name, MAX_VERIFICATIONS_PER_ACCOUNT)]).await
    }
}
