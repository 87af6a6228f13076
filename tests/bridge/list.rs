//! Lists: which part of a result is returned, in which order, and how much of each resource (RFC 7644 §3.4.2.3 to
//! §3.4.2.5, §3.9).

use serde_json::{Value, json};

use crate::support::app::{TestApp, resources};
use crate::support::entra::{self, ENTERPRISE, GROUP, USER, group_with, person_with};
use crate::support::slapd::Flavor;
use crate::support::workplace::Settings;

const CONTOSO: &str = "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User";

/// The local part of a user's name, or a group's.
fn name(resource: &Value) -> &str {
    let name = resource["userName"].as_str().or(resource["displayName"].as_str()).unwrap_or_default();
    name.split('@').next().unwrap_or_default()
}

fn names(list: &Value) -> Vec<String> {
    resources(list).iter().map(|resource| name(resource).to_owned()).collect()
}

/// Eight users, two of whom have a title, and three groups.
fn company() -> TestApp {
    let app = TestApp::start();
    for number in 1..=8 {
        let title = if number % 4 == 0 { json!("Engineer") } else { Value::Null };
        app.create_user(&person_with(&format!("user{number}"), json!({"title": title})));
    }
    for number in 1..=3 {
        app.create_group(&format!("group{number}"));
    }
    app
}

#[test]
fn pages_by_index_are_what_the_rfc_says() {
    let app = company();
    let users: Vec<String> = (1..=8).map(|number| format!("user{number}")).collect();
    let all: Vec<String> = users.iter().cloned().chain((1..=3).map(|number| format!("group{number}"))).collect();
    let groups = all[8..].to_vec();
    // In three ways: from an index, looked at one by one, and sorted.
    let everybody = entra::encode("meta.location pr");
    let queries =
        ["x".to_owned(), format!("filter={everybody}"), "sortBy=meta.resourceType&sortOrder=descending".to_owned()];
    for (endpoint, expected) in [("/Users", &users), ("/Groups", &groups), ("/", &all)] {
        let total = expected.len();
        for query in &queries {
            for (paging, start, from, to) in [
                ("", 1, 0, total),
                ("startIndex=1", 1, 0, total),
                ("startIndex=0", 1, 0, total),
                ("startIndex=-5&count=2", 1, 0, 2),
                ("startIndex=-99999999999999999999999&count=1", 1, 0, 1),
                ("startIndex=2", 2, 1, total),
                ("startIndex=2&count=1", 2, 1, 2),
                ("count=3", 1, 0, 3),
                ("count=0", 1, 0, 0),
                ("count=-1", 1, 0, 0),
                ("startIndex=3&count=0", 3, 2, 2),
                ("count=1000", 1, 0, total),
                ("count=1001", 1, 0, total),
                ("count=4294967296", 1, 0, total),
                ("count=99999999999999999999999", 1, 0, total),
                ("startIndex=+2&count=+2", 2, 1, 3),
            ] {
                let target = format!("{endpoint}?{query}&{paging}");
                let list = app.get(&target).expect(200).json();
                assert_eq!(names(&list), expected[from..to], "{target}");
                assert_eq!(list["totalResults"], total, "{target}");
                assert_eq!(list["startIndex"], start, "{target}");
                assert_eq!(list["itemsPerPage"], to - from, "{target}");
                assert_eq!(list.get("nextCursor"), None, "{target}");
            }
            let last = app.get(&format!("{endpoint}?{query}&startIndex={total}&count=5")).expect(200).json();
            assert_eq!(names(&last), expected[total - 1..], "{endpoint}?{query}");
            for beyond in ["99", "4294967295", "4294967296", "9223372036854775807", "99999999999999999999999"] {
                let target = format!("{endpoint}?{query}&startIndex={beyond}");
                let list = app.get(&target).expect(200).json();
                assert_eq!((&list["totalResults"], &list["itemsPerPage"]), (&json!(total), &json!(0)), "{target}");
                assert_eq!(list["Resources"], json!([]), "{target}");
            }
            for nonsense in ["startIndex=one", "count=many", "count=", "startIndex=1.5", "count=0x10", "startIndex=%00"]
            {
                app.get(&format!("{endpoint}?{query}&{nonsense}")).refuses(400, "invalidValue", &[]);
            }
        }
        // Page by page they are the list, across the border between users and groups.
        for size in [1, 2, 3, 5, 7] {
            let page = |start: usize| {
                names(&app.get(&format!("{endpoint}?startIndex={start}&count={size}")).expect(200).json())
            };
            let paged: Vec<String> = (1..=total).step_by(size).flat_map(page).collect();
            assert_eq!(&paged, expected, "{endpoint} by {size}");
        }
    }
    let found = |target: &str| {
        let list = app.get(target).expect(200).json();
        (list["totalResults"].as_u64().unwrap(), names(&list))
    };
    for filter in ["title pr", "title co \"gin\"", "(title pr) or meta.version eq \"x\""] {
        let filter = entra::encode(filter);
        assert_eq!(found(&format!("/Users?filter={filter}&count=1")), (2, vec!["user4".to_owned()]));
        assert_eq!(found(&format!("/Users?filter={filter}&startIndex=2")), (2, vec!["user8".to_owned()]));
        assert_eq!(found(&format!("/Users?filter={filter}&startIndex=3")), (2, vec![]));
        assert_eq!(found(&format!("/Users?filter={filter}&count=0")), (2, vec![]));
        assert_eq!(found(&format!("/?filter={filter}&startIndex=2&count=7")), (2, vec!["user8".to_owned()]));
    }
    let filter = entra::encode("displayName co \"1\"");
    assert_eq!(found(&format!("/?filter={filter}&count=1")), (2, vec!["user1".to_owned()]));
    assert_eq!(found(&format!("/?filter={filter}&startIndex=2&count=1")), (2, vec!["group1".to_owned()]));
}

