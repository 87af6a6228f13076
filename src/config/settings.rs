//! The settings as meant: checked, every text turned into the thing that it names.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use super::{Auth, History, Problem, Reconcile, Server, auth, history, map, raw, reconcile, server};
use crate::directory::{AttributeName, Dn, Transactions};
use crate::mapping::password::Storage;
use crate::mapping::{GroupRules, UserRules};

/// All settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where Entra reaches the bridge.
    pub server: Server,
    /// From where clients are heard; empty: from everywhere.
    pub allowed_networks: Vec<IpNet>,
    /// One more token from outside.
    pub extra_token: Option<SecretString>,
    /// By what else clients are let in.
    pub auth: Auth,
    /// Where the store is.
    pub store_url: String,
    /// How the directory is reached.
    pub ldap: Ldap,
    /// How users become entries.
    pub users: UserRules,
    /// What clients may do with users.
    pub user_actions: Actions,
    /// How groups become entries; `None` when groups are not offered.
    pub groups: Option<GroupRules>,
    /// What clients may do with groups.
    pub group_actions: Actions,
    /// When what drifted is repaired, and how much of it at once.
    pub reconcile: Reconcile,
    /// How long what was done is told of.
    pub history: History,
    /// What is logged, and how.
    pub log: Log,
    /// Where metrics are shown; `None`: nowhere.
    pub metrics: Option<SocketAddr>,
    /// What an operator should know, though it can be so.
    pub warnings: Vec<String>,
}

/// How the directory is reached.
#[derive(Clone, Debug)]
pub struct Ldap {
    /// Tried in order.
    pub urls: Vec<String>,
    /// Whether an `ldap://` connection turns to TLS.
    pub start_tls: bool,
    /// Certificates to trust beside the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether the server's certificate is not verified.
    pub insecure_skip_tls_verify: bool,
    /// As whom to bind.
    pub bind_dn: Dn,
    /// The password.
    pub bind_password: SecretString,
    /// How many connections.
    pub connections: usize,
    /// How long an operation may take.
    pub timeout: Duration,
    /// Whether changes may be sent in groups.
    pub transactions: Transactions,
    /// What identifies an entry; `None`: what such a server has for it.
    pub anchor: Option<AttributeName>,
    /// What holds DNs that follow when an entry is renamed or deleted, though nobody mapped it.
    pub references: Vec<AttributeName>,
}

/// What clients may do with a kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct Actions {
    /// POST.
    pub create: bool,
    /// PUT and PATCH, disabling included.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// A level, or directives such as `info,scimbridge=debug`.
    pub level: String,
    /// The OpenTelemetry collector that traces are sent to; `None`: they are not.
    pub otlp_endpoint: Option<String>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people when stderr is a terminal, else for programs.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Collects problems while settings are checked.
pub(super) struct Checker {
    pub(super) problems: Vec<Problem>,
}

impl Checker {
    pub(super) fn problem(&mut self, key: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(Problem::new(key, detail));
    }

    /// A value that stands in for one that could not be read; the problem keeps it from being used.
    pub(super) fn or_problem<T: Default>(&mut self, key: &str, outcome: Result<T, String>) -> T {
        outcome.unwrap_or_else(|detail| {
            self.problem(key, detail);
            T::default()
        })
    }

    pub(super) fn dn(&mut self, key: &str, text: &str) -> Dn {
        let parsed = text.parse::<Dn>().map_err(|error| error.to_string());
        let parsed = match parsed {
            Ok(dn) if dn.rdn().is_none() => Err("is required: the DN of an entry in the directory".to_owned()),
            other => other,
        };
        self.or_problem(key, parsed)
    }

