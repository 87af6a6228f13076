//! A directory in which changes are only imagined: what is read is what the server shows, and over it what the changes
//! would have made of it.
//!
//! Not a second server: what a change makes of an entry, and why it would be refused, [`imagine`] says. Invariants: an
//! entry that is imagined is never the server's again; and nothing here sends anything but questions, for the way to the
//! server is a [`Sender`](super::write::Sender), which a rehearsal does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::password::SET_PASSWORD;
use super::{Depth, Directory, Error, Filter, SIZE_LIMIT_EXCEEDED, succeed};
use crate::directory::attribute::PASSWORD_ATTRIBUTE;
use crate::directory::imagine::{self, Refusal, Structures};
use crate::directory::violation::STRUCTURAL_CLASS;
use crate::directory::{
    Action, Anchor, AttributeName, Attributes, Change, Dn, Entry, Modification, Rdn, Schema, Tolerance, Value,
};

/// What stands for a password that was set: the server alone would know the hash.
const IMAGINED_PASSWORD: &str = "{IMAGINED}";
/// How many names are asked for at a time when one answer shows too few.
const PAGE_SIZE: u16 = 200;

/// What was imagined so far. Several may imagine at once.
#[derive(Debug, Default)]
pub(super) struct Rehearsal(Mutex<Imagined>);

#[derive(Debug, Default)]
struct Imagined {
    /// Every entry that was touched, in full, by its normalized name; `None`: it is gone.
    entries: BTreeMap<String, Option<Entry>>,
    /// Those of them that the server has, as they were there.
    before: BTreeMap<String, Entry>,
    /// All attributes that anybody asked for: some servers show some of theirs to nobody who does not name them.
    asked: BTreeSet<AttributeName>,
    /// How many entries were added.
    added: u64,
}

impl Rehearsal {
    /// Never held across a question to the server.
    fn lock(&self) -> MutexGuard<'_, Imagined> {
        // Whoever panicked left whole entries behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Imagined {
    /// The entry as it is imagined; the outer `None`: it was not touched.
    fn entry(&self, dn: &Dn) -> Option<Option<&Entry>> {
        self.entries.get(&dn.normalized()).map(Option::as_ref)
    }

    /// What the entry is, if `served` is what the server has.
    fn now(&self, dn: &Dn, served: Option<Entry>) -> Option<Entry> {
        self.entry(dn).map_or(served, |imagined| imagined.cloned())
    }

    /// Imagines an entry in the place of what the server has.
    fn put(&mut self, dn: &Dn, served: Option<&Entry>, entry: Option<Entry>) {
        let name = dn.normalized();
        if let (false, Some(served)) = (self.entries.contains_key(&name), served) {
            self.before.insert(name.clone(), served.clone());
        }
        self.entries.insert(name, entry);
    }

    /// Moves what is imagined below an entry that is renamed. What the server has there keeps its old name: users and
    /// groups, which are what is renamed, have nothing below them.
    fn move_below(&mut self, old: &Dn, new: &Dn) {
        let is_below = |entry: &&Entry| entry.dn.is_under(old);
        let children: Vec<Entry> = self.entries.values().flatten().filter(is_below).cloned().collect();
        for mut child in children {
            self.put(&child.dn.clone(), None, None);
            if let Some(dn) = moved(&child.dn, old, new) {
                child.dn = dn;
                self.put(&child.dn.clone(), None, Some(child));
            }
        }
    }

    /// The server's entries without those that are imagined, and after them those of these which are selected.
    fn overlay(&self, served: Vec<Entry>, selection: &Selection<'_>) -> Vec<Entry> {
        let untouched = served.into_iter().filter(|entry| self.entry(&entry.dn).is_none());
        let imagined = self.entries.values().flatten().filter(|entry| selection.selects(entry));
        untouched.chain(imagined.map(|entry| selection.show(entry))).collect()
    }
}

/// A search, as it is made in memory.
struct Selection<'a> {
    base: &'a Dn,
    depth: Depth,
    filter: &'a Filter,
    attributes: &'a [AttributeName],
    anchor: &'a AttributeName,
    schema: &'a Schema,
}

