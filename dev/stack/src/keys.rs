//! Makes the secrets of an edge's configuration, and new keys for rotation.

use anyhow::Context as _;
use framelift_edge::token::{Signer, Verifier};

use crate::data::random;
use crate::options::KeysOptions;

/// Prints variables for Spin, one a line, as an environment file takes them.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn keys(options: &KeysOptions) -> anyhow::Result<()> {
    let made = make(options.public_keys.as_deref(), || random(32))?;
    made.iter().for_each(|(name, value)| println!("SPIN_VARIABLE_{name}='{value}'"));
    Ok(())
}

/// Returns all secrets or, given the public keys in use, a new signing key and these keys with its public
/// key.
fn make(
    in_use: Option<&str>,
    random: impl Fn() -> anyhow::Result<String>,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let signing_key = random()?;
    let signer = Signer::from_text(&signing_key)?;
    let Some(in_use) = in_use else {
        return Ok(vec![
            ("SIGNING_KEY", signing_key),
            ("PUBLIC_KEYS", signer.jwks()),
            ("WORKER_TOKEN", random()?),
            ("EMAIL_KEY", random()?),
            ("REFRESH_KEYS", format!("{}:{}", random()?.get(..6).unwrap_or("key"), random()?)),
            ("FRAMES_KEY", random()?),
        ]);
    };
    let in_use = Verifier::from_jwks(in_use).context("these are no public keys")?;
    Ok(vec![("SIGNING_KEY", signing_key), ("PUBLIC_KEYS", in_use.and(&signer).jwks())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(made: &'a [(&str, String)], name: &str) -> &'a str {
        &made.iter().find(|(made, _)| *made == name).unwrap().1
    }

    #[test]
    fn a_new_key_is_trusted_beside_the_old_one() {
        let first = make(None, || random(32)).unwrap();
        assert_eq!(first.len(), 6);
        assert_eq!(value(&first, "REFRESH_KEYS").find(':'), Some(6));
        let second = make(Some(value(&first, "PUBLIC_KEYS")), || random(32)).unwrap();
        assert_ne!(value(&first, "SIGNING_KEY"), value(&second, "SIGNING_KEY"));
        let both: serde_json::Value = serde_json::from_str(value(&second, "PUBLIC_KEYS")).unwrap();
        assert_eq!(both["keys"].as_array().map(Vec::len), Some(2));
        assert!(make(Some("{}"), || random(32)).is_err());
    }
}
