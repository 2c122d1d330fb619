//! What is in a package: its identity, flavours with their VDUs, objects, and who uses which configuration.

use super::Screen;
use super::page::Page;
use super::style::{Text, bold, dim, green, join, plain, yellow};
use super::words::kinds;
use crate::object::ObjectRef;
use crate::record::PackageId;
use std::collections::BTreeMap;

/// Column in which facts begin.
const FACTS: usize = 14;

/// Everything that `package inspect` says about a package.
///
/// Its JSON is for scripts, and documented in docs/json.md: fields are added to it, not renamed or removed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageSheet {
    /// Its identity.
    pub id: PackageId,
    /// File digests that are listed and verified.
    pub digests: DigestCount,
    /// Whether it is signed, and by whom.
    pub signature: SignatureLine,
    /// Deployment flavours.
    pub flavours: Vec<FlavourSheet>,
    /// Kubernetes objects in the order of the files.
    pub objects: Vec<ObjectRef>,
    /// ConfigMaps and Secrets, and who uses them.
    pub config: Vec<ConfigLine>,
    /// Scripts that the VNFD names: name and the LCM event that it is for. None is ever run.
    pub scripts: Vec<ScriptLine>,
}

/// How many files have the digest that is listed for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestCount {
    /// Files with the listed digest.
    pub matching: usize,
    /// Files for which a digest is listed.
    pub listed: usize,
}

/// One ConfigMap or Secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigLine {
    /// Which one.
    pub object: ObjectRef,
    /// The VDUs, or workloads without one, that use it.
    pub used_by: Vec<String>,
}

/// What is known of a package's signature.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureLine {
    /// `not signed`, `signed by CN=x, not verified against a CA`, ...
    pub text: String,
    /// Whether it is good, and its certificate leads to a CA that the user named.
    pub verified: bool,
}

/// One deployment flavour.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlavourSheet {
    /// Its id.
    pub id: String,
    /// Its description.
    pub description: String,
    /// Instantiation levels; the first is the default unless [`FlavourSheet::default_level`] says otherwise.
    pub levels: Vec<String>,
    /// The default level.
    pub default_level: Option<String>,
    /// VDUs.
    pub vdus: Vec<VduLine>,
}

/// One VDU.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VduLine {
    /// Its id.
    pub id: String,
    /// Its workload; `None`: the package has none of that name.
    pub workload: Option<ObjectRef>,
    /// Images of the workload's containers.
    pub images: Vec<String>,
    /// Instances at each level that says so.
    pub instances: BTreeMap<String, u32>,
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// The scaling aspect that it belongs to.
    pub aspect: Option<AspectLine>,
}

/// The scaling aspect of a VDU.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AspectLine {
    /// Its id.
    pub id: String,
    /// How many steps it has.
    pub max_scale_level: u32,
}

/// One script of the package.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptLine {
    /// Its name.
    pub name: String,
    /// The LCM event that it is for.
    pub event: String,
    /// Whether the file is in the package.
    pub present: bool,
}

/// What is in a package.
pub fn package(sheet: &PackageSheet, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let version = format!("descriptor version {}", sheet.id.vnfd_version);
    page.list(0, Text::empty(), [bold(&sheet.id.title()), dim(&version)], "   ");
    fact(&mut page, "vnfdId", [plain(&sheet.id.vnfd_id)], " ");
    let DigestCount { matching, listed } = sheet.digests;
    let digests = match (matching, listed) {
        (_, 0) => yellow("no file digests"),
        _ if matching == listed => green(&format!("{matching} of {listed} file digests match")),
        _ => yellow(&format!("{matching} of {listed} file digests match")),
    };
    let signature = if sheet.signature.verified { green(&sheet.signature.text) } else { plain(&sheet.signature.text) };
    fact(&mut page, "Digest", [plain(&format!("sha256:{}", sheet.id.short_digest())), digests, signature], "   ");
    for flavour in &sheet.flavours {
        levels(&mut page, flavour);
        page.blank();
        vdus(&mut page, flavour);
        page.blank();
    }
    fact(&mut page, "Objects", kinds(&sheet.objects).iter().map(|kind| plain(kind)), ", ");
    config(&mut page, &sheet.config);
    scripts(&mut page, &sheet.scripts);
    page.finish()
}

