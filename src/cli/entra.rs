//! `scimbridge entra`: what the administrator types in the Entra admin centre, for this configuration.
//!
//! Nothing is asked of Entra, the store or the directory. What is told is [`crate::mapping::entra`]'s; here it is printed.

use clap::Args;
use serde_json::{Value, json};

use super::print;
use crate::config::{Actions, Settings};
use crate::mapping::entra::graph::{Flows, Provisioned, synchronization_schema};
use crate::mapping::entra::{Advice, Advised, Applied, Custom, Mapping, Sent, advise_on_groups, advise_on_users};
use crate::scim::Kind;

/// What makes Entra's PATCH requests those of the RFC.
const FLAG: &str = "?aadOptscim062020";
/// How wide a line is, where what is to be copied does not make it longer.
const WIDTH: usize = 92;

const TOKEN_COMMAND: &str = "scimbridge token create entra";
const CLIENT_COMMAND: &str = "scimbridge client create entra";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON document: the same facts, and fragments of the synchronization schema for Microsoft Graph
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    let told = Told::of(settings);
    if arguments.json {
        return print(&format!("{:#}", told.as_json()));
    }
    print(told.as_text().trim_end())
}

/// All that is told.
struct Told<'a> {
    settings: &'a Settings,
    users: Advised,
    groups: Option<Advised>,
    obstacles: Vec<String>,
}

