//! Tests of which tokens a verifier accepts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{HS256Key, MACLike};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_700_000_000;

fn at(seconds: i64) -> Time {
    Time::from_unix_ms(seconds * 1000)
}

fn user() -> UserId {
    UserId::new(1_700_000_000_000, [7; 10])
}

fn signer() -> Signer {
    Signer::from_seed(&[7; 32]).unwrap()
}

fn token() -> String {
    signer().issue(user(), "ada@example.com", "t-1", Some("s-1"), at(NOW)).unwrap()
}

fn part(token: &str, n: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A token with our key and other claims.
fn signed_with(change: impl FnOnce(&mut JWTClaims<CustomClaims>)) -> String {
    let mut claims = JWTClaims {
        issued_at: Some(Duration::from_secs(NOW as u64)),
        expires_at: Some(Duration::from_secs(NOW as u64 + 3600)),
        invalid_before: None,
        issuer: Some(ISSUER.into()),
        subject: Some(user().to_string()),
        audiences: Some(Audiences::AsString(AUDIENCE.into())),
        jwt_id: Some("t-1".into()),
        nonce: None,
        custom: CustomClaims { email: "ada@example.com".into(), sid: None, email_verified: None },
    };
    change(&mut claims);
    signer().pair.sign(claims).unwrap()
}

fn refused(token: &str) -> String {
    Verifier::of(&signer()).verify(token, at(NOW)).unwrap_err().to_string()
}

#[test]
fn a_token_says_who_and_until_when() {
    let token = token();
    let header = part(&token, 0);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("JWT")));
    assert_eq!(
        part(&token, 1),
        json!({
            "iss": "framelift", "aud": "framelift-api", "sub": user().to_string(), "email": "ada@example.com",
            "iat": NOW, "exp": NOW + 3600, "jti": "t-1", "sid": "s-1",
        })
    );
    let claims = Verifier::of(&signer()).verify(&token, at(NOW)).unwrap();
    assert_eq!(
        claims,
        Claims {
            user: user(),
            email: "ada@example.com".into(),
            expires_s: NOW + 3600,
            id: "t-1".into(),
            session: Some("s-1".into()),
            email_verified: true,
        }
    );
}

