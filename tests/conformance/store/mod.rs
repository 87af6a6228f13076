//! What every store must do: the contract in the comments of `Store`, as tests.
//!
//! An implementation calls [`every_promise`] with a way to make an empty store.

mod adopt;
mod compare;
mod copy;
mod hold;
mod measure;
pub mod run;
mod setting;
pub mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scimbridge::directory::{Anchor, AttributeName, BeforeDisable, Link, NumberRange, Value};
use scimbridge::scim::index::Condition;
use scimbridge::scim::{AttributePath, Document, Index, Kind, Member, ResourceId, Schema};
use scimbridge::store::{Error, Intent, Known, MemberCounts, MemberState, Position, Settled, Store, Wanted};
use serde_json::json;

/// Runs the suite. `make` gives a new, empty store each time.
pub async fn every_promise(mut make: impl AsyncFnMut() -> Arc<dyn Store>) {
    a_creation_is_not_there_until_it_is_settled(&*make().await).await;
    what_is_forgotten_leaves_no_trace(&*make().await).await;
    a_name_belongs_to_one(&*make().await).await;
    an_entry_belongs_to_one_user_and_to_many_groups(&*make().await).await;
    resources_are_found_by_their_values_and_in_order(&*make().await).await;
    a_walk_meets_each_resource_once(&*make().await).await;
    a_version_counts_changes(&*make().await).await;
    who_shows_a_managers_name_has_a_new_version_when_it_changes(&*make().await).await;
    members_are_settled_one_by_one(&*make().await).await;
    adopt::what_is_adopted_is_settled_all_or_none(&*make().await).await;
    what_is_pending_is_told(&*make().await).await;
    a_removed_resource_is_nobodys_member(&*make().await).await;
    lookups_follow_a_changed_index(&*make().await).await;
    what_stood_before_a_user_was_disabled_is_kept_until_they_are_enabled(&*make().await).await;
    a_number_is_taken_once(&*make().await).await;
    members_are_found_by_their_key(&*make().await).await;
    token::tokens_and_clients_are_kept_by_hash(&*make().await).await;
    token::a_rotated_secret_is_good_for_a_while(&*make().await).await;
    token::an_access_token_goes_with_its_secret(&*make().await).await;
    token::the_first_token_is_claimed_once(&*make().await, &*make().await).await;
    compare::the_resources_of_entries_are_told_at_once(&*make().await).await;
    compare::resources_of_a_kind_are_met_once_whatever_their_ids(&*make().await).await;
    compare::a_census_counts_what_is_settled_and_wanted(&*make().await).await;
    compare::ten_thousand_members_are_paged_with_their_names(&*make().await).await;
    compare::what_was_found_right_is_forgotten_with_every_change(&*make().await).await;
    compare::a_group_is_looked_at_again_when_its_members_change(&*make().await).await;
    run::a_run_tells_what_it_was(&*make().await).await;
    run::changes_are_told_from_the_last_to_the_first_until_undone(&*make().await).await;
    run::many_notes_at_a_time_have_a_position_each(make().await).await;
    run::old_runs_are_forgotten_and_their_ids_are_not_given_again(&*make().await).await;
    run::a_run_that_changed_nothing_is_kept_with_its_end(&*make().await).await;
    run::runs_are_found_by_whatever_is_known_of_them(&*make().await).await;
    run::what_takes_old_runs_back_is_forgotten_and_the_rest_stays(&*make().await).await;
    run::the_oldest_runs_are_forgotten_where_all_are_too_large(&*make().await).await;
    memberships_are_told_and_counted(&*make().await).await;
    hold::shared_holds_exclude_exclusive_ones(&*make().await);
    hold::a_lease_tells_who_has_it(&*make().await);
    setting::a_setting_is_kept_until_it_is_forgotten(&*make().await).await;
    setting::a_pause_ends_by_itself_or_when_it_is_ended(&*make().await).await;
    copy::a_copy_is_a_store_of_its_own(&*make().await).await;
    measure::a_backlog_is_as_old_as_what_has_waited_longest(&*make().await).await;
    measure::the_last_reconciliation_of_each_outcome_is_kept(&*make().await).await;
    measure::a_store_has_a_size(&*make().await).await;
}

