//! The quickstart sample.

use api::manifest::{Object, parse};
use plan::{ClusterSnapshot, plan};

#[test]
fn the_quickstart_gives_this_config() {
    let manifest = parse("quickstart.yaml", include_str!("../../../../deploy/samples/quickstart.yaml"));
    let (mut pools, mut classes) = (Vec::new(), Vec::new());
    for located in manifest.objects {
        match located.object {
            Object::Pool(pool) => pools.push(*pool),
            Object::Class(class) => classes.push(*class),
        }
    }
    let plan = plan(&ClusterSnapshot::of_host("host", pools, classes, ["default"]));
    assert_eq!(plan.rejections().chain(plan.standing_problems()).count(), 0);
    insta::assert_debug_snapshot!(plan.nodes["host"]);
}
