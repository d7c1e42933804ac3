//! `framelift account …`: shows, changes and deletes the account, its logins and its webhook.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use framelift_contract::account::{
    ChangePasswordRequest, DeleteAccountRequest, UpdateAccountRequest, UpdateNotifications,
};
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::login::{PasswordArgs, secret};
use super::pages::LimitArgs;
use super::video::path_segment;
use crate::outcome::{Done, Failed, printable};
use crate::service::credentials::Credentials;
use crate::service::{Call, Service, ServiceArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show the account, what it may use and what it uses
    Show(NoArgs),
    /// Change the name or which e-mails are sent
    Set(SetArgs),
    /// Change the password; all other logins end
    Password(ChangeArgs),
    /// List the logins, or end one
    Sessions(SessionsArgs),
    /// Set, try and follow the webhook
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Delete the account with all its videos, results and plugins, for good
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NoArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// How you are addressed
    #[arg(long)]
    name: Option<String>,
    /// Send an e-mail when a video fails
    #[arg(long, value_name = "BOOL")]
    email: Option<bool>,
    /// Send an e-mail when a video is done
    #[arg(long, value_name = "BOOL")]
    email_on_completion: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    password: PasswordArgs,
    /// Read the new password from the first line of FILE
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// End the login with this id
    #[arg(long, value_name = "ID")]
    end: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    password: PasswordArgs,
    /// The account's e-mail address, to confirm that it is this account
    #[arg(long, value_name = "ADDRESS")]
    confirm: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Set the URL that events are sent to; prints the signing secret, this once
    Set(UrlArgs),
    /// Send no events any more
    Off(NoArgs),
    /// Get a new signing secret; for 24 hours the one before signs, too
    Secret(NoArgs),
    /// Send a test event
    Test(NoArgs),
    /// List the last events and the attempts to deliver them
    Deliveries(DeliveriesArgs),
    /// Send an event once more
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UrlArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// An https URL
    url: String,
}

#[derive(Debug, Args)]
pub(crate) struct DeliveriesArgs {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    limit: LimitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// The event's id; `framelift account webhook deliveries` lists them
    id: String,
}

impl AccountCommand {
    /// The server, and how answers are printed.
    pub(crate) fn service(&self) -> &ServiceArgs {
        match self {
            Self::Show(args) => &args.service,
            Self::Set(args) => &args.service,
            Self::Password(args) => &args.service,
            Self::Sessions(args) => &args.service,
            Self::Delete(args) => &args.service,
            Self::Webhook(WebhookCommand::Set(args)) => &args.service,
            Self::Webhook(WebhookCommand::Replay(args)) => &args.service,
            Self::Webhook(
                WebhookCommand::Off(args) | WebhookCommand::Secret(args) | WebhookCommand::Test(args),
            ) => &args.service,
            Self::Webhook(WebhookCommand::Deliveries(args)) => &args.service,
        }
    }
}

pub(crate) fn run(command: &AccountCommand) -> Result<Done, Failed> {
    let service = Service::open(command.service())?;
    match command {
        AccountCommand::Show(_) => show(&service.get("/auth/me")?),
        AccountCommand::Set(args) => set(&service, args),
        AccountCommand::Password(args) => change_password(&service, args),
        AccountCommand::Sessions(SessionsArgs { end: Some(id), .. }) => {
            service.send(&Call::delete(format!("/auth/me/sessions/{}", path_segment(id)?)))?;
            Ok(done(format!("login {id} has ended"), json!({"id": id})))
        }
        AccountCommand::Sessions(_) => Ok(sessions(service.get("/auth/me/sessions")?)),
        AccountCommand::Webhook(command) => webhook(&service, command),
        AccountCommand::Delete(args) => delete(&service, args),
    }
}

fn done(text: String, json: Value) -> Done {
    Done { text, json, warnings: Vec::new() }
}

