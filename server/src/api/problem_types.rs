//! Every `type` of a problem, for the OpenAPI document.

use utoipa::openapi::{Object, ObjectBuilder, Type};
use workflows::error_codes;

/// The codes that requests are answered with.
pub(crate) fn problem_types() -> Object {
    let codes = error_codes::all().into_iter().filter(|code| code.place.split(", ").any(|place| place == "request"));
    let types = codes.map(|code| format!("urn:realmctl:problem:{}", code.code));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(types.collect::<Vec<_>>())).build()
}
