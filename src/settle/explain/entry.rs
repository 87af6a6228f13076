//! What is wanted of an entry and what it holds, attribute by attribute; and entries that are nobody's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agreement, Explanation, Found, Held, named, told, word};
use crate::directory::{AttributeName, DesiredAttribute, DesiredEntry, Dn, Entry, Naming, Ownership, Value};
use crate::ldap::Profile;
use crate::mapping::group::map_group;
use crate::mapping::user::map_user;
use crate::mapping::{AttributeRule, References, derivations, fit_syntaxes, rules};
use crate::plan::hidden::{attributes_without_passwords, shown};
use crate::plan::{LastChange, attribute_changes, diff};
use crate::scim::{Document, Kind, ResourceId, resource};
use crate::settle::reconcile::{explained, has_class_of};
use crate::settle::{Bridge, Error};
use crate::store::State;

const MODIFIERS_NAME: &str = "modifiersName";
const MODIFY_TIMESTAMP: &str = "modifyTimestamp";

impl Bridge {
    /// The entry of a resource with all that can be seen of it, wherever it is.
    pub(super) async fn observed(&self, state: &State) -> Result<Option<Entry>, Error> {
        match &state.link {
            Some(link) => self.entry_anywhere(link, self.base_of(state.kind), &self.all_attributes().await?).await,
            None => Ok(None),
        }
    }

    async fn all_attributes(&self) -> Result<Vec<AttributeName>, Error> {
        let lock = self.directory.profile().await?.flavor.lock.attribute();
        let mut names = self.observed_of_users().await?;
        names.extend(["*", MODIFIERS_NAME, MODIFY_TIMESTAMP].map(AttributeName::of));
        names.push(lock);
        names.sort();
        names.dedup();
        Ok(names)
    }

    pub(super) async fn explain_attributes(
        &self,
        state: &State,
        entry: Option<&Entry>,
        explanation: &mut Explanation,
    ) -> Result<(), Error> {
        let Some(document) = state.desired() else {
            return Ok(());
        };
        let profile = self.directory.profile().await.ok();
        let map = self.map_of(state.kind);
        let ids = rules::referenced(map, document).into_iter().map(ResourceId).collect();
        let references = self.links_of(ids).await?;
        let desired = self.desired(state, document, &references, entry, profile.as_deref());
        let mut desired = desired.map_err(|problems| explanation.problems.extend(problems)).ok();
        if let Some(desired) = &mut desired {
            self.want_numbers(map, &state.id, desired).await?;
        }
        let mut drifted: BTreeSet<AttributeName> = BTreeSet::new();
        if let (Some(desired), Some(entry), Some(profile)) = (&desired, entry, &profile) {
            let changes = attribute_changes(&desired.attributes, entry, &profile.schema);
            drifted.extend(changes.into_iter().map(|change| change.attribute));
            let allocated = rules::allocated(map).map(|(name, _)| name);
            drifted.extend(allocated.filter(|name| entry.values(name).is_empty()).cloned());
            explanation.wanted_name = diff(desired, Some(entry), &profile.schema).outcome_dn();
        }
        let wanted = desired.map(|desired| desired.attributes).unwrap_or_default();
        explanation.attributes = self.rows(state.kind, document, &references, &wanted, entry, &drifted);
        if let Some(entry) = entry {
            let lists = self.rules.groups.iter().flat_map(|groups| &groups.members).map(|rule| &rule.attribute);
            let lists: BTreeSet<&AttributeName> = lists.filter(|_| state.kind == Kind::Group).collect();
            let told: BTreeSet<&AttributeName> = explanation.attributes.iter().map(|row| &row.attribute).collect();
            let is_operational =
                |name: &AttributeName| profile.as_ref().is_some_and(|profile| profile.schema.is_operational(name));
            let mut others = entry.attributes.clone();
            others.retain(|name, _| !told.contains(name) && !lists.contains(name) && !is_operational(name));
            explanation.unmapped = attributes_without_passwords(&others);
        }
        Ok(())
    }