const NOW: &str = "2026-01-01T00:00:00.000Z";

fn id(text: &str) -> ResourceId {
    ResourceId(text.to_owned())
}

fn document(value: serde_json::Value) -> Document {
    value.as_object().unwrap().clone()
}

fn link(name: &str) -> Link {
    Link {
        anchor: Anchor(format!("anchor-{name}")),
        dn: format!("cn={name}").parse().unwrap(),
        key: None,
        previous: None,
    }
}

fn path(text: &str) -> AttributePath {
    AttributePath::parse(&Schema::standard(Kind::User), text).unwrap()
}

fn index(kind: Kind) -> Index {
    let title = (kind == Kind::User).then(|| path("title"));
    Index::new(&Schema::standard(kind), title)
}

fn wanted(kind: Kind, name: &str, intent: Option<Intent>) -> Wanted {
    let name_claim = (kind == Kind::User).then(|| name.to_owned());
    Wanted { id: id(name), kind, intent, name_claim, members: Vec::new(), may_be_disabled: false, now: NOW.to_owned() }
}

fn settled(kind: Kind, name: &str, document: Document) -> Settled {
    Settled {
        id: id(name),
        index: index(kind).entries(&document),
        shown_by: None,
        name_claim: (kind == Kind::User).then(|| name.to_owned()),
        document,
        link: link(name),
        answered: true,
        inactive: false,
        now: NOW.to_owned(),
    }
}

async fn create(store: &dyn Store, kind: Kind, name: &str, attributes: serde_json::Value) {
    let document = document(attributes);
    store.want(&wanted(kind, name, Some(Intent::Put(document.clone())))).await.unwrap();
    store.settle(&settled(kind, name, document)).await.unwrap();
}

async fn want_members(store: &dyn Store, group: &str, members: &[(&str, MemberState)]) {
    let members = members.iter().map(|(name, state)| (id(name), *state)).collect();
    store.want(&Wanted { members, ..wanted(Kind::Group, group, None) }).await.unwrap();
}

async fn a_creation_is_not_there_until_it_is_settled(store: &dyn Store) {
    let ada = document(json!({"userName": "ada"}));
    store.want(&wanted(Kind::User, "ada", Some(Intent::Put(ada.clone())))).await.unwrap();
    assert_eq!(store.get(Kind::User, &id("ada")).await.unwrap(), None);
    assert_eq!(store.find(Kind::User, &Condition::ALWAYS, 0, 10).await.unwrap().total, 0);
    assert_eq!(store.known(&[id("ada")].into()).await.unwrap(), BTreeMap::new());
    assert_eq!(store.creating(Kind::User).await.unwrap(), [(id("ada"), ada.clone())]);
    let state = store.state(&id("ada")).await.unwrap().unwrap();
    assert_eq!((state.desired(), state.settled.is_some(), state.answered), (Some(&ada), false, false));

    let resource = store.settle(&settled(Kind::User, "ada", ada.clone())).await.unwrap();
    assert_eq!((&resource.document, resource.version, resource.created.as_str()), (&ada, 1, NOW));
    assert_eq!(store.get(Kind::User, &id("ada")).await.unwrap(), Some(resource));
    assert_eq!(store.get(Kind::Group, &id("ada")).await.unwrap(), None, "of another kind");
    let state = store.state(&id("ada")).await.unwrap().unwrap();
    assert_eq!((state.intent, state.link, state.answered), (None, Some(link("ada")), true));
}