impl<'a> Told<'a> {
    fn of(settings: &'a Settings) -> Told<'a> {
        Told {
            settings,
            users: advise_on_users(&settings.users),
            groups: settings.groups.as_ref().map(advise_on_groups),
            obstacles: settings.server.obstacles(),
        }
    }

    fn kinds(&self) -> [(Kind, Option<&Advised>, Actions); 2] {
        [
            (Kind::User, Some(&self.users), self.settings.user_actions),
            (Kind::Group, self.groups.as_ref(), self.settings.group_actions),
        ]
    }

    fn as_text(&self) -> String {
        let mut page = Page(String::new());
        page.paragraph(
            "",
            "In the Entra admin center: Enterprise applications, New application, Create your own application, \
             \"Integrate any other application (non-gallery)\". Then, in that application, Provisioning:",
        );
        self.write_credentials(&mut page);
        for (number, (kind, advised, actions)) in (2..).zip(self.kinds()) {
            write_kind(&mut page, number, kind, advised, actions);
        }
        page.heading("4. Before it is started");
        page.paragraph(
            "   ",
            "Settings, Scope: sync only assigned users and groups. Assign them under Users and groups.",
        );
        page.paragraph(
            "   ",
            "Provision on demand: try one person first, and look at the entry. `scimbridge preview FILE` shows what a \
             request comes to, without sending it.",
        );
        page.0
    }

    fn write_credentials(&self, page: &mut Page) {
        let server = &self.settings.server;
        page.heading("1. Admin credentials");
        page.line(&format!("   Tenant URL         {}", server.base_url));
        page.line(&format!("     or               {}{FLAG}", server.base_url));
        page.paragraph(
            "                      ",
            "with which Entra's PATCH requests are those of the RFC; both are understood",
        );
        page.line(&format!("   Secret Token       what this prints, once: {TOKEN_COMMAND}"));
        page.line("   or OAuth2 client credentials instead of it:");
        page.line(&format!("     Client id        what this prints, and its secret, once: {CLIENT_COMMAND}"));
        page.line(&format!("     Token endpoint   {}", server.token_endpoint()));
        page.line("   Then Test Connection, with `scimbridge serve` running.");
        for obstacle in &self.obstacles {
            page.paragraph("   ", &format!("warning: {obstacle}"));
        }
    }

    fn as_json(&self) -> Value {
        let server = &self.settings.server;
        let provisioned = self.kinds().map(|(kind, advised, actions)| Provisioned {
            kind,
            advised,
            flows: Flows { add: actions.create, update: actions.update, delete: actions.delete },
        });
        let [users, groups] = self.kinds().map(|(_, advised, actions)| kind_as_json(advised, actions));
        json!({
            "tenant_url": server.base_url,
            "tenant_url_with_rfc_patch": format!("{}{FLAG}", server.base_url),
            "secret_token": {"command": TOKEN_COMMAND},
            "oauth2_client_credentials": {"command": CLIENT_COMMAND, "token_endpoint": server.token_endpoint()},
            "users": users,
            "groups": groups,
            "warnings": self.obstacles,
            "synchronization_schema": synchronization_schema(&provisioned),
        })
    }
}

fn write_kind(page: &mut Page, number: u8, kind: Kind, advised: Option<&Advised>, actions: Actions) {
    page.heading(&format!("{number}. Mappings, Provision Microsoft Entra ID {kind}s"));
    let section = kind.endpoint().to_lowercase();
    let Some(advised) = advised else {
        page.paragraph("   ", &format!("Enabled: No, for {section}.enabled = false."));
        return;
    };
    page.line("   Enabled: Yes");
    let actions = [("Create", actions.create), ("Update", actions.update), ("Delete", actions.delete)];
    let told: Vec<String> = actions
        .iter()
        .map(|(name, allowed)| match allowed {
            true => format!("{name} yes"),
            false => format!("{name} NO ({section}.{} = false)", name.to_lowercase()),
        })
        .collect();
    page.paragraph("   ", &format!("Target Object Actions: {}", told.join(", ")));
    if !actions[1].1 && kind == Kind::User {
        page.paragraph("   ", "warning: without Update nobody is disabled either: whoever leaves can still log in");
    }
    write_customs(page, &advised.customs);
    let sections = [
        (Advice::Keep, "Keep these mappings:"),
        (Advice::Add, "Add these, which Entra does not have by default (Add New Mapping):"),
    ];
    for (advice, title) in sections {
        if advised.with(advice).next().is_some() {
            page.line(&format!("\n   {title}"));
            advised.with(advice).for_each(|mapping| write_mapping(page, mapping));
        }
    }
    if advised.with(Advice::Delete).next().is_some() {
        page.line("\n   Delete these, where Entra has them; nothing reads them:");
        advised.with(Advice::Delete).for_each(|mapping| page.line(&format!("     {}", mapping.target)));
    }
    advised.notes.iter().for_each(|note| page.paragraph("   ", &format!("note: {note}")));
}

fn write_customs(page: &mut Page, customs: &[Custom]) {
    if customs.is_empty() {
        return;
    }
    page.line("");
    page.paragraph(
        "   ",
        "First add these to Entra's attribute list (Show advanced options, Edit attribute list for customappsso), each \
         with its type; not multi-valued, no reference:",
    );
    for Custom { name, value_type, obstacle } in customs {
        page.line(&format!("     {name}"));
        page.line(&format!("         {value_type}"));
        obstacle.iter().for_each(|obstacle| page.paragraph("         ", &format!("warning: {obstacle}")));
    }
}

/// What is copied stands alone on its line, or at its start.
fn write_mapping(page: &mut Page, mapping: &Mapping) {
    page.line(&format!("     {}", mapping.target));
    let (kind, source) = source_of(mapping.source);
    let mut remarks = Vec::new();
    remarks.extend(mapping.matching.map(|precedence| format!("match objects using it, precedence {precedence}")));
    if mapping.applied == Applied::OnCreation {
        remarks.push("apply only during object creation".to_owned());
    }
    if mapping.required {
        remarks.push("required".to_owned());
    }
    // Settings have a section before their name.
    let (settings, attributes): (Vec<&str>, Vec<&str>) =
        mapping.readers.iter().map(String::as_str).partition(|reader| reader.contains('.'));
    for (how, readers) in [("goes to", attributes), ("read by", settings)] {
        if !readers.is_empty() {
            remarks.push(format!("{how} {}", readers.join(", ")));
        }
    }
    if mapping.readers.is_empty() && mapping.advice == Advice::Keep {
        remarks.push("kept for Entra to find it by".to_owned());
    }
    let line = format!("         {kind:<12}{}", source.unwrap_or("choose the source attribute"));
    let remarks = remarks.join("; ");
    if remarks.is_empty() {
        page.line(&line);
    } else if line.len().max(48) + 2 + remarks.len() <= WIDTH {
        page.line(&format!("{line:<48}  {remarks}"));
    } else {
        page.line(&line);
        page.paragraph("                     ", &remarks);
    }
}

/// The type of a mapping, and its source where it is known.
fn source_of(source: Sent) -> (&'static str, Option<&'static str>) {
    match source {
        Sent::Direct(name) => ("Direct", Some(name)),
        Sent::Expression(expression) => ("Expression", Some(expression)),
        Sent::Chosen => ("Direct", None),
    }
}

fn kind_as_json(advised: Option<&Advised>, actions: Actions) -> Value {
    let Some(advised) = advised else {
        return json!({"enabled": false});
    };
    let custom = |custom: &Custom| {
        json!({
            "name": custom.name,
            "type": custom.value_type,
            "multi_valued": false,
            "obstacle": custom.obstacle,
        })
    };
    json!({
        "enabled": true,
        "actions": {"create": actions.create, "update": actions.update, "delete": actions.delete},
        "mappings": advised.mappings.iter().map(mapping_as_json).collect::<Vec<Value>>(),
        "custom_attributes": advised.customs.iter().map(custom).collect::<Vec<Value>>(),
        "notes": advised.notes,
    })
}

fn mapping_as_json(mapping: &Mapping) -> Value {
    let (kind, source) = source_of(mapping.source);
    let advice = match mapping.advice {
        Advice::Keep => "keep",
        Advice::Add => "add",
        Advice::Delete => "delete",
    };
    let applied = match mapping.applied {
        Applied::Always => "always",
        Applied::OnCreation => "only during object creation",
    };
    json!({
        "advice": advice,
        "target": mapping.target,
        "type": kind,
        "source": source,
        "matching_precedence": mapping.matching,
        "apply": applied,
        "required": mapping.required,
        "goes_to": mapping.readers,
    })
}

/// Text for people, line by line.
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.line(&format!("\n{text}\n"));
    }

    /// Words over as many lines as they need.
    fn paragraph(&mut self, indent: &str, text: &str) {
        let mut line = indent.to_owned();
        for word in text.split(' ') {
            if line.len() > indent.len() && line.len() + 1 + word.len() > WIDTH {
                self.line(&line);
                line.truncate(indent.len());
            }
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }
}