    fn map_of(&self, kind: Kind) -> &[AttributeRule] {
        match (kind, &self.rules.groups) {
            (Kind::User, _) => &self.rules.users.attributes,
            (Kind::Group, Some(groups)) => &groups.attributes,
            (Kind::Group, None) => &[],
        }
    }

    /// The entry as settling would want it, beside the one that is there; the problems where it cannot be.
    fn desired(
        &self,
        state: &State,
        document: &Document,
        references: &References,
        entry: Option<&Entry>,
        profile: Option<&Profile>,
    ) -> Result<DesiredEntry, Vec<String>> {
        let details =
            |problems: Vec<crate::scim::Error>| problems.into_iter().map(|problem| problem.detail).collect::<Vec<_>>();
        let mut desired = match (state.kind, &self.rules.groups) {
            (Kind::User, _) => map_user(&self.rules.users, document, references),
            (Kind::Group, Some(groups)) => map_group(groups, document),
            (Kind::Group, None) => return Err(vec!["groups are switched off: groups.enabled = false".to_owned()]),
        }
        .map_err(details)?;
        let Some(profile) = profile else {
            return Ok(desired);
        };
        fit_syntaxes(self.map_of(state.kind), &mut desired, &profile.schema).map_err(details)?;
        if state.kind == Kind::Group {
            desired.naming = Naming::With([state.id.short(), state.id.as_str()].map(Value::from).to_vec());
        } else if let Some(entry) = entry {
            let (disable, lock) = (&self.rules.users.disable, profile.flavor.lock);
            match resource::is_active(document) {
                false => disable.bar(&mut desired, lock, entry),
                true if state.may_be_disabled => {
                    disable.readmit(&mut desired, lock, entry, state.before_disable.as_ref());
                }
                true => disable.leave(&mut desired, entry),
            }
        }
        Ok(desired)
    }

    /// Wants the numbers that were taken for the resource already.
    async fn want_numbers(
        &self,
        map: &[AttributeRule],
        id: &ResourceId,
        desired: &mut DesiredEntry,
    ) -> Result<(), Error> {
        for (name, _) in rules::allocated(map) {
            let number = self.store.numbers_of(id, name).await?.into_iter().next();
            let values = number.map(|number| Value::from(number.to_string())).into_iter().collect();
            // One that somebody else gave it stays.
            desired.attributes.insert(name.clone(), DesiredAttribute::new(Ownership::Initial, values));
        }
        Ok(())
    }

    fn rows(
        &self,
        kind: Kind,
        document: &Document,
        references: &References,
        wanted: &BTreeMap<AttributeName, DesiredAttribute>,
        entry: Option<&Entry>,
        drifted: &BTreeSet<AttributeName>,
    ) -> Vec<Held> {
        let map = self.map_of(kind);
        let mut sources: BTreeMap<AttributeName, (Vec<String>, Ownership, Vec<Value>)> = BTreeMap::new();
        for line in derivations(map, document, references) {
            let known = sources.entry(line.attribute.clone());
            let (said, _, values) = known.or_insert_with(|| (Vec::new(), line.ownership, Vec::new()));
            said.push(told(&line.source, &line.provenance));
            values.extend(line.values);
        }
        let names: BTreeSet<AttributeName> = sources.keys().chain(wanted.keys()).cloned().collect();
        let row = |attribute: AttributeName| {
            let (mut said, ownership, values) =
                sources.remove(&attribute).unwrap_or_else(|| (Vec::new(), Ownership::Shared, Vec::new()));
            let own = wanted.get(&attribute);
            if said.is_empty() {
                said.push(setting_of(kind, &attribute).to_owned());
            }
            let agreement = match entry {
                Some(_) if wanted.is_empty() => Agreement::Unknown,
                Some(_) if drifted.contains(&attribute) => Agreement::Drifted,
                Some(_) => Agreement::Agrees,
                None => Agreement::Unknown,
            };
            let nothing = BTreeSet::new();
            Held {
                sources: said,
                ownership: word(own.map_or(ownership, |own| own.ownership)),
                wanted: shown(&attribute, own.map_or(&values, |own| &own.values), &nothing),
                held: entry.map(|entry| shown(&attribute, entry.values(&attribute), &nothing)),
                agreement,
                attribute,
            }
        };
        names.into_iter().map(row).collect()
    }

