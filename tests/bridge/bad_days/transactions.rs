//! What can go wrong with a transaction: a server that hangs, and one whose threads are not done with what they have
//! answered. Here the directory is spoken to as the program does it, without the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use scimbridge::directory::{
    Action, Anchor, AttributeName, Attributes, Change, Dn, Modification, Tolerance, Transactions, Value,
};
use scimbridge::ldap::{Directory, Error, Grouping, Settings};
use secrecy::SecretString;
use tokio::runtime::Runtime;

use super::proxy::{Messages, Mishap, Proxy};
use crate::support::slapd::{ADMIN_PASSWORD, Flavor, Slapd};

/// How many operations the long story has; more of them are sent by `SCIMBRIDGE_STRESS=200000`.
const OPERATIONS: usize = 10_000;
const SENDERS: usize = 16;

fn directory(url: String) -> Directory {
    let settings = Settings {
        urls: vec![url],
        start_tls: false,
        ca_pem: None,
        insecure_skip_tls_verify: true,
        bind_dn: "cn=admin,dc=example,dc=org".to_owned(),
        bind_password: SecretString::from(ADMIN_PASSWORD),
        connections: 2,
        timeout: Duration::from_secs(20),
        transactions: Transactions::Unsafe,
    };
    Directory::new(settings, None).unwrap()
}

fn dn(name: &str) -> Dn {
    format!("uid={name},ou=people,dc=example,dc=org").parse().unwrap()
}

fn add(name: &str) -> Change {
    let attributes: Attributes = [("objectClass", "inetOrgPerson"), ("uid", name), ("cn", "x"), ("sn", "y")]
        .map(|(attribute, value)| (AttributeName::of(attribute), vec![Value::from(value)]))
        .into();
    Change::Add { dn: dn(name), attributes }
}

fn title(name: &str, value: &str) -> Change {
    let attribute = AttributeName::of("title");
    let modification = Modification { attribute, action: Action::Replace, values: vec![Value::from(value)] };
    Change::Modify { dn: dn(name), modifications: vec![modification], tolerance: Tolerance::Exact }
}

/// Adds these at once: all together, or the first alone and the others together when it is done.
async fn add_all(directory: &Directory, names: &[String]) -> Vec<Result<Option<Anchor>, Error>> {
    let changes: Vec<Change> = names.iter().map(|name| add(name)).collect();
    join_all(changes.iter().map(|change| directory.apply(change))).await
}

fn names(prefix: &str) -> Vec<String> {
    (0..8).map(|number| format!("{prefix}{number}")).collect()
}

fn people(slapd: &Slapd) -> usize {
    slapd.entries("ou=people").len() - 1
}

#[test]
fn a_server_that_hangs_is_given_up_in_time_and_lives() {
    let runtime = Runtime::new().unwrap();
    let slapd = Slapd::start(Flavor::AsShipped);
    let proxy = Proxy::start(&slapd.url(), Messages::Extended, 2, Mishap::Hold);
    let directory = directory(proxy.url());
    let begun = Instant::now();
    let answers = runtime.block_on(add_all(&directory, &names("a")));
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() <= 1, "{answers:?}");
    proxy.release();
    for answer in runtime.block_on(add_all(&directory, &names("b"))) {
        answer.unwrap();
    }
    assert!(slapd.answers(), "the server bears it");
}

#[test]
fn an_overlay_that_tells_others_keeps_changes_apart() {
    let runtime = Runtime::new().unwrap();
    let slapd = Slapd::start(Flavor::AsShipped);
    assert_eq!(runtime.block_on(directory(slapd.url()).grouping()).unwrap(), Grouping::Used);
    slapd.reconfigure_server("moduleload syncprov\n");
    slapd.reconfigure("overlay syncprov\n");
    let grouping = runtime.block_on(directory(slapd.url()).grouping()).unwrap();
    assert_eq!(grouping, Grouping::Overlays(vec!["syncprov".to_owned()]));
}

#[test]
fn a_server_survives_thousands_of_transactions_on_a_busy_machine() {
    let operations = std::env::var("SCIMBRIDGE_STRESS").map_or(OPERATIONS, |text| text.parse().unwrap());
    let runtime = Runtime::new().unwrap();
    let slapd = Slapd::start(Flavor::AsShipped);
    let directory = Arc::new(directory(slapd.url()));
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        runtime.block_on(async {
            let senders = (0..SENDERS).map(|sender| {
                let directory = directory.clone();
                tokio::spawn(async move {
                    let name = format!("s{sender}");
                    directory.apply(&add(&name)).await.unwrap();
                    for turn in 0..operations / SENDERS {
                        directory.apply(&title(&name, &turn.to_string())).await.unwrap();
                    }
                })
            });
            for sender in join_all(senders).await {
                sender.unwrap();
            }
        });
        is_over.store(true, Ordering::Relaxed);
    });
    eprintln!("{operations} changes in {:?}", begun.elapsed());
    assert_eq!(people(&slapd), SENDERS);
    let last = (operations / SENDERS - 1).to_string();
    assert!((0..SENDERS).all(|sender| slapd.values(&dn(&format!("s{sender}")).to_string(), "title") == [last.clone()]));
}
