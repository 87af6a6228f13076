//! Who may not be as wanted: the directory is read page by page, and compared with the store page by page.
//!
//! A suspicion is no verdict: who is suspected wrongly comes to nothing when it is settled. Who is not suspected and
//! should be, stays as they are; so whatever is not plainly right is suspected.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::marks::Marks;
use super::{Progress, Selection, Stage, Suspect};
use crate::directory::{Anchor, AttributeName, Dn, Entry, Link, Value};
use crate::ldap::{self, Filter, Unread};
use crate::mapping::References;
use crate::plan::{self, Budgets, missing_excess};
use crate::scim::{Kind, ResourceId};
use crate::settle::{Bridge, Error};
use crate::store::{self, Checked, State};

/// How many ids the store is asked for at a time.
const IDS_PER_PAGE: u32 = 10_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) suspects: BTreeMap<ResourceId, Suspect>,
    /// Entries that look like resources' and are nobody's.
    pub(super) unmanaged: Vec<Dn>,
    pub(super) census: plan::Census,
    /// Groups that list members whom Entra did not name and who stay: how many, and the first of them.
    pub(super) strangers: BTreeMap<ResourceId, (usize, Vec<Value>)>,
    /// Resources of which nothing can be concluded, and why.
    pub(super) unjudged: BTreeMap<ResourceId, String>,
    seen: Seen,
    /// How many were read, of both kinds.
    entries: Arc<AtomicU64>,
    referrals: usize,
}

/// Whose entries were seen. Small: there may be a million.
#[derive(Debug, Default)]
struct Seen(HashSet<u128>);

impl Seen {
    fn put(&mut self, id: &ResourceId) {
        self.0.insert(Seen::key(id));
    }

    fn has(&self, id: &ResourceId) -> bool {
        self.0.contains(&Seen::key(id))
    }

    /// Ids are UUIDs that the store has issued.
    fn key(id: &ResourceId) -> u128 {
        id.as_str().parse::<uuid::Uuid>().map(|uuid| uuid.as_u128()).unwrap_or_default()
    }
}

impl Scan {
    pub(super) fn suspect(&mut self, id: &ResourceId, kind: Kind) -> &mut Suspect {
        self.suspects.entry(id.clone()).or_insert_with(|| Suspect::new(id.clone(), kind))
    }

    pub(super) fn see(&mut self, id: &ResourceId) {
        self.seen.put(id);
    }

    /// Notes what a page of a search brought.
    pub(super) fn count(&mut self, entries: usize, progress: &dyn Progress) {
        let before = self.entries.fetch_add(count(entries), Ordering::Relaxed);
        progress.reached(Stage::Reading, before + count(entries), None);
    }

    pub(super) fn refer(&mut self, referrals: usize) {
        self.referrals += referrals;
    }

    fn count_in(&mut self, census: store::Census) {
        let store::Census { users, groups, memberships } = census;
        self.census = plan::Census { users, groups, memberships };
    }

    /// Takes in what was found of the other kind.
    fn join(&mut self, other: Scan) {
        self.suspects.extend(other.suspects);
        self.unmanaged.extend(other.unmanaged);
        self.strangers.extend(other.strangers);
        self.unjudged.extend(other.unjudged);
        self.seen.0.extend(other.seen.0);
        self.referrals += other.referrals;
    }
}

impl Bridge {
    pub(super) async fn scan(
        &self,
        selection: &Selection,
        budgets: &Budgets,
        progress: &dyn Progress,
    ) -> Result<Scan, Error> {
        let mut scan = Scan::default();
        let census = self.store.census();
        match selection {
            Selection::Resource(id) => {
                scan.count_in(census.await?);
                self.scan_one(&mut scan, id).await?;
            }
            Selection::Entry(dn) => {
                scan.count_in(census.await?);
                self.scan_entry(&mut scan, dn).await?;
            }
            Selection::Everything | Selection::Kind(_) => {
                self.suspect_pending(&mut scan, selection).await?;
                let mut of_groups = Scan { entries: scan.entries.clone(), ..Scan::default() };
                let users = async {
                    match self.is_looked_at(selection, Kind::User) {
                        true => self.scan_users(&mut scan, progress).await,
                        false => Ok(()),
                    }
                };
                let groups = async {
                    match self.rules.groups.as_ref().filter(|_| self.is_looked_at(selection, Kind::Group)) {
                        Some(rules) => self.scan_groups(rules, &mut of_groups, progress).await,
                        None => Ok(()),
                    }
                };
                // Each has a connection of its own, and waits where the other goes on.
                let census = async { Ok(census.await?) };
                let ((), (), census) = tokio::try_join!(users, groups, census)?;
                scan.count_in(census);
                scan.join(of_groups);
                self.judge_unseen(&mut scan, selection, budgets).await?;
                let census = &scan.census;
                tracing::debug!(
                    entries = scan.entries.load(Ordering::Relaxed),
                    users = census.users,
                    groups = census.groups,
                    "directory read"
                );
            }
        }
        Ok(scan)
    }

