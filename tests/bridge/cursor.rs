//! Walks through lists by cursor (RFC 9865), while people come and go.

use std::cell::Cell;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::{TestApp, resources};
use crate::support::entra::{self, group_with, person_with};

/// How a list is asked for.
#[derive(Clone, Copy, Debug)]
enum By {
    Url,
    Body,
}

/// One list, asked for page by page.
#[derive(Clone, Debug)]
struct Walk {
    endpoint: &'static str,
    query: Vec<(&'static str, String)>,
    by: By,
    size: usize,
}

impl Walk {
    fn of(endpoint: &'static str, query: &[(&'static str, &str)]) -> Self {
        let query = query.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Self { endpoint, query, by: By::Url, size: 3 }
    }

    fn page(&self, app: &TestApp, cursor: &str) -> Value {
        let answer = match self.by {
            By::Url => {
                let query: String =
                    self.query.iter().map(|(key, value)| format!("{key}={}&", entra::encode(value))).collect();
                app.get(&format!("{}?{query}count={}&cursor={cursor}", self.endpoint, self.size))
            }
            By::Body => {
                let mut body = json!({"cursor": cursor, "count": self.size});
                self.query.iter().for_each(|(key, value)| body[key] = json!(value));
                app.post(&format!("{}/.search", self.endpoint.trim_end_matches('/')), &body)
            }
        };
        let page = answer.expect(200).json();
        let held = resources(&page).len();
        assert!(held <= self.size, "{self:?}: {page}");
        assert_eq!(page["itemsPerPage"], held, "{self:?}");
        assert!(page["totalResults"].as_u64().unwrap() as usize >= held, "{self:?}");
        if let Some(next) = page.get("nextCursor") {
            let next = next.as_str().unwrap();
            let is_unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            assert!(!next.is_empty() && next.chars().all(is_unreserved), "{next}");
            assert_eq!(held, self.size, "a page before the last is full: {self:?}");
        }
        page
    }

    /// Goes to the end, and returns whom it met. Between two pages `between` is told who was on the first of them.
    fn ids(&self, app: &TestApp, mut between: impl FnMut(&[String])) -> Vec<String> {
        let (mut met, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.page(app, &cursor);
            let ids = ids(&page);
            met.extend_from_slice(&ids);
            let Some(next) = page.get("nextCursor") else {
                return met;
            };
            assert!(met.len() < 500, "the walk ends: {self:?}");
            cursor = next.as_str().unwrap().to_owned();
            between(&ids);
        }
    }
}

fn ids(list: &Value) -> Vec<String> {
    resources(list).iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
}

/// Lists of each kind: as they are, filtered by the store's index and one by one, sorted by what all, some and none
/// have, in both orders, and sorted and filtered.
fn walks() -> Vec<Walk> {
    let mut walks = Vec::new();
    for endpoint in ["/Users", "/Groups", "/"] {
        let sorted = if endpoint == "/Groups" { "displayName" } else { "title" };
        for query in [
            &[][..],
            &[("filter", "displayName pr")],
            &[("filter", "displayName co \"a\" or meta.location pr")],
            &[("sortBy", sorted)],
            &[("sortBy", sorted), ("sortOrder", "descending")],
            &[("sortBy", "externalId"), ("filter", "externalId pr")],
            &[("sortBy", "meta.resourceType"), ("filter", "not (externalId eq \"nobody\")")],
            &[("sortBy", "meta.created"), ("sortOrder", "descending")],
        ] {
            walks.push(Walk::of(endpoint, query));
        }
    }
    walks
}

/// People of whom a third have no title and many the same one, and groups.
struct Town {
    app: TestApp,
    born: Cell<usize>,
}

impl Town {
    fn of(users: usize, groups: usize) -> Self {
        let town = Self { app: TestApp::start(), born: Cell::new(0) };
        (0..users).for_each(|_| _ = town.add("/Users"));
        (0..groups).for_each(|_| _ = town.add("/Groups"));
        town
    }

