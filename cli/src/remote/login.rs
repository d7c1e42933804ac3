//! `framelift login` and `framelift logout`.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use console::Term;
use framelift_contract::account::{LoginRequest, RefreshRequest, TokenResponse};
use serde_json::json;

use crate::interrupts;
use crate::outcome::{Done, Failed};
use crate::service::credentials::{Credentials, Login};
use crate::service::{Call, Http, Service, ServiceArgs, ServiceError, server_url};

/// Where the local stack serves the API.
const LOCAL: &str = "http://127.0.0.1:3000";

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The e-mail address of your account; asked for if missing
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Send the password without encryption to a server that is not on this machine
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

/// How the password is read. Never from an argument, which other users of the machine can see.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of FILE, - being the standard input; otherwise it is asked for
    /// on the terminal, or read from the standard input where that is none
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// The password, from the file, the terminal or the standard input.
    pub(crate) fn read(&self, prompt: &str) -> Result<String, Failed> {
        secret(self.password_file.as_deref(), prompt)
    }
}

/// A secret from a file, the terminal or the standard input.
pub(crate) fn secret(file: Option<&Path>, prompt: &str) -> Result<String, Failed> {
    let text = match file {
        Some(path) if path != Path::new("-") => {
            let mut text = String::new();
            let read = std::fs::File::open(path).and_then(|file| file.take(4096).read_to_string(&mut text));
            read.with_context(|| path.display().to_string())?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None if std::io::stdin().is_terminal() => {
            let terminal = Term::stderr();
            terminal.write_str(&format!("{prompt}: ")).context("the terminal")?;
            terminal.read_secure_line().context("the terminal")?
        }
        _ => {
            let mut line = String::new();
            std::io::stdin().lock().take(4096).read_line(&mut line).context("the standard input")?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    match text.is_empty() {
        true => Err(Failed::Values(vec![format!("{}: is empty", prompt.to_lowercase())])),
        false => Ok(text),
    }
}

pub(crate) fn login(args: &LoginArgs) -> Result<Done, Failed> {
    let credentials = Credentials::of_user()?;
    let stored = credentials.read()?;
    let server = match &args.service.server {
        Some(server) => server_url(server)?,
        None => stored.server.unwrap_or_else(|| LOCAL.to_owned()),
    };
    if !args.insecure && !is_private(&server) {
        let message = format!("--server: {server} is not encrypted, and others could read your password");
        return Err(Failed::Values(vec![
            message,
            "use https, or --insecure if you trust the network".to_owned(),
        ]));
    }
    let email = match &args.email {
        Some(email) => email.clone(),
        None => ask("E-mail address")?,
    };
    let password = args.password.read("Password")?;
    // Proves that this device logged in before, so that failures of other clients do not block it.
    let known = stored.logins.get(&server).filter(|login| login.email == email);
    let refresh_token = known.map(|login| login.refresh_token.clone());
    let body = LoginRequest { email: email.clone(), password, refresh_token };
    interrupts::exit_on_signal()?;
    let answer = Http::new().send(&server, &Call::post("/auth/login").json(&body)?, None)?;
    let tokens: TokenResponse = answer.json()?;
    credentials.update(|stored| {
        let TokenResponse { access_token, refresh_token, .. } = tokens;
        stored.logins.insert(server.clone(), Login::new(email.clone(), access_token, refresh_token));
        stored.server = Some(server.clone());
        Ok(())
    })?;
    let text = format!("logged in to {server} as {email}");
    Ok(Done { text, json: json!({"server": server, "email": email}), warnings: Vec::new() })
}

/// Whether the connection is encrypted or stays on this machine.
fn is_private(server: &str) -> bool {
    let Ok(url) = url::Url::parse(server) else { return false };
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || local
}

fn ask(what: &str) -> Result<String, Failed> {
    if !std::io::stdin().is_terminal() {
        return Err(Failed::Values(vec!["--email: is needed where no terminal can ask for it".to_owned()]));
    }
    let terminal = Term::stderr();
    terminal.write_str(&format!("{what}: ")).context("the terminal")?;
    let mut line = String::new();
    std::io::stdin().lock().take(4096).read_line(&mut line).context("the terminal")?;
    Ok(line.trim().to_owned())
}

pub(crate) fn logout(args: &LogoutArgs) -> Result<Done, Failed> {
    let service = Service::open(&args.service)?;
    let credentials = Credentials::of_user()?;
    let server = service.server().to_owned();
    let not_logged_in = || ServiceError::NotLoggedIn { server: Some(server.clone()) };
    let mut stored = credentials.read()?;
    let login = stored.logins.remove(&server).ok_or_else(not_logged_in)?;
    let body = RefreshRequest { refresh_token: login.refresh_token };
    let logged_out = service.send(&Call::post("/auth/logout").json(&body)?.repeatable());
    // The login is removed from this machine even if the service fails.
    credentials.update(|stored| {
        stored.logins.remove(&server);
        Ok(())
    })?;
    let warnings = match logged_out {
        Ok(_) | Err(ServiceError::LoginEnded { .. }) => Vec::new(),
        Err(error) => {
            let reason = error.explain().messages.join("; ");
            vec![format!("the login is removed here, but the service was not told: {reason}")]
        }
    };
    let text = format!("logged out of {server}");
    Ok(Done { text, json: json!({"server": server, "email": login.email}), warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_unencrypted_to_this_machine_only() {
        for private in ["https://x.example", "http://127.0.0.1:3000", "http://[::1]:3000", "http://localhost"]
        {
            assert!(is_private(private), "{private}");
        }
        for public in ["http://x.example", "http://10.0.0.1", "http://localhost.example"] {
            assert!(!is_private(public), "{public}");
        }
    }

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "correct horse \r\nmore").unwrap();
        assert_eq!(secret(Some(file.path()), "Password").unwrap(), "correct horse ");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(secret(Some(file.path()), "Password").is_err());
    }
}
