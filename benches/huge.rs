//! How long the largest objects take that a tenant can write: none may take 50 ms.

use std::hint::black_box;

use adit::objects::{ObjectKey, Touched};
use adit::route::ListenerSet;
use adit::translate::{ListenerInfo, Settings, Translator};
use criterion::{Criterion, criterion_group, criterion_main};

#[path = "../tests/support/huge.rs"]
mod objects;

/// As the program has it: translating is allocating.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn benches(criterion: &mut Criterion) {
    let listener = |name: &str| ListenerInfo { name: name.into(), tls: false };
    let settings = Settings {
        listeners: vec![listener("web"), listener("websecure")],
        default_listeners: ListenerSet(0b11),
        strict_prefix_matching: true,
        ..Settings::default()
    };
    let touched = [Touched::Ingress(ObjectKey::new("tenant", "i"))];
    for (index, (what, objects)) in objects::cases().into_iter().enumerate() {
        criterion.bench_function(&format!("{index} {what}"), |bencher| {
            // It was there before, and has gone and come.
            let mut translator = Translator::new(settings.clone());
            translator.apply(&objects, &[Touched::All]);
            let mut without = objects.clone();
            without.ingresses.clear();
            bencher.iter(|| {
                translator.apply(&without, &touched);
                translator.apply(black_box(&objects), &touched)
            });
        });
    }
}

criterion_group! {
    name = huge;
    config = Criterion::default().sample_size(10).warm_up_time(std::time::Duration::from_millis(100)).measurement_time(std::time::Duration::from_millis(400));
    targets = benches
}
criterion_main!(huge);
