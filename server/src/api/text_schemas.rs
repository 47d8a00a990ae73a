//! What texts in requests look like, for the OpenAPI document: as exactly as a pattern can say it.

use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, KnownFormat, OneOfBuilder, SchemaFormat, SchemaType,
};
use utoipa::openapi::{Object, ObjectBuilder, Schema, Type};
use workflows::approval::Action;

/// Without control characters other than tab and line feed.
const REASON: &str = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$";

/// Labels of letters, digits and inner hyphens, the last one not all digits: that would be an address.
const HOST: &str = "^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\\.)*[a-zA-Z]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$";

fn text(pattern: &str, longest: usize, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .max_length(Some(longest))
        .examples([serde_json::json!(example)])
}

fn optional(text: ObjectBuilder) -> Object {
    text.schema_type(SchemaType::from_iter([Type::String, Type::Null])).build()
}

/// Why something is asked for.
pub(crate) fn reason() -> Object {
    optional(text(REASON, 1000, "contract 4711"))
}

/// A moment, in RFC 3339.
pub(crate) fn time() -> Object {
    moment().build()
}

/// The same, or none.
pub(crate) fn optional_time() -> Object {
    optional(moment())
}

fn moment() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([serde_json::json!("2027-01-31T02:00:00Z")])
}

/// The id of a tenant.
pub(crate) fn tenant_id() -> Object {
    text("^[a-z0-9][a-z0-9-]{0,62}$", 63, "acme").build()
}

/// The same, or none.
pub(crate) fn optional_tenant_id() -> Object {
    optional(text("^([a-z0-9][a-z0-9-]{0,62})?$", 63, "acme"))
}

/// A filter by tenant; empty counts as absent.
pub(crate) fn tenant_filter() -> Object {
    text("^([a-z0-9][a-z0-9-]{0,62})?$", 63, "acme").build()
}

/// A list of tenants.
pub(crate) fn tenants() -> Schema {
    let kinds = SchemaType::from_iter([Type::Array, Type::Null]);
    Schema::Array(ArrayBuilder::new().schema_type(kinds).items(tenant_id()).build())
}

/// The host of a tenant.
pub(crate) fn host() -> Object {
    text(HOST, 253, "acme.example").build()
}

/// Actions that wait for approval.
pub(crate) fn approval_actions() -> Schema {
    let names = Action::NAMED.map(|action| serde_json::json!(action.as_str()));
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    Schema::Array(ArrayBuilder::new().items(name.build()).build())
}

/// Whose a token is.
pub(crate) fn token_name() -> Object {
    text("^[g-z][A-Za-z0-9_.@-]{0,63}$", 64, "sign-up").min_length(Some(1)).build()
}

/// Until when a token is good.
pub(crate) fn expiry() -> Schema {
    let never = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["never"]));
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    Schema::AnyOf(AnyOfBuilder::new().item(never).item(moment()).item(nothing).build())
}

/// The hash of late writes.
pub(crate) fn hash() -> Object {
    optional(text("^[0-9a-f]{16}$", 16, "9f1c2a0b77aa51de"))
}

/// A span of every day.
pub(crate) fn daily_window() -> Object {
    let time = "([01][0-9]|2[0-3]):[0-5][0-9]";
    optional(text(&format!("^{time}-{time}$"), 11, "22:00-04:00").description(Some("Every day, in UTC.")))
}

/// Units a second.
pub(crate) fn units() -> Object {
    number(1, 10_000_000)
}

/// Data tasks at a time.
pub(crate) fn slots() -> Object {
    number(0, 1_000_000)
}

/// How many moves.
pub(crate) fn moves() -> Object {
    number(1, 1_000_000)
}

fn number(least: u64, most: u64) -> Object {
    let kinds = SchemaType::from_iter([Type::Integer, Type::Null]);
    ObjectBuilder::new().schema_type(kinds).minimum(Some(least as f64)).maximum(Some(most as f64)).build()
}

/// A duration longer than 0: as people write it, or a number of seconds.
pub(crate) fn budget() -> Object {
    duration("^(([1-9][0-9]{0,2}h)?[1-9][0-9]{0,4}m|[1-9][0-9]{0,4}[sh]?)$", 1, "20m")
}

/// A duration, which may be 0.
pub(crate) fn pause() -> Object {
    duration("^[0-9]{1,6}[smh]?$", 0, "30m")
}

fn duration(pattern: &str, least: u64, example: &str) -> Object {
    text(pattern, 8, example)
        .schema_type(SchemaType::from_iter([Type::String, Type::Integer, Type::Null]))
        .minimum(Some(least as f64))
        .maximum(Some(1_000_000_000.0))
        .description(Some(
            "A duration such as `90s`, `10m` or `1h30m`, or a number of seconds; the pattern has the usual ones.",
        ))
        .build()
}

/// A number of moves, or a share of them.
pub(crate) fn max_failures() -> Object {
    text("^([1-9][0-9]{0,5}|[1-9][0-9]?%)$", 6, "5%")
        .schema_type(SchemaType::from_iter([Type::String, Type::Integer, Type::Null]))
        .minimum(Some(1.0))
        .maximum(Some(1_000_000.0))
        .description(Some("A number of moves, or a share of them such as `5%`."))
        .build()
}

/// The tenants that a token is for.
pub(crate) fn scope() -> Schema {
    let all = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["all"]));
    let of_a_realm = ObjectBuilder::new()
        .property("realm", text("^[!-~]+$", 128, "eu"))
        .required("realm")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let tenants = ArrayBuilder::new().items(tenant_id()).min_items(Some(1)).max_items(Some(100));
    let of_tenants = ObjectBuilder::new()
        .property("tenants", tenants)
        .required("tenants")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    Schema::OneOf(OneOfBuilder::new().item(all).item(of_a_realm).item(of_tenants).item(nothing).build())
}

fn one_of(states: &[&str]) -> Object {
    let all = std::iter::once("").chain(states.iter().copied());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all.collect::<Vec<_>>())).build()
}

/// A state of a move; empty counts as absent.
pub(crate) fn state_of_a_move() -> Object {
    one_of(&workflows::realm_move::STATES)
}

/// A state of a removal.
pub(crate) fn state_of_a_removal() -> Object {
    one_of(&workflows::removal::STATES)
}

/// A state of a delivery to a webhook.
pub(crate) fn state_of_a_delivery() -> Object {
    one_of(&catalogue::webhook_deliveries::STATES)
}

/// What tokens can be listed by.
pub(crate) fn state_of_tokens() -> Object {
    one_of(&["good"])
}

/// A state of a campaign.
pub(crate) fn state_of_a_campaign() -> Object {
    one_of(&workflows::campaign::STATES)
}

/// A state of a member of a campaign.
pub(crate) fn state_of_a_member() -> Object {
    one_of(&catalogue::campaigns::MemberState::ALL.map(catalogue::campaigns::MemberState::as_str))
}
