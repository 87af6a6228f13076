//! Tokens that somebody else has signed: those of Entra, where there is no Secret Token, and those of an issuer of one's
//! own. Most of it is what is refused.

use serde_json::{Value, json};

use crate::auth::ask;
use crate::support::app::TestApp;
use crate::support::http::Answer;
use crate::support::issuer::{Issuer, Key, assembled, encoded, seconds};
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::Settings;

const TENANT: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const OTHER_TENANT: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
const APPLICATION: &str = "00000014-0000-0000-c000-000000000000";

/// What is trusted: Entra of one tenant, whose keys the test's issuer has, and that issuer itself.
fn settings(issuer: &Issuer) -> Settings {
    let (name, ca) = (issuer.name(), issuer.certificates.path("ca.pem").display().to_string());
    Settings::default().set("auth.ca_file", &format!("{ca:?}")).add(&format!(
        "[auth.entra]\ntenant = \"{TENANT}\"\nkeys_url = \"{name}/keys\"\n\
         [[auth.issuer]]\nissuer = \"{name}\"\naudience = \"scimbridge\"\nclaims = {{ azp = \"sync\" }}\n\
         scopes = [\"users:read\"]"
    ))
}

fn claims_of_entra() -> Value {
    json!({
        "aud": AUDIENCE,
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": seconds(-300),
        "nbf": seconds(-300),
        "exp": seconds(28_800),
        "appid": APPLICATION,
        "appidacr": "2",
        "oid": "5b7c1f0e-0000-4000-8000-000000000000",
        "tid": TENANT,
        "ver": "1.0",
    })
}

