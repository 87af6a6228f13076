//! Lookups and lists. Targets are sent byte for byte as they stand here, in each of the ways in which Entra and others
//! encode them.

use serde_json::{Value, json};

use crate::support::app::{TestApp, resources};
use crate::support::entra::{self, ENTERPRISE, GROUP, USER, group_with, person, person_with};

const UNKNOWN: &str = "cf4d78e8-cc4f-4d5d-b8b9-183561c0104a";

/// Ada with an employee number, Bob whose manager she is, and somebody with a plus in the name.
struct People {
    app: TestApp,
    ada: String,
    bob: String,
}

fn people() -> People {
    let app = TestApp::start();
    let ada = app.create_user(&person_with("ada", json!({ENTERPRISE: {"employeeNumber": "4711"}})));
    let bob = app.create_user(&person_with("bob", json!({ENTERPRISE: {"manager": ada}})));
    app.user("plus+tag");
    People { app, ada, bob }
}

impl People {
    /// Who is found, by the local part of the user name.
    #[track_caller]
    fn found(&self, target: &str) -> Vec<String> {
        let target = target.replace("{ada}", &self.ada).replace("{bob}", &self.bob);
        let list = self.app.get(&target).expect(200).json();
        let found = resources(&list);
        assert_eq!(list["totalResults"], found.len(), "{target}: {list}");
        let mut names: Vec<String> = found.iter().map(|user| self.name(user)).collect();
        names.sort();
        names
    }

    fn name(&self, user: &Value) -> String {
        let id = user["id"].as_str().expect("an id");
        let user = self.app.read_user(id);
        user["userName"].as_str().expect("a userName").split('@').next().unwrap_or_default().to_owned()
    }
}

#[test]
fn the_probe_of_a_connection_test_finds_nobody() {
    let app = TestApp::start();
    app.user("ada");
    for target in [
        format!("/Users?filter=userName+eq+%22{UNKNOWN}%22"),
        format!("/Users?filter=externalId+eq+%22{UNKNOWN}%22"),
        format!("/Groups?excludedAttributes=members&filter=displayName+eq+%22{UNKNOWN}%22"),
    ] {
        let list = app.get(&target).expect(200).json();
        assert_eq!(list["schemas"], json!([entra::LIST]), "{target}");
        assert_eq!(list["totalResults"], 0, "{target}");
        assert_eq!(list["Resources"], json!([]), "{target}");
        assert_eq!(list["startIndex"], 1, "{target}");
        assert_eq!(list["itemsPerPage"], 0, "{target}");
    }
}

#[test]
fn every_form_of_a_lookup_finds_who_is_meant() {
    let people = people();
    let number = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
    let ada: &[&str] = &[
        "userName+eq+%22ada%40contoso.com%22",
        "userName%20eq%20%22ada%40contoso.com%22",
        "userName+eq+%22ada@contoso.com%22",
        "userName+EQ+%22ada%40contoso.com%22",
        "USERNAME+eq+%22ADA%40CONTOSO.COM%22",
        "userName+eq+ada%40contoso.com",
        "externalId+eq+%22ada%22",
        "externalId%20eq%20ada",
        "externalId+eq+ada",
        "emails[type%20eq%20%22work%22].value%20eq%20%22ada%40contoso.com%22",
        "emails%5btype+eq+%22work%22%5d.value+eq+%22ada%40contoso.com%22",
        "emails%5Btype%20eq%20%22work%22%5D.value%20eq%20%22ADA@contoso.com%22",
        "emails%5btype+eq+%22work%22%5d+eq+%22ada%40contoso.com%22",
        "emails.value+eq+%22ada%40contoso.com%22",
        &format!("{number}+eq+%224711%22"),
        &format!("{}+eq+%224711%22", number.replace(':', "%3A")),
        &format!("{}+eq+%224711%22", number.replace(':', "%3a").to_lowercase()),
        "displayName+eq+%22ada+contoso%22",
        "id+eq+%22{ada}%22",
        "userName+eq+%22ada%40contoso.com%22+and+active+eq+true",
        "userName+eq+%22ada%40contoso.com%22+AND+active+eq+%22True%22",
        "name.familyName+eq+%22Contoso%22+and+externalId+eq+%22ada%22",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName+eq+%22ada%40contoso.com%22",
    ];
    for filter in ada {
        assert_eq!(people.found(&format!("/Users?filter={filter}")), ["ada"], "{filter}");
    }
    for (filter, expected) in [
        ("userName+eq+%22plus%2btag%40contoso.com%22", vec!["plus+tag"]),
        ("userName+eq+%22plus%2Btag%40contoso.com%22", vec!["plus+tag"]),
        ("userName+eq+%22plus+tag%40contoso.com%22", vec![]),
        ("name.familyName+eq+%22contoso%22", vec!["ada", "bob", "plus+tag"]),
        ("externalId+eq+%22ADA%22", vec![]),
        ("userName+eq+%22ada%22", vec![]),
        ("userName+eq+%22da%40contoso.co%22", vec![]),
        ("emails%5btype+eq+%22home%22%5d.value+eq+%22ada%40contoso.com%22", vec![]),
        ("userName+eq+%22ada%40contoso.com%22+and+active+eq+false", vec![]),
        ("title+eq+%22Engineer%22", vec![]),
        ("active+eq+false", vec![]),
    ] {
        assert_eq!(people.found(&format!("/Users?filter={filter}")), expected, "{filter}");
    }
}

