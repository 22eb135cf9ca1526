//! Objects of any size cost what a bound says, and their authors are told. `cargo bench --bench huge` has the times.

use adit::objects::Touched;
use adit::route::{Code, TlsUse};
use adit::translate::Translator;

#[path = "../support/huge.rs"]
mod objects;

/// The most routes of one Ingress, on two listeners with places of their own.
const MOST_ROUTES: usize = 2 * 4096;

#[test]
fn an_object_of_any_size_comes_to_no_more_than_is_read_of_one() {
    for (what, objects) in objects::cases() {
        let mut translator = Translator::new(super::settings(""));
        // Twice: what is there already is compared with what comes.
        translator.apply(&objects, &[Touched::All]);
        let output = translator.apply(&objects, &[Touched::All]);
        let routes: Vec<_> = output.routes.hosts.values().flat_map(|host| &host.routes).collect();
        assert!(routes.len() <= MOST_ROUTES, "{what}: {} routes", routes.len());
        let mut lists: Vec<_> = routes
            .iter()
            .filter_map(|route| if let TlsUse::Hosts(hosts) = &route.tls { Some(hosts) } else { None })
            .collect();
        lists.dedup_by(|one, other| std::sync::Arc::ptr_eq(one, other));
        let listed: usize = lists.iter().map(|hosts| hosts.len()).sum();
        assert!(listed <= MOST_ROUTES, "{what}: {listed} hosts of TLS");
        assert!(output.routes.certificates.len() <= 4096, "{what}");
        let text: usize = output.report.problems.iter().map(|problem| problem.to_string().len()).sum();
        assert!(text < 8 << 20, "{what}: {text} bytes of problems");
        assert!(output.endpoints.len() <= 4096, "{what}");
    }
}

#[test]
fn an_object_that_is_too_large_is_refused_whole_with_a_problem() {
    let mut refused = 0;
    for (what, objects) in objects::cases() {
        let output = adit::translate::translate(&objects, &super::settings(""));
        let too_large = output.report.problems.iter().filter(|problem| problem.code == Code::TooLarge);
        refused += usize::from(too_large.count() > 0);
        let served = output.routes.hosts.values().any(|host| !host.routes.is_empty());
        assert!(served || !output.report.problems.is_empty(), "{what}: not served, and nobody says why");
    }
    assert!(refused > 15, "{refused} of them are too large");
}