async fn what_is_forgotten_leaves_no_trace(store: &dyn Store) {
    store.want(&wanted(Kind::User, "bob", Some(Intent::Put(document(json!({"userName": "bob"})))))).await.unwrap();
    store.revert(&id("bob"), &Document::new()).await.unwrap();
    assert_eq!(store.state(&id("bob")).await.unwrap(), None);
    assert_eq!(store.claimant("bob").await.unwrap(), None);

    let before = document(json!({"userName": "ada"}));
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    let renamed = Wanted {
        name_claim: Some("eve".to_owned()),
        ..wanted(Kind::User, "ada", Some(Intent::Put(document(json!({"userName": "eve"})))))
    };
    store.want(&renamed).await.unwrap();
    store.revert(&id("ada"), &before).await.unwrap();
    let state = store.state(&id("ada")).await.unwrap().unwrap();
    assert_eq!((state.intent, state.settled.unwrap().document), (Some(Intent::Put(before.clone())), before));
    store.forget(&id("ada")).await.unwrap();
    assert_eq!(store.state(&id("ada")).await.unwrap().unwrap().intent, None);
    assert_eq!(store.claimant("eve").await.unwrap(), None);
    assert_eq!(store.claimant("ada").await.unwrap(), Some(id("ada")));

    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    want_members(store, "staff", &[("ada", MemberState::Joining)]).await;
    store.settle(&settled(Kind::Group, "staff", document(json!({"displayName": "staff"})))).await.unwrap();
    want_members(
        store,
        "staff",
        &[("ada", MemberState::Leaving), ("x", MemberState::Joining), ("y", MemberState::Stripped)],
    )
    .await;
    store.revert(&id("staff"), &document(json!({"displayName": "staff"}))).await.unwrap();
    let turned =
        [(id("ada"), MemberState::Renewing), (id("x"), MemberState::Stripped), (id("y"), MemberState::Stripped)];
    assert_eq!(store.unsettled_members(&id("staff")).await.unwrap(), turned);
    store.forget(&id("staff")).await.unwrap();
    assert_eq!(store.wanted_members(&id("staff")).await.unwrap(), [id("ada")]);
    assert_eq!(store.unsettled_members(&id("staff")).await.unwrap(), []);
}

async fn a_name_belongs_to_one(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    let other = Wanted {
        name_claim: Some("ada".to_owned()),
        ..wanted(Kind::User, "eve", Some(Intent::Put(document(json!({"userName": "ada"})))))
    };
    assert!(matches!(store.want(&other).await, Err(Error::Taken { .. })));
    assert_eq!(store.state(&id("eve")).await.unwrap(), None, "nothing of it is saved");
    let renamed = Settled { name_claim: Some("augusta".to_owned()), ..settled(Kind::User, "ada", Document::new()) };
    store.settle(&renamed).await.unwrap();
    store.want(&other).await.unwrap();
    assert_eq!(store.claimant("ada").await.unwrap(), Some(id("eve")));
}

