//! Filters (RFC 7644 §3.4.2.2), and why the two implementations select different resources.

mod explained;
mod readings;
mod requests;

use serde_json::{Value, json};

use crate::difference::{Answer, Request, compare, generate};
use crate::ours;
use crate::resource::Kind;

const CASES: usize = 3000;

#[test]
fn filters_select_the_same_resources() {
    compare(generate(CASES, requests::requests()), &explained::explanations());
}

#[derive(Clone, Debug)]
struct FilterRequest {
    kind: Kind,
    resource: Value,
    filter: Filter,
}

impl Request for FilterRequest {
    fn ours(&self) -> Answer {
        ours::matches(self.kind, &self.resource, &self.filter.text())
    }

    fn question(&self) -> Value {
        json!({"kind": self.kind.as_str(), "resource": self.resource, "filter": self.filter.text()})
    }

    /// Each condition alone.
    fn parts(&self) -> Vec<FilterRequest> {
        self.filter.conditions().into_iter().map(|filter| FilterRequest { filter, ..self.clone() }).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Filter {
    Present {
        path: String,
        operator: String,
    },
    Compare(Comparison),
    /// `emails[type eq "work"]`, and Entra's comparison of what is selected.
    Selects {
        path: String,
        inner: Box<Filter>,
        compared: Option<Comparison>,
    },
    Not {
        word: String,
        inner: Box<Filter>,
    },
    /// Joined by `and` or `or`.
    Join {
        word: String,
        all: Vec<Filter>,
    },
}

#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    path: String,
    operator: String,
    literal: Literal,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    /// As JSON has it.
    Json(Value),
    /// A text without its quotes.
    Bare(String),
    /// A text in quotes whose own quotes and backslashes are not escaped.
    Unescaped(String),
    /// What the resource has there, in part where the operator asks for a part.
    Held(Letters),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Letters {
    Same,
    OtherCase,
}

impl Filter {
    fn text(&self) -> String {
        match self {
            Filter::Present { path, operator } => format!("{path} {operator}"),
            Filter::Compare(comparison) => comparison.text(),
            Filter::Selects { path, inner, compared: None } => format!("{path}[{}]", inner.text()),
            Filter::Selects { path, inner, compared: Some(compared) } => {
                format!("{path}[{}]{}", inner.text(), compared.text())
            }
            Filter::Not { word, inner } => format!("{word} ({})", inner.text()),
            Filter::Join { word, all } => {
                let text = |filter: &Filter| match filter {
                    Filter::Join { .. } => format!("({})", filter.text()),
                    _ => filter.text(),
                };
                all.iter().map(text).collect::<Vec<_>>().join(&format!(" {word} "))
            }
        }
    }

    fn conditions(&self) -> Vec<Filter> {
        match self {
            Filter::Present { .. } | Filter::Compare(_) => vec![self.clone()],
            Filter::Selects { path, inner, compared } => {
                let selects =
                    |inner| Filter::Selects { path: path.clone(), inner: Box::new(inner), compared: compared.clone() };
                inner.conditions().into_iter().map(selects).collect()
            }
            Filter::Not { inner, .. } => inner.conditions(),
            Filter::Join { all, .. } => all.iter().flat_map(Filter::conditions).collect(),
        }
    }

    fn paths(&mut self, visit: &dyn Fn(&mut String)) {
        match self {
            Filter::Present { path, .. } | Filter::Selects { path, .. } => visit(path),
            Filter::Compare(comparison) => visit(&mut comparison.path),
            Filter::Not { inner, .. } => inner.paths(visit),
            Filter::Join { all, .. } => all.iter_mut().for_each(|filter| filter.paths(visit)),
        }
    }

    fn comparisons(&mut self, visit: &mut dyn FnMut(Option<&str>, &mut Comparison)) {
        match self {
            Filter::Present { .. } => {}
            Filter::Compare(comparison) => visit(None, comparison),
            Filter::Selects { path, inner, compared } => {
                inner.comparisons(&mut |_, comparison| visit(Some(path), comparison));
                compared.iter_mut().for_each(|comparison| visit(Some(path), comparison));
            }
            Filter::Not { inner, .. } => inner.comparisons(visit),
            Filter::Join { all, .. } => all.iter_mut().for_each(|filter| filter.comparisons(visit)),
        }
    }
}

impl Comparison {
    fn text(&self) -> String {
        let literal = match &self.literal {
            Literal::Json(value) => value.to_string(),
            Literal::Bare(text) => text.clone(),
            Literal::Unescaped(text) => format!("\"{text}\""),
            Literal::Held(_) => unreachable!("it was looked up"),
        };
        format!("{} {} {literal}", self.path, self.operator)
    }
}

fn full_path(selected: Option<&str>, comparison: &Comparison) -> String {
    let path = comparison.path.trim_start_matches('.');
    selected.map_or(path.to_owned(), |list| format!("{list}.{path}")).to_lowercase()
}
