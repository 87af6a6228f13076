//! Which entries are users, and of whom that cannot be told.

use super::{
    Bridge, ENTRIES_PER_PAGE, Error, Found, Holders, Match, Places, Sighting, Standing, Survey, differences, quoted,
};
use crate::directory::{AttributeName, DesiredEntry, Entry, Matching, Value};
use crate::ldap::{self, Filter, Profile};
use crate::mapping::user::map_user;
use crate::mapping::{References, UserRules, fit_syntaxes, import, rules};
use crate::plan::diff;
use crate::scim::index::fold_case;
use crate::scim::{self, Document, Kind, resource};

/// An entry, while it is not known yet who else there is.
struct Candidate {
    entry: Entry,
    /// The values of the match attribute, in the form that equal ones share.
    matches: Vec<(Vec<u8>, Value)>,
    reading: Reading,
}

enum Reading {
    /// It can be a user of that name.
    Readable(String),
    /// Its standing does not depend on others.
    Decided(Standing),
}

impl Bridge {
    pub(super) async fn survey_users(&self, places: &mut Places, survey: &mut Survey) -> Result<(), Error> {
        let profile = self.directory.profile().await?;
        let candidates = self.user_candidates(&profile, places).await?;
        let mut standings = self.judge_users(&candidates).await?;
        for (candidate, standing) in candidates.iter().zip(&standings) {
            if let Standing::Matched(matched) = standing {
                places.put(&self.names_of(&candidate.entry), matched.id.clone());
            }
        }
        // Who cannot be a user without somebody who is none is none either, and so on.
        survey.users = loop {
            if let Some(found) = self.users_at(&profile, places, &candidates, &mut standings)? {
                break found;
            }
        };
        let sightings = candidates.into_iter().zip(standings);
        survey.sightings.extend(sightings.map(|(candidate, standing)| Sighting {
            kind: Kind::User,
            dn: candidate.entry.dn,
            standing,
        }));
        Ok(())
    }

    /// The matched ones with all references; `None` when one turns out to be none, and others may refer to it.
    fn users_at(
        &self,
        profile: &Profile,
        places: &mut Places,
        candidates: &[Candidate],
        standings: &mut [Standing],
    ) -> Result<Option<Vec<Found>>, Error> {
        let mut found = Vec::new();
        let before = places.count();
        for (Candidate { entry, .. }, standing) in candidates.iter().zip(standings) {
            let Standing::Matched(matched) = standing else {
                continue;
            };
            match self.user_at(profile, places, entry) {
                Ok((document, differences)) => {
                    matched.differences = differences;
                    let (id, link) = (matched.id.clone(), self.link_of(Kind::User, entry)?);
                    found.push(Found { id, document, link, members: Vec::new() });
                }
                Err(reason) => {
                    places.clear(&self.names_of(entry));
                    *standing = Standing::Unmatched(reason);
                }
            }
        }
        Ok((places.count() == before).then_some(found))
    }

    /// All entries that look like users', in the order of their names.
    async fn user_candidates(&self, profile: &Profile, places: &mut Places) -> Result<Vec<Candidate>, Error> {
        let rules = &self.rules.users;
        let missing = |error: ldap::Error| {
            if error.is_no_such_object() {
                return Error::missing_base("users.base_dn", &rules.base_dn, error);
            }
            Error::from(error)
        };
        let class = |class: &Value| Filter::equal(AttributeName::of("objectClass"), class.clone());
        let classes = rules.object_classes.iter().filter(|class| says_something(class)).map(class);
        let filter = Filter::Or(classes.chain([Filter::Present(rules.match_attribute.clone())]).collect());
        let attributes = self.observed_of_users().await?;
        let mut candidates = Vec::new();
        for base in rules.trees() {
            let pages = self.directory.search_pages(base, &filter, &attributes, ENTRIES_PER_PAGE).await;
            let mut pages = pages.map_err(missing)?;
            while let Some(entries) = pages.next().await.map_err(missing)? {
                for entry in entries.into_iter().filter(|entry| entry.dn.is_under(base)) {
                    candidates.push(self.user_candidate(profile, places, entry).await?);
                }
            }
        }
        candidates.sort_by_cached_key(|candidate| candidate.entry.dn.normalized());
        Ok(candidates)
    }

    async fn user_candidate(&self, profile: &Profile, places: &mut Places, entry: Entry) -> Result<Candidate, Error> {
        let rules = &self.rules.users;
        let rule = profile.schema.matching(&rules.match_attribute).unwrap_or(Matching::Octets);
        let values = entry.values(&rules.match_attribute);
        let matches: Vec<(Vec<u8>, Value)> =
            values.iter().map(|value| (rule.normalize(value), value.clone())).collect();
        let owners = self.store.linked(&self.anchor_of(&entry)?).await?;
        if let Some(owner) = owners.first() {
            // Where it is now: it may have been renamed by hand.
            places.put(&self.names_of(&entry), owner.clone());
            return Ok(Candidate { entry, matches, reading: Reading::Decided(Standing::Linked(owners)) });
        }
        let read = if matches.is_empty() {
            Err(format!("it has no {}, which users.match names", rules.match_attribute))
        } else {
            // Whoever is referred to is taken for known, until all are.
            let referred = import::referred(&rules.attributes, &entry).into_iter();
            self.read_user(profile, &entry, &referred.map(|dn| (dn.to_string(), dn)).collect())
        };
        let reading = match read {
            Ok((document, _)) => Reading::Readable(user_name(&document)),
            Err(reason) => Reading::Decided(Standing::Unmatched(reason)),
        };
        Ok(Candidate { entry, matches, reading })
    }

