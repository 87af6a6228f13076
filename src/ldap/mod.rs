//! The directory, read and changed. The only place that knows the `ldap3` crate.
//!
//! Not a decision maker: it carries out what it is told and says what the server answered. Invariants:
//! the directory changes through [`Directory::apply`] and [`Directory::set_password`] alone
//! ([`Directory::may_add_below`] only asks), and not in a [`Directory::rehearsal`]; every LDAP operation ends within the
//! timeout (connecting and binding are operations of their own), and a search that was cut short is an error, never a
//! shorter list.

mod batch;
mod error;
mod filter;
mod measured;
mod no_operation;
mod pages;
mod password;
mod pool;
mod rehearsal;
mod tls;
mod write;

pub use batch::Grouping;
pub use error::{Error, Fault};
pub use filter::Filter;
pub use pages::{Pages, PagesAhead, Unread};
pub use pool::Settings;
pub use tls::TlsFault;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use ldap3::{LdapResult, ResultEntry, Scope, SearchEntry};
use tokio::sync::Mutex;

use crate::directory::flavor::{self, ENTRY_UUID, ROOT_DSE_ATTRIBUTES};
use crate::directory::{Anchor, AttributeName, Change, Dn, Entry, Flavor, Schema, Value};
use batch::Batches;
use measured::Answer;
use pool::{Handle, Pool};
use rehearsal::Rehearsal;
use write::Writing;

/// The library warns of answers that come after their time; they are told of where they are missed.
pub const LOG_DIRECTIVE: &str = "ldap3=error";
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;

/// What the server is and which schema it has, read once.
#[derive(Clone, Debug)]
pub struct Profile {
    /// What the server can do.
    pub flavor: Flavor,
    /// Its schema.
    pub schema: Schema,
    /// The suffixes of its trees.
    pub suffixes: Vec<Dn>,
    /// Where it tells of its state.
    pub monitor: Option<Dn>,
    /// How it names itself, for people.
    pub server: String,
}

/// How far below its base a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The base entry alone.
    Base,
    /// The base and all below it.
    Subtree,
}

/// A directory server, or several that stand in for each other.
#[derive(Debug)]
pub struct Directory {
    pool: Arc<Pool>,
    /// As configured, or the server's own once its profile is known.
    anchor: Arc<OnceLock<AttributeName>>,
    profile: Arc<Mutex<Option<Arc<Profile>>>>,
    /// Changes that wait for others.
    batches: Arc<Batches>,
    /// What is imagined; `None` where changes are made.
    rehearsal: Option<Rehearsal>,
}

impl Directory {
    /// A directory that is connected to when it is first needed. `anchor` is the attribute that
    /// identifies an entry for its whole life; `None`: the one that such a server has for it.
    ///
    /// # Errors
    /// [`Error::Tls`] when the certificates to trust cannot be read.
    pub fn new(settings: Settings, anchor: Option<AttributeName>) -> Result<Directory, Error> {
        let anchor = anchor.map(OnceLock::from).unwrap_or_default();
        let pool = Arc::new(Pool::new(settings)?);
        Ok(Directory {
            pool,
            anchor: Arc::new(anchor),
            profile: Arc::default(),
            batches: Arc::default(),
            rehearsal: None,
        })
    }

    /// The attribute that identifies entries. Where nobody configured it, it is certain from the first answer on.
    pub fn anchor(&self) -> &AttributeName {
        static BEFORE: LazyLock<AttributeName> = LazyLock::new(|| AttributeName::of(ENTRY_UUID));
        self.anchor.get().unwrap_or(&BEFORE)
    }

