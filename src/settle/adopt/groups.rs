//! Which entries are groups, and who of their members is known.

use std::collections::BTreeSet;

use super::users::reasons;
use super::{Bridge, ENTRIES_PER_PAGE, Error, Found, Holders, Match, Places, Sighting, Standing, Survey, differences};
use crate::directory::{AttributeName, Dn, Entry, Names};
use crate::ldap::{self, Filter, Profile};
use crate::mapping::group::{map_group, observed_attributes};
use crate::mapping::{GroupRules, MemberValue, fit_syntaxes, import};
use crate::plan::{Plan, diff};
use crate::scim::{AttributePath, Condition, Document, Kind, ResourceId, resource};

/// An entry, while it is not known yet who else there is. Its members are read when they are needed, group by group.
struct Candidate {
    entry: Entry,
    reading: Result<Readable, Standing>,
}

/// What an entry can be.
struct Readable {
    name: String,
    document: Document,
    plan: Plan,
}

impl Bridge {
    pub(super) async fn survey_groups(
        &self,
        rules: &GroupRules,
        places: &mut Places,
        survey: &mut Survey,
    ) -> Result<(), Error> {
        let profile = self.directory.profile().await?;
        let candidates = self.group_candidates(rules, &profile, places).await?;
        let standings = self.judge_groups(&candidates).await?;
        for (candidate, standing) in candidates.iter().zip(&standings) {
            if let Standing::Matched(matched) = standing {
                places.put(&names(&candidate.entry), matched.id.clone());
            }
        }
        let mut gone = BTreeSet::new();
        // Now that all are known, members lead to them: groups are members too.
        for (candidate, mut standing) in candidates.into_iter().zip(standings) {
            let entry = candidate.entry;
            if let (Standing::Matched(matched), Ok(readable)) = (&mut standing, candidate.reading) {
                match self.members_in(rules, places, &entry).await? {
                    Some((members, strangers)) => {
                        matched.members = members.len();
                        matched.strangers = strangers;
                        matched.differences = differences(&readable.plan);
                        let (id, link) = (matched.id.clone(), self.link_of(Kind::Group, &entry)?);
                        survey.groups.push(Found { id, document: readable.document, link, members });
                    }
                    None => {
                        gone.insert(matched.id.clone());
                        standing = Standing::Unmatched("it was renamed or deleted meanwhile: look again".to_owned())
                    }
                }
            }
            survey.sightings.push(Sighting { kind: Kind::Group, dn: entry.dn, standing });
        }
        if !gone.is_empty() {
            survey.groups.iter_mut().for_each(|group| group.members.retain(|member| !gone.contains(member)));
        }
        Ok(())
    }

    /// All entries that look like groups', in the order of their names.
    async fn group_candidates(
        &self,
        rules: &GroupRules,
        profile: &Profile,
        places: &mut Places,
    ) -> Result<Vec<Candidate>, Error> {
        let missing = |error: ldap::Error| {
            if error.is_no_such_object() {
                return Error::missing_base("groups.base_dn", &rules.base_dn, error);
            }
            Error::from(error)
        };
        let class = rules.object_classes.first().cloned();
        let of_class = |class| Filter::equal(AttributeName::of("objectClass"), class);
        let filter = class.map_or(Filter::Present(rules.rdn.clone()), of_class);
        let attributes = observed_attributes(rules);
        let pages = self.directory.search_pages(&rules.base_dn, &filter, &attributes, ENTRIES_PER_PAGE).await;
        let mut pages = pages.map_err(missing)?;
        let mut candidates = Vec::new();
        while let Some(entries) = pages.next().await.map_err(missing)? {
            for entry in entries.into_iter().filter(|entry| entry.dn.is_under(&rules.base_dn)) {
                let owners = self.store.linked(&self.anchor_of(&entry)?).await?;
                let reading = match owners.first() {
                    Some(owner) => {
                        places.put(&names(&entry), owner.clone());
                        Err(Standing::Linked(owners))
                    }
                    None => self.read_group(rules, profile, &entry).map_err(Standing::Unmatched),
                };
                candidates.push(Candidate { entry, reading });
            }
        }
        candidates.sort_by_cached_key(|candidate| candidate.entry.dn.normalized());
        Ok(candidates)
    }

