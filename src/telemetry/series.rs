//! The metrics: their names, what they mean, and how each is counted.
//!
//! Names end in their unit, labels have few values: routes and not paths, kinds and never ids. While nobody listens
//! to metrics, counting does nothing.

use std::time::{Duration, Instant};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::traces::describe_request;

/// Requests that were answered, by `route`, `method` and `status`.
pub const HTTP_REQUESTS: &str = "scimbridge_http_requests_total";
/// How long requests took to be answered, by `route` and `method`.
pub const HTTP_REQUEST_DURATION: &str = "scimbridge_http_request_duration_seconds";
/// Requests that are being answered.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "scimbridge_http_requests_in_flight";
/// Operations of the directory that it answered, or did not, by `operation` and `result`.
pub const LDAP_OPERATIONS: &str = "scimbridge_ldap_operations_total";
/// How long the directory took to answer, by `operation`.
pub const LDAP_OPERATION_DURATION: &str = "scimbridge_ldap_operation_duration_seconds";
/// Transactions in which changes were sent together, by `outcome`.
pub const LDAP_TRANSACTIONS: &str = "scimbridge_ldap_transactions_total";
/// Changes that were made in them.
pub const LDAP_TRANSACTION_CHANGES: &str = "scimbridge_ldap_transaction_changes_total";
/// Connections to the directory that are open.
pub const LDAP_CONNECTIONS: &str = "scimbridge_ldap_connections";
/// Connections that were attempted, by `outcome`.
pub const LDAP_CONNECTION_ATTEMPTS: &str = "scimbridge_ldap_connection_attempts_total";
/// Whether the directory was there when it was last spoken to.
pub const LDAP_UP: &str = "scimbridge_ldap_up";
/// Changes of the directory that were made, by `operation` and `reason`.
pub const DIRECTORY_CHANGES: &str = "scimbridge_directory_changes_total";
/// Whether the store can be read.
pub const STORE_UP: &str = "scimbridge_store_up";
/// How large the store's files are.
pub const STORE_SIZE: &str = "scimbridge_store_size_bytes";
/// Users that are settled.
pub const USERS: &str = "scimbridge_users";
/// Groups that are settled.
pub const GROUPS: &str = "scimbridge_groups";
/// Memberships that are wanted.
pub const MEMBERSHIPS: &str = "scimbridge_memberships";
/// Resources of which something is wanted that the directory does not hold yet.
pub const PENDING_RESOURCES: &str = "scimbridge_pending_resources";
/// Since when the oldest of it is wanted.
pub const PENDING_OLDEST_AGE: &str = "scimbridge_pending_oldest_age_seconds";
/// When a reconciliation last ended, by `outcome`.
pub const RECONCILE_LAST_RUN: &str = "scimbridge_reconcile_last_run_timestamp_seconds";
/// When one last ended with all as wanted; 0: never.
pub const RECONCILE_LAST_SUCCESS: &str = "scimbridge_reconcile_last_success_timestamp_seconds";
/// How long the last one took.
pub const RECONCILE_LAST_DURATION: &str = "scimbridge_reconcile_last_duration_seconds";
/// Resources that the last one found not to be as wanted.
pub const RECONCILE_DRIFT_RESOURCES: &str = "scimbridge_reconcile_drift_resources";
/// Changes that these needed, by `operation`.
pub const RECONCILE_DRIFT_CHANGES: &str = "scimbridge_reconcile_drift_changes";
/// When a token is no longer taken, by `token`.
pub const TOKEN_EXPIRY: &str = "scimbridge_token_expiry_timestamp_seconds";
/// When the certificate of the service is no longer valid.
pub const TLS_CERTIFICATE_EXPIRY: &str = "scimbridge_tls_certificate_expiry_timestamp_seconds";
/// Always 1, by `version`.
pub const BUILD: &str = "scimbridge_build_info";
/// When the process started.
pub const PROCESS_START: &str = "scimbridge_process_start_time_seconds";

