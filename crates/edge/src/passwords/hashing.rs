//! Password hashes: Argon2id as PHC strings, renewed when the parameters change.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::http::Failure;

/// The cost of a hash. The default is what is used in production: 19 MiB, two passes, one lane
/// (the first choice of OWASP's password storage guide).
#[derive(Clone, Debug)]
pub struct Hashing {
    params: Params,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The password matches.
    Match,
    /// The password matches, and its hash was made with another cost than today's.
    MatchWithOldCost,
    /// The password does not match.
    Mismatch,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Match, Self::MatchWithOldCost, Self::Mismatch];

    /// Its name in answers to `auth`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "right",
            Self::MatchWithOldCost => "right-but-stale",
            Self::Mismatch => "wrong",
        }
    }

    /// The result of that name.
    pub(crate) fn of(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str().as_bytes() == word)
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self { params: Params::DEFAULT }
    }
}

impl Hashing {
    /// A cost in KiB and passes; none if Argon2 does not allow it.
    pub fn with_cost(kibibytes: u32, passes: u32) -> Option<Self> {
        Params::new(kibibytes, passes, 1, None).ok().map(|params| Self { params })
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
    }

    /// The PHC string of a password.
    pub(crate) fn hash(&self, password: &str, salt: [u8; 16]) -> Result<String, Failure> {
        self.argon2()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(|error| Failure::internal(format!("password hash: {error}")))
    }

    /// Compares a password with a PHC string. A malformed PHC string matches no password.
    pub(crate) fn verify(&self, password: &str, phc: &str) -> Verdict {
        let Ok(hash) = PasswordHash::new(phc) else { return Verdict::Mismatch };
        if self.argon2().verify_password(password.as_bytes(), &hash).is_err() {
            return Verdict::Mismatch;
        }
        let current = hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && Params::try_from(&hash).is_ok_and(|params| self.same_cost(&params));
        if current { Verdict::Match } else { Verdict::MatchWithOldCost }
    }

    /// Does the work of a comparison for an account that does not exist, so that the response time does not reveal
    /// it.
    pub(crate) fn pretend(&self, password: &str) {
        let _ = std::hint::black_box(self.hash(password, *b"no such account!"));
    }

    fn same_cost(&self, other: &Params) -> bool {
        (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
            == (other.m_cost(), other.t_cost(), other.p_cost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_hashes_are_what_the_contract_says() {
        let hash = Hashing::default().hash("correct horse", [7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(Hashing::default().verify("correct horse", &hash), Verdict::Match);
    }

    #[test]
    fn other_parameters_are_noticed() {
        let (cheap, dear) = (Hashing::with_cost(8, 1).unwrap(), Hashing::with_cost(16, 1).unwrap());
        let hash = cheap.hash("correct horse", [7; 16]).unwrap();
        assert_eq!(cheap.verify("correct horse", &hash), Verdict::Match);
        assert_eq!(dear.verify("correct horse", &hash), Verdict::MatchWithOldCost);
        assert_eq!(dear.verify("wrong horse", &hash), Verdict::Mismatch);
        for unreadable in ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$x"] {
            assert_eq!(cheap.verify("correct horse", unreadable), Verdict::Mismatch);
        }
    }
}
