//! What is read and printed, case by case.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn value(text: &[u8]) -> Result<Value, YamlError> {
    node(text).map(|node| node.to_value())
}

fn read(text: &str) -> Value {
    value(text.as_bytes()).unwrap()
}

#[test]
fn scalars_are_what_kubectl_makes_of_them() {
    for (text, expected) in [
        ("0666", json!(438)),
        ("0600", json!(384)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("0b11", json!(3)),
        ("1_000", json!(1000)),
        ("-7", json!(-7)),
        ("08", json!(8)),
        ("1.0", json!(1)),
        ("1e3", json!(1000)),
        ("0.5", json!(0.5)),
        ("18446744073709551615", json!(u64::MAX)),
        ("y", json!(true)),
        ("Yes", json!(true)),
        ("on", json!(true)),
        ("N", json!(false)),
        ("OFF", json!(false)),
        ("tRuE", json!("tRuE")),
        ("oN", json!("oN")),
        ("~", json!(null)),
        ("\"0666\"", json!("0666")),
        ("'yes'", json!("yes")),
        ("!!str 12", json!("12")),
        ("2026-11-22", json!("2026-11-22")),
        ("1:30", json!("1:30")),
        ("256Mi", json!("256Mi")),
    ] {
        assert_eq!(read(&format!("a: {text}")), json!({ "a": expected }), "{text}");
    }
}

#[test]
fn keys_are_strings() {
    assert_eq!(
        read("8080: a\n0x10: b\ny: c\n'n': d\n1.5: e\n"),
        json!({
            "8080": "a", "16": "b", "true": "c", "n": "d", "1.5": "e"
        })
    );
    assert_eq!(value(b"y: 1\ntrue: 2\n").unwrap_err().line, 2);
    assert_eq!(value(b"? [a]\n: 1\n").unwrap_err().line, 1);
    assert!(value(b"~: 1\n").is_err());
}

#[test]
fn anchors_and_merge_keys() {
    let text = "base: &b {image: nginx, no1: 1}\nweb:\n  <<: *b\n  no1: 2\nalso: *b\n";
    assert_eq!(
        read(text),
        json!({
            "base": {"image": "nginx", "no1": 1}, "web": {"image": "nginx", "no1": 2}, "also": {"image": "nginx", "no1": 1}
        })
    );
}

#[test]
fn documents_know_their_line_and_empty_ones_are_skipped() {
    let text = "\n# a comment\n---\nkind: A\n---\n# nothing\n---\n\nkind: B\n---\n";
    let found = |text: &str| -> Vec<(usize, Value)> {
        nodes(text.as_bytes()).unwrap().iter().map(|node| (node.line, node.to_value())).collect()
    };
    assert_eq!(found(text), [(4, json!({"kind": "A"})), (9, json!({"kind": "B"}))]);
    assert_eq!(found(""), []);
    assert_eq!(found("---\n---\n"), []);
    assert_eq!(found("\u{feff}a: 1\r\nb: 2\r\n"), [(1, json!({"a": 1, "b": 2}))]);
    assert_eq!(found("{\"a\": [1, true, null]}"), [(1, json!({"a": [1, true, null]}))]);
}

#[test]
fn one_document_is_wanted() {
    assert_eq!(value(b"").unwrap_err().message, "the file is empty");
    assert_eq!(value(b"a: 1\n---\nb: 2\n").unwrap_err().line, 3);
}

#[test]
fn errors_name_the_place_and_never_the_content() {
    let error = nodes(b"kind: Secret\nstringData:\n  password: hunter2\n   other: hunter2\n").unwrap_err();
    assert_eq!(error.line, 4);
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = nodes(b"a: 1\nb: 2\na: hunter2\n").unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (3, "key \"a\" twice in one mapping"));
    let error = nodes(b"a: 1\nb: \xff\n").unwrap_err();
    assert_eq!((error.line, error.message.as_str()), (2, "not UTF-8 text"));
    for text in [
        "a: *hunter2\n",
        "a: \"hunter2\n",
        "a: {hunter2\n",
        "a: !hunter2 x\n",
        "\thunter2: 1",
        "%hunter2\n---\n",
        "a: !!int hunter2\n",
        "a: @hunter2\n",
        "a: 1\n---\nb: !hunter2!x y",
        "a: !!float hunter2",
    ] {
        if let Err(error) = nodes(text.as_bytes()) {
            assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
        }
    }
}

#[test]
fn bombs_are_refused() {
    let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(", ");
        aliases.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let error = nodes(aliases.as_bytes()).unwrap_err();
    assert_eq!(error.message, "its aliases stand for more than 20000 values, the most that is read");
    assert!(nodes("[".repeat(5_000).as_bytes()).is_err());
    assert!(nodes("- ".repeat(5_000).as_bytes()).is_err());
    assert!(nodes("--- a\n".repeat(101).as_bytes()).is_err());
    assert!(nodes(&vec![b'a'; MAX_BYTES + 1]).is_err());
    assert!(nodes("? a\n".repeat(300_000).as_bytes()).is_err());
    let deep = (0..MAX_DEPTH - 2).fold(String::new(), |text, depth| format!("{text}{}a:\n", " ".repeat(depth)));
    assert!(nodes(deep.as_bytes()).is_ok());
}

/// A large Pod whose containers share their settings by anchors, as people write it.
#[test]
fn aliases_that_are_no_bomb() {
    let settings: String = (0..40).map(|n| format!("{{name: A{n}, value: b}}, ")).collect();
    let containers: String = (0..50).map(|n| format!("- {{<<: *base, name: c{n}, env: *env}}\n")).collect();
    let text = format!("base: &base {{image: x, tty: no}}\nenv: &env [{settings}]\ncontainers:\n{containers}");
    let value = read(&text);
    assert_eq!(value["containers"][49]["env"][39]["name"], "A39");
    assert_eq!(value["containers"][49]["image"], "x");
}

#[test]
fn text_keeps_the_spelling_of_numbers() {
    let node = node(b"version: 1.10\nquoted: '1.10'\nno: ~\n").unwrap();
    assert_eq!(node.get("version").unwrap().text().as_deref(), Some("1.10"));
    assert_eq!(node.get("quoted").unwrap().text().as_deref(), Some("1.10"));
    assert_eq!(node.get("false").unwrap().text(), None);
}

#[test]
fn printing_quotes_what_would_be_misread() {
    let value = json!({"a": "yes", "b": "0666", "c": "plain", "d": "line\nline\n", "e": 1, "f": "", "n": "~", "t": "12:30:00", "l": [], "m": {}});
    let text = to_string(&value);
    assert_eq!(read(&text), value);
    for wrong in ["a: yes", "b: 0666", "f: \n", "n: ~"] {
        assert!(!text.contains(wrong), "{text}");
    }
    assert!(text.contains("c: plain\n"), "{text}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<Vec<u8>>()) {
        let _ = nodes(&text);
    }

    #[test]
    fn yamlish_text_is_read_or_refused(text in "[-a&*<>:,{}\\[\\]!|'\"\n #~?%0-9]{0,60}") {
        let _ = nodes(text.as_bytes());
    }

    #[test]
    fn strings_survive_printing(text in "\\PC{0,12}", other in "[0-9a-fxon.+:_~-]{0,8}") {
        let value = json!({ "k": text, "l": [other] });
        prop_assert_eq!(read(&to_string(&value)), value);
    }
}
