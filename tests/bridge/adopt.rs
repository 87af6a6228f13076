//! What the directory has before Entra's first write, and how it becomes Entra's without a change of anything.

use serde_json::{Value, json};

use crate::support::app::{PLACEHOLDER, TestApp, dn, group_dn};
use crate::support::entra::{ENTERPRISE, group_with, person, quoted};
use crate::support::ldif::Entry;
use crate::support::slapd::{Flavor, SUFFIX, Slapd};
use crate::support::workplace::{Settings, Workplace};

const PEOPLE: &str = "ou=people,dc=example,dc=org";
const GROUPS: &str = "ou=groups,dc=example,dc=org";

/// A person as an administrator makes one.
fn person_at(dn: &str, attributes: &[&str]) -> String {
    format!("dn: {dn}\nobjectClass: inetOrgPerson\n{}\n\n", attributes.join("\n"))
}

fn group_at(dn: &str, name: &str, members: &[&str]) -> String {
    let members: Vec<String> = members.iter().map(|member| format!("member: {member}\n")).collect();
    format!("dn: {dn}\nobjectClass: groupOfNames\ncn: {name}\n{}\n", members.concat())
}

fn branch(dn: &str, name: &str) -> String {
    format!("dn: {dn}\nobjectClass: organizationalUnit\nou: {name}\n\n")
}

