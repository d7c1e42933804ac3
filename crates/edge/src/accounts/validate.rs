//! Validation of names, e-mail addresses, passwords and webhooks.

use email_address::{EmailAddress, Options};
use framelift_contract::address::is_public;
use framelift_contract::rules::{ACCOUNT_NAME, MAX_EMAIL, PASSWORD, WEBHOOK_URL};
use url::{Host, Url};

/// The address as it is stored and compared: without space around it, in lower case.
pub(super) fn normalize_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Checks a normalised address with the parser that the worker's mailer has: the dot-atom form of
/// RFC 5322 in ASCII, with a domain name of at least two labels. Quoted local parts and address
/// literals are not taken.
pub(super) fn email(email: &str) -> Result<(), &'static str> {
    if email.len() > MAX_EMAIL {
        return Err("must be at most 254 characters");
    }
    let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
    let well_formed = email.is_ascii()
        && !email.starts_with('"')
        && EmailAddress::parse_with_options(email, options).is_ok_and(|address| {
            address.domain().bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        })
        && !email.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if well_formed { Ok(()) } else { Err("must be an e-mail address such as ada@example.com") }
}

/// The name as it is stored: without space around it.
pub(super) fn name(name: &str) -> Result<String, &'static str> {
    if ACCOUNT_NAME.allows(name) { Ok(name.trim().to_owned()) } else { Err(ACCOUNT_NAME.must()) }
}

/// Passwords that attackers try first. Shorter ones are refused by their length.
const COMMON_PASSWORDS: &str = include_str!("common_passwords.txt");

/// Checks a new password.
pub(super) fn password(password: &str) -> Result<(), &'static str> {
    if !PASSWORD.allows(password) {
        return Err(PASSWORD.must());
    }
    let password = password.to_lowercase();
    let is_common = COMMON_PASSWORDS.lines().any(|line| line == password && !line.starts_with('#'));
    if is_common { Err("must not be one of the most common passwords") } else { Ok(()) }
}

/// Checks a webhook's URL: https to a public name or address. With `allow_private`, loopback and private addresses
/// are accepted, too, and may use plain http. The worker checks again the addresses that a name resolves to.
pub(super) fn webhook(text: &str, allow_private: bool) -> Result<Url, &'static str> {
    let malformed = "must be an https URL";
    if !WEBHOOK_URL.allows(text) {
        return Err(WEBHOOK_URL.must());
    }
    let url = Url::parse(text).map_err(|_| malformed)?;
    let private = match url.host().ok_or(malformed)? {
        Host::Domain(name) => is_private_name(name),
        Host::Ipv4(address) => !is_public(address.into()),
        Host::Ipv6(address) => !is_public(address.into()),
    };
    if private && !allow_private {
        return Err("must not name a loopback, private or reserved address");
    }
    match url.scheme() {
        "https" => {}
        "http" if private => {}
        _ => return Err(malformed),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password");
    }
    if url.fragment().is_some() {
        return Err("must not contain a fragment");
    }
    Ok(url)
}

fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let reserved = ["localhost", "local", "internal", "home.arpa"];
    !name.contains('.')
        || reserved.iter().any(|suffix| {
            name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["ada@example.com", "a.b+c@x-y.example.co", "o'neil@example.org", "1@2.io"] {
            assert_eq!(email(good), Ok(()), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b.".repeat(126));
        for bad in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "a b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x-.com",
            "a@example.com.",
            "a@.com",
            "a@1.2.3.4",
            "a@[127.0.0.1]",
            "é@example.com",
            "a@exämple.com",
            "a@b@c.com",
            "a\n@example.com",
            "\"a\"@example.com",
            &long,
            &longer,
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
        assert_eq!(normalize_email("  Ada@Example.COM\t"), "ada@example.com");
    }

    #[test]
    fn names_and_passwords() {
        assert_eq!(name("  Ada  "), Ok("Ada".into()));
        assert_eq!(name(" \u{3000}"), Err(ACCOUNT_NAME.must()));
        assert_eq!(password("too short"), Err(PASSWORD.must()));
    }

    #[test]
    fn common_passwords_are_refused() {
        let refused = Err("must not be one of the most common passwords");
        for bad in ["qwertyuiop", "1234567890", "Password123", "1Q2W3E4R5T"] {
            assert_eq!(password(bad), refused, "{bad}");
        }
        for good in ["correct horse battery", "password123 x", "# MIT License"] {
            assert_eq!(password(good), Ok(()), "{good}");
        }
        let listed: Vec<&str> = COMMON_PASSWORDS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(listed.len() > 1000 && listed.iter().all(|listed| PASSWORD.allows(listed)));
    }

    #[test]
    fn webhooks() {
        for good in
            ["https://hooks.example.com/a?b=c", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/x"]
        {
            assert!(webhook(good, false).is_ok(), "{good}");
        }
        let long = format!("https://example.com/{}", "x".repeat(2048));
        for bad in [
            "",
            "x",
            "/x",
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "javascript:alert(1)",
            "https://u:p@example.com/",
            "https://u@example.com/",
            "https://example.com/#x",
            "https://example.com/\r\nX-Evil: 1",
            "https://exa\tmple.com/",
            " https://example.com/",
            "https://example.com/\n",
            "https://example.com/a b",
            "\u{0}https://example.com/",
            "https://example.com/\u{a0}",
            "https://bücher.example/",
            &long,
        ] {
            assert!(webhook(bad, false).is_err(), "{bad}");
            assert!(webhook(bad, true).is_err(), "{bad}");
        }
        for private in [
            "https://localhost/",
            "https://LOCALHOST./",
            "https://x.localhost/",
            "https://printer/",
            "https://x.internal/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
        ] {
            assert!(webhook(private, false).is_err(), "{private}");
            assert!(webhook(private, true).is_ok(), "{private}");
        }
        assert!(webhook("http://127.0.0.1:9000/hook", true).is_ok());
        assert!(webhook("http://127.0.0.1:9000/hook", false).is_err());
    }
}
