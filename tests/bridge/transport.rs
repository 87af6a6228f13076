//! How the directory is reached: in clear, over TLS, by a socket, and by the next server when one is away.

use std::path::Path;

use crate::support::app::{TestApp, dn};
use crate::support::certificates::Certificates;
use crate::support::entra::person;
use crate::support::slapd::{Flavor, Slapd};
use crate::support::workplace::Settings;

fn reached_by(url: &str, trusted: Option<&Path>, more: &[(&str, &str)]) -> Settings {
    let mut settings =
        Settings::default().variable("SCIMBRIDGE__LDAP__URLS", url).variable("SCIMBRIDGE__LDAP__TIMEOUT", "2s");
    if let Some(file) = trusted {
        settings = settings.variable("SCIMBRIDGE__LDAP__CA_FILE", &file.display().to_string());
    }
    more.iter().fold(settings, |settings, (name, value)| settings.variable(name, value))
}

fn with_tls(certificates: &Certificates) -> (Slapd, String) {
    let slapd = Slapd::start(Flavor::AsShipped);
    let url = slapd.listen_with_tls(&certificates.lines());
    (slapd, url)
}

#[track_caller]
fn writes(slapd: Slapd, settings: Settings) {
    let app = TestApp::start_before(slapd, &settings);
    app.post("/Users", &person("ada")).expect(201);
    assert!(app.slapd.entry(&dn("ada")).is_some());
}

#[track_caller]
fn is_refused(slapd: Slapd, settings: Settings) {
    let app = TestApp::start_before(slapd, &settings);
    app.post("/Users", &person("ada")).expect(503);
    assert!(app.slapd.entry(&dn("ada")).is_none());
}

const START_TLS: (&str, &str) = ("SCIMBRIDGE__LDAP__START_TLS", "true");

#[test]
fn over_tls_a_certificate_is_verified() {
    let certificates = Certificates::new();
    let ca = certificates.path("ca.pem");
    let (slapd, url) = with_tls(&certificates);
    is_refused(slapd, reached_by(&url, None, &[]));
    // By name: the certificate is for the address alone.
    let (slapd, url) = with_tls(&certificates);
    is_refused(slapd, reached_by(&url.replace("127.0.0.1", "localhost"), Some(&ca), &[]));
    let (slapd, url) = with_tls(&certificates);
    writes(slapd, reached_by(&url, Some(&ca), &[]));
}

#[test]
fn an_operator_may_do_without_verification() {
    let (slapd, url) = with_tls(&Certificates::new());
    writes(slapd, reached_by(&url, None, &[("SCIMBRIDGE__LDAP__INSECURE_SKIP_TLS_VERIFY", "true")]));
}

#[test]
fn start_tls_comes_before_the_password() {
    let certificates = Certificates::new();
    let ca = certificates.path("ca.pem");
    // A server that does not offer it is not talked to in clear.
    let slapd = Slapd::start(Flavor::AsShipped);
    let url = slapd.url();
    is_refused(slapd, reached_by(&url, Some(&ca), &[START_TLS]));
    let (slapd, _) = with_tls(&certificates);
    let url = slapd.url();
    is_refused(slapd, reached_by(&url, None, &[START_TLS]));
    let (slapd, _) = with_tls(&certificates);
    let url = slapd.url();
    writes(slapd, reached_by(&url, Some(&ca), &[START_TLS]));
}

#[test]
fn a_socket_will_do_and_servers_are_tried_in_order() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let socket = slapd.socket_url();
    writes(slapd, reached_by(&format!("ldap://127.0.0.1:1,{socket}"), None, &[]));
}
