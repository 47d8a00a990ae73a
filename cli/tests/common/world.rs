//! A server with a topology and one tenant.

use tempfile::TempDir;

use super::Up;

/// Nothing listens at these addresses: no move gets further than its preflight.
pub(crate) const TOPOLOGY: &str = r#"
regions:
  us-east-1: { dynamodb: { endpoint: "http://127.0.0.1:9" } }
  eu-west-1: { dynamodb: { endpoint: "http://127.0.0.2:9" } }
realms:
  us: { dataRegions: [us-east-1] }
  eu: { dataRegions: [eu-west-1] }
services:
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }
    shards:
      - { shard: issues-us, dataRegions: [us-east-1] }
      - { shard: issues-eu, dataRegions: [eu-west-1] }
"#;

/// The server, and the folder of its store.
pub(crate) struct World {
    pub(crate) server: Up,
    pub(crate) folder: TempDir,
}

impl World {
    /// A server with these arguments more, [`TOPOLOGY`], and the tenant acme in realm us.
    pub(crate) fn new(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Up::serve(&folder.path().join("realmctl.db"), more);
        let world = Self { server, folder };
        let file = world.file("topology.yaml", TOPOLOGY);
        world.server.json(&["topology", "apply", &file]);
        world.server.json(&["tenants", "create", "acme", "--host", "acme.example", "--realm", "us"]);
        world
    }

    /// A file of this name, in the folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).expect("it can be written");
        file.to_str().expect("the path is UTF-8").to_owned()
    }

    /// The URL of its store.
    pub(crate) fn store(&self) -> String {
        format!("sqlite:{}", self.folder.path().join("realmctl.db").display())
    }
}
