//! `POST /auth/register`: creates an account. The account is written first, under an id that nothing refers to;
//! claiming its address commits.

use framelift_contract::account::{RegisterRequest, RegisterResponse};
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::{FieldError, ProblemCode as Code};
use framelift_domain::UserId;
use http::{Response, StatusCode};
use serde_json::json as value;

use super::record::{Owner, Profile, User};
use super::session::Sessions;
use super::{Accounts, email_key, map_update_error, origin, sessions_key, user_key, validate};
use crate::http::{Failure, Incoming, Level, Route, json, log};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};
use bytes::Bytes;

pub(super) const ROUTE: Route = Route::post("/auth/register");

pub(super) fn operation() -> Operation {
    let (name, email) = ("Ada".to_owned(), "ada@example.com".to_owned());
    Operation::new(ROUTE, "register", "accounts", Auth::Nobody, "Make an account")
        .about("The sign-ups of one network are limited, those for an address that is taken included.")
        .json(typed(&RegisterRequest {
            name: name.clone(),
            email: email.clone(),
            password: "correct horse battery".into(),
        }))
        .answers(
            StatusCode::CREATED,
            "The account is there.",
            typed(&RegisterResponse { id: examples::user(), name, email, created_at: examples::time() }),
        )
        .or(&[Code::EmailTaken, Code::TooManyAttempts, Code::Unavailable])
}

fn taken() -> Failure {
    Failure::new(Code::EmailTaken, "log in, or register with another e-mail address")
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn register(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: RegisterRequest = incoming.json()?;
        let email = validate::normalize_email(&body.email);
        let name = check(&body, &email)?;
        self.count_sign_up(&origin::network(incoming.headers(), self.config.proxy_hops)).await?;
        let account = self.config.secrets.email(&email);
        self.refuse_if_taken(&account).await?;

        let now = self.ambient.now();
        let id = UserId::new(now.unix_ms().unsigned_abs(), self.random());
        let profile = Profile {
            name: name.clone(),
            email: email.clone(),
            created_at: now,
            password: self.hash(&body.password).await?,
            password_set_at: None,
            reset_link: None,
            verification_link: None,
            email_verified_at: None,
            notify_by_email: true,
            notify_of_completion: false,
            webhook: None,
        };
        let store = self.store();
        store.create(&user_key(id), &User::Active(profile)).await?;
        store.create(&sessions_key(id), &Sessions::default()).await?;
        if let Err(failure) = self.claim(&account, id).await {
            if failure.code() == Code::EmailTaken {
                // A concurrent sign-up claimed the address: delete this account.
                let updated = store.update(&user_key(id), |_: User| Ok((User::Gone, true, ()))).await;
                map_update_error(updated, || Failure::internal("the new account vanished"))?;
            }
            return Err(failure);
        }
        if self.config.verify_email {
            // The account exists: an owner who gets no mail can request another one.
            let queued = self.queue_link_mail(id, NoticeKind::EmailVerification, incoming).await;
            if let Err(error) = queued {
                let fields = [("cause", value!(error.to_string()))];
                let message = "the mail to a new account is not queued";
                log(Level::Warn, message, Some(incoming.correlation_id()), &fields);
            }
        }
        json(StatusCode::CREATED, &RegisterResponse { id, name, email, created_at: now })
    }

    /// Refuses an address that has an account, before a hash is computed. Finishes an interrupted deletion
    /// first.
    async fn refuse_if_taken(&self, account: &str) -> Result<(), Failure> {
        let owner: Option<Owner> = self.store().get(&email_key(account)).await?;
        let Some(id) = owner.and_then(|owner| owner.user) else { return Ok(()) };
        match self.user(id).await? {
            Some(User::Deleting(_)) => self.finish_deletion(id, account).await,
            _ => Err(taken()),
        }
    }

    /// Assigns the address to the account.
    async fn claim(&self, account: &str, id: UserId) -> Result<(), Failure> {
        let (store, key) = (self.store(), email_key(account));
        let claimed = Owner { user: Some(id) };
        if store.create(&key, &claimed).await? {
            return Ok(());
        }
        let result = store
            .update(&key, |owner: Owner| match owner.user {
                Some(user) if user == id => Ok((owner, false, ())),
                Some(_) => Err(taken()),
                None => Ok((claimed.clone(), true, ())),
            })
            .await;
        map_update_error(result, || Failure::internal("the claimed address vanished")).map(|_| ())
    }
}

/// Returns the normalized name, or all errors of the body.
fn check(body: &RegisterRequest, email: &str) -> Result<String, Failure> {
    let mut errors = Vec::new();
    let mut note = |pointer: &str, detail: &str| errors.push(FieldError::new(pointer, detail));
    let name = validate::name(&body.name).map_err(|detail| note("/name", detail)).unwrap_or_default();
    if let Err(detail) = validate::email(email) {
        note("/email", detail);
    }
    if let Err(detail) = validate::password(&body.password) {
        note("/password", detail);
    }
    if errors.is_empty() { Ok(name) } else { Err(Failure::validation(errors)) }
}
