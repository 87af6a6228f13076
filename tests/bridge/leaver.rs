//! Who leaves is locked out, whatever else goes wrong beside it.

use serde_json::{Value, json};

use crate::support::app::{TestApp, dn, group_dn};
use crate::support::entra::{group_with, person_with};
use crate::support::slapd::{ADMIN_PASSWORD, Flavor};
use crate::support::wait_for;
use crate::support::workplace::Settings;

/// An identity of the bridge's own, whose rights a story can take away.
const BRIDGE: &str = "cn=bridge,dc=example,dc=org";

fn bad_mail() -> Value {
    json!({"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "åsa@contoso.com"})
}

/// A value that only the directory can tell to be none.
fn bad_fax() -> Value {
    json!({"op": "Add", "path": "phoneNumbers[type eq \"fax\"].value", "value": "gehört niemandem"})
}

fn leaves() -> Value {
    json!({"op": "Replace", "path": "active", "value": "False"})
}

/// The bridge as an ordinary identity that may do everything, but for what `refused` says.
fn with_rights(app: &TestApp, refused: &str) {
    app.slapd.reconfigure(&format!("{refused}access to *\n    by dn.exact=\"{BRIDGE}\" manage\n    by * break\n"));
}

fn app_of_its_own(flavor: Flavor) -> TestApp {
    let app = TestApp::start_with(flavor, Settings::default().variable("SCIMBRIDGE__LDAP__BIND_DN", BRIDGE));
    app.slapd.by_hand(&format!(
        "dn: {BRIDGE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: bridge\n\
         userPassword: {ADMIN_PASSWORD}\n"
    ));
    with_rights(&app, "");
    app.restart();
    app
}

fn is_locked(app: &TestApp, name: &str) -> Option<()> {
    app.is_locked(&dn(name)).then_some(())
}

#[test]
fn a_disabling_that_waits_outlives_the_refusal_of_what_joins_it() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let user = format!("/Users/{ada}");
    app.slapd.reconfigure("readonly on\n");
    assert!(app.patch(&user, &json!([leaves()])).status >= 500);
    // What can be told without the directory is refused at once; what it alone can tell joins the disabling and waits.
    app.patch(&user, &json!([bad_mail()])).refuses(400, "invalidValue", &["emails"]);
    assert!(app.patch(&user, &json!([bad_fax()])).status >= 500);
    app.slapd.reconfigure("");
    wait_for("the disabling", || (app.read_user(&ada)["active"] == false).then_some(()));
    wait_for("the lock", || is_locked(&app, "ada"));
    assert_eq!(app.slapd.values(&dn("ada"), "mail"), ["ada@contoso.com"]);
    assert_eq!(app.slapd.values(&dn("ada"), "facsimileTelephoneNumber"), [""; 0]);
}

#[test]
fn a_refused_request_is_refused_as_a_whole_and_leaves_a_lock_by_hand() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let user = format!("/Users/{ada}");
    for (bad, named) in [(bad_mail(), "emails"), (bad_fax(), "phoneNumbers")] {
        app.patch(&user, &json!([leaves(), bad])).refuses(400, "invalidValue", &[named]);
        assert_eq!(app.read_user(&ada)["active"], true);
        assert!(!app.is_locked(&dn("ada")));
    }
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n",
        dn("ada")
    ));
    for (bad, named) in [(bad_mail(), "emails"), (bad_fax(), "phoneNumbers")] {
        app.patch(&user, &json!([leaves(), bad])).refuses(400, "invalidValue", &[named]);
        assert!(app.is_locked(&dn("ada")), "the administrator's lock was lifted");
    }
    let comes_back = json!({"op": "Replace", "path": "active", "value": "True"});
    for (bad, named) in [(bad_mail(), "emails"), (bad_fax(), "phoneNumbers")] {
        app.patch(&user, &json!([comes_back, bad])).refuses(400, "invalidValue", &[named]);
        assert!(app.is_locked(&dn("ada")), "the administrator's lock was lifted by a request that was refused");
    }
    app.enable_user(&ada);
    assert!(!app.is_locked(&dn("ada")));
}

