//! Which Ingresses are ours.

use crate::objects::{Ingress, ObjectKey, Objects};
use crate::route::{Code, ObjectRef, Problem, Severity};
use crate::translate::Settings;

use super::annotations::Annotations;

/// The controllers whose classes are ours.
const CONTROLLERS: [&str; 2] = ["traefik.io/ingress-controller", "adit.dev/ingress-controller"];
/// The class names that are ours where IngressClasses cannot be read.
const NAMES: [&str; 2] = ["traefik", "adit"];

/// Whether an Ingress is ours; a problem when it looks as if it was meant to be.
pub(super) fn is_ours(
    ingress: &Ingress,
    objects: &Objects,
    settings: &Settings,
    object: &ObjectRef,
) -> Result<bool, Box<Problem>> {
    let option = settings.ingress_class.as_deref().filter(|option| !option.is_empty());
    let by_name = |name: &str| option.map_or_else(|| NAMES.contains(&name), |option| option == name);
    if let Some(name) = ingress.class.as_deref() {
        if settings.disable_class_lookup || !objects.access.classes {
            return Ok(by_name(name));
        }
        let Some(class) = objects.classes.get(&ObjectKey::new("", name)) else {
            if by_name(name) {
                return Err(Box::new(Problem {
                    severity: Severity::Error,
                    code: Code::ClassNotFound,
                    object: object.clone(),
                    field: "spec.ingressClassName".into(),
                    reason: format!("the IngressClass {name} does not exist, so nobody serves this Ingress"),
                    action: format!("create it with spec.controller {}, or remove the field", CONTROLLERS[1]),
                }));
            }
            return Ok(false);
        };
        return Ok(CONTROLLERS.contains(&&*class.controller) && option.is_none_or(|option| option == name));
    }
    let annotation = Annotations::of(&ingress.annotations).class();
    Ok(match (annotation, option) {
        (Some(class), Some(option)) => class == option,
        (Some(class), None) => class.is_empty() || NAMES.contains(&class),
        (None, Some(_)) => false,
        (None, None) => !foreign_default(objects),
    })
}

/// Whether a class of somebody else is the cluster's default: then an Ingress without a class is theirs.
fn foreign_default(objects: &Objects) -> bool {
    objects.classes.values().any(|class| class.is_default && !CONTROLLERS.contains(&&*class.controller))
}