    /// The user that an entry is, if that user can be this entry, and what the entry should be then.
    fn read_user(
        &self,
        profile: &Profile,
        entry: &Entry,
        references: &References,
    ) -> Result<(Document, DesiredEntry), String> {
        let rules = &self.rules.users;
        if let Some(class) = foreign_class(rules, entry) {
            return Err(format!("it is not of the object class {class}"));
        }
        let document =
            import::read_user(rules, self.users.schema(), entry, &profile.schema, profile.flavor.lock, references)?;
        let mut desired = map_user(rules, &document, references).map_err(|problems| reasons(&problems))?;
        fit_syntaxes(&rules.attributes, &mut desired, &profile.schema).map_err(|problems| reasons(&problems))?;
        Ok((document, desired))
    }

    /// Who is alone with the match value and the name.
    async fn judge_users(&self, candidates: &[Candidate]) -> Result<Vec<Standing>, Error> {
        let attribute = &self.rules.users.match_attribute;
        let (mut matches, mut names) = (Holders::default(), Holders::default());
        for (number, candidate) in candidates.iter().enumerate() {
            candidate.matches.iter().for_each(|(key, _)| matches.put(key.clone(), number));
            if let Reading::Readable(name) = &candidate.reading {
                names.put(fold_case(name).into_bytes(), number);
            }
        }
        let mut standings = Vec::new();
        for (number, candidate) in candidates.iter().enumerate() {
            let name = match &candidate.reading {
                Reading::Readable(name) => name,
                Reading::Decided(standing) => {
                    standings.push(standing.clone());
                    continue;
                }
            };
            let mut shared = candidate.matches.iter().filter_map(|(key, value)| {
                let others = matches.others(key, number);
                (!others.is_empty()).then(|| (format!("{attribute} {}", quoted(value)), others))
            });
            let of_name = names.others(fold_case(name).as_bytes(), number);
            let by_name = (!of_name.is_empty()).then(|| (format!("userName {name:?}"), of_name));
            standings.push(match shared.next().or(by_name) {
                Some((by, others)) => {
                    let dns = others.iter().filter_map(|other| candidates.get(*other));
                    Standing::Ambiguous { by, others: dns.map(|other| other.entry.dn.clone()).collect() }
                }
                None => match self.store.claimant(&fold_case(name)).await? {
                    Some(owner) => self.taken(name, owner).await?,
                    None => Standing::Matched(Match::of(name)),
                },
            });
        }
        Ok(standings)
    }

    /// The user with all references, and what the map wants otherwise.
    fn user_at(&self, profile: &Profile, places: &Places, entry: &Entry) -> Result<(Document, Vec<String>), String> {
        let users = &self.rules.users;
        let referred = import::referred(&users.attributes, entry).into_iter();
        let references = referred.filter_map(|dn| Some((places.at(&dn)?.0.clone(), dn))).collect();
        let (document, mut desired) = self.read_user(profile, entry, &references)?;
        users.disable.leave(&mut desired, entry);
        let mut differences = differences(&diff(&desired, Some(entry), &profile.schema));
        let lacking = rules::allocated(&users.attributes).filter(|(attribute, _)| entry.values(attribute).is_empty());
        differences.extend(lacking.map(|(attribute, range)| format!("{attribute} gets a number of {range}")));
        Ok((document, differences))
    }
}

fn user_name(document: &Document) -> String {
    resource::text(document, "userName").unwrap_or_default().to_owned()
}

/// Every entry is of the class `top`.
fn says_something(class: &Value) -> bool {
    class.as_str().is_none_or(|class| !class.eq_ignore_ascii_case("top"))
}

/// A class of users that the entry lacks, when it has none of them: it is something else that has the match attribute.
fn foreign_class<'a>(rules: &'a UserRules, entry: &Entry) -> Option<&'a str> {
    let present = entry.values(&AttributeName::of("objectClass"));
    let classes: Vec<&Value> = rules.object_classes.iter().filter(|class| says_something(class)).collect();
    let has = |class: &&Value| present.iter().any(|other| Matching::CaseIgnore.equal(class, other));
    if classes.iter().any(has) { None } else { classes.first()?.as_str() }
}

/// Why a resource cannot be an entry.
pub(super) fn reasons(problems: &[scim::Error]) -> String {
    let details: Vec<&str> = problems.iter().map(|problem| problem.detail.as_str()).collect();
    details.join("; ")
}