/// A directory as it has grown: what is odd in it are the things that people do.
fn grown() -> String {
    let ada = format!("uid=ada,{PEOPLE}");
    let odd = format!(r#"uid=\20Ö\2C "Q" \2B 😀\20,{PEOPLE}"#).replace('"', "\\22");
    let people = [
        branch(&format!("ou=berlin,{PEOPLE}"), "berlin"),
        person_at(&format!("uid=eve,{PEOPLE}"), &["uid: eve", "cn: Eve", "displayName: Eve", "sn: -"]),
        person_at(
            &ada,
            &[
                "uid: ada",
                "cn: Ada Lovelace",
                "cn;lang-de: Ada Gräfin Lovelace",
                "displayName: Ada Lovelace",
                "sn: Lovelace",
                "givenName: Ada",
                "title: Countess",
                "mail: lovelace@contoso.com",
                "mail: ada@contoso.com",
                "telephoneNumber: +1 555 0100",
                "street: 12 St James's Square",
                "l: London",
                "departmentNumber: R&D",
                "description: not in the map",
                "employeeType: not in the map",
                &format!("manager: UID=Eve, {PEOPLE}"),
            ],
        ),
        person_at(
            &format!("cn=Bob \\22the Builder\\22,{PEOPLE}"),
            &["cn: Bob \"the Builder\"", "cn: Robert", "sn: Builder", "uid: robert", "uid: bob", "manager: cn=admin"],
        ),
        person_at(&format!("uid=cyd,ou=berlin,{PEOPLE}"), &["uid: cyd", "cn: cyd", "sn: Contoso"]),
        person_at(&format!("uid=dan,{PEOPLE}"), &["uid: dan", "cn: dan", "sn: Contoso"]),
        person_at(&odd, &["uid:: IMOWLCAiUSIgKyDwn5iAIA==", "cn:: IMOWLCAiUSIgKyDwn5iAIA==", "sn: Söhne"]),
        person_at(&format!("uid=gil,{PEOPLE}"), &["uid: gil", "cn: gil", "sn: One"]),
        person_at(&format!("uid=GIL,ou=berlin,{PEOPLE}"), &["uid: GIL", "cn: gil", "sn: Two"]),
        person_at(&format!("cn=Nameless,{PEOPLE}"), &["cn: Nameless", "sn: Contoso"]),
        format!("dn: uid=backup,{PEOPLE}\nobjectClass: account\nuid: backup\n\n"),
    ];
    let staff = group_dn("Staff");
    let groups = [
        branch(&format!("ou=berlin,{GROUPS}"), "berlin"),
        group_at(&staff, "Staff", &[&ada, &format!("uid=eve,{PEOPLE}"), "cn=machine", &format!("uid=gil,{PEOPLE}")]),
        group_at(&format!("cn=staff+ou=2,{GROUPS}"), "staff\nou: 2", &[&format!("uid=DAN, {PEOPLE}"), &staff]),
        group_at(&format!(r"cn=\20Sales\2C EMEA \2B Söhne,{GROUPS}"), ": IFNhbGVzLCBFTUVBICsgU8O2aG5l", &[PLACEHOLDER])
            .replace("cn: : ", "cn:: "),
        group_at(&format!("cn=Board,{GROUPS}"), "Board", &[&ada]),
        group_at(&format!("cn=Board,ou=berlin,{GROUPS}"), "Board", &[&ada]),
    ];
    let lock = format!(
        "dn: uid=dan,{PEOPLE}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n\n"
    );
    people.concat() + &groups.concat() + &lock
}

/// All that the directory has, with the attributes that tell whether anybody wrote.
fn everything(app: &TestApp) -> String {
    let entries = app.slapd.entries("ou=people").into_iter().chain(app.slapd.entries("ou=groups"));
    let whole = |entry: Entry| app.slapd.entry_with(&entry.dn, &["+"]).map(|entry| entry.to_string());
    entries.filter_map(whole).collect::<Vec<String>>().join("\n")
}

fn adopt(app: &TestApp, arguments: &[&str]) -> String {
    app.workplace.run(&[&["adopt"], arguments].concat()).succeeds().stdout
}

fn adopt_as_json(app: &TestApp, arguments: &[&str]) -> Value {
    serde_json::from_str(&adopt(app, &[&["--format", "json"], arguments].concat())).unwrap()
}

/// Stops the service, adopts, starts it again.
fn adopt_alone(app: &TestApp, arguments: &[&str]) -> String {
    app.kill();
    let said = adopt(app, arguments);
    app.restart();
    said
}

/// What was said and what both sides show then, with names for ids.
fn shown(app: &TestApp, said: &[String]) -> String {
    let view = app.view();
    let said: Vec<String> = said.iter().map(|text| app.redact(text)).collect();
    format!("{}\n{view}", said.join("\n"))
}

fn title(value: &str) -> Value {
    json!([{"op": "Replace", "path": "title", "value": value}])
}

#[test]
fn a_grown_directory_is_adopted_as_it_is() {
    let app = TestApp::start();
    app.slapd.by_hand(&grown());
    let before = everything(&app);
    let (planned, plan) = (adopt(&app, &["--dry-run"]), adopt_as_json(&app, &["--dry-run"]));
    assert_eq!(app.get("/Users").expect(200).json()["totalResults"], 0, "nothing is adopted yet");
    let done = adopt_alone(&app, &[]);
    assert_eq!(everything(&app), before, "nobody wrote into the directory");
    let promised = format!("\n{planned}").replace("\nmatched", "\nadopted").replace(" matched", " adopted");
    assert_eq!(format!("\n{done}"), promised, "what was shown is what was done");
    let again = adopt_alone(&app, &[]);
    assert!(again.contains("users: 0 adopted") && again.contains("groups: 0 adopted"), "{again}");
    insta::assert_snapshot!(shown(&app, &[planned, again]));
    assert_eq!(everything(&app), before);
    insta::assert_json_snapshot!(plan);
}

#[test]
fn entra_finds_who_was_adopted_and_changes_what_it_means_to() {
    let app = TestApp::start();
    app.slapd.by_hand(&grown());
    adopt_alone(&app, &[]);
    let find = |name: &str| app.lookup_user(name).unwrap_or_else(|| panic!("{name} is found"));
    let (ada, eve) = (find("ADA"), find("eve"));
    assert_eq!(ada[ENTERPRISE]["manager"]["value"], eve["id"]);
    let id = app.know(&ada);
    let others = |app: &TestApp| -> Vec<Entry> {
        let mut entries = app.slapd.entries("ou=people");
        entries.retain(|entry| entry.dn != format!("uid=ada,{PEOPLE}"));
        entries.extend(app.slapd.entries("ou=groups"));
        entries
    };
    let (entry, rest) = (app.slapd.entry(&format!("uid=ada,{PEOPLE}")).unwrap(), others(&app));
    app.patch_user(&id, &title("Enchantress"));
    let after = app.slapd.entry(&format!("uid=ada,{PEOPLE}")).unwrap();
    assert_eq!(after.to_string(), entry.to_string().replace("title: Countess", "title: Enchantress"));
    assert_eq!(others(&app), rest);

    // Entra's own id for her, by which it looks for her from now on.
    app.patch_user(&id, &json!([{"op": "Add", "path": "externalId", "value": "entra-ada"}]));
    assert_eq!(app.find("Users", "externalId eq \"entra-ada\"")[0]["id"], id.as_str());
    assert_eq!(app.slapd.entry(&after.dn).unwrap(), after);

    // A lock is lifted by who says that the person is active, and by nobody else.
    let dan = app.know(&find("dan"));
    app.patch_user(&dan, &title("Guest"));
    assert!(app.is_locked(&format!("uid=dan,{PEOPLE}")));
    app.enable_user(&dan);
    assert!(!app.is_locked(&format!("uid=dan,{PEOPLE}")));

    // What the dry run said of Bob comes with the first change of him.
    app.patch_user(&app.know(&find("bob")), &title("Builder"));
    let bob = app.slapd.entry(&format!("cn=Bob \\22the Builder\\22,{PEOPLE}")).unwrap();
    assert_eq!((bob.values("uid"), bob.values("manager")), (vec!["bob".to_owned()], vec![]));
    assert_eq!(bob.values("cn"), ["Bob \"the Builder\"", "bob"]);

    let odd = app.know(&find(" Ö, \"Q\" + 😀 "));
    app.patch_user(&odd, &title("Owner"));
    assert_eq!(app.slapd.people("uid", " Ö, \"Q\" + 😀 ")[0].values("title"), ["Owner"]);
    app.delete(&format!("/Users/{odd}")).expect(204);
    assert!(app.slapd.people("sn", "Söhne").is_empty(), "who was adopted goes as who was created");
}

#[test]
fn groups_that_were_adopted_keep_who_is_nobodys_here() {
    let app = TestApp::start();
    app.slapd.by_hand(&grown());
    adopt_alone(&app, &[]);
    let group = |name: &str| {
        let found = app.lookup_groups(name);
        assert_eq!(found.len(), 1, "{name:?}: {found:#?}");
        app.know(&found[0])
    };
    let user = |name: &str| app.know(&app.lookup_user(name).unwrap());
    let (ada, eve, dan) = (user("ada"), user("eve"), user("dan"));
    let (staff, twin, sales) = (group("Staff"), group("staff"), group(" Sales, EMEA + Söhne"));
    assert_eq!(app.members(&staff), [ada.clone(), eve.clone()].into());
    assert_eq!(app.members(&twin), [dan.clone(), staff.clone()].into());
    assert!(app.members(&sales).is_empty());

    let at = |name: &str| format!("uid={name},{PEOPLE}");
    let strangers = ["cn=machine".to_owned(), at("gil")];
    app.remove_members(&staff, &[&ada, &eve]);
    assert_eq!(app.directory_members("Staff"), strangers);
    app.add_members(&staff, &[&dan]);
    assert_eq!(app.directory_members("Staff"), [strangers[0].clone(), at("dan"), strangers[1].clone()]);
    app.add_members(&sales, &[&ada]);
    assert_eq!(app.directory_members(" Sales, EMEA + Söhne"), [at("ada")], "the placeholder makes room");
    app.rename_group(&twin, "Crew");
    assert_eq!(app.slapd.groups("Crew")[0].values("member"), [group_dn("Staff"), at("DAN")]);
}

#[test]
fn who_was_not_adopted_is_recognised_when_entra_creates_them() {
    let app = TestApp::start();
    let by_hand = |name: &str| {
        let uid = format!("uid: {name}@contoso.com");
        app.slapd.by_hand(&person_at(&dn(name), &[&uid, "cn: x", "sn: y", "description: kept"]));
    };
    by_hand("ada");
    let anchor = app.slapd.values(&dn("ada"), "entryUUID");
    assert!(adopt(&app, &["--dry-run"]).starts_with(&format!("matched   user  <{}>", dn("ada"))));
    let ada = app.create_user(&person("ada"));
    let entry = app.slapd.entry_with(&dn("ada"), &["entryUUID"]).unwrap();
    assert_eq!((entry.values("entryUUID"), entry.values("description")), (anchor, vec!["kept".to_owned()]));
    assert_eq!(entry.values("cn"), ["Ada Contoso"]);

    by_hand("bob");
    let said = adopt_alone(&app, &[]);
    assert!(said.starts_with(&format!("linked    user  <{}>: {ada}\n", dn("ada"))), "{said}");
    assert!(said.contains("users: 1 adopted, 0 ambiguous, 0 unmatched, 1 linked, 0 taken"), "{said}");
    app.post("/Users", &person("bob")).refuses(409, "uniqueness", &["bob@contoso.com"]);
}

#[test]
fn a_name_that_another_entry_has_is_not_taken_from_it() {
    let app = TestApp::start();
    let (ada, staff) = (app.user("ada"), app.create_group("Staff"));
    let elsewhere = format!("uid=ADA@contoso.com,ou=berlin,{PEOPLE}");
    let twin = format!("cn=Staff,ou=berlin,{GROUPS}");
    app.slapd.by_hand(&branch(&format!("ou=berlin,{PEOPLE}"), "berlin"));
    app.slapd.by_hand(&branch(&format!("ou=berlin,{GROUPS}"), "berlin"));
    app.slapd.by_hand(&group_at(&twin, "Staff", &["cn=x"]));
    // By the match attribute it is not the only one; with that mended, the name is still Ada's.
    app.slapd.by_hand(&person_at(&elsewhere, &["uid: ADA@contoso.com", "cn: x", "sn: y", "employeeNumber: 7"]));
    let plan = adopt_as_json(&app, &["--dry-run"]);
    let sighting = |plan: &Value, dn: &str| {
        let entries = plan["entries"].as_array().unwrap();
        entries.iter().find(|entry| entry["dn"] == dn).unwrap_or_else(|| panic!("{dn}: {plan:#}")).clone()
    };
    assert_eq!(sighting(&plan, &elsewhere)["standing"], "ambiguous");
    assert_eq!(sighting(&plan, &elsewhere)["others"], json!([dn("ada")]));
    assert_eq!(sighting(&plan, &dn("ada"))["ids"], json!([ada]));
    assert_eq!(sighting(&plan, &twin)["standing"], "taken");
    assert_eq!(
        (&sighting(&plan, &twin)["by"], &sighting(&plan, &twin)["at"]),
        (&json!(staff), &json!(group_dn("Staff")))
    );

    let by_number = Settings::default().set("users.match", "\"employeeNumber\"");
    let place = Workplace::new(&by_number, &app.slapd.url());
    std::fs::copy(app.workplace.path("scimbridge.db"), place.path("scimbridge.db")).unwrap();
    for side in ["scimbridge.db-wal", "scimbridge.db-shm"] {
        std::fs::copy(app.workplace.path(side), place.path(side)).unwrap();
    }
    app.slapd.by_hand(&person_at(&format!("uid=bob,{PEOPLE}"), &["uid: bob", "cn: x", "sn: y", "employeeNumber: 8"]));
    app.slapd.by_hand(&person_at(&format!("cn=B,{PEOPLE}"), &["uid: BOB", "cn: B", "sn: y", "employeeNumber: 9"]));
    app.slapd.by_hand(&person_at(&format!("cn=C,{PEOPLE}"), &["cn: C", "sn: y", "employeeNumber: 10"]));
    let said = place.run(&["adopt", "--dry-run", "--only", "users"]).succeeds().stdout;
    for part in [
        format!("taken     user  <{elsewhere}>: \"ADA@contoso.com\" is the name of {ada}, at <{}>\n", dn("ada")),
        format!("ambiguous user  <uid=bob,{PEOPLE}>: userName \"bob\" is that of <cn=B,{PEOPLE}> too; do: "),
        format!("unmatched user  <cn=C,{PEOPLE}>: it lacks userName (no value of uid can be one)\n"),
    ] {
        assert!(said.contains(&part), "{part:?} in:\n{said}");
    }
}

#[test]
fn nothing_is_adopted_while_the_service_runs() {
    let app = TestApp::start();
    app.slapd.by_hand(&grown());
    app.workplace.run(&["adopt"]).fails_naming(&["serve", "stop it", "--dry-run"]);
    adopt(&app, &["--dry-run"]);
    assert_eq!(app.get("/Users").expect(200).json()["totalResults"], 0);

    app.kill();
    let groups = adopt_as_json(&app, &["--only", "groups"]);
    assert_eq!((&groups["groups"]["adopted"], &groups["users"]["adopted"]), (&json!(3), &json!(0)));
    let users = adopt_as_json(&app, &["--only", "users"]);
    assert_eq!((&users["groups"]["adopted"], &users["users"]["adopted"]), (&json!(0), &json!(6)));
    app.slapd.stop();
    app.workplace.run(&["adopt"]).fails_naming(&["cannot look at what the directory has", "connect"]);
    let off = Settings::default().set("groups.enabled", "false");
    let off = Workplace::new(&off, &app.slapd.url());
    off.run(&["adopt", "--only", "groups"]).fails_naming(&["groups.enabled"]);
    let wrong = Settings::default().set("users.base_dn", "\"ou=nowhere,dc=example,dc=org\"");
    app.slapd.start_again();
    Workplace::new(&wrong, &app.slapd.url()).run(&["adopt"]).fails_naming(&["ou=nowhere", "users.base_dn"]);
}

/// A directory that shows at most three entries at a time, or in all, to who is not its administrator.
fn limited(app: &TestApp, limit: &str) -> Workplace {
    let reader = format!("cn=reader,{SUFFIX}");
    app.slapd.reconfigure(&format!("limits dn.exact=\"{reader}\" {limit}"));
    let settings = Settings::default().set("ldap.bind_dn", &format!("{reader:?}"));
    Workplace::new(&settings, &app.slapd.url())
}

#[test]
fn a_servers_limits_are_worked_with_or_told() {
    let app = TestApp::start();
    app.slapd.by_hand(&format!(
        "dn: cn=reader,{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n\
         userPassword: {}\n",
        crate::support::slapd::ADMIN_PASSWORD
    ));
    app.slapd.by_hand(&grown());
    let all = adopt(&app, &["--dry-run"]);
    let twins = app.workplace.run(&["groups", "twins"]).succeeds().stdout;
    let by_pages = limited(&app, "size=3 size.prtotal=unlimited");
    assert_eq!(by_pages.run(&["adopt", "--dry-run"]).succeeds().stdout, all);
    assert_eq!(by_pages.run(&["groups", "twins"]).succeeds().stdout, twins);
    let in_all = limited(&app, "size=3 size.prtotal=3");
    in_all.run(&["adopt"]).fails_naming(&["does not show all entries", "limit"]);
    in_all.run(&["groups", "twins"]).fails_naming(&["cannot read the groups", "sizeLimitExceeded"]);
}

#[test]
fn a_person_of_other_classes_and_values_of_other_types() {
    let settings = Settings::default()
        .add("[[users.attribute]]\nldap = \"employeeType\"\nscim = \"urn:acme:2.0:User:external\"\ntype = \"boolean\"")
        .add("[[users.attribute]]\nldap = \"carLicense\"\nscim = \"urn:acme:2.0:User:since\"\ntype = \"dateTime\"")
        .add("[[users.attribute]]\nldap = \"roomNumber\"\nscim = \"urn:acme:2.0:User:floor\"\ntype = \"integer\"");
    let app = TestApp::start_with(Flavor::AsShipped, settings);
    app.slapd.by_hand(&person_at(
        &dn("ada"),
        &[
            "uid: ada@contoso.com",
            "cn: x",
            "sn: y",
            "employeeType: TRUE",
            "carLicense: 20260131080000Z",
            "roomNumber: 7",
        ],
    ));
    app.slapd.by_hand(&person_at(
        &dn("bob"),
        &["uid: bob@contoso.com", "cn: bob@contoso.com", "sn: y", "employeeType: maybe", "roomNumber: seven"],
    ));
    let said = adopt_alone(&app, &[]);
    let ada = app.lookup_user("ada@contoso.com").unwrap();
    let custom = json!({"external": true, "since": "2026-01-31T08:00:00Z", "floor": 7});
    assert_eq!(ada["urn:acme:2.0:User"], custom);
    assert_eq!(app.find("Users", "urn:acme:2.0:User:floor gt 6")[0]["id"], ada["id"]);
    assert_eq!(app.find("Users", &format!("userName eq {}", quoted("BOB@contoso.com"))).len(), 1);
    assert!(said.contains("employeeType loses \"maybe\", roomNumber loses \"seven\""), "{said}");
}

#[test]
fn who_loses_the_store_adopts_what_it_had_made() {
    let mut app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    app.patch_user(&bob, &json!([{"op": "Add", "path": "manager", "value": ada}]));
    app.disable_user(&bob);
    let (research, twin) = (app.create_group("Research"), app.create_group("research"));
    app.add_members(&research, &[&ada, &bob]);
    app.add_members(&twin, &[&bob, &research]);
    app.create_group("Empty");
    let before = everything(&app);
    app.kill();
    for file in ["scimbridge.db", "scimbridge.db-wal", "scimbridge.db-shm"] {
        std::fs::remove_file(app.workplace.path(file)).unwrap();
    }
    app.token = app.workplace.create_token("entra");
    let said = adopt_alone(&app, &[]);
    assert!(!said.contains("with its first change"), "all is as the map has it: {said}");
    assert!(said.contains("users: 2 adopted, 0 ") && said.contains("groups: 3 adopted, 0 "), "{said}");

    let user = |name: &str| app.lookup_user(&format!("{name}@contoso.com")).unwrap();
    let id = |resource: &Value| resource["id"].as_str().unwrap().to_owned();
    let (ada, bob) = (user("ada"), user("bob"));
    assert_eq!((&bob["active"], &bob[ENTERPRISE]["manager"]["value"]), (&json!(false), &ada["id"]));
    let (research, twin) = (id(&app.lookup_groups("Research")[0]), id(&app.lookup_groups("research")[0]));
    assert_eq!(app.members(&research), [id(&ada), id(&bob)].into());
    assert_eq!(app.members(&twin), [id(&bob), research.clone()].into());

    // What Entra says again at its next full cycle changes nothing.
    app.patch_user(&id(&ada), &json!([{"op": "Replace", "path": "name.familyName", "value": "Contoso"}]));
    app.disable_user(&id(&bob));
    app.rename_group(&twin, "research");
    app.add_members(&research, &[&id(&ada), &id(&bob)]);
    assert_eq!(everything(&app), before);
}

#[test]
fn who_cannot_be_without_a_manager_needs_one_who_is_known() {
    let settings = Settings::default().set("users.rdn", "\"manager\"");
    let app = TestApp::start();
    let place = Workplace::new(&settings, &app.slapd.url());
    let person = |name: &str, manager: &str| {
        let attributes = [&format!("uid: {name}"), "cn: x", "sn: y", &format!("manager: uid={manager},{PEOPLE}")];
        app.slapd.by_hand(&person_at(&format!("uid={name},{PEOPLE}"), &attributes));
    };
    person("ada", "nobody");
    person("bob", "ada");
    person("cyd", "bob");
    person("eve", "eve");
    let said = place.run(&["adopt", "--dry-run", "--only", "users"]).succeeds().stdout;
    assert!(said.contains("users: 1 matched, 0 ambiguous, 3 unmatched"), "{said}");
    assert!(said.contains(&format!("matched   user  <uid=eve,{PEOPLE}>: \"eve\"")), "{said}");
}

#[test]
fn a_group_that_shares_its_entry_is_found_linked() {
    let app = TestApp::start();
    let one = app.create_group_with(&group_with("Staff", "entra-1", &[]));
    let two = app.create_group_with(&group_with("Staff", "entra-2", &[]));
    let plan = adopt_as_json(&app, &["--dry-run", "--only", "groups"]);
    let mut ids = [one, two];
    let linked = plan["entries"][0]["ids"].as_array().unwrap();
    let mut linked: Vec<&str> = linked.iter().map(|id| id.as_str().unwrap()).collect();
    ids.sort();
    linked.sort();
    assert_eq!(linked, ids);
}

#[test]
fn members_that_are_listed_by_uid_are_known_by_it_and_who_is_disabled_comes_so() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(
        "dn: ou=gone,dc=example,dc=org\nobjectClass: organizationalUnit\nou: gone\n\n\
         dn: uid=ada,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nsn: x\n\n\
         dn: uid=bob,ou=gone,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: bob\ncn: Bob\nsn: x\n\n\
         dn: cn=staff,ou=groups,dc=example,dc=org\nobjectClass: posixGroup\ncn: staff\ngidNumber: 7\n\
         memberUid: ada\nmemberUid: bob\nmemberUid: nobody\n",
    );
    let settings = Settings::default()
        .set("users.disable.lock", "false")
        .set("users.disable.move_to", "\"ou=gone,dc=example,dc=org\"")
        .set("groups.object_classes", "[\"posixGroup\"]")
        .set("groups.member", "\"memberUid\"")
        .set("groups.member_value", "\"uid\"")
        .add("[[groups.attribute]]\nldap = \"gidNumber\"\nallocate = { from = 5000, to = 5999 }\n");
    let app = TestApp::start_before(slapd, &settings);
    app.kill();
    let said = app.workplace.run(&["adopt"]).succeeds();
    assert!(said.stdout.contains("2 members, 1 member is nobody's here"), "{said:#?}");
    app.restart();
    let bob = app.lookup_user("bob").unwrap();
    assert_eq!(bob["active"], false);
    let staff = app.lookup_groups("staff").remove(0)["id"].as_str().unwrap().to_owned();
    assert_eq!(app.members(&staff).len(), 2);
    app.enable_user(bob["id"].as_str().unwrap());
    assert!(app.slapd.entry("uid=bob,ou=people,dc=example,dc=org").is_some());
    app.rename_user(bob["id"].as_str().unwrap(), "rob");
    let listed = app.slapd.values("cn=staff,ou=groups,dc=example,dc=org", "memberUid");
    assert_eq!(listed, ["ada", "nobody", "rob"]);
}

