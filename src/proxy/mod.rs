//! The data plane: accepts, routes, balances and forwards requests.

#[allow(dead_code, reason = "used from here on by what serves requests")]
mod balance;
pub mod router;
#[allow(dead_code, reason = "used from here on by what serves requests")]
pub mod upstream;
