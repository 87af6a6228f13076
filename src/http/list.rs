//! Lists of users, groups or both: filtered, sorted, a page at a time (RFC 7644 §3.4.2, RFC 9865).
//!
//! Invariant: what the store's indexes do not answer streams through in pages; no list is ever held as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::request::Query;
use super::{Failure, Service};
use crate::scim::list::{Listing, Page};
use crate::scim::sort::{self, Place};
use crate::scim::{
    Document, Kind, Paging, Projection, Resource, ResourceId, Schema, Search, Sort, Surroundings, schema,
};
use crate::store::Position;

/// How many resources are read at a time where each must be looked at.
const SCAN: u32 = 500;

/// What of other resources is looked at or shown.
#[derive(Clone, Copy, Debug)]
struct Needs {
    members: bool,
    managers: bool,
}

impl Needs {
    fn of_projection(projection: &Projection) -> Needs {
        Needs {
            members: projection.shows(None, "members"),
            managers: projection.shows(Some(schema::ENTERPRISE_USER), "manager"),
        }
    }

    fn of_search(kind: Kind, search: &Search, sort: Option<&Sort>) -> Needs {
        let sorted = sort.and_then(|sort| sort.path(kind));
        let sorts_by = |name: &str| sorted.is_some_and(|path| path.name == name);
        Needs {
            members: search.looks_at(None, "members") || sorts_by("members"),
            // A manager may be all that makes a resource one of the enterprise schema.
            managers: search.looks_at_manager()
                || search.looks_at(None, "schemas")
                || ["manager", "schemas"].into_iter().any(sorts_by),
        }
    }
}

/// The resources as clients see them, all of one kind. Members and managers are read only when they are needed.
async fn represent(service: &Service, resources: &[Resource], needs: Needs) -> Result<Vec<Document>, Failure> {
    let ids: BTreeSet<ResourceId> = resources.iter().filter(|_| needs.managers).filter_map(Resource::manager).collect();
    let managers = if ids.is_empty() { BTreeMap::new() } else { service.store.resources(&ids).await? };
    let mut surroundings = Surroundings { members: None, managers };
    let mut shown = Vec::with_capacity(resources.len());
    for resource in resources {
        surroundings.members = match resource.kind {
            Kind::Group if needs.members => Some(service.store.members(&resource.id).await?),
            _ => None,
        };
        shown.push(resource.representation(&service.base_url, &surroundings));
    }
    Ok(shown)
}

/// One resource as the client wants to see it.
pub(super) async fn show(service: &Service, projection: &Projection, resource: Resource) -> Result<Document, Failure> {
    let shown = represent(service, &[resource], Needs::of_projection(projection)).await?;
    Ok(shown.into_iter().map(|document| projection.apply(document)).next().unwrap_or_default())
}

/// Answers a query about these kinds: users first, then groups.
pub(super) async fn list_of(service: &Service, kinds: &[Kind], query: &Query) -> Result<serde_json::Value, Failure> {
    let schemas: Vec<&Schema> = kinds.iter().map(|kind| service.bridge.schema_of(*kind)).collect();
    let sort = query.sort(&schemas)?;
    let listing = Listing { kinds, filter: query.filter(), sort: sort.as_ref() };
    let paging = query.paging(&listing)?;
    let search = |kind: &Kind| {
        let search = Search::parse(service.bridge.index_of(*kind), &schemas, query.filter());
        search.map(|search| (*kind, search))
    };
    let searches: Vec<(Kind, Search)> = kinds.iter().map(search).collect::<Result<_, _>>()?;
    let is_indexed = sort.is_none() && searches.iter().all(|(_, search)| search.is_indexed());
    let walk = Walk { service, listing, searches };
    let found = match (&paging, is_indexed) {
        (Paging::Index { start_index, count }, true) => walk.indexed_page(*start_index, *count).await?,
        (Paging::Cursor { after, count }, true) => walk.indexed_after(after.as_ref(), *count).await?,
        (_, false) => walk.scan(&paging).await?,
    };
    let mut page = Page { total: found.total, resources: Vec::new(), next_cursor: found.next_cursor };
    let projections = schemas.iter().map(|schema| query.projection(schema)).collect::<Result<Vec<_>, _>>()?;
    // Neighbours of one kind are shown together; sorted by a name, users and groups may stand side by side.
    for neighbours in found.resources.chunk_by(|left, right| left.kind == right.kind) {
        let kind = neighbours.first().map(|resource| resource.kind);
        let projections = kinds.iter().zip(&projections).filter(|(known, _)| Some(**known) == kind);
        for (_, projection) in projections {
            let shown = represent(service, neighbours, Needs::of_projection(projection)).await?;
            page.resources.extend(shown.into_iter().map(|document| projection.apply(document)));
        }
    }
    Ok(page.response(&paging))
}

/// What a page holds, before it is shown.
#[derive(Default)]
struct Found {
    total: u64,
    resources: Vec<Resource>,
    next_cursor: Option<String>,
}

/// A way through the resources that a list is made of.
struct Walk<'a> {
    service: &'a Service,
    listing: Listing<'a>,
    searches: Vec<(Kind, Search)>,
}