#[test]
fn what_is_adopted_is_written_back_as_it_was() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&person_at(
        &dn("ada"),
        &[
            "uid: ada@contoso.com",
            "cn: Ada",
            "displayName: Ada",
            "sn: Byron",
            "jpegPhoto:: /9j/4AAQ",
            "jpegPhoto:: /9j/4AAR",
            "postalAddress: 1 \\24t Main$80331 Munich \\5C 2$Germany",
        ],
    ));
    let settings = Settings::default()
        .add("[[users.attribute]]\nldap = \"jpegPhoto\"\nscim = 'photos[type eq \"photo\"].value'\n")
        .add("[[users.attribute]]\nldap = \"postalAddress\"\nscim = 'addresses[type eq \"home\"].formatted'\n");
    let app = TestApp::start_before(slapd, &settings);
    app.kill();
    let before = app.slapd.ldif("ou=people");
    let said = app.workplace.run(&["adopt"]).succeeds();
    assert!(!said.stdout.contains("with its first change"), "{said:#?}");
    app.restart();
    let ada = app.lookup_user("ada@contoso.com").unwrap();
    assert_eq!(ada["addresses"][0]["formatted"], "1 $t Main\n80331 Munich \\ 2\nGermany");
    app.disable_user(ada["id"].as_str().unwrap());
    app.enable_user(ada["id"].as_str().unwrap());
    assert_eq!(app.slapd.ldif("ou=people"), before);
}

