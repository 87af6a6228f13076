//! The settings as written. Nothing here is checked. Not `Debug`: secrets are among them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    pub(super) server: Server,
    pub(super) auth: Auth,
    pub(super) store: Store,
    pub(super) ldap: Ldap,
    pub(super) users: Users,
    pub(super) groups: Groups,
    pub(super) reconcile: Reconcile,
    pub(super) history: History,
    pub(super) log: Log,
    pub(super) metrics: Metrics,
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) listen: String,
    pub(super) base_url: String,
    pub(super) tls_cert_file: Option<String>,
    pub(super) tls_key_file: Option<String>,
    #[serde(deserialize_with = "list")]
    pub(super) trusted_proxies: Vec<String>,
    pub(super) max_connections: usize,
    pub(super) max_requests_in_flight: usize,
    pub(super) rate_limit: u32,
    pub(super) rate_burst: u32,
    pub(super) header_timeout: String,
    pub(super) body_timeout: String,
    pub(super) idle_timeout: String,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: "127.0.0.1:8080".to_owned(),
            base_url: "http://127.0.0.1:8080/scim/v2".to_owned(),
            tls_cert_file: None,
            tls_key_file: None,
            trusted_proxies: Vec::new(),
            max_connections: 512,
            max_requests_in_flight: 256,
            rate_limit: 0,
            rate_burst: 400,
            header_timeout: "10s".to_owned(),
            body_timeout: "30s".to_owned(),
            idle_timeout: "2m".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Auth {
    pub(super) token: Option<String>,
    pub(super) token_file: Option<String>,
    pub(super) access_token_lifetime: String,
    pub(super) clock_skew: String,
    pub(super) ca_file: Option<String>,
    pub(super) entra: Option<Entra>,
    pub(super) issuer: Vec<Issuer>,
    #[serde(deserialize_with = "list")]
    pub(super) allowed_networks: Vec<String>,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            token: None,
            token_file: None,
            access_token_lifetime: "1h".to_owned(),
            clock_skew: "2m".to_owned(),
            ca_file: None,
            entra: None,
            issuer: Vec::new(),
            allowed_networks: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Entra {
    pub(super) tenant: String,
    pub(super) audience: String,
    pub(super) application: String,
    pub(super) issuer: Option<String>,
    pub(super) keys_url: Option<String>,
}

impl Default for Entra {
    fn default() -> Entra {
        Entra {
            tenant: String::new(),
            audience: "8adf8e6e-67b2-4cf2-a259-e3dc5476c621".to_owned(),
            application: "00000014-0000-0000-c000-000000000000".to_owned(),
            issuer: None,
            keys_url: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Issuer {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) keys_url: Option<String>,
    pub(super) claims: BTreeMap<String, String>,
    #[serde(deserialize_with = "optional_list")]
    pub(super) scopes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Store {
    pub(super) url: String,
}

impl Default for Store {
    fn default() -> Store {
        Store { url: "sqlite://scimbridge.db".to_owned() }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Ldap {
    #[serde(deserialize_with = "list")]
    pub(super) urls: Vec<String>,
    pub(super) start_tls: bool,
    pub(super) ca_file: Option<String>,
    pub(super) insecure_skip_tls_verify: bool,
    pub(super) bind_dn: String,
    pub(super) bind_password: Option<String>,
    pub(super) bind_password_file: Option<String>,
    pub(super) connections: usize,
    pub(super) timeout: String,
    pub(super) transactions: String,
    pub(super) anchor: Option<String>,
    #[serde(deserialize_with = "list")]
    pub(super) references: Vec<String>,
}

impl Default for Ldap {
    fn default() -> Ldap {
        Ldap {
            urls: vec!["ldap://127.0.0.1:389".to_owned()],
            start_tls: false,
            ca_file: None,
            insecure_skip_tls_verify: false,
            bind_dn: String::new(),
            bind_password: None,
            bind_password_file: None,
            connections: 4,
            timeout: "10s".to_owned(),
            transactions: "auto".to_owned(),
            anchor: None,
            references: ["manager", "owner"].map(str::to_owned).to_vec(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Users {
    pub(super) base_dn: String,
    pub(super) create_containers: bool,
    #[serde(deserialize_with = "list")]
    pub(super) object_classes: Vec<String>,
    pub(super) rdn: String,
    #[serde(rename = "match")]
    pub(super) match_attribute: String,
    pub(super) on_delete: String,
    pub(super) password_storage: String,
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
    pub(super) attribute: Vec<Attribute>,
    pub(super) disable: Disable,
}

impl Default for Users {
    fn default() -> Users {
        Users {
            base_dn: String::new(),
            create_containers: false,
            object_classes: vec!["inetOrgPerson".to_owned()],
            rdn: "uid".to_owned(),
            match_attribute: "uid".to_owned(),
            on_delete: "delete".to_owned(),
            password_storage: "server".to_owned(),
            create: true,
            update: true,
            delete: true,
            attribute: Vec::new(),
            disable: Disable::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Disable {
    pub(super) lock: bool,
    pub(super) password: bool,
    pub(super) move_to: Option<String>,
    pub(super) set: Vec<DisableSet>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DisableSet {
    pub(super) ldap: String,
    #[serde(deserialize_with = "list_of_values")]
    pub(super) value: Vec<String>,
}

impl Default for Disable {
    fn default() -> Disable {
        Disable { lock: true, password: false, move_to: None, set: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Groups {
    pub(super) enabled: bool,
    pub(super) base_dn: String,
    #[serde(deserialize_with = "list")]
    pub(super) object_classes: Vec<String>,
    pub(super) rdn: String,
    #[serde(deserialize_with = "list")]
    pub(super) member: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub(super) member_value: Vec<String>,
    pub(super) member_ownership: String,
    pub(super) placeholder: String,
    pub(super) on_collision: String,
    pub(super) distinguish_with: Option<String>,
    pub(super) on_delete: String,
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
    pub(super) attribute: Vec<Attribute>,
}

impl Default for Groups {
    fn default() -> Groups {
        Groups {
            enabled: true,
            base_dn: String::new(),
            object_classes: vec!["groupOfNames".to_owned()],
            rdn: "cn".to_owned(),
            member: vec!["member".to_owned()],
            member_value: vec!["dn".to_owned()],
            member_ownership: "owned".to_owned(),
            placeholder: "cn=empty-group".to_owned(),
            on_collision: "distinguish".to_owned(),
            distinguish_with: None,
            on_delete: "delete".to_owned(),
            create: true,
            update: true,
            delete: true,
            attribute: Vec::new(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Attribute {
    pub(super) ldap: String,
    pub(super) scim: Option<String>,
    pub(super) template: Option<String>,
    #[serde(deserialize_with = "optional_list")]
    pub(super) value: Option<Vec<String>>,
    pub(super) default: Option<String>,
    pub(super) reference: bool,
    pub(super) ownership: Option<String>,
    #[serde(rename = "type")]
    pub(super) scim_type: Option<String>,
    pub(super) allocate: Option<Allocate>,
    /// Whether it is seen to elsewhere, as that of the password is.
    #[serde(skip)]
    pub(super) is_taken: bool,
}

#[derive(Deserialize)]
pub(super) struct Allocate {
    pub(super) from: u32,
    pub(super) to: u32,
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Reconcile {
    pub(super) schedule: String,
    pub(super) max_deletes: String,
    pub(super) max_disables: String,
    pub(super) max_changes: String,
    pub(super) max_member_removals: String,
    pub(super) max_missing: String,
    pub(super) time_zone: String,
    pub(super) keep_undo: String,
}

impl Default for Reconcile {
    fn default() -> Reconcile {
        Reconcile {
            schedule: "*/15 * * * *".to_owned(),
            max_deletes: "5%".to_owned(),
            max_disables: "10%".to_owned(),
            max_changes: "50%".to_owned(),
            max_member_removals: "10%".to_owned(),
            max_missing: "5%".to_owned(),
            time_zone: "UTC".to_owned(),
            keep_undo: "30d".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct History {
    pub(super) keep: String,
    pub(super) max_size: String,
    #[serde(deserialize_with = "list")]
    pub(super) hide: Vec<String>,
}

impl Default for History {
    fn default() -> History {
        History { keep: "90d".to_owned(), max_size: "1GB".to_owned(), hide: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Log {
    pub(super) format: String,
    pub(super) level: String,
    pub(super) otlp_endpoint: String,
}

impl Default for Log {
    fn default() -> Log {
        Log { format: "auto".to_owned(), level: "info".to_owned(), otlp_endpoint: String::new() }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metrics {
    pub(super) listen: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<String>),
    One(String),
}

impl OneOrMany {
    /// A variable of the environment holds a list as words with commas between them.
    fn split(self) -> Vec<String> {
        match self {
            OneOrMany::Many(texts) => texts,
            OneOrMany::One(text) => text.split(',').map(|word| word.trim().to_owned()).collect(),
        }
    }
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    OneOrMany::deserialize(deserializer).map(OneOrMany::split)
}

/// The same where there must be one.
fn list_of_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(optional_list(deserializer)?.unwrap_or_default())
}

/// A text, or a list of texts; a text is one value, whatever it holds.
fn optional_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let written = Option::<OneOrMany>::deserialize(deserializer)?;
    Ok(written.map(|written| match written {
        OneOrMany::Many(texts) => texts,
        OneOrMany::One(text) => vec![text],
    }))
}
