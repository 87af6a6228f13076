//! Settling a user.

use super::error::unmappable;
use super::password::PasswordOutcome;
use super::{ATTEMPTS, Audience, Bridge, CrashPoint, Error, Settlement, Work, crash_point, is_deletion, link_to, now};
use crate::directory::{
    Anchor, AttributeName, Change, DesiredEntry, Dn, Entry, Link, Matching, Names, Placement, Value,
};
use crate::ldap::{self, Depth, Fault, Filter, Profile};
use crate::mapping::password::EntryAge;
use crate::mapping::{Disable, GroupRules, PasswordRule, References, UserRules, fit_syntaxes, place, rules, user};
use crate::plan::{Plan, Reason, diff};
use crate::scim::index::fold_case;
use crate::scim::{self, Document, Resource, ResourceId, resource};
use crate::store::{Settled, State};

impl Work<'_> {
    pub(super) async fn settle_user(&self, state: &State, audience: Audience<'_>) -> Result<Settlement, Error> {
        if is_deletion(state) {
            return self.delete_user(state).await;
        }
        let document = state.desired().ok_or_else(|| Error::NotFound(state.id.clone()))?;
        let before = self.finish_rename(&state.id, state.link.as_ref(), &self.rules.users.base_dn).await?;
        let (mut link, age) = self.converge_user(state, before.as_ref(), document).await?;
        let outcome = self.settle_password(state, &link.dn, document, audience.password(), age).await?;
        if outcome == PasswordOutcome::Set && !resource::is_active(document) {
            // A password that is usable, and a lock that a server lifts for it.
            (link, _) = self.converge_user(state, Some(&link), document).await?;
        }
        let unfinished = self.follow_rename(&state.id, before.as_ref(), &mut link).await?;
        let inactive = !resource::is_active(document);
        if let Some(settled) = &state.settled
            && settled.document == *document
            && state.link.as_ref() == Some(&link)
            && (state.answered || !audience.hears())
        {
            // As it was: what is pending is done, and the resource has not changed.
            if state.intent.is_some() {
                self.store.forget(&state.id).await?;
            }
            if state.may_be_disabled && !inactive {
                self.store.note_enabled(&state.id).await?;
            }
            return Ok(Settlement::Present(settled.clone()));
        }
        if state.link.as_ref().is_some_and(|before| before.anchor != link.anchor) {
            // The entry had been deleted by hand and was made anew; the server may have taken it out of its groups.
            self.store.renew_memberships(&state.id, &now()).await?;
            self.wake.notify_one();
        }
        crash_point(CrashPoint::Record);
        let name = |document: &Document| resource::text(document, "displayName").map(str::to_owned);
        let has_other_name = state.settled.as_ref().is_some_and(|settled| name(&settled.document) != name(document));
        let settled = Settled {
            id: state.id.clone(),
            index: self.users.entries(document),
            shown_by: self.users.reports_to(&state.id).filter(|_| has_other_name),
            name_claim: resource::text(document, "userName").map(fold_case),
            document: document.clone(),
            link,
            answered: audience.hears(),
            inactive,
            now: now(),
        };
        let resource = self.store.settle(&settled).await?;
        match unfinished {
            Some(error) => Err(Error::Unfinished(Box::new(error))),
            None => Ok(Settlement::Present(resource)),
        }
    }

    async fn references(&self, document: &Document) -> Result<References, Error> {
        let ids = rules::referenced(&self.rules.users.attributes, document).into_iter().map(ResourceId).collect();
        self.links_of(ids).await
    }

    /// Makes the entry the desired one and returns where it is, and whether it was created.
    async fn converge_user(
        &self,
        state: &State,
        before: Option<&Link>,
        document: &Document,
    ) -> Result<(Link, EntryAge), Error> {
        let rules = &self.rules.users;
        let profile = self.directory.profile().await?;
        let mut before = before.cloned();
        let mut last = None;
        let mut age = if state.adds_entry && !state.answered { EntryAge::Resumed } else { EntryAge::Old };
        for _ in 0..ATTEMPTS {
            let references = self.references(document).await?;
            let mut desired = match self.desired_user(document, &references, &profile) {
                Ok(desired) => desired,
                Err(problems) => return Err(self.unfit(state, document, &references, &profile, problems).await?),
            };
            let found = self.find_user(state, &mut before, &mut desired).await?;
            let observed = match self.let_in_or_keep_out(state, document, &mut desired, found).await {
                Err(Error::Directory(error)) if error.fault() == Fault::Moved => {
                    last = Some((error, desired.dn()));
                    continue;
                }
                other => other?,
            };
            self.number(&rules.attributes, &state.id, observed.as_ref(), &mut desired).await?;
            let plan = diff(&desired, observed.as_ref(), &profile.schema);
            let dn = plan
                .outcome_dn()
                .or_else(|| observed.as_ref().map(|entry| entry.dn.clone()))
                .unwrap_or_else(|| desired.dn());
            if observed.as_ref().is_some_and(|entry| entry.dn != dn) && self.directory.read(&dn, &[]).await?.is_some() {
                return Err(taken(rules, &dn));
            }
            if observed.is_none() && rules.password.as_ref().is_some_and(PasswordRule::is_for_new_entries) {
                self.store.note_adding(&state.id).await?;
            }
            let anchor = match self.carry_out(plan).await {
                Ok(anchor) => anchor,
                Err(Error::Directory(error)) if error.fault() == Fault::Moved => {
                    if error.is_no_such_object() {
                        self.create_containers(&desired.parent).await?;
                    }
                    last = Some((error, dn));
                    continue;
                }
                Err(Error::Directory(error)) if error.fault() == Fault::Refused => {
                    return Err(refused(rules, error));
                }
                Err(other) => return Err(other),
            };
            let anchor = match (anchor, &observed) {
                (Some(anchor), _) => anchor,
                (None, Some(entry)) => self.anchor_of(entry)?,
                (None, None) => continue,
            };
            if observed.is_none() {
                age = EntryAge::New;
            }
            let link = self.link_after(state, before, observed.as_ref(), anchor, dn).await?;
            // Somebody whom an attribute refers to was renamed or deleted meanwhile: look again.
            if self.references(document).await? == references {
                return Ok((link, age));
            }
            before = Some(link);
        }
        Err(match last {
            Some((error, dn)) if error.is_entry_already_exists() => taken(rules, &dn),
            Some((error, dn)) if error.is_no_such_object() => missing_parent(rules, &dn, error),
            Some((error, _)) => Error::Directory(error),
            None => Error::Busy,
        })
    }

    /// The entry of a user, linked from here on. One that is not there is to be made where it stood.
    async fn find_user(
        &self,
        state: &State,
        before: &mut Option<Link>,
        desired: &mut DesiredEntry,
    ) -> Result<Option<Entry>, Error> {
        let observed = self.observe_user(state, before.as_ref(), desired).await?;
        match (&before, &observed) {
            (None, Some(entry)) => {
                // Ours from here on: nobody else adopts it meanwhile, and a rename is known to be one.
                let link = link_to(self.anchor_of(entry)?, self.names_of(entry), None);
                self.store.link(&state.id, &link).await?;
                *before = Some(link);
            }
            (_, None) => self.keep_place(before.as_ref(), desired).await?,
            (Some(_), Some(_)) => {}
        }
        Ok(observed)
    }

    /// The link to a user's entry that was just seen or changed, and is at `dn` now.
    async fn link_after(
        &self,
        state: &State,
        before: Option<Link>,
        observed: Option<&Entry>,
        anchor: Anchor,
        dn: Dn,
    ) -> Result<Link, Error> {
        let mut link = link_to(anchor, self.names_at(dn).await?, before.as_ref());
        if let Some(entry) = observed {
            self.follow_back(&state.id, &self.names_of(entry), before.as_ref(), &link).await?;
        }
        if let Some(gone) = before.filter(|gone| gone.anchor != link.anchor && gone.names() != link.names()) {
            // Deleted by hand and made anew in another place: what refers to the old one follows there.
            link.previous = gone.previous.clone().or_else(|| Some(gone.names()));
        }
        Ok(link)
    }

    /// Lets an entry that is made anew stand where the old one stood, if it is not for the map to say. Were that one
    /// only hidden, the server tells: in another place there would be two of them, and a later lock on one.
    async fn keep_place(&self, before: Option<&Link>, desired: &mut DesiredEntry) -> Result<(), Error> {
        let parent = before.and_then(|link| link.dn.parent()).filter(|parent| *parent != desired.parent);
        if let (Some(parent), Placement::Initial) = (parent, desired.placement)
            && parent.is_under(&self.rules.users.base_dn)
            && self.directory.read(&parent, &[]).await?.is_some()
        {
            desired.parent = parent;
        }
        Ok(())
    }

    /// Makes `desired` say whether the user may log in. Who may not is kept out before anything else of the entry is
    /// changed. Returns the entry as it is then.
    async fn let_in_or_keep_out(
        &self,
        state: &State,
        document: &Document,
        desired: &mut DesiredEntry,
        observed: Option<Entry>,
    ) -> Result<Option<Entry>, Error> {
        let disable = &self.rules.users.disable;
        let lock = self.directory.profile().await?.flavor.lock;
        if resource::is_active(document) {
            match &observed {
                Some(entry) if state.may_be_disabled => {
                    disable.readmit(desired, lock, entry, state.before_disable.as_ref());
                }
                Some(entry) => disable.leave(desired, entry),
                None => {}
            }
            return Ok(observed);
        }
        let unborn = Entry { dn: desired.dn(), attributes: desired.initial_attributes() };
        let kept_out = match observed {
            Some(entry) => Some(self.keep_out(state, entry).await?),
            None => {
                self.note_born_disabled(state, &unborn).await?;
                None
            }
        };
        disable.bar(desired, lock, kept_out.as_ref().unwrap_or(&unborn));
        Ok(kept_out)
    }

    /// The entry that the map makes of a user, in the forms of the server's schema.
    fn desired_user(
        &self,
        document: &Document,
        references: &References,
        profile: &Profile,
    ) -> Result<DesiredEntry, Vec<scim::Error>> {
        let rules = &self.rules.users;
        let mut desired = user::map_user(rules, document, references)?;
        fit_syntaxes(&rules.attributes, &mut desired, &profile.schema)?;
        Ok(desired)
    }

    /// What a user comes to whom the map does not fit. One who was so before, since the map is another now, and who must
    /// not log in, does not.
    async fn unfit(
        &self,
        state: &State,
        document: &Document,
        references: &References,
        profile: &Profile,
        problems: Vec<scim::Error>,
    ) -> Result<Error, Error> {
        let fitted = |settled: &Resource| self.desired_user(&settled.document, references, profile).is_ok();
        if resource::is_active(document) || state.settled.as_ref().is_none_or(fitted) {
            return Ok(unmappable(problems));
        }
        self.keep_out_linked(state).await?;
        Ok(Error::Unfit(Box::new(unmappable(problems))))
    }

    /// Creates the entries between the base and the one that users belong below, where they are missing and wanted.
    async fn create_containers(&self, parent: &Dn) -> Result<(), Error> {
        let rules = &self.rules.users;
        let mut missing = Vec::new();
        let mut container = Some(parent.clone()).filter(|_| rules.create_containers);
        while let Some(dn) = container.filter(|dn| dn.is_under(&rules.base_dn)) {
            if self.directory.read(&dn, &[]).await?.is_some() {
                break;
            }
            container = dn.parent();
            missing.push(dn);
        }
        for dn in missing.into_iter().rev() {
            let Some(attributes) = place::container_attributes(&dn) else {
                return Ok(());
            };
            match self.carry_out(Plan::of(Change::Add { dn, attributes }, Reason::Container)).await {
                // Somebody else was faster.
                Err(Error::Directory(error)) if error.is_entry_already_exists() => {}
                other => _ = other?,
            }
        }
        Ok(())
    }

    /// By what others refer to a user's entry that was just seen or changed.
    async fn names_at(&self, dn: Dn) -> Result<Names, Error> {
        let Some(key) = self.rules.groups.as_ref().and_then(GroupRules::key) else {
            return Ok(Names { dn, key: None });
        };
        let entry = self.directory.read(&dn, std::slice::from_ref(key)).await?;
        Ok(entry.map_or(Names { dn, key: None }, |entry| self.names_of(&entry)))
    }

    /// The user's entry: the linked one, or the one that matches and is nobody else's.
    async fn observe_user(
        &self,
        state: &State,
        link: Option<&Link>,
        desired: &DesiredEntry,
    ) -> Result<Option<Entry>, Error> {
        let rules = &self.rules.users;
        let mut attributes = self.observed_of_users().await?;
        if let Some(before) = &state.before_disable {
            attributes.extend(Disable::changed(before, self.directory.profile().await?.flavor.lock));
            attributes.sort();
            attributes.dedup();
        }
        if let Some(link) = link
            && let Some(entry) = self
                .linked_entry(link, &rules.base_dn, &attributes)
                .await
                .map_err(|error| missing_base(rules, error))?
        {
            return Ok(Some(entry));
        }
        let Some(wanted) = desired.attributes.get(&rules.match_attribute).and_then(|desired| desired.values.first())
        else {
            return Ok(None);
        };
        let filter = Filter::Equal(rules.match_attribute.clone(), wanted.clone());
        let mut matching = Vec::new();
        for base in rules.trees() {
            let found = self.directory.search(base, Depth::Subtree, &filter, &attributes).await;
            matching.extend(found.map_err(|error| match &rules.disable.move_to {
                Some(branch) if branch == base && error.is_no_such_object() => {
                    Error::missing_base("users.disable.move_to", branch, error)
                }
                _ => missing_base(rules, error.into()),
            })?);
        }
        let rule = self.directory.profile().await?.schema.matching(&rules.match_attribute);
        matching.retain(|entry| !is_tagged(entry, &rules.match_attribute, wanted, rule.unwrap_or(Matching::Octets)));
        let Some(entry) = matching.pop() else {
            return Ok(None);
        };
        let named = |dn: &Dn| format!("{dn:?}", dn = dn.to_string());
        if !matching.is_empty() {
            let dns: Vec<String> = matching.iter().chain([&entry]).map(|entry| named(&entry.dn)).collect();
            let detail = format!("several directory entries have this {}: {}", rules.match_attribute, dns.join(", "));
            return Err(Error::conflict(detail));
        }
        let owners = self.store.linked(&self.anchor_of(&entry)?).await?;
        if let Some(owner) = owners.iter().find(|owner| **owner != state.id) {
            let detail = format!("the directory entry {} belongs to the user {owner} already", named(&entry.dn));
            return Err(Error::conflict(detail));
        }
        Ok(Some(entry))
    }

    async fn delete_user(&self, state: &State) -> Result<Settlement, Error> {
        if let Some(link) = &state.link {
            let base = &self.rules.users.base_dn;
            let dn =
                self.delete_linked(link, base, &self.rules.users.attributes).await.map_err(|error| match error {
                    Error::Directory(error) if error.fault() == Fault::Refused => refused(&self.rules.users, error),
                    other => other,
                })?;
            self.forget_names(link, dn.as_ref()).await?;
        }
        crash_point(CrashPoint::Record);
        self.store.remove(&state.id, self.users.reports_to(&state.id).as_ref(), &now()).await?;
        Ok(Settlement::Gone)
    }
}

