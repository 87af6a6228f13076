//! What monitoring sees of a day: requests, the directory, what is pending, how reconciliations ended. And what the
//! project ships to look at it, the dashboard and the alerts, speaks of nothing that is not there.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn};
use crate::support::http::exchange;
use crate::support::metrics::{Metrics, shown};
use crate::support::slapd::{Flavor, project};
use crate::support::wait_for;
use crate::support::workplace::Settings;

/// Shown where the program ends TLS alone; `tls` looks at it.
const WITH_TLS: &str = "scimbridge_tls_certificate_expiry_timestamp_seconds";

fn app() -> TestApp {
    TestApp::start_with(Flavor::AsShipped, shown(Settings::default()))
}

/// A day on which everything happens that is counted.
fn a_day(app: &TestApp) {
    let ada = app.user("ada");
    let group = app.create_group("Engineers");
    app.add_members(&group, &[&ada]);
    app.disable_user(&ada);
    app.get("/Users?filter=nonsense").refuses(400, "invalidFilter", &[]);
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: Drifted\n", dn("ada")));
    app.workplace.run(&["reconcile"]).succeeds();
    app.slapd.stop();
    app.post("/Users", &crate::support::entra::person("bob")).expect(503);
}

#[test]
fn a_day_is_seen_by_monitoring() {
    let app = app();
    let before = app.metrics();
    assert_eq!(before.sum("scimbridge_http_requests_total", &[]), 0.0);
    assert_eq!(before.sum("scimbridge_reconcile_last_success_timestamp_seconds", &[]), 0.0);
    a_day(&app);
    let seen = wait_for("bob to be pending for a while", || {
        let seen = app.metrics();
        (seen.sum("scimbridge_pending_oldest_age_seconds", &[]) > 0.1).then_some(seen)
    });
    requests_are_counted(&seen);
    the_directory_is_counted(&seen);
    assert_eq!(seen.sum("scimbridge_pending_resources", &[]), 1.0);
    assert_eq!(seen.sum("scimbridge_store_up", &[]), 1.0);
    assert!(seen.sum("scimbridge_store_size_bytes", &[]) > 10_000.0);
    // The command ran in a process of its own.
    assert_eq!(seen.sum("scimbridge_reconcile_drift_resources", &[]), 1.0);
    assert_eq!(seen.sum("scimbridge_reconcile_drift_changes", &["operation=\"modify\""]), 1.0);
    let ended = seen.sum("scimbridge_reconcile_last_run_timestamp_seconds", &["outcome=\"done\""]);
    assert_eq!(seen.sum("scimbridge_reconcile_last_success_timestamp_seconds", &[]), ended);
    assert!(ended >= seen.sum("scimbridge_process_start_time_seconds", &[]), "{}", seen.text);
    app.slapd.start_again();
    wait_for("the outage to be over", || {
        let seen = app.metrics();
        let is_over =
            seen.sum("scimbridge_ldap_up", &[]) == 1.0 && seen.sum("scimbridge_pending_resources", &[]) == 0.0;
        is_over.then(|| assert_eq!(seen.sum("scimbridge_pending_oldest_age_seconds", &[]), 0.0))
    });
}

fn requests_are_counted(seen: &Metrics) {
    let requests = |labels: &[&str]| seen.sum("scimbridge_http_requests_total", labels);
    let users = "route=\"/scim/v2/Users\"";
    assert_eq!(requests(&[users, "method=\"POST\"", "status=\"201\""]), 1.0);
    assert_eq!(requests(&[users, "method=\"POST\"", "status=\"503\""]), 1.0);
    assert_eq!(requests(&[users, "method=\"GET\"", "status=\"400\""]), 1.0);
    assert_eq!(requests(&["route=\"/scim/v2/Users/{id}\"", "method=\"PATCH\"", "status=\"200\""]), 1.0);
    assert_eq!(seen.sum("scimbridge_http_request_duration_seconds_count", &[users]), 3.0);
    assert_eq!(seen.families["scimbridge_http_request_duration_seconds"], "histogram");
    assert_eq!(seen.sum("scimbridge_http_requests_in_flight", &[]), 0.0);
}

