//! Login of people by OpenID Connect: the authorization code flow with PKCE. `/login` sends a browser to the provider, `/login/callback`
//! receives it from there and begins a session. Who is in no group that gives a role is refused.
//!
//! Nothing is stored until a login is completed: what has to be remembered meanwhile is in a sealed cookie of the browser.

mod claims;
mod cookies;
mod fetch;
mod flow;
mod groups;
mod id_token;
mod key_set;
mod pages;
mod provider;
mod return_to;
mod settings;
mod signed_in;
mod ticket;

pub(crate) use cookies::{SESSION_COOKIE, cleared, find_cookie, session_cookie};
pub(crate) use flow::router;
pub use groups::GroupRoles;
pub use settings::{InvalidLogin, LoginOptions, LoginSettings};