    fn is_looked_at(&self, selection: &Selection, kind: Kind) -> bool {
        selection.includes(kind) && (kind == Kind::User || self.rules.groups.is_some())
    }

    async fn suspect_pending(&self, scan: &mut Scan, selection: &Selection) -> Result<(), Error> {
        for id in self.store.pending().await? {
            if let Some(state) = self.store.state(&id).await?
                && self.is_looked_at(selection, state.kind)
            {
                scan.suspect(&id, state.kind);
            }
        }
        Ok(())
    }

    /// One resource, whatever its entry is like.
    async fn scan_one(&self, scan: &mut Scan, id: &ResourceId) -> Result<(), Error> {
        let state = self.store.state(id).await?.ok_or_else(|| Error::NotFound(id.clone()))?;
        if let Some(link) = &state.link
            && self.entry_anywhere(link, self.base_of(state.kind), &[]).await?.is_none()
            && let Some(branch) = self.hidden_branch(state.kind, Some(link), &mut BTreeMap::new()).await?
        {
            scan.unjudged.insert(id.clone(), hidden_with(&branch));
            return Ok(());
        }
        scan.suspect(id, state.kind);
        match (state.kind, &self.rules.groups, &state.link) {
            (Kind::Group, Some(rules), Some(link)) => self.compare_group(rules, scan, link).await,
            _ => Ok(()),
        }
    }

    async fn scan_entry(&self, scan: &mut Scan, dn: &Dn) -> Result<(), Error> {
        let entry = self.directory.read(dn, &[]).await?.ok_or_else(|| Error::NoEntry(dn.clone()))?;
        let owners = self.store.linked(&self.anchor_of(&entry)?).await?;
        if owners.is_empty() {
            scan.unmanaged.push(dn.clone());
        }
        for owner in owners {
            self.scan_one(scan, &owner).await?;
        }
        Ok(())
    }

    /// The resources whose entries the search did not show.
    ///
    /// # Errors
    /// [`Error::Shrunken`] when they are too many: then the search is not to be believed.
    async fn judge_unseen(&self, scan: &mut Scan, selection: &Selection, budgets: &Budgets) -> Result<(), Error> {
        let mut unseen: BTreeMap<Kind, Vec<(ResourceId, Option<Link>)>> = BTreeMap::new();
        let mut after: Option<ResourceId> = None;
        loop {
            let ids = self.store.ids_after(after.as_ref(), IDS_PER_PAGE).await?;
            let Some((last, _)) = ids.last() else {
                break;
            };
            after = Some(last.clone());
            let is_unseen = |id: &ResourceId| !scan.seen.has(id) && !scan.suspects.contains_key(id);
            for (id, kind) in ids.into_iter().filter(|(id, kind)| self.is_looked_at(selection, *kind) && is_unseen(id))
            {
                if let Some(state) = self.store.state(&id).await? {
                    unseen.entry(kind).or_default().push((id, state.link));
                }
            }
        }
        for (kind, unseen) in unseen {
            self.judge_missing(scan, kind, &unseen, budgets).await?;
        }
        Ok(())
    }

    async fn judge_missing(
        &self,
        scan: &mut Scan,
        kind: Kind,
        unseen: &[(ResourceId, Option<Link>)],
        budgets: &Budgets,
    ) -> Result<(), Error> {
        let census = match kind {
            Kind::User => plan::Census { groups: 0, ..scan.census },
            Kind::Group => plan::Census { users: 0, ..scan.census },
        };
        let suspicious = missing_excess(count(unseen.len()), &census, budgets);
        let (mut gone, mut branches) = (0, BTreeMap::new());
        for (id, link) in unseen {
            if scan.referrals > 0 {
                let reason =
                    "its entry was not seen, and a part of the tree is on another server: nothing is concluded";
                scan.unjudged.insert(id.clone(), reason.to_owned());
                continue;
            }
            match self.hidden_branch(kind, link.as_ref(), &mut branches).await? {
                Some(branch) => _ = scan.unjudged.insert(id.clone(), hidden_with(&branch)),
                None => _ = scan.suspect(id, kind),
            }
            let (Some(link), Some(excess)) = (link, &suspicious) else {
                continue;
            };
            // Perhaps it was only moved, or came to be while the directory was read.
            if self.entry_anywhere(link, self.base_of(kind), &[]).await?.is_none() {
                gone += 1;
            }
            if missing_excess(gone, &census, budgets).is_some() {
                return Err(Error::Shrunken {
                    kind,
                    seen: scan.entries.load(Ordering::Relaxed),
                    excess: Box::new(excess.clone()),
                });
            }
        }
        Ok(())
    }

