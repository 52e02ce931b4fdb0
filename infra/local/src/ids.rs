//! Random identifiers.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Bytes from the operating system. Without a source of randomness nothing here can go on.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random UUID (RFC 9562, version 4).
pub fn uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let [first, second, third, fourth, fifth] = [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| hex::encode(&bytes[part]));
    format!("{first}-{second}-{third}-{fourth}-{fifth}")
}

/// 24 random bytes as text that needs no quoting anywhere.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(random::<24>())
}

/// A signing secret in the form that Stripe and Standard Webhooks share.
pub fn webhook_secret() -> String {
    format!("whsec_{}", STANDARD.encode(random::<32>()))
}

#[cfg(test)]
pub fn scratch_directory() -> std::path::PathBuf {
    let directory = std::env::temp_dir().join(format!("simdock-{}", uuid()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_of_version_4() {
        let uuid = uuid();
        let parts: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