    fn add(&self, endpoint: &str) -> String {
        let number = self.born.replace(self.born.get() + 1);
        // In another order by name than by age.
        let name = format!("n{}-{number}", number * 37 % 100);
        if endpoint == "/Groups" {
            return self.app.create_group_with(&group_with(&name, &format!("x{name}"), &[]));
        }
        let title = match number % 3 {
            0 => Value::Null,
            1 => json!("Engineer"),
            _ => json!(format!("é{name}")),
        };
        self.app.create_user(&person_with(&name, json!({"title": title})))
    }

    fn delete(&self, id: &str) {
        let user = self.app.delete(&format!("/Users/{id}"));
        if user.status == 404 {
            self.app.delete(&format!("/Groups/{id}")).expect(204);
        } else {
            user.expect(204);
        }
    }

    fn everybody(&self, endpoint: &str) -> BTreeSet<String> {
        ids(&self.app.get(&format!("{endpoint}?count=1000")).expect(200).json()).into_iter().collect()
    }
}

#[test]
fn a_walk_is_the_list_in_its_order() {
    let town = Town::of(9, 5);
    for walk in walks() {
        let whole = Walk { size: 1000, ..walk.clone() }.ids(&town.app, |_| panic!("there is one page alone"));
        assert_eq!(whole.iter().cloned().collect::<BTreeSet<_>>(), town.everybody(walk.endpoint), "{walk:?}");
        for (size, by) in [(1, By::Url), (2, By::Body), (3, By::Url), (7, By::Body), (whole.len(), By::Url)] {
            let walk = Walk { size, by, ..walk.clone() };
            assert_eq!(walk.ids(&town.app, |_| {}), whole, "{walk:?}");
        }
        // And by index it is the same.
        let query: String = walk.query.iter().map(|(key, value)| format!("&{key}={}", entra::encode(value))).collect();
        let list = town.app.get(&format!("{}?count=1000{query}", walk.endpoint)).expect(200).json();
        assert_eq!(ids(&list), whole, "{walk:?}");
    }
}

#[test]
fn a_walk_says_how_many_there_are_and_ends() {
    let town = Town::of(6, 2);
    for walk in walks() {
        let total = town.everybody(walk.endpoint).len();
        let walk = Walk { size: 2, ..walk };
        let mut cursor = String::new();
        for number in 0.. {
            let page = walk.page(&town.app, &cursor);
            assert_eq!(page["totalResults"], total, "{walk:?}");
            // RFC 9865 §2: no nextCursor on the last page alone, and a page that is full may be the last.
            let is_last = (number + 1) * 2 >= total;
            assert_eq!(page.get("nextCursor").is_none(), is_last, "{walk:?}: {page}");
            assert_eq!(page.get("startIndex"), None, "it has no index: {walk:?}");
            if is_last {
                break;
            }
            cursor = page["nextCursor"].as_str().unwrap().to_owned();
        }
    }
    // Nobody at all.
    let walk = Walk::of("/Users", &[("filter", "userName eq \"nobody\"")]);
    let page = walk.page(&town.app, "");
    assert_eq!((&page["totalResults"], &page["Resources"], page.get("nextCursor")), (&json!(0), &json!([]), None));
}