fn but(name: &str, value: Value) -> Value {
    let mut claims = claims_of_entra();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims_of_entra();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn get(app: &TestApp, token: &str) -> Answer {
    ask(app, "GET", "/scim/v2/Users", Some(&format!("Bearer {token}")), None)
}

#[test]
fn what_entra_signs_lets_in_and_nothing_else_does() {
    let issuer = Issuer::start();
    let (rsa, curve, stranger) = (Key::rsa("rsa"), Key::curve("curve"), Key::curve("curve"));
    issuer.publish(&[&rsa, &curve]);
    let app = TestApp::start_with(Flavor::AsShipped, settings(&issuer));
    let good = claims_of_entra();
    for (name, token) in [
        ("as Entra signs", rsa.sign(&good)),
        ("PS256", rsa.sign_by("PS256", &good)),
        ("ES256", curve.sign(&good)),
        ("one audience of several", rsa.sign(&but("aud", json!(["other", AUDIENCE])))),
        ("a clock that is slow", rsa.sign(&but("exp", json!(seconds(-60))))),
        ("a clock that is fast", rsa.sign(&but("nbf", json!(seconds(60))))),
        ("without nbf", rsa.sign(&without("nbf"))),
    ] {
        let answer = get(&app, &token);
        assert_eq!(answer.status, 200, "{name}: {}\n{}", answer.text(), app.log());
    }

    let signed = rsa.sign(&good);
    let parts: Vec<&str> = signed.split('.').collect();
    let header = |algorithm: &str| json!({"typ": "JWT", "alg": algorithm, "kid": "rsa"});
    let hmac = |key: &[u8]| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        assembled(&header("HS256"), &good, |message| ring::hmac::sign(&key, message).as_ref().to_vec())
    };
    let foreign = format!("https://sts.windows.net/{OTHER_TENANT}/");
    let claims_of = |claims: Value| encoded(claims.to_string().as_bytes());
    let mut foreign_tenant = but("iss", json!(foreign));
    foreign_tenant["tid"] = json!(OTHER_TENANT);
    let (unknown, expired, early) = ("valid bearer token", "has expired", "not valid yet");
    for (name, token, said) in [
        ("expired", rsa.sign(&but("exp", json!(seconds(-300)))), expired),
        ("not yet valid", rsa.sign(&but("nbf", json!(seconds(300)))), early),
        ("without end", rsa.sign(&without("exp")), unknown),
        ("an end that is no number", rsa.sign(&but("exp", json!("never"))), unknown),
        ("of a foreign tenant", rsa.sign(&foreign_tenant), unknown),
        ("of a foreign issuer", rsa.sign(&but("iss", json!(foreign))), unknown),
        ("an issuer among others", rsa.sign(&but("iss", json!([good["iss"]]))), unknown),
        ("an issuer without its slash", rsa.sign(&but("iss", json!(foreign.trim_end_matches('/')))), unknown),
        ("without an issuer", rsa.sign(&without("iss")), unknown),
        ("another tid", rsa.sign(&but("tid", json!(OTHER_TENANT))), unknown),
        ("without a tid", rsa.sign(&without("tid")), unknown),
        ("for another audience", rsa.sign(&but("aud", json!("00000002-0000-0000-c000-000000000000"))), unknown),
        ("without an audience", rsa.sign(&without("aud")), unknown),
        ("for no audience", rsa.sign(&but("aud", json!([]))), unknown),
        ("of another application", rsa.sign(&but("appid", json!("11111111-0000-0000-c000-000000000000"))), unknown),
        ("without an application", rsa.sign(&without("appid")), unknown),
        ("alg none", assembled(&header("none"), &good, |_| Vec::new()), unknown),
        ("alg None", assembled(&header("None"), &good, |_| Vec::new()), unknown),
        ("alg RS256 without a signature", assembled(&header("RS256"), &good, |_| Vec::new()), unknown),
        ("HS256 by the modulus", hmac(&Key::modulus()), unknown),
        ("HS256 by the id of the key", hmac(b"rsa"), unknown),
        ("RS512", rsa.sign_by("RS512", &good), unknown),
        ("ES256 for the RSA key", curve_as(&curve, "rsa", &good), unknown),
        ("RS256 for the curve", assembled(&json!({"alg": "RS256", "kid": "curve"}), &good, |_| vec![1; 256]), unknown),
        ("PS256 as RS256", relabelled(&rsa.sign_by("PS256", &good), &header("RS256")), unknown),
        ("by a stranger's key", stranger.sign(&good), unknown),
        ("of an unknown key", Key::rsa("unknown").sign(&good), unknown),
        ("of no key", relabelled(&signed, &json!({"alg": "RS256"})), unknown),
        ("with extensions", relabelled(&signed, &json!({"alg": "RS256", "kid": "rsa", "crit": ["x"]})), unknown),
        ("with a key of its own", with_own_key(&good), unknown),
        (
            "another payload",
            format!("{}.{}.{}", parts[0], claims_of(but("exp", json!(seconds(99_999)))), parts[2]),
            unknown,
        ),
        ("another signature", format!("{}.{}.{}", parts[0], parts[1], encoded(&[7; 256])), unknown),
        ("without a signature", format!("{}.{}.", parts[0], parts[1]), unknown),
        ("two parts", format!("{}.{}", parts[0], parts[1]), unknown),
        ("four parts", format!("{signed}.x"), unknown),
        ("a payload that is a list", assembled(&header("RS256"), &json!([1]), |_| vec![0; 256]), unknown),
        ("dots", "..".to_owned(), unknown),
        ("garbage", "a.b.c".to_owned(), unknown),
        ("long", format!("{}.{}.{}", parts[0], "A".repeat(100_000), parts[2]), unknown),
    ] {
        let answer = get(&app, &token);
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
        assert!(challenge.contains("error=\"invalid_token\""), "{name}: {challenge}");
        let answer = answer.fails_naming(401, &[said]);
        let elsewhere = ask(&app, "DELETE", "/nowhere", Some(&format!("Bearer {token}")), None);
        assert_eq!(elsewhere.text(), answer.text(), "{name}: the same on every route");
    }
    // More than any header may be: refused before it is read, and the server goes on.
    let huge = get(&app, &"A".repeat(1_000_000));
    assert!((400..500).contains(&huge.status), "{}", huge.status);
    get(&app, &signed).expect(200);
    app.get("/Users").expect(200);
    for part in &parts[1..] {
        assert!(!app.log().contains(part), "a token stands in the log");
    }
    assert!(app.log().contains("tid is not"), "the operator is told why");
}

/// Signed by the curve, with a header that names another key.
fn curve_as(curve: &Key, id: &str, claims: &Value) -> String {
    relabelled(&curve.sign(claims), &json!({"alg": "ES256", "kid": id}))
}

fn relabelled(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", encoded(header.to_string().as_bytes()))
}

/// A header that brings the key along, which nobody is to believe.
fn with_own_key(claims: &Value) -> String {
    let own = Key::curve("own");
    let header = json!({"alg": "ES256", "kid": "own", "jwk": own.public(), "jku": "https://127.0.0.1:1/keys"});
    own.sign_under(&header, claims)
}

#[test]
fn an_issuer_of_ones_own_gives_what_the_settings_say() {
    let issuer = Issuer::start();
    let key = Key::curve("first");
    issuer.publish(&[&key]);
    let app = TestApp::start_with(Flavor::AsShipped, settings(&issuer));
    let claims = json!({
        "iss": issuer.name(), "aud": "scimbridge", "azp": "sync", "sub": "robot", "exp": seconds(600),
    });
    let token = key.sign(&claims);
    get(&app, &token).expect(200);
    let groups = ask(&app, "GET", "/scim/v2/Groups", Some(&format!("Bearer {token}")), None);
    groups.fails_naming(403, &["groups:read", "issuer robot"]);
    for (name, value) in [("azp", json!("other")), ("aud", json!(AUDIENCE)), ("iss", json!("https://127.0.0.1"))] {
        let mut other = claims.clone();
        other[name] = value;
        get(&app, &key.sign(&other)).expect(401);
    }
    // The keys of one issuer do not sign for another.
    let both = claims_of_entra();
    get(&app, &key.sign(&both)).expect(200);
    assert_eq!(app.workplace.run(&["check"]).succeeds().stdout.matches("error:").count(), 0);
}