#[test]
fn quotes_may_come_as_they_are() {
    // No URL may hold a bare quote, and yet they were seen.
    let people = people();
    for filter in [
        "userName+eq+\"ada%40contoso.com\"",
        "userName%20eq%20\"ada@contoso.com\"",
        "externalId+eq+\"ada\"",
        "emails[type+eq+\"work\"].value+eq+\"ada@contoso.com\"",
    ] {
        assert_eq!(people.found(&format!("/Users?filter={filter}")), ["ada"], "{filter}");
    }
}

#[test]
fn the_question_for_a_reference_is_answered() {
    let people = people();
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    for (target, expected) in [
        ("/Users?attributes=id&filter=id+eq+%22{bob}%22+and+manager+eq+%22{ada}%22".to_owned(), vec!["bob"]),
        ("/Users?filter=manager+eq+%22{ada}%22+and+id+eq+%22{bob}%22&attributes=id".to_owned(), vec!["bob"]),
        (format!("/Users?filter=id+eq+%22{{bob}}%22+and+{manager}+eq+%22{{ada}}%22&attributes=id"), vec!["bob"]),
        ("/Users?attributes=id&filter=id+eq+%22{bob}%22+and+manager+eq+%22{bob}%22".to_owned(), vec![]),
        ("/Users?attributes=id&filter=id+eq+%22{ada}%22+and+manager+eq+%22{ada}%22".to_owned(), vec![]),
    ] {
        assert_eq!(people.found(&target), expected, "{target}");
    }

    let People { app, ada, bob } = people;
    let staff = app.create_group_with(&group_with("Staff", "entra-1", &[&ada]));
    let asked = |member: &str| {
        let filter = entra::encode(&format!("id eq \"{staff}\" and members eq \"{member}\""));
        let list = app.get(&format!("/Groups?attributes=id&filter={filter}")).expect(200).json();
        let turned = entra::encode(&format!("members eq \"{member}\" and id eq \"{staff}\""));
        assert_eq!(list, app.get(&format!("/Groups?filter={turned}&attributes=id")).expect(200).json());
        resources(&list)
    };
    assert_eq!(asked(&ada), [json!({"schemas": [GROUP], "id": staff})]);
    assert!(asked(&bob).is_empty());
}

#[test]
fn hostile_values_are_values() {
    let people = people();
    for value in ["*", "ada*", "a*m", "*)(uid=*", "a)(|(uid=*))", "(ada@contoso.com)", "%", "dc=example,dc=org"] {
        for attribute in ["userName", "externalId", "id", "displayName"] {
            let filter = entra::encode(&format!("{attribute} eq \"{value}\""));
            assert_eq!(people.found(&format!("/Users?filter={filter}")), [""; 0], "{attribute} eq {value}");
        }
    }
    // A backslash starts an escape in a filter's text, and NUL is no character of it: not found, or refused as no filter.
    for filter in ["userName+eq+%22%5c2a%22", "userName+eq+%22ada%00%22", "userName+eq+%22a%22b%22", "userName+eq+%ff"]
    {
        let answer = people.app.get(&format!("/Users?filter={filter}"));
        if answer.status == 200 {
            assert_eq!(answer.json()["Resources"], json!([]), "{filter}");
        } else {
            answer.refuses(400, "invalidFilter", &[]);
        }
    }
}