#[test]
fn who_is_there_throughout_is_met_once_whoever_comes_and_goes() {
    let town = Town::of(11, 6);
    for (number, walk) in walks().into_iter().enumerate() {
        for size in [1, 2, 3, 7] {
            let by = if (number + size) % 2 == 0 { By::Url } else { By::Body };
            let walk = Walk { size, by, ..walk.clone() };
            let before = town.everybody(walk.endpoint);
            let (mut throughout, mut seen, mut pages) = (before.clone(), BTreeSet::new(), 0);
            let met = walk.ids(&town.app, |page| {
                seen.extend(page.iter().cloned());
                let still_to_come = throughout.iter().find(|id| !seen.contains(*id)).cloned();
                pages += 1;
                let leaver = match pages % 4 {
                    // On whom the cursor stands.
                    1 => page.last().cloned(),
                    2 => throughout.iter().find(|id| seen.contains(*id)).cloned(),
                    3 => still_to_come,
                    _ => None,
                };
                if let Some(leaver) = leaver.filter(|id| throughout.remove(id)) {
                    town.delete(&leaver);
                    town.add(match walk.endpoint {
                        "/" if pages % 2 == 0 => "/Users",
                        "/" => "/Groups",
                        one => one,
                    });
                }
            });
            assert!(pages == 0 || throughout.len() < before.len(), "somebody went: {walk:?}");
            let once: BTreeSet<String> = met.iter().cloned().collect();
            assert_eq!(once.len(), met.len(), "nobody is met twice: {walk:?}");
            assert_eq!(throughout.difference(&once).count(), 0, "nobody is missed: {walk:?}");
        }
    }
}

#[test]
fn a_cursor_outlives_a_restart_and_everybody_who_was_there() {
    let town = Town::of(5, 0);
    let first = Walk { size: 3, ..Walk::of("/Users", &[]) };
    let cursor = first.page(&town.app, "")["nextCursor"].as_str().unwrap().to_owned();
    town.app.restart();
    assert_eq!(resources(&first.page(&town.app, &cursor)).len(), 2);
    town.everybody("/Users").iter().for_each(|id| town.delete(id));
    let page = first.page(&town.app, &cursor);
    assert_eq!((&page["totalResults"], &page["Resources"], page.get("nextCursor")), (&json!(0), &json!([]), None));
}

#[test]
fn a_cursor_is_good_for_its_own_list_alone() {
    let town = Town::of(5, 3);
    let walk = Walk { size: 1, ..Walk::of("/Users", &[("filter", "displayName pr"), ("sortBy", "title")]) };
    let cursor = walk.page(&town.app, "")["nextCursor"].as_str().unwrap().to_owned();
    walk.page(&town.app, &cursor);
    let (filter, other) = (entra::encode("displayName pr"), entra::encode("userName pr"));
    let refused = |target: &str| town.app.get(target).refuses(400, "invalidCursor", &[]);
    refused(&format!("/Users?cursor={cursor}"));
    refused(&format!("/Users?filter={filter}&cursor={cursor}"));
    refused(&format!("/Users?sortBy=title&cursor={cursor}"));
    refused(&format!("/Users?filter={other}&sortBy=title&cursor={cursor}"));
    refused(&format!("/Users?filter={filter}&sortBy=userName&cursor={cursor}"));
    refused(&format!("/Users?filter={filter}&sortBy=title&sortOrder=descending&cursor={cursor}"));
    refused(&format!("/?filter={filter}&sortBy=title&cursor={cursor}"));
    refused(&format!("/Groups?filter={filter}&cursor={cursor}"));
    let body = json!({"filter": "userName pr", "sortBy": "title", "cursor": cursor});
    town.app.post("/Users/.search", &body).refuses(400, "invalidCursor", &[]);
    // A URL's cursor is a body's.
    let body = json!({"filter": "displayName pr", "sortBy": "title", "cursor": cursor, "count": 1});
    assert_eq!(town.app.post("/Users/.search", &body).expect(200).json(), walk.page(&town.app, &cursor));
    // How much of each is shown, and how many, is no part of it.
    let target = format!("/Users?filter={filter}&sortBy=title&attributes=id&count=2&cursor={cursor}");
    assert_eq!(resources(&town.app.get(&target).expect(200).json()).len(), 2);
}

