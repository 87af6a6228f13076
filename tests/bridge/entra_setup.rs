//! `scimbridge entra`: an administrator copies from it into the Entra admin center, so what it says is what this
//! configuration needs, no more and no less.

use std::fs;

use serde_json::Value;

use crate::support::entra::{ENTERPRISE, GROUP};
use crate::support::workplace::{Settings, Workplace};

const BADGES: &str = "urn:ietf:params:scim:schemas:extension:Badges:2.0:User";
const SWITCH: &str = "Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \"False\")";

/// The example at a public address, otherwise as a story wants it. No directory is there, and none is asked.
fn workplace(settings: Settings) -> Workplace {
    Workplace::new(&settings, "ldap://127.0.0.1:1")
}

fn public() -> Settings {
    Settings::default().variable("SCIMBRIDGE__SERVER__BASE_URL", "https://scim.contoso.com/scim/v2")
}

fn text(settings: Settings) -> String {
    let told = workplace(settings).run(&["entra"]).succeeds();
    assert_eq!(told.stderr, "");
    told.stdout
}

fn json(settings: Settings) -> Value {
    serde_json::from_str(&workplace(settings).run(&["entra", "--json"]).succeeds().stdout).unwrap()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} in:\n{text}");
    }
}

/// The targets of which that is advised.
fn advised<'a>(kind: &'a Value, advice: &str) -> Vec<&'a str> {
    let mappings = kind["mappings"].as_array().unwrap().iter();
    mappings.filter(|one| one["advice"] == advice).map(|one| one["target"].as_str().unwrap()).collect()
}

#[test]
fn the_example_is_told_screen_by_screen() {
    let place = workplace(public());
    let told = place.run(&["entra"]).succeeds().stdout;
    insta::assert_snapshot!(told);
    let widest = told.lines().map(str::len).max().unwrap();
    assert!(widest <= 100, "it is legible on {widest} columns");
    let files = fs::read_dir(place.folder()).unwrap().count();
    assert_eq!(files, 1, "nothing is made beside the configuration");
}

#[test]
fn a_custom_attribute_is_added_to_the_list_before_it_is_mapped() {
    let settings = public()
        .add(&format!("[[users.attribute]]\nldap = \"roomNumber\"\nscim = \"{BADGES}:room\"\ntype = \"integer\""))
        .add("[[users.attribute]]\nldap = \"description\"\nscim = \"urn:contoso:badge:color\"")
        .add("[[users.attribute]]\nldap = \"businessCategory\"\ntemplate = \"{{ nickName }}\"");
    let told = text(settings.clone());
    let (list, table) = (told.find("Edit attribute list").unwrap(), told.find("Keep these").unwrap());
    assert!(list < table, "{told}");
    let list = &told[list..table];
    says(list, &[&format!("{BADGES}:room\n         Integer"), "urn:contoso:badge:color\n         String", "warning:"]);
    says(&told, &["Add these", "choose the source attribute", "goes to roomNumber", "nickName"]);

    let document = json(settings);
    let customs = document["users"]["custom_attributes"].as_array().unwrap();
    assert_eq!(customs.len(), 2);
    assert_eq!((&customs[0]["type"], &customs[0]["obstacle"]), (&Value::from("Integer"), &Value::Null));
    assert!(customs[1]["obstacle"].is_string());
    let room = format!("{BADGES}:room");
    assert_eq!(advised(&document["users"], "add"), [room.as_str(), "urn:contoso:badge:color", "nickName"]);
}

#[test]
fn what_the_map_does_not_read_is_to_be_deleted() {
    let least = "[ldap]\nbind_dn = \"cn=admin,dc=example,dc=org\"\n[users]\nbase_dn = \"ou=people,dc=example,dc=org\"\n\
                 [[users.attribute]]\nldap = \"uid\"\nscim = \"userName\"\n[groups]\nenabled = false\n";
    let told = Workplace::with_file(&public(), "ldap://127.0.0.1:1", least).run(&["entra", "--json"]).succeeds();
    let least: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(advised(&least["users"], "keep"), ["userName", "active", "externalId"]);
    assert!(advised(&least["users"], "delete").contains(&"title"));

    let kept = json(public());
    assert_eq!(advised(&kept["users"], "delete"), ["addresses[type eq \"work\"].country"]);
    let used = public().add("[[users.attribute]]\nldap = \"co\"\nscim = 'addresses[type eq \"work\"].country'");
    assert_eq!(advised(&json(used)["users"], "delete"), [""; 0]);
}

