//! The loop between source, translation and proxy; leadership and statuses.
