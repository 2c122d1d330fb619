//! A small package to start from: it validates and instantiates as it is.
//!
//! Its files list no digests, so that they can be edited; `build` computes them.

/// The files, with places for what differs.
const FILES: [(&str, &str); 9] = [
    ("TOSCA-Metadata/TOSCA.meta", include_str!("starter/TOSCA.meta")),
    ("vnfd.mf", include_str!("starter/vnfd.mf")),
    ("ChangeLog.txt", include_str!("starter/ChangeLog.txt")),
    ("Licenses/LICENSE.txt", include_str!("starter/LICENSE.txt")),
    ("Definitions/vnfd.yaml", include_str!("starter/vnfd.yaml")),
    ("Definitions/types.yaml", include_str!("starter/types.yaml")),
    ("Definitions/df_default.yaml", include_str!("starter/df_default.yaml")),
    ("Files/kubernetes/configmap.yaml", include_str!("starter/configmap.yaml")),
    ("Files/kubernetes/deployment.yaml", include_str!("starter/deployment.yaml")),
];

/// Longest name of a workload that leaves room for what is added to it.
const MAX_NAME: usize = 40;

/// Paths and texts of a package: `name` is the product and its workload, as [`name_of`] makes it, `vnfd_id` its identity,
/// `date` its release (RFC 3339).
pub fn files(name: &str, vnfd_id: &str, date: &str) -> Vec<(&'static str, String)> {
    let fill = |text: &str| text.replace("@NAME@", name).replace("@VNFD_ID@", vnfd_id).replace("@DATE@", date);
    FILES.iter().map(|(path, text)| (*path, fill(text))).collect()
}

/// A name of a directory as one of Kubernetes objects: lower-case letters, digits and dashes, a letter first.
pub fn name_of(directory: &str) -> String {
    let letters = directory.to_lowercase();
    let letters: String =
        letters.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(MAX_NAME).collect();
    let name = letters.trim_matches('-');
    match name.chars().next() {
        None => "vnf".into(),
        Some(first) if first.is_ascii_alphabetic() => name.into(),
        Some(_) => format!("vnf-{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_takes() {
        for (directory, name) in [
            ("my-upf", "my-upf"),
            ("My UPF_2", "my-upf-2"),
            ("5gc", "vnf-5gc"),
            ("..", "vnf"),
            ("\u{fc}ber", "ber"),
            ("-a-", "a"),
        ] {
            assert_eq!(name_of(directory), name, "{directory}");
        }
        assert_eq!(name_of(&"x".repeat(100)).len(), MAX_NAME);
    }
}