async fn an_entry_belongs_to_one_user_and_to_many_groups(store: &dyn Store) {
    for name in ["ada", "bob"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    assert!(matches!(store.link(&id("bob"), &link("ada")).await, Err(Error::Taken { .. })));
    let stolen = Settled { link: link("ada"), ..settled(Kind::User, "bob", Document::new()) };
    assert!(matches!(store.settle(&stolen).await, Err(Error::Taken { .. })));
    for name in ["staff", "crew"] {
        create(store, Kind::Group, name, json!({"displayName": name})).await;
        store.link(&id(name), &link("shared")).await.unwrap();
    }
    let linked: BTreeSet<ResourceId> = store.linked(&link("shared").anchor).await.unwrap().into_iter().collect();
    assert_eq!(linked, [id("crew"), id("staff")].into());
}

async fn resources_are_found_by_their_values_and_in_order(store: &dyn Store) {
    for (name, title) in [("c", "CTO"), ("a", "cto"), ("b", "CFO")] {
        create(store, Kind::User, name, json!({"userName": name, "title": title})).await;
    }
    let names = async |condition: &Condition, offset, limit| {
        let found = store.find(Kind::User, condition, offset, limit).await.unwrap();
        assert_eq!(store.count(Kind::User, condition).await.unwrap(), found.total);
        let names: Vec<String> = found.resources.into_iter().map(|resource| resource.id.0).collect();
        (found.total, names.concat())
    };
    let all = Condition::ALWAYS;
    assert_eq!(names(&all, 0, 10).await, (3, "abc".to_owned()), "made at one time, so by id");
    assert_eq!(names(&all, 1, 1).await, (3, "b".to_owned()));
    assert_eq!(names(&all, 0, 0).await, (3, String::new()));
    assert_eq!(names(&all, 9, 9).await, (3, String::new()));
    let entry = |text| index(Kind::User).entry(&path("title"), text);
    let title = |text| Condition::Equals(entry(text));
    let not = |condition| Condition::Not(Box::new(condition));
    assert_eq!(names(&title("Cto"), 0, 10).await, (2, "ac".to_owned()));
    for (condition, expected) in [
        (Condition::All(vec![title("cto"), Condition::Id(id("c"))]), "c"),
        (Condition::All(vec![title("cto"), title("cfo")]), ""),
        (Condition::Any(vec![title("cfo"), Condition::Id(id("c"))]), "bc"),
        (Condition::Any(vec![]), ""),
        (not(title("cto")), "b"),
        (not(Condition::Any(vec![title("cto"), title("cfo")])), ""),
        (Condition::StartsWith(entry("C")), "abc"),
        (Condition::StartsWith(entry("cf")), "b"),
        (Condition::StartsWith(entry("cfo!")), ""),
        (Condition::Present(path("title").key()), "abc"),
        (Condition::Present("nosuch".to_owned()), ""),
        (Condition::HasMembers, ""),
    ] {
        assert_eq!(names(&condition, 0, 10).await.1, expected, "{condition:?}");
    }
    store.settle(&settled(Kind::User, "c", document(json!({"userName": "c", "title": "COO"})))).await.unwrap();
    assert_eq!(names(&title("cto"), 0, 10).await, (1, "a".to_owned()), "the old value finds nobody");
    let ids = [id("a"), id("c"), id("nobody")].into();
    let found = store.resources(&ids).await.unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [id("a"), id("c")]);
}