#[test]
fn who_is_adopted_into_a_class_gets_what_it_demands() {
    let slapd = Slapd::start(Flavor::AsShipped);
    slapd.by_hand(&person_at(&dn("ada"), &["uid: ada@contoso.com", "cn: Ada", "displayName: Ada", "sn: Byron"]));
    let settings = Settings::default().set("users.object_classes", "[\"inetOrgPerson\", \"posixAccount\"]").add(
        "[[users.attribute]]\nldap = \"uidNumber\"\nallocate = { from = 5000, to = 5999 }\n\
         [[users.attribute]]\nldap = \"gidNumber\"\nvalue = \"100\"\n\
         [[users.attribute]]\nldap = \"homeDirectory\"\nownership = \"initial\"\n\
         template = \"/home/{{ userName | localpart }}\"\n",
    );
    let app = TestApp::start_before(slapd, &settings);
    app.kill();
    let said = app.workplace.run(&["adopt"]).succeeds();
    for word in ["homeDirectory gets \"/home/ada\"", "uidNumber gets a number of 5000 to 5999", "posixAccount"] {
        assert!(said.stdout.contains(word), "{word}: {said:#?}");
    }
    app.restart();
    let ada = app.lookup_user("ada@contoso.com").unwrap()["id"].as_str().unwrap().to_owned();
    app.disable_user(&ada);
    assert!(app.is_locked(&dn("ada")));
    assert_eq!(app.slapd.values(&dn("ada"), "homeDirectory"), ["/home/ada"]);
    assert_eq!(app.slapd.values(&dn("ada"), "uidNumber"), ["5000"]);
}