#[test]
fn bad_cursors_and_counts_are_refused() {
    let town = Town::of(2, 0);
    let cursor =
        Walk { size: 1, ..Walk::of("/Users", &[]) }.page(&town.app, "")["nextCursor"].as_str().unwrap().to_owned();
    for endpoint in ["/Users", "/Groups", "/"] {
        for bad in
            ["x", "W10", "bnVsbA", "e30", "%00", "ü", "..%2f", &"A".repeat(5000), &cursor[1..], &format!("{cursor}A")]
        {
            let target =
                format!("{endpoint}?cursor={}", if bad.starts_with('%') { bad.to_owned() } else { entra::encode(bad) });
            town.app.get(&target).refuses(400, "invalidCursor", &[]);
        }
        for bad in ["0", "-1", "one", "1.5", ""] {
            town.app.get(&format!("{endpoint}?cursor=&count={bad}")).refuses(400, "invalidCount", &[]);
        }
        let target = format!("{}/.search", endpoint.trim_end_matches('/'));
        town.app.post(&target, &json!({"cursor": "", "count": 0})).refuses(400, "invalidCount", &[]);
        town.app.post(&target, &json!({"cursor": "x"})).refuses(400, "invalidCursor", &[]);
    }
    // More than a page may hold is as much as it may hold.
    for count in ["1001", "99999999999999999999"] {
        assert_eq!(resources(&town.app.get(&format!("/Users?cursor&count={count}")).expect(200).json()).len(), 2);
    }
    // Without a cursor a list is paged by index, as it always was.
    assert_eq!(town.app.get("/Users?count=1").expect(200).json().get("nextCursor"), None);
}

#[test]
fn a_large_list_is_walked_whole() {
    // More than the server reads or shows at a time.
    const MANY: usize = 1_203;
    let app = TestApp::start();
    let numbers: Vec<usize> = (0..MANY).collect();
    for chunk in numbers.chunks(200) {
        let operations: Vec<Value> = chunk
            .iter()
            .map(|number| {
                let name = format!("u{number:04}");
                let data = person_with(&name, json!({"title": format!("t{}", number % 10), "nickName": "n"}));
                json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data})
            })
            .collect();
        let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
        app.post("/Bulk", &bulk).expect(200);
    }
    let names = |list: &Value| -> Vec<String> {
        resources(list).iter().map(|user| user["userName"].as_str().unwrap()[1..5].to_owned()).collect()
    };
    let expected: Vec<String> = numbers.iter().map(|number| format!("{number:04}")).collect();
    let mut by_title = numbers.clone();
    by_title.sort_by_key(|number| (number % 10, *number));
    let by_title: Vec<String> = by_title.iter().map(|number| format!("{number:04}")).collect();
    for (query, expected) in [
        ("", &expected),
        ("filter=displayName+pr&", &expected),
        ("filter=nickName+pr&", &expected),
        ("sortBy=title&", &by_title),
    ] {
        for count in [1000, 500, 499] {
            let (mut walked, mut cursor) = (Vec::new(), String::new());
            loop {
                let target = format!("/Users?{query}attributes=userName&count={count}&cursor={cursor}");
                let page = app.get(&target).expect(200).json();
                assert_eq!(page["totalResults"], MANY);
                walked.extend(names(&page));
                match page.get("nextCursor") {
                    Some(next) => cursor = next.as_str().unwrap().to_owned(),
                    None => break,
                }
            }
            assert_eq!(&walked, expected, "{query} by {count}");
        }
        let list = app.get(&format!("/Users?{query}startIndex=1001&count=1000")).expect(200).json();
        assert_eq!(names(&list), expected[1000..], "{query}");
        let list = app.get(&format!("/Users?{query}startIndex=499&count=4")).expect(200).json();
        assert_eq!(names(&list), expected[498..502], "{query}");
    }
    // How many are shown when nobody says (RFC 7644 §3.4.2.4), and at most.
    assert_eq!(resources(&app.get("/Users").expect(200).json()).len(), 100);
    assert_eq!(resources(&app.get("/Users?count=5000").expect(200).json()).len(), 1000);
    let config = app.get("/ServiceProviderConfig").expect(200).json();
    assert_eq!(
        (&config["pagination"]["defaultPageSize"], &config["pagination"]["maxPageSize"]),
        (&json!(100), &json!(1000))
    );
    assert_eq!((&config["pagination"]["cursor"], &config["pagination"]["index"]), (&json!(true), &json!(true)));
}
