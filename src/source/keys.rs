//! Makes the keys of objects that come one after the other.

use std::sync::Arc;

use crate::objects::ObjectKey;

/// The namespace of the last key. Many objects have it in common, and come together: it is held once, not by each.
#[derive(Debug, Default)]
pub(super) struct Keys {
    namespace: Arc<str>,
}

impl Keys {
    /// The key of `name` in `namespace`.
    pub(super) fn key(&mut self, namespace: &str, name: impl Into<Arc<str>>) -> ObjectKey {
        if *self.namespace != *namespace {
            self.namespace = namespace.into();
        }
        ObjectKey { namespace: self.namespace.clone(), name: name.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_their_namespace() {
        let mut keys = Keys::default();
        let [a, b, c] = [keys.key("one", "a"), keys.key("one", "b"), keys.key("two", "a")];
        assert!(Arc::ptr_eq(&a.namespace, &b.namespace));
        assert_eq!([a.to_string(), b.to_string(), c.to_string()], ["one/a", "one/b", "two/a"]);
    }
}