#[test]
fn what_is_no_filter_is_refused_and_finds_neither_all_nor_none() {
    let people = people();
    for filter in [
        "nonsense",
        "userName",
        "userName eq",
        "eq \"ada@contoso.com\"",
        "userName eq \"ada@contoso.com",
        "userName like \"ada\"",
        "userName eq \"ada@contoso.com\" and",
        "(userName eq \"ada@contoso.com\"",
        "emails[type eq \"work\".value eq \"ada@contoso.com\"",
        "favouriteColour eq \"green\"",
        "urn:nobody:knows:User:colour eq \"green\"",
    ] {
        let target = format!("/Users?filter={}", entra::encode(filter));
        let answer = people.app.get(&target).refuses(400, "invalidFilter", &[]);
        assert!(!answer.text().contains("Resources"), "{filter}");
    }
}

#[test]
fn an_operator_beyond_eq_is_answered_rightly_or_refused() {
    let people = people();
    for (filter, right) in [
        ("userName co \"da@\"", vec!["ada"]),
        ("userName sw \"ada\"", vec!["ada"]),
        ("title pr", vec![]),
        ("userName ne \"ada@contoso.com\"", vec!["bob", "plus+tag"]),
        ("not (userName eq \"ada@contoso.com\")", vec!["bob", "plus+tag"]),
        ("userName eq \"ada@contoso.com\" or userName eq \"bob@contoso.com\"", vec!["ada", "bob"]),
        ("emails[type eq \"work\" and value eq \"ada@contoso.com\"]", vec!["ada"]),
    ] {
        let target = format!("/Users?filter={}", entra::encode(filter));
        let answer = people.app.get(&target);
        if answer.status == 200 {
            assert_eq!(people.found(&target), right, "{filter}");
        } else {
            answer.refuses(400, "invalidFilter", &[]);
        }
    }
}

#[test]
fn groups_are_found_by_their_exact_name() {
    let app = TestApp::start();
    let names = ["Staff", "Research and Development", "Alice or Bob", "Staff (EMEA)", "A+B", "50% club", "not (this)"];
    for name in names {
        app.create_group(name);
    }
    for name in names {
        let found = app.lookup_groups(name);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0]["displayName"], name);
        assert_eq!(found[0].get("members"), None, "excluded members stay out: {}", found[0]);
        assert_eq!(app.find("Groups", &format!("externalId eq \"entra-{name}\"")).len(), 1, "{name}");
    }
    for other in ["staff", "STAFF", " Staff", "Staff ", "Sta", "Staff*", "*", "Research"] {
        assert!(app.lookup_groups(other).is_empty(), "{other:?}");
    }
    let list = app.get("/Groups?filter=displayName%20eq%20Staff").expect(200).json();
    assert_eq!(list["totalResults"], 1, "without quotes: {list}");
    let target = format!("/Groups?filter={}", entra::encode("favouriteColour eq \"green\""));
    app.get(&target).refuses(400, "invalidFilter", &[]);
}

#[test]
fn pages_are_whole_stable_and_end() {
    let app = TestApp::start();
    for number in 0..12 {
        app.user(&format!("user{number}"));
    }
    let all = app.get("/Users").expect(200).json();
    assert_eq!(all["totalResults"], 12);
    let ids = |list: &Value| -> Vec<String> {
        resources(list).iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
    };

    let mut seen = Vec::new();
    for (start, length) in [(1, 5), (6, 5), (11, 2)] {
        let page = app.get(&format!("/Users?startIndex={start}&count=5")).expect(200).json();
        assert_eq!(page["startIndex"], start);
        assert_eq!(page["totalResults"], 12);
        assert_eq!(page["itemsPerPage"], length);
        assert_eq!(resources(&page).len(), length);
        seen.extend(ids(&page));
    }
    assert_eq!(seen, ids(&all), "the pages are the list, in its order");
    assert_eq!(ids(&app.get("/Users?count=12").expect(200).json()), seen, "and the order stays");
    for user in resources(&all) {
        assert_eq!(user, app.read_user(user["id"].as_str().unwrap()), "a list holds full resources");
    }

    let none = app.get("/Users?count=0").expect(200).json();
    assert_eq!((&none["totalResults"], resources(&none).len()), (&json!(12), 0));
    let beyond = app.get("/Users?startIndex=100&count=5").expect(200).json();
    assert_eq!((&beyond["totalResults"], resources(&beyond).len()), (&json!(12), 0));
    for start in ["0", "-3"] {
        let first = app.get(&format!("/Users?startIndex={start}&count=1")).expect(200).json();
        assert_eq!(first["startIndex"], 1, "less than one is one");
        assert_eq!(ids(&first), seen[..1]);
    }
    let filtered = format!("/Users?startIndex=2&count=3&filter={}", entra::encode("name.familyName eq \"Contoso\""));
    let page = app.get(&filtered).expect(200).json();
    assert_eq!(page["totalResults"], 12);
    assert_eq!(ids(&page), seen[1..4]);
}

