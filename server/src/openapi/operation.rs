//! One route in the document: what it takes and what it answers.

use std::ops::RangeInclusive;

use axum::http::Method;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    Content, HttpMethod, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement,
    Type,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::{SCHEME, fields, names};
use crate::api::{ApprovalNeeded, IDEMPOTENCY_HEADER, PROBLEM_JSON, Page, USER_HEADER};
use crate::permissions::Rule;
use crate::preconditions::IF_MATCH;

/// A route as it is described.
pub(super) struct Described {
    pub(super) rule: &'static Rule,
    pub(super) method: HttpMethod,
    pub(super) operation: Operation,
    /// The types that it names.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

/// Describes a route.
pub(super) struct Describes {
    rule: &'static Rule,
    operation: OperationBuilder,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// What may go wrong with any request, with its body, and with what it asks for.
const ANY: [(u16, &str); 7] = [
    (400, "the request itself is wrong"),
    (401, "no token, or one that is not good"),
    (403, "the role or the scope of the token does not allow it, or the server was addressed by a foreign name"),
    (404, "there is no such thing, or no topology yet"),
    (429, "too many requests"),
    (500, "the server failed; its log has the instance"),
    (503, "the catalogue is not available, or too much is in use: try again"),
];
const WITH_A_BODY: [(u16, &str); 5] = [
    (408, "the body did not arrive in time"),
    (409, "it contradicts what is stored or in progress; nothing was changed"),
    (413, "the body is too large"),
    (415, "the body has another media type"),
    (422, "each part is of the right form, and together they make no sense; or the topology file is refused"),
];

impl Describes {
    pub(super) fn new(rule: &'static Rule, summary: &str) -> Self {
        let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
        let tag = rule.path.split('/').nth(2).unwrap_or_default();
        let mut operation = OperationBuilder::new()
            .summary(Some(summary))
            .description(Some(format!("Roles: {}.", roles.join(", "))))
            .operation_id(Some(names::operation(rule)))
            .tag(tag)
            .security(SecurityRequirement::new(SCHEME, Vec::<String>::new()))
            .extensions(Some(ExtensionsBuilder::new().add("x-roles", json!(roles)).build()));
        for (status, what) in ANY {
            operation = operation.response(status.to_string(), problem(what));
        }
        if rule.path.contains("{id}") {
            operation = operation.parameter(id(rule.path));
        }
        if rule.method != Method::GET {
            let again = "The same request again with this key gets the answer of the first one.";
            operation = operation.parameter(user()).parameter(header(IDEMPOTENCY_HEADER, again, 255));
            for (status, what) in WITH_A_BODY {
                operation = operation.response(status.to_string(), problem(what));
            }
        }
        Self { rule, operation, schemas: Vec::new() }
    }

    /// It takes these parameters after the `?`.
    pub(super) fn query<P: IntoParams>(self) -> Self {
        let parameters = P::into_params(|| Some(ParameterIn::Query)).into_iter().map(fields::describe_parameter);
        let operation = self.operation.parameters(Some(parameters));
        Self { operation, ..self }
    }

    /// It takes this body.
    pub(super) fn body<T: ToSchema>(mut self) -> Self {
        let content = self.content::<T>();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        Self { operation: self.operation.request_body(Some(body.build())), ..self }
    }

    /// It takes a file as its body.
    pub(super) fn file(self, media_types: &[&str]) -> Self {
        let any = || Content::new(Some(Schema::Object(ObjectBuilder::new().schema_type(Type::Object).build())));
        let body = media_types.iter().fold(RequestBodyBuilder::new(), |body, kind| body.content(*kind, any()));
        Self { operation: self.operation.request_body(Some(body.required(Some(Required::True)).build())), ..self }
    }

    /// It may be made to depend on what is in force: the entity tag of a `GET` before.
    pub(super) fn conditional(self) -> Self {
        let what = "Only if this is the `ETag` of what is in force; else 412.";
        let pattern = "^\"[!#-~]+\"$";
        let header = parameter(IF_MATCH, what, ParameterIn::Header, (Required::False, 3..=1_000, pattern));
        let changed = problem("what is in force has another entity tag; nothing was changed");
        Self { operation: self.operation.parameter(header).response("412", changed), ..self }
    }