    /// What the server is; asked once, when it first answers. All servers of one directory are taken to be alike,
    /// and a change of schema is seen after a restart.
    ///
    /// # Errors
    /// The directory is away, or does not show its root DSE.
    pub async fn profile(&self) -> Result<Arc<Profile>, Error> {
        let mut known = self.profile.lock().await;
        if let Some(profile) = known.as_ref() {
            return Ok(profile.clone());
        }
        let filter = Filter::Present(AttributeName::of("objectClass"));
        let root_dse = self.look(&Dn::default(), Depth::Base, &filter, &ROOT_DSE_ATTRIBUTES).await?;
        let root_dse = root_dse.into_iter().next().ok_or(Error::NoRootDse)?;
        let subschema = root_dse.values(&AttributeName::of("subschemaSubentry")).first().and_then(Value::as_str);
        let subschema: Dn = match subschema.map(str::parse) {
            Some(Ok(dn)) => dn,
            _ => return Err(Error::NoRootDse),
        };
        let kinds = ["attributeTypes", "objectClasses"];
        let filter = Filter::equal(AttributeName::of("objectClass"), "subschema");
        let entries = self.look(&subschema, Depth::Base, &filter, &kinds).await?;
        let [attributes, classes] = kinds.map(AttributeName::of);
        let subschema =
            entries.first().filter(|entry| !entry.values(&attributes).is_empty()).ok_or(Error::NoRootDse)?;
        let schema = Schema::parse(subschema.values(&attributes), subschema.values(&classes));
        let suffixes = root_dse.values(&AttributeName::of("namingContexts")).iter();
        let suffixes = suffixes.filter_map(|suffix| suffix.as_str()?.parse().ok()).collect();
        let monitor = root_dse.values(&AttributeName::of("monitorContext")).first().and_then(Value::as_str);
        let monitor = monitor.and_then(|monitor| monitor.parse().ok());
        let flavor = Flavor::of(&root_dse);
        self.anchor.get_or_init(|| flavor.anchor());
        let profile = Arc::new(Profile { flavor, schema, suffixes, monitor, server: flavor::name_of(&root_dse) });
        *known = Some(profile.clone());
        Ok(profile)
    }