    /// The entry above a link's, if it is not shown either: then the bridge may not see what is below it, and an entry
    /// that were made anew elsewhere would be there twice. What is known of such entries is kept in `branches`.
    async fn hidden_branch(
        &self,
        kind: Kind,
        link: Option<&Link>,
        branches: &mut BTreeMap<String, Branch>,
    ) -> Result<Option<Dn>, Error> {
        let parent = link.and_then(|link| link.dn.parent()).filter(|parent| parent != self.base_of(kind));
        let Some(parent) = parent else {
            return Ok(None);
        };
        // One that is created again where it was is refused if it is only hidden.
        let users = &self.rules.users;
        if kind == Kind::User && users.create_containers && !users.place.containers.is_empty() {
            return Ok(None);
        }
        let normalized = parent.normalized();
        let branch = match branches.get(&normalized) {
            Some(branch) => *branch,
            None if self.directory.read(&parent, &[]).await?.is_some() => Branch::Shown,
            None => Branch::Hidden,
        };
        branches.insert(normalized, branch);
        Ok((branch == Branch::Hidden).then_some(parent))
    }

    pub(in crate::settle) fn base_of(&self, kind: Kind) -> &Dn {
        match (kind, &self.rules.groups) {
            (Kind::Group, Some(groups)) => &groups.base_dn,
            _ => &self.rules.users.base_dn,
        }
    }

    /// Those of a page of whom it is not known that they are right, with the digests of their content.
    pub(super) async fn doubtful(
        &self,
        scan: &mut Scan,
        marks: &Marks,
        kind: Kind,
        page: Vec<Unread>,
    ) -> Result<(Vec<Entry>, Vec<[u8; 32]>), Error> {
        let anchors: Vec<Option<Anchor>> = page.iter().map(|entry| entry.anchor(self.directory.anchor())).collect();
        let asked: Vec<Anchor> = anchors.iter().flatten().cloned().collect();
        let mut owners: HashMap<Anchor, Vec<Checked>> = HashMap::new();
        for checked in self.store.checked(&asked).await? {
            owners.entry(checked.anchor.clone()).or_default().push(checked);
        }
        let (mut doubtful, mut digests) = (Vec::new(), Vec::new());
        for (entry, anchor) in page.into_iter().zip(anchors) {
            let digest = entry.digest();
            let holds = |one: &Checked| one.mark.as_ref().is_some_and(|mark| marks.hold(mark, &digest));
            match anchor.as_ref().and_then(|anchor| owners.get(anchor)).map(Vec::as_slice) {
                Some([one]) if one.kind == kind && holds(one) => scan.see(&one.id),
                _ => {
                    doubtful.push(entry.read()?);
                    digests.push(digest);
                }
            }
        }
        Ok((doubtful, digests))
    }

    /// The resources of a page of entries, by the numbers of the entries in the page.
    pub(super) async fn owners(&self, entries: &[Entry]) -> Result<Vec<Vec<State>>, Error> {
        let anchors: Vec<_> = entries.iter().map(|entry| self.anchor_of(entry)).collect::<Result<_, _>>()?;
        let mut owners: Vec<Vec<State>> = entries.iter().map(|_| Vec::new()).collect();
        let places: BTreeMap<_, usize> = anchors.iter().zip(0..).collect();
        for state in self.store.linked_states(&anchors).await? {
            let place = state.link.as_ref().and_then(|link| places.get(&link.anchor));
            if let Some(owner) = place.and_then(|place| owners.get_mut(*place)) {
                owner.push(state);
            }
        }
        Ok(owners)
    }

    /// The links of those whom others refer to.
    pub(in crate::settle) async fn links_of(&self, ids: BTreeSet<ResourceId>) -> Result<References, Error> {
        let known = self.store.known(&ids).await?;
        let staying = known.into_iter().filter(|(_, known)| !known.deleting);
        Ok(staying.map(|(id, known)| (id.0, known.link.dn)).collect())
    }
}

/// Whether an entry that others stand below is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    Shown,
    Hidden,
}

/// Why nothing is concluded of an entry that stood below one that is not shown.
fn hidden_with(branch: &Dn) -> String {
    format!(
        "its entry was not seen, and neither was {branch}, below which it stood: nothing is concluded; let ldap.bind_dn \
         see that, or create it again"
    )
}

/// What selects every entry: one that has lost its class is still the entry of its resource.
pub(super) fn everything() -> Filter {
    Filter::Present(AttributeName::of("objectClass"))
}

/// A base that is not there, or not shown: nothing below it is missing.
pub(super) fn missing_base<'a>(setting: &'a str, base: &'a Dn) -> impl Fn(ldap::Error) -> Error + 'a {
    move |error| match error {
        error if error.is_no_such_object() => Error::missing_base(setting, base, error),
        error => Error::from(error),
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
