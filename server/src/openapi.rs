//! The OpenAPI document at `/openapi.json`: one description for each row of the table of permissions, from the handlers' own types.

mod fields;
mod names;
mod operation;
mod operations;
#[cfg(test)]
mod page;

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem, PathsBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::api::Problem;

/// The name under which the bearer's token is known in the document.
pub(crate) const SCHEME: &str = "token";

/// The document as it is served.
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| document().to_pretty_json().expect("a document of plain data is JSON"));

/// `GET /openapi.json`: without a token.
pub(crate) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The whole document.
pub(crate) fn document() -> OpenApi {
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    let mut paths = PathsBuilder::new();
    for described in operations::all() {
        schemas.extend(described.schemas);
        paths = paths.path(described.rule.path, PathItem::new(described.method, described.operation));
    }
    fields::name_members(&mut schemas);
    schemas.iter_mut().for_each(|(name, schema)| fields::describe(name, schema));
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme(SCHEME, bearer);
    OpenApiBuilder::new().info(info()).paths(paths.build()).components(Some(components.build())).build()
}

fn info() -> Info {
    let description = "Moves tenants' data between data-residency realms, and says where each tenant lives. Answers may gain fields: \
                       ignore those that you do not know. Errors are problem documents (RFC 9457): branch on `code`.";
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    InfoBuilder::new()
        .title("realmctl")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(license))
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::permissions::TABLE;

    #[test]
    fn the_document_describes_every_route_and_no_others() {
        let all = operations::all();
        let described: BTreeSet<(&str, &str)> =
            all.iter().map(|operation| (operation.rule.path, operation.rule.method.as_str())).collect();
        let routes: BTreeSet<(&str, &str)> = TABLE.iter().map(|rule| (rule.path, rule.method.as_str())).collect();
        assert_eq!(described, routes);
        assert_eq!(all.len(), routes.len(), "once each");
    }

    #[test]
    fn what_the_document_refers_to_is_there() {
        let text = DOCUMENT.as_str();
        let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert!(value["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", value["openapi"]);
        let referred: BTreeSet<&str> =
            text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for name in &referred {
            assert!(value["components"]["schemas"].get(name).is_some(), "{name}");
        }
        assert!(referred.len() > 40, "{referred:?}");
    }
}