    /// The entry of that name; `None` when there is none.
    ///
    /// # Errors
    /// As [`Directory::search`].
    pub async fn read(&self, dn: &Dn, attributes: &[AttributeName]) -> Result<Option<Entry>, Error> {
        let filter = Filter::Present(AttributeName::of("objectClass"));
        match self.search(dn, Depth::Base, &filter, attributes).await {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(error) if error.is_no_such_object() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All entries that the filter selects, with the attributes asked for and the anchor.
    ///
    /// # Errors
    /// The server's answer, [`Fault::Truncated`] when it did not show everything; or it is away.
    pub async fn search(
        &self,
        base: &Dn,
        depth: Depth,
        filter: &Filter,
        attributes: &[AttributeName],
    ) -> Result<Vec<Entry>, Error> {
        match &self.rehearsal {
            Some(rehearsal) => self.search_imagined(rehearsal, base, depth, filter, attributes).await,
            None => self.search_server(base, depth, filter, attributes).await,
        }
    }

    async fn search_server(
        &self,
        base: &Dn,
        depth: Depth,
        filter: &Filter,
        attributes: &[AttributeName],
    ) -> Result<Vec<Entry>, Error> {
        let (entries, result) = self.ask(base, depth, filter, attributes).await?;
        succeed("search", base, result)?;
        Ok(entries)
    }

    /// As many of the entries as the server shows, by name alone. Nothing may be concluded from what is missing,
    /// but that an empty answer means that there are none.
    ///
    /// # Errors
    /// The server's answer, [`Fault::Truncated`] when it shows none although there are some; or it is away.
    pub async fn search_some(&self, base: &Dn, filter: &Filter) -> Result<Vec<Entry>, Error> {
        if let Some(rehearsal) = &self.rehearsal {
            return self.search_some_imagined(rehearsal, base, filter).await;
        }
        let (entries, result) = self.ask(base, Depth::Subtree, filter, &[]).await?;
        if result.rc != SIZE_LIMIT_EXCEEDED || entries.is_empty() {
            succeed("search", base, result)?;
        }
        Ok(entries)
    }

    /// After how many entries the server cuts a search of everything off, if it does so before `enough` are seen. What
    /// comes after those is not asked for.
    ///
    /// # Errors
    /// The server's answer, or it is away.
    pub async fn cut_off_after(&self, base: &Dn, enough: usize) -> Result<Option<usize>, Error> {
        let mut handle = self.pool.handle().await?;
        let name = base.to_string();
        // No limit of ours: a server may allow more to who asks for it, and the other searches do not.
        let stream = handle.ldap().streaming_search(&name, Scope::Subtree, "(objectClass=*)", vec!["1.1"]).await;
        let mut stream = handle.check("search", base, stream)?;
        let mut seen = 0;
        while seen < enough {
            if handle.check("search", base, stream.next().await)?.is_none() {
                let result = stream.finish().await;
                handle.count("search", &result);
                return match result.rc {
                    SIZE_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED => Ok(Some(seen)),
                    _ => succeed("search", base, result).map(|()| None),
                };
            }
            seen += 1;
        }
        let ldap = stream.ldap_handle();
        let search = ldap.last_id();
        let abandoned = ldap.abandon(search).await;
        handle.check("abandon", base, abandoned).map(|()| None)
    }

    async fn ask(
        &self,
        base: &Dn,
        depth: Depth,
        filter: &Filter,
        attributes: &[AttributeName],
    ) -> Result<(Vec<Entry>, LdapResult), Error> {
        if self.anchor.get().is_none() {
            self.profile().await?;
        }
        let mut wanted: Vec<&str> = attributes.iter().map(AttributeName::as_str).collect();
        wanted.push(self.anchor().as_str());
        self.send_search(base, depth, filter, wanted).await
    }

    /// A search without the anchor, which need not be known for it.
    async fn look(&self, base: &Dn, depth: Depth, filter: &Filter, wanted: &[&str]) -> Result<Vec<Entry>, Error> {
        let (entries, result) = self.send_search(base, depth, filter, wanted.to_vec()).await?;
        succeed("search", base, result)?;
        Ok(entries)
    }

    async fn send_search(
        &self,
        base: &Dn,
        depth: Depth,
        filter: &Filter,
        wanted: Vec<&str>,
    ) -> Result<(Vec<Entry>, LdapResult), Error> {
        let scope = match depth {
            Depth::Base => Scope::Base,
            Depth::Subtree => Scope::Subtree,
        };
        let (base_text, filter_text) = (base.to_string(), filter.to_string());
        let mut handle = self.pool.handle().await?;
        let found = handle.ldap().search(&base_text, scope, &filter_text, wanted).await;
        let ldap3::SearchResult(entries, result) = handle.check("search", base, found)?;
        let entries: Result<Vec<Entry>, Error> = entries.into_iter().map(read_entry).collect();
        Ok((entries?, result))
    }

    /// Whether an entry holds a value, by the attribute's own rule; false when there is no such entry.
    ///
    /// # Errors
    /// The server's answer, or it is away.
    pub async fn holds(&self, dn: &Dn, attribute: &AttributeName, value: &Value) -> Result<bool, Error> {
        const COMPARE_TRUE: u32 = 6;
        if let Some(rehearsal) = &self.rehearsal
            && let Some(held) = self.holds_imagined(rehearsal, dn, attribute, value).await?
        {
            return Ok(held);
        }
        let mut handle = self.pool.handle().await?;
        let compared = handle.ldap().compare(&dn.to_string(), attribute.as_str(), value.as_bytes()).await;
        let result = handle.check("compare", dn, compared)?.0;
        // compareFalse, noSuchAttribute, noSuchObject (RFC 4511 §4.10).
        match result.rc {
            COMPARE_TRUE => Ok(true),
            5 | 16 | 32 => Ok(false),
            _ => Err(Error::answer("compare", dn, result)),
        }
    }

    /// Carries out one change, or imagines it in a rehearsal. Returns the anchor of an entry that was added.
    ///
    /// # Errors
    /// The server's answer; nothing was changed then. Or the connection was lost, and then it is not known
    /// whether the change was made: look.
    pub async fn apply(&self, change: &Change) -> Result<Option<Anchor>, Error> {
        match self.writing() {
            Writing::Sent(sender) => sender.send(change).await,
            Writing::Imagined(rehearsal) => self.imagine(rehearsal, change).await,
        }
    }

    /// Takes leave of the server. A rehearsal does not: its connections are the directory's.
    pub async fn close(&self) {
        if self.rehearsal.is_none() {
            self.batches.close(self.pool.timeout()).await;
            self.pool.close().await;
        }
    }
}

fn succeed(attempt: &'static str, dn: &Dn, result: LdapResult) -> Result<(), Error> {
    if result.rc == 0 { Ok(()) } else { Err(Error::answer(attempt, dn, result)) }
}

fn read_entry(found: ResultEntry) -> Result<Entry, Error> {
    let found = SearchEntry::construct(found);
    let dn: Dn = found.dn.parse().map_err(Error::UnreadableDn)?;
    let texts = found.attrs.into_iter().map(|(name, values)| (name, values.into_iter().map(Value::from).collect()));
    let binaries =
        found.bin_attrs.into_iter().map(|(name, values)| (name, values.into_iter().map(Value::from).collect()));
    let attributes: BTreeMap<AttributeName, Vec<Value>> = texts
        .chain(binaries)
        .filter_map(|(name, values): (String, Vec<Value>)| Some((AttributeName::parse(&name)?, values)))
        .collect();
    Ok(Entry { dn, attributes })
}

impl Handle {
    /// Turns a failure of the connection into ours, and gives the connection up.
    fn check<T: Answer>(&self, attempt: &'static str, dn: &Dn, outcome: ldap3::result::Result<T>) -> Result<T, Error> {
        self.count_outcome(attempt, &outcome);
        outcome.map_err(|source| {
            self.give_up();
            Error::Interrupted { attempt, dn: dn.clone(), source: Box::new(source) }
        })
    }
}
