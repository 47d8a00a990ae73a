//! Which group of the provider has which role here.

use workflows::access::Role;

/// Lowest first: of several the last one wins. A provisioner sees less than a viewer, so that it is the lowest.
const RANK: [Role; 5] = [Role::Provisioner, Role::Viewer, Role::Support, Role::Oncall, Role::Admin];

/// Groups with their roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRoles(Vec<(String, Role)>);

impl GroupRoles {
    /// Reads `GROUP=ROLE` a line; empty lines and `#` are remarks. A group's name may have `=` in it.
    ///
    /// # Errors
    /// The line that is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.rsplit_once('=').map(|(group, role)| (group.trim(), role.trim()));
            let Some((group, role)) = pair.filter(|(group, _)| !group.is_empty()) else {
                return Err(format!("line {number} is not GROUP=ROLE"));
            };
            let Some(role) = Role::find(role) else {
                let names: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
                return Err(format!("line {number}: there is no role {role}; roles are {}", names.join(", ")));
            };
            found.push((group.to_owned(), role));
        }
        Ok(Self(found))
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest role that one of the groups has, and those of the groups that have any.
    pub(crate) fn role_of(&self, groups: &[String]) -> Option<(Role, Vec<String>)> {
        let having = |group: &&String| self.0.iter().any(|(of, _)| of == *group);
        let mut member_of: Vec<String> = groups.iter().filter(having).cloned().collect();
        member_of.sort_unstable();
        member_of.dedup();
        let roles = self.0.iter().filter(|(of, _)| member_of.contains(of)).map(|(_, role)| *role);
        let highest = roles.max_by_key(|role| RANK.iter().position(|of| of == role))?;
        Some((highest, member_of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_wins_and_a_group_without_one_gives_none() {
        let roles = GroupRoles::parse("# ours\nops=oncall\n\nhelp = support\nsign-up=provisioner\ncn=a,ou=b=admin\n");
        let roles = roles.expect("roles");
        let of = |groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            roles.role_of(&groups)
        };
        assert_eq!(of(&["x", "help", "ops", "ops"]), Some((Role::Oncall, vec!["help".to_owned(), "ops".to_owned()])));
        assert_eq!(of(&["sign-up", "help"]).map(|(role, _)| role), Some(Role::Support));
        assert_eq!(of(&["cn=a,ou=b"]).map(|(role, _)| role), Some(Role::Admin));
        assert_eq!(of(&["Ops", "op", ""]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn every_role_has_a_rank() {
        assert!(Role::ALL.iter().all(|role| RANK.contains(role)));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, says) in [("ops", "line 1"), ("a=admin\n=admin", "line 2"), ("ops=root", "no role root")] {
            assert!(GroupRoles::parse(text).expect_err(text).contains(says));
        }
    }
}