async fn a_walk_meets_each_resource_once(store: &dyn Store) {
    for name in ["a", "b", "c", "d", "e"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    let mut met = String::new();
    let mut position = None;
    loop {
        let page = store.find_after(Kind::User, &Condition::ALWAYS, position.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        position = Some(Position { created: last.created.clone(), id: last.id.clone() });
        met.extend(page.iter().map(|resource| resource.id.as_str()));
        // The last one that was met goes, one that was met before goes, and one comes.
        store.remove(&last.id, None, NOW).await.unwrap();
        store.remove(&id("a"), None, NOW).await.unwrap();
        if met.len() == 2 {
            create(store, Kind::User, "f", json!({"userName": "f"})).await;
        }
    }
    assert_eq!(met, "abcdef");
}

async fn a_version_counts_changes(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    let settle = async |kind, name, attributes, now: &str| {
        let settled = Settled { now: now.to_owned(), ..settled(kind, name, document(attributes)) };
        let resource = store.settle(&settled).await.unwrap();
        (resource.version, resource.modified)
    };
    let later = "2026-01-02T00:00:00.000Z";
    let staff = || json!({"displayName": "staff"});
    assert_eq!(settle(Kind::Group, "staff", staff(), later).await, (1, NOW.to_owned()), "nothing changed");
    assert_eq!(settle(Kind::Group, "staff", json!({"displayName": "crew"}), later).await, (2, later.to_owned()));
    assert_eq!(settle(Kind::Group, "staff", staff(), NOW).await, (3, NOW.to_owned()));
    want_members(store, "staff", &[("ada", MemberState::Joining)]).await;
    assert_eq!(settle(Kind::Group, "staff", staff(), later).await, (4, later.to_owned()));
    store.renew_memberships(&id("ada"), NOW).await.unwrap();
    assert_eq!(settle(Kind::Group, "staff", staff(), NOW).await, (4, later.to_owned()), "what is shown is the same");
    want_members(store, "staff", &[("ada", MemberState::Leaving)]).await;
    assert_eq!(settle(Kind::Group, "staff", staff(), NOW).await.0, 5);
}

async fn who_shows_a_managers_name_has_a_new_version_when_it_changes(store: &dyn Store) {
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    create(store, Kind::User, "bob", json!({"userName": "bob", ENTERPRISE: {"manager": {"value": "ada"}}})).await;
    let version = async || store.get(Kind::User, &id("bob")).await.unwrap().unwrap().version;
    let reports = index(Kind::User).reports_to(&id("ada"));
    assert!(reports.is_some() && index(Kind::Group).reports_to(&id("ada")).is_none());
    assert_eq!(version().await, 1);
    let renamed = settled(Kind::User, "ada", document(json!({"userName": "ada", "displayName": "Ada"})));
    store.settle(&Settled { shown_by: reports.clone(), ..renamed }).await.unwrap();
    assert_eq!(version().await, 2);
    store.remove(&id("ada"), reports.as_ref(), NOW).await.unwrap();
    assert_eq!(version().await, 3);
}

async fn members_are_settled_one_by_one(store: &dyn Store) {
    for name in ["ada", "bob", "cyd"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    let settle = async || store.settle(&settled(Kind::Group, "staff", Document::new())).await.unwrap().version;
    let members = async || -> Vec<Member> { store.members(&id("staff")).await.unwrap() };
    let user = |name| Member { id: id(name), kind: Kind::User };
    let has_members = async || store.has_members(&id("staff")).await.unwrap();

    want_members(store, "staff", &[("ada", MemberState::Joining), ("bob", MemberState::Joining)]).await;
    assert_eq!((members().await, has_members().await), (vec![], false));
    assert_eq!(settle().await, 2);
    assert_eq!((members().await, has_members().await), (vec![user("ada"), user("bob")], true));

    want_members(store, "staff", &[("ada", MemberState::Leaving), ("cyd", MemberState::Stripped)]).await;
    assert_eq!(members().await, [user("ada"), user("bob")], "the settled state");
    let named = [id("ada"), id("bob"), id("nobody")].into();
    let states = store.member_states(&id("staff"), &named).await.unwrap();
    assert_eq!(states, [(id("ada"), MemberState::Leaving), (id("bob"), MemberState::Settled)].into());
    settle().await;
    assert_eq!(members().await, [user("bob")]);
    want_members(store, "staff", &[("bob", MemberState::Leaving)]).await;
    assert!(has_members().await);
    want_members(store, "staff", &[("bob", MemberState::Joining)]).await;
    settle().await;
    let with_bob = store.find(Kind::Group, &Condition::Member(id("bob")), 0, 10).await.unwrap();
    assert_eq!(with_bob.total, 1);
    assert_eq!(store.find(Kind::Group, &Condition::Member(id("ada")), 0, 10).await.unwrap().total, 0);

    store.renew_memberships(&id("bob"), NOW).await.unwrap();
    assert_eq!(store.unsettled_members(&id("staff")).await.unwrap(), [(id("bob"), MemberState::Renewing)]);
    assert_eq!(
        (members().await, store.wanted_members(&id("staff")).await.unwrap()),
        (vec![user("bob")], vec![id("bob")])
    );
    settle().await;

    let many: Vec<(String, MemberState)> = (0..2500).map(|n| (format!("u{n:04}"), MemberState::Joining)).collect();
    let many: Vec<(&str, MemberState)> = many.iter().map(|(name, state)| (name.as_str(), *state)).collect();
    want_members(store, "staff", &many).await;
    assert_eq!(store.unsettled_members(&id("staff")).await.unwrap().len(), 2500);
    let named = many.iter().map(|(name, _)| id(name)).collect();
    assert_eq!(store.member_states(&id("staff"), &named).await.unwrap().len(), 2500);
}

async fn memberships_are_told_and_counted(store: &dyn Store) {
    for name in ["ada", "bob", "cyd", "eve"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    for name in ["board", "crew", "staff"] {
        create(store, Kind::Group, name, json!({"displayName": name})).await;
    }
    use MemberState::{Joining, Leaving, Renewing, Settled, Stripped};
    want_members(store, "staff", &[("ada", Settled), ("bob", Joining), ("cyd", Leaving), ("eve", Renewing)]).await;
    want_members(store, "board", &[("ada", Joining)]).await;
    want_members(store, "crew", &[("ada", Stripped)]).await;
    assert_eq!(store.memberships(&id("ada")).await.unwrap(), [(id("board"), Joining), (id("staff"), Settled)]);
    let one_each = MemberCounts { settled: 1, renewing: 1, joining: 1, leaving: 1 };
    assert_eq!(store.member_counts(&id("staff")).await.unwrap(), one_each);
    assert_eq!(store.member_counts(&id("crew")).await.unwrap(), MemberCounts::default());
}

async fn what_is_pending_is_told(store: &dyn Store) {
    for name in ["ada", "bob", "cyd"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
    }
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    assert_eq!(store.pending().await.unwrap(), []);
    store.want(&wanted(Kind::User, "bob", Some(Intent::Delete))).await.unwrap();
    want_members(store, "staff", &[("ada", MemberState::Joining)]).await;
    let moved = Link { previous: Some(link("old").names()), ..link("cyd") };
    store.link(&id("cyd"), &moved).await.unwrap();
    assert_eq!(store.state(&id("cyd")).await.unwrap().unwrap().link, Some(moved));
    assert_eq!(store.pending().await.unwrap(), [id("bob"), id("cyd"), id("staff")]);
    let since = async |name| store.state(&id(name)).await.unwrap().unwrap().pending_since;
    assert_eq!((since("bob").await, since("cyd").await), (Some(NOW.to_owned()), None));
    let again =
        Wanted { now: "2026-01-02T00:00:00.000Z".to_owned(), ..wanted(Kind::User, "bob", Some(Intent::Delete)) };
    store.want(&again).await.unwrap();
    assert_eq!(since("bob").await, Some(NOW.to_owned()), "from the first of them on");
    assert!(store.get(Kind::User, &id("bob")).await.unwrap().is_some(), "there until it is gone");
    let known = store.known(&[id("ada"), id("bob"), id("nobody")].into()).await.unwrap();
    let place = |name, deleting| (id(name), Known { kind: Kind::User, link: link(name), deleting });
    assert_eq!(known, [place("ada", false), place("bob", true)].into());
}

async fn a_removed_resource_is_nobodys_member(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    want_members(store, "staff", &[("ada", MemberState::Joining)]).await;
    let before = store.settle(&settled(Kind::Group, "staff", Document::new())).await.unwrap();
    const LATER: &str = "2026-01-02T00:00:00.000Z";
    store.remove(&id("ada"), None, LATER).await.unwrap();
    let after = store.get(Kind::Group, &id("staff")).await.unwrap().unwrap();
    assert_eq!((after.version, after.modified.as_str()), (before.version + 1, LATER), "it has lost a member");
    assert_eq!(store.members(&id("staff")).await.unwrap(), []);
    assert_eq!(store.wanted_members(&id("staff")).await.unwrap(), []);
    assert_eq!(store.state(&id("ada")).await.unwrap(), None);
    assert_eq!(store.claimant("ada").await.unwrap(), None);
    assert_eq!(store.find(Kind::User, &Condition::ALWAYS, 0, 10).await.unwrap().total, 0);
}

async fn lookups_follow_a_changed_index(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada", "nickName": "Countess"})).await;
    let index = Index::new(&Schema::standard(Kind::User), [path("nickName")]);
    let by_nick_name = Condition::Equals(index.entry(&path("nickName"), "countess"));
    assert_eq!(store.find(Kind::User, &by_nick_name, 0, 10).await.unwrap().total, 0);
    for _ in 0..2 {
        store.reindex(&[(Kind::User, &index)]).await.unwrap();
        assert_eq!(store.find(Kind::User, &by_nick_name, 0, 10).await.unwrap().total, 1);
    }
}

async fn what_stood_before_a_user_was_disabled_is_kept_until_they_are_enabled(store: &dyn Store) {
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    let before = BeforeDisable {
        parent: Some("ou=Söhne\\2C x".parse().unwrap()),
        attributes: [
            (AttributeName::of("photo"), vec![Value::from(vec![0, 255])]),
            (AttributeName::of("title"), vec![]),
        ]
        .into(),
        lock: true,
        password: false,
    };
    store.note_disabling(&id("ada"), &before).await.unwrap();
    let kept = async || {
        let state = store.state(&id("ada")).await.unwrap().unwrap();
        (state.may_be_disabled, state.before_disable)
    };
    assert_eq!(kept().await, (true, Some(before.clone())));
    let inactive = Settled { inactive: true, ..settled(Kind::User, "ada", document(json!({"active": false}))) };
    store.settle(&inactive).await.unwrap();
    assert_eq!(kept().await, (true, Some(before.clone())));
    store.settle(&settled(Kind::User, "ada", document(json!({"active": true})))).await.unwrap();
    assert_eq!(kept().await, (false, None));
    store.note_disabling(&id("ada"), &before).await.unwrap();
    store.note_enabled(&id("ada")).await.unwrap();
    assert_eq!(kept().await, (false, None));
}

async fn a_number_is_taken_once(store: &dyn Store) {
    let (uid, gid) = (AttributeName::of("uidNumber"), AttributeName::of("GIDNUMBER"));
    let range = NumberRange { from: 10, to: 19 };
    assert_eq!(store.highest_number(&uid, range).await.unwrap(), None);
    create(store, Kind::User, "ada", json!({"userName": "ada"})).await;
    store.take_number(&uid, 12, Some(&id("ada"))).await.unwrap();
    store.take_number(&uid, 25, Some(&id("ada"))).await.unwrap();
    store.take_number(&gid, 12, None).await.unwrap();
    let again = store.take_number(&AttributeName::of("UIDNUMBER"), 12, None).await;
    assert!(matches!(again, Err(Error::Taken { .. })));
    assert_eq!(store.highest_number(&uid, range).await.unwrap(), Some(12));
    assert_eq!(store.numbers_of(&id("ada"), &uid).await.unwrap(), [25, 12]);
    // It stays when the resource goes, and goes with one that never came.
    store.remove(&id("ada"), None, NOW).await.unwrap();
    assert!(matches!(store.take_number(&uid, 12, None).await, Err(Error::Taken { .. })));
    store.want(&wanted(Kind::User, "bob", Some(Intent::Put(document(json!({})))))).await.unwrap();
    store.note_adding(&id("bob")).await.unwrap();
    assert!(store.state(&id("bob")).await.unwrap().unwrap().adds_entry);
    store.take_number(&uid, 13, Some(&id("bob"))).await.unwrap();
    store.revert(&id("bob"), &document(json!({}))).await.unwrap();
    store.take_number(&uid, 13, None).await.unwrap();
}

async fn members_are_found_by_their_key(store: &dyn Store) {
    create(store, Kind::Group, "staff", json!({"displayName": "staff"})).await;
    for name in ["ada", "bob", "eve"] {
        create(store, Kind::User, name, json!({"userName": name})).await;
        let key = if name == "eve" { "other" } else { "shared" };
        store.link(&id(name), &Link { key: Some(Value::from(key)), ..link(name) }).await.unwrap();
    }
    use MemberState::{Leaving, Settled};
    want_members(store, "staff", &[("ada", Settled), ("bob", Leaving), ("eve", Settled)]).await;
    let keyed = store.wanted_with_key(&id("staff"), &Value::from("shared")).await.unwrap();
    assert_eq!(keyed, [id("ada")]);
    let link = store.state(&id("bob")).await.unwrap().unwrap().link.unwrap();
    assert_eq!(link.key, Some(Value::from("shared")));
}
