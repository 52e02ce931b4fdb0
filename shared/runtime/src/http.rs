//! How the SDK's clients reach AWS: HTTP/1.1, and TLS that trusts Amazon's own certificate authorities.
//!
//! The SDK's default client reads the machine's hundred and more root certificates at every cold start, which takes longer than
//! all else that a function does then, and brings HTTP/2, which neither `DynamoDB` nor SQS nor SES speaks.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use webpki::ring;

/// The authorities that Amazon asks clients of AWS to trust, from <https://www.amazontrust.com/repository/>; the first of them to
/// expire does so in 2037.
const ROOTS: &[u8] = include_bytes!("amazon_roots.pem");
/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// Shorter than AWS keeps idle connections, so that a pooled one is rarely found closed.
const IDLE: Duration = Duration::from_secs(20);

/// How certificates and handshakes may be signed: all that `ring` verifies but Ed25519, which no public authority signs with.
const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        ring::ECDSA_P256_SHA256,
        ring::ECDSA_P256_SHA384,
        ring::ECDSA_P384_SHA256,
        ring::ECDSA_P384_SHA384,
        ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        ring::RSA_PKCS1_2048_8192_SHA256,
        ring::RSA_PKCS1_2048_8192_SHA384,
        ring::RSA_PKCS1_2048_8192_SHA512,
        ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    // TLS 1.2 leaves the curve open.
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[ring::ECDSA_P384_SHA384, ring::ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256]),
        (SignatureScheme::RSA_PSS_SHA512, &[ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[ring::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[ring::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[ring::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

/// Random numbers of the operating system.
#[derive(Debug)]
struct System;

impl SecureRandom for System {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        getrandom::fill(buffer).map_err(|_| GetRandomFailed)
    }
}

/// AWS knows its clients by what they sign, not by certificates: no key is ever loaded, and this brings no code for it.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("clients of AWS have no keys for TLS".to_owned()))
    }
}

#[derive(Clone, Debug)]
struct Http(legacy::Client<HttpsConnector<connect::HttpConnector>, SdkBody>);

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            let answer = HttpResponse::try_from(answer.map(SdkBody::from_body_1_x));
            answer.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What TLS to AWS is made of: AES-GCM over the curves of NIST, among them all that every host with TLS 1.3 has to offer (RFC 8446,
/// section 9.1). The rest of `ring`, with tables that nothing compresses, is then in no function.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::SECP256R1, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &System,
        key_provider: &NoKeys,
    }
}

/// A client with connections of its own.
pub fn http_client() -> Result<SharedHttpClient, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ROOTS) {
        roots.add(root?)?;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = connect::HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let client =
        legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector);
    let http = SharedHttpConnector::new(Http(client));
    Ok(http_client_fn(move |_, _| http.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_missing_of_what_rustls_offers() {
        let offers = |provider: &CryptoProvider| {
            let suites = provider.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite()));
            let groups = provider.kx_groups.iter().map(|group| format!("{:?}", group.name()));
            let signatures = &provider.signature_verification_algorithms;
            let schemes = signatures.mapping.iter().map(|(scheme, by)| format!("{scheme:?} {by:?}"));
            let certificates = signatures.all.iter().map(|algorithm| format!("{algorithm:?}"));
            suites.chain(groups).chain(schemes).chain(certificates).collect::<Vec<_>>()
        };
        let (all, ours) = (offers(&rustls::crypto::ring::default_provider()), offers(&provider()));
        let missing = |offer: &&String| ["CHACHA20", "X25519", "ED25519"].iter().any(|name| offer.contains(name));
        let left: Vec<&String> = all.iter().filter(|offer| !missing(offer)).collect();
        assert_eq!(ours.iter().collect::<Vec<_>>(), left);
        assert!(all.iter().filter(missing).count() >= 5, "{all:?}");
    }

    #[test]
    fn all_five_authorities_are_trusted() {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(ROOTS).map(|root| root.expect("a certificate")).collect();
        assert_eq!(RootCertStore::empty().add_parsable_certificates(roots), (5, 0));
        assert!(http_client().is_ok());
    }
}
