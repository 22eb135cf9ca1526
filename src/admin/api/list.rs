//! Lists: filtered, sorted, cut into pages. Only the rows of the page become JSON.

use std::cmp::Ordering;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::query::Query;
use crate::admin::reply;

/// Traefik's header: the number of the next page, 1 when there is none.
const NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page");
/// How many rows there are on all pages.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");
/// Traefik's default.
const PER_PAGE: usize = 100;

/// One row of a list.
pub(super) trait Row {
    /// Its name with its provider.
    fn name(&self) -> &str;
    /// `enabled`, `disabled`, `warning`, …
    fn status(&self) -> &str;
    /// Whether any of its texts contains `text`, which is lower-case.
    fn contains(&self, text: &str) -> bool;
    /// Whether it belongs to adit's own pages.
    fn is_own(&self) -> bool {
        false
    }
    /// Whether it uses this service; rows without services do not.
    fn uses_service(&self, _: &str) -> bool {
        false
    }
    /// Whether it uses this middleware; rows without middlewares do not.
    fn uses_middleware(&self, _: &str) -> bool {
        false
    }
    /// What it is sorted by.
    fn key(&self, by: &str) -> Key;
    /// The row itself.
    fn json(&self) -> Value;
}

/// What a row is sorted by; ties go by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// By the name alone.
    Name,
    /// By a number.
    Number(i64),
    /// By a text.
    Text(String),
}

/// The page of `rows` that `query` asks for.
pub(super) fn list<R: Row>(mut rows: Vec<R>, query: &Query) -> Response<Bytes> {
    rows.retain(|row| keeps(query, row));
    let (from, to, next) = match page(query, rows.len()) {
        Ok(page) => page,
        Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
    };
    let mut rows: Vec<_> = rows.into_iter().map(|row| (row.key(&query.sort_by), row)).collect();
    rows.sort_by(|(a_key, a), (b_key, b)| {
        let order = a_key.cmp(b_key).then_with(|| a.name().cmp(b.name()));
        if query.descending { order.reverse() } else { order }
    });
    let values: Vec<_> = rows.get(from..to).unwrap_or_default().iter().map(|(_, row)| json(row, query)).collect();
    let mut answer = reply::json(StatusCode::OK, &values);
    answer.headers_mut().insert(NEXT_PAGE, HeaderValue::from(next));
    answer.headers_mut().insert(TOTAL, HeaderValue::from(rows.len()));
    answer
}

fn json(row: &impl Row, query: &Query) -> Value {
    let mut value = row.json();
    if query.brief
        && let Some(members) = value.as_object_mut()
    {
        let used_by = members.remove("usedBy");
        let uses = used_by.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
        members.insert("uses".to_owned(), uses.into());
    }
    value
}

fn keeps(query: &Query, row: &impl Row) -> bool {
    (query.status.is_empty() || row.status().eq_ignore_ascii_case(&query.status))
        && !(query.hide_own && row.is_own())
        && (query.search.is_empty() || row.contains(&query.search))
        && (query.service_name.is_empty() || row.uses_service(&query.service_name))
        && (query.middleware_name.is_empty() || row.uses_middleware(&query.middleware_name))
}

/// The first row, the one after the last, and the number of the next page.
fn page(query: &Query, rows: usize) -> Result<(usize, usize, usize), String> {
    let number = |name: &str, text: &Option<String>, default| match text.as_deref() {
        None | Some("") => Ok(default),
        Some(text) => match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("invalid request: {name}: {text}")),
        },
    };
    let page = number("page", &query.page, 1)?;
    let per_page = number("per_page", &query.per_page, PER_PAGE)?;
    let from = (page - 1).saturating_mul(per_page);
    if from > 0 && from >= rows {
        return Err(format!("invalid request: page: {page}, per_page: {per_page}"));
    }
    let to = from.saturating_add(per_page).min(rows);
    let next = if to.cmp(&rows) == Ordering::Less { page + 1 } else { 1 };
    Ok((from, to, next))
}

/// Whether any of `texts` contains `text`, in any case.
pub(super) fn any_contains<'a>(texts: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    texts.into_iter().any(|candidate| candidate.to_lowercase().contains(text))
}