fn show(account: &Value) -> Result<Done, Failed> {
    let text = |value: &Value| printable(value.as_str().unwrap_or("-"));
    let notifications = &account["notifications"];
    let mails = match (notifications["email"] == true, notifications["email_on_completion"] == true) {
        (true, true) => "when a video fails or is done",
        (true, false) => "when a video fails",
        (false, true) => "when a video is done",
        (false, false) => "none",
    };
    let mut lines = vec![
        format!("name     {}", text(&account["name"])),
        format!("e-mail   {}", text(&account["email"])),
        format!("id       {}", text(&account["id"])),
        format!("since    {}", text(&account["created_at"])),
        format!("e-mails  {mails}"),
        format!("webhook  {}", text(&notifications["webhook_url"])),
    ];
    // Quotas of later versions are only in --json.
    let quotas = [
        ("videos_in_flight", "videos at work", Unit::Number),
        ("open_videos", "unfinished videos", Unit::Number),
        ("uploads_today", "uploads today", Unit::Number),
        ("decoded_seconds_today", "decoded today", Unit::Seconds),
        ("stored_bytes", "stored", Unit::Bytes),
        ("plugins", "plugins", Unit::Number),
    ];
    for (field, words, unit) in quotas {
        let quota = &account["quotas"][field];
        if let (Some(used), Some(limit)) = (quota["used"].as_u64(), quota["limit"].as_u64()) {
            lines.push(match unit {
                Unit::Bytes => format!("used     {words}: {} of {}", HumanBytes(used), HumanBytes(limit)),
                Unit::Seconds => format!("used     {words}: {} of {} minutes", used.div_ceil(60), limit / 60),
                Unit::Number => format!("used     {words}: {used} of {limit}"),
            });
        }
    }
    Ok(done(lines.join("\n"), account.clone()))
}

/// What a quota counts.
enum Unit {
    Number,
    Bytes,
    Seconds,
}

fn set(service: &Service, args: &SetArgs) -> Result<Done, Failed> {
    let SetArgs { name, email, email_on_completion, .. } = args;
    if name.is_none() && email.is_none() && email_on_completion.is_none() {
        let message = "nothing to change: give --name, --email or --email-on-completion";
        return Err(Failed::Values(vec![message.to_owned()]));
    }
    let notifications = (email.is_some() || email_on_completion.is_some()).then_some(UpdateNotifications {
        email: *email,
        email_on_completion: *email_on_completion,
        webhook_url: None,
    });
    show(&update(service, &UpdateAccountRequest { name: name.clone(), notifications })?)
}

fn update(service: &Service, request: &UpdateAccountRequest) -> Result<Value, Failed> {
    Ok(service.send(&Call::patch("/auth/me").json(request)?)?.json()?)
}

fn change_password(service: &Service, args: &ChangeArgs) -> Result<Done, Failed> {
    let password = args.password.read("Password until now")?;
    let new_password = secret(args.new_password_file.as_deref(), "New password")?;
    let asked = args.new_password_file.is_none() && std::io::IsTerminal::is_terminal(&std::io::stdin());
    if asked && secret(None, "New password once more")? != new_password {
        return Err(Failed::Values(vec!["the two new passwords differ; nothing was changed".to_owned()]));
    }
    service
        .send(&Call::post("/auth/me/password").json(&ChangePasswordRequest { password, new_password })?)?;
    Ok(done("the password is changed, and all other logins have ended".to_owned(), json!({"changed": true})))
}

fn sessions(list: Value) -> Done {
    let line = |session: &Value| {
        let text = |field: &str| session[field].as_str().unwrap_or("-").to_owned();
        let current = if session["current"] == true { "  this one" } else { "" };
        format!("{}  began {}  last used {}{current}", text("id"), text("created_at"), text("last_used_at"))
    };
    let lines: Vec<String> = list["items"].as_array().into_iter().flatten().map(line).collect();
    done(lines.join("\n"), list)
}