    /// All that is known of the entry of that name: of its resource, where it is one's.
    ///
    /// # Errors
    /// [`Error::NoEntry`] when there is none, the directory's, and the store's.
    pub async fn explain_entry(&self, dn: &Dn) -> Result<Explanation, Error> {
        let entry = self.directory.read(dn, &self.all_attributes().await?).await?;
        let entry = entry.ok_or_else(|| Error::NoEntry(dn.clone()))?;
        for owner in self.store.linked(&self.anchor_of(&entry)?).await? {
            if let Some(explanation) = self.explain(&owner).await? {
                return Ok(explanation);
            }
        }
        let profile = self.directory.profile().await?;
        let mut attributes = entry.attributes.clone();
        attributes.retain(|name, _| !profile.schema.is_operational(name));
        Ok(Explanation {
            found: Found::At(entry.dn.clone()),
            last_change: last_change(&entry),
            unmapped: attributes_without_passwords(&attributes),
            adoption: Some(self.adoption(&entry)),
            ..Explanation::default()
        })
    }

    /// What would make a resource of an entry that is nobody's.
    fn adoption(&self, entry: &Entry) -> String {
        let users = &self.rules.users;
        if users.bases().any(|base| entry.dn.is_under(base)) && has_class_of(&users.object_classes, entry) {
            return matching(entry, "user", "users.match", &users.match_attribute, &users.attributes);
        }
        match &self.rules.groups {
            Some(groups) if entry.dn.is_under(&groups.base_dn) && has_class_of(&groups.object_classes, entry) => {
                matching(entry, "group", "groups.rdn", &groups.rdn, &groups.attributes)
            }
            _ => "nothing adopts it: it is below no base of users or groups, or has none of their classes".to_owned(),
        }
    }

    /// The resource as others name it; `None` when it is gone.
    pub(super) async fn named(&self, id: &ResourceId) -> Result<Option<super::Named>, Error> {
        Ok(self.store.state(id).await?.map(|state| named(&state)))
    }

    /// The directory's answer, or why there is none.
    pub(super) fn or_problem<T>(&self, answer: Result<T, Error>, problems: &mut Vec<String>) -> Option<T> {
        answer.map_err(|error| problems.push(explained(&error))).ok()
    }
}

/// By which value an entry would be recognised.
fn matching(entry: &Entry, kind: &str, setting: &str, by: &AttributeName, map: &[AttributeRule]) -> String {
    let source = map.iter().find(|rule| rule.ldap == *by).map(|rule| rule.source.to_string());
    let source = source.unwrap_or_else(|| "value".to_owned());
    match entry.values(by).first().and_then(Value::as_str) {
        Some(value) => format!(
            "a {kind} that is pushed and whose {source} is {value:?} adopts it ({setting} = {by}), and so does \
             `scimbridge adopt`"
        ),
        None => format!("nothing adopts it: it has no {by}, by which a {kind} is recognised ({setting})"),
    }
}

/// Which setting wants an attribute that no line of the map names.
fn setting_of(kind: Kind, attribute: &AttributeName) -> &'static str {
    match kind {
        Kind::User if *attribute == AttributeName::of("objectClass") => "users.object_classes",
        Kind::User => "users.disable",
        Kind::Group => "groups.object_classes",
    }
}

/// Who changed an entry last.
pub(super) fn last_change(entry: &Entry) -> Option<LastChange> {
    let text = |name: &'static str| {
        entry.values(&AttributeName::of(name)).first().and_then(|value| value.as_str().map(str::to_owned))
    };
    Some(LastChange { by: text(MODIFIERS_NAME)?, at: text(MODIFY_TIMESTAMP)? })
}