fn fact(page: &mut Page<'_>, label: &str, parts: impl IntoIterator<Item = Text>, separator: &str) {
    page.list(2, bold(label).pad(FACTS - 2), parts, separator);
}

fn levels(page: &mut Page<'_>, flavour: &FlavourSheet) {
    let description = match flavour.description.as_str() {
        "" => String::new(),
        text => format!(" ({text})"),
    };
    fact(page, "Flavour", [plain(&flavour.id) + description.as_str()], "");
    let names = flavour.levels.iter().map(|level| {
        let default = flavour.default_level.as_ref() == Some(level);
        plain(level) + if default { dim(" (default)") } else { Text::empty() }
    });
    if !flavour.levels.is_empty() {
        fact(page, "Levels", names, ", ");
    }
}

fn vdus(page: &mut Page<'_>, flavour: &FlavourSheet) {
    let aspects = flavour.vdus.iter().any(|vdu| vdu.aspect.is_some());
    let mut header: Vec<Text> = ["VDU", "WORKLOAD", "IMAGES"].map(bold).to_vec();
    if !flavour.levels.is_empty() {
        header.push(bold("LEVELS"));
    }
    header.push(bold("MIN..MAX"));
    if aspects {
        header.push(bold("ASPECT (STEPS)"));
    }
    let mut rows = vec![header];
    for vdu in &flavour.vdus {
        let workload = match &vdu.workload {
            Some(workload) => plain(&workload.to_string()),
            None => yellow("no workload of that name"),
        };
        let images = join(vdu.images.iter().map(|image| plain(image)), ", ");
        let mut row = vec![plain(&vdu.id), workload, if images.is_empty() { plain("-") } else { images }];
        if !flavour.levels.is_empty() {
            let at = |level: &String| vdu.instances.get(level).map_or_else(|| "-".to_owned(), u32::to_string);
            let numbers: Vec<String> = flavour.levels.iter().map(at).collect();
            let unknown = numbers.iter().all(|number| number == "-");
            row.push(plain(&if unknown { "-".to_owned() } else { numbers.join(", ") }));
        }
        row.push(plain(&format!("{}..{}", vdu.min, vdu.max)));
        row.extend(vdu.aspect.as_ref().map(|aspect| plain(&format!("{} ({})", aspect.id, aspect.max_scale_level))));
        rows.push(row);
    }
    page.rows(2, 8, &rows);
}

fn config(page: &mut Page<'_>, config: &[ConfigLine]) {
    let name = |line: &ConfigLine| plain(&line.object.to_string());
    let width = config.iter().map(|line| name(line).width()).max().unwrap_or(0);
    for (index, line) in config.iter().enumerate() {
        let label = if index == 0 { bold("Config") } else { Text::empty() };
        let head = label.pad(FACTS - 2) + name(line).pad(width) + "  ";
        if line.used_by.is_empty() {
            page.line(2, head + dim("used by no Pod"));
        } else {
            page.list(2, head + dim("used by "), line.used_by.iter().map(|user| plain(user)), " ");
        }
    }
}

fn scripts(page: &mut Page<'_>, scripts: &[ScriptLine]) {
    if scripts.is_empty() {
        return;
    }
    for (index, script) in scripts.iter().enumerate() {
        let label = if index == 0 { bold("Scripts") } else { Text::empty() };
        let missing = if script.present { "" } else { ", not in the package" };
        let head = label.pad(FACTS - 2);
        page.list(2, head, [plain(&script.name), plain(&format!("({}){missing}", script.event))], " ");
    }
    let text = "scripts are never run, the container update is built in";
    page.paragraph(FACTS, Text::empty(), text);
}
