//! Templates against what kubectl makes of them.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn filled(template: &str, value: &Value) -> Result<String, String> {
    let template = Template::parse(template).map_err(|error| error.to_string())?;
    template.fill(value).map_err(|error| error.to_string())
}

fn vnf() -> Value {
    json!({
        "name": "upf",
        "ready": true,
        "none": null,
        "labels": {"app.kubernetes.io/name": "x", "plain": "y"},
        "vdus": [
            {"id": "VDU1", "replicas": 1, "images": ["nginx", "envoy"]},
            {"id": "VDU2", "replicas": 3, "images": ["cirros"], "aspect": "a"},
            {"id": "VDU3", "replicas": 2.5, "images": []},
        ],
    })
}

/// kubectl itself is asked about such paths by a test of the cluster tests.
#[test]
fn paths_lead_where_kubectl_leads() {
    for (template, expected) in [
        ("{.name}", "upf"),
        ("{$.name}{@.name}{name}", ""),
        ("a {.name} b", "a upf b"),
        (r#"{.name}{"\t"}{.ready}{'\n'}"#, "upf\ttrue\n"),
        ("{.none}", "null"),
        ("{.missing}{.missing.deeper}{.name.deeper}", ""),
        ("{.vdus[0].id}", "VDU1"),
        ("{.vdus[-1].id}", "VDU3"),
        ("{.vdus[-2:].id}", "VDU2 VDU3"),
        ("{.vdus[*].id}", "VDU1 VDU2 VDU3"),
        ("{.vdus[0:3:2].id}", "VDU1 VDU3"),
        ("{.vdus[0,2].id}", "VDU1 VDU3"),
        ("{.vdus[1:1].id}", ""),
        ("{.vdus[*]['id','replicas']}", "VDU1 VDU2 VDU3 1 3 2.5"),
        ("{.vdus[?(@.id==\"VDU2\")].replicas}", "3"),
        ("{.vdus[?(@.id!='VDU2')].id}", "VDU1 VDU3"),
        ("{.vdus[?(@.replicas>=2)].id}", "VDU2 VDU3"),
        ("{.vdus[?(@.replicas<2)].id}", "VDU1"),
        ("{.vdus[?(@.aspect)].id}", "VDU2"),
        ("{.vdus[?(@.images[0]==\"nginx\")].id}", "error"),
        ("{.vdus[0].images}", r#"["nginx","envoy"]"#),
        ("{..id}", "VDU1 VDU2 VDU3"),
        ("{.vdus.*.id}", "VDU1 VDU2 VDU3"),
        ("{.labels.plain}", "y"),
        (r"{.labels.app\.kubernetes\.io/name}", "x"),
        (r"{.labels['app\.kubernetes\.io/name']}", "x"),
        ("{range .vdus[*]}{.id}={.replicas};{end}.", "VDU1=1;VDU2=3;VDU3=2.5;."),
        ("{range .vdus[*]}{.id}:{range .images[*]} {@}{end}\n{end}", "VDU1: nginx envoy\nVDU2: cirros\nVDU3:\n"),
        ("{range .missing[*]}{.id}{end}{.name}", "upf"),
        ("no braces", "no braces"),
        ("", ""),
    ] {
        let found = filled(template, &vnf());
        match expected {
            "error" => assert!(found.is_err(), "{template}"),
            "" if template.contains("{name}") => assert_eq!(found.unwrap_err(), "unrecognized identifier name"),
            expected => assert_eq!(found.as_deref(), Ok(expected), "{template}"),
        }
    }
}

#[test]
fn mistakes_are_told_in_kubectls_words() {
    for (template, expected) in [
        ("{.a", "unclosed action"),
        ("{end}", "not in range, nothing to end"),
        ("{foo}", "unrecognized identifier foo"),
        ("{.a[}", "unterminated array"),
        ("{.a[x]}", "invalid array index x"),
        ("{.a[]}", "invalid array index "),
        ("{.a[?(@.b}", "unterminated filter"),
        ("{.a[?(@.b)}", "unclosed array expect ]"),
        ("{.vdus[?(@.b=~'x')]}", "unrecognized filter operator ="),
        ("{.vdus[?(@.b<>'x')]}", "unrecognized filter operator <>"),
        ("{.a.....b}", "invalid multiple recursive descent"),
        ("{\"x}", "unterminated quoted string"),
        ("{%}", "unrecognized character in action: '%'"),
        ("{-}", "cannot parse number -"),
        ("{.vdus[7]}", "array index out of bounds: index 7, length 3"),
        ("{.name[0]}", "a string is not array or slice"),
        ("{.labels[?(@.x)]}", "an object is no list and cannot be filtered"),
        ("{.vdus[?(@.replicas==\"1\")]}", "incompatible types for comparison: a number and a string"),
        ("{.vdus[0:2:0]}", "step must be > 0"),
    ] {
        assert_eq!(filled(template, &vnf()).unwrap_err(), expected, "{template}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c ]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_template_and_no_value_does_harm(
        template in prop_oneof![
            any::<String>(),
            "(\\{?(range |end|\\.a|\\.b|\\.\\.|\\[[-0-9:*,]{1,4}\\]|\\[\\?\\(@\\.[ab](==|<)?['\"0-9a]{0,3}\\)\\]|@|\\$| |\"[a\\\\n]{0,3}\"|[^a])\\}?){0,8}",
        ],
        value in value(),
    ) {
        if let Ok(template) = Template::parse(&template) {
            let _ = template.fill(&value);
        }
    }

    #[test]
    fn text_without_braces_stays_as_it_is(text in "[^{]*", value in value()) {
        prop_assert_eq!(filled(&text, &value), Ok(text));
    }

    #[test]
    fn every_field_is_found_by_its_escaped_name(name in "[^\\x00-\\x1f]{1,8}") {
        let escaped: String = name.chars().flat_map(|c| ['\\', c]).collect();
        let value = json!({name: "here"});
        prop_assert_eq!(filled(&format!("{{.{escaped}}}"), &value), Ok("here".to_owned()));
    }

    #[test]
    fn slices_take_what_a_list_has_there(length in 0_usize..6, from in -7_i64..7, to in -7_i64..7) {
        let list: Vec<i64> = (0..6).take(length).collect();
        let text = filled(&format!("{{[{from}:{to}]}}"), &json!(list));
        let end = |index: i64| if index < 0 { index + length as i64 } else { index };
        let (from, to) = (end(from), end(to));
        let inside = from == to || (0..length as i64).contains(&from) && (from..=length as i64).contains(&to);
        if inside {
            let taken: Vec<String> = (from..to).map(|index| index.to_string()).collect();
            prop_assert_eq!(text, Ok(taken.join(" ")));
        } else {
            prop_assert!(text.is_err());
        }
    }
}
