//! That what DynamoDB refuses fails a test, and that mutations can be told.

use super::*;

#[test]
fn a_mutation_drops_a_clause_and_says_whether_it_did() {
    let simulation = Simulation::new(1);
    let clause =
        Mutation::DropClause { table: Table::Accounts, write_contains: "ADD #n", clause: ":many" };
    simulation.mutate(clause);
    let unconditional = written(&simulation, add("p")).0;
    assert_eq!((unconditional, simulation.mutations_applied()), (Outcome::Done, false));
    let conditional = |condition: &str| add("p").only_if(condition).number(":many", 5);
    let both = "attribute_exists(#account) AND #n > :many";
    assert_eq!(written(&simulation, conditional(both)).0, Outcome::Done);
    assert_eq!(written(&simulation, conditional("#n > :many")).0, Outcome::Done);
    assert!(simulation.mutations_applied());
    assert_eq!(n(&simulation, "p"), 3);
}

#[test]
fn mutations_change_how_reads_and_writes_are_sent() {
    let simulation = with(Faults { lost_after: ALWAYS, ..Faults::default() });
    simulation.mutate(Mutation::RepeatUnknown);
    assert_eq!(written(&simulation, add("p").once()).0, Outcome::Unknown);
    assert!(n(&simulation, "p") > 1);
    assert!(simulation.mutations_applied());

    let stale = |seed| {
        let simulation = Simulation::new(seed);
        simulation.mutate(Mutation::Eventual);
        let environment = simulation.environment(0);
        let task = environment.clone();
        simulation.complete(&environment, async move {
            drop(task.write(add("p")).await);
            task.get(get(Consistency::Strong)).await.unwrap().is_none()
        })
    };
    assert!((0..50).any(stale));

    let simulation = Simulation::new(1);
    simulation.mutate(Mutation::Custom(|write| {
        write.condition = Some("attribute_exists(#account)".to_owned());
        true
    }));
    assert_eq!(written(&simulation, add("p")).0, Outcome::Refused(None));
}

#[test]
#[should_panic(expected = "bare word")]
fn an_attribute_without_a_placeholder_fails_the_test() {
    let write = Write::update(Table::Accounts, key("p"), "ADD n :one").number(":one", 1);
    drop(written(&Simulation::new(1), write));
}

#[test]
#[should_panic(expected = "defined and not used")]
fn a_value_that_is_not_used_fails_the_test() {
    drop(written(&Simulation::new(1), add("p").number(":two", 2)));
}

#[test]
#[should_panic(expected = "primary key")]
fn an_update_of_a_key_fails_the_test() {
    let write = Write::update(Table::Accounts, key("p"), "SET #part = :p").text(":p", "q");
    drop(written(&Simulation::new(1), write));
}

#[test]
#[should_panic(expected = "writes an item twice")]
fn a_transaction_that_writes_an_item_twice_fails_the_test() {
    let simulation = Simulation::new(1);
    let environment = simulation.environment(0);
    let task = environment.clone();
    simulation
        .complete(&environment, async move { task.transact(vec![add("p"), add("p")]).await })
        .done()
        .unwrap();
}
