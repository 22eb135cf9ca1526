//! What becomes of flags, variables and defaults.

use super::{About, Item, State};
use crate::config::review::{Default, Part, Review};
use crate::config::table::Status;

/// An item for each part of the command line, and for each default that is another.
pub(super) fn items(review: &Review) -> Vec<Item> {
    let mut items: Vec<Item> = review.parts.iter().map(part).collect();
    items.extend(review.conflict.iter().map(|error| {
        Item::new(About::Flag, "", "all together", State::NotYet)
            .how(format!("adit does not start: {error}"))
            .blocks(true)
    }));
    let names: Vec<&str> = review.config.listeners.iter().map(|listener| &*listener.name).collect();
    items.extend(review.defaults.iter().map(|differs| default(differs, &names)));
    items
}

fn part(part: &Part) -> Item {
    let item = |state| Item::new(About::Flag, "", &*part.name, state);
    match &part.standing {
        Ok(Status::Supported) => item(State::Same),
        Ok(Status::WithoutEffect(reason)) => item(State::Different).how(format!("it has no effect: {reason}")),
        Ok(Status::NotYet(consequence)) => item(State::NotYet).how(*consequence),
        Ok(Status::Refused(why)) => item(State::NotYet).how(*why).blocks(true),
        Err(error) => item(State::NotYet)
            .how(format!("adit does not start with it: {error}"))
            .action("remove or correct it")
            .blocks(true),
    }
}

fn default(differs: &Default, names: &[&str]) -> Item {
    let key = differs.flag.key;
    let typed = names.first().map_or_else(|| key.to_owned(), |name| key.replace("_name_", name));
    let own = if differs.flag.default.is_empty() { "none" } else { differs.flag.default };
    Item::new(About::Default, "", key, State::Different)
        .how(format!("{own} where nothing is typed; with Traefik {}", differs.traefik))
        .action(format!("for Traefik's, add --{typed}={}", differs.traefik))
}
