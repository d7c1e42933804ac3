//! The operations of component `auth`.

use framelift_contract::account::{
    AccountResponse, Contact, DeleteAccountRequest, LoginRequest, NotificationSettings, RefreshRequest,
    RegisterRequest, RegisterResponse, TokenResponse, UpdateAccountRequest, UpdateNotifications,
    ValidateRequest, ValidateResponse, WebhookContact,
};
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::{Time, UserId};
use http::{Method, StatusCode};
use url::Url;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::operation::{Auth, Operation, Payload, raw, typed};

/// 14 November 2023, as in the domain's own tests.
pub(super) fn example_time() -> Time {
    Time::from_unix_ms(1_700_000_000_120)
}

pub(super) fn example_user() -> UserId {
    UserId::new(1_700_000_000_000, [7; 10])
}

const ACCESS_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl";
const REFRESH_TOKEN: &str = "MDE4YmNmZTUuMDBmZi4w.dGFn";

fn webhook_url() -> Option<Url> {
    Url::parse("https://hooks.example.com/framelift").ok()
}

fn tokens() -> Payload {
    typed(&TokenResponse {
        access_token: ACCESS_TOKEN.into(),
        token_type: "Bearer".into(),
        expires_in: 3600,
        refresh_token: REFRESH_TOKEN.into(),
    })
}

fn account(webhook_secret: Option<&str>) -> Payload {
    typed(&AccountResponse {
        id: example_user(),
        name: "Ada".into(),
        email: "ada@example.com".into(),
        created_at: example_time(),
        notifications: NotificationSettings {
            email: true,
            email_on_completion: false,
            webhook_url: webhook_url(),
        },
        webhook_secret: webhook_secret.map(str::to_owned),
    })
}

/// The table.
pub(super) fn operations() -> Vec<Operation> {
    let (get, post) = (Method::GET, Method::POST);
    [sign_in(post), own_account(), others(get)].concat()
}

fn sign_in(post: Method) -> Vec<Operation> {
    let op = |path, id, auth, summary| Operation::new(post.clone(), path, id, "accounts", auth, summary);
    vec![
        op("/auth/register", "register", Auth::Nobody, "Make an account")
            .json(typed(&RegisterRequest {
                name: "Ada".into(),
                email: "ada@example.com".into(),
                password: "correct horse battery".into(),
            }))
            .answers(
                StatusCode::CREATED,
                "The account is there.",
                typed(&RegisterResponse {
                    id: example_user(),
                    name: "Ada".into(),
                    email: "ada@example.com".into(),
                    created_at: example_time(),
                }),
            )
            .or(&[Code::EmailTaken, Code::Unavailable]),
        op("/auth/login", "login", Auth::Nobody, "Log in")
            .about(
                "Ten failures at one account within 15 minutes refuse further logins from where they came until the 15 \
                 minutes are over, and a hundred from anywhere all those of unknown devices. A device that sends the \
                 last refresh token that it got is known, and counted by itself.",
            )
            .json(typed(&LoginRequest {
                email: "ada@example.com".into(),
                password: "correct horse battery".into(),
                refresh_token: None,
            }))
            .answers(StatusCode::OK, "An access token and a refresh token.", tokens())
            .or(&[Code::InvalidCredentials, Code::TooManyAttempts, Code::Unavailable]),
        op("/auth/refresh", "refresh", Auth::Nobody, "Trade a refresh token for new tokens")
            .about(
                "A refresh token is good for one refresh. The same refresh sent again within 30 seconds, because its \
                 answer was lost, answers the same; later it revokes the whole login.",
            )
            .json(typed(&RefreshRequest { refresh_token: REFRESH_TOKEN.into() }))
            .answers(StatusCode::OK, "New tokens.", tokens())
            .or(&[Code::InvalidToken, Code::Unavailable]),
        op("/auth/logout", "logout", Auth::User, "End a login")
            .about("The refresh token and its successors are good no more. A token that is not good leaves nothing to do.")
            .json(typed(&RefreshRequest { refresh_token: REFRESH_TOKEN.into() }))
            .answers(StatusCode::NO_CONTENT, "The login is over.", Payload::Empty)
            .or(&[Code::Unavailable]),
        op("/auth/validate", "validateToken", Auth::User, "Ask whether an access token is good")
            .json(typed(&ValidateRequest { token: ACCESS_TOKEN.into() }))
            .answers(
                StatusCode::OK,
                "Whose it is and until when; or that it is not good.",
                typed(&ValidateResponse {
                    active: true,
                    sub: Some(example_user().to_string()),
                    email: Some("ada@example.com".into()),
                    exp: Some(1_700_003_600),
                }),
            )
            .or(&[Code::Unavailable]),
    ]
}

fn own_account() -> Vec<Operation> {
    let op = |method, id, summary| Operation::new(method, "/auth/me", id, "accounts", Auth::User, summary);
    vec![
        op(Method::GET, "getAccount", "Read the account")
            .answers(StatusCode::OK, "The account.", account(None))
            .or(&[Code::Unavailable]),
        op(Method::PATCH, "updateAccount", "Change the name or the notifications")
            .about(
                "What is missing stays as it is. Setting another webhook answers its signing secret (Standard \
                 Webhooks), in this answer only; the same URL again keeps the secret. `null` removes the webhook.",
            )
            .json(typed(&UpdateAccountRequest {
                name: Some("Ada Lovelace".into()),
                notifications: Some(UpdateNotifications {
                    email: Some(true),
                    email_on_completion: Some(false),
                    webhook_url: Some(webhook_url().map(String::from)),
                }),
            }))
            .answers(
                StatusCode::OK,
                "The account as it is now.",
                account(Some("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")),
            )
            .or(&[Code::Unavailable]),
        op(Method::DELETE, "deleteAccount", "Delete the account and everything in it")
            .about(
                "Account, videos, uploads, results and tokens go. The account and its tokens are closed at once; the \
                 objects of 200 videos are gone before the answer, those of more within minutes. May be repeated until \
                 it is done.",
            )
            .json(typed(&DeleteAccountRequest { password: "correct horse battery".into() }))
            .answers(StatusCode::ACCEPTED, "It is closed: none of its tokens opens anything any more.", Payload::Empty)
            .or(&[Code::InvalidCredentials, Code::TooManyAttempts, Code::Unavailable]),
    ]
}

fn others(get: Method) -> Vec<Operation> {
    let key_set = ObjectBuilder::new().schema_type(Type::Object).description(Some("A JWK Set (RFC 7517)."));
    vec![
        Operation::new(
            get.clone(),
            "/.well-known/jwks.json",
            "getKeys",
            "service",
            Auth::Nobody,
            "The public keys of access tokens",
        )
        .answers(StatusCode::OK, "Ed25519 keys, each with its `kid`.", raw("application/json", key_set))
        .or(&[Code::Unavailable]),
        Operation::new(
            get,
            "/internal/users/{id}/contact",
            "getContact",
            "workers",
            Auth::Worker,
            "Whom to tell about a video, and how",
        )
        .answers(
            StatusCode::OK,
            "The ways that the owner wants.",
            typed(&Contact {
                user_id: example_user(),
                name: "Ada".into(),
                email: Some("ada@example.com".into()),
                completion_email: None,
                webhook: webhook_url().map(|url| WebhookContact {
                    url,
                    secret: "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX".into(),
                }),
            }),
        )
        .or(&[Code::NotFound, Code::Unavailable]),
    ]
}
