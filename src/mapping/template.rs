//! Value templates: minijinja over a resource's attributes.
//!
//! An undefined value is empty. The enterprise attributes and those of custom extensions stand beside
//! the core ones, so that `{{ department }}` works without its URN.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

use crate::scim::Document;

const NAME: &str = "value";

/// A template that compiled.
#[derive(Clone)]
pub struct Template {
    source: String,
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// What is wrong with it and where, in one line.
    pub fn compile(source: &str) -> Result<Template, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.add_filter("localpart", localpart);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| describe(&error))?;
        let template = Template { source: source.to_owned(), environment: Arc::new(environment) };
        // A filter that there is not is found when the template is rendered, be it for nobody.
        match template.render_for(&Document::new()) {
            Err(error) if is_about_a_name(&error) => Err(describe(&error)),
            _ => Ok(template),
        }
    }

    fn render_for(&self, document: &Document) -> Result<String, minijinja::Error> {
        self.environment.get_template(NAME)?.render(context(document))
    }

    /// Renders the template for a resource.
    ///
    /// # Errors
    /// What went wrong, in one line.
    pub fn render(&self, document: &Document) -> Result<String, String> {
        self.render_for(document).map_err(|error| describe(&error))
    }

    /// What the template looks at, as it names it: `name.givenName`, `department`; whichever way it takes for somebody.
    pub fn variables(&self) -> BTreeSet<String> {
        let template = self.environment.get_template(NAME);
        template.map(|template| template.undeclared_variables(true).into_iter().collect()).unwrap_or_default()
    }

    /// Whether the template looks at anything that the document holds.
    pub fn reads(&self, document: &Document) -> bool {
        let context = named(document);
        let is_there = |variable: &String| {
            let mut parts = variable.split('.');
            let first = parts.next().and_then(|name| context.get(name));
            parts.try_fold(first, |value, name| value.map(|value| value.get(name))).flatten().is_some()
        };
        self.variables().iter().any(is_there)
    }
}

/// `ada@contoso.com` without the `@` and what follows; nothing of nothing.
fn localpart(text: minijinja::Value) -> String {
    text.as_str().and_then(|text| text.split('@').next()).unwrap_or_default().to_owned()
}

fn is_about_a_name(error: &minijinja::Error) -> bool {
    use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownMethod, UnknownTest};
    matches!(error.kind(), UnknownFilter | UnknownFunction | UnknownMethod | UnknownTest)
}

fn context(document: &Document) -> minijinja::Value {
    minijinja::value::Serde(named(document)).into()
}

/// The attributes by the names that templates have for them.
fn named(document: &Document) -> Document {
    let mut context = Document::new();
    for (name, value) in document {
        match value {
            Value::Object(extension) if name.contains(':') => context.extend(extension.clone()),
            _ => {}
        }
    }
    // Core attributes last: they win where an extension uses the same name.
    context.extend(document.clone());
    context
}

fn describe(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail}", error.kind())
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let document = json!({
            "userName": "Ada@contoso.com", "name": {"givenName": "Ada"}, "active": true,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"},
        });
        let template = Template::compile(source).unwrap();
        assert_eq!(template.render(document.as_object().unwrap()).unwrap(), expected);
    }

    #[test]
    fn renders_attributes_and_takes_undefined_for_empty() {
        check("{{ displayName or name.formatted or userName }}", "Ada@contoso.com");
        check("{{ name.givenName }} {{ name.familyName }}", "Ada ");
        check("{{ nothing.at.all }}{{ nothing | localpart | lower }}", "");
        check("/home/{{ userName | localpart | lower }}", "/home/ada");
        check("{{ department }}", "R&D");
        check("plain", "plain");
    }

    #[test]
    fn says_what_it_looks_at() {
        let reads = |source: &str, document: serde_json::Value| {
            Template::compile(source).unwrap().reads(document.as_object().unwrap())
        };
        let cn = "{{ displayName or name.formatted or userName }}";
        assert!(reads(cn, json!({"name": {"formatted": "Ada"}})));
        assert!(reads(cn, json!({"userName": "ada"})));
        assert!(!reads(cn, json!({"name": {"givenName": "Ada"}, "title": "Countess"})));
        let enterprise = json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"}});
        assert!(reads("{% if department == 'Sales' %}sales{% endif %}", enterprise));
        assert!(reads("{% for one in emails %}{{ one.value }}{% endfor %}", json!({"emails": [{"value": "x"}]})));
        assert!(!reads("plain", json!({"userName": "ada"})));
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(Template::compile("{{ userName ").is_err());
        assert!(Template::compile("{{ userName | nosuchfilter }}").unwrap_err().contains("nosuchfilter"));
    }
}
