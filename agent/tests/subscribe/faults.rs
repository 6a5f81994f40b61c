//! Networks that fail in the ways in which networks fail.

use delivery::publisher::AckState;

use crate::config::{config, version};
use crate::network::{Front, Network};
use crate::node::Host;
use crate::replica::{Heard, Replica};

/// A node in step over `front`.
fn in_step(test: impl FnOnce(&Replica, &Front, &crate::node::Node<'_>)) {
    let (host, replica) = (Host::new(), Replica::start());
    let front = Front::start(replica.address, &host.ca());
    replica.publish(version(1), &config(&["shared"]));
    let node = host.start(&front.url());
    replica.programmed();
    node.attach("web-1", "").unwrap();
    test(&replica, &front, &node);
}

#[test]
fn a_network_that_is_cut_and_whole_again_costs_seconds_and_no_byte() {
    in_step(|replica, front, node| {
        front.is(Network::Cut);
        replica.publish(version(2), &config(&["gold", "shared"]));
        // Nobody is told; the pings find out.
        node.says("lost the controller");
        assert_eq!(node.draw("web-1", 64).len(), 64);
        node.says("no controller");
        front.is(Network::Whole);
        replica.hear(|heard| (heard == Heard::Opened).then_some(()));
        replica.programmed();
        node.attach("web-2", "gold").unwrap();
    });
}

#[test]
fn a_half_open_connection_is_given_up_and_another_one_serves() {
    in_step(|replica, front, node| {
        front.is(Network::HalfOpen);
        replica.publish(version(2), &config(&["gold", "shared"]));
        node.says("lost the controller");
        replica.programmed();
        node.attach("web-2", "gold").unwrap();
    });
}

#[test]
fn an_older_view_is_not_taken_and_its_node_serves_on() {
    in_step(|replica, front, node| {
        replica.publish(version(7), &config(&["gold", "shared"]));
        replica.programmed();
        // A replica that has seen less, and says that it has looked.
        replica.publish(version(3), &config(&["shared"]));
        front.is(Network::Refused);
        front.is(Network::Whole);
        node.says("the controller offers only an older configuration");
        let older =
            |heard: Heard| matches!(&heard, Heard::Stands(AckState::Refused(it)) if it.reason == "Older");
        replica.hear(|heard| older(heard).then_some(()));
        node.attach("web-2", "gold").unwrap();
        // As soon as it sees what there is, it serves again.
        replica.publish(version(8), &config(&["gold", "silver", "shared"]));
        replica.programmed();
        node.attach("web-3", "silver").unwrap();
    });
}
