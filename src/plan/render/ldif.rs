//! A proposal as LDIF change records (RFC 2849), for `ldapmodify` and for who reads nothing else.
//!
//! Passwords are left out. A rename takes the old name's values away, as every rename of ours does.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::directory::{Action, AttributeName, Attributes, Change, Dn, Modification};
use crate::plan::Step;
use crate::plan::hidden::is_password;
use crate::plan::proposal::{Item, Proposal, Proposed};

/// How long a line is at most.
const WIDTH: usize = 76;

/// A proposal as LDIF.
#[derive(Clone, Copy, Debug)]
pub struct Ldif<'a>(pub &'a Proposal);

/// A proposal as LDIF, with the reasons for what each record says in comments above it.
#[derive(Clone, Copy)]
pub struct Reasoned<'a> {
    /// What is told.
    pub proposal: &'a Proposal,
    /// The reasons for a step, one to a comment.
    pub reasons: &'a dyn Fn(&Step) -> Vec<String>,
}

impl fmt::Display for Ldif<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reasoned { proposal: self.0, reasons: &|_| Vec::new() }.fmt(f)
    }
}

impl fmt::Display for Reasoned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("version: 1\n")?;
        for item in &self.proposal.items {
            item.steps
                .iter()
                .try_for_each(|proposed| write_record(f, item, proposed, &(self.reasons)(&proposed.step)))?;
            let lines = item.notes.iter().map(|note| format!("note: {note}"));
            let lines: Vec<String> =
                lines.chain(item.problem.iter().map(|problem| format!("cannot: {problem}"))).collect();
            if !lines.is_empty() {
                f.write_str("\n")?;
                write_comment(f, &format!("{} {:?}", item.subject.kind, item.subject.name))?;
                lines.iter().try_for_each(|line| write_comment(f, line))?;
            }
        }
        Ok(())
    }
}

/// Writes a step with an empty line before it; comments alone where nothing is left of it without the passwords.
fn write_record(f: &mut fmt::Formatter<'_>, item: &Item, proposed: &Proposed, reasons: &[String]) -> fmt::Result {
    let Proposed { step, last_change, .. } = proposed;
    let change = &step.change;
    f.write_str("\n")?;
    write_comment(f, &format!("{} {:?}, {}", item.subject.kind, item.subject.name, step.reason))?;
    if let Some(last_change) = last_change {
        write_comment(f, &last_change.to_string())?;
    }
    reasons.iter().try_for_each(|reason| write_comment(f, reason))?;
    match change {
        Change::Add { dn, attributes } => write_add(f, dn, attributes),
        Change::Modify { dn, modifications, .. } => write_modify(f, dn, modifications),
        Change::Rename { dn, new_rdn, new_parent } => {
            write_start(f, dn, "modrdn")?;
            let rdn = Dn::default().child(new_rdn.clone());
            write_line(f, "newrdn", rdn.to_string().as_bytes())?;
            write_line(f, "deleteoldrdn", b"1")?;
            new_parent.iter().try_for_each(|parent| write_line(f, "newsuperior", parent.to_string().as_bytes()))
        }
        Change::Delete { dn } => write_start(f, dn, "delete"),
    }
}

fn write_start(f: &mut fmt::Formatter<'_>, dn: &Dn, change_type: &str) -> fmt::Result {
    write_line(f, "dn", dn.to_string().as_bytes())?;
    write_line(f, "changetype", change_type.as_bytes())
}

fn write_add(f: &mut fmt::Formatter<'_>, dn: &Dn, attributes: &Attributes) -> fmt::Result {
    attributes.keys().filter(|name| is_password(name)).try_for_each(|name| write_left_out(f, name))?;
    write_start(f, dn, "add")?;
    for (name, values) in attributes.iter().filter(|(name, _)| !is_password(name)) {
        values.iter().try_for_each(|value| write_line(f, name.as_str(), value.as_bytes()))?;
    }
    Ok(())
}

fn write_modify(f: &mut fmt::Formatter<'_>, dn: &Dn, modifications: &[Modification]) -> fmt::Result {
    let (secret, open): (Vec<&Modification>, Vec<&Modification>) =
        modifications.iter().partition(|modification| is_password(&modification.attribute));
    secret.iter().try_for_each(|modification| write_left_out(f, &modification.attribute))?;
    if open.is_empty() {
        return write_comment(f, &format!("nothing else of {dn} is changed"));
    }
    write_start(f, dn, "modify")?;
    for Modification { attribute, action, values } in open {
        let verb = match action {
            Action::Add => "add",
            Action::Delete => "delete",
            Action::Replace => "replace",
        };
        write_line(f, verb, attribute.as_str().as_bytes())?;
        values.iter().try_for_each(|value| write_line(f, attribute.as_str(), value.as_bytes()))?;
        f.write_str("-\n")?;
    }
    Ok(())
}

fn write_left_out(f: &mut fmt::Formatter<'_>, attribute: &AttributeName) -> fmt::Result {
    write_comment(f, &format!("{attribute} is left out: passwords are not shown"))
}

/// Writes a comment, over as many lines as it needs: each begins anew, for not every reader knows folded comments.
fn write_comment(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut line = String::from("#");
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        // RFC 2849 has comments of ASCII, and a control character would end or hide the line.
        let is_plain = |character: char| character.is_ascii() && !character.is_ascii_control();
        let word: String = word
            .chars()
            .map(|one| if is_plain(one) { one.to_string() } else { one.escape_unicode().to_string() })
            .collect();
        if line.len() > 1 && line.len() + 1 + word.len() > WIDTH {
            writeln!(f, "{line}")?;
            line.truncate(1);
        }
        write!(line, " {word}")?;
    }
    writeln!(f, "{line}")
}

/// Writes `name: value`, in base64 where the value needs it, over several lines where it is long.
fn write_line(f: &mut fmt::Formatter<'_>, name: &str, value: &[u8]) -> fmt::Result {
    let text = str::from_utf8(value).ok().filter(|text| is_safe(text));
    let line = match text {
        Some("") => format!("{name}:"),
        Some(text) => format!("{name}: {text}"),
        None => format!("{name}:: {}", STANDARD.encode(value)),
    };
    // What is written is ASCII: a byte is a character. A line that goes on begins with a space.
    let mut width = WIDTH;
    let mut rest = line.as_str();
    while let Some((first, more)) = rest.split_at_checked(width).filter(|(_, more)| !more.is_empty()) {
        writeln!(f, "{first}")?;
        f.write_str(" ")?;
        (rest, width) = (more, WIDTH - 1);
    }
    writeln!(f, "{rest}")
}

/// Whether a value can be written as it is (RFC 2849, SAFE-STRING), and still be seen as it is.
fn is_safe(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_control();
    !text.starts_with([' ', ':', '<']) && !text.ends_with(' ') && text.bytes().all(is_plain)
}