impl Walk<'_> {
    async fn indexed_page(&self, start_index: u32, count: u32) -> Result<Found, Failure> {
        let mut found = Found::default();
        for (kind, search) in &self.searches {
            let before = u32::try_from(found.total).unwrap_or(u32::MAX);
            let shown = u32::try_from(found.resources.len()).unwrap_or(u32::MAX);
            let offset = (start_index - 1).saturating_sub(before);
            let page = self.service.store.find(*kind, &search.condition, offset, count.saturating_sub(shown)).await?;
            found.total += page.total;
            found.resources.extend(page.resources);
        }
        Ok(found)
    }

    async fn indexed_after(&self, after: Option<&Place>, count: u32) -> Result<Found, Failure> {
        let store = &self.service.store;
        let mut found = Found::default();
        for (kind, search) in &self.searches {
            found.total += store.count(*kind, &search.condition).await?;
            let position = match after {
                Some(place) if *kind < place.kind => continue,
                Some(place) if *kind == place.kind => {
                    Some(Position { created: place.created.clone(), id: place.id.clone() })
                }
                _ => None,
            };
            // One more than the page holds tells whether there is another page.
            let shown = u32::try_from(found.resources.len()).unwrap_or(u32::MAX);
            let limit = count.saturating_add(1).saturating_sub(shown);
            found.resources.extend(store.find_after(*kind, &search.condition, position.as_ref(), limit).await?);
        }
        let is_last = found.resources.len() <= count as usize;
        found.resources.truncate(count as usize);
        let last = found.resources.last().filter(|_| !is_last);
        found.next_cursor = last.map(|resource| self.listing.cursor(&sort::place(None, resource, &resource.document)));
        Ok(found)
    }

    /// Looks at every resource that the condition leaves, and keeps the places of those that can be on the page.
    async fn scan(&self, paging: &Paging) -> Result<Found, Failure> {
        let mut window = Window::new(self.listing.sort, paging);
        for (kind, search) in &self.searches {
            let needs = Needs::of_search(*kind, search, self.listing.sort);
            let mut position = None;
            loop {
                let rows = self.service.store.find_after(*kind, &search.condition, position.as_ref(), SCAN).await?;
                let Some(last) = rows.last() else {
                    break;
                };
                position = Some(Position { created: last.created.clone(), id: last.id.clone() });
                // The members of one group may be many; those of hundreds at once would be too many.
                let at_once = if *kind == Kind::Group && needs.members { 1 } else { rows.len() };
                for rows in rows.chunks(at_once) {
                    let shown = represent(self.service, rows, needs).await?;
                    for (resource, shown) in rows.iter().zip(&shown).filter(|(_, shown)| search.matches(shown)) {
                        window.offer(sort::place(self.listing.sort, resource, shown));
                    }
                }
            }
        }
        let (places, total, is_last) = window.into_page();
        let ids: BTreeSet<ResourceId> = places.iter().map(|place| place.id.clone()).collect();
        let mut resources = self.service.store.resources(&ids).await?;
        Ok(Found {
            total,
            // Who was deleted meanwhile is not shown.
            resources: places.iter().filter_map(|place| resources.remove(&place.id)).collect(),
            next_cursor: places.last().filter(|_| !is_last).map(|place| self.listing.cursor(place)),
        })
    }
}

/// The places that can be on a page, of all that are offered.
struct Window<'a> {
    sort: Option<&'a Sort>,
    after: Option<Place>,
    /// How many places before the page are kept, since places offered later may come before them.
    skip: usize,
    count: usize,
    /// How many the page itself holds.
    page: usize,
    places: Vec<Place>,
    total: u64,
}

impl<'a> Window<'a> {
    fn new(sort: Option<&'a Sort>, paging: &Paging) -> Window<'a> {
        let (after, skip, page, more) = match paging {
            Paging::Index { start_index, count } => (None, *start_index as usize - 1, *count as usize, 0),
            // One more than the page holds tells whether there is another page.
            Paging::Cursor { after, count } => (after.clone(), 0, *count as usize, 1),
        };
        Window { sort, after, skip, count: page + more, page, places: Vec::new(), total: 0 }
    }

    fn offer(&mut self, place: Place) {
        self.total += 1;
        let is_seen = |after: &Place| sort::compare(self.sort, &place, after).is_le();
        if self.count == 0 || self.after.as_ref().is_some_and(is_seen) {
            return;
        }
        let most = self.skip.saturating_add(self.count);
        if self.sort.is_none() {
            // Places come in order: what comes before the page need not be remembered.
            let position = usize::try_from(self.total).unwrap_or(usize::MAX);
            let wanted = position > self.skip;
            if wanted && self.places.len() < self.count {
                self.places.push(place);
            }
            return;
        }
        self.places.push(place);
        if self.places.len() >= most.saturating_mul(2).saturating_add(SCAN as usize) {
            self.shrink(most);
        }
    }

    fn shrink(&mut self, most: usize) {
        self.places.sort_by(|left, right| sort::compare(self.sort, left, right));
        self.places.truncate(most);
    }

    /// The places of the page, the total, and whether no page follows.
    fn into_page(mut self) -> (Vec<Place>, u64, bool) {
        if self.sort.is_some() {
            self.shrink(self.skip.saturating_add(self.count));
            self.places.drain(..self.skip.min(self.places.len()));
        }
        let is_last = self.places.len() <= self.page;
        self.places.truncate(self.page);
        (self.places, self.total, is_last)
    }
}
