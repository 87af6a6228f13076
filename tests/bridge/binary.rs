//! Bytes that SCIM writes in base64: photos, certificates, keys. The directory gets the bytes, once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::support::app::{TestApp, dn};
use crate::support::entra::person_with;
use crate::support::slapd::{Flavor, Slapd};
use crate::support::workplace::{Settings, Workplace};

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";
const PHOTO: &str = "photos[type eq \"photo\"].value";

fn photos_and_certificates() -> Settings {
    Settings::default()
        .add(&format!("[[users.attribute]]\nldap = \"jpegPhoto\"\nscim = '{PHOTO}'"))
        .add("[[users.attribute]]\nldap = \"userCertificate;binary\"\nscim = \"x509Certificates.value\"")
}

/// A picture as far as a directory looks at one, in base64. Its last byte tells it from others.
fn photo(last: u8) -> String {
    STANDARD.encode(
        [&b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"[..], &[last]].concat(),
    )
}

fn certificate(name: &str) -> String {
    let key = KeyPair::generate().unwrap();
    STANDARD.encode(CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap().der())
}

fn with(photo: &str, certificates: &[&str]) -> Value {
    let certificates: Vec<Value> = certificates.iter().map(|value| json!({"value": value})).collect();
    person_with("ada", json!({"photos": [{"type": "photo", "value": photo}], "x509Certificates": certificates}))
}

/// What the directory holds of both, in base64.
fn held(app: &TestApp) -> [Vec<String>; 2] {
    ["jpegPhoto", "userCertificate;binary"].map(|attribute| app.slapd.values(&dn("ada"), attribute))
}

#[test]
fn a_photo_and_certificates_are_kept_as_bytes_and_written_once() {
    let app = TestApp::start_with(Flavor::AsShipped, photos_and_certificates());
    let (first, second) = (certificate("first"), certificate("second"));
    let ada = app.create_user(&with(&photo(1), &[&first]));
    let user = format!("/Users/{ada}");
    assert_eq!(held(&app), [vec![photo(1)], vec![first.clone()]]);

    let written = || app.slapd.values(&dn("ada"), "entryCSN");
    let before = written();
    app.put(&user, &with(&photo(1), &[&first])).expect(200);
    app.patch_user(&ada, &json!([{"op": "Replace", "path": PHOTO, "value": photo(1)}]));
    let unpadded = photo(1).trim_end_matches('=').to_owned();
    assert_ne!(unpadded, photo(1));
    for same in [unpadded, format!("data:image/jpeg;base64,{}", photo(1))] {
        app.put(&user, &with(&same, &[&first, &first])).expect(200);
        assert_eq!(app.read_user(&ada)["photos"][0]["value"], *same, "as it was sent");
    }
    assert_eq!(written(), before, "what is so already is not written again");

    app.patch_user(&ada, &json!([{"op": "Replace", "path": PHOTO, "value": photo(2)}]));
    app.patch_user(&ada, &json!([{"op": "Add", "path": "x509Certificates", "value": [{"value": second}]}]));
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(held(&app), [vec![photo(2)], both]);

    app.put(&user, &with(&photo(2), &[&second])).expect(200);
    assert_eq!(held(&app), [vec![photo(2)], vec![second]]);
    app.patch_user(&ada, &json!([{"op": "Remove", "path": PHOTO}, {"op": "Remove", "path": "x509Certificates"}]));
    assert_eq!(held(&app), [vec![], Vec::<String>::new()]);
}

#[test]
fn what_is_no_base64_or_no_certificate_is_refused_and_named() {
    let app = TestApp::start_with(Flavor::AsShipped, photos_and_certificates());
    let good = certificate("good");
    let ada = app.create_user(&with(&photo(1), &[&good]));
    let before = app.view();
    let replace = |path: &str, value: &str| {
        app.patch(&format!("/Users/{ada}"), &json!([{"op": "Replace", "path": path, "value": value}]))
    };
    let names = [PHOTO, "jpegPhoto", "JPEG"];
    replace(PHOTO, "https://contoso.com/ada.jpg").refuses(400, "invalidValue", &names);
    let long = format!("{}!", "A".repeat(50_000));
    let refused = replace(PHOTO, &long).refuses(400, "invalidValue", &names);
    assert!(refused.text().len() < 1_000, "{}", refused.text());
    let names = ["x509Certificates.value", "userCertificate;binary"];
    let certificates = "x509Certificates[type pr or value pr].value";
    replace(certificates, "-----BEGIN CERTIFICATE-----").refuses(
        400,
        "invalidValue",
        &[&names[..], &["X.509"]].concat(),
    );
    // Base64, and yet none: the directory says so.
    replace(certificates, "bm9uZQ==").refuses(400, "invalidValue", &names);
    assert_eq!(app.view(), before);
    assert_eq!(held(&app), [vec![photo(1)], vec![good]]);
}

#[test]
fn any_bytes_are_base64_where_the_scim_attribute_is_binary_and_text_elsewhere() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.reconfigure(
        "attributetype ( 1.3.6.1.4.1.99999.1 NAME 'siteKey' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )\n\
         attributetype ( 1.3.6.1.4.1.99999.2 NAME 'siteNote' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )\n\
         objectclass ( 1.3.6.1.4.1.99999.3 NAME 'sitePerson' SUP top AUXILIARY MAY ( siteKey $ siteNote ) )\n",
    );
    let settings = Settings::default()
        .set("users.object_classes", "[\"inetOrgPerson\", \"sitePerson\"]")
        .add("[[users.attribute]]\nldap = \"userPassword\"\ntemplate = \"{SASL}{{ userName }}\"")
        .add(&format!("[[users.attribute]]\nldap = \"siteNote\"\nscim = \"{BADGES}:note\""))
        .add(&format!("[[users.attribute]]\nldap = \"siteKey\"\nscim = \"{BADGES}:key\"\ntype = \"binary\""));
    let app = TestApp::start_before(slapd, &settings);
    let badge = json!({"note": "c2VjcmV0", "key": "/wD/"});
    let ada = app.create_user(&person_with("ada", json!({BADGES: badge})));
    assert_eq!(app.slapd.values(&dn("ada"), "siteNote"), ["c2VjcmV0"]);
    assert_eq!(app.slapd.values(&dn("ada"), "siteKey"), ["/wD/"]);
    assert_eq!(app.slapd.values(&dn("ada"), "userPassword"), ["{SASL}ada@contoso.com"]);
    let key = format!("{BADGES}:key");
    app.patch_user(&ada, &json!([{"op": "Replace", "path": key, "value": "c2VjcmV0"}]));
    assert_eq!(app.slapd.values(&dn("ada"), "siteKey"), ["secret"]);
    app.patch(&format!("/Users/{ada}"), &json!([{"op": "Replace", "path": key, "value": "no key"}])).refuses(
        400,
        "invalidValue",
        &[&key, "siteKey", "no key", "Octet String"],
    );
}

#[test]
fn a_certificate_that_is_mapped_without_its_option_is_found_by_the_check() {
    let slapd = Slapd::start(Flavor::AsShipped);
    let check = |settings: &Settings| Workplace::new(settings, &slapd.url()).run(&["check"]);
    check(&photos_and_certificates()).succeeds();
    let plain = "[[users.attribute]]\nldap = \"userCertificate\"\nscim = \"x509Certificates.value\"";
    let found = check(&Settings::default().add(plain));
    assert_eq!(found.code, Some(1), "{found:#?}");
    assert!(found.stdout.contains("error: users: the directory takes userCertificate as userCertificate;binary"));
}