/// The methods that are told apart; what else a client may invent is one.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Says of each metric what it is, to the recorder that is listening.
pub(super) fn describe() {
    describe_counter!(HTTP_REQUESTS, "Requests answered, by route, method and status.");
    describe_histogram!(HTTP_REQUEST_DURATION, Unit::Seconds, "How long requests took, by route and method.");
    describe_gauge!(HTTP_REQUESTS_IN_FLIGHT, "Requests being answered.");
    describe_counter!(LDAP_OPERATIONS, "Operations of the directory, by operation and result code.");
    describe_histogram!(LDAP_OPERATION_DURATION, Unit::Seconds, "How long the directory took, by operation.");
    describe_counter!(LDAP_TRANSACTIONS, "Transactions in which changes were sent together, by outcome.");
    describe_counter!(LDAP_TRANSACTION_CHANGES, "Changes that were made in transactions.");
    describe_gauge!(LDAP_CONNECTIONS, "Connections to the directory that are open.");
    describe_counter!(LDAP_CONNECTION_ATTEMPTS, "Connections to the directory that were attempted, by outcome.");
    describe_gauge!(LDAP_UP, "Whether the directory was there when it was last spoken to: 1 or 0.");
    describe_counter!(DIRECTORY_CHANGES, "Changes made in the directory, by operation and reason.");
    describe_gauge!(STORE_UP, "Whether the store can be read: 1 or 0.");
    describe_gauge!(STORE_SIZE, Unit::Bytes, "Size of the store, its write-ahead log included.");
    describe_gauge!(USERS, "Users that are managed.");
    describe_gauge!(GROUPS, "Groups that are managed.");
    describe_gauge!(MEMBERSHIPS, "Memberships that are wanted, over all groups.");
    describe_gauge!(PENDING_RESOURCES, "Resources with something wanted that the directory does not hold yet.");
    describe_gauge!(PENDING_OLDEST_AGE, Unit::Seconds, "For how long the oldest of that has been wanted.");
    describe_gauge!(RECONCILE_LAST_RUN, Unit::Seconds, "When a reconciliation last ended, by outcome.");
    describe_gauge!(
        RECONCILE_LAST_SUCCESS,
        Unit::Seconds,
        "When a reconciliation last left all as wanted; 0 when none did."
    );
    describe_gauge!(RECONCILE_LAST_DURATION, Unit::Seconds, "How long the last reconciliation took.");
    describe_gauge!(RECONCILE_DRIFT_RESOURCES, "Resources that the last reconciliation found not to be as wanted.");
    describe_gauge!(RECONCILE_DRIFT_CHANGES, "Changes that the last reconciliation found to be needed, by operation.");
    describe_gauge!(TOKEN_EXPIRY, Unit::Seconds, "When a token expires, by token.");
    describe_gauge!(TLS_CERTIFICATE_EXPIRY, Unit::Seconds, "When the service's certificate expires.");
    describe_gauge!(BUILD, "Always 1; the label tells the version.");
    describe_gauge!(PROCESS_START, Unit::Seconds, "When the process started.");
}

/// Shows from the start what may never happen: where no change waits for another, that is what these tell.
pub(super) fn begin_at_zero() {
    counter!(LDAP_TRANSACTIONS, "outcome" => "committed").increment(0);
    counter!(LDAP_TRANSACTION_CHANGES).increment(0);
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "durations for the log and for metrics are measured here")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A request that is being answered; it is one less when this is dropped, however it ends.
#[derive(Debug)]
pub struct RequestInFlight {
    started: Stopwatch,
    method: &'static str,
    route: String,
}

impl RequestInFlight {
    /// A request that has come. `route` is the template that its path fits; `None`: it fits none.
    pub fn come(method: &str, route: Option<&str>) -> RequestInFlight {
        gauge!(HTTP_REQUESTS_IN_FLIGHT).increment(1);
        RequestInFlight {
            started: Stopwatch::start(),
            method: METHODS.into_iter().find(|known| *known == method).unwrap_or("other"),
            route: route.unwrap_or("none").to_owned(),
        }
    }