    pub(super) fn attribute(&mut self, key: &str, text: &str) -> AttributeName {
        AttributeName::parse(text).unwrap_or_else(|| {
            self.problem(key, format!("{text:?} is not the name of an LDAP attribute"));
            AttributeName::of("cn")
        })
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, text: &str, choices: &[(&str, T)], otherwise: T) -> T {
        if let Some((_, chosen)) = choices.iter().find(|(name, _)| *name == text) {
            return *chosen;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.problem(key, format!("{text:?} is not one of {}", names.join(", ")));
        otherwise
    }

    /// A key whose feature this version does not have, set to something that would need it.
    pub(super) fn later(&mut self, key: impl Into<String>, what: &str) {
        self.problem(key, format!("{what} is not supported by this version; remove the key"));
    }

    /// A bind with an empty password succeeds anonymously (RFC 4513 §5.1.2), and an empty token is none.
    fn not_empty(&mut self, key: &str, secret: String) -> Option<SecretString> {
        if secret.is_empty() {
            self.problem(key, "is empty");
        }
        Some(SecretString::from(secret))
    }

    fn secret(&mut self, key: &str, text: Option<String>, file: Option<String>) -> Option<SecretString> {
        match (text, file) {
            (Some(_), Some(_)) => {
                self.problem(key, format!("both {key} and {key}_file are set; remove one"));
                None
            }
            (Some(text), None) => self.not_empty(key, text),
            (None, Some(file)) => match std::fs::read_to_string(&file) {
                // Editors and `echo` end a file with a newline that is not part of the secret.
                Ok(text) => self.not_empty(&format!("{key}_file"), text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    self.problem(format!("{key}_file"), format!("cannot read {file}: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }
}

impl Settings {
    pub(super) fn check(raw: raw::Raw) -> Result<Settings, Vec<Problem>> {
        let mut checker = Checker { problems: Vec::new() };
        let raw::Raw {
            server: edge,
            mut auth,
            store,
            ldap,
            users,
            groups,
            reconcile: runs,
            history: kept,
            log,
            metrics,
        } = raw;
        let user_actions = Actions { create: users.create, update: users.update, delete: users.delete };
        let group_actions = Actions { create: groups.create, update: groups.update, delete: groups.delete };
        let settings = Settings {
            server: server::check(&mut checker, edge),
            allowed_networks: server::networks(&mut checker, "auth.allowed_networks", &auth.allowed_networks),
            extra_token: checker.secret("auth.token", auth.token.take(), auth.token_file.take()),
            auth: auth::check(&mut checker, auth),
            store_url: check_store(&mut checker, store),
            ldap: check_ldap(&mut checker, ldap),
            users: map::users(&mut checker, users),
            user_actions,
            groups: groups.enabled.then(|| map::groups(&mut checker, groups)),
            group_actions,
            reconcile: reconcile::check(&mut checker, runs),
            history: history::check(&mut checker, kept),
            log: check_log(&mut checker, log),
            metrics: check_metrics(&mut checker, &metrics),
            warnings: Vec::new(),
        };
        let by_server = settings.users.password.as_ref().is_some_and(|rule| rule.storage == Storage::Server);
        let in_clear = |url: &&String| is_in_clear(url);
        if let Some(url) = settings.ldap.urls.iter().find(in_clear).filter(|_| by_server && !settings.ldap.start_tls) {
            let detail = format!(
                "passwords would go to {url} in clear: use ldaps:// or ldap.start_tls, or let them be \
                                  hashed here by {{SSHA512}} or {{ARGON2}}"
            );
            checker.problem("users.password_storage", detail);
        }
        if checker.problems.is_empty() { Ok(settings.with_warnings()) } else { Err(checker.problems) }
    }

    fn with_warnings(mut self) -> Settings {
        self.warnings.extend(self.server.warnings());
        let in_clear = |url: &&String| is_in_clear(url);
        if let Some(url) = self.ldap.urls.iter().find(in_clear)
            && !self.ldap.start_tls
        {
            self.warnings.push(format!("the bind password goes to {url} in clear: use ldaps:// or ldap.start_tls"));
        }
        if self.ldap.insecure_skip_tls_verify {
            self.warnings
                .push("ldap.insecure_skip_tls_verify: anybody on the way can pose as the directory".to_owned());
        }
        if self.history.keep < self.reconcile.keep_undo {
            self.warnings.push(
                "reconcile.keep_undo is longer than history.keep, after which nothing is left to be undone".to_owned(),
            );
        }
        let disable = &self.users.disable;
        if !disable.is_any() {
            self.warnings.push("[users.disable] has nothing: users whom Entra disables can still log in".to_owned());
        } else if !disable.lock && !disable.password {
            self.warnings.push(
                "users.disable.lock and .password are off: users whom Entra disables can still bind, and it is for \
                 the applications to see that they are disabled"
                    .to_owned(),
            );
        }
        self
    }
}

/// Whether what is sent to that server can be read on the way, unless the connection turns to TLS.
fn is_in_clear(url: &str) -> bool {
    url.starts_with("ldap://") && !is_loopback(url)
}

pub(super) fn is_loopback(url: &str) -> bool {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    host == "localhost" || host.starts_with("127.") || host == "[::1]"
}

fn check_store(checker: &mut Checker, store: raw::Store) -> String {
    if store.url.starts_with("postgres:") || store.url.starts_with("postgresql:") {
        checker.problem("store.url", "postgres:// is not supported by this version; use sqlite://");
    } else if !store.url.starts_with("sqlite:") {
        checker.problem("store.url", format!("{:?} is not a sqlite:// URL", store.url));
    }
    store.url
}

fn check_ldap(checker: &mut Checker, ldap: raw::Ldap) -> Ldap {
    if ldap.urls.is_empty() {
        checker.problem("ldap.urls", "is empty: at least one directory server is needed");
    }
    for url in &ldap.urls {
        let scheme = url::Url::parse(url).map(|url| url.scheme().to_owned()).unwrap_or_default();
        if !["ldap", "ldaps", "ldapi"].contains(&scheme.as_str()) {
            checker.problem("ldap.urls", format!("{url:?} is not an ldap://, ldaps:// or ldapi:// URL"));
        }
    }
    let transactions = [("auto", Transactions::Auto), ("off", Transactions::Off), ("unsafe", Transactions::Unsafe)];
    let transactions = checker.choice("ldap.transactions", &ldap.transactions, &transactions, Transactions::Off);
    if ldap.connections == 0 {
        checker.problem("ldap.connections", "must be at least 1");
    }
    let bind_dn = checker.dn("ldap.bind_dn", &ldap.bind_dn);
    let bind_password = checker.secret("ldap.bind_password", ldap.bind_password, ldap.bind_password_file);
    if bind_password.is_none() && !checker.problems.iter().any(|problem| problem.key.starts_with("ldap.bind_password"))
    {
        checker.problem("ldap.bind_password", "is required (or ldap.bind_password_file)");
    }
    let timeout =
        humantime::parse_duration(&ldap.timeout).map_err(|error| format!("{:?}: {error}; write 10s", ldap.timeout));
    let timeout = checker.or_problem("ldap.timeout", timeout);
    if timeout.is_zero() && ldap.timeout.starts_with('0') {
        checker.problem("ldap.timeout", "must be longer than nothing");
    }
    let ca_pem = ldap.ca_file.and_then(|file| match std::fs::read(Path::new(&file)) {
        Ok(pem) => Some(pem),
        Err(error) => {
            checker.problem("ldap.ca_file", format!("cannot read {file}: {error}"));
            None
        }
    });
    Ldap {
        anchor: ldap.anchor.map(|name| checker.attribute("ldap.anchor", &name)),
        references: ldap.references.iter().map(|name| checker.attribute("ldap.references", name)).collect(),
        urls: ldap.urls,
        start_tls: ldap.start_tls,
        ca_pem,
        insecure_skip_tls_verify: ldap.insecure_skip_tls_verify,
        bind_dn,
        bind_password: bind_password.unwrap_or_default(),
        connections: ldap.connections,
        timeout,
        transactions,
    }
}

fn check_log(checker: &mut Checker, log: raw::Log) -> Log {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = checker.choice("log.format", &log.format, &formats, LogFormat::Auto);
    // A lone word that is no level would be taken for the name of a module, and everything else be silent.
    let is_level =
        |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word.to_lowercase().as_str());
    let no_level = log.level.split(',').any(|directive| !directive.contains('=') && !is_level(directive.trim()));
    if no_level || log.level.parse::<tracing_subscriber::EnvFilter>().is_err() {
        checker.problem(
            "log.level",
            format!("{:?} is not a level such as info, or a list such as info,scimbridge=debug", log.level),
        );
    }
    let otlp_endpoint = Some(log.otlp_endpoint).filter(|endpoint| !endpoint.is_empty());
    if let Some(endpoint) = &otlp_endpoint
        && !is_collector(endpoint)
    {
        checker.problem(
            "log.otlp_endpoint",
            format!("{endpoint:?} is not the http or https URL of a collector, such as http://127.0.0.1:4318"),
        );
    }
    Log { format, level: log.level, otlp_endpoint }
}

fn is_collector(endpoint: &str) -> bool {
    // What it wants to be shown comes by a variable: a URL is repeated in messages.
    let is_plain = |url: &url::Url| url.username().is_empty() && url.password().is_none();
    let is_whole = |url: &url::Url| url.has_host() && url.query().is_none() && url.fragment().is_none();
    url::Url::parse(endpoint)
        .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && is_plain(&url) && is_whole(&url))
}

fn check_metrics(checker: &mut Checker, metrics: &raw::Metrics) -> Option<SocketAddr> {
    if metrics.listen.is_empty() {
        return None;
    }
    let listen = metrics.listen.parse();
    if listen.is_err() {
        let detail = format!("{:?} is not an address and port such as 127.0.0.1:9464", metrics.listen);
        checker.problem("metrics.listen", detail);
    }
    listen.ok()
}