#[test]
fn keys_are_replaced_without_a_restart_and_asked_for_seldom() {
    let issuer = Issuer::start();
    let (first, second) = (Key::rsa("first"), Key::curve("second"));
    issuer.publish(&[&first]);
    let app = TestApp::start_with(Flavor::AsShipped, settings(&issuer));
    assert_eq!(issuer.asked(), 0, "nobody has needed them");
    get(&app, &first.sign(&claims_of_entra())).expect(200);
    issuer.publish(&[&second]);
    let token = second.sign(&claims_of_entra());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert!([200, 401].contains(&get(&app, &token).status));
                }
            });
        }
    });
    assert!(issuer.asked() <= 2, "forty tokens, {} times asked", issuer.asked());
    get(&app, &first.sign(&claims_of_entra()));
    wait_for("the new key to be known", || (get(&app, &token).status == 200).then_some(()));
    get(&app, &first.sign(&claims_of_entra())).expect(401);
}

#[test]
fn known_keys_stay_good_when_the_issuer_is_away() {
    let issuer = Issuer::start();
    let key = Key::rsa("first");
    issuer.publish(&[&key]);
    let app = TestApp::start_with(Flavor::AsShipped, settings(&issuer));
    let token = key.sign(&claims_of_entra());
    get(&app, &token).expect(200);
    issuer.go_away();
    let unknown = Key::rsa("unknown").sign(&claims_of_entra());
    // Whether the issuer has that key cannot be said any longer: 401 would put the whole job into quarantine.
    let answer = wait_for("the issuer to be missed", || {
        let answer = get(&app, &unknown);
        (answer.status != 401).then_some(answer)
    });
    assert!(answer.expect(503).header("retry-after").is_some());
    get(&app, &token).expect(200);
    get(&app, "a.b.c").expect(401);
    app.get("/Users").expect(200);
}

#[test]
fn an_issuer_that_cannot_be_trusted_or_reached_is_told() {
    let issuer = Issuer::start();
    let key = Key::rsa("first");
    issuer.publish(&[&key]);
    let at = |keys: &str| {
        let ca = issuer.certificates.path("ca.pem").display().to_string();
        let entra = format!("[auth.entra]\ntenant = \"{TENANT}\"\nkeys_url = \"{keys}\"");
        Settings::default().set("auth.ca_file", &format!("{ca:?}")).add(&entra)
    };
    let name = issuer.name();
    let untrusting =
        Settings::default().add(&format!("[auth.entra]\ntenant = \"{TENANT}\"\nkeys_url = \"{name}/keys\""));
    for (settings, word) in [
        (untrusting, "certificate"),
        (at("https://127.0.0.1:1/keys"), "127.0.0.1:1"),
        (at(&format!("{name}/nowhere")), "404"),
        (at(&format!("{name}/moved")), "302"),
        (at(&format!("{name}/.well-known/openid-configuration")), "no key"),
    ] {
        let app = TestApp::start_with(Flavor::AsShipped, settings);
        let answer = get(&app, &key.sign(&claims_of_entra())).expect(503);
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.text().contains("127.0.0.1"), "where the keys are is nobody's business: {}", answer.text());
        let found = app.workplace.run(&["check"]);
        assert_eq!(found.code, Some(1));
        let errors: Vec<&str> = found.stdout.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("sts.windows.net") && errors[0].contains(word), "{errors:?}");
        app.get("/Users").expect(200);
    }
}

#[test]
fn what_cannot_be_trusted_is_no_setting() {
    let check = |table: &str| {
        let settings = Settings::default().add(table);
        crate::support::workplace::Workplace::new(&settings, "ldap://127.0.0.1:1").run(&["check", "--config-only"])
    };
    check("[auth.entra]\ntenant = \"common\"").fails_naming(&["auth.entra.tenant"]);
    check("[auth.entra]\ntenant = \"contoso.onmicrosoft.com\"").fails_naming(&["auth.entra.tenant"]);
    check("[auth.entra]\ntennant = \"x\"").fails_naming(&["tennant", "auth.entra.tenant"]);
    check("[[auth.issuer]]\nissuer = \"http://id.example.org\"\naudience = \"a\"")
        .fails_naming(&["auth.issuer[1].issuer", "https://"]);
    check("[[auth.issuer]]\nissuer = \"https://id.example.org\"").fails_naming(&["auth.issuer[1].audience"]);
    check("[[auth.issuer]]\nissuer = \"https://id.example.org\"\naudience = \"a\"\nclaims = { \"any.name\" = \"x\" }")
        .succeeds();
}
