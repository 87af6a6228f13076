//! Who may ask: tokens, clients, and the access tokens that clients are given.

use scimbridge::scim::Scopes;
use scimbridge::store::{CredentialKind, Error, NewAccessToken, NewCredential, NewSecret, Presented, Store};

use CredentialKind::{Client, Token};

const NOW: &str = "2026-01-01T00:00:00.000Z";
const LATER: &str = "2026-01-02T00:00:00.000Z";
const LATEST: &str = "2026-01-03T00:00:00.000Z";

pub fn credential(kind: CredentialKind, name: &str) -> NewCredential {
    let client_id = (kind == Client).then(|| format!("id of {name}"));
    NewCredential { kind, name: name.to_owned(), client_id, scopes: "users:write".parse().unwrap() }
}

pub fn secret(hash: &str, expires: Option<&str>) -> NewSecret {
    NewSecret { hash: hash.to_owned(), created: NOW.to_owned(), expires: expires.map(str::to_owned) }
}

fn access_token(hash: &str, secret_hash: &str, expires: &str) -> NewAccessToken {
    let scopes = "users:read".parse().unwrap();
    NewAccessToken { hash: hash.to_owned(), secret_hash: secret_hash.to_owned(), scopes, expires: expires.to_owned() }
}

/// Name and end of whoever has that bearer token.
async fn bearer(store: &dyn Store, hash: &str) -> Option<(String, Option<String>)> {
    store.bearer(hash).await.unwrap().map(|known| (known.label(), known.expires))
}

fn until(name: &str, expires: Option<&str>) -> Option<(String, Option<String>)> {
    Some((name.to_owned(), expires.map(str::to_owned)))
}

pub async fn tokens_and_clients_are_kept_by_hash(store: &dyn Store) {
    store.add_credential(&credential(Token, "entra"), &secret("hash", Some(LATER))).await.unwrap();
    let again = store.add_credential(&credential(Token, "entra"), &secret("other", None)).await;
    assert!(matches!(again, Err(Error::Taken { .. })));
    assert_eq!(store.bearer("other").await.unwrap(), None, "nothing of it is kept");
    // A client is no token, whatever its name.
    store.add_credential(&credential(Client, "entra"), &secret("secret", None)).await.unwrap();
    let known = Presented {
        kind: Token,
        name: "entra".to_owned(),
        client_id: None,
        scopes: "users:write".parse::<Scopes>().unwrap(),
        secret_hash: "hash".to_owned(),
        expires: Some(LATER.to_owned()),
    };
    assert_eq!(store.bearer("hash").await.unwrap(), Some(known));
    assert_eq!(store.bearer("secret").await.unwrap(), None, "a client's secret is no bearer token");
    assert_eq!(store.client_with_secret("hash").await.unwrap(), None);
    let client = store.client_with_secret("secret").await.unwrap().unwrap();
    assert_eq!((client.label().as_str(), client.client_id.as_deref()), ("client entra", Some("id of entra")));

    let all = store.credentials().await.unwrap();
    let labels: Vec<String> = all.iter().map(|credential| credential.label()).collect();
    assert_eq!(labels, ["entra", "client entra"]);
    assert_eq!(all.iter().map(|credential| credential.expires()).collect::<Vec<_>>(), [Some(LATER), None]);

    assert!(store.remove_credential(Token, "entra").await.unwrap());
    assert!(!store.remove_credential(Token, "entra").await.unwrap());
    assert_eq!(store.bearer("hash").await.unwrap(), None);
    assert_eq!(store.credentials().await.unwrap().len(), 1);
}

pub async fn a_rotated_secret_is_good_for_a_while(store: &dyn Store) {
    assert!(!store.rotate_credential(Token, "entra", &secret("first", None), LATER).await.unwrap());
    assert_eq!(store.bearer("first").await.unwrap(), None, "nothing of it is kept");
    store.add_credential(&credential(Token, "entra"), &secret("first", None)).await.unwrap();
    store.note_use("first", NOW, "192.0.2.1").await.unwrap();
    assert!(store.rotate_credential(Token, "entra", &secret("second", Some(LATER)), LATEST).await.unwrap());
    assert_eq!(bearer(store, "first").await, until("entra", Some(LATEST)));
    assert_eq!(bearer(store, "second").await, until("entra", Some(LATER)));
    let known = store.credentials().await.unwrap().pop().unwrap();
    assert_eq!((known.expires(), &known.current.used), (Some(LATER), &None));
    let replaced = known.replaced.unwrap();
    assert_eq!(replaced.expires.as_deref(), Some(LATEST));
    assert_eq!(replaced.used, Some((NOW.to_owned(), "192.0.2.1".to_owned())));

    assert!(store.rotate_credential(Token, "entra", &secret("third", None), LATEST).await.unwrap());
    assert_eq!(bearer(store, "first").await, None, "there are two at most");
    assert_eq!(bearer(store, "second").await, until("entra", Some(LATER)), "an end is not put off");
    assert_eq!(bearer(store, "third").await, until("entra", None));
    assert!(store.remove_credential(Token, "entra").await.unwrap());
    assert_eq!((bearer(store, "second").await, bearer(store, "third").await), (None, None));
}

pub async fn an_access_token_goes_with_its_secret(store: &dyn Store) {
    store.add_credential(&credential(Client, "entra"), &secret("first", None)).await.unwrap();
    store.add_access_token(&access_token("access", "first", LATEST), NOW).await.unwrap();
    let known = store.bearer("access").await.unwrap().unwrap();
    assert_eq!((known.label().as_str(), known.secret_hash.as_str()), ("client entra", "first"));
    assert_eq!(known.scopes, "users:read".parse().unwrap(), "its own, not all of the client");
    assert_eq!(store.client_with_secret("access").await.unwrap(), None);

    assert!(store.rotate_credential(Client, "entra", &secret("second", None), LATER).await.unwrap());
    assert_eq!(bearer(store, "access").await, until("client entra", Some(LATER)), "it does not outlive the secret");
    store.add_access_token(&access_token("young", "second", LATEST), NOW).await.unwrap();
    assert!(store.rotate_credential(Client, "entra", &secret("third", None), LATEST).await.unwrap());
    assert_eq!(bearer(store, "access").await, None);
    assert_eq!(bearer(store, "young").await, until("client entra", Some(LATEST)));

    store.add_access_token(&access_token("new", "third", "2026-02-01T00:00:00.000Z"), LATEST).await.unwrap();
    assert_eq!(bearer(store, "young").await, None, "what has expired is forgotten");
    for number in 0..200 {
        let token = access_token(&format!("many {number}"), "third", &format!("2026-03-01T00:00:00.{number:03}Z"));
        store.add_access_token(&token, LATEST).await.unwrap();
    }
    assert_eq!(bearer(store, "new").await, None, "the eldest of too many go");
    assert!(bearer(store, "many 199").await.is_some());
    assert!(store.remove_credential(Client, "entra").await.unwrap());
    assert_eq!(bearer(store, "many 199").await, None);
}

pub async fn the_first_token_is_claimed_once(new: &dyn Store, used: &dyn Store) {
    assert!(new.claim_first_token().await.unwrap());
    assert!(!new.claim_first_token().await.unwrap(), "though none was made");
    used.add_credential(&credential(Token, "entra"), &secret("hash", None)).await.unwrap();
    assert!(!used.claim_first_token().await.unwrap());
    used.remove_credential(Token, "entra").await.unwrap();
    assert!(!used.claim_first_token().await.unwrap(), "who revokes the last one means it");
}
