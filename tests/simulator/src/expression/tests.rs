//! Which expressions are taken, and what they mean.

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::{any, proptest};
use shared::store::tables::{Item, Terms};

use super::{GrammarError, check_terms, clauses, condition, projection, update};

fn n(number: i128) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item() -> Item {
    let texts = AttributeValue::Ss(vec!["x".to_owned(), "y".to_owned()]);
    let list = AttributeValue::L(vec![n(1), s("two")]);
    let map = AttributeValue::M(Item::from([("in".to_owned(), n(3)), ("list".to_owned(), list)]));
    let attributes = [
        ("account", s("a")),
        ("five", n(5)),
        ("seven", n(7)),
        ("text", s("hello")),
        ("texts", texts),
        ("map", map),
        ("yes", AttributeValue::Bool(true)),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The values that these tests may use.
fn terms(text: &str) -> Terms {
    let values = [
        (":five", n(5)),
        (":six", n(6)),
        (":one", n(1)),
        (":text", s("hello")),
        (":he", s("he")),
        (":x", s("x")),
        (":n", s("N")),
        (":none", s("none")),
        (":yes", AttributeValue::Bool(true)),
        (":set", AttributeValue::Ss(vec!["y".to_owned(), "z".to_owned()])),
        (":list", AttributeValue::L(vec![n(9)])),
    ];
    let used = |name: &str| {
        text.split(|c: char| c != ':' && c != '_' && !c.is_ascii_alphanumeric())
            .any(|word| word == name)
    };
    let values = values.into_iter().filter(|(name, _)| used(name)).collect();
    Terms { names: Vec::new(), values }
}

fn holds(text: &str) -> Result<bool, GrammarError> {
    let terms = terms(text);
    let condition = condition(text)?;
    check_terms(&[condition.uses()], &terms)?;
    condition.check(&terms)?;
    condition.holds(Some(&item()), &terms)
}

fn updated(text: &str) -> Result<Item, GrammarError> {
    let terms = terms(text);
    let update = update(text)?;
    check_terms(&[update.uses()], &terms)?;
    update.check(&["account", "part"], &terms)?;
    let mut after = item();
    update.apply(&item(), &mut after, &terms)?;
    Ok(after)
}

#[test]
fn conditions_mean_what_they_mean_to_dynamodb() {
    for (text, expected) in [
        ("#five = :five", true),
        ("#five <> :five", false),
        ("#five < #seven", true),
        ("#seven <= #five", false),
        ("#five >= :five", true),
        // Values of different types are different, and in no order.
        ("#text = :five", false),
        ("#text <> :five", true),
        ("#text < :five", false),
        ("#text > :five", false),
        // What is missing is different from everything, and in no order either.
        ("#missing = :five", false),
        ("#missing <> :five", true),
        ("#missing < :five", false),
        ("#missing >= :five", false),
        ("#missing <> #gone", true),
        ("NOT #missing = :five", true),
        ("#missing BETWEEN :five AND :six", false),
        ("#missing IN (:five)", false),
        ("attribute_not_exists(#missing) OR #missing <= :five", true),
        ("attribute_exists(#account) AND attribute_not_exists(#five)", false),
        ("attribute_type(#five, :n)", true),
        ("begins_with(#text, :he)", true),
        ("begins_with(#five, :he)", false),
        ("contains(#text, :he)", true),
        ("contains(#texts, :x)", true),
        ("contains(#texts, :he)", false),
        ("contains(#map.#list, :one)", true),
        ("#five BETWEEN :five AND :six", true),
        ("#seven BETWEEN :five AND :six", false),
        ("#five IN (:one, :six, :five)", true),
        ("size(#text) = :five", true),
        ("size(#texts) < #five", true),
        ("size(#five) = :one", false),
        ("#map.#in < #five", true),
        ("#map.#list[0] = :one", true),
        ("#map.#list[2] = :one", false),
        ("#yes = :yes", true),
        // NOT before AND before OR.
        ("#five = :five OR #five = :six AND #seven = :six", true),
        ("(#five = :five OR #five = :six) AND #seven = :six", false),
        ("NOT #five = :six AND #five = :five", true),
        ("NOT (#five = :five OR #five = :six)", false),
        ("((#five = :five) AND (#seven = :six))", false),
        ("#five=:five AND NOT NOT #five<>:six", true),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn conditions_that_dynamodb_refuses_are_refused() {
    for text in [
        "",
        "five = :five",
        "#five",
        "#five = ",
        "#five == :five",
        "#five != :five",
        "#five = :undefined",
        "#five = 5",
        "#five = :five AND",
        "#five = :five :six",
        "#five + :five = :six",
        "(#five = :five",
        "((#five = :five))",
        "((#five = :five)) AND #five = :six",
        "#five = #five",
        "#five BETWEEN :five",
        "#five BETWEEN :six AND :five",
        "#five BETWEEN :five AND :text",
        "#five IN :five",
        "#five IN ()",
        "#yes < :yes",
        "begins_with(#text, :five)",
        "begins_with(:text, :he)",
        "contains(#text, #text)",
        "attribute_exists(:five)",
        "attribute_exists(#five) = :five",
        "attribute_type(#five, :none)",
        "Attribute_Exists(#five)",
        "size(#text)",
        "size(:text) = :five",
        "# = :five",
        "#five = :",
        "#five. = :five",
        "#map[x] = :five",
        "#five = :five; #five = :six",
    ] {
        assert!(holds(text).is_err(), "{text}");
    }
}

#[test]
fn updates_do_what_they_do_in_dynamodb() {
    let changed = |text: &str| {
        let after = updated(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let before = item();
        let mut changed: Vec<_> =
            after.iter().filter(|(name, value)| before.get(*name) != Some(value)).collect();
        changed.sort_by_key(|(name, _)| *name);
        let mut lines: Vec<_> =
            changed.into_iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let mut gone: Vec<_> =
            before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
        gone.sort_unstable();
        lines.extend(gone.iter().map(|name| format!("-{name}")));
        lines.join(" ")
    };
    for (text, expected) in [
        ("SET #five = :six", "five=N(\"6\")"),
        ("SET #five = #five + :one", "five=N(\"6\")"),
        ("SET #five = #seven - #five", "five=N(\"2\")"),
        ("SET #new = if_not_exists(#new, :six)", "new=N(\"6\")"),
        ("SET #new = if_not_exists(#new, :six) + :one", "new=N(\"7\")"),
        ("SET #five = if_not_exists(#five, :six) - if_not_exists(#gone, :one)", "five=N(\"4\")"),
        // Every operand is read from the item as it was.
        ("SET #five = #seven, #seven = #five", "five=N(\"7\") seven=N(\"5\")"),
        ("SET #new = list_append(:list, :list)", "new=L([N(\"9\"), N(\"9\")])"),
        ("ADD #five :one, #new :six", "five=N(\"6\") new=N(\"6\")"),
        ("ADD #texts :set", "texts=Ss([\"x\", \"y\", \"z\"])"),
        ("DELETE #texts :set", "texts=Ss([\"x\"])"),
        ("REMOVE #five, #seven, #missing", "-five -seven"),
        ("SET #map.#in = :six REMOVE #map.#list", "map=M({\"in\": N(\"6\")})"),
        ("ADD #five :one SET #seven = :one REMOVE #text", "five=N(\"6\") seven=N(\"1\") -text"),
    ] {
        assert_eq!(changed(text), expected, "{text}");
    }
}

#[test]
fn updates_that_dynamodb_refuses_are_refused() {
    for text in [
        "",
        "#five = :six",
        "SET five = :six",
        "SET #five = five",
        "SET #five :six",
        "SET #five = #five + :one + :one",
        "SET #five = #five - :one + :six",
        "SET #five = (#five + :one)",
        "SET #five = :one,",
        "SET #five = #missing",
        "SET #five = #missing + :one",
        "SET #five = #five + :text",
        "SET #five = if_not_exists(:one, :six)",
        "SET #five = if_not_exists(#five + :one, :six)",
        "SET #five = if_not_exists(#five, :one + :six)",
        "SET #five = attribute_exists(#five)",
        "SET #five = size(#text)",
        "SET #five = :one SET #seven = :one",
        "SET #five = :one ADD #five :one",
        "SET #map = :one, #map.#in = :six",
        "REMOVE #map, #map.#in",
        "SET #missing.#in = :one",
        "SET #five.#in = :one",
        "SET #account = :text",
        "REMOVE #part",
        "ADD #part :one",
        "ADD #five #seven",
        "ADD #five :text",
        "ADD #text :one",
        "ADD #map.#in :one",
        "ADD #five + :one",
        "ADD #five :undefined",
        "REMOVE #five :one",
        "DELETE #five :set",
        "SET #five = :one WHERE #five = :six",
    ] {
        assert!(updated(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_defined_has_to_be_used_and_once() {
    let condition = condition("#a = :a").unwrap();
    let check = |names: &[(&'static str, &str)], values: &[(&'static str, AttributeValue)]| {
        let names = names.iter().map(|(name, it)| (*name, (*it).to_owned())).collect();
        check_terms(&[condition.uses()], &Terms { names, values: values.to_vec() })
    };
    assert_eq!(check(&[], &[(":a", n(1))]), Ok(()));
    assert_eq!(check(&[("#a", "b")], &[(":a", n(1))]), Ok(()));
    assert!(check(&[], &[]).is_err());
    assert!(check(&[("#b", "b")], &[(":a", n(1))]).is_err());
    assert!(check(&[("#a", "b"), ("#a", "c")], &[(":a", n(1))]).is_err());
    assert!(check(&[], &[(":a", n(1)), (":b", n(1))]).is_err());
    assert!(check(&[], &[(":a", n(1)), (":a", n(1))]).is_err());
    for value in [
        AttributeValue::N("1.5".to_owned()),
        AttributeValue::N("9".repeat(39)),
        AttributeValue::Ss(Vec::new()),
        AttributeValue::Ss(vec!["a".to_owned(), "a".to_owned()]),
    ] {
        assert!(check(&[], &[(":a", value.clone())]).is_err(), "{value:?}");
    }
}

#[test]
fn names_that_differ_can_be_one_attribute() {
    let update = update("SET #a = :a, #b = :a").unwrap();
    let terms = Terms { names: vec![("#a", "b".to_owned())], values: vec![(":a", n(1))] };
    assert!(update.check(&["account"], &terms).is_err());
}

#[test]
fn key_conditions_keep_to_one_partition() {
    let partition = |text: &str| {
        let terms = Terms { names: Vec::new(), values: vec![(":p", s("p")), (":s", s("s"))] };
        condition(text)?.partition("account", "call", &terms).map(str::to_owned)
    };
    for text in [
        "#account = :p",
        "#account = :p AND #call > :s",
        "#call <= :s AND #account = :p",
        "#account = :p AND begins_with(#call, :s)",
        "#account = :p AND #call BETWEEN :p AND :s",
    ] {
        assert_eq!(partition(text), Ok("p".to_owned()), "{text}");
    }
    for text in [
        "#call = :s",
        "#account > :p",
        "begins_with(#account, :p)",
        "#account = :p AND #model = :s",
        "#account = :p AND #call <> :s",
        "#account = :p AND #call > :s AND #call < :s",
        "#account = :p OR #call = :s",
        "#account = :p AND NOT #call = :s",
        "#account = :p AND contains(#call, :s)",
        "#account = :p AND #account = :s",
    ] {
        assert!(partition(text).is_err(), "{text}");
    }
}

#[test]
fn projections_show_what_there_is() {
    let shown = projection("#five, #missing").unwrap().shown(&item(), &Terms::default());
    assert_eq!(shown, Ok(Item::from([("five".to_owned(), n(5))])));
    assert!(projection("#five, #five").is_err());
    assert!(projection("five").is_err());
}

#[test]
fn clauses_are_those_at_the_top() {
    let text = "#a BETWEEN :a AND :b AND (#b = :b AND #c = :c) AND NOT #d = :d";
    let expected = ["#a BETWEEN :a AND :b", "(#b = :b AND #c = :c)", "NOT #d = :d"];
    assert_eq!(clauses(text).unwrap(), expected);
    assert!(clauses("#a = :a OR #b = :b").is_err());
}

proptest! {
    #[test]
    fn numbers_compare_and_add_as_numbers(left in any::<i64>(), right in any::<i64>()) {
        let (left, right) = (i128::from(left) * 1_000_000_000_000, i128::from(right));
        let item = Item::from([("a".to_owned(), n(left))]);
        let terms = Terms { names: Vec::new(), values: vec![(":b", n(right))] };
        for (text, expected) in [
            ("#a < :b", left < right),
            ("#a <= :b", left <= right),
            ("#a > :b", left > right),
            ("#a = :b", left == right),
        ] {
            assert_eq!(condition(text).unwrap().holds(Some(&item), &terms), Ok(expected));
        }
        for (text, expected) in [
            ("ADD #a :b", left + right),
            ("SET #a = #a + :b", left + right),
            ("SET #a = #a - :b", left - right),
        ] {
            let mut after = item.clone();
            update(text).unwrap().apply(&item, &mut after, &terms).unwrap();
            assert_eq!(after["a"], n(expected));
        }
    }

    #[test]
    fn no_text_is_too_much_for_the_parser(text in "[#:a-c ANDORSET()<>=,+.0-9]{0,40}") {
        drop((condition(&text), update(&text), projection(&text), clauses(&text)));
    }
}
