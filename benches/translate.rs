//! How long translation takes: everything at once, and one changed Ingress among ten thousand.

use std::hint::black_box;

use adit::objects::{Change, ObjectKey, Objects, Touched};
use adit::route::ListenerSet;
use adit::source::manifest;
use adit::translate::{ListenerInfo, Settings, Translator};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// As the program has it: translating is allocating.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn settings() -> Settings {
    let listener = |name: &str| ListenerInfo { name: name.into(), tls: false };
    Settings {
        listeners: vec![listener("web"), listener("websecure")],
        default_listeners: ListenerSet(0b11),
        strict_prefix_matching: true,
        ..Settings::default()
    }
}

fn ingress(index: usize, path: &str) -> Change {
    let text = format!(
        "kind: Ingress\nmetadata: {{name: i{index}, creationTimestamp: \"2024-01-01T00:00:00Z\"}}\nspec: {{rules: [{{host: h{index}.example, http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: s{index}, port: {{number: 80}}}}}}}}]}}}}]}}"
    );
    manifest::parse(&text).changes.remove(0)
}

/// As many Ingresses, each with a host, a Service and two endpoints of its own.
fn objects(count: usize) -> Objects {
    let mut objects = Objects::default();
    for index in 0..count {
        objects.apply(ingress(index, "/"));
        let text = format!(
            "kind: Service\nmetadata: {{name: s{index}}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\nkind: EndpointSlice\nmetadata: {{name: e{index}, labels: {{kubernetes.io/service-name: s{index}}}}}\naddressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints: [{{addresses: [10.0.0.1]}}, {{addresses: [10.0.0.2]}}]"
        );
        for change in manifest::parse(&text).changes {
            objects.apply(change);
        }
    }
    objects
}

fn benches(criterion: &mut Criterion) {
    for count in [1_000, 10_000] {
        let (objects, settings) = (objects(count), settings());
        criterion.bench_function(&format!("translate {count} Ingresses"), |bencher| {
            // The translator lives on in the program: its end is not measured.
            let full = |mut translator: Translator| {
                let output = translator.apply(black_box(&objects), &[Touched::All]);
                (translator, output)
            };
            bencher.iter_batched(|| Translator::new(settings.clone()), full, BatchSize::PerIteration);
        });
    }
    let mut objects = objects(10_000);
    let mut translator = Translator::new(settings());
    translator.apply(&objects, &[Touched::All]);
    let mut turn = 0;
    criterion.bench_function("one Ingress changed among 10000", |bencher| {
        bencher.iter_batched_ref(
            || {
                turn += 1;
                objects.apply(ingress(5_000, if turn % 2 == 0 { "/a" } else { "/b" }));
                objects.clone()
            },
            |objects| translator.apply(objects, &[Touched::Ingress(ObjectKey::new("default", "i5000"))]),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(all, benches);
criterion_main!(all);
