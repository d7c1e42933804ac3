//! What users send to the edge: forms, links, places in lists and streams, ranges, tokens.

use framelift_domain::{Time, UserId};
use framelift_edge::token::{Signer, Verifier};
use framelift_edge::{accounts, events, frames, uploads};
use futures::executor::block_on;

use crate::{take, text};

/// A form of `POST /videos/upload`, which arrives in pieces of the length that the first byte says.
pub(crate) fn form(input: &[u8]) -> bool {
    let Some((first, form)) = input.split_first() else { return false };
    let length = usize::from(*first) + 1;
    let whole = block_on(uploads::fuzzing::form("X", form, form.len().max(1)));
    assert_eq!(block_on(uploads::fuzzing::form("X", form, length)), whole, "in pieces of {length} bytes");
    whole.is_ok_and(|fields| !fields.is_empty())
}

/// Links to frames: a changed one opens nothing but what was signed.
pub(crate) fn link(input: &[u8]) -> bool {
    frames::fuzzing::link(text(input))
}

/// The place from which a list or a stream of events goes on: what is understood is spelled as we spell it.
pub(crate) fn place(input: &[u8]) -> bool {
    events::fuzzing::place(text(input))
}

/// A refresh token, or that of a mailed link: a changed one opens nothing but what was signed.
pub(crate) fn proof(input: &[u8]) -> bool {
    accounts::fuzzing::proof(text(input))
}

/// The range of a frame's bytes that a request asks for: a byte that is odd with `If-Range`, its length, the frame's
/// length in eight bytes, then both headers.
pub(crate) fn range(mut input: &[u8]) -> bool {
    let input = &mut input;
    let [with, if_range_bytes] = take(input, 2) else { return false };
    let mut length = [0; 8];
    let given = take(input, 8);
    length[..given.len()].copy_from_slice(given);
    let length = u64::from_le_bytes(length).max(1);
    let if_range = take(input, usize::from(*if_range_bytes));
    let if_range = (with % 2 == 1).then_some(if_range);
    let direct = frames::fuzzing::range(input, if_range, length);
    frames::fuzzing::range(&[b"bytes=".as_slice(), &**input].concat(), if_range, length) || direct
}

/// An access token and a set of keys: whatever is changed of a token, it names the user and the end that were signed.
pub(crate) fn token(input: &[u8]) -> bool {
    let signer = Signer::from_seed(&[7; 32]).expect("any seed is a key");
    let (user, now) = (UserId::new(1, [1; 10]), Time::from_unix_ms(1_700_000_000_000));
    let claims = Verifier::of(&signer).verify(text(input), now);
    if let Ok(claims) = &claims {
        assert_eq!((claims.user, claims.expires_s), (user, 1_700_003_600));
    }
    // The keys come from the configuration, which people write.
    claims.is_ok() | Verifier::from_jwks(text(input)).is_ok()
}

/// Seeds that only their keys can make.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_signed() {
        let signer = Signer::from_seed(&[7; 32]).unwrap();
        let (user, now) = (UserId::new(1, [1; 10]), Time::from_unix_ms(1_700_000_000_000));
        let token = signer.issue(user, "a@example.com", "1", Some("s"), now).unwrap();
        assert!(super::token(token.as_bytes()) && super::token(signer.jwks().as_bytes()));
        for seed in accounts::fuzzing::proofs() {
            assert!(proof(seed.as_bytes()), "{seed}");
        }
        for seed in frames::fuzzing::links() {
            assert!(link(seed.as_bytes()), "{seed}");
        }
    }
}
