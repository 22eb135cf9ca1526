//! The data plane: accepts, routes, balances and forwards requests.
