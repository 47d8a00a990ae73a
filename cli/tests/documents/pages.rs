//! What the documents' commands need to be run: a server each page begins with, what has to have happened before a command, and what
//! stands for the values of the examples.

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// With `realmctl dev`, and its tenant acme in realm us.
    Playground,
    /// With a server that has a topology and no tenant.
    Empty,
    /// With nothing: the page starts its own.
    Nothing,
}

/// The pages that show commands. A test looks that none is missing.
pub(crate) const PAGES: [(&str, Begins); 15] = [
    ("README.md", Begins::Nothing),
    ("CONTRIBUTING.md", Begins::Nothing),
    ("docs/benchmarks.md", Begins::Nothing),
    ("docs/benchmarks-catalogue.md", Begins::Nothing),
    ("docs/benchmarks-copy.md", Begins::Nothing),
    ("docs/benchmarks-objects.md", Begins::Nothing),
    ("docs/concepts/limits.md", Begins::Playground),
    ("docs/guides/deploy.md", Begins::Nothing),
    ("docs/guides/manage-access.md", Begins::Nothing),
    ("docs/guides/move-a-tenant.md", Begins::Playground),
    ("docs/guides/on-call.md", Begins::Playground),
    ("docs/guides/onboard-a-service.md", Begins::Playground),
    ("docs/guides/provision-tenants.md", Begins::Empty),
    ("docs/guides/run-a-campaign.md", Begins::Playground),
    ("docs/surroundings.md", Begins::Playground),
];

/// Commands that are not run here, by how they begin, and why.
pub(crate) const NOT_RUN: [(&str, &str); 9] = [
    ("#", "a comment"),
    ("make ", "a target of its own; what it does is what the other tests do"),
    ("cargo ", "builds realmctl, or runs its tests"),
    ("install ", "installs what was built"),
    ("testkit/", "runs tests and benchmarks"),
    ("SUITES=", "the same as make"),
    ("REALMCTL_", "the same as make, or updates golden files"),
    ("UPDATE_GOLDEN=", "updates golden files"),
    ("realmctl bench ", "takes minutes; cli/tests/bench.rs runs each with small numbers"),
];

/// What has to have happened before a command, by its page and how it begins.
const BEFORE: [(&str, &str, Before); 7] = [
    (
        "docs/guides/move-a-tenant.md",
        "realmctl moves reschedule 01a20046 --at",
        Before::Run("realmctl move acme --to us --at +2h"),
    ),
    ("docs/guides/on-call.md", "realmctl removals list --failed", Before::LateWrites),
    ("docs/guides/run-a-campaign.md", "realmctl campaigns create --to eu --from-realm", Before::Run(OTHER_TENANTS)),
    ("docs/guides/run-a-campaign.md", "realmctl campaigns pause", Before::Run(LATER_CAMPAIGN)),
    (
        "docs/guides/run-a-campaign.md",
        "realmctl campaigns cancel 0199f3a0 --cancel-running",
        Before::Run(LATER_CAMPAIGN),
    ),
    ("docs/guides/onboard-a-service.md", "realmctl topology check topology.yaml", Before::TopologyFile),
    ("docs/guides/deploy.md", "realmctl topology check topology.yaml", Before::TopologyFile),
];

/// Something that has to have happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before {
    /// These lines were run by a shell.
    Run(&'static str),
    /// acme was moved to eu, and a service wrote to the place that it had left.
    LateWrites,
    /// There is a topology in the folder: the server's, or that of the reference page.
    TopologyFile,
}

const OTHER_TENANTS: &str = "for tenant in globex initech; do
    realmctl tenants create $tenant --host $tenant.example --realm us || exit 1
done
printf '# of 2026\\nacme\\nglobex\\ninitech\\n' >german-customers.txt";

/// One that does not begin while the test runs.
const LATER_CAMPAIGN: &str = "realmctl campaigns create --to us --tenants globex,initech \\
    --window $(date -u -d '+3 hours' +%H:%M)-$(date -u -d '+4 hours' +%H:%M)";

/// What has to have happened before this command of this page.
pub(crate) fn before(page: &str, command: &str) -> Option<Before> {
    BEFORE.iter().find(|(of, begin, _)| *of == page && command.starts_with(begin)).map(|(_, _, before)| *before)
}