#[test]
fn the_published_keys_are_enough_to_check() {
    let jwks = signer().jwks();
    let parsed: Value = serde_json::from_str(&jwks).unwrap();
    let key = &parsed["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
    assert_eq!(key["kid"], part(&token(), 0)["kid"]);
    assert!(key.get("d").is_none());
    let verifier = Verifier::from_jwks(&jwks).unwrap();
    assert!(verifier.verify(&token(), at(NOW)).is_ok());
    assert_eq!(verifier.jwks(), jwks);
    // While keys are changed, both are good.
    let next = Signer::from_seed(&[8; 32]).unwrap();
    let both = verifier.and(&next).and(&next);
    assert!(both.verify(&token(), at(NOW)).is_ok());
    assert!(both.verify(&next.issue(user(), "a@b.co", "t", None, at(NOW)).unwrap(), at(NOW)).is_ok());
    assert_eq!(serde_json::from_str::<Value>(&both.jwks()).unwrap()["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn the_seed_of_rfc_8037_gives_its_key() {
    // RFC 8037, appendix A.1 to A.3.
    let signer = Signer::from_text("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let key = &serde_json::from_str::<Value>(&signer.jwks()).unwrap()["keys"][0];
    assert_eq!(key["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(key["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn forged_tokens_are_refused() {
    let good = token();
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let kid = header["kid"].clone();
    for alg in ["none", "None", "NONE", "HS256", "RS256", "ES256", ""] {
        let forged = unsigned(&json!({ "alg": alg, "typ": "JWT", "kid": kid }), &claims);
        refused(&forged);
        refused(&format!("{forged}{}", good.rsplit('.').next().unwrap()));
        refused(forged.trim_end_matches('.'));
    }
    // The public key as the secret of a symmetric algorithm.
    let public = signer().public_key().to_bytes();
    let confused = HS256Key::from_bytes(&public).with_key_id(kid.as_str().unwrap());
    let confused = confused
        .authenticate(JWTClaims {
            issued_at: Some(Duration::from_secs(NOW as u64)),
            expires_at: Some(Duration::from_secs(NOW as u64 + 3600)),
            invalid_before: None,
            issuer: Some(ISSUER.into()),
            subject: Some(user().to_string()),
            audiences: Some(Audiences::AsString(AUDIENCE.into())),
            jwt_id: None,
            nonce: None,
            custom: CustomClaims { email: "ada@example.com".into(), sid: None, email_verified: None },
        })
        .unwrap();
    refused(&confused);
    // Another key, under its own and under our key's name.
    let other = Signer::from_seed(&[9; 32]).unwrap();
    refused(&other.issue(user(), "ada@example.com", "t", None, at(NOW)).unwrap());
    let disguised = Signer { pair: other.pair.clone().with_key_id(kid.as_str().unwrap()) };
    refused(&disguised.issue(user(), "ada@example.com", "t", None, at(NOW)).unwrap());
    // Our signature under other claims or another header.
    let signature = good.rsplit('.').next().unwrap();
    let mut elevated = claims.clone();
    elevated["sub"] = json!(UserId::new(2, [2; 10]));
    refused(&format!("{}{signature}", unsigned(&header, &elevated)));
    let mut dressed = header.clone();
    dressed["crit"] = json!(["x"]);
    refused(&format!("{}{signature}", unsigned(&dressed, &claims)));
    let mut nameless = header.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    refused(&format!("{}{signature}", unsigned(&nameless, &claims)));
}

#[test]
fn other_issuers_audiences_and_times_are_refused() {
    assert!(Verifier::of(&signer()).verify(&signed_with(|_| {}), at(NOW)).is_ok());
    let s = |seconds: i64| Some(Duration::from_secs(seconds as u64));
    refused(&signed_with(|claims| claims.audiences = Some(Audiences::AsString("other".into()))));
    refused(&signed_with(|claims| claims.audiences = None));
    refused(&signed_with(|claims| claims.issuer = Some("other".into())));
    refused(&signed_with(|claims| claims.issuer = None));
    refused(&signed_with(|claims| claims.expires_at = None));
    refused(&signed_with(|claims| claims.expires_at = s(NOW)));
    refused(&signed_with(|claims| claims.expires_at = s(NOW - 3600)));
    refused(&signed_with(|claims| claims.invalid_before = s(NOW + 61)));
    refused(&signed_with(|claims| claims.issued_at = s(NOW + 61)));
    refused(&signed_with(|claims| claims.subject = Some("root".into())));
    refused(&signed_with(|claims| claims.subject = None));
    // Good to the last second, and the maker's clock may be a little ahead.
    assert!(Verifier::of(&signer()).verify(&token(), at(NOW + 3599)).is_ok());
    assert!(Verifier::of(&signer()).verify(&token(), at(NOW + 3600)).is_err());
    assert!(Verifier::of(&signer()).verify(&token(), at(NOW - 60)).is_ok());
    assert!(Verifier::of(&signer()).verify(&token(), at(NOW - 61)).is_err());
}

#[test]
fn invalid_keys_are_refused() {
    for bad in ["", "x", &seed_text(&[1; 32])[1..], &format!("{}AA", seed_text(&[1; 32]))] {
        assert!(Signer::from_text(bad).is_err(), "{bad}");
    }
    assert!(Signer::from_text(&format!(" {}=\n", seed_text(&[1; 32]))).is_ok());
    let without_kid =
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"keys":[]}"#,
        r#"{"keys":[{}]}"#,
        without_kid,
        r#"{"keys":[{"kty":"RSA","kid":"x"}]}"#,
    ] {
        assert!(Verifier::from_jwks(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(Verifier::of(&signer()).verify(&text, at(NOW)).is_err());
    }

    #[test]
    fn no_change_of_one_character_is_taken(position in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let good = token();
        let position = position.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(position..=position, &to);
        prop_assume!(changed != good);
        prop_assert!(Verifier::of(&signer()).verify(&changed, at(NOW)).is_err());
    }
}