    /// The group that an entry is, if that group can be this entry.
    fn read_group(&self, rules: &GroupRules, profile: &Profile, entry: &Entry) -> Result<Readable, String> {
        let document = import::read_group(rules, self.groups.schema(), entry, &profile.schema)?;
        let mut desired = map_group(rules, &document).map_err(|problems| reasons(&problems))?;
        fit_syntaxes(&rules.attributes, &mut desired, &profile.schema).map_err(|problems| reasons(&problems))?;
        let plan = diff(&desired, Some(entry), &profile.schema);
        let name = resource::text(&document, "displayName").unwrap_or_default().to_owned();
        Ok(Readable { name, document, plan })
    }

    /// Who is alone with the name, byte for byte.
    async fn judge_groups(&self, candidates: &[Candidate]) -> Result<Vec<Standing>, Error> {
        let mut names = Holders::default();
        for (number, candidate) in candidates.iter().enumerate() {
            if let Ok(readable) = &candidate.reading {
                names.put(readable.name.clone().into_bytes(), number);
            }
        }
        let mut standings = Vec::new();
        for (number, candidate) in candidates.iter().enumerate() {
            let name = match &candidate.reading {
                Ok(readable) => &readable.name,
                Err(standing) => {
                    standings.push(standing.clone());
                    continue;
                }
            };
            let others = names.others(name.as_bytes(), number);
            standings.push(match self.group_named(name).await? {
                Some(owner) => self.taken(name, owner).await?,
                None if others.is_empty() => Standing::Matched(Match::of(name)),
                None => {
                    let dns = others.iter().filter_map(|other| candidates.get(*other));
                    let others = dns.map(|other| other.entry.dn.clone()).collect();
                    Standing::Ambiguous { by: format!("displayName {name:?}"), others }
                }
            });
        }
        Ok(standings)
    }

    /// The group of the store that has this name, or wants it.
    async fn group_named(&self, name: &str) -> Result<Option<ResourceId>, Error> {
        let Ok(path) = AttributePath::parse(self.groups.schema(), "displayName") else {
            return Ok(None);
        };
        let named = Condition::Equals(self.groups.entry(&path, name));
        let found = self.store.find(Kind::Group, &named, 0, 1).await?;
        Ok(found.resources.into_iter().next().map(|group| group.id))
    }

    /// The members that are resources, and how many are not; `None` when the entry has gone.
    async fn members_in(
        &self,
        rules: &GroupRules,
        places: &Places,
        entry: &Entry,
    ) -> Result<Option<(Vec<ResourceId>, usize)>, Error> {
        // Of two lists the one by DN tells more: groups are in it too.
        let Some(rule) = rules.members.iter().max_by_key(|rule| rule.by == MemberValue::Dn) else {
            return Ok(Some((Vec::new(), 0)));
        };
        let Some(found) = self.directory.read(&entry.dn, std::slice::from_ref(&rule.attribute)).await? else {
            return Ok(None);
        };
        if self.anchor_of(&found)? != self.anchor_of(entry)? {
            return Ok(None);
        }
        let (mut members, mut strangers) = (BTreeSet::new(), 0);
        for value in found.values(&rule.attribute) {
            let dn: Option<Dn> = value.as_str().and_then(|text| text.parse().ok());
            let known = match &rule.by {
                MemberValue::Dn => dn.as_ref().and_then(|dn| places.at(dn)),
                MemberValue::Attribute(_) => places.with_key(value),
            };
            match known {
                Some(id) => _ = members.insert(id.clone()),
                None if dn.as_ref() == Some(&rules.placeholder) => {}
                None => strangers += 1,
            }
        }
        Ok(Some((members.into_iter().collect(), strangers)))
    }
}

/// A group is listed by its DN alone.
fn names(entry: &Entry) -> Names {
    Names { dn: entry.dn.clone(), key: None }
}
