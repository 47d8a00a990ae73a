//! Where stores are reached: by the endpoint that the ledger knows them by, or by an address that took its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::endpoint::{dynamodb_identity, dynamodb_place, s3_identity, s3_place};
use super::model::{Endpoint, Region, Topology};
use super::problem::Problem;

/// A kind of store that a region has an endpoint of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointKind {
    /// DynamoDB, or what speaks like it.
    Dynamodb,
    /// S3, or what speaks like it.
    S3,
}

impl EndpointKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Dynamodb, Self::S3];

    /// The word for it in a topology.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dynamodb => "dynamodb",
            Self::S3 => "s3",
        }
    }

    /// The region's endpoint of this kind; `None` is AWS's own.
    pub fn of(self, region: &Region) -> Option<&Endpoint> {
        match self {
            Self::Dynamodb => region.dynamodb.as_ref(),
            Self::S3 => region.s3.as_ref(),
        }
    }

    /// What the store behind an endpoint is called among all of a topology: the same for every way to write the endpoint.
    pub fn store(self, region: &str, endpoint: Option<&str>) -> String {
        match self {
            Self::Dynamodb => format!("dynamodb|{}", dynamodb_identity(endpoint, region)),
            // One name for all buckets of AWS, but each region is reached by itself.
            Self::S3 => match s3_identity(endpoint) {
                aws if aws == "aws" => format!("s3|aws:{region}"),
                other => format!("s3|{other}"),
            },
        }
    }

    /// The endpoint by which locations in the region are known: `None` for AWS's own, also where it only stands there because the store is
    /// reached at another address.
    pub(super) fn stated(self, name: &str, region: &Region) -> Option<String> {
        let at = self.of(region)?;
        let is_aws = at.address.is_some() && at.endpoint == self.aws(name);
        (!is_aws).then(|| at.endpoint.clone())
    }

    /// AWS's own endpoint in the region, as a topology has to write it where the store has an address besides.
    fn aws(self, region: &str) -> String {
        format!("https://{}.{region}.amazonaws.com", self.as_str())
    }

    /// Whether two addresses are one, as far as names tell.
    pub(super) fn same_place(self, region: &str, one: Option<&str>, other: Option<&str>) -> bool {
        match self {
            Self::Dynamodb => dynamodb_place(one, region) == dynamodb_place(other, region),
            Self::S3 => s3_place(one) == s3_place(other),
        }
    }
}

/// Why an address can't take the place of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no such region.
    #[error("the topology has no region {0}: `realmctl topology show` lists them")]
    UnknownRegion(String),
    /// It is no address, or leads, by its name, to another store of the topology.
    #[error("{}", .0.iter().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
}

impl Topology {
    /// Where stores are reached that are not reached by their own endpoints any more, by [`EndpointKind::store`].
    pub fn addresses(&self) -> BTreeMap<String, String> {
        let mut addresses = BTreeMap::new();
        for (name, region) in &self.regions {
            for kind in EndpointKind::ALL {
                if let Some(Endpoint { endpoint, address: Some(address) }) = kind.of(region) {
                    addresses.insert(kind.store(name, Some(endpoint)), address.clone());
                }
            }
        }
        addresses
    }

    /// The same topology, in which the store of that kind in the region is reached at `address`, and so in every region that has the same
    /// endpoint. Its endpoint stays.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn with_address(&self, region: &str, kind: EndpointKind, address: &str) -> Result<Self, AddressError> {
        let named = self.regions.get(region).ok_or_else(|| AddressError::UnknownRegion(region.to_owned()))?;
        let endpoint = |at: &Region| kind.of(at).map(|at| at.endpoint.clone());
        let store = kind.store(region, endpoint(named).as_deref());
        let mut changed = self.clone();
        for (name, at) in &mut changed.regions {
            if kind.store(name, endpoint(at).as_deref()) != store {
                continue;
            }
            let endpoint = endpoint(at).unwrap_or_else(|| kind.aws(name));
            if kind.store(name, Some(&endpoint)) != store {
                let reason =
                    format!("write the endpoint of this region in the topology file first: {endpoint} is not it");
                return Err(AddressError::Invalid(vec![Problem::new(
                    format!("regions.{name}.{}", kind.as_str()),
                    reason,
                )]));
            }
            let is_own = address.trim_end_matches('/') == endpoint.trim_end_matches('/');
            let was_aws = kind.of(at).is_none_or(|at| at.address.is_some()) && endpoint == kind.aws(name);
            let now = match (is_own, was_aws) {
                (true, true) => None,
                (true, false) => Some(Endpoint { endpoint, address: None }),
                (false, _) => Some(Endpoint { endpoint, address: Some(address.to_owned()) }),
            };
            match kind {
                EndpointKind::Dynamodb => at.dynamodb = now,
                EndpointKind::S3 => at.s3 = now,
            }
        }
        match changed.validate() {
            problems if problems.is_empty() => Ok(changed),
            problems => Err(AddressError::Invalid(problems)),
        }
    }

    /// Whether the store of that kind in the region is reached as in `other`, as far as names tell.
    pub(super) fn is_reached_as_in(&self, other: &Self, region: &str, kind: EndpointKind) -> bool {
        let at = |topology: &Self| {
            let region = topology.regions.get(region);
            region.and_then(|region| kind.of(region)).map(|at| at.reached_at().to_owned())
        };
        kind.same_place(region, at(self).as_deref(), at(other).as_deref())
    }

    /// The same topology as if every address were the endpoint.
    pub(super) fn as_reached(&self) -> Self {
        let mut reached = self.clone();
        let endpoints = reached.regions.values_mut().flat_map(|region| [&mut region.dynamodb, &mut region.s3]);
        for endpoint in endpoints.flatten() {
            if let Some(address) = endpoint.address.take() {
                endpoint.endpoint = address;
            }
        }
        reached
    }
}

/// Problems with addresses: one store is reached in one way.
pub(super) fn check(topology: &Topology) -> Vec<Problem> {
    let mut known: BTreeMap<String, (&String, Option<&String>)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, region) in &topology.regions {
        for kind in EndpointKind::ALL {
            let Some(at) = kind.of(region) else { continue };
            let path = format!("regions.{name}.{}.address", kind.as_str());
            let (first, address) =
                *known.entry(kind.store(name, Some(&at.endpoint))).or_insert((name, at.address.as_ref()));
            if address != at.address.as_ref() {
                let reason = format!("{first} has the same endpoint and another address: give both the same");
                problems.push(Problem::new(path, reason));
            }
        }
    }
    problems
}