#[test]
fn totals_follow_what_comes_and_goes() {
    let app = company();
    let total = |target: &str| app.get(target).expect(200).json()["totalResults"].as_u64().unwrap();
    let filter = entra::encode("title pr");
    let looked_at = entra::encode("nickName eq null");
    let totals = || {
        let filtered = [format!("/Users?filter={filter}&count=0"), format!("/Users?filter={looked_at}&count=1")];
        (total("/Users?count=2"), total("/?cursor&count=1"), total(&filtered[0]), total(&filtered[1]))
    };
    assert_eq!(totals(), (8, 11, 2, 8));
    let eve = app.create_user(&person_with("eve", json!({"title": "Boss", "nickName": "e"})));
    assert_eq!(totals(), (9, 12, 3, 8));
    app.patch_user(&eve, &json!([{"op": "remove", "path": "title"}, {"op": "remove", "path": "nickName"}]));
    assert_eq!(totals(), (9, 12, 2, 9));
    app.delete(&format!("/Users/{eve}")).expect(204);
    assert_eq!(totals(), (8, 11, 2, 8));
}

/// People who differ in what can be sorted by, and two groups.
fn various() -> TestApp {
    let custom = |ldap: &str, name: &str, kind: &str| {
        format!("[[users.attribute]]\nldap = \"{ldap}\"\nscim = \"{CONTOSO}:{name}\"\ntype = \"{kind}\"\n")
    };
    let settings = Settings::default()
        .add(&custom("roomNumber", "grade", "integer"))
        .add(&custom("employeeType", "since", "dateTime"))
        .add(&custom("businessCategory", "rate", "decimal"));
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    let people = [
        (
            "dora",
            json!({
                "title": "baker", "externalId": "b", "name": {"givenName": "Dora", "familyName": "Zeta"},
                "emails": [{"type": "home", "value": "a@x.org"}, {"type": "work", "value": "Z@x.org", "primary": true}],
                ENTERPRISE: {"employeeNumber": "10", "department": "Sales"},
                CONTOSO: {"grade": 9, "rate": 1.5, "since": "2026-01-01T12:00:00+02:00"},
            }),
        ),
        (
            "Carl",
            json!({
                "title": "Chef", "externalId": "B", "name": {"givenName": "Carl", "familyName": "Élan"}, "active": false,
                "emails": [{"type": "work", "value": "y@x.org"}, {"type": "home", "value": "b@x.org"}],
                ENTERPRISE: {"employeeNumber": "9", "department": "R&D"},
                CONTOSO: {"grade": 10, "rate": 1, "since": "2026-01-01T11:00:00Z"},
            }),
        ),
        (
            "bert",
            json!({
                "externalId": "a", "name": {"givenName": "Bert", "familyName": "alpha"}, "emails": null,
                CONTOSO: {"grade": -1, "rate": 1e3, "since": "2026-01-01T10:30:00.5Z"},
            }),
        ),
        (
            "Anna",
            json!({
                "title": "Artist", "externalId": "A", "name": {"givenName": "Anna", "familyName": "beta"},
                "emails": [{"type": "work", "value": "x@x.org"}],
                ENTERPRISE: {"department": "Board"},
            }),
        ),
    ];
    for (name, attributes) in people {
        app.create_user(&person_with(name, attributes));
    }
    let anna = app.lookup_user("anna@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    let bert = app.lookup_user("bert@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    app.patch_user(&bert, &json!([{"op": "add", "path": "manager", "value": anna}]));
    app.create_group_with(&group_with("beta", "C", &[]));
    app.create_group_with(&group_with("Alpha", "c", &[&anna]));
    app
}

#[test]
fn a_list_is_sorted_by_what_the_attribute_is() {
    let app = various();
    let check = |endpoint: &str, by: &str, ascending: &[&str]| {
        let sorted = |order: &str| {
            names(&app.get(&format!("{endpoint}?sortBy={}{order}", entra::encode(by))).expect(200).json())
        };
        assert_eq!(sorted(""), ascending, "{by}");
        assert_eq!(sorted("&sortOrder=ascending"), ascending, "{by}");
        assert_eq!(sorted("&sortOrder=Ascending"), ascending, "{by}");
        let body = json!({"sortBy": by, "sortOrder": "descending"});
        let target = format!("{}/.search", endpoint.trim_end_matches('/'));
        let descending = names(&app.post(&target, &body).expect(200).json());
        assert_eq!(sorted("&sortOrder=descending"), descending, "{by}");
        descending
    };
    // All have different values, or none: then those come last, and first in the other order.
    let reversed = |by: &str, ascending: &[&str]| {
        let mut expected: Vec<&str> = ascending.to_vec();
        expected.reverse();
        assert_eq!(check("/Users", by, ascending), expected, "{by}");
    };
    reversed("userName", &["Anna", "bert", "Carl", "dora"]);
    reversed("USERNAME", &["Anna", "bert", "Carl", "dora"]);
    reversed(&format!("{USER}:userName"), &["Anna", "bert", "Carl", "dora"]);
    reversed("title", &["Anna", "dora", "Carl", "bert"]);
    // Case counts (RFC 7643 §3.1).
    reversed("externalId", &["Anna", "Carl", "bert", "dora"]);
    reversed("name.familyName", &["bert", "Anna", "dora", "Carl"]);
    reversed("NAME.givenname", &["Anna", "bert", "Carl", "dora"]);
    // The primary value, or else the first.
    reversed("emails", &["Anna", "Carl", "dora", "bert"]);
    reversed("emails.value", &["Anna", "Carl", "dora", "bert"]);
    reversed(&format!("{ENTERPRISE}:department"), &["Anna", "Carl", "dora", "bert"]);
    reversed("department", &["Anna", "Carl", "dora", "bert"]);
    // Numbers as numbers, moments as moments.
    reversed(&format!("{CONTOSO}:grade"), &["bert", "dora", "Carl", "Anna"]);
    reversed(&format!("{CONTOSO}:rate"), &["Carl", "dora", "bert", "Anna"]);
    reversed(&format!("{CONTOSO}:since"), &["dora", "bert", "Carl", "Anna"]);
    reversed("meta.created", &["dora", "Carl", "bert", "Anna"]);
    // Equal ones stand in the order in which they came to be, in both orders.
    assert_eq!(check("/Users", "active", &["Carl", "dora", "bert", "Anna"]), ["dora", "bert", "Anna", "Carl"]);
    assert_eq!(check("/Users", "nickName", &["dora", "Carl", "bert", "Anna"]), ["dora", "Carl", "bert", "Anna"]);
    assert_eq!(check("/Users", "employeeNumber", &["dora", "Carl", "bert", "Anna"]), ["bert", "Anna", "Carl", "dora"]);
    let managed = ["bert", "dora", "Carl", "Anna"];
    for by in ["manager", "manager.value", "manager.displayName", "manager.$ref"] {
        assert_eq!(check("/Users", by, &managed), ["dora", "Carl", "Anna", "bert"], "{by}");
    }
    assert_eq!(check("/Groups", "displayName", &["Alpha", "beta"]), ["beta", "Alpha"]);
    assert_eq!(check("/Groups", "members", &["Alpha", "beta"]), ["beta", "Alpha"]);

    // Of all kinds: those who do not have it have no value.
    assert_eq!(
        check("/", "userName", &["Anna", "bert", "Carl", "dora", "beta", "Alpha"]),
        ["beta", "Alpha", "dora", "Carl", "bert", "Anna"]
    );
    assert_eq!(
        check("/", "externalId", &["Anna", "Carl", "beta", "bert", "dora", "Alpha"]),
        ["Alpha", "dora", "bert", "beta", "Carl", "Anna"]
    );
    check("/", "meta.created", &["dora", "Carl", "bert", "Anna", "beta", "Alpha"]);
    check("/", "meta.resourceType", &["beta", "Alpha", "dora", "Carl", "bert", "Anna"]);
    check("/", "members.value", &["Alpha", "dora", "Carl", "bert", "Anna", "beta"]);
}

#[test]
fn numbers_are_told_apart_where_floats_are_not() {
    let custom = format!("[[users.attribute]]\nldap = \"roomNumber\"\nscim = \"{CONTOSO}:rate\"\ntype = \"decimal\"\n");
    let app = TestApp::start_with(Flavor::AsShipped, Settings::default().add(&custom));
    let rates = [
        json!(9_007_199_254_740_993_u64),
        json!(9_007_199_254_740_992.0),
        json!(9_007_199_254_740_994_u64),
        json!(9_007_199_254_740_992_u64),
        json!(18_446_744_073_709_551_615_u64),
        json!(-1.5),
        json!(18_446_744_073_709_551_614_u64),
    ];
    for number in 0..42 {
        let rate = &rates[number * 5 % rates.len()];
        app.create_user(&person_with(&format!("user{number}"), json!({CONTOSO: {"rate": rate}})));
    }
    let list = app.get(&format!("/Users?sortBy={CONTOSO}:rate")).expect(200).json();
    let order: Vec<usize> = resources(&list)
        .iter()
        .map(|user| rates.iter().position(|rate| user[CONTOSO]["rate"] == *rate).unwrap())
        .map(|position| [3, 2, 4, 2, 6, 1, 5][position])
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    let found = |filter: &str| app.find("Users", &format!("{CONTOSO}:rate {filter}")).len();
    assert_eq!(found("eq 9007199254740993"), 6);
    assert_eq!(found("eq 9007199254740992"), 12);
    assert_eq!(found("gt 18446744073709551614"), 6);
    assert_eq!(found("lt 9007199254740992.0"), 6);
}

#[test]
fn pages_of_a_sorted_list_are_the_sorted_list() {
    let app = various();
    let filter = entra::encode("displayName pr");
    for endpoint in ["/Users", "/Groups", "/"] {
        for sort in ["sortBy=title", "sortBy=title&sortOrder=descending", "sortBy=active", "sortBy=displayName"] {
            for filter in ["", &format!("&filter={filter}")] {
                if endpoint == "/Groups" && !sort.contains("displayName") {
                    continue;
                }
                let page = |paging: &str| app.get(&format!("{endpoint}?{sort}{filter}{paging}")).expect(200).json();
                let whole = page("");
                let total = whole["totalResults"].as_u64().unwrap() as usize;
                for size in 1..=4 {
                    let paged: Vec<String> = (1..=total + 1)
                        .step_by(size)
                        .flat_map(|start| {
                            let list = page(&format!("&startIndex={start}&count={size}"));
                            assert_eq!(list["totalResults"], total);
                            names(&list)
                        })
                        .collect();
                    assert_eq!(paged, names(&whole), "{endpoint} {sort} by {size}");
                }
                assert_eq!(names(&page("&count=0")), [""; 0]);
            }
        }
    }
}

#[test]
fn what_cannot_be_sorted_by_is_refused() {
    let app = various();
    for by in [
        "name",
        "addresses",
        "meta",
        "favouriteColour",
        "name.nothing",
        USER,
        "urn:example:2.0:User:badge",
        "[",
        "userName.",
        "a b",
    ] {
        for endpoint in ["/Users", "/"] {
            app.get(&format!("{endpoint}?sortBy={}", entra::encode(by))).refuses(400, "invalidPath", &[]);
        }
    }
    app.get("/Groups?sortBy=userName").refuses(400, "invalidPath", &[]);
    app.get("/Users?sortBy=userName&sortOrder=upwards").refuses(400, "invalidValue", &["upwards"]);
    // Nothing to sort by: nothing to refuse.
    for query in ["sortBy=", "sortBy=%20", "sortBy", "sortOrder=descending", "sortBy=userName&sortOrder="] {
        app.get(&format!("/Users?{query}")).expect(200);
    }
}

#[test]
fn of_each_resource_is_shown_what_was_asked_for() {
    let app = various();
    let anna = app.lookup_user("anna@contoso.com").unwrap();
    let bert = app.lookup_user("bert@contoso.com").unwrap();
    let id = |user: &Value| user["id"].as_str().unwrap().to_owned();
    let check = |user: &Value, query: &str, expected: Value| {
        let (kind, value) = query.split_once('=').unwrap();
        let mut expected = expected;
        let get = |target: &str| app.get(target).expect(200).json();
        let shown = get(&format!("/Users/{}?{kind}={}", id(user), entra::encode(value)));
        // They are those of the whole, or of what is shown (RFC 7643 §3).
        assert!(shown["schemas"].as_array().is_some_and(|schemas| schemas.contains(&json!(USER))), "{query}");
        expected["schemas"] = shown["schemas"].clone();
        expected["id"] = user["id"].clone();
        assert_eq!(shown, expected, "{query}");
        let filter = format!("id eq \"{}\"", id(user));
        let list = get(&format!("/Users?{kind}={value}&filter={}", entra::encode(&filter)));
        assert_eq!(resources(&list), [expected.clone()], "{query}");
        let words: Vec<&str> = value.split(',').collect();
        let list = app.post("/.search", &json!({kind: words, "filter": filter})).expect(200).json();
        assert_eq!(resources(&list), [expected], "{query}");
    };
    check(&anna, "attributes=id", json!({}));
    check(&anna, "attributes=userName,title", json!({"title": "Artist", "userName": anna["userName"]}));
    check(&anna, "attributes= USERNAME , Title ", json!({"title": "Artist", "userName": anna["userName"]}));
    check(&anna, "attributes=name.givenName", json!({"name": {"givenName": "Anna"}}));
    check(
        &anna,
        "attributes=name.GIVENNAME,name.familyName",
        json!({"name": {"givenName": "Anna", "familyName": "beta"}}),
    );
    check(&anna, "attributes=name,name.givenName", json!({"name": anna["name"]}));
    check(&anna, "attributes=name.givenName,name", json!({"name": anna["name"]}));
    check(&anna, "attributes=emails.value", json!({"emails": [{"value": "x@x.org"}]}));
    check(&anna, "attributes=emails.type,emails.value", json!({"emails": [{"type": "work", "value": "x@x.org"}]}));
    check(&anna, "attributes=meta.resourceType", json!({"meta": {"resourceType": "User"}}));
    check(&anna, &format!("attributes={USER}:userName"), json!({"userName": anna["userName"]}));
    check(&anna, &format!("attributes={USER}:name.givenName"), json!({"name": {"givenName": "Anna"}}));
    check(
        &anna,
        &format!("attributes={}:department", ENTERPRISE.to_lowercase()),
        json!({ENTERPRISE: {"department": "Board"}}),
    );
    check(&anna, "attributes=department", json!({ENTERPRISE: {"department": "Board"}}));
    check(&anna, &format!("attributes={ENTERPRISE}"), json!({ENTERPRISE: {"department": "Board"}}));
    check(&bert, &format!("attributes={CONTOSO}"), json!({CONTOSO: bert[CONTOSO]}));
    check(&bert, &format!("attributes={CONTOSO}:grade,title"), json!({CONTOSO: {"grade": -1}}));
    check(
        &bert,
        "attributes=manager.displayName",
        json!({ENTERPRISE: {"manager": {"displayName": anna["displayName"]}}}),
    );
    check(&bert, "attributes=manager", json!({ENTERPRISE: {"manager": bert[ENTERPRISE]["manager"]}}));
    // What nobody has or knows is not there, and leaves nothing empty behind.
    check(&anna, "attributes=nickName,favouriteColour,urn:example:2.0:User:badge", json!({}));
    check(&anna, "attributes=name.middleName", json!({}));
    check(&anna, "attributes=emails.display", json!({}));
    check(&anna, &format!("attributes={ENTERPRISE}:manager,{CONTOSO}"), json!({}));
    check(&anna, &format!("attributes={ENTERPRISE}:manager.value"), json!({}));

    let without = |user: &Value, names: &[&str]| {
        let mut rest = user.clone();
        for name in names {
            rest.as_object_mut().unwrap().shift_remove(*name);
        }
        rest
    };
    check(&anna, "excludedAttributes=title,meta", without(&anna, &["title", "meta"]));
    check(&anna, "excludedAttributes=id,schemas,ID", anna.clone());
    check(&anna, "excludedAttributes=favouriteColour,nickName", anna.clone());
    check(&anna, &format!("excludedAttributes={ENTERPRISE}"), without(&anna, &[ENTERPRISE]));
    check(&anna, &format!("excludedAttributes={ENTERPRISE}:department"), without(&anna, &[ENTERPRISE]));
    check(&anna, &format!("excludedAttributes={}:NAME", USER.to_uppercase()), without(&anna, &["name"]));
    check(&anna, "excludedAttributes=emails.value,emails.type", without(&anna, &["emails"]));
    check(&anna, "excludedAttributes=name.givenName,name.familyName,name.formatted", without(&anna, &["name"]));
    check(&anna, &format!("excludedAttributes={USER}"), json!({ENTERPRISE: anna[ENTERPRISE]}));
    check(&bert, &format!("excludedAttributes={CONTOSO}"), without(&bert, &[CONTOSO]));
    let mut shown = anna.clone();
    shown["name"].as_object_mut().unwrap().shift_remove("givenName");
    shown["meta"].as_object_mut().unwrap().shift_remove("version");
    check(&anna, "excludedAttributes=NAME.givenName,meta.version", shown);
    let mut core = anna.clone();
    core.as_object_mut().unwrap().shift_remove(ENTERPRISE);
    check(&anna, &format!("attributes={USER}"), core);

    // Each kind is asked for what it has.
    let list = app.get("/?attributes=userName,members.value").expect(200).json();
    for resource in resources(&list) {
        let keys: Vec<&String> = resource.as_object().unwrap().keys().filter(|key| *key != "id").collect();
        let is_user = resource["schemas"].as_array().unwrap().contains(&json!(USER));
        match is_user {
            true => assert_eq!(keys, ["schemas", "userName"]),
            false if resource["members"] == json!([]) => assert_eq!(keys, ["schemas", "members"]),
            false => assert_eq!(resource["members"], json!([{"value": anna["id"]}])),
        }
    }
    let group = app.lookup_groups("Alpha").remove(0);
    let target = format!("/Groups/{}", group["id"].as_str().unwrap());
    let get = |query: &str| app.get(&format!("{target}?{query}")).expect(200).json();
    assert_eq!(get("excludedAttributes=members"), group);
    assert_eq!(get(&format!("excludedAttributes={GROUP}:members")), group);
    assert_eq!(get("attributes=members.type")["members"], json!([{"type": "User"}]));
    assert_eq!(get("excludedAttributes=members.$ref,members.type")["members"], json!([{"value": anna["id"]}]));
}

#[test]
fn writes_answer_with_what_was_asked_for_too() {
    let app = TestApp::start();
    let created = app.post("/Users?attributes=userName", &person_with("ada", json!({}))).expect(201).json();
    let id = created["id"].as_str().unwrap();
    assert_eq!(created, json!({"schemas": created["schemas"], "id": id, "userName": "ada@contoso.com"}));
    let target = format!("/Users/{id}?excludedAttributes=emails,meta");
    let replaced = app.put(&target, &person_with("ada", json!({"title": "Countess"}))).expect(200).json();
    assert_eq!((&replaced["title"], replaced.get("emails"), replaced.get("meta")), (&json!("Countess"), None, None));
    let target = format!("/Users/{id}?attributes=title");
    let patched = app.patch(&target, &json!([{"op": "replace", "path": "title", "value": "Boss"}])).expect(200).json();
    assert_eq!(patched, json!({"schemas": patched["schemas"], "id": id, "title": "Boss"}));
    let group = app.create_group("Staff");
    let target = format!("/Groups/{group}?attributes=members.value");
    let patched = app.patch(&target, &entra::add_members(&[id])).expect(200).json();
    assert_eq!(patched, json!({"schemas": [GROUP], "id": group, "members": [{"value": id}]}));
}