impl Bridge {
    /// The attributes to ask for when a user's entry is observed.
    pub(super) async fn observed_of_users(&self) -> Result<Vec<AttributeName>, Error> {
        let mut names = user::observed_attributes(&self.rules.users, self.directory.profile().await?.flavor.lock);
        names.extend(self.rules.groups.as_ref().and_then(GroupRules::key).cloned());
        Ok(names)
    }
}

/// Whether an entry has the value under options alone, such as a language tag: a search for an attribute finds it by
/// those too (RFC 4512 §2.5.2.1), and they are not what names are matched by.
fn is_tagged(entry: &Entry, attribute: &AttributeName, value: &Value, rule: Matching) -> bool {
    let holds = |name: &AttributeName| entry.values(name).iter().any(|held| rule.equal(held, value));
    let is_other = |name: &&AttributeName| *name != attribute && name.attribute_type() == attribute.attribute_type();
    !holds(attribute) && entry.attributes.keys().filter(is_other).any(holds)
}

fn taken(rules: &UserRules, dn: &Dn) -> Error {
    let attribute = &rules.match_attribute;
    Error::conflict(format!(
        "the directory has an entry {dn} that is another's, whose {attribute} is not this user's, or that the bridge may \
         not see"
    ))
}

fn missing_parent(rules: &UserRules, dn: &Dn, source: ldap::Error) -> Error {
    match dn.parent() {
        Some(parent) if parent != rules.base_dn => {
            let remedy = if rules.place.containers.is_empty() || rules.create_containers {
                "create it"
            } else {
                "create it, or set users.create_containers"
            };
            let detail = format!("the directory has no entry {parent} for {dn} to stand below: {remedy}");
            Error::Operator { detail, source }
        }
        _ => Error::missing_base("users.base_dn", &rules.base_dn, source),
    }
}

fn missing_base(rules: &UserRules, error: Error) -> Error {
    match error {
        Error::Directory(error) if error.is_no_such_object() => {
            Error::missing_base("users.base_dn", &rules.base_dn, error)
        }
        other => other,
    }
}

fn refused(rules: &UserRules, error: ldap::Error) -> Error {
    super::error::refused(&rules.attributes, error)
}
