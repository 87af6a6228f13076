//! Every form in which Entra and its validator create and change users and groups, in both of its dialects.

use crate::support::fixture::{Kind, play_all};

#[test]
fn every_form_of_creating_a_user() {
    play_all(Kind::Create, "create-user");
}

#[test]
fn every_form_of_changing_a_user() {
    play_all(Kind::User, "patch-user");
}

#[test]
fn every_form_of_changing_a_group() {
    play_all(Kind::Group, "patch-group");
}