#[test]
fn what_is_switched_off_here_is_switched_off_there() {
    let off = text(public().set("groups.enabled", "false"));
    says(&off, &["Enabled: No, for groups.enabled = false"]);
    assert!(!off.contains("objectId"), "{off}");
    let document = json(public().set("groups.enabled", "false"));
    assert_eq!(document["groups"], serde_json::json!({"enabled": false}));
    let mappings = &document["synchronization_schema"]["synchronizationRules"][0]["objectMappings"];
    assert_eq!((&mappings[0]["enabled"], &mappings[1]["enabled"]), (&Value::Bool(true), &Value::Bool(false)));

    let settings = public().set("users.update", "false").set("groups.delete", "false");
    let fewer = text(settings.clone());
    says(&fewer, &["Update NO (users.update = false)", "nobody is disabled", "Delete NO (groups.delete = false)"]);
    let mappings = json(settings)["synchronization_schema"]["synchronizationRules"][0]["objectMappings"].clone();
    assert_eq!((&mappings[0]["flowTypes"], &mappings[1]["flowTypes"]), (&"Add,Delete".into(), &"Add,Update".into()));
}

#[test]
fn an_address_that_entra_does_not_come_to_is_warned_of() {
    assert!(!text(public()).contains("warning"), "a public https address is as it should be");
    for (base_url, words) in [
        ("http://scim.contoso.com/scim/v2", vec!["https://"]),
        ("http://127.0.0.1:8080/scim/v2", vec!["https://", "loopback"]),
        ("https://10.1.2.3/scim", vec!["private address"]),
        ("https://scim.contoso.local/scim", vec!["inside a network"]),
    ] {
        let settings = Settings::default().variable("SCIMBRIDGE__SERVER__BASE_URL", base_url);
        let warnings = json(settings.clone())["warnings"].clone();
        assert_eq!(warnings.as_array().unwrap().len(), words.len(), "{base_url}: {warnings}");
        let told = text(settings).replace("\n   ", " ");
        says(&told, &words);
    }
}

#[test]
fn the_document_says_what_the_text_says() {
    let settings = || {
        public()
            .add(&format!("[[users.attribute]]\nldap = \"roomNumber\"\nscim = \"{BADGES}:room\""))
            .add("[[users.attribute]]\nldap = \"userPassword\"\nscim = \"password\"\nownership = \"initial\"")
    };
    let (told, document) = (text(settings()), json(settings()));
    let addresses = ["tenant_url", "tenant_url_with_rfc_patch"].map(|name| document[name].as_str().unwrap().to_owned());
    says(&told, &addresses.each_ref().map(String::as_str));
    says(&told, &[document["oauth2_client_credentials"]["token_endpoint"].as_str().unwrap()]);
    says(&told, &[document["secret_token"]["command"].as_str().unwrap()]);
    assert_eq!(document["oauth2_client_credentials"]["token_endpoint"], "https://scim.contoso.com/oauth2/token");

    let schema = &document["synchronization_schema"];
    for (position, kind, object) in [(0, "users", ENTERPRISE), (1, "groups", GROUP)] {
        let mappings = document[kind]["mappings"].as_array().unwrap();
        assert!(!mappings.is_empty());
        for mapping in mappings {
            let target = mapping["target"].as_str().unwrap();
            says(&told, &[&format!("     {target}\n")]);
            if mapping["advice"] != "delete" {
                mapping["source"].as_str().iter().for_each(|source| says(&told, &[source]));
            }
        }
        // Graph is told of each mapping whose source is known, and of each attribute.
        let fragment = &schema["synchronizationRules"][0]["objectMappings"][position];
        assert_eq!(fragment["targetObjectName"], object);
        let graph = fragment["attributeMappings"].as_array().unwrap();
        let known = mappings.iter().filter(|one| one["advice"] != "delete" && one["source"].is_string());
        let names = |list: Vec<&Value>, key: &str| -> Vec<Value> { list.iter().map(|one| one[key].clone()).collect() };
        assert_eq!(names(graph.iter().collect(), "targetAttributeName"), names(known.collect(), "target"));
        let matched = graph.iter().filter(|one| one["matchingPriority"] == 1).count();
        assert_eq!(matched, 1);
        let attributes = schema["directories"][0]["objects"][position]["attributes"].as_array().unwrap();
        let used = mappings.iter().filter(|one| one["advice"] != "delete").count();
        assert_eq!(attributes.len(), used + 1, "each of them, and the anchor");
    }
    let active = &schema["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"][1];
    assert_eq!(active["source"]["expression"], SWITCH);
    says(&told, &[SWITCH, "apply only during object creation"]);
}
