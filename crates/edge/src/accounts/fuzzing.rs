//! What a fuzz target in `dev/fuzz` calls.

use framelift_domain::{EventId, UserId};

use super::secret::{Purpose, Refresh, Secrets};

/// The tokens that [`proof`] knows: of a login, and of links that reset a password and confirm an address.
pub fn proofs() -> [String; 3] {
    let (secrets, refresh, link) = signed();
    let of_link = |purpose| secrets.seal_link(purpose, refresh.user, link);
    [secrets.seal(&refresh).0, of_link(Purpose::ResetPassword), of_link(Purpose::VerifyEmail)]
}

/// Opens a refresh token, or the token of a mailed link. Returns whether it is good.
///
/// # Panics
/// If it opens what was not signed, or more than one of them.
pub fn proof(text: &str) -> bool {
    let (secrets, refresh, link) = signed();
    let opened = secrets.open(text);
    let is_login = opened.is_some();
    assert!(opened.is_none_or(|opened| opened == refresh), "{text}");
    let links =
        [Purpose::ResetPassword, Purpose::VerifyEmail].map(|purpose| secrets.open_link(purpose, text));
    for opened in links.iter().flatten() {
        assert_eq!(*opened, (refresh.user, link), "{text}");
    }
    let opened = usize::from(is_login) + links.iter().flatten().count();
    assert!(opened <= 1, "{text}");
    opened == 1
}

fn signed() -> (Secrets, Refresh, EventId) {
    let Ok(secrets) = Secrets::new("known-to-nobody-but-this-target", "a:known-to-nobody-either") else {
        unreachable!("they are long enough")
    };
    let refresh = Refresh { user: UserId::new(1, [1; 10]), family: "00ff".to_owned(), generation: 7 };
    (secrets, refresh, EventId::new(2, [2; 10]))
}