#[test]
fn only_what_is_asked_for_is_returned() {
    let people = people();
    let (app, ada) = (&people.app, &people.ada);
    let full = app.read_user(ada);

    let user = app.get(&format!("/Users/{ada}?attributes=id")).expect(200).json();
    assert_eq!(user, json!({"schemas": user["schemas"], "id": ada}));
    let user = app.get(&format!("/Users/{ada}?attributes=userName,NAME.familyName,emails.value")).expect(200).json();
    assert_eq!(user["name"], json!({"familyName": "Contoso"}));
    assert_eq!(user["emails"], json!([{"value": "ada@contoso.com"}]));
    assert_eq!(user["id"], ada.as_str(), "the id is always returned");
    assert_eq!(user.get("displayName"), None);
    let number = format!("{ENTERPRISE}:employeeNumber");
    let user = app.get(&format!("/Users/{ada}?attributes={number}")).expect(200).json();
    assert_eq!(user[ENTERPRISE], json!({"employeeNumber": "4711"}));
    assert_eq!(user.get("userName"), None);

    let user = app.get(&format!("/Users/{ada}?excludedAttributes=emails,name.givenName,id")).expect(200).json();
    assert_eq!(user.get("emails"), None);
    assert_eq!(user["name"].get("givenName"), None);
    assert_eq!(user["name"]["familyName"], "Contoso");
    assert_eq!(user["id"], ada.as_str(), "the id cannot be left out");
    assert_eq!(user["active"], true);

    let filter = entra::encode("userName eq \"ada@contoso.com\"");
    let list = app.get(&format!("/Users?attributes=userName&filter={filter}")).expect(200).json();
    let found = &resources(&list)[0];
    assert_eq!(found["userName"], "ada@contoso.com");
    assert_eq!(found.get("emails"), None);
    let list = app.get(&format!("/Users?excludedAttributes=favouriteColour&filter={filter}")).expect(200).json();
    assert_eq!(resources(&list), [full], "what nobody knows excludes nothing");
}

#[test]
fn who_is_disabled_is_found() {
    let app = TestApp::start();
    let id = app.create_user(&person_with("ada", json!({"active": false})));
    for filter in ["userName eq \"ada@contoso.com\"", "externalId eq \"ada\"", "active eq false"] {
        let found = app.find("Users", filter);
        assert_eq!(found.len(), 1, "{filter}");
        assert_eq!(found[0]["active"], false, "{filter}");
    }
    assert_eq!(app.read_user(&id)["active"], false);
}

#[test]
fn the_service_describes_itself() {
    let app = TestApp::start();
    let config = app.get("/ServiceProviderConfig").expect(200).json();
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(config["filter"]["supported"], true);
    assert_eq!(config["bulk"]["supported"], true);
    assert_eq!(config["sort"]["supported"], true);
    assert_eq!(config["etag"]["supported"], true);
    assert_eq!(config["changePassword"]["supported"], false);
    assert!(config["authenticationSchemes"].is_array());

    let types = resources(&app.get("/ResourceTypes").expect(200).json());
    let endpoint = |name: &str| types.iter().find(|kind| kind["name"] == name).map(|kind| kind["endpoint"].clone());
    assert_eq!(endpoint("User"), Some(json!("/Users")));
    assert_eq!(endpoint("Group"), Some(json!("/Groups")));
    assert_eq!(app.get("/ResourceTypes/User").expect(200).json()["schema"], USER);

    let schemas = resources(&app.get("/Schemas").expect(200).json());
    for urn in [USER, GROUP, ENTERPRISE] {
        let listed = schemas.iter().find(|schema| schema["id"] == urn).unwrap_or_else(|| panic!("{urn} is listed"));
        assert_eq!(&app.get(&format!("/Schemas/{urn}")).expect(200).json(), listed);
    }
    let user = schemas.iter().find(|schema| schema["id"] == USER).unwrap();
    let attributes = user["attributes"].as_array().unwrap();
    let attribute = |name: &str| attributes.iter().find(|attribute| attribute["name"] == name).unwrap();
    assert_eq!(attribute("userName")["required"], true);
    assert_eq!(attribute("userName")["caseExact"], false);
    assert_eq!(attribute("name")["type"], "complex");
    assert!(attribute("emails")["subAttributes"].is_array());
    app.get("/Schemas/urn:nobody:knows").expect(404);
    app.get("/ResourceTypes/Robot").expect(404);

    // A create is what the description says that it is.
    app.create_user(&person("ada"));
}