fn the_directory_is_counted(seen: &Metrics) {
    let changes = |labels: &[&str]| seen.sum("scimbridge_directory_changes_total", labels);
    // Ada and the group; what the command changed, it counted in its own process, which nobody asks.
    assert_eq!(changes(&["operation=\"add\"", "reason=\"missing\""]), 2.0);
    assert_eq!(changes(&["operation=\"modify\"", "reason=\"members\""]), 1.0);
    assert_eq!(changes(&["operation=\"modify\"", "reason=\"disabled\""]), 1.0);
    assert_eq!(changes(&["reason=\"differs\""]), 0.0);
    let operations = |labels: &[&str]| seen.sum("scimbridge_ldap_operations_total", labels);
    assert_eq!(operations(&["operation=\"add\"", "result=\"success\""]), 2.0);
    assert!(operations(&["operation=\"bind\"", "result=\"success\""]) >= 1.0);
    assert!(operations(&["operation=\"search\"", "result=\"success\""]) >= 1.0);
    assert!(seen.sum("scimbridge_ldap_connection_attempts_total", &["outcome=\"unreachable\""]) >= 1.0);
    assert_eq!(seen.sum("scimbridge_ldap_up", &[]), 0.0);
    assert_eq!(seen.sum("scimbridge_ldap_connections", &[]), 0.0);
    assert_eq!((seen.sum("scimbridge_users", &[]), seen.sum("scimbridge_groups", &[])), (0.0, 0.0), "a minute old");
}

#[test]
fn what_is_managed_is_counted_when_the_program_starts() {
    let app = app();
    let ada = app.user("ada");
    let group = app.create_group("Engineers");
    app.add_members(&group, &[&ada]);
    app.restart();
    let seen = app.metrics();
    for name in ["scimbridge_users", "scimbridge_groups", "scimbridge_memberships"] {
        assert_eq!(seen.sum(name, &[]), 1.0, "{name}");
    }
}

#[test]
fn a_reconciliation_that_was_refused_or_failed_is_told_beside_the_last_success() {
    let app = TestApp::start_with(Flavor::AsShipped, shown(Settings::default().set("reconcile.max_changes", "\"0\"")));
    app.user("ada");
    app.workplace.run(&["reconcile"]).succeeds();
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: Drifted\n", dn("ada")));
    let refused = app.workplace.run(&["reconcile"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let outcomes = |seen: &Metrics| {
        ["done", "refused", "failed"].map(|outcome| {
            seen.sum("scimbridge_reconcile_last_run_timestamp_seconds", &[&format!("outcome={outcome:?}")])
        })
    };
    let seen = app.metrics();
    let [done, refused, failed] = outcomes(&seen);
    assert!(0.0 < done && done < refused && failed == 0.0, "{done} {refused} {failed}");
    assert_eq!(seen.sum("scimbridge_reconcile_drift_resources", &[]), 1.0, "found and left");
    app.slapd.stop();
    app.workplace.run(&["reconcile"]).fails_naming(&["nothing is changed"]);
    // A look is not a run.
    app.workplace.run(&["reconcile", "--dry-run"]).fails_naming(&[]);
    let seen = app.metrics();
    let [_, refused, failed] = outcomes(&seen);
    assert!(refused < failed, "{refused} {failed}");
    assert_eq!(seen.sum("scimbridge_reconcile_last_success_timestamp_seconds", &[]), done);
    assert_eq!(seen.sum("scimbridge_reconcile_drift_resources", &[]), 1.0, "nothing newer is known");
}

#[test]
fn metrics_are_at_their_own_address_and_nothing_else_is() {
    let app = app();
    let get = |address, target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        exchange(address, request.as_bytes()).unwrap().status
    };
    let metrics = app.metrics_address();
    assert_eq!(get(metrics, "/metrics"), 200);
    for target in ["/", "/Users", "/scim/v2/Users", "/scim/v2/ServiceProviderConfig"] {
        assert_eq!(get(metrics, target), 404, "{target}");
    }
    assert_eq!(get(app.address(), "/metrics"), 401, "and not where Entra asks");
    let seen = app.metrics();
    assert_eq!(seen.sum("scimbridge_http_requests_total", &["route=\"none\"", "status=\"401\""]), 1.0, "{}", seen.text);
}

#[test]
fn who_invents_methods_and_paths_makes_no_new_series() {
    let app = app();
    for number in 0..20 {
        let method = if number == 0 { "GET".to_owned() } else { format!("M{number}") };
        app.try_request(&method, &format!("/Users/{number}"), None).unwrap();
        app.try_request(&method, &format!("/nowhere/{number}"), None).unwrap();
    }
    let seen = app.metrics();
    let series = seen.samples.iter().filter(|(name, _)| name.starts_with("scimbridge_http_requests_total"));
    assert_eq!(seen.sum("scimbridge_http_requests_total", &[]), 40.0);
    assert_eq!(series.count(), 4, "{}", seen.text);
}

#[test]
fn an_address_that_cannot_be_used_keeps_the_program_from_starting() {
    let app = TestApp::start();
    let taken = format!("\"{}\"", app.address());
    app.terminate();
    app.wait_exit();
    let held = std::net::TcpListener::bind(taken.trim_matches('"')).unwrap();
    app.workplace.reconfigure(&Settings::default().set("metrics.listen", &taken));
    app.workplace.run(&["serve"]).fails_naming(&["metrics.listen"]);
    drop(held);
    app.workplace.reconfigure(&Settings::default().set("metrics.listen", "\"9464\""));
    app.workplace.run(&["serve"]).fails_naming(&["metrics.listen", "127.0.0.1:9464"]);
}

// What the project ships to look at the metrics.

/// The names of metrics in a text: `scimbridge_` and what follows.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let ends = |rest: &str| rest.find(|character| !is_part(character)).unwrap_or(rest.len());
    text.match_indices("scimbridge_")
        .filter(|(at, _)| !text[..*at].ends_with(is_part))
        .map(|(at, _)| text[at..at + ends(&text[at..])].to_owned())
        .collect()
}