    /// Counts its answer. Returns how long that took.
    pub fn answered(&self, status: u16) -> Duration {
        let took = self.started.elapsed();
        describe_request(self.method, &self.route, status);
        let labels = [("route", self.route.clone()), ("method", self.method.to_owned())];
        histogram!(HTTP_REQUEST_DURATION, &labels).record(took);
        let [route, method] = labels;
        counter!(HTTP_REQUESTS, &[route, method, ("status", status.to_string())]).increment(1);
        took
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        gauge!(HTTP_REQUESTS_IN_FLIGHT).decrement(1);
    }
}

/// Counts an operation of the directory: which, and by what name its result goes.
pub fn count_ldap_operation(operation: &'static str, result: &'static str, took: Duration) {
    counter!(LDAP_OPERATIONS, "operation" => operation, "result" => result).increment(1);
    histogram!(LDAP_OPERATION_DURATION, "operation" => operation).record(took);
}

/// Counts a transaction of the directory: how it ended, and how many changes it made.
pub fn count_ldap_transaction(outcome: &'static str, changes: usize) {
    counter!(LDAP_TRANSACTIONS, "outcome" => outcome).increment(1);
    counter!(LDAP_TRANSACTION_CHANGES).increment(u64::try_from(changes).unwrap_or(u64::MAX));
}

/// Notes whether the directory is there.
pub fn note_ldap_up(is_up: Up) {
    gauge!(LDAP_UP).set(is_up.as_number());
}

/// Counts an attempt to connect, by what it came to.
pub fn count_ldap_connection_attempt(outcome: &'static str) {
    counter!(LDAP_CONNECTION_ATTEMPTS, "outcome" => outcome).increment(1);
}

/// A connection to the directory that is open; it is one less when this is dropped.
#[derive(Debug)]
pub struct OpenConnection(());

impl OpenConnection {
    /// One that was just made.
    pub fn made() -> OpenConnection {
        gauge!(LDAP_CONNECTIONS).increment(1);
        OpenConnection(())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!(LDAP_CONNECTIONS).decrement(1);
    }
}

/// Counts a change of the directory that was made.
pub fn count_directory_change(operation: &'static str, reason: String) {
    counter!(DIRECTORY_CHANGES, "operation" => operation, "reason" => reason).increment(1);
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Up {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Up {
    fn as_number(self) -> f64 {
        match self {
            Up::Yes => 1.0,
            Up::No => 0.0,
        }
    }
}

/// Says whether the store can be read. This and the `show_…` below are for [`super::Exporter::render`] alone: what they
/// show is looked up when somebody asks, and is not there the next time unless it is shown again.
pub fn show_store_up(is_up: Up) {
    gauge!(STORE_UP).set(is_up.as_number());
}

/// Shows a number under the name of a metric without labels.
pub fn show(name: &'static str, number: f64) {
    gauge!(name).set(number);
}

/// Shows when a reconciliation last ended so, in seconds since 1970.
pub fn show_reconcile_last_run(outcome: &'static str, ended: f64) {
    gauge!(RECONCILE_LAST_RUN, "outcome" => outcome).set(ended);
}

/// Shows how many changes of a kind the last reconciliation found to be needed.
pub fn show_reconcile_drift_changes(operation: &'static str, changes: f64) {
    gauge!(RECONCILE_DRIFT_CHANGES, "operation" => operation).set(changes);
}

/// Shows when tokens expire: the name of each, and the time in seconds since 1970. Those that never do are left out.
pub fn show_token_expiries(expiries: impl IntoIterator<Item = (String, f64)>) {
    for (token, expiry) in expiries {
        gauge!(TOKEN_EXPIRY, "token" => token).set(expiry);
    }
}