impl Selection<'_> {
    fn selects(&self, entry: &Entry) -> bool {
        let is_there = entry.dn == *self.base || (self.depth == Depth::Subtree && entry.dn.is_under(self.base));
        is_there && self.filter.matches(entry, self.schema)
    }

    /// The entry restricted to what was asked for, as a server restricts it.
    fn show(&self, entry: &Entry) -> Entry {
        let is_shown = |held: &AttributeName| {
            let mut asked = self.attributes.iter().chain([self.anchor]);
            asked.any(|asked| match asked.as_str() {
                "*" => !self.schema.is_operational(held),
                "+" => self.schema.is_operational(held),
                _ => self.schema.covers(asked, held),
            })
        };
        let shown = entry.attributes.iter().filter(|(held, _)| is_shown(held));
        Entry { dn: entry.dn.clone(), attributes: shown.map(|(name, values)| (name.clone(), values.clone())).collect() }
    }
}

impl Directory {
    /// The same directory with changes that are only imagined: they are judged by the schema as the server would judge
    /// them, what is read afterwards shows them, and nothing of them ever reaches the server. It begins with what the
    /// server has; another rehearsal knows nothing of it.
    ///
    /// [`Directory::search_pages`], [`Directory::cut_off_after`] and what the server is asked without making it do not
    /// see what is imagined.
    pub fn rehearsal(&self) -> Directory {
        Directory {
            pool: self.pool.clone(),
            anchor: self.anchor.clone(),
            profile: self.profile.clone(),
            batches: self.batches.clone(),
            rehearsal: Some(Rehearsal::default()),
        }
    }

    /// An entry that was changed in this rehearsal, in full, as the server had it before. By the name that it had there;
    /// `None` when it was not changed, or was not there.
    pub fn before_rehearsal(&self, dn: &Dn) -> Option<Entry> {
        let rehearsal = self.rehearsal.as_ref()?;
        rehearsal.lock().before.get(&dn.normalized()).cloned()
    }

    pub(super) async fn search_imagined(
        &self,
        rehearsal: &Rehearsal,
        base: &Dn,
        depth: Depth,
        filter: &Filter,
        attributes: &[AttributeName],
    ) -> Result<Vec<Entry>, Error> {
        let profile = self.profile().await?;
        let (schema, anchor) = (&profile.schema, self.anchor());
        let selection = Selection { base, depth, filter, attributes, anchor, schema };
        let known = {
            let mut imagined = rehearsal.lock();
            imagined.asked.extend(attributes.iter().cloned());
            imagined.entry(base).map(|entry| entry.is_some())
        };
        let served = match (known, depth) {
            (Some(false), _) => return Err(refused("search", base, Refusal::no_such_object())),
            (Some(true), Depth::Base) => Vec::new(),
            _ => match self.search_server(base, depth, filter, attributes).await {
                Err(error) if error.is_no_such_object() && known == Some(true) => Vec::new(),
                answered => answered?,
            },
        };
        Ok(rehearsal.lock().overlay(served, &selection))
    }