/// The family of a name: what a histogram's parts belong to.
fn family(name: &str) -> &str {
    let parts = ["_duration_seconds_bucket", "_duration_seconds_sum", "_duration_seconds_count"];
    let whole =
        |part: &&str| name.strip_suffix(part.trim_start_matches("_duration_seconds")).filter(|_| name.ends_with(*part));
    parts.iter().find_map(whole).unwrap_or(name)
}

fn shipped(file: &str) -> String {
    fs::read_to_string(project().join("docker").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The expressions of the dashboard's panels.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| expressions(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[test]
fn whatever_the_code_names_the_program_shows_and_what_is_shipped_speaks_of_nothing_else() {
    let app = app();
    a_day(&app);
    let seen = app.metrics();
    let exported: BTreeSet<String> = seen.families.keys().cloned().collect();
    let code = names(&fs::read_to_string(project().join("src/telemetry/series.rs")).unwrap());
    assert!(code.len() > 20, "{code:#?}");
    assert_eq!(&exported | &[WITH_TLS.to_owned()].into(), code);
    assert!(exported.iter().all(|name| seen.families[name] == "histogram" || seen.has(name)));

    let dashboard: Value = serde_json::from_str(&shipped("grafana/scimbridge.json")).unwrap();
    let mut shown = Vec::new();
    expressions(&dashboard, &mut shown);
    let alerts = shipped("prometheus/alerts.yml");
    let used: BTreeSet<String> =
        names(&(shown.join("\n") + &alerts)).iter().map(|name| family(name).to_owned()).collect();
    let unknown: Vec<&String> = used.iter().filter(|name| !code.contains(*name)).collect();
    assert!(unknown.is_empty(), "metrics that nobody exports: {unknown:#?}");
    let unseen: Vec<&String> = code.iter().filter(|name| !used.contains(*name)).collect();
    assert!(unseen.is_empty(), "metrics that nobody looks at: {unseen:#?}");
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard: Value = serde_json::from_str(&shipped("grafana/scimbridge.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<&Value> = panels.iter().filter(|panel| panel["type"] == "row").map(|panel| &panel["title"]).collect();
    assert_eq!(rows, ["Entra requests", "Directory", "Pending and drift", "Tokens and store"]);
    let variables: Vec<&Value> = dashboard["templating"]["list"].as_array().unwrap().iter().collect();
    assert!(variables.iter().any(|variable| variable["name"] == "datasource" && variable["type"] == "datasource"));
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id twice: {panel}");
        assert!(panel["type"] == "row" || panel["datasource"]["uid"] == json!("${datasource}"), "{panel}");
        let (x, width) = (panel["gridPos"]["x"].as_u64().unwrap(), panel["gridPos"]["w"].as_u64().unwrap());
        assert!(x + width <= 24, "{panel}");
    }
}