#[test]
fn a_lock_by_hand_in_another_writing_is_a_lock() {
    let app = TestApp::start();
    let ada = app.user("ada");
    app.slapd.set_password(&dn("ada"), "her password");
    assert!(app.slapd.bind(&dn("ada"), "her password"));
    app.slapd.by_hand(&format!(
        "dn: {}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 00000101000000Z\n",
        dn("ada")
    ));
    app.disable_user(&ada);
    assert_eq!(app.slapd.values(&dn("ada"), "pwdAccountLockedTime"), ["00000101000000Z"], "the same moment");
    assert!(!app.slapd.bind(&dn("ada"), "her password"));
    app.enable_user(&ada);
    assert!(app.slapd.bind(&dn("ada"), "her password"));
}

#[test]
fn a_reference_that_cannot_follow_does_not_keep_anybody_from_being_locked() {
    let app = app_of_its_own(Flavor::Plain);
    let ada = app.user("ada");
    let admins = group_dn("Admins");
    app.slapd.by_hand(&format!("dn: {admins}\nobjectClass: groupOfNames\ncn: Admins\nmember: {}\n", dn("ada")));
    with_rights(&app, &format!("access to dn.exact=\"{admins}\"\n    by dn.exact=\"{BRIDGE}\" read\n    by * break\n"));
    let user = format!("/Users/{ada}");
    wait_for("the bridge to connect again", || {
        let renamed =
            app.patch(&user, &json!([{"op": "Replace", "path": "userName", "value": "ada.king@contoso.com"}]));
        app.slapd.entry(&dn("ada.king")).map(|_| assert!(renamed.status >= 500 || renamed.status == 200))
    });
    app.patch(&user, &json!([leaves()])).expect(200);
    assert!(app.is_locked(&dn("ada.king")));
    // Not once more by chance: it is tried until it can be done.
    wait_for("several attempts", || {
        (app.log().matches("not all references to a renamed entry have followed yet").count() >= 4).then_some(())
    });
    with_rights(&app, "");
    wait_for("the group to follow", || (app.slapd.values(&admins, "member") == [dn("ada.king")]).then_some(()));
}

#[test]
fn who_is_to_be_deleted_is_not_edited_meanwhile() {
    let app = app_of_its_own(Flavor::AsShipped);
    let ada = app.user("ada");
    app.disable_user(&ada);
    let entry = dn("ada");
    with_rights(
        &app,
        &format!("access to dn.exact=\"{entry}\" attrs=entry\n    by dn.exact=\"{BRIDGE}\" read\n    by * break\n"),
    );
    let user = format!("/Users/{ada}");
    wait_for("the bridge to connect again", || (app.delete(&user).status == 500).then_some(()));
    let mut body = person_with("ada", json!({"title": "Countess"}));
    body.as_object_mut().unwrap().remove("active");
    app.put(&user, &body).expect(503);
    assert!(app.is_locked(&entry));
    with_rights(&app, "");
    wait_for("the deletion", || app.slapd.entry(&entry).is_none().then_some(()));
    wait_for("the user to be gone", || (app.get(&user).status == 404).then_some(()));
}

#[test]
fn a_new_group_lists_its_members_under_their_present_names() {
    let app = TestApp::start();
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    app.slapd.by_hand(&format!("dn: {}\nchangetype: modrdn\nnewrdn: cn=Ada Contoso\ndeleteoldrdn: 0\n", dn("ada")));
    app.create_group_with(&group_with("Staff", "entra-1", &[&ada, &bob]));
    assert!(!app.directory_members("Staff").contains(&dn("ada")));
    assert_eq!(app.directory_members("Staff").len(), 2);
}

#[test]
fn to_say_again_that_somebody_is_active_changes_nothing() {
    let app = TestApp::start();
    let ada = app.user("ada");
    let before = app.read_user(&ada);
    app.enable_user(&ada);
    assert_eq!(app.read_user(&ada), before);
}
