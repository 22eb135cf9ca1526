//! Endpoints: their shared state.

pub mod state;
