//! The last look before the directory is changed: a plan that reaches beyond its bases is refused.
//!
//! Defence in depth: no plan that the mapping makes should ever be refused here.

use super::Plan;
use crate::directory::Dn;

/// Why a plan is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dn} is not below {}", allowed.join(" or "))]
pub struct Refusal {
    /// The entry that the plan would change.
    pub dn: Dn,
    allowed: Vec<String>,
}

/// Lets a plan through that changes only entries below the bases.
///
/// # Errors
/// The first entry outside.
pub fn guard(plan: Plan, bases: &[&Dn]) -> Result<Plan, Refusal> {
    let outside = |dn: &Dn| !bases.iter().any(|base| dn.is_under(base));
    let offender = plan.steps.iter().flat_map(|step| step.change.reach()).find(outside);
    match offender {
        None => Ok(plan),
        Some(dn) => Err(Refusal { dn, allowed: bases.iter().map(ToString::to_string).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Change;
    use crate::plan::Reason;

    #[test]
    fn only_what_is_below_the_base_is_let_through() {
        let base: Dn = "ou=people,dc=example".parse().unwrap();
        let delete = |dn: &str| {
            let mut plan = Plan::default();
            plan.push(Change::Delete { dn: dn.parse().unwrap() }, Reason::Tombstone);
            guard(plan, &[&base])
        };
        assert!(delete("uid=a,ou=People,dc=example").is_ok());
        assert!(delete("ou=people,dc=example").is_err());
        let mut away = Plan::default();
        let change = Change::Rename {
            dn: "uid=a,ou=people,dc=example".parse().unwrap(),
            new_rdn: "uid=a".parse::<Dn>().unwrap().rdn().unwrap().clone(),
            new_parent: Some("ou=admins,dc=example".parse().unwrap()),
        };
        away.push(change, Reason::Renamed);
        assert!(guard(away, &[&base]).is_err());
        assert_eq!(
            delete("cn=admin,dc=example").unwrap_err().to_string(),
            "cn=admin,dc=example is not below ou=people,dc=example"
        );
    }
}
