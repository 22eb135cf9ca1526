//! One endpoint after the other, over all workers.

use std::sync::Arc;

use crate::proxy::upstream::state::EndpointState;

/// The eligible endpoint whose turn it is.
pub(crate) fn choose(
    endpoints: &[Arc<EndpointState>],
    eligible: impl Fn(&EndpointState) -> bool,
    turn: u64,
) -> Option<&Arc<EndpointState>> {
    let count = endpoints.len() as u64;
    let round = turn.checked_div(count)?;
    let endpoint = endpoints.get((turn % count) as usize)?;
    if eligible(endpoint) {
        return Some(endpoint);
    }
    // The turns of those that are not eligible go round among the others: the next in line alone would get them all.
    let eligible_count = endpoints.iter().filter(|endpoint| eligible(endpoint)).count() as u64;
    let position = round.checked_rem(eligible_count)?;
    endpoints.iter().filter(|endpoint| eligible(endpoint)).nth(position as usize)
}
