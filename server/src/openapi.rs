//! The OpenAPI document at `/openapi.json`: one description for each row of the table of permissions, from the handlers' own types.

mod operation;
mod operations;

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Info, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Type,
};
use utoipa::{PartialSchema, ToSchema};
use workflows::error_codes;

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
    let mut schemas = vec![("ProblemType".to_owned(), problem_types())];
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    Problem::schemas(&mut schemas);
    let mut paths = PathsBuilder::new();
    for described in operations::all() {
        schemas.extend(described.schemas);
        paths = paths.path(described.path, PathItem::new(described.method, described.operation));
    }
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

/// Every `type` of a problem: the codes that requests are answered with.
fn problem_types() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let codes = error_codes::all().iter().filter(|code| code.place.split(", ").any(|place| place == "request"));
    let types = codes.map(|code| format!("urn:realmctl:problem:{}", code.code));
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("What kind of problem it is: `urn:realmctl:problem:` and the code."))
        .enum_values(Some(types.collect::<Vec<_>>()));
    schema.build().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::permissions::TABLE;

    #[test]
    fn the_document_describes_every_route_and_no_others() {
        let described = operations::all().into_iter().map(|operation| (operation.path, format!("{:?}", operation.method).to_uppercase()));
        let described: BTreeSet<(String, String)> = described.collect();
        let routes: BTreeSet<(String, String)> =
            TABLE.iter().map(|rule| (rule.path.to_owned(), rule.method.to_string())).collect();
        assert_eq!(described, routes);
        assert_eq!(operations::all().len(), routes.len(), "once each");
    }

    #[test]
    fn what_the_document_refers_to_is_there() {
        let text = DOCUMENT.as_str();
        let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert!(value["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", value["openapi"]);
        let referred: BTreeSet<&str> = text
            .split("\"#/components/schemas/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        for name in &referred {
            assert!(value["components"]["schemas"].get(name).is_some(), "{name}");
        }
        assert!(referred.len() > 40, "{referred:?}");
    }
}
