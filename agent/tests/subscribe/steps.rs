//! From a first configuration to a start without a controller.

use std::time::Duration;

use delivery::publisher::AckState;
use delivery::{EncodedResource, Hash, Move, Nack, PoolRefusal, ResourceName, ResourceSet};

use crate::config::{config, impossible, version};
use crate::network::Front;
use crate::node::Host;
use crate::replica::{Heard, Replica, TOKEN};

#[test]
fn a_configuration_comes_over_tls_and_a_vm_draws() {
    let (host, replica) = (Host::new(), Replica::start());
    let front = Front::start(replica.address, &host.ca());
    replica.publish(version(1), &config(&["shared"]));
    let node = host.start(&front.url());
    replica.programmed();
    node.attach("web-1", "").unwrap();
    assert_eq!(node.draw("web-1", 64).len(), 64);
    let report = replica.hear(|heard| match heard {
        Heard::Reports(report) => report.vms.filter(|vms| !vms.vms.is_empty()),
        _ => None,
    });
    let vm = &report.vms["web-1"];
    assert_eq!((&*vm.pool, &*vm.class, &vm.slot, vm.orphaned), ("default", "shared", &None, false));
}

#[test]
fn an_edit_is_in_force_as_soon_as_it_is_acked_and_an_agent_says_that_it_is_ready() {
    let (host, replica) = (Host::new(), Replica::start());
    replica.publish(version(1), &config(&["shared"]));
    let node = host.start(&format!("http://{}", replica.address));
    // The two come in either order.
    let (mut ready, mut programmed) = (false, false);
    replica.hear(|heard| {
        programmed |= heard == Heard::Stands(AckState::Programmed);
        ready |= match heard {
            Heard::Reports(report) => report.agent.is_some_and(|agent| agent.ready),
            _ => false,
        };
        (ready && programmed).then_some(())
    });
    assert!(node.attach("web-1", "gold").unwrap_err().contains("gold"));
    replica.publish(version(2), &config(&["gold", "shared"]));
    replica.programmed();
    node.attach("web-1", "gold").unwrap();
}

#[test]
fn what_cannot_be_served_is_nacked_with_a_sentence_and_the_last_good_goes_on() {
    let (host, replica) = (Host::new(), Replica::start());
    replica.publish(version(1), &config(&["shared"]));
    let node = host.start(&format!("http://{}", replica.address));
    replica.programmed();
    node.attach("web-1", "").unwrap();
    replica.publish(version(2), &impossible());
    let refused = replica.hear(|heard| match heard {
        Heard::Stands(AckState::PoolsRefused(refused)) => Some(refused),
        _ => None,
    });
    let message = "pool default: source kernel: unknown CPU instruction ROLL: only RDSEED is supported";
    let refusal = Nack::new("UnknownInstruction", message);
    assert_eq!(refused, [PoolRefusal { pool: "default".to_owned(), refusal }]);
    assert_eq!(node.draw("web-1", 64).len(), 64);
    replica.publish(version(3), &config(&["shared"]));
    node.attach("web-2", "").unwrap();
}

#[test]
fn an_agent_starts_without_a_controller_and_takes_up_where_it_was() {
    let (host, replica) = (Host::new(), Replica::start());
    let front = Front::start(replica.address, &host.ca());
    replica.publish(version(5), &config(&["shared"]));
    let node = host.start(&front.url());
    replica.programmed();
    node.attach("web-1", "").unwrap();
    node.terminate();
    replica.hear(|heard| (heard == Heard::Closed).then_some(()));

    let node = host.start("https://localhost:1");
    node.says("no controller");
    let vms = node.vms();
    assert_eq!(vms.len(), 1, "{vms:?}");
    assert_eq!(node.draw("web-1", 64).len(), 64);
    node.attach("web-2", "shared").unwrap();
    drop(node);

    // An agent that holds what it should is told so, and nothing else.
    let _node = host.start(&front.url());
    replica.programmed();
}

#[test]
fn a_vm_is_moved_and_one_that_is_not_here_is_not() {
    let (host, replica) = (Host::new(), Replica::start());
    replica.publish(version(1), &config(&["gold", "shared"]));
    let node = host.start(&format!("http://{}", replica.address));
    replica.programmed();
    node.attach("web-1", "shared").unwrap();
    let moved = |heard| match heard {
        Heard::Moved(result) => Some(result),
        _ => None,
    };
    replica.order(Move { ticket: 1, uid: "web-1".to_owned(), class: "gold".to_owned() });
    assert_eq!(replica.hear(moved), Ok(()));
    assert_eq!(node.vms()[0].class, "gold");
    replica.order(Move { ticket: 2, uid: "web-9".to_owned(), class: "gold".to_owned() });
    assert_eq!(replica.hear(moved).unwrap_err().reason, "UnknownVm");
}

#[test]
fn token_and_bundle_are_read_anew_at_each_attempt() {
    let (host, replica) = (Host::new(), Replica::start());
    let front = Front::start(replica.address, &host.ca());
    let bundle = std::fs::read(host.ca()).unwrap();
    std::fs::remove_file(host.ca()).unwrap();
    std::fs::remove_file(host.token()).unwrap();
    replica.publish(version(1), &config(&["shared"]));
    let node = host.start(&front.url());
    assert!(node.says("no controller").contains("NoToken"));
    std::fs::write(host.token(), "another.agent.token").unwrap();
    assert!(node.says("no controller").contains("NoCaBundle"));
    std::fs::write(host.ca(), &bundle).unwrap();
    assert!(node.says("no controller").contains("NotAuthenticated"));
    let shown = replica.hear(|heard| match heard {
        Heard::Shown(token) => Some(token),
        _ => None,
    });
    assert_eq!(shown, "Bearer another.agent.token");
    std::fs::write(host.token(), TOKEN).unwrap();
    replica.programmed();
}

#[test]
fn a_controller_with_a_certificate_of_somebody_else_is_not_one() {
    let (host, other, replica) = (Host::new(), Host::new(), Replica::start());
    let front = Front::start(replica.address, &other.ca());
    let _own = Front::start(replica.address, &host.ca());
    replica.publish(version(1), &config(&["shared"]));
    let node = host.start(&front.url());
    let said = node.says("no controller");
    assert!(said.contains("ControllerUnreachable") && said.contains("certificate"), "{said}");
    assert!(replica.hears_nothing(Duration::from_secs(3)));
}

#[test]
fn what_a_newer_controller_adds_is_passed_over_and_kept() {
    let (host, replica) = (Host::new(), Replica::start());
    let known = codec::encode(&config(&["shared"]));
    // Field 99 of a body, which nobody knows today.
    let body = codec::Bytes::from_static(&[0x9a, 0x06, 0x01, 0x00]);
    let added = (ResourceName::from("quota/shop"), EncodedResource { hash: Hash([7; 16]), body });
    let items = known.items().map(|(name, item)| (ResourceName::clone(name), item.clone()));
    let content: ResourceSet<_> = items.chain([added]).collect();
    replica.publish_encoded(version(1), content);
    let node = host.start(&format!("http://{}", replica.address));
    replica.programmed();
    node.attach("web-1", "shared").unwrap();
}
