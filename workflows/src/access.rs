//! Who may ask for what: roles, scopes, and the tokens that carry them. Which role a request needs is the API's to say.

mod keys;
mod manage;
mod role;
mod scope;
mod sealed;
mod secret;
mod sessions;

pub use keys::{InvalidTokenKeys, TokenKeys};
pub use manage::{
    Bearer, Created, Expiry, NewToken, TokenRefusal, check_token, create_token, is_still_good, list_tokens,
    revoke_token,
};
pub(crate) use manage::{insert_in, make_token};
pub use role::Role;
pub use scope::Scope;
pub use sessions::{
    Person, SessionRefusal, SessionTimes, Visitor, begin_session, change_token, check_session, end_reused,
    is_change_token, is_login_completed, is_session_still_good, log_out, revoke_sessions, rotate_session,
};