fn delete(service: &Service, args: &DeleteArgs) -> Result<Done, Failed> {
    let account = service.get("/auth/me")?;
    let email = account["email"].as_str().unwrap_or_default();
    if email != args.confirm {
        return Err(Failed::Values(vec![format!(
            "--confirm: this is the account of {email}; nothing was deleted"
        )]));
    }
    let body = DeleteAccountRequest { password: args.password.read("Password")? };
    // With very many videos, a call deletes a part of them and answers 503. The repeated call continues.
    service.send(&Call::delete("/auth/me").json(&body)?)?;
    Credentials::of_user()?.update(|stored| {
        stored.logins.remove(service.server());
        Ok(())
    })?;
    Ok(done(format!("the account of {email} is deleted"), json!({"email": email, "deleted": true})))
}

fn webhook(service: &Service, command: &WebhookCommand) -> Result<Done, Failed> {
    let set = |url: Option<String>| {
        let notifications = UpdateNotifications { webhook_url: Some(url), ..UpdateNotifications::default() };
        let request = UpdateAccountRequest { name: None, notifications: Some(notifications) };
        update(service, &request)
    };
    let secret_of = |answer: &Value| answer["webhook_secret"].as_str().unwrap_or("-").to_owned();
    match command {
        WebhookCommand::Set(args) => {
            let account = set(Some(args.url.clone()))?;
            let text = format!(
                "events are sent to {}\nsigning secret (keep it, it is not shown again): {}",
                args.url,
                secret_of(&account)
            );
            Ok(done(text, json!({"webhook_url": args.url, "webhook_secret": account["webhook_secret"]})))
        }
        WebhookCommand::Off(_) => {
            set(None)?;
            Ok(done("no events are sent any more".to_owned(), json!({"webhook_url": null})))
        }
        WebhookCommand::Secret(_) => {
            let answer: Value = service.send(&Call::post("/auth/me/webhook-secret"))?.json()?;
            let text = format!("signing secret (keep it, it is not shown again): {}", secret_of(&answer));
            Ok(done(text, answer))
        }
        WebhookCommand::Test(_) => {
            let answer: Value = service.send(&Call::post("/auth/me/webhook-test"))?.json()?;
            Ok(done(
                "a test event is on its way; `framelift account webhook deliveries` shows how it went"
                    .to_owned(),
                answer,
            ))
        }
        WebhookCommand::Deliveries(args) => {
            let (items, more) = args.limit.fetch(service, "/auth/me/webhook-deliveries")?;
            Ok(deliveries(&items, more))
        }
        WebhookCommand::Replay(args) => {
            let path = format!("/auth/me/webhook-deliveries/{}/replay", path_segment(&args.id)?);
            let answer: Value = service.send(&Call::post(path))?.json()?;
            Ok(done(format!("{} is sent once more", args.id), answer))
        }
    }
}

fn deliveries(items: &[Value], more: Option<String>) -> Done {
    let line = |delivery: &Value| {
        let text = |field: &str| delivery[field].as_str().unwrap_or("-").to_owned();
        let attempts = delivery["attempts"].as_array().map_or(&[][..], Vec::as_slice);
        let last =
            attempts.last().map(|attempt| match (attempt["status"].as_u64(), attempt["error"].as_str()) {
                (_, Some(error)) => format!(", last: {}", printable(error)),
                (Some(status), None) => format!(", last: status {status}"),
                (None, None) => String::new(),
            });
        let (id, event, status) = (text("id"), text("event"), text("status"));
        format!("{id}  {event}  {status}  attempts: {}{}", attempts.len(), last.unwrap_or_default())
    };
    let lines: Vec<String> = items.iter().map(line).collect();
    let text = if lines.is_empty() { "no events yet".to_owned() } else { lines.join("\n") };
    Done { text, json: json!({"items": items}), warnings: more.into_iter().collect() }
}