    /// It may have to wait for the approval of another person.
    pub(super) fn may_wait(self) -> Self {
        self.answers::<ApprovalNeeded>(202, "it waits for the approval of another person; nothing was changed yet")
    }

    /// It takes this header.
    pub(super) fn number_header(self, name: &str, description: &str) -> Self {
        let number = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^0*[0-9]{0,18}$"));
        let header = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(Schema::Object(number.build())));
        Self { operation: self.operation.parameter(header), ..self }
    }

    /// It answers with this.
    pub(super) fn answers<T: ToSchema>(mut self, status: u16, what: &str) -> Self {
        let content = self.content::<T>();
        let response = ResponseBuilder::new().description(what).content("application/json", content).build();
        Self { operation: self.operation.response(status.to_string(), response), ..self }
    }

    /// It answers with a page of these.
    pub(super) fn page<T: ToSchema>(mut self, what: &str) -> Self {
        self.learn::<T>();
        let name = format!("PageOf{}", T::name());
        self.schemas.push((name.clone(), Page::<T>::schema()));
        let content = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name(name))));
        let response = ResponseBuilder::new().description(what).content("application/json", content).build();
        Self { operation: self.operation.response("200", response), ..self }
    }

    /// It answers with text of this media type, in which each line or event is one of these.
    pub(super) fn streams<T: ToSchema>(mut self, media_type: &str, what: &str) -> Self {
        self.learn::<T>();
        // Of no type: readers take each line or event for an object. The description says which.
        let content = Content::new(None::<Schema>);
        let response = ResponseBuilder::new().description(what).content(media_type, content).build();
        Self { operation: self.operation.response("200", response), ..self }
    }

    pub(super) fn done(self) -> Described {
        let method = match self.rule.method.as_str() {
            "POST" => HttpMethod::Post,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Get,
        };
        Described { rule: self.rule, method, operation: self.operation.build(), schemas: self.schemas }
    }

    fn learn<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }

    fn content<T: ToSchema>(&mut self) -> Content {
        Content::new(Some(self.learn::<T>()))
    }
}

fn problem(what: &str) -> Response {
    let content = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"))));
    ResponseBuilder::new().description(what).content(PROBLEM_JSON, content).build()
}

fn id(path: &str) -> Parameter {
    let what = match path.split('/').nth(2) {
        Some("sessions") => "The session's id, or the name or subject of a person.",
        Some("tokens") => "The token's id or name.",
        Some("ids") => "The beginning of an id: at least 8 hexadecimal digits and hyphens.",
        Some("tenants") => "The tenant's id.",
        Some("moves") => "The move's id.",
        Some("removals") => "The removal's id.",
        Some("campaigns") => "The campaign's id.",
        Some("explain") => "The id of a move, removal, campaign or tenant.",
        _ => "Its id.",
    };
    let pattern = if path.starts_with("/v1/ids/") { "^[0-9a-fA-F-]{8,128}$" } else { GRAPHIC };
    parameter("id", what, ParameterIn::Path, (Required::True, 1..=128, pattern))
}

fn user() -> Parameter {
    header(USER_HEADER, "Who asks, for the audit trail; not proof.", 64)
}

fn header(name: &str, description: &str, longest: usize) -> Parameter {
    parameter(name, description, ParameterIn::Header, (Required::False, 1..=longest, PRINTABLE))
}

const GRAPHIC: &str = "^[!-~]+$";
/// Spaces within: those at the ends are cut off on the way.
const PRINTABLE: &str = "^[!-~]([ -~]*[!-~])?$";

fn parameter(
    name: &str,
    description: &str,
    place: ParameterIn,
    (required, lengths, pattern): (Required, RangeInclusive<usize>, &str),
) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(*lengths.start()));
    let text = text.max_length(Some(*lengths.end()));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(Schema::Object(text.pattern(Some(pattern)).build())))
        .build()
}
