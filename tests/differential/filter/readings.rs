//! What we take a filter to say, in words that the RFC has.

use serde_json::{Value, json};

use super::{Comparison, FilterRequest, Literal, full_path};
use crate::resource::ENTERPRISE;

/// The filter with its paths and comparisons rewritten; `None` when nothing is. A path in brackets is told with the
/// attribute that it is of.
fn rewritten(
    request: &FilterRequest,
    rewrite_path: impl Fn(&mut String),
    mut rewrite: impl FnMut(&str, &mut Comparison),
) -> Option<FilterRequest> {
    let mut filter = request.filter.clone();
    filter.paths(&rewrite_path);
    filter.comparisons(&mut |selected, comparison| {
        let path = full_path(selected, comparison);
        rewrite(&path, comparison);
    });
    (filter != request.filter).then(|| FilterRequest { filter, ..request.clone() })
}

pub(super) fn is_instant(path: &str) -> bool {
    path.ends_with("meta.created") || path.ends_with("meta.lastmodified")
}

fn is_flag(path: &str) -> bool {
    path == "active" || path.ends_with(".primary")
}

pub(super) fn with_urns(request: &FilterRequest) -> Option<FilterRequest> {
    let with_urn = |path: &mut String| {
        let name = path.split('.').next().unwrap_or_default().to_lowercase();
        if ["department", "employeenumber", "manager"].contains(&name.as_str()) {
            *path = format!("{ENTERPRISE}:{path}");
        }
    };
    rewritten(request, with_urn, |_, _| {})
}

pub(super) fn with_quotes(request: &FilterRequest) -> Option<FilterRequest> {
    rewritten(
        request,
        |_| {},
        |path, comparison| {
            if let Literal::Bare(text) | Literal::Unescaped(text) = &comparison.literal
                && !is_flag(path)
            {
                comparison.literal = Literal::Json(json!(text));
            }
        },
    )
}

pub(super) fn with_texts(request: &FilterRequest) -> Option<FilterRequest> {
    rewritten(
        request,
        |_| {},
        |path, comparison| {
            if let Literal::Json(value @ (Value::Bool(_) | Value::Number(_))) = &comparison.literal
                && !is_flag(path)
                && !is_instant(path)
            {
                comparison.literal = Literal::Json(json!(value.to_string()));
            }
        },
    )
}

pub(super) fn with_value_compared(request: &FilterRequest) -> Option<FilterRequest> {
    rewritten(
        request,
        |_| {},
        |_, comparison| {
            if comparison.path.is_empty() {
                comparison.path = ".value".to_owned();
            }
        },
    )
}
