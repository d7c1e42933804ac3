//! Links in e-mails: who gets one, and for how long it is good.
//!
//! A link has an id (UUIDv7), whose time says when it ends. The account keeps the id of the newest one of each
//! purpose, and the mail's token is derived from it when a worker asks; so a call that has a link mailed does the
//! same whether there is an account or not.

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

/// How long a password may be replaced by a link, in seconds.
pub(super) const RESET_TTL_S: u32 = 3600;
/// How long an address may be confirmed by a link, in seconds.
pub(super) const VERIFY_TTL_S: u32 = 24 * 3600;
/// Mails that strangers of one network may have sent to one address, in 15 minutes.
const MOST_OF_NETWORK: u32 = 3;
/// Mails that all of them may have sent to one address.
const MOST_OF_ADDRESS: u32 = 10;
/// Mails that one network may have sent, to whatever addresses.
const MOST_TO_ALL: u32 = 30;
/// Mails that an owner may have sent to confirm the address.
const MOST_OF_OWNER: u32 = 5;

/// A mailed link that opens nothing.
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
    /// What a message of that kind mails.
    pub(super) const fn of(kind: NoticeKind) -> Option<Self> {
        match kind {
            NoticeKind::PasswordReset => Some(Self::ResetPassword),
            NoticeKind::EmailVerification => Some(Self::VerifyEmail),
            _ => None,
        }
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

    /// Whether nothing has made a link void: its end, a newer link, a new password, or that there is nothing to
    /// confirm any more.
    fn takes(&self, purpose: Purpose, link: EventId, now: Time) -> bool {
        let made = made_at(link);
        let done_at = match purpose {
            Purpose::ResetPassword => self.password_set_at,
            Purpose::VerifyEmail => self.email_verified_at,
        };
        made.plus_s(purpose.ttl_s()) > now
            && done_at.is_none_or(|done_at| done_at < made)
            && self.link(purpose).is_none_or(|newest| newest <= link)
    }

    /// Whether it is the link that was mailed last, and is good.
    pub(super) fn holds(&self, purpose: Purpose, link: EventId, now: Time) -> bool {
        self.link(purpose) == Some(link) && self.takes(purpose, link, now)
    }

    /// Notes that a link is mailed; false if it is void.
    pub(super) fn mail(&mut self, purpose: Purpose, link: EventId, now: Time) -> bool {
        let takes = self.takes(purpose, link, now);
        match purpose {
            _ if !takes => {}
            Purpose::ResetPassword => self.reset_link = Some(link),
            Purpose::VerifyEmail => self.verification_link = Some(link),
        }
        takes
    }
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// What is mailed with a link.
    pub(super) fn mail_of(
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

    /// Has `control` queue a mail with a new link to a user, who may be nobody.
    pub(super) async fn queue_link(
        &self,
        user: UserId,
        kind: NoticeKind,
        incoming: &Incoming,
    ) -> Result<(), Unavailable> {
        let broken = |detail: String| Unavailable { what: "control", detail };
        let purpose = Purpose::of(kind).ok_or_else(|| broken("it is about no account".to_owned()))?;
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

    /// Counts a mail to an address that a stranger asks for; 429 if there were too many.
    pub(super) async fn count_reset(&self, account: &str, network: &str) -> Result<(), Failure> {
        let counter = |account: &str, kind: &str, id: &str, most: u32| {
            Counter::new(self.config.secrets.counter(account, kind, id), most)
        };
        self.spend(&[
            counter("", "resets-of", network, MOST_TO_ALL),
            counter(account, "reset-by", network, MOST_OF_NETWORK),
            counter(account, "reset", "", MOST_OF_ADDRESS),
        ])
        .await
    }

    /// The same of a mail that an owner asks for.
    pub(super) async fn count_verification(&self, user: UserId) -> Result<(), Failure> {
        let name = self.config.secrets.counter("", "verification", &user.to_string());
        self.spend(&[Counter::new(name, MOST_OF_OWNER)]).await
    }
}
