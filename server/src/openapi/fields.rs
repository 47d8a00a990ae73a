//! What the types can't say of themselves: the meaning of fields whose form is described by a function of its own, and names for the
//! members of unions, which generators of clients want.

use utoipa::openapi::path::Parameter;
use utoipa::openapi::{Ref, RefOr, Schema};

/// Type, field, meaning. A test holds that no field of the document is without one.
const MEANINGS: [(&str, &str, &str); 15] = [
    ("LimitSet", "readUnits", "Read units a second that all processes together ask of tables."),
    ("LimitSet", "slots", "Data tasks at a time; 0 admits nothing new."),
    ("LimitSet", "writeUnits", "Write units a second that all processes together ask of tables."),
    ("NewCampaign", "atOnce", "Moves that run at the same time, at most; 5 when absent."),
    ("NewCampaign", "limit", "With `fromRealm`: up to this many of its tenants, in the order of their ids."),
    ("NewCampaign", "tenants", "The tenants to move; this or `fromRealm`."),
    ("NewCampaign", "waveSize", "Moves in a wave; 10 when absent."),
    ("NewTenant", "host", "Its host, unique."),
    ("NewTenant", "id", "Its id, never used before."),
    ("NewToken", "expiresAt", "Until when it is good: a time, or `never`; 90 days when absent."),
    ("NewToken", "name", "Who is to use it; the audit trail calls its bearer so."),
    ("NewToken", "scope", "With which tenants; all when absent."),
    ("SetApprovalPolicy", "actions", "The actions that wait from now on."),
    ("Replay", "acceptLateWrites", "Delete also what was written late, if it is exactly what this hash stands for."),
    ("ReplayAll", "tenant", "Only this tenant's."),
];

/// The same for fields that mean the same in every type.
const EVERYWHERE: [(&str, &str); 5] = [
    ("at", "When to begin."),
    ("from", "From when on the move may begin."),
    ("reason", "Why; kept in the audit trail."),
    ("to", "When the tenant must be online again."),
    ("type", "`urn:realmctl:problem:` and the code."),
];

/// What parameters mean whose form is described by a function of its own.
const PARAMETERS: [(&str, &str); 2] =
    [("state", "Only those in this state."), ("tenant", "Only those of this tenant.")];

/// Gives a parameter without a description the one above.
pub(super) fn describe_parameter(mut parameter: Parameter) -> Parameter {
    let meaning = PARAMETERS.iter().find(|(name, _)| *name == parameter.name).map(|(_, meaning)| (*meaning).to_owned());
    parameter.description = parameter.description.filter(|description| !description.is_empty()).or(meaning);
    parameter
}

/// Gives fields without a description the one above.
pub(super) fn describe(name: &str, schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for (field, described) in &mut object.properties {
        in_json(described);
        let own = MEANINGS.iter().find(|(of, named, _)| *of == name && named == field).map(|(_, _, meaning)| *meaning);
        let meaning = own.or_else(|| EVERYWHERE.iter().find(|(named, _)| named == field).map(|(_, meaning)| *meaning));
        if let (Some(meaning), RefOr::T(described)) = (meaning, described) {
            let place = match described {
                Schema::Object(object) => &mut object.description,
                Schema::Array(array) => &mut array.description,
                Schema::OneOf(one) => &mut one.description,
                Schema::AnyOf(any) => &mut any.description,
                _ => continue,
            };
            place.get_or_insert_with(|| meaning.to_owned());
        }
    }
}

/// Comments are for readers of the code, and say `None` where JSON has null.
fn in_json(described: &mut RefOr<Schema>) {
    let description = match described {
        RefOr::Ref(reference) => Some(&mut reference.description),
        RefOr::T(Schema::Object(object)) => object.description.as_mut(),
        RefOr::T(Schema::Array(array)) => array.description.as_mut(),
        RefOr::T(Schema::OneOf(one)) => return one.items.iter_mut().for_each(in_json),
        RefOr::T(_) => None,
    };
    if let Some(description) = description {
        *description = description.replace("`None`", "null");
    }
}

/// Members of unions that generators can't name by themselves: the union, and what they are called in its order.
const MEMBERS: [(&str, [&str; 2]); 1] = [("Explained", ["ExplainedWorkflow", "ExplainedTenant"])];

/// Gives them a name, as types of the document.
pub(super) fn name_members(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    let mut named = Vec::new();
    for (union, names) in MEMBERS {
        for (_, schema) in schemas.iter_mut().filter(|(name, _)| name == union) {
            let RefOr::T(Schema::OneOf(one)) = schema else { continue };
            for (item, name) in one.items.iter_mut().zip(names) {
                let reference = RefOr::Ref(Ref::from_schema_name(name));
                named.push((name.to_owned(), std::mem::replace(item, reference)));
            }
        }
    }
    schemas.extend(named);
}
