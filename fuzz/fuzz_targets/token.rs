//! An access token and a set of keys: no text is taken for a token that nobody signed.

#![no_main]

use framelift_domain::Time;
use framelift_edge::token::Verifier;
use libfuzzer_sys::fuzz_target;

/// A key whose secret half was thrown away.
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fuzz_target!(|text: &str| {
    let keys = Verifier::from_jwks(KEYS).expect("the keys are well-formed");
    let now = Time::from_unix_ms(1_700_000_000_000);
    assert!(keys.verify(text, now).is_err(), "{text}");
    // The keys come from the configuration, which people write.
    let _ = Verifier::from_jwks(text);
});
