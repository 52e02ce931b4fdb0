//! Who is signed in: a cookie that this function signs. Nothing is stored, so nothing has to be looked up, cleaned up or shared; the
//! key that the session began with is checked by each request to the API, as any client's is.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use simdock_api::Session;
use simdock_domain::Timestamp;

/// The cookie's name.
pub const COOKIE: &str = "session";
/// How long a session lasts from sign-in, in seconds: a working day. It is not prolonged by use, so that a cookie that got away is of
/// no use on the next day, whatever is done with it.
pub const LIFETIME: i64 = 8 * 60 * 60;

/// Signs sessions and the tokens of their forms.
pub struct Signer {
    secret: Vec<u8>,
}

/// A session that is good.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// In whose name the API is asked.
    pub session: Session,
    /// What each form of this session holds, and no other page can know.
    pub token: String,
    claims: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// Signs with a secret.
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.as_bytes().to_vec() }
    }

    fn mac(&self, purpose: &str, claims: &str) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.update(b"\n");
        mac.update(claims.as_bytes());
        mac
    }

    fn sign(&self, purpose: &str, claims: &str) -> String {
        hex::encode(self.mac(purpose, claims).finalize().into_bytes())
    }

    /// Compares in constant time.
    fn verify(&self, purpose: &str, claims: &str, signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(purpose, claims).verify_slice(&bytes).is_ok())
    }

    /// The cookie of a session that begins now: the key's hash, when it ends, something random, and the signature of these.
    pub fn begin(&self, session: &Session, now: Timestamp) -> String {
        let mut random = [0; 16];
        // By it, two sessions of one key that begin in the same second are two.
        getrandom::fill(&mut random).expect("the system has random bytes");
        let claims = format!("{}.{}.{}", session.key_hash(), now.unix() + LIFETIME, hex::encode(random));
        let signature = self.sign(COOKIE, &claims);
        format!("{claims}.{signature}")
    }

    /// The session that a cookie tells of, if it was signed here and has not ended.
    pub fn read(&self, cookie: &str, now: Timestamp) -> Option<SignedIn> {
        let (claims, signature) = cookie.rsplit_once('.')?;
        if !self.verify(COOKIE, claims, signature) {
            return None;
        }
        let mut parts = claims.split('.');
        let (hash, ends) = (parts.next()?, parts.next()?.parse::<i64>().ok()?);
        let token = self.sign("form", claims);
        let session = Session::of_hash(hash);
        (now.unix() < ends).then(|| SignedIn { session, token, claims: claims.to_owned() })
    }

    /// Whether a form carries the session's token.
    pub fn is_token(&self, signed_in: &SignedIn, token: &str) -> bool {
        self.verify("form", &signed_in.claims, token)
    }
}

/// Something random, for an idempotency key.
pub fn random_key() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system has random bytes");
    hex::encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_session_is_good_until_it_ends() {
        let signer = Signer::new("a secret of more than thirty-two characters");
        let session = Session::of_key("sdk_manager_x");
        let cookie = signer.begin(&session, now());
        let read = signer.read(&cookie, now().plus_seconds(LIFETIME - 1)).unwrap();
        assert_eq!(read.session, session);
        assert!(signer.is_token(&read, &read.token));
        assert!(signer.read(&cookie, now().plus_seconds(LIFETIME)).is_none());
        assert_ne!(cookie, signer.begin(&session, now()));
    }

    #[test]
    fn what_was_not_signed_here_is_nobodys() {
        let signer = Signer::new("a secret of more than thirty-two characters");
        let cookie = signer.begin(&Session::of_key("a"), now());
        let read = signer.read(&cookie, now()).unwrap();
        assert!(Signer::new("another").read(&cookie, now()).is_none());
        for at in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(signer.read(&String::from_utf8(changed).unwrap(), now()).is_none(), "{at}");
        }
        for broken in ["", ".", "a.b.c.d", "é.é", &cookie[..cookie.len() - 1]] {
            assert!(signer.read(broken, now()).is_none());
        }
        let other = signer.read(&signer.begin(&Session::of_key("a"), now()), now()).unwrap();
        let signature = cookie.rsplit_once('.').unwrap().1;
        for token in ["", "0", &other.token, signature] {
            assert!(!signer.is_token(&read, token));
        }
    }
}