    pub(super) async fn search_some_imagined(
        &self,
        rehearsal: &Rehearsal,
        base: &Dn,
        filter: &Filter,
    ) -> Result<Vec<Entry>, Error> {
        let profile = self.profile().await?;
        let (schema, anchor) = (&profile.schema, self.anchor());
        let selection = Selection { base, depth: Depth::Subtree, filter, attributes: &[], anchor, schema };
        let known = rehearsal.lock().entry(base).map(|entry| entry.is_some());
        if known == Some(false) {
            return Err(refused("search", base, Refusal::no_such_object()));
        }
        let (served, result) = self.ask(base, Depth::Subtree, filter, &[]).await?;
        let is_cut_off = result.rc == SIZE_LIMIT_EXCEEDED && !served.is_empty();
        if !is_cut_off {
            match succeed("search", base, result) {
                Err(error) if error.is_no_such_object() && known == Some(true) => {}
                done => done?,
            }
        }
        let found = rehearsal.lock().overlay(served, &selection);
        if !found.is_empty() || !is_cut_off {
            return Ok(found);
        }
        // All that the server shows was changed here; it has more, which it shows page by page.
        let mut pages = self.search_pages(base, filter, &[], PAGE_SIZE).await?;
        while let Some(page) = pages.next().await? {
            let found = rehearsal.lock().overlay(page, &selection);
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// `None`: the server knows.
    pub(super) async fn holds_imagined(
        &self,
        rehearsal: &Rehearsal,
        dn: &Dn,
        attribute: &AttributeName,
        value: &Value,
    ) -> Result<Option<bool>, Error> {
        let profile = self.profile().await?;
        let filter = Filter::equal(attribute.clone(), value.clone());
        let imagined = rehearsal.lock();
        Ok(imagined.entry(dn).map(|entry| entry.is_some_and(|entry| filter.matches(entry, &profile.schema))))
    }

    /// Makes a change in the mind, or refuses it as the server would. Returns an invented anchor for a new entry.
    pub(super) async fn imagine(&self, rehearsal: &Rehearsal, change: &Change) -> Result<Option<Anchor>, Error> {
        let dn = change.dn();
        match change {
            Change::Add { attributes, .. } => self.imagine_addition(rehearsal, dn, attributes).await.map(Some),
            Change::Modify { modifications, tolerance, .. } => {
                let modified = self.imagine_modification("modify", rehearsal, dn, modifications, *tolerance).await;
                modified.map(|()| None)
            }
            Change::Rename { new_rdn, new_parent, .. } => {
                self.imagine_rename(rehearsal, dn, new_rdn, new_parent.as_ref()).await.map(|()| None)
            }
            Change::Delete { .. } => self.imagine_deletion(rehearsal, dn).await.map(|()| None),
        }
    }

    /// Another password: which one, and how the server would keep it, is not known here.
    pub(super) async fn imagine_password(&self, rehearsal: &Rehearsal, dn: &Dn) -> Result<(), Error> {
        let attribute = AttributeName::of(PASSWORD_ATTRIBUTE);
        let values = vec![Value::from(IMAGINED_PASSWORD)];
        let modifications = [Modification { attribute, action: Action::Replace, values }];
        self.imagine_modification(SET_PASSWORD, rehearsal, dn, &modifications, Tolerance::Exact).await
    }

    async fn imagine_addition(&self, rehearsal: &Rehearsal, dn: &Dn, attributes: &Attributes) -> Result<Anchor, Error> {
        let refuse = |refusal| refused("add", dn, refusal);
        let profile = self.profile().await?;
        let served = self.served(rehearsal, dn, &[]).await?;
        let above = match dn.parent() {
            Some(above) if !profile.suffixes.contains(dn) => {
                Some(self.read(&above, &[AttributeName::of(STRUCTURAL_CLASS)]).await?)
            }
            _ => None,
        };
        let shown = above.iter().flatten().next();
        let structures = shown.map_or(Structures::Ignored, Structures::of);
        let mut entry = imagine::added(dn, attributes, structures, &profile.schema).map_err(refuse)?;
        let mut imagined = rehearsal.lock();
        if imagined.now(dn, served.clone()).is_some() {
            return Err(refuse(Refusal::entry_already_exists()));
        }
        if above == Some(None) {
            return Err(refuse(Refusal::no_such_object()));
        }
        imagined.added += 1;
        let anchor = format!("imagined-{}", imagined.added);
        entry.attributes.insert(self.anchor().clone(), vec![Value::from(anchor.as_str())]);
        imagined.put(dn, served.as_ref(), Some(entry));
        Ok(Anchor(anchor))
    }

    async fn imagine_modification(
        &self,
        attempt: &'static str,
        rehearsal: &Rehearsal,
        dn: &Dn,
        modifications: &[Modification],
        tolerance: Tolerance,
    ) -> Result<(), Error> {
        let refuse = |refusal| refused(attempt, dn, refusal);
        let profile = self.profile().await?;
        let named: Vec<AttributeName> =
            modifications.iter().map(|modification| modification.attribute.clone()).collect();
        let served = self.served(rehearsal, dn, &named).await?;
        let mut imagined = rehearsal.lock();
        let present = imagined.now(dn, served.clone());
        let after = imagine::modified(present.as_ref(), modifications, tolerance, &profile.schema).map_err(refuse)?;
        imagined.put(dn, served.as_ref(), Some(after));
        Ok(())
    }

    async fn imagine_rename(
        &self,
        rehearsal: &Rehearsal,
        dn: &Dn,
        new_rdn: &Rdn,
        new_parent: Option<&Dn>,
    ) -> Result<(), Error> {
        let refuse = |refusal| refused("rename", dn, refusal);
        let profile = self.profile().await?;
        let served = self.served(rehearsal, dn, &[]).await?;
        if rehearsal.lock().now(dn, served.clone()).is_none() {
            return Err(refuse(Refusal::no_such_object()));
        }
        if let Some(parent) = new_parent
            && self.read(parent, &[]).await?.is_none()
        {
            return Err(refuse(Refusal::no_such_object()));
        }
        let target = new_parent.cloned().or_else(|| dn.parent()).unwrap_or_default().child(new_rdn.clone());
        let occupant = self.served(rehearsal, &target, &[]).await?;
        let mut imagined = rehearsal.lock();
        let present = imagined.now(dn, served.clone()).ok_or_else(|| refuse(Refusal::no_such_object()))?;
        if target != *dn && imagined.now(&target, occupant.clone()).is_some() {
            return Err(refuse(Refusal::entry_already_exists()));
        }
        let after = imagine::renamed(&present, new_rdn, new_parent, &profile.schema).map_err(refuse)?;
        imagined.put(dn, served.as_ref(), None);
        imagined.put(&target, occupant.as_ref(), Some(after));
        imagined.move_below(dn, &target);
        Ok(())
    }

    async fn imagine_deletion(&self, rehearsal: &Rehearsal, dn: &Dn) -> Result<(), Error> {
        let refuse = |refusal| refused("delete", dn, refusal);
        let served = self.served(rehearsal, dn, &[]).await?;
        if rehearsal.lock().now(dn, served.clone()).is_none() {
            return Err(refuse(Refusal::no_such_object()));
        }
        let everything = Filter::Present(AttributeName::of("objectClass"));
        let below = self.search_some(dn, &everything).await?;
        if below.iter().any(|entry| entry.dn.is_under(dn)) {
            return Err(refuse(Refusal::new(66, "subordinate objects must be deleted first")));
        }
        rehearsal.lock().put(dn, served.as_ref(), None);
        Ok(())
    }

    /// An entry as the server has it, in full; `None` also when what is imagined of it counts already.
    async fn served(&self, rehearsal: &Rehearsal, dn: &Dn, named: &[AttributeName]) -> Result<Option<Entry>, Error> {
        let attributes: Vec<AttributeName> = {
            let imagined = rehearsal.lock();
            if imagined.entry(dn).is_some() {
                return Ok(None);
            }
            let all = [AttributeName::of("*"), AttributeName::of("+")];
            all.into_iter().chain(imagined.asked.iter().cloned()).chain(named.iter().cloned()).collect()
        };
        let filter = Filter::Present(AttributeName::of("objectClass"));
        match self.search_server(dn, Depth::Base, &filter, &attributes).await {
            Err(error) if error.is_no_such_object() => Ok(None),
            answered => Ok(answered?.into_iter().next()),
        }
    }
}

/// The name of an entry below one that is renamed.
fn moved(dn: &Dn, old: &Dn, new: &Dn) -> Option<Dn> {
    let parent = dn.parent()?;
    let parent = if parent == *old { new.clone() } else { moved(&parent, old, new)? };
    Some(parent.child(dn.rdn()?.clone()))
}

fn refused(attempt: &'static str, dn: &Dn, refusal: Refusal) -> Error {
    Error::Answer { attempt, dn: dn.clone(), code: refusal.code, text: refusal.text }
}
