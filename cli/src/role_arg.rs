//! Roles on the command line.

use server::api::Role;

pub(crate) fn parse_role(text: &str) -> Result<Role, String> {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    Role::find(text).ok_or_else(|| format!("roles are {}", names.join(", ")))
}
